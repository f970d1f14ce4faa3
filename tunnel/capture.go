package tunnel

import (
	"net/netip"
	"time"

	"github.com/vxmesh/vxmesh/nat"
	"github.com/vxmesh/vxmesh/tundev/ether"
	"github.com/vxmesh/vxmesh/tunnel/bridge"
	"github.com/vxmesh/vxmesh/tunnel/capture"
	"github.com/vxmesh/vxmesh/tunnel/drop"
	"github.com/vxmesh/vxmesh/tunnel/udp"
)

// Every drop is counted here, and what a capture sees and the recorder keeps passes here.

// show has a packet kept, and shows it to the captures.
func (n *Node) show(p *capture.Packet) {
	n.recorder.Note(p)
	if n.tap.On() {
		p.Time = time.Now()
		n.tap.Put(p)
	}
}

// Packets gives the headers of the last packets, oldest first, and how many are missing between them.
// Any goroutine may call it.
func (n *Node) Packets() (list []capture.Packet, missed uint64) {
	return n.recorder.Packets(n.now(), n.wall())
}

// dropInner counts a frame dropped between a device or guest and the switch.
func (s *segment) dropInner(frame ether.Frame, p bridge.Port, reason drop.Reason) {
	s.drops.Add(reason, 1)
	s.node.show(&capture.Packet{
		Point: capture.Dropped, Data: frame, In: s.jackAt(p) == nil, VNI: s.vni,
		Port: s.portName(p).Name, Drop: reason,
	})
}

// dropTo counts n frames that did not reach to; frame is nil when they are no longer at hand.
func (s *segment) dropTo(to *party, frame ether.Frame, reason drop.Reason, n uint64) {
	s.drops.Add(reason, n)
	to.drops.Add(reason, n)
	if frame != nil {
		s.node.show(&capture.Packet{
			Point: capture.Dropped, Data: frame, VNI: s.vni, Port: to.name, Drop: reason,
		})
	}
}

// dropFrom counts a frame of a party that does not go on.
func (s *segment) dropFrom(from *party, frame ether.Frame, reason drop.Reason) {
	s.drops.Add(reason, 1)
	from.drops.Add(reason, 1)
	s.node.show(&capture.Packet{
		Point: capture.Dropped, Data: frame, In: true, VNI: s.vni, Port: from.name, Drop: reason,
	})
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

// captureInner shows a frame that goes on from port p.
func (s *segment) captureInner(frame ether.Frame, p bridge.Port, in bool) {
	shown := capture.Packet{
		Point: capture.Inner, Data: frame, In: in, VNI: s.vni, Port: s.portName(p).Name,
	}
	if s.node.tap.On() {
		shown.Decision = s.decision(p, frame)
	}
	s.node.show(&shown)
}

// decision says where the switch sends a frame from p: the port's name, or flood.
func (s *segment) decision(p bridge.Port, frame ether.Frame) string {
	to, verdict := s.sw.Lookup(p, frame.VLAN(), frame.Dst(), s.node.now())
	if verdict == bridge.Unicast {
		return s.portName(to).Name
	}
	return "flood"
}

// captureOuter shows a datagram of a socket to the captures. The recorder has noted what came with its
// message, and is told what did not go on.
func (n *Node) captureOuter(data []byte, peer netip.AddrPort, sock *socket, vni uint32, port string,
	reason drop.Reason, in bool,
) {
	if reason == drop.None && !n.tap.On() {
		return
	}
	p := outerPacket(data, peer, sock, in)
	p.VNI, p.Port, p.Drop = vni, port, reason
	if reason != drop.None {
		n.recorder.Note(&p)
	}
	if n.tap.On() {
		p.Time = time.Now()
		n.tap.Put(&p)
	}
}

// outerPacket is a datagram that came from or goes to peer.
func outerPacket(data []byte, peer netip.AddrPort, sock *socket, in bool) capture.Packet {
	p := capture.Packet{Point: capture.Outer, Data: data, In: in, Src: peer, Dst: sock.LocalAddr()}
	if !in {
		p.Src, p.Dst = p.Dst, p.Src
	}
	return p
}

// noteReceived keeps the beginning of a message, which may be many datagrams.
func (n *Node) noteReceived(dg *udp.Datagram, sock *socket, size int) {
	p := outerPacket(dg.Data[:min(size, len(dg.Data))], dg.From, sock, true)
	p.Count = (len(dg.Data) + size - 1) / size
	n.recorder.Note(&p)
}

// captureSent shows the datagrams of a message that was written.
func (n *Node) captureSent(m *udp.Message, w *way, vni uint32) {
	p := outerPacket(m.Data[:min(w.size, len(m.Data))], m.To, w.sock, false)
	p.VNI, p.Port, p.Drop, p.Count = vni, w.to.name, failure(m), w.n
	n.recorder.Note(&p)
	if !n.tap.On() {
		return
	}
	p.Time, p.Count = time.Now(), 0
	for data := m.Data; len(data) > 0; data = data[len(p.Data):] {
		p.Data = data[:min(w.size, len(data))]
		n.tap.Put(&p)
	}
}

// captureControl shows a datagram that the mesh sent to the node with a tag.
func (m *mesh) captureControl(msg *udp.Message, to nat.Tag, sock *socket) {
	p := outerPacket(msg.Data, msg.To, sock, false)
	p.Drop = failure(msg)
	if pr := m.tagged(to); pr != nil {
		p.Port = pr.name
	}
	m.n.tick()
	m.n.show(&p)
}

// failure is why some of a message's datagrams were not sent.
func failure(m *udp.Message) drop.Reason {
	switch {
	case m.Failed == 0:
		return drop.None
	case udp.IsTooBig(m.Err):
		return drop.TooBig
	}
	return drop.SendError
}
