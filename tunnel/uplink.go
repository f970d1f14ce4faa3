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

const (
	// slotLen is room for the largest frame with its header.
	slotLen = vxlan.HeaderLen + tundev.BufLen
	// arenaLen holds what waits to be sent and a super-frame that is read, with room for the
	// headers of the frames it is cut into. Pieces of super-frames that follow one another share
	// messages, so some more of them save system calls; many more would not stay in the cache.
	arenaLen = 7 * slotLen
)

// An uplink carries frames from one segment's device to its VTEPs:
//
//	device -> switch -> header, checksum, cut -> queue -> socket
//
// One goroutine owns it. Frames are read to where they can be sent from: at arena[used:], behind
// room for the VXLAN header, so that frames of one size lie one after another, as UDP GSO wants
// them. The arena starts anew after each flush.
type uplink struct {
	s     *segment
	arena []byte
	used  int
	cut   offload.Segmenter
	queue queue
	icmp  icmpLimiter

	scratch []byte // a super-frame that cannot be cut in place; nil until there is one
}

func newUplink(s *segment) *uplink {
	return &uplink{
		s: s, arena: make([]byte, arenaLen), queue: newQueue(s), icmp: newICMPLimiter(),
	}
}

// run carries frames until the device is closed.
func (u *uplink) run() error {
	for {
		n, h, err := u.read(true)
		for ; err == nil; n, h, err = u.read(false) {
			u.forward(n, h)
			if u.full() {
				break
			}
		}
		u.flush()
		switch {
		case err == nil, errors.Is(err, tundev.ErrWouldBlock):
		case errors.Is(err, tundev.ErrClosed):
			return nil
		default:
			return err
		}
	}
}

// full reports whether it is time to flush: a frame may need a slot for itself and another for the
// headers of the pieces it is cut into.
func (u *uplink) full() bool { return len(u.arena)-u.used < 2*slotLen || u.queue.full() }

// read reads the next frame behind what the arena already holds.
func (u *uplink) read(wait bool) (n int, h offload.Header, err error) {
	return u.s.dev.ReadFrame(u.arena[u.used+vxlan.HeaderLen:], wait)
}

// flush sends what is queued; the arena is free again.
func (u *uplink) flush() {
	u.queue.flush()
	u.used = 0
}

// A parcel is a frame on its way out, with what its headers said.
type parcel struct {
	frame  ether.Frame
	ip     ether.IP
	meta   offload.Header
	packet int // length of the largest IP packet it becomes

	answered bool // its sender has been told that it is too big; once is enough for all VTEPs
}

// forward asks the switch who gets the frame of n bytes that was read last, and queues it.
func (u *uplink) forward(n int, h offload.Header) {
	s, now := u.s, u.s.node.now()
	p := parcel{frame: u.arena[u.used+vxlan.HeaderLen:][:n], meta: h}
	if !p.frame.Valid() {
		s.dropInner(p.frame, devicePort, drop.Runt)
		return
	}
	p.ip, _ = ether.ParseIP(p.frame) // what is no sane IP packet crosses as it is
	vlan := p.frame.VLAN()
	if reason := s.learn(devicePort, vlan, p.frame.Src(), now); reason != drop.None {
		s.dropInner(p.frame, devicePort, reason)
		return
	}
	to, reason := u.ports(vlan, p.frame.Dst(), now)
	if reason != drop.None {
		s.dropInner(p.frame, devicePort, reason)
		return
	}
	s.captureInner(p.frame, devicePort, false)
	u.dispatch(&p, to)
}

// ports is where a frame from the device goes.
func (u *uplink) ports(vlan uint16, dst ether.MAC, now time.Duration) ([]bridge.Port, drop.Reason) {
	port, verdict := u.s.sw.Lookup(devicePort, vlan, dst, now)
	switch verdict {
	case bridge.Unicast:
		u.queue.one[0] = port
		return u.queue.one[:], drop.None
	case bridge.Flood:
		to := u.s.sw.FloodPorts(devicePort)
		if len(to) == 0 {
			return nil, drop.NoPort
		}
		u.s.flooded.Add(1)
		return to, drop.None
	case bridge.SamePort:
		return nil, drop.SamePort
	}
	return nil, drop.SplitHorizon
}

