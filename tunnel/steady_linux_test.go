package tunnel

import (
	"encoding/binary"
	"net"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/vxmesh/vxmesh/tundev"
	"github.com/vxmesh/vxmesh/tundev/ether"
	"github.com/vxmesh/vxmesh/tundev/offload"
	"github.com/vxmesh/vxmesh/tundev/tundevtest"
	"github.com/vxmesh/vxmesh/tunnel/bridge"
	"github.com/vxmesh/vxmesh/tunnel/control"
	"github.com/vxmesh/vxmesh/tunnel/udp"
	"github.com/vxmesh/vxmesh/tunnel/vxlan"
)

// The loops' own steps, driven by hand: nothing runs beside them, so what they allocate and answer
// is theirs alone.

// A sinkDevice counts what is written to it and throws it away.
type sinkDevice struct {
	*tundevtest.Device
	frames, bytes int
	last          []byte
}

func (d *sinkDevice) WriteFrame(_ offload.Header, parts [][]byte) error {
	d.frames++
	d.last = d.last[:0]
	for _, p := range parts {
		d.bytes += len(p)
		d.last = append(d.last, p...)
	}
	return nil
}

// stillNode is a node that does not run, with a sink for a device and a VTEP that hears nothing.
func stillNode(t testing.TB) (*segment, *sinkDevice, *vtep) {
	t.Helper()
	hole, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	dev := &sinkDevice{last: make([]byte, 0, tundev.BufLen)}
	n, err := New(Options{
		Listen: []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:0")},
		OpenDevice: func(o tundev.Options) (tundev.Device, error) {
			dev.Device = tundevtest.NewWith(o, tundev.Offloads{Csum: true, TSO: true, USO: true})
			return dev, nil
		},
		Segments: []SegmentOptions{{
			VNI: 7, Device: DeviceOptions{Name: "none7", MTU: 1450},
			FDB: bridge.Options{Learn: true, Ageing: time.Minute},
			Plain: PlainOptions{
				Remotes: []netip.AddrPort{hole.LocalAddr().(*net.UDPAddr).AddrPort()},
				Outer:   vxlan.Outer{TTL: 64}, Flood: true,
			},
		}},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		n.Close()
		hole.Close()
	})
	s := n.segment(7)
	return s, dev, s.leg.Load().port(devicePort + 1)
}

// tcpFrame is a TCP segment of a flow from 2 to 1, or a super-frame with a partial checksum.
func tcpFrame(seq uint32, payload int, partial bool) ether.Frame {
	f := append(make([]byte, 0, 54+payload), 2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0, 0x45, 0)
	f = binary.BigEndian.AppendUint16(f, uint16(40+payload))
	f = append(f, 0, 0, 0x40, 0, 64, ether.ProtoTCP, 0, 0, 192, 0, 2, 2, 192, 0, 2, 1, 3, 0xe8, 0x13, 0x89)
	f = binary.BigEndian.AppendUint32(f, seq)
	f = append(f, 0, 0, 0, 1, 0x50, 0x10, 1, 0, 0, 0, 0, 0)
	f = append(f, make([]byte, payload)...)
	ether.PutIPv4Checksum(f[14:])
	ip, _ := ether.ParseIP(f)
	sum := ip.PseudoSum(f, ether.ProtoTCP, 20+payload)
	if !partial {
		sum = ^ether.AddSum(sum, ether.Sum(f[34:]))
	}
	binary.BigEndian.PutUint16(f[50:], sum)
	return f
}

// put has the uplink see a frame as if it had just been read.
func (u *uplink) put(h offload.Header, f []byte) {
	u.out.now = u.s.node.now()
	at := u.out.used
	u.forward(&read{at, copy(u.out.room(at), f), h})
}

func superHeader() offload.Header {
	return offload.Header{
		Flags: offload.NeedsCsum, GSOType: offload.GSOTCPv4, HdrLen: 54, GSOSize: 1400, CsumStart: 34,
		CsumOffset: 16,
	}
}

// TestUplinkAllocatesNothing sends small frames, a super-frame and ones for everybody.
func TestUplinkAllocatesNothing(t *testing.T) {
	s, _, v := stillNode(t)
	small, super, arp := tcpFrame(1, 100, false), tcpFrame(1, 60000, true), tcpFrame(1, 20, false)
	arp[0], arp[12], arp[13] = 0xff, 8, 6
	allocs := testing.AllocsPerRun(100, func() {
		for range 8 {
			s.up.put(offload.Header{}, small)
			s.up.put(offload.Header{}, arp)
		}
		s.up.put(superHeader(), super)
		s.up.out.flush()
	})
	if allocs != 0 {
		t.Errorf("%v allocations per batch", allocs)
	}
	if got, want := v.tx.frames.Load(), uint64(101*(16+43)); got != want {
		t.Errorf("%d frames were sent, want %d", got, want)
	}
}

