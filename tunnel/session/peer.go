package session

import (
	"bytes"
	"cmp"
	"slices"
	"time"
)

// A Peer is a node that an [Endpoint] may talk to. One goroutine at a time may use an endpoint and
// its peers.
type Peer struct {
	e   *Endpoint
	key PublicKey

	// Of the peer's messages 1 that were accepted. The highest never goes back, not even for a peer
	// whose state did: what was recorded of it before must not become fresh again.
	accepted        uint64 // how many
	highest, latest uint64 // boot epoch and counter

	// What the peer last said of itself.
	epoch       uint32
	caps        Caps
	id          [32]byte
	head        [headLen]byte
	certificate []byte

	number     uint32 // the greatest that we know: of our messages 1, its messages 1, and sessions
	attempt    *attempt
	challenged bool // since the last try

	series

	sessions []*Transport // in the order of their ranks
	current  *Transport
	dropped  []*Transport // since the last Expire
}

// Key is the peer's public key.
func (p *Peer) Key() PublicKey { return p.key }

// ID is the node id that the peer last claimed, zero before the first handshake.
func (p *Peer) ID() [32]byte { return p.id }

// Caps says what the peer's devices take, none before the first handshake.
func (p *Peer) Caps() Caps { return p.caps }

// Certificate is what the peer last showed; nil before the first handshake. It was not checked.
func (p *Peer) Certificate() []byte { return p.certificate }

// Head is the head of the peer's list of revocations, as of the last handshake.
func (p *Peer) Head() [headLen]byte { return p.head }

// Epoch is the peer's boot epoch, as of the last handshake.
func (p *Peer) Epoch() uint32 { return p.epoch }

// learn keeps what the peer said of itself.
func (p *Peer) learn(h *payload) {
	p.epoch, p.caps, p.id, p.head = h.epoch, h.caps, h.id, h.head
	p.certificate = bytes.Clone(h.certificate)
}

// An agreement is what a handshake ends with.
type agreement struct {
	index, remote uint32
	cipher        Cipher
	binding       []byte
	send, receive [32]byte
	rank          rank
	created       time.Duration
}

func (p *Peer) transport(a agreement) *Transport {
	return &Transport{
		index: a.index, remote: a.remote, cipher: a.cipher, created: a.created, rank: a.rank,
		epoch:   p.epoch,
		binding: [32]byte(a.binding),
		send:    a.cipher.aead(a.cipher.dataKey(a.send[:], a.binding)),
		receive: a.cipher.aead(a.cipher.dataKey(a.receive[:], a.binding)),
	}
}

func (r rank) compare(other rank) int {
	return cmp.Or(cmp.Compare(r.number, other.number),
		bytes.Compare(r.initiator[:], other.initiator[:]))
}

// Current is the transport to send with, nil when there is none that the peer is known to have.
func (p *Peer) Current() *Transport { return p.current }

// Transports are all that datagrams of the peer may still come with, in a slice of the caller's
// own.
func (p *Peer) Transports() []*Transport { return slices.Clone(p.sessions) }

// How many transports are kept beside the current one: of those below it, which the peer may still
// send with, and of those above it, which it may move to.
const (
	maxBelow = 2
	maxAbove = 2
)

// add takes a new transport among those that can receive, and drops what is one too many.
func (p *Peer) add(t *Transport) {
	at, _ := slices.BinarySearchFunc(p.sessions, t, func(a, b *Transport) int {
		return a.rank.compare(b.rank)
	})
	p.sessions = slices.Insert(p.sessions, at, t)
	p.trim()
}

// trim keeps the highest of each side.
func (p *Peer) trim() {
	for above := len(p.sessions) - 1 - p.place(); above > maxAbove; above-- {
		p.drop(p.place() + 1)
	}
	for p.place() > maxBelow {
		p.drop(0)
	}
}

// place is where the current transport is among the sessions, -1 when there is none.
func (p *Peer) place() int { return slices.Index(p.sessions, p.current) }

// drop ends the i-th session. Was it the current one, the next lower that the peer has takes over.
func (p *Peer) drop(i int) {
	t := p.sessions[i]
	p.sessions = slices.Delete(p.sessions, i, i+1)
	p.dropped = append(p.dropped, t)
	t.closed.Store(true)
	delete(p.e.indices, t.index)
	if t != p.current {
		return
	}
	p.current = nil
	for _, t := range p.sessions[:i] {
		if t.Confirmed() {
			p.current = t
		}
	}
}

// Confirm is to be told of the first datagram that was opened with t: the peer has the keys. It
// reports whether t is the current transport now, and was not before.
func (p *Peer) Confirm(t *Transport) bool {
	if !slices.Contains(p.sessions, t) || !t.confirmed.CompareAndSwap(false, true) {
		return false
	}
	if p.current != nil && p.current.rank.compare(t.rank) > 0 {
		return false
	}
	p.current = t
	p.abandon()
	p.settle(t)
	p.dropEpochs(t.epoch)
	p.trim()
	return true
}

// dropEpochs ends the older sessions of other starts of the peer than this one: it has lost their
// keys. Whoever uses them still is another machine with the same key, and will show itself.
func (p *Peer) dropEpochs(current uint32) {
	for i := p.place() - 1; i >= 0; i-- {
		if p.sessions[i].epoch != current {
			p.drop(i)
		}
	}
}

// Expire drops the transports that are too old, and returns all that were dropped since it was last
// called, also those that gave way to newer ones: nothing more is opened with them.
func (p *Peer) Expire(now time.Duration) []*Transport {
	for i := len(p.sessions) - 1; i >= 0; i-- {
		if p.sessions[i].Expired(now) {
			p.drop(i)
		}
	}
	dropped := p.dropped
	p.dropped = nil
	return dropped
}

// Close is to be called when the peer said under t that it leaves. The sessions up to t end; one
// that began later, after the peer came back, stays. Expire returns those that ended.
func (p *Peer) Close(t *Transport) {
	for len(p.sessions) > 0 && p.sessions[0].rank.compare(t.rank) <= 0 {
		p.drop(0)
	}
}
