package tunnel_test

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/ipv4"

	"github.com/vxmesh/vxmesh/tundev/ether"
	"github.com/vxmesh/vxmesh/tundev/offload"
	"github.com/vxmesh/vxmesh/tundev/tundevtest"
	"github.com/vxmesh/vxmesh/tunnel"
	"github.com/vxmesh/vxmesh/tunnel/control"
	"github.com/vxmesh/vxmesh/tunnel/drop"
	"github.com/vxmesh/vxmesh/tunnel/vxlan"
)

// unhex reads bytes written as in a packet.
func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// ipv4Frame is a frame with a UDP packet of n bytes of IP, DF set, from and to stations whose last
// octets are those of their addresses.
func ipv4Frame(t testing.TB, dst, src byte, tos string, n int) []byte {
	d, s := mac(dst), mac(src)
	f := append(append([]byte(nil), d[:]...), s[:]...)
	f = append(f, unhex(t, "0800 45"+tos+"0000 00004000 40110000 c0000200 c0000200 0001 0002 0000 0000")...)
	f[29], f[33] = src, dst
	f = append(f, make([]byte, 14+n-len(f))...)
	binary.BigEndian.PutUint16(f[16:], uint16(n))
	binary.BigEndian.PutUint16(f[38:], uint16(n-20))
	ether.PutIPv4Checksum(f[14:])
	return f
}

// A dropCase is a way into one reason: a node of one segment, 7, with a VTEP at host 2 and nobody
// at host 3.
type dropCase struct {
	change func(o *tunnel.SegmentOptions) // before the node starts
	do     func(n *node, known, stranger *vtep)
}

// fromVTEP sends datagrams from the listed VTEP.
func fromVTEP(datagrams ...[]byte) dropCase {
	return dropCase{do: func(n *node, known, _ *vtep) { known.raw(n.options.Listen[0], datagrams...) }}
}

// fromDevice has the device give a frame.
func fromDevice(h offload.Header, f []byte) dropCase {
	return dropCase{do: func(n *node, _, _ *vtep) {
		if err := n.device(7).Inject(h, f); err != nil {
			n.t.Error(err)
		}
	}}
}

// with adds a change of the options.
func (c dropCase) with(change func(o *tunnel.SegmentOptions)) dropCase {
	c.change = change
	return c
}

func pin(m ether.MAC, to netip.AddrPort) func(o *tunnel.SegmentOptions) {
	return func(o *tunnel.SegmentOptions) { o.Static = []tunnel.StaticEntry{{MAC: m, VTEP: to}} }
}

