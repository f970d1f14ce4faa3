package tunnel

import (
	"net/netip"
	"time"

	"github.com/vxmesh/vxmesh/tundev/ether"
	"github.com/vxmesh/vxmesh/tunnel/bridge"
	"github.com/vxmesh/vxmesh/tunnel/capture"
	"github.com/vxmesh/vxmesh/tunnel/drop"
	"github.com/vxmesh/vxmesh/tunnel/udp"
)

// Every drop is counted here, and what a capture sees passes here.

// dropInner counts a frame dropped between the device and the switch.
func (s *segment) dropInner(frame ether.Frame, p bridge.Port, reason drop.Reason) {
	s.drops.Add(reason, 1)
	if s.node.tap.On() {
		s.node.tap.Put(&capture.Packet{
			Point: capture.Dropped, Time: time.Now(), Data: frame, In: p != devicePort,
			VNI: s.vni, Port: s.portName(p).Name, Drop: reason,
		})
	}
}

// dropTo counts n frames that did not reach to; frame is nil when they are no longer at hand.
func (s *segment) dropTo(to *party, frame ether.Frame, reason drop.Reason, n uint64) {
	s.drops.Add(reason, n)
	to.drops.Add(reason, n)
	if frame != nil && s.node.tap.On() {
		s.node.tap.Put(&capture.Packet{
			Point: capture.Dropped, Time: time.Now(), Data: frame, VNI: s.vni, Port: to.name,
			Drop: reason,
		})
	}
}

// dropFrom counts a frame of a party that does not go on.
func (s *segment) dropFrom(from *party, frame ether.Frame, reason drop.Reason) {
	s.drops.Add(reason, 1)
	from.drops.Add(reason, 1)
	if s.node.tap.On() {
		s.node.tap.Put(&capture.Packet{
			Point: capture.Dropped, Time: time.Now(), Data: frame, In: true, VNI: s.vni,
			Port: from.name, Drop: reason,
		})
	}
}

// dropOuter counts a datagram that does not become a frame, for its segment and VTEP as far as
// they are known.
func (d *downlink) dropOuter(data []byte, from netip.AddrPort, s *segment, v *vtep, r drop.Reason) {
	var vni uint32
	name := ""
	switch {
	case s == nil:
		d.sock.drops.Add(r, 1)
	case v == nil:
		s.drops.Add(r, 1)
		vni = s.vni
	default:
		s.drops.Add(r, 1)
		v.drops.Add(r, 1)
		vni, name = s.vni, v.name
	}
	d.n.captureOuter(data, from, d.sock, vni, name, r, true)
}

// captureInner shows a frame that goes on from port p to the captures.
func (s *segment) captureInner(frame ether.Frame, p bridge.Port, in bool) {
	if s.node.tap.On() {
		s.node.tap.Put(&capture.Packet{
			Point: capture.Inner, Time: time.Now(), Data: frame, In: in, VNI: s.vni,
			Port: s.portName(p).Name, Decision: s.decision(p, frame),
		})
	}
}

// decision says where the switch sends a frame from p: the port's name, or flood.
func (s *segment) decision(p bridge.Port, frame ether.Frame) string {
	to, verdict := s.sw.Lookup(p, frame.VLAN(), frame.Dst(), s.node.now())
	if verdict == bridge.Unicast {
		return s.portName(to).Name
	}
	return "flood"
}

// captureOuter shows a datagram of a socket to the captures.
func (n *Node) captureOuter(data []byte, peer netip.AddrPort, sock *socket, vni uint32, port string,
	reason drop.Reason, in bool,
) {
	if !n.tap.On() {
		return
	}
	p := capture.Packet{
		Point: capture.Outer, Time: time.Now(), Data: data, In: in, Src: peer, Dst: sock.LocalAddr(),
		VNI: vni, Port: port, Drop: reason,
	}
	if !in {
		p.Src, p.Dst = p.Dst, p.Src
	}
	n.tap.Put(&p)
}

// captureOuterSent shows the datagrams of a message that was written.
func (s *segment) captureOuterSent(m *udp.Message, w *way) {
	if !s.node.tap.On() {
		return
	}
	reason := drop.None
	if m.Failed > 0 {
		reason = drop.SendError
		if udp.IsTooBig(m.Err) {
			reason = drop.TooBig
		}
	}
	for data := m.Data; len(data) > 0; {
		n := min(w.size, len(data))
		s.node.captureOuter(data[:n], m.To, w.sock, s.vni, w.to.name, reason, false)
		data = data[n:]
	}
}
