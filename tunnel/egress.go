package tunnel

import (
	"net/netip"
	"time"

	"github.com/vxmesh/vxmesh/tundev"
	"github.com/vxmesh/vxmesh/tundev/ether"
	"github.com/vxmesh/vxmesh/tundev/offload"
	"github.com/vxmesh/vxmesh/tunnel/bridge"
	"github.com/vxmesh/vxmesh/tunnel/drop"
	"github.com/vxmesh/vxmesh/tunnel/udp"
	"github.com/vxmesh/vxmesh/tunnel/vxlan"
)

const (
	// slotLen is room for the largest frame with its header.
	slotLen = vxlan.HeaderLen + tundev.BufLen
	// arenaLen holds what waits to be sent and a super-frame that is read, with room for the
	// headers of the frames it is cut into. Pieces of super-frames that follow one another share
	// messages, so some more of them save system calls; many more would not stay in the cache.
	arenaLen = 7 * slotLen
)

// An egress sends frames out of one segment, to its peers and its VTEPs, and to what is plugged in:
//
//	frame -> chunks, seal          -> outbox -> mesh socket     (peer)
//	frame -> header, checksum, cut -> outbox -> VXLAN socket    (VTEP)
//	frame                                    -> device          (jack), at once
//
// One goroutine owns it. Frames for VTEPs leave from where they were read: at arena[used:], behind
// room for the VXLAN header, so that frames of one size lie one after another, as UDP GSO wants
// them. The arena starts anew after each flush.
type egress struct {
	s      *segment
	now    time.Duration // of this batch
	arena  []byte
	used   int
	cut    offload.Segmenter
	plain  outbox
	sealed sealer
	icmp   icmpLimiter

	// Who gets the frame being dispatched, besides the peers that have got it.
	vteps    []*vtep
	finished []*peer // peers that take no unfinished frames
	jacks    []*jack // those whose devices do not

	one     [1]bridge.Port
	parts   [1][]byte
	scratch []byte // a super-frame that cannot be cut in place; nil until there is one
	piece   []byte // a segment of one on its way to a peer or jack; nil until there is one
}

func newEgress(s *segment) *egress {
	return &egress{
		s: s, arena: make([]byte, arenaLen), plain: newOutbox(s.accountPlain), sealed: newSealer(s),
		icmp: newICMPLimiter(),
	}
}

// full reports whether it is time to flush.
func (e *egress) full() bool { return e.used > e.lastRoom() || e.plain.full() || e.sealed.full() }

// lastRoom is how far behind a frame may begin: it needs a slot for itself, and another for the headers of the
// pieces it is cut into.
func (e *egress) lastRoom() int { return len(e.arena) - 2*slotLen }

// idle reports whether nothing is queued.
func (e *egress) idle() bool { return e.used == 0 && e.sealed.used == 0 }

// room is where a frame is read or copied to: at used, or behind others that are not held yet.
func (e *egress) room(at int) []byte { return e.arena[at+vxlan.HeaderLen:] }

// hold makes the frame of n bytes in a room the one that is dispatched next. Those behind it stay where they are. The
// egress must not be full.
func (e *egress) hold(at, n int) ether.Frame {
	e.used = at
	return e.room(at)[:n:n]
}

// rewind frees the arena when nothing in it is on its way to a VTEP: peers' datagrams lie elsewhere.
func (e *egress) rewind() {
	if len(e.plain.msgs) == 0 {
		e.used = 0
	}
}

// flush sends what is queued; the arena is free again.
func (e *egress) flush() {
	e.sealed.flush()
	e.plain.flush()
	e.used = 0
}

// A parcel is a frame on its way out, with what its headers said.
type parcel struct {
	frame  ether.Frame // as the egress holds it
	from   bridge.Port
	ip     ether.IP
	meta   offload.Header
	packet int // length of the largest IP packet it becomes

	answered bool // its sender has been told that it is too big; once is enough for all VTEPs
}

