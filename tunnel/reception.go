package tunnel

import (
	"time"

	"github.com/vxmesh/vxmesh/tundev/ether"
	"github.com/vxmesh/vxmesh/tundev/offload"
	"github.com/vxmesh/vxmesh/tunnel/chunk"
	"github.com/vxmesh/vxmesh/tunnel/drop"
	"github.com/vxmesh/vxmesh/tunnel/udp"
	"github.com/vxmesh/vxmesh/tunnel/wire"
)

// A reception puts the messages of one peer together that came in chunks.
type reception struct {
	peer    *peer
	asm     *chunk.Reassembler
	l       *meshlink
	waiting bool
}

// run takes the neighbouring chunks of a message that data begins with, if that can be done in one go, and tells
// how many datagrams it has taken. Whatever is wrong with the next one is found by receive; it is not ok then to try
// again in what came with it, which may be nothing but forgeries: that would look at each of them more than once.
func (l *meshlink) run(data []byte, size int, dg *udp.Datagram) (taken int, ok bool) {
	count := wire.Run(data, size)
	if count < 2 {
		return 0, true
	}
	h, n := wire.ParseHeader(data), size-wire.Overhead
	in := l.session(h.Index)
	if in == nil || l.n.tap.On() {
		return 0, false
	}
	r := l.reception(in.peer)
	place, reason := r.asm.Place(h, n, count, l.in.now)
	if reason != drop.None {
		return 0, false
	}
	count = cap(place) / n
	taken = in.t.OpenRun(place, data[:count*size], size)
	if taken > 0 {
		l.authentic(in, taken)
		r.commit(h, n, taken, dg)
	}
	return taken, taken == count
}

// chunk opens a chunk into its place and delivers what that completes.
func (l *meshlink) chunk(data []byte, dg *udp.Datagram, h wire.Header, in *inbound) {
	if !in.t.Fresh(h.Counter) { // a forged one must not touch what is there already
		l.dropDatagram(data, dg, in.peer, drop.Replay)
		return
	}
	r, n := l.reception(in.peer), len(data)-wire.Overhead
	place, reason := r.asm.Place(h, n, 1, l.in.now)
	if reason != drop.None {
		l.refuse(data, dg, in, reason)
		return
	}
	if _, reason = in.t.Open(place[:0], data); reason != drop.None {
		l.dropDatagram(data, dg, in.peer, reason)
		return
	}
	l.authentic(in, 1)
	r.commit(h, n, 1, dg)
}

// commit accounts count chunks of n bytes that are in their places, and sees that those to come are waited for.
func (r *reception) commit(h wire.Header, n, count int, dg *udp.Datagram) {
	r.asm.Commit(h, n, count, dg.TOS&3 == ether.CE, r.l.in.now)
	if !r.waiting {
		r.waiting = true
		r.l.waiting = append(r.l.waiting, r)
	}
}

// refuse drops a chunk that has no place: quietly, unless it is authentic.
func (l *meshlink) refuse(data []byte, dg *udp.Datagram, in *inbound, reason drop.Reason) {
	if _, r := in.t.Open(data[wire.HeaderLen:wire.HeaderLen], data); r != drop.None {
		reason = r
	} else {
		l.authentic(in, 1)
	}
	l.dropDatagram(data, dg, in.peer, reason)
}

// reception gives the place where a peer's chunks are put together.
func (l *meshlink) reception(p *peer) *reception {
	if r := l.lastPart; r != nil && r.peer == p {
		return r
	}
	if r := l.parts[p]; r != nil {
		l.lastPart = r
		return r
	}
	known := make(map[*peer]bool)
	for _, in := range *l.n.mesh.table.Load() {
		known[in.peer] = true
	}
	for old, r := range l.parts { // those who have no session any more
		if !known[old] {
			r.asm.Close()
			delete(l.parts, old)
			l.lastPart = nil
		}
	}
	r := &reception{peer: p, l: l}
	r.asm = chunk.NewReassembler(&l.pool, r)
	l.parts[p], l.lastPart = r, r
	return r
}

// Deliver takes a message that is whole, or what there is of it (see [chunk.Receiver]).
func (r *reception) Deliver(vni uint32, meta offload.Header, parts [][]byte, ce bool) {
	frame := parts[0]
	if len(parts) > 1 {
		r.l.scratch = append(append(r.l.scratch[:0], parts[0]...), parts[1]...)
		frame = r.l.scratch
	}
	tos := uint8(ether.NotECT)
	if ce {
		tos = ether.CE
	}
	r.l.accept(r.peer, vni, meta, frame, tos, true)
}

// Lost counts a message of which some chunks never came.
func (r *reception) Lost(reason drop.Reason) { r.peer.dropPeer(reason) }

// expire gives up on chunks that do not come, and sees that Read wakes up for those still waited for.
func (l *meshlink) expire() {
	next, still := time.Duration(-1), l.waiting[:0]
	for _, r := range l.waiting {
		r.asm.Expire(l.in.now)
		at, ok := r.asm.Deadline()
		if r.waiting = ok; !ok {
			continue
		}
		still = append(still, r)
		if next < 0 || at < next {
			next = at
		}
	}
	l.waiting = still
	if next < 0 {
		return // a deadline that is no longer needed costs one wake-up
	}
	if at := time.Now().Add(next - l.in.now); l.deadline.IsZero() || at.Before(l.deadline) {
		l.deadline = at
		_ = l.sock.SetReadDeadline(at)
	}
}