// TestDownlinkAllocatesNothing receives a train that is merged, and frames that are not.
func TestDownlinkAllocatesNothing(t *testing.T) {
	s, dev, v := stillNode(t)
	d := newDownlink(s.node, s.node.sockets.listening[0])
	var train []byte
	for i := range 40 {
		train = append(train, make([]byte, vxlan.HeaderLen)...)
		vxlan.PutHeader(train[len(train)-vxlan.HeaderLen:], 7)
		train = append(train, tcpFrame(uint32(1400*i), 1400, false)...)
	}
	dg := udp.Datagram{Data: make([]byte, len(train)), SegmentSize: vxlan.HeaderLen + 1454, From: v.remote}
	allocs := testing.AllocsPerRun(100, func() {
		copy(dg.Data, train)
		d.in.now = s.node.now()
		d.split(&dg)
		d.in.flush()
	})
	if allocs != 0 {
		t.Errorf("%v allocations per batch", allocs)
	}
	if dev.frames != 101 || dev.bytes != 101*(54+40*1400) {
		t.Errorf("the device got %d frames of %d bytes, want 101 of %d", dev.frames, dev.bytes, 101*(54+40*1400))
	}
}

// TestTooBigPermits limits answers, and only answers: packets that get none cost no permit.
func TestTooBigPermits(t *testing.T) {
	s, dev, v := stillNode(t)
	s.node.start = bootTime() // permits come back with time
	v.path.Store(&route{state: control.VTEPOK, mtu: 1000})
	quiet := tcpFrame(1, 1400, false)
	quiet[20] = 0 // DF is not set: for the underlay to fragment
	ether.PutIPv4Checksum(quiet[14:])
	for range 5 * icmpBurst {
		s.up.put(offload.Header{}, quiet)
		s.up.out.flush()
	}
	if dev.frames != 0 || v.tx.frames.Load() != 5*icmpBurst {
		t.Fatalf("%d answers, %d frames sent", dev.frames, v.tx.frames.Load())
	}
	before := s.node.now()
	for range 3 * icmpBurst {
		s.up.put(offload.Header{}, tcpFrame(1, 1400, false))
		s.up.out.flush()
	}
	most := icmpBurst + int((s.node.now()-before)/icmpEvery) + 1
	if dev.frames < icmpBurst || dev.frames > most || s.tooBig.Load() != uint64(dev.frames) {
		t.Errorf("%d answers, want %d to %d", dev.frames, icmpBurst, most)
	}
	if drops := s.drops.Map(); drops["too_big"] != 3*icmpBurst || len(drops) != 1 {
		t.Errorf("%v", drops)
	}
	if mtu := binary.BigEndian.Uint16(dev.last[40:]); mtu != 1000 {
		t.Errorf("MTU %d", mtu)
	}
}

// TestTooBigSuper measures a super-frame by the frames it becomes.
func TestTooBigSuper(t *testing.T) {
	s, dev, v := stillNode(t)
	for _, c := range []struct{ mtu, answers int }{{1440, 0}, {1439, 1}, {0, 0}} {
		dev.frames = 0
		v.path.Store(&route{state: control.VTEPOK, mtu: c.mtu})
		s.up.put(superHeader(), tcpFrame(1, 20000, true))
		s.up.out.flush()
		if dev.frames != c.answers {
			t.Errorf("path of %d: %d answers", c.mtu, dev.frames)
		}
	}
}

// TestICMPLimiter fills again with time, up to its burst.
func TestICMPLimiter(t *testing.T) {
	l := newICMPLimiter()
	take := func(now time.Duration) (n int) {
		for l.allow(now) {
			n++
		}
		return n
	}
	for _, c := range []struct {
		now  time.Duration
		want int
	}{
		{0, icmpBurst}, {icmpEvery - 1, 0}, {icmpEvery, 1}, {11 * icmpEvery, 10}, {time.Hour, icmpBurst},
	} {
		if got := take(c.now); got != c.want {
			t.Errorf("at %s: %d permits, want %d", c.now, got, c.want)
		}
	}
}

// TestArenaNeverOverflows puts two of the largest super-frames into the uplink, with all numbers of
// small frames between them: the second has to find room for its first piece.
func TestArenaNeverOverflows(t *testing.T) {
	s, _, v := stillNode(t)
	sent := uint64(0)
	put := func(h offload.Header, f ether.Frame, n uint64) {
		if sent += n; s.up.out.full() {
			s.up.out.flush()
		}
		s.up.put(h, f)
	}
	super, small := tcpFrame(1, 65495, true), tcpFrame(1, 1000, false)
	for between := range 130 {
		put(superHeader(), super, 47)
		for range between {
			put(offload.Header{}, small, 1)
		}
		put(superHeader(), super, 47)
		s.up.out.flush()
	}
	if got := v.tx.frames.Load(); got != sent {
		t.Errorf("%d frames were sent, want %d", got, sent)
	}
}

