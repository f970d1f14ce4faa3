package tunnel

import (
	"errors"
	"time"

	"github.com/vxmesh/vxmesh/tundev"
	"github.com/vxmesh/vxmesh/tundev/ether"
	"github.com/vxmesh/vxmesh/tundev/offload"
	"github.com/vxmesh/vxmesh/tunnel/bridge"
	"github.com/vxmesh/vxmesh/tunnel/drop"
	"github.com/vxmesh/vxmesh/tunnel/vxlan"
)

// An ingress takes frames that came in by a socket to where the switch sends them: the segment's
// device, and from VTEPs to peers and back.
//
//	frame -> checks, switch -> merge -> device
//	                        -> egress
//
// One goroutine owns it. Frames stay where they are until the batch they came with has been
// flushed.
type ingress struct {
	n   *Node
	now time.Duration // of this batch

	// Frames held back for merging are all for one segment's device; another segment's turn
	// flushes them.
	s      *segment
	merge  *offload.Coalescer
	merges map[*segment]*offload.Coalescer
	cut    offload.Segmenter
	piece  []byte // one segment of a super-frame the device does not take
	parts  [1][]byte

	outs map[*segment]*egress // to other ports than the device; made when they are needed
	busy []*egress            // those that hold something
	to   []bridge.Port
}

func newIngress(n *Node) ingress {
	return ingress{
		n: n, merges: make(map[*segment]*offload.Coalescer), outs: make(map[*segment]*egress),
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
	if port == devicePort {
		in.deliver(a)
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
	in.deliver(a) // last: it may change the frame
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
	p := parcel{frame: e.room()[:len(a.frame)], from: a.from, ip: a.ip, meta: a.meta}
	copy(p.frame, a.frame)
	if a.super && !p.meta.IsSuper() && a.ip.Version != 0 && a.ip.End-a.ip.Offset > a.s.dev.MTU() {
		p.meta, _ = offload.Guess(p.frame, a.gsoSize, a.s.dev.MTU())
	}
	e.dispatch(&p, in.to)
}

// deliver gives a frame to the segment's device, merged with its neighbours where that is possible.
func (in *ingress) deliver(a *arrival) {
	if a.s != in.s {
		in.turn(a.s)
	}
	h := a.meta
	if a.super && a.ip.Version != 0 && a.ip.End-a.ip.Offset > a.s.dev.MTU() {
		h, _ = offload.Guess(a.frame, a.gsoSize, a.s.dev.MTU())
	}
	switch {
	case h.IsSuper():
		in.merge.Flush() // frames of the same flow may be held back
		in.deliverSuper(a.s, h, a.frame)
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

// turn makes s the segment whose frames are merged.
func (in *ingress) turn(s *segment) {
	if in.merge != nil {
		in.merge.Flush()
	}
	in.s, in.merge = s, in.merges[s]
	if in.merge != nil {
		return
	}
	for old := range in.merges { // those of segments that are gone
		if in.n.segment(old.vni) != old {
			delete(in.merges, old)
		}
	}
	o := s.dev.Offloads()
	sink := s.writeFrame
	if !o.Csum {
		sink = s.writeFinished
	}
	in.merge = offload.NewCoalescer(o.TSO, o.USO, sink)
	in.merges[s] = in.merge
}

// deliverSuper writes a super-frame, cut if the device does not take it.
func (in *ingress) deliverSuper(s *segment, h offload.Header, frame ether.Frame) {
	o := s.dev.Offloads()
	udpFrame := h.GSOType == offload.GSOUDPL4
	if udpFrame && o.USO || !udpFrame && o.TSO {
		in.write(s, h, frame)
		return
	}
	if in.cut.Start(h, frame) != nil {
		s.dropInner(frame, devicePort, drop.Malformed)
		return
	}
	if cap(in.piece) < in.cut.Len() {
		in.piece = make([]byte, tundev.BufLen)
	}
	for n := in.cut.Next(in.piece[:in.cut.Len()]); n > 0; n = in.cut.Next(in.piece[:in.cut.Len()]) {
		in.write(s, offload.Header{}, in.piece[:n])
	}
}

func (in *ingress) write(s *segment, h offload.Header, frame []byte) {
	in.parts[0] = frame
	s.writeFrame(h, in.parts[:])
}

// writeFinished is writeFrame for a device that takes no partial checksums and so no super-frames.
func (s *segment) writeFinished(h offload.Header, parts [][]byte) {
	if offload.Complete(h, parts[0]) != nil {
		s.dropInner(parts[0], devicePort, drop.Malformed)
		return
	}
	s.writeFrame(offload.Header{}, parts)
}

// writeFrame gives a frame to the device and counts it when that does not take it.
func (s *segment) writeFrame(h offload.Header, parts [][]byte) {
	switch err := s.dev.WriteFrame(h, parts); {
	case err == nil:
	case errors.Is(err, tundev.ErrDown), errors.Is(err, tundev.ErrClosed):
		s.dropInner(parts[0], devicePort, drop.DeviceDown)
	default:
		s.dropInner(parts[0], devicePort, drop.DeviceFull)
	}
}