// dropCases are the ways into every reason there is.
func dropCases(t *testing.T, w *network) map[drop.Reason][]dropCase {
	fine := frame(ether.Broadcast, mac(2), "fine")
	header := func(h string) []byte { return append(unhex(t, h), fine...) }
	malformed := unhex(t, "ffffffffffff 020000000002 0800 45000099"+strings.Repeat("00", 16))
	df := func(o *tunnel.SegmentOptions) { o.Plain.Outer.DF = vxlan.DFSet }
	return map[drop.Reason][]dropCase{
		drop.Truncated: {fromVTEP([]byte{}), fromVTEP([]byte{8}), fromVTEP(header("08000000 00000700")[:7])},
		drop.NoVNIFlag: {
			fromVTEP(header("00000000 00000700")), fromVTEP(header("f7ffffff 00000700")),
			fromVTEP(header("00010000 2112a442")),
		},
		drop.VNIUnknown: {
			fromVTEP(header("08000000 00000800")), fromVTEP(header("08000000 00000000")),
			fromVTEP(header("08000000 ffffff00")),
		},
		drop.VTEPUnknown: {{do: func(n *node, _, stranger *vtep) {
			stranger.send(n.options.Listen[0], 7, fine)
		}}},
		drop.ReservedBits: {
			fromVTEP(header("88000000 00000700")), fromVTEP(header("08000000 00000701")),
			fromVTEP(header("0c000003 00000700")), fromVTEP(header("08000100 00000700")),
		},
		drop.Runt: {
			fromVTEP(encap(7, nil)), fromVTEP(encap(7, fine[:13])), fromDevice(offload.Header{}, fine[:13]),
		},
		drop.Malformed: {
			fromVTEP(encap(7, malformed)),
			fromDevice(offload.Header{Flags: offload.NeedsCsum, CsumStart: 999}, fine),
			fromDevice(offload.Header{Flags: 1, GSOType: offload.GSOTCPv4, GSOSize: 9}, fine),
		},
		drop.OwnMAC: {fromVTEP(encap(7, frame(ether.Broadcast, mac(0x11), "echo")))},
		drop.SourceInvalid: {
			fromVTEP(encap(7, frame(mac(1), ether.Broadcast, "x"))),
			fromVTEP(encap(7, frame(mac(1), ether.MAC{}, "x"))),
			fromDevice(offload.Header{}, frame(mac(1), ether.MAC{1}, "x")),
		},
		drop.StaticConflict: {
			fromVTEP(encap(7, frame(mac(1), mac(9), "x"))).with(pin(mac(9), w.addr(4))),
			fromDevice(offload.Header{}, frame(mac(1), mac(9), "x")).with(pin(mac(9), w.addr(4))),
		},
		drop.ECN: {{do: func(n *node, known, _ *vtep) {
			if err := ipv4.NewConn(known.conn).SetTOS(ether.CE); err != nil {
				n.t.Error(err)
			}
			known.send(n.options.Listen[0], 7, ipv4Frame(n.t, 1, 2, "b8", 100))
		}}},
		drop.SamePort: {
			fromVTEP(encap(7, frame(mac(9), mac(2), "x"))).with(pin(mac(9), w.addr(2))),
			fromDevice(offload.Header{}, frame(mac(0x11), mac(1), "x")),
		},
		drop.SplitHorizon: {
			fromVTEP(encap(7, frame(mac(9), mac(2), "x"))).with(pin(mac(9), w.addr(4))),
		},
		drop.NoPort: {
			fromDevice(offload.Header{}, fine).with(func(o *tunnel.SegmentOptions) { o.Plain.Remotes = nil }),
			fromDevice(offload.Header{}, fine).with(func(o *tunnel.SegmentOptions) { o.Plain.Flood = false }),
		},
		drop.TooBig: { // answered, and refused by the kernel
			fromDevice(offload.Header{}, ipv4Frame(t, 2, 1, "00", 65500)),
			fromDevice(offload.Header{}, frame(mac(2), mac(1), strings.Repeat("x", 65500))).with(df),
		},
		drop.Loop: {
			fromDevice(offload.Header{}, fine).with(func(o *tunnel.SegmentOptions) { o.Device.Name = "lo" }),
			fromDevice(offload.Header{}, ownDatagram(t, w)),
		},
		drop.SendError: {fromDevice(offload.Header{}, fine).with(func(o *tunnel.SegmentOptions) {
			o.Plain.Local = netip.MustParseAddr("192.0.2.1")
		})},
		drop.DeviceDown: {{do: func(n *node, known, _ *vtep) {
			n.device(7).SetUp(false, "somebody set it down")
			known.send(n.options.Listen[0], 7, fine)
		}}},
		drop.DeviceFull: {{do: func(n *node, known, _ *vtep) {
			for i := range tundevtest.Depth + 1 {
				known.send(n.options.Listen[0], 7, fine)
				if i%64 == 63 { // in steps that the socket's buffer holds
					seen := uint64(i + 1)
					eventually(n.t, func() bool { return n.stats(7).RxFrames == seen },
						func() string { return "frames were lost on the way" })
				}
			}
		}}},
	}
}

// ownDatagram is what the node itself sends to its VTEP, come back out of a bridge.
func ownDatagram(t testing.TB, w *network) []byte {
	f := ipv4Frame(t, 2, 1, "00", 100)
	src, dst := w.addr(1).Addr().As4(), w.addr(2).Addr().As4()
	copy(f[26:], src[:])
	copy(f[30:], dst[:])
	binary.BigEndian.PutUint16(f[36:], w.port)
	ether.PutIPv4Checksum(f[14:])
	return f
}

// TestEveryDrop drops a frame for every reason there is: it is counted once, as that and nothing
// else, and reaches nobody.
func TestEveryDrop(t *testing.T) {
	w := newNetwork(t)
	cases := dropCases(t, w)
	for reason := drop.Truncated; reason.String() != "invalid"; reason++ {
		sealed := reason >= drop.Junk && reason <= drop.NotLAN // TestEverySealedDrop's, and those of members
		if len(cases[reason]) == 0 && !sealed {
			t.Errorf("%s is not tested", reason)
		}
		for _, c := range cases[reason] {
			t.Run(reason.String(), func(t *testing.T) { c.run(t, w, reason) })
		}
	}
}

func (c dropCase) run(t *testing.T, w *network, reason drop.Reason) {
	w = &network{t: t, base: w.base, port: w.port}
	known, stranger := w.vtep(2), w.vtep(3)
	o := w.segment(1, 7, known.addr)
	if c.change != nil {
		c.change(&o)
	}
	n := w.node(1, o)
	defer n.stopped()
	if o.Device.Name != "none7" {
		n.devices["none7"] = n.devices[o.Device.Name]
	}
	c.do(n, known, stranger)
	n.dropped(map[string]uint64{reason.String(): 1})
	if frames := n.device(7).Frames(); reason != drop.DeviceFull && len(frames) > 0 && !isTooBig(frames) {
		t.Errorf("the device got % x", frames[0].Bytes)
	}
	if st := n.stats(7); st.TxFrames != 0 {
		t.Errorf("%d frames were sent", st.TxFrames)
	}
}

// stopped stops the node before the test's VTEPs are closed.
func (n *node) stopped() {
	if err := n.stop(); err != nil {
		n.t.Error(err)
	}
}