// dispatch queues the frame for every VTEP behind the given ports whose path carries it. All of
// them are sent the same bytes.
func (u *uplink) dispatch(p *parcel, to []bridge.Port) {
	if p.meta.IsSuper() {
		if err := u.cut.Start(p.meta, p.frame); err != nil {
			u.s.dropInner(p.frame, devicePort, drop.Malformed)
			return
		}
		p.packet = u.cut.PacketLen()
	} else {
		if err := offload.Complete(p.meta, p.frame); err != nil {
			u.s.dropInner(p.frame, devicePort, drop.Malformed)
			return
		}
		p.packet = len(p.frame) - max(p.ip.Offset, ether.HeaderLen)
	}
	l := u.s.leg.Load()
	u.queue.target(l, p)
	for _, port := range to {
		if v := l.port(port); v != nil && u.carries(v, p) {
			u.queue.add(v)
		}
	}
	if u.queue.targets() == 0 {
		return
	}
	if p.meta.IsSuper() {
		u.encapSuper(p)
	} else {
		u.encap(len(p.frame))
	}
}

// carries reports whether the path to v takes the frame. If not, the frame is dropped, or its
// sender is told; a packet that may be cut goes on, for the underlay to fragment.
func (u *uplink) carries(v *vtep, p *parcel) bool {
	path := v.path.Load()
	if path.blocked != drop.None {
		u.s.dropTo(v, p.frame, path.blocked, 1)
		return false
	}
	if path.loops(p.frame, p.ip, v.remote) {
		u.s.dropTo(v, p.frame, drop.Loop, 1)
		return false
	}
	if path.mtu == 0 || p.packet <= path.mtu {
		return true
	}
	return !u.tooBig(v, p, path.mtu)
}

// encap puts the header in front of the frame where it lies and queues it.
func (u *uplink) encap(n int) {
	start := u.used
	vxlan.PutHeader(u.arena[start:], u.s.vni)
	u.used += vxlan.HeaderLen + n
	u.queue.send(u.arena, start, u.used, u.used-start)
}

// encapSuper cuts the super-frame where it lies and queues the pieces: from the last to the first,
// because each moves back by the headers of those before it.
func (u *uplink) encapSuper(p *parcel) {
	size, count := vxlan.HeaderLen+u.cut.Len(), u.cut.Count()
	if u.used+count*size > len(u.arena) {
		u.encapCopy(p)
		return
	}
	start, end := u.used, u.used
	for i := count - 1; i >= 0; i-- {
		piece := u.arena[start+i*size:]
		n := vxlan.HeaderLen + u.cut.Put(piece[vxlan.HeaderLen:], i)
		vxlan.PutHeader(piece, u.s.vni)
		end = max(end, start+i*size+n)
	}
	u.queue.send(u.arena, start, end, size)
	u.used = end
}

// encapCopy cuts a super-frame whose pieces are so small that their headers do not fit the arena:
// out of a copy, and what fits is sent before the rest is cut.
func (u *uplink) encapCopy(p *parcel) {
	u.scratch = append(u.scratch[:0], p.frame...)
	if u.cut.Start(p.meta, u.scratch) != nil {
		return // it has been started before
	}
	size, start := vxlan.HeaderLen+u.cut.Len(), u.used
	for range u.cut.Count() {
		if u.used+size > len(u.arena) {
			u.queue.send(u.arena, start, u.used, size)
			u.flush()
			start = 0
		}
		vxlan.PutHeader(u.arena[u.used:], u.s.vni)
		u.used += vxlan.HeaderLen + u.cut.Next(u.arena[u.used+vxlan.HeaderLen:u.used+size])
	}
	u.queue.send(u.arena, start, u.used, size)
}
