package session

import (
	"bytes"
	"math/bits"
	"sync"
	"time"

	"github.com/flynn/noise"

	"github.com/vxmesh/vxmesh/tunnel/drop"
	"github.com/vxmesh/vxmesh/tunnel/wire"
)

// An attempt is a message 1 that was not answered yet.
type attempt struct {
	realm   *realm // in which it is answered, also when the newest secret is another by then
	hs      *noise.HandshakeState
	index   uint32
	message []byte
	proven  bool // it was sent again with a cookie
}

// begin makes a message 1 in a realm, in place of the last one.
func (p *Peer) begin(r *realm, challenge [macLen]byte) []byte {
	p.abandon()
	p.number++
	h := p.e.payload()
	h.cipher, h.counter, h.challenge = p.e.o.offer(), p.number, challenge
	a := &attempt{realm: r, hs: p.e.handshake(r, p.key[:]), index: p.e.newIndex(p)}
	out, _, _, err := a.hs.WriteMessage(newMessage(wire.Handshake1, a.index, 0), h.marshal())
	if err != nil {
		panic(err) // Add has tried the key
	}
	a.message = p.seal(r, out)
	p.attempt = a
	p.e.awaited.add(a.index)
	return a.message
}

// seal appends the macs for the peer. The second stays empty.
func (p *Peer) seal(r *realm, message []byte) []byte {
	mac := authenticate(receiverKey(r.secret, p.key, "vxmesh1 mac1"), message)
	return append(append(message, mac[:]...), make([]byte, macLen)...)
}

// abandon forgets the attempt, so that an answer to it is none any more.
func (p *Peer) abandon() {
	if p.attempt != nil {
		delete(p.e.indices, p.attempt.index)
		p.e.awaited.remove(p.attempt.index)
		p.attempt = nil
	}
}

// awaited are the indices of the attempts. Any number of goroutines may use it.
type awaited struct {
	mu      sync.RWMutex
	indices map[uint32]bool
}

func (w *awaited) add(index uint32) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.indices[index] = true
}

func (w *awaited) remove(index uint32) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.indices, index)
}

func (w *awaited) has(index uint32) bool {
	w.mu.RLock()
	defer w.mu.RUnlock()
	return w.indices[index]
}

// attempted finds the peer whose attempt has this index.
func (e *Endpoint) attempted(index uint32) *Peer {
	p := e.indices[index]
	if p == nil || p.attempt == nil || p.attempt.index != index {
		return nil
	}
	return p
}

func (e *Endpoint) receiveMessage2(now time.Duration, b []byte) Result {
	p := e.attempted(receiver(b))
	if p == nil {
		return Result{Reason: drop.NoSession}
	}
	a := p.attempt
	text, c1, c2, err := a.hs.ReadMessage(nil, noisePart(b))
	if err != nil {
		return Result{Reason: drop.Auth}
	}
	h, ok := parsePayload(text)
	if !ok || !p.agrees(&h) || sender(b) < wire.MinIndex {
		p.abandon()
		return Result{Peer: p, Reason: drop.Auth}
	}
	p.attempt = nil // the transport has the index now
	e.awaited.remove(a.index)
	p.number = max(p.number, h.counter)
	p.learn(&h)
	t := p.transport(agreement{
		index: a.index, remote: sender(b), cipher: Cipher(h.cipher), binding: a.hs.ChannelBinding(),
		send: c1.UnsafeKey(), receive: c2.UnsafeKey(),
		rank: rank{h.counter, e.public}, created: now,
	})
	t.initiator = true
	p.add(t)
	p.Confirm(t) // message 2 has proven that the peer has the keys
	return Result{Peer: p, New: t}
}

// agrees reports whether the peer chose one of our ciphers, and answered no challenge: there was
// none.
func (p *Peer) agrees(h *payload) bool {
	chosen := h.cipher & uint8(anyCipher) & p.e.o.offer()
	return chosen == h.cipher && bits.OnesCount8(chosen) == 1 && zero(h.challenge[:])
}

// receiveCookie repeats message 1 as the peer wants it: with proof of our address, or made anew
// with its challenge, under the same secret. It does so once, or two nodes could be made to ask each other for ever.
func (e *Endpoint) receiveCookie(b []byte) Result {
	p := e.attempted(cookieReceiver(b))
	if p == nil {
		return Result{Reason: drop.NoSession}
	}
	a := p.attempt
	cookie, flags, ok := openCookie(cookieAEAD(a.realm.secret, p.key), b, mac1(a.message))
	switch {
	case !ok:
		return Result{Reason: drop.Auth}
	case flags == flagChallenge && !p.challenged:
		p.challenged = true
		return Result{Peer: p, Reply: p.begin(a.realm, cookie)}
	case flags == 0 && !a.proven:
		a.proven = true
		reply := bytes.Clone(a.message)
		mac := authenticate(cookie[:], beforeMAC2(reply))
		copy(mac2(reply), mac[:])
		return Result{Peer: p, Reply: reply}
	}
	return Result{Peer: p, Reason: drop.Replay}
}