// isTooBig tells an ICMP answer.
func isTooBig(frames []tundevtest.Frame) bool {
	return len(frames) == 1 && frames[0].Bytes[23] == ether.ProtoICMP && frames[0].Bytes[34] == 3
}

// TestIgnoreReserved accepts what RFC 7348 says is to be ignored.
func TestIgnoreReserved(t *testing.T) {
	w := newNetwork(t)
	v := w.vtep(2)
	o := w.segment(1, 7, v.addr)
	o.Plain.IgnoreReserved = true
	n := w.node(1, o)
	for bit := range 64 {
		f := frame(ether.Broadcast, mac(2), string(rune(bit)))
		d := encap(7, f)
		d[bit/8] |= 0x80 >> (bit % 8)
		if bit >= 32 && bit < 56 {
			continue // the VNI
		}
		v.raw(w.addr(1), d)
		n.expect(7, f)
	}
	v.raw(w.addr(1), unhex(t, "f7ffffff 00000700"))
	n.dropped(map[string]uint64{"no_vni_flag": 1})
}

// TestVTEPDrops counts drops for the VTEP they came from, and of the device for the one they were
// for.
func TestVTEPDrops(t *testing.T) {
	w := newNetwork(t)
	v := w.vtep(2)
	n := w.node(1, w.segment(1, 7, v.addr))
	v.raw(w.addr(1), encap(7, nil), unhex(t, "08000000 00000701"))
	n.send(7, ipv4Frame(t, 2, 1, "00", 65500))
	n.dropped(map[string]uint64{"runt": 1, "reserved_bits": 1, "too_big": 1})
	eventually(t, func() bool {
		s := n.Stats().VTEPs[0]
		return s.Remote == v.addr.String() && s.Drops.Total() == 3 && s.Drops["runt"] == 1 &&
			s.Drops["reserved_bits"] == 1 && s.Drops["too_big"] == 1
	}, func() string { return fmt.Sprintf("%+v", n.Stats().VTEPs) })
}

// TestECN carries congestion marked on the way into the packet, and marks ours outside.
func TestECN(t *testing.T) {
	w := newNetwork(t)
	v := w.vtep(2)
	n := w.node(1, w.segment(1, 7, v.addr))
	if err := ipv4.NewConn(v.conn).SetTOS(ether.CE); err != nil {
		t.Fatal(err)
	}
	v.send(w.addr(1), 7, ipv4Frame(t, 1, 2, "ba", 100))
	n.expect(7, ipv4Frame(t, 1, 2, "bb", 100))
	n.dropped(nil)
}

// TestLoopStatus says why nothing is sent to a remote that is routed into the device.
func TestLoopStatus(t *testing.T) {
	w := newNetwork(t)
	o := w.segment(1, 7, w.addr(2))
	o.Device.Name = "lo"
	n := w.node(1, o)
	st := n.Status()
	if st.State != control.StateDegraded || len(st.Segments) != 1 || len(st.Segments[0].VTEPs) != 1 {
		t.Fatalf("%+v", st)
	}
	if v := st.Segments[0].VTEPs[0]; v.State != control.VTEPLoop || !strings.Contains(v.Reason, "lo itself") {
		t.Errorf("%+v", v)
	}
	if !slices.ContainsFunc(st.Warnings, func(c control.Warning) bool { return c.Code == "vtep_loop" }) {
		t.Errorf("%+v", st.Warnings)
	}
}

// TestTooBigAnswer reads the answer to a packet that is larger than the loopback's MTU carries: it
// comes from the destination, through the device.
func TestTooBigAnswer(t *testing.T) {
	w := newNetwork(t)
	v := w.vtep(2)
	n := w.node(1, w.segment(1, 7, v.addr))
	n.send(7, ipv4Frame(t, 2, 1, "00", 65500))
	f := n.next(7)
	ip, ok := ether.ParseIP(f.Bytes)
	got := ether.Frame(f.Bytes)
	if !ok || got.Dst() != mac(1) || got.Src() != mac(2) || ip.Proto != ether.ProtoICMP || f.Header != (offload.Header{}) {
		t.Fatalf("%+v %+v", f.Header, ip)
	}
	if mtu := binary.BigEndian.Uint16(f.Bytes[40:]); mtu != 65536-50 || string(f.Bytes[34:36]) != "\x03\x04" {
		t.Errorf("MTU %d, type % x", mtu, f.Bytes[34:36])
	}
	if st := n.stats(7); st.ICMPTooBig != 1 || st.TxFrames != 0 {
		t.Errorf("%+v", st)
	}
	notDF := ipv4Frame(t, 2, 1, "00", 65487) // goes on; the underlay may fragment it
	notDF[20] = 0
	ether.PutIPv4Checksum(notDF[14:])
	n.send(7, notDF[:14+65487])
	n.dropped(map[string]uint64{"too_big": 2}) // UDP cannot carry it whole; no answer to that
	if st := n.stats(7); st.ICMPTooBig != 1 {
		t.Errorf("%d answers", st.ICMPTooBig)
	}
}
