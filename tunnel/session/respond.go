package session

import (
	"bytes"
	"net/netip"
	"time"

	"github.com/flynn/noise"

	"github.com/vxmesh/vxmesh/tunnel/drop"
	"github.com/vxmesh/vxmesh/tunnel/wire"
)

// limit counts a message 1. If it is one too many, the result says why and what to answer.
func (e *Endpoint) limit(now time.Duration, from netip.AddrPort, b []byte, r *realm) Result {
	if e.provesAddress(now, from, b) {
		if !e.proven.allow(now, from.Addr()) {
			return Result{Reason: drop.RateLimit}
		}
	} else if !e.claimed.allow(now, from.Addr()) || !e.load.take(now, loadRate) {
		reply := e.demand(r, b, e.jar.bake(now, from, nil), 0)
		return Result{Reply: reply, Reason: drop.CookieNeeded}
	}
	return Result{}
}

// receiveMessage1 goes from what costs least to what costs most.
func (e *Endpoint) receiveMessage1(now time.Duration, from netip.AddrPort, b []byte, r *realm) Result {
	hs := e.handshake(r, nil)
	text, _, _, err := hs.ReadMessage(nil, noisePart(b))
	if err != nil {
		return Result{Reason: drop.Auth}
	}
	h, ok := parsePayload(text)
	if !ok || sender(b) < wire.MinIndex {
		return Result{Reason: drop.Auth}
	}
	key := PublicKey(hs.PeerStatic())
	if key == e.public {
		return Result{Reason: drop.Auth, Event: OwnKey, Claim: h.claim(key)}
	}
	p := e.peers[key]
	if p == nil {
		return Result{Reason: drop.Auth, Event: UnknownPeer, Claim: h.claim(key)}
	}
	return p.receiveMessage1(now, from, b, r, hs, &h)
}

// receiveMessage1 takes a message 1 that the peer made, now or some time ago. There is no clock
// that two nodes agree on, so what is not newer than all before has to bring a challenge back: its
// sender may have lost its state, or it is a replay.
func (p *Peer) receiveMessage1(
	now time.Duration, from netip.AddrPort, b []byte, realm *realm, hs *noise.HandshakeState, h *payload,
) Result {
	r := Result{Peer: p}
	switch fresh := h.fresh(); {
	case fresh > p.highest:
	case fresh == p.latest:
		return Result{Peer: p, Reason: drop.Replay}
	case !p.e.answersChallenge(now, from, p, h):
		cookie := p.e.jar.bake(now, from, p.purpose())
		r.Reply, r.Reason = p.e.demand(realm, b, cookie, flagChallenge), drop.CookieNeeded
		return r
	case h.epoch < uint32(p.latest>>32):
		r.Event = EpochBack
	}
	p.highest, p.latest = max(p.highest, h.fresh()), h.fresh()
	p.accepted++
	p.number = max(p.number, h.counter)
	p.learn(h)
	if p.goesFirst(now) {
		return r
	}
	chosen := choose(p.e.o.offer(), h.cipher)
	if chosen == 0 {
		return Result{Peer: p, Reason: drop.NoSession, Event: NoCommonCipher}
	}
	r.Reply, r.New = p.answer(now, sender(b), realm, hs, chosen)
	return r
}

// goesFirst settles who answers when both began at once: not the one with the greater key, for as
// long as it has good hopes for its own message, the first one. Later it may be that only the
// peer's messages get through.
func (p *Peer) goesFirst(now time.Duration) bool {
	first := p.attempt != nil && p.tries == 1 && now < p.next
	return first && bytes.Compare(p.e.public[:], p.key[:]) > 0
}

// answer makes message 2 and the transport.
func (p *Peer) answer(
	now time.Duration, remote uint32, r *realm, hs *noise.HandshakeState, chosen Cipher,
) ([]byte, *Transport) {
	if bytes.Compare(p.e.public[:], p.key[:]) < 0 {
		p.abandon() // the peer will not answer it before its own has failed
	}
	p.number++
	index := p.e.newIndex(p)
	h := p.e.payload()
	h.cipher, h.counter = uint8(chosen), p.number
	out, c1, c2, err := hs.WriteMessage(newMessage(wire.Handshake2, index, remote), h.marshal())
	if err != nil {
		panic(err) // the peer's keys were used to read message 1 already
	}
	out = p.seal(r, out)
	t := p.transport(agreement{
		index: index, remote: remote, cipher: chosen, binding: hs.ChannelBinding(),
		send: c2.UnsafeKey(), receive: c1.UnsafeKey(),
		rank: rank{p.number, p.key}, created: now,
	})
	p.add(t)
	return out, t
}

// claim tells the owner what a stranger said.
func (h *payload) claim(key PublicKey) *Claim {
	return &Claim{
		Key: key, ID: h.id, Epoch: h.epoch, Head: h.head, Certificate: bytes.Clone(h.certificate),
	}
}
