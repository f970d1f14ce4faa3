package session

import (
	"crypto/cipher"
	"encoding/binary"
	"sync/atomic"
	"time"

	"golang.org/x/sys/cpu"

	"github.com/vxmesh/vxmesh/internal/aegis"
	"github.com/vxmesh/vxmesh/tunnel/drop"
	"github.com/vxmesh/vxmesh/tunnel/wire"
)

// deadAge is how old keys get before nothing is sealed or opened with them any more.
const deadAge = 180 * time.Second

// A Transport is one set of agreed keys: it seals datagrams for a peer and opens those that come
// from it. The handshake makes it; any number of goroutines may use it.
type Transport struct {
	index, remote uint32
	cipher        Cipher
	created       time.Duration
	initiator     bool
	rank          rank
	epoch         uint32 // the peer's
	binding       [32]byte
	send, receive cipher.AEAD

	_         cpu.CacheLinePad // what one core writes is no other core's to read
	sent      atomic.Uint64    // counters given out
	confirmed atomic.Bool
	closed    atomic.Bool

	_      cpu.CacheLinePad
	window window
}

// Index is the index that datagrams for this side carry.
func (t *Transport) Index() uint32 { return t.index }

// RemoteIndex is the index that datagrams for the peer carry.
func (t *Transport) RemoteIndex() uint32 { return t.remote }

// Cipher is what both sides agreed on.
func (t *Transport) Cipher() Cipher { return t.cipher }

// Binding is the hash of the handshake (Noise, 11.2): the same on both sides, and of no other
// session. What is proven over it is proven in this session only.
func (t *Transport) Binding() [32]byte { return t.binding }

// Created is when the handshake ended on this side.
func (t *Transport) Created() time.Duration { return t.created }

// Initiator reports whether this side sent message 1.
func (t *Transport) Initiator() bool { return t.initiator }

// Confirmed reports whether the peer is known to have the keys: always where this side began the
// handshake, else since [Peer.Confirm].
func (t *Transport) Confirmed() bool { return t.confirmed.Load() }

// Expired reports whether the keys are too old to be used.
func (t *Transport) Expired(now time.Duration) bool { return now-t.created >= deadAge }

// Reserve gives n consecutive counters, the first of which it returns, to the caller alone. It
// refuses when the keys are worn out or were dropped: then a new handshake has to come first.
func (t *Transport) Reserve(n int) (counter uint64, ok bool) {
	if t.closed.Load() {
		return 0, false
	}
	end := t.sent.Add(uint64(n))
	if end > t.cipher.limit() {
		return 0, false
	}
	return end - uint64(n), true
}

// Seal encrypts the plaintext behind the header, which the first [wire.HeaderLen] bytes of datagram
// hold; datagram is [wire.Overhead] bytes longer than plaintext. The plaintext may be where its
// ciphertext comes to lie, else the two do not overlap. The header's counter comes from Reserve and
// is used once.
func (t *Transport) Seal(datagram, plaintext []byte) {
	_ = datagram[wire.Overhead+len(plaintext)-1] // Seal would make a slice of its own, silently
	header := datagram[:wire.HeaderLen]
	t.send.Seal(header, nonce(datagram), plaintext, header)
}

// SealRun seals the parts of text, n bytes each, behind the headers of datagrams that lie one behind another in run,
// [wire.Overhead] bytes longer each. Else it is as Seal, which it does for the most part for two at a time. Text is elsewhere.
func (t *Transport) SealRun(run, text []byte, n int) {
	size := wire.Overhead + n
	if c, ok := t.send.(*aegis.Cipher); ok {
		for ; len(run) >= 2*size; run, text = run[2*size:], text[2*n:] {
			a, b := pairText(run[:size], text[:n]), pairText(run[size:2*size], text[n:2*n])
			c.SealPair(&a, &b)
		}
	}
	for ; len(run) >= size; run, text = run[size:], text[n:] {
		t.Seal(run[:size:size], text[:n])
	}
}

// pairText is a datagram as one of two.
func pairText(datagram, plaintext []byte) aegis.Text {
	return aegis.Text{
		Nonce: nonce(datagram), Header: datagram[:wire.HeaderLen], Plain: plaintext, Sealed: datagram[wire.HeaderLen:],
	}
}

// Fresh reports whether a datagram with this counter can still be taken: it was not seen yet and is
// not too old to tell. Ask it before Open writes to a place that matters.
func (t *Transport) Fresh(counter uint64) bool { return t.window.fresh(counter) }

// Open decrypts a datagram, of any length, and appends the plaintext to dst, which may be
// datagram[16:16] and else does not overlap it. The reason is [drop.None], or Auth or Replay: what
// is behind dst is then spoilt. Of several that open the same counter at once, one gets None.
func (t *Transport) Open(dst, datagram []byte) ([]byte, drop.Reason) {
	if len(datagram) < wire.Overhead {
		return dst, drop.Auth
	}
	c := counter(datagram)
	if !t.window.fresh(c) {
		return dst, drop.Replay
	}
	out, err := t.open(dst, datagram)
	if err != nil {
		return dst, drop.Auth
	}
	if t.window.take(c, 1) == 0 {
		return dst, drop.Replay
	}
	return out, drop.None
}

// OpenRun opens datagrams of size bytes that lie one behind another and have consecutive counters (see
// [wire.Run]), and appends their plaintexts to dst, which is elsewhere and has room for them. It stops before the
// first that is forged, or that another reader took meanwhile, and tells how many it has opened; what is behind them is
// spoilt. It opens none when the first is not newer than all that were taken before: 0 says nothing about
// it, Open does.
func (t *Transport) OpenRun(dst, run []byte, size int) (opened int) {
	first := counter(run)
	if !t.window.ahead(first) {
		return 0
	}
	opened = t.openPairs(dst, run, size)
	dst = dst[:len(dst)+opened*(size-wire.Overhead)]
	for run = run[opened*size:]; len(run) >= size; run = run[size:] {
		var err error
		if dst, err = t.open(dst, run[:size:size]); err != nil {
			break
		}
		opened++
	}
	return t.window.take(first, opened)
}

// openPairs opens what it can of a run two datagrams at a time: up to the first pair of which one is forged.
func (t *Transport) openPairs(dst, run []byte, size int) (opened int) {
	c, ok := t.receive.(*aegis.Cipher)
	if !ok {
		return 0
	}
	n := size - wire.Overhead
	for dst = dst[len(dst):cap(dst)]; len(run) >= 2*size; dst, run = dst[2*n:], run[2*size:] {
		a, b := pairText(run[:size], dst[:n]), pairText(run[size:2*size], dst[n:2*n])
		if first, second := c.OpenPair(&a, &b); !first || !second {
			break
		}
		opened += 2
	}
	return opened
}

// open decrypts a datagram, whatever its counter.
func (t *Transport) open(dst, datagram []byte) ([]byte, error) {
	header, sealed := datagram[:wire.HeaderLen], datagram[wire.HeaderLen:]
	return t.receive.Open(dst, nonce(datagram), sealed, header)
}

// counter is the number of a datagram of its session.
func counter(datagram []byte) uint64 { return binary.BigEndian.Uint64(datagram[8:]) >> 16 }

// Received is how many datagrams were taken.
func (t *Transport) Received() uint64 { return t.window.taken.Load() }

// nonce is the part of the header with the counter in it, which never comes twice under one key.
func nonce(datagram []byte) []byte { return datagram[4:wire.HeaderLen] }

// A rank orders the sessions of two nodes in the same way at both ends.
type rank struct {
	number    uint32
	initiator PublicKey
}
