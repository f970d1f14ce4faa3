package chunk

import (
	"time"

	"github.com/vxmesh/vxmesh/tundev/offload"
	"github.com/vxmesh/vxmesh/tunnel/drop"
	"github.com/vxmesh/vxmesh/tunnel/wire"
)

// A Receiver takes what a [Reassembler] puts together. It is called by Commit and Expire and must
// not call the reassembler.
type Receiver interface {
	// Deliver takes a frame of one part, or of the two parts headers and payload, which it must not
	// keep; meta says what is left to do for it. ce is set when a chunk of its message met
	// congestion on the way.
	Deliver(vni uint32, meta offload.Header, parts [][]byte, ce bool)
	// Lost is told once of each message that could not be delivered whole: [drop.ChunkTimeout] when
	// something of it never came, [drop.Malformed] when its sender lied.
	Lost(reason drop.Reason)
}

// A Reassembler puts the messages of one peer together. Each chunk is opened into its place, so that
// a message that arrives whole is never copied. What arrives with holes is delivered as far as it
// can be, when something later is delivered, when its sender is well past it, or when nothing more
// of it comes.
type Reassembler struct {
	pool *Pool
	to   Receiver
	last *message // which the last chunk belonged to, if it is still open
	open [maxOpen]*message
	n    int // messages in open, in the order in which they began

	// The last message that was forgotten. What comes of earlier ones is too late.
	gone struct {
		index uint32
		id    uint64
	}
}

// NewReassembler makes a reassembler on memory that others of the same goroutine may share.
func NewReassembler(pool *Pool, to Receiver) *Reassembler {
	return &Reassembler{pool: pool, to: to}
}

// Place gives the memory that the plaintexts of up to count datagrams are to be opened into, one behind another:
// length 0, and capacity for as many as it takes, at least one. Each plaintext has n bytes; h is the header of the
// first datagram, and the others are the chunks that follow (see [wire.Run]). Nothing depends on what
// stands there until Commit, which has to be the next call to a reassembler of the same pool; a
// datagram that turns out to be forged is just not committed. It is not for a datagram that is a message of its own.
//
// The reason is [drop.Malformed] when the first datagram contradicts itself or the rest of its message,
// and [drop.ChunkTimeout] when the message has been given up and forgotten.
func (r *Reassembler) Place(h wire.Header, n, count int, now time.Duration) ([]byte, drop.Reason) {
	m := r.find(h)
	switch {
	case !sane(h) || n <= 0:
		return nil, drop.Malformed
	case m != nil && !m.fits(h):
		return nil, drop.Malformed
	case m != nil && m.givenUp && m.deadline <= now:
		return nil, drop.ChunkTimeout
	case m == nil && h.Index == r.gone.index && h.Message() <= r.gone.id:
		return nil, drop.ChunkTimeout
	case m == nil:
		m = r.pool.next()
	}
	at, ok := m.place(h, n)
	if !ok {
		return nil, drop.Malformed
	}
	return m.buf[at : at : at+n*m.room(h, n, count)], drop.None
}

// sane reports whether a header can belong to one chunk of several.
func sane(h wire.Header) bool {
	const known = wire.FlagOffload | wire.FlagHeaders
	return h.VNI != 0 && h.Flags&^known == 0 && uint64(h.Chunk) <= h.Counter &&
		(h.Last && h.Chunk != 0 || !h.Last && h.Flags&wire.FlagHeaders == 0)
}

// Commit accounts count of the datagrams that Place was called for last, which were authentic, and delivers
// what can be delivered by them. ce says that they met congestion on the way.
func (r *Reassembler) Commit(h wire.Header, n, count int, ce bool, now time.Duration) {
	m := r.find(h)
	if m == nil {
		m = r.begin(h, now)
	}
	m.commit(h, n, count)
	m.ce = m.ce || ce
	switch {
	case m.complete():
		if r.n > 1 && m.id > 0 {
			r.giveUp(m.index, m.id-1, now)
		}
		r.finish(m)
	case m.givenUp:
		r.flush(m)
	default:
		m.deadline = now + patience
	}
}