// dispatch queues the frame for everybody behind the given ports whose path carries it. Peers and jacks
// come first: they need the frame as it is, and making it one for VTEPs changes it.
func (e *egress) dispatch(p *parcel, to []bridge.Port) {
	l := e.s.leg.Load()
	_, tos, _ := l.options.Outer.For(p.ip)
	e.vteps, e.finished, e.jacks = e.vteps[:0], e.finished[:0], e.jacks[:0]
	for _, port := range to {
		if pr := l.peer(port); pr != nil {
			if !e.sealed.frame(pr, p.meta, p.frame, tos, e.now) {
				e.finished = append(e.finished, pr)
			}
		} else if v := l.port(port); v != nil {
			e.vteps = append(e.vteps, v)
		} else if j := l.jack(port); j != nil {
			e.write(j, p)
		}
	}
	if len(e.vteps)+len(e.finished)+len(e.jacks) == 0 {
		return
	}
	if !e.finish(p) {
		e.s.dropInner(p.frame, p.from, drop.Malformed)
		return
	}
	for _, pr := range e.finished {
		e.sealFinished(pr, p, tos)
	}
	for _, j := range e.jacks {
		e.pieces(p, func(frame ether.Frame) { j.write(offload.Header{}, [][]byte{frame}) })
	}
	e.toVTEPs(l, p)
}

// write gives the frame to a device, or notes that it has to be finished before.
func (e *egress) write(j *jack, p *parcel) {
	if !j.takes(p.meta) {
		e.jacks = append(e.jacks, j)
		return
	}
	e.parts[0] = p.frame
	j.write(p.meta, e.parts[:])
}

// finish makes the frame one that needs no more work but cutting.
func (e *egress) finish(p *parcel) bool {
	if !p.meta.IsSuper() {
		p.packet = len(p.frame) - max(p.ip.Offset, ether.HeaderLen)
		return offload.Complete(p.meta, p.frame) == nil
	}
	if e.cut.Start(p.meta, p.frame) != nil {
		return false
	}
	p.packet = e.cut.PacketLen()
	return true
}

// sealFinished queues the frame for a peer whose devices take no partial checksums.
func (e *egress) sealFinished(pr *peer, p *parcel, tos uint8) {
	e.pieces(p, func(frame ether.Frame) { e.sealed.frame(pr, offload.Header{}, frame, tos, e.now) })
}

// pieces calls f with each of the frames that a finished one is, which are not kept.
func (e *egress) pieces(p *parcel, f func(ether.Frame)) {
	if !p.meta.IsSuper() {
		f(p.frame)
		return
	}
	if e.piece == nil {
		e.piece = make([]byte, tundev.BufLen)
	}
	for i := range e.cut.Count() {
		f(e.piece[:e.cut.Put(e.piece, i)])
	}
}

// toVTEPs queues the frame for every VTEP whose path carries it. All of them are sent the same
// bytes.
func (e *egress) toVTEPs(l *leg, p *parcel) {
	carried := e.vteps[:0]
	for _, v := range e.vteps {
		if e.carries(v, p) {
			carried = append(carried, v)
		}
	}
	e.vteps = carried
	if len(carried) == 0 {
		return
	}
	var m udp.Message
	var mode udp.Mode
	m.TTL, m.TOS, mode.DF = l.options.Outer.For(p.ip)
	mode.NoChecksum = l.options.NoChecksum
	o := outer{message: m, mode: mode, leg: l, hash: vxlan.FlowHash(p.frame, p.ip, e.s.node.hashSeed)}
	if p.meta.IsSuper() {
		e.encapSuper(&o, p)
	} else {
		e.encap(&o, len(p.frame))
	}
}

// carries reports whether the path to v takes the frame. If not, the frame is dropped, or its
// sender is told; a packet that may be cut goes on, for the underlay to fragment.
func (e *egress) carries(v *vtep, p *parcel) bool {
	path := v.path.Load()
	if path.blocked != drop.None {
		e.s.dropTo(&v.party, p.frame, path.blocked, 1)
		return false
	}
	if path.mtu == 0 || p.packet <= path.mtu {
		return true
	}
	return !e.tooBig(v, p, path.mtu)
}

