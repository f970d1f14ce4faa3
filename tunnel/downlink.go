package tunnel

import (
	"errors"
	"net"
	"net/netip"

	"github.com/vxmesh/vxmesh/tundev/ether"
	"github.com/vxmesh/vxmesh/tundev/offload"
	"github.com/vxmesh/vxmesh/tunnel/drop"
	"github.com/vxmesh/vxmesh/tunnel/udp"
	"github.com/vxmesh/vxmesh/tunnel/vxlan"
)

// A downlink carries the datagrams of VTEPs from one socket into their segments:
//
//	socket -> header, source, checks -> ingress
//
// One goroutine owns it.
type downlink struct {
	pulse
	n      *Node
	sock   *socket
	reader udp.Reader
	in     ingress
}

func newDownlink(n *Node, sock *socket) *downlink {
	return &downlink{n: n, sock: sock, reader: sock.NewReader(), in: newIngress(n)}
}

// carry takes the datagrams that have arrived into their segments.
func (d *downlink) carry(wait bool) error {
	datagrams, err := d.reader.Read(wait)
	d.begin()
	defer d.end()
	switch {
	case errors.Is(err, net.ErrClosed):
		return errEnded
	case err != nil: // an ICMP error that the kernel reports here; nothing is lost by going on
		d.n.log.Debug("receive", "socket", d.sock.LocalAddr(), "err", err)
		return nil
	}
	d.in.now = d.n.tick()
	for i := range datagrams {
		from := datagrams[i].From // VTEPs are told apart without zones
		datagrams[i].From = netip.AddrPortFrom(from.Addr().WithZone(""), from.Port())
		d.split(&datagrams[i])
	}
	d.in.flush()
	return nil
}

func (d *downlink) endpoint() any { return d.sock.Conn }

// split takes a message apart again that the kernel merged. One whose first inner packet is as
// long as the whole is a super-frame that a virtual link delivered in one piece; the segment size
// is then that of its payload.
func (d *downlink) split(dg *udp.Datagram) {
	size := dg.SegmentSize
	if size == 0 || size >= len(dg.Data) || isSuper(dg.Data) {
		d.n.noteReceived(dg, d.sock, max(len(dg.Data), 1))
		d.receive(dg.Data, dg)
		return
	}
	d.n.noteReceived(dg, d.sock, size)
	for data := dg.Data; len(data) > 0; {
		n := min(size, len(data))
		d.receive(data[:n:n], dg)
		data = data[n:]
	}
}

func isSuper(data []byte) bool {
	_, inner, reason := vxlan.Parse(data)
	return reason == drop.None && offload.PacketEnd(inner) == len(inner)
}

// receive checks one datagram, of message dg, in the order every VTEP does (RFC 7348, 4.1, and
// the kernels' drivers) and takes its frame in.
func (d *downlink) receive(data []byte, dg *udp.Datagram) {
	d.sock.rx.add(1, len(data))
	h, frame, reason := vxlan.Parse(data)
	if reason != drop.None {
		d.dropOuter(data, dg.From, nil, nil, reason)
		return
	}
	s := d.n.segment(h.VNI)
	if s == nil {
		d.dropOuter(data, dg.From, nil, nil, drop.VNIUnknown)
		return
	}
	l := s.leg.Load()
	v := l.sources[dg.From.Addr()]
	if h.Reserved && !l.options.IgnoreReserved {
		d.dropOuter(data, dg.From, s, v, drop.ReservedBits)
		return
	}
	ip, reason := vxlan.CheckInner(frame)
	if reason != drop.None {
		d.dropOuter(data, dg.From, s, v, reason)
		return
	}
	if frame.Src() == s.mac {
		d.dropOuter(data, dg.From, s, v, drop.OwnMAC)
		return
	}
	if v == nil {
		if v = d.admit(s, l, dg.From.Addr()); v == nil {
			d.dropOuter(data, dg.From, s, nil, drop.VTEPUnknown)
			return
		}
	}
	d.n.captureOuter(data, dg.From, d.sock, s.vni, v.name, drop.None, true)
	d.accept(s, v, frame, ip, dg)
}

// accept takes in a frame that passed all checks.
func (d *downlink) accept(s *segment, v *vtep, frame ether.Frame, ip ether.IP, dg *udp.Datagram) {
	v.heard.Store(int64(d.in.now))
	a := arrival{
		s: s, from: v.port, party: &v.party, frame: frame, ip: ip, tos: dg.TOS,
		super: true, gsoSize: dg.SegmentSize,
	}
	if reason := d.in.accept(&a); reason != drop.None {
		s.dropFrom(&v.party, frame, reason)
	}
}

// admit makes an unlisted source a VTEP where the segment allows it.
func (d *downlink) admit(s *segment, l *leg, from netip.Addr) *vtep {
	if !l.options.admitsAnyone() {
		return nil
	}
	return s.learnVTEP(from)
}