// find gives the message that a datagram belongs to, nil when it is the first of it.
func (r *Reassembler) find(h wire.Header) *message {
	id := h.Message()
	if m := r.last; m != nil && m.id == id && m.index == h.Index {
		return m
	}
	for _, m := range r.open[:r.n] {
		if m.id == id && m.index == h.Index {
			r.last = m
			return m
		}
	}
	return nil
}

// begin opens the message of a datagram whose plaintext stands in the pool's next.
func (r *Reassembler) begin(h wire.Header, now time.Duration) *message {
	m := r.pool.take() // before anything is put back
	m.begin(h)
	for _, old := range r.open[:r.n] {
		if old.index == m.index && old.id+uint64(old.end-1)+reorder <= m.id {
			r.giveUp(m.index, old.id, now)
		}
	}
	if r.n == maxOpen {
		r.evict(now)
	}
	r.open[r.n] = m
	r.n++
	r.last = m
	return m
}

// evict forgets a message to make room: the oldest of those that were given up, or the oldest.
func (r *Reassembler) evict(now time.Duration) {
	victim := r.open[0]
	for _, m := range r.open[:r.n] {
		if m.givenUp {
			victim = m
			break
		}
	}
	r.giveUp(victim.index, victim.id, now)
	r.forget(victim)
}

// finish delivers what a complete message still has and closes it.
func (r *Reassembler) finish(m *message) {
	ok := true
	if m.done.empty() {
		var h offload.Header
		var frame []byte
		if h, frame, ok = m.whole(); ok {
			parts := r.pool.part[:1]
			parts[0] = frame
			r.to.Deliver(m.vni, h, parts, m.ce)
		}
	} else {
		ok = r.flush(m)
	}
	if !ok {
		r.to.Lost(drop.Malformed)
	}
	r.close(m)
}

// giveUp delivers what there is of a session's messages up to id, in the order in which they were
// sent. It comes before anything later is delivered: TCP takes for lost what has not come when
// something sent after it has (RFC 8985, 6.2). Being wrong costs little, because what comes after
// all is delivered then.
func (r *Reassembler) giveUp(index uint32, id uint64, now time.Duration) {
	for {
		var first *message
		for _, m := range r.open[:r.n] {
			if m.index == index && m.id <= id && !m.givenUp && (first == nil || m.id < first.id) {
				first = m
			}
		}
		if first == nil {
			return
		}
		first.givenUp, first.deadline = true, now+memory
		r.flush(first)
	}
}

// forget closes a message of which something never came.
func (r *Reassembler) forget(m *message) {
	if !m.enough() {
		r.to.Lost(drop.ChunkTimeout)
	}
	if r.gone.index != m.index || r.gone.id < m.id {
		r.gone.index, r.gone.id = m.index, m.id
	}
	r.close(m)
}

// close returns a message's memory.
func (r *Reassembler) close(m *message) {
	for i := range r.n {
		if r.open[i] == m {
			copy(r.open[i:], r.open[i+1:r.n])
			break
		}
	}
	r.n--
	r.open[r.n], r.last = nil, nil
	r.pool.put(m)
}

// Deadline is when Expire has something to do; ok is false when it has not.
func (r *Reassembler) Deadline() (at time.Duration, ok bool) {
	for _, m := range r.open[:r.n] {
		if !ok || m.deadline < at {
			at, ok = m.deadline, true
		}
	}
	return at, ok
}

// Expire gives up the messages of which nothing has come for too long.
func (r *Reassembler) Expire(now time.Duration) {
	for i := 0; i < r.n; {
		m := r.open[i]
		switch {
		case m.deadline > now:
			i++
		case m.givenUp:
			r.forget(m)
		default:
			r.giveUp(m.index, m.id, now)
			i++
		}
	}
}

// Close returns the memory; what has not been delivered is dropped without a word. The reassembler
// can be used again.
func (r *Reassembler) Close() {
	for r.n > 0 {
		r.close(r.open[r.n-1])
	}
}
