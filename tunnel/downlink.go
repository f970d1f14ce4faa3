package tunnel

import (
	"errors"
	"net"
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

// A downlink carries datagrams from one socket to the devices of the segments they are for:
//
//	socket -> header, source, checks -> switch -> merge -> device
//
// One goroutine owns it. Frames stay in the reader's buffers until the batch they came with has
// been handed over.
type downlink struct {
	n      *Node
	sock   *socket
	reader *udp.Reader
	now    time.Duration // of this batch

	// Frames held back for merging are all for one segment's device; another segment's turn
	// flushes them.
	s      *segment
	merge  *offload.Coalescer
	merges map[*segment]*offload.Coalescer
	cut    offload.Segmenter
	piece  []byte // one segment of a super-frame the device does not take
	parts  [1][]byte
}

func newDownlink(n *Node, sock *socket) *downlink {
	return &downlink{
		n: n, sock: sock, reader: sock.NewReader(),
		merges: make(map[*segment]*offload.Coalescer),
	}
}

// run carries datagrams until the socket is closed.
func (d *downlink) run() error {
	for {
		datagrams, err := d.reader.Read()
		switch {
		case errors.Is(err, net.ErrClosed):
			return nil
		case err != nil: // an ICMP error that the kernel reports here; nothing is lost by going on
			d.n.log.Debug("receive", "socket", d.sock.LocalAddr(), "err", err)
			continue
		}
		d.now = d.n.now()
		for i := range datagrams {
			d.split(&datagrams[i])
		}
		d.flush()
	}
}

// flush hands over what is held back for merging.
func (d *downlink) flush() {
	if d.merge != nil {
		d.merge.Flush()
	}
}

// split takes a message apart again that the kernel merged. One whose first inner packet is as
// long as the whole is a super-frame that a virtual link delivered in one piece; the segment size
// is then that of its payload.
func (d *downlink) split(dg *udp.Datagram) {
	size := dg.SegmentSize
	if size == 0 || size >= len(dg.Data) || isSuper(dg.Data) {
		d.receive(dg.Data, dg)
		return
	}
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
// the kernels' drivers) and delivers its frame.
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
	if reason = d.accept(s, v, frame, ip, dg); reason != drop.None {
		s.dropFrom(v, frame, reason)
	}
}

// admit makes an unlisted source a VTEP where the segment allows it.
func (d *downlink) admit(s *segment, l *leg, from netip.Addr) *vtep {
	if !l.options.admitsAnyone() {
		return nil
	}
	return s.learnVTEP(from)
}

// accept lets the switch learn from the frame and decide about it.
func (d *downlink) accept(s *segment, v *vtep, frame ether.Frame, ip ether.IP, dg *udp.Datagram,
) drop.Reason {
	v.rx.add(1, len(frame))
	s.rx.add(1, len(frame))
	v.heard.Store(int64(d.now))
	vlan := frame.VLAN()
	if reason := s.learn(v.port, vlan, frame.Src(), d.now); reason != drop.None {
		return reason
	}
	if reason := vxlan.Decap(frame, ip, dg.TOS); reason != drop.None {
		return reason
	}
	port, verdict := s.sw.Lookup(v.port, vlan, frame.Dst(), d.now)
	switch {
	case verdict == bridge.Horizon:
		return drop.SplitHorizon
	case verdict == bridge.SamePort:
		return drop.SamePort
	case verdict == bridge.Unicast && port != devicePort:
		return drop.NoPort
	}
	s.captureInner(frame, v.port, true)
	d.deliver(s, frame, ip, dg.SegmentSize)
	return drop.None
}

// deliver gives a frame to the segment's device, merged with its neighbours where that is possible.
func (d *downlink) deliver(s *segment, frame ether.Frame, ip ether.IP, gsoSize int) {
	if s != d.s {
		d.turn(s)
	}
	if ip.Version != 0 && ip.End-ip.Offset > s.dev.MTU() {
		if h, ok := offload.Guess(frame, gsoSize, s.dev.MTU()); ok {
			d.merge.Flush() // frames of the same flow may be held back
			d.deliverSuper(s, h, frame)
			return
		}
	}
	d.merge.Add(frame)
}

// turn makes s the segment whose frames are merged.
func (d *downlink) turn(s *segment) {
	d.flush()
	d.s, d.merge = s, d.merges[s]
	if d.merge != nil {
		return
	}
	for old := range d.merges { // those of segments that are gone
		if d.n.segment(old.vni) != old {
			delete(d.merges, old)
		}
	}
	o := s.dev.Offloads()
	sink := s.writeFrame
	if !o.Csum {
		sink = s.writeFinished
	}
	d.merge = offload.NewCoalescer(o.TSO, o.USO, sink)
	d.merges[s] = d.merge
}

// deliverSuper writes a frame that arrived as a super-frame, cut if the device does not take it.
func (d *downlink) deliverSuper(s *segment, h offload.Header, frame ether.Frame) {
	o := s.dev.Offloads()
	udpFrame := h.GSOType == offload.GSOUDPL4
	if udpFrame && o.USO || !udpFrame && o.TSO {
		d.write(s, h, frame)
		return
	}
	if d.cut.Start(h, frame) != nil {
		s.dropInner(frame, devicePort, drop.Malformed)
		return
	}
	if cap(d.piece) < d.cut.Len() {
		d.piece = make([]byte, tundev.BufLen)
	}
	for n := d.cut.Next(d.piece[:d.cut.Len()]); n > 0; n = d.cut.Next(d.piece[:d.cut.Len()]) {
		d.write(s, offload.Header{}, d.piece[:n])
	}
}

func (d *downlink) write(s *segment, h offload.Header, frame []byte) {
	d.parts[0] = frame
	s.writeFrame(h, d.parts[:])
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
