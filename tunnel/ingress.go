package tunnel

import (
	"time"

	"github.com/vxmesh/vxmesh/tundev"
	"github.com/vxmesh/vxmesh/tundev/ether"
	"github.com/vxmesh/vxmesh/tundev/offload"
	"github.com/vxmesh/vxmesh/tunnel/bridge"
	"github.com/vxmesh/vxmesh/tunnel/drop"
	"github.com/vxmesh/vxmesh/tunnel/vxlan"
)

// An ingress takes frames that came in by a socket to where the switch sends them: the segment's
// device or a guest's, and from VTEPs to peers and back.
//
//	frame -> checks, switch -> merge -> device
//	                        -> egress
//
// One goroutine owns it. Frames stay where they are until the batch they came with has been
// flushed.
type ingress struct {
	n   *Node
	now time.Duration // of this batch

	// Frames held back for merging are all for one device; another's turn flushes them.
	j      *jack
	merge  *offload.Coalescer
	merges map[*jack]*offload.Coalescer
	cut    offload.Segmenter
	piece  []byte // one segment of a super-frame the device does not take
	parts  [1][]byte

	outs map[*segment]*egress // to other ports than the device; made when they are needed
	busy []*egress            // those that hold something
	to   []bridge.Port
}

func newIngress(n *Node) ingress {
	return ingress{
		n: n, merges: make(map[*jack]*offload.Coalescer), outs: make(map[*segment]*egress),
	}
}

// An arrival is a frame that came in by a socket.
type arrival struct {
	s     *segment
	from  bridge.Port
	party *party
	frame ether.Frame
	meta  offload.Header
	ip    ether.IP
	tos   uint8 // outer

	super   bool // the frame may be a super-frame that nothing but its length tells
	gsoSize int  // and this the size of its segments
	brief   bool // the frame's bytes do not stay until the end of the batch
}

// flush hands over what is held back for merging and sends what goes on.
func (in *ingress) flush() {
	if in.merge != nil {
		in.merge.Flush()
	}
	for _, e := range in.busy {
		e.flush()
	}
	in.busy = in.busy[:0]
}

// accept lets the switch learn from the frame and sends it where it belongs.
func (in *ingress) accept(a *arrival) drop.Reason {
	a.party.rx.add(1, len(a.frame))
	a.s.rx.add(1, len(a.frame))
	vlan := a.frame.VLAN()
	if reason := a.s.learn(a.from, vlan, a.frame.Src(), in.now); reason != drop.None {
		return reason
	}
	if reason := vxlan.Decap(a.frame, a.ip, a.tos); reason != drop.None {
		return reason
	}
	port, verdict := a.s.sw.Lookup(a.from, vlan, a.frame.Dst(), in.now)
	switch {
	case verdict == bridge.Horizon:
		return drop.SplitHorizon
	case verdict == bridge.SamePort:
		return drop.SamePort
	case verdict == bridge.Flood:
		in.flood(a)
		return drop.None
	}
	a.s.captureInner(a.frame, a.from, true)
	if j := a.s.jackAt(port); j != nil {
		in.deliver(j, a)
		return drop.None
	}
	in.to = append(in.to[:0], port)
	in.forward(a)
	return drop.None
}

// flood sends a frame to the device and to every other port that it may go to.
func (in *ingress) flood(a *arrival) {
	a.s.captureInner(a.frame, a.from, true)
	in.to = in.to[:0]
	for _, port := range a.s.sw.FloodPorts(a.from) {
		if port != devicePort {
			in.to = append(in.to, port)
		}
	}
	if len(in.to) > 0 {
		in.forward(a)
	}
	in.deliver(a.s.jack, a) // last: it may change the frame
}

// forward queues a copy of the frame for the ports in in.to.
func (in *ingress) forward(a *arrival) {
	e := in.outs[a.s]
	if e == nil {
		for old := range in.outs { // those of segments that are gone
			if in.n.segment(old.vni) != old {
				delete(in.outs, old)
			}
		}
		e = newEgress(a.s)
		in.outs[a.s] = e
	}
	if e.idle() {
		in.busy = append(in.busy, e)
	} else if e.full() {
		e.flush()
	}
	e.now = in.now
	p := parcel{frame: e.hold(e.used, len(a.frame)), from: a.from, ip: a.ip, meta: a.meta}
	copy(p.frame, a.frame)
	if a.super && !p.meta.IsSuper() && a.ip.Version != 0 && a.ip.End-a.ip.Offset > a.s.dev.MTU() {
		p.meta, _ = offload.Guess(p.frame, a.gsoSize, a.s.dev.MTU())
	}
	e.dispatch(&p, in.to)
}

// deliver gives a frame to a device, merged with its neighbours where that is possible.
func (in *ingress) deliver(j *jack, a *arrival) {
	if j != in.j {
		in.turn(j)
	}
	h := a.meta
	if a.super && a.ip.Version != 0 && a.ip.End-a.ip.Offset > a.s.dev.MTU() {
		h, _ = offload.Guess(a.frame, a.gsoSize, a.s.dev.MTU())
	}
	switch {
	case h.IsSuper():
		in.merge.Flush() // frames of the same flow may be held back
		in.deliverSuper(j, h, a.frame)
		return
	case h.Flags&offload.NeedsCsum != 0:
		in.merge.AddPartial(h, a.frame)
	default:
		in.merge.Add(a.frame)
	}
	if a.brief {
		in.merge.Flush()
	}
}

// turn makes j the jack whose frames are merged.
func (in *ingress) turn(j *jack) {
	if in.merge != nil {
		in.merge.Flush()
	}
	in.j, in.merge = j, in.merges[j]
	if in.merge != nil {
		return
	}
	for old := range in.merges {
		if old.gone() {
			delete(in.merges, old)
		}
	}
	o := j.dev.Offloads()
	sink := j.write
	if !o.Csum {
		sink = j.writeFinished
	}
	in.merge = offload.NewCoalescer(o.TSO, o.USO, sink)
	in.merges[j] = in.merge
}

// deliverSuper writes a super-frame, cut if the device does not take it.
func (in *ingress) deliverSuper(j *jack, h offload.Header, frame ether.Frame) {
	if j.takes(h) {
		in.write(j, h, frame)
		return
	}
	if in.cut.Start(h, frame) != nil {
		j.drop(frame, drop.Malformed)
		return
	}
	if cap(in.piece) < in.cut.Len() {
		in.piece = make([]byte, tundev.BufLen)
	}
	for n := in.cut.Next(in.piece[:in.cut.Len()]); n > 0; n = in.cut.Next(in.piece[:in.cut.Len()]) {
		in.write(j, offload.Header{}, in.piece[:n])
	}
}

func (in *ingress) write(j *jack, h offload.Header, frame []byte) {
	in.parts[0] = frame
	j.write(h, in.parts[:])
}