// TestTinySegments cuts a super-frame into so many pieces that their headers fill the arena several
// times over.
func TestTinySegments(t *testing.T) {
	s, _, v := stillNode(t)
	h := superHeader()
	h.GSOSize = 8
	const payload = 60000
	s.up.put(h, tcpFrame(1, payload, true))
	s.up.out.flush()
	if got, want := v.tx.frames.Load(), uint64(payload/8); got != want {
		t.Errorf("%d frames were sent, want %d", got, want)
	}
}

// TestSuperFrameKeepsItsPlace has a super-frame arrive whole behind segments of its flow that are
// held back for merging.
func TestSuperFrameKeepsItsPlace(t *testing.T) {
	s, dev, v := stillNode(t)
	d := newDownlink(s.node, s.node.sockets.listening[0])
	whole := tcpFrame(2001, 20000, true)
	for _, f := range []ether.Frame{tcpFrame(1, 1000, false), tcpFrame(1001, 1000, false), whole} {
		b := append(make([]byte, vxlan.HeaderLen), f...)
		vxlan.PutHeader(b, 7)
		d.split(&udp.Datagram{Data: b, From: v.remote})
	}
	if dev.frames != 2 || string(dev.last) != string(whole) {
		t.Errorf("%d frames, the last of %d bytes", dev.frames, len(dev.last))
	}
}

// TestQueueJoins says which neighbours become one message: all as long as the first, but the last.
func TestQueueJoins(t *testing.T) {
	s, _, v := stillNode(t)
	l := *s.leg.Load()
	l.options.Outer.TOS, l.options.Outer.TTL = vxlan.Inherit, vxlan.Inherit
	s.leg.Store(&l)
	marked := tcpFrame(1, 1000, false)
	ip, _ := ether.ParseIP(marked)
	ip.SetTOS(marked, 0xb8)
	routed := tcpFrame(1, 1000, false)
	routed[22]--
	ether.PutIPv4Checksum(routed[14:])
	long, short := tcpFrame(1, 1000, false), tcpFrame(1, 500, false)
	for name, c := range map[string]struct {
		frames []ether.Frame
		want   []int // datagrams of each message
	}{
		"equal":             {[]ether.Frame{long, long, long}, []int{3}},
		"the last is short": {[]ether.Frame{long, long, short}, []int{3}},
		"behind a short":    {[]ether.Frame{long, short, long, long}, []int{2, 2}},
		"two short":         {[]ether.Frame{long, short, short}, []int{2, 1}},
		"the last is long":  {[]ether.Frame{short, long}, []int{1, 1}},
		"another TOS":       {[]ether.Frame{long, marked, marked, long}, []int{1, 2, 1}},
		"another TTL":       {[]ether.Frame{long, routed, routed, long}, []int{1, 2, 1}},
	} {
		for _, f := range c.frames {
			s.up.put(offload.Header{}, f)
		}
		var got []int
		for i := range s.up.out.plain.msgs {
			m := &s.up.out.plain.msgs[i]
			got = append(got, m.Datagrams())
			if m.To != v.remote {
				t.Errorf("%s: message %d goes to %s", name, i, m.To)
			}
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
		s.up.out.flush()
	}
}

func BenchmarkUplink(b *testing.B) {
	s, _, _ := stillNode(b)
	super := tcpFrame(1, 60000, true)
	b.SetBytes(60000)
	b.ReportAllocs()
	for b.Loop() {
		s.up.put(superHeader(), super)
		s.up.out.flush()
	}
}

// BenchmarkUplinkSmall sends batches of small frames of many flows: what each of them costs.
func BenchmarkUplinkSmall(b *testing.B) {
	s, _, _ := stillNode(b)
	small := tcpFrame(1, 20, false)
	b.ReportAllocs()
	for n := 0; b.Loop(); n++ {
		small[34]++ // a flow of its own each
		s.up.put(offload.Header{}, small)
		if n%32 == 31 {
			s.up.out.flush()
		}
	}
}

// BenchmarkDownlinkSmall receives small frames one by one.
func BenchmarkDownlinkSmall(b *testing.B) {
	s, _, v := stillNode(b)
	d := newDownlink(s.node, s.node.sockets.listening[0])
	f := append(make([]byte, vxlan.HeaderLen), tcpFrame(1, 20, false)...)
	vxlan.PutHeader(f, 7)
	dg := udp.Datagram{Data: f, From: v.remote}
	b.ReportAllocs()
	for b.Loop() {
		d.split(&dg)
		d.in.flush()
	}
}