// An outer is what the datagrams of one frame to VTEPs look like outside.
type outer struct {
	message udp.Message
	mode    udp.Mode
	leg     *leg
	hash    uint32 // of the flow
}

// encap puts the header in front of the frame where it lies and queues it.
func (e *egress) encap(o *outer, n int) {
	start := e.used
	vxlan.PutHeader(e.arena[start:], e.s.vni)
	e.used += vxlan.HeaderLen + n
	e.queue(o, start, e.used, e.used-start)
}

// encapSuper cuts the super-frame where it lies and queues the pieces: from the last to the first,
// because each moves back by the headers of those before it.
func (e *egress) encapSuper(o *outer, p *parcel) {
	size, count := vxlan.HeaderLen+e.cut.Len(), e.cut.Count()
	if e.used+count*size > len(e.arena) {
		e.encapCopy(o, p)
		return
	}
	start, end := e.used, e.used
	for i := count - 1; i >= 0; i-- {
		piece := e.arena[start+i*size:]
		n := vxlan.HeaderLen + e.cut.Put(piece[vxlan.HeaderLen:], i)
		vxlan.PutHeader(piece, e.s.vni)
		end = max(end, start+i*size+n)
	}
	e.queue(o, start, end, size)
	e.used = end
}

// encapCopy cuts a super-frame whose pieces are so small that their headers do not fit the arena:
// out of a copy, and what fits is sent before the rest is cut.
func (e *egress) encapCopy(o *outer, p *parcel) {
	e.scratch = append(e.scratch[:0], p.frame...)
	if e.cut.Start(p.meta, e.scratch) != nil {
		return // it has been started before
	}
	size, start := vxlan.HeaderLen+e.cut.Len(), e.used
	for range e.cut.Count() {
		if e.used+size > len(e.arena) {
			e.queue(o, start, e.used, size)
			e.flush()
			start = 0
		}
		vxlan.PutHeader(e.arena[e.used:], e.s.vni)
		e.used += vxlan.HeaderLen + e.cut.Next(e.arena[e.used+vxlan.HeaderLen:e.used+size])
	}
	e.queue(o, start, e.used, size)
}

// queue queues arena[start:end], datagrams of size bytes (the last may be shorter), for each VTEP
// that gets the frame.
func (e *egress) queue(o *outer, start, end, size int) {
	for _, v := range e.vteps {
		sock := e.s.node.sockets.sender(v.remote.Addr(), o.leg.options.FixedPort, o.hash)
		if sock == nil {
			e.s.dropTo(&v.party, nil, drop.SendError, uint64((end-start+size-1)/size))
			continue
		}
		m := &o.message
		m.To, m.IfIndex, m.From = v.remote, v.path.Load().ifIndex, o.leg.options.Local
		if m.From.Is4() != v.remote.Addr().Is4() {
			m.From = netip.Addr{} // a VTEP of the other family gets the system's choice
		}
		e.plain.add(e.arena, start, end, size, m, &way{sock: sock, to: &v.party, mode: o.mode})
	}
}

// accountPlain counts a message to a VTEP that was written.
func (s *segment) accountPlain(m *udp.Message, w *way) {
	sent := w.n - m.Failed
	bytes := len(m.Data) - w.n*vxlan.HeaderLen
	if m.Failed > 0 {
		bytes -= m.Failed * (w.size - vxlan.HeaderLen)
		reason := failure(m)
		if reason == drop.TooBig {
			s.node.keeper.wake() // the path's MTU is smaller than it was
		}
		s.dropTo(w.to, nil, reason, uint64(m.Failed))
	}
	s.tx.add(sent, max(bytes, 0))
	w.to.tx.add(sent, max(bytes, 0))
	w.sock.tx.add(sent, max(bytes, 0)+sent*vxlan.HeaderLen)
	s.node.captureSent(m, w, s.vni)
}
