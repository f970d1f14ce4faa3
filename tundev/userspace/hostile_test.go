package userspace_test

import (
	"encoding/binary"
	"errors"
	"net/netip"
	"slices"
	"testing"

	"github.com/vxmesh/vxmesh/tundev"
	"github.com/vxmesh/vxmesh/tundev/ether"
	"github.com/vxmesh/vxmesh/tundev/offload"
	"github.com/vxmesh/vxmesh/tundev/tundevtest"
	"github.com/vxmesh/vxmesh/tundev/userspace"
)

var liar = ether.MAC{2, 0, 0, 0, 0, 0x66}

// eth is a frame of a liar's.
func eth(dst ether.MAC, etherType uint16, payload ...byte) []byte {
	f := append(append([]byte(nil), dst[:]...), liar[:]...)
	return append(binary.BigEndian.AppendUint16(f, etherType), payload...)
}

// arp is an ARP packet (RFC 826) that says src is at the liar's.
func arp(dst ether.MAC, op byte, src, target string) []byte {
	p := append([]byte{0, 1, 8, 0, 6, 4, 0, op}, liar[:]...)
	p = append(append(p, netip.MustParseAddr(src).AsSlice()...), 0, 0, 0, 0, 0, 0)
	return eth(dst, ether.TypeARP, append(p, netip.MustParseAddr(target).AsSlice()...)...)
}

// ipv4 is a frame with an IPv4 packet (RFC 791) to a.
func ipv4(proto byte, src, dst string, payload ...byte) []byte {
	p := []byte{0x45, 0, 0, 0, 0, 1, 0, 0, 64, proto, 0, 0}
	binary.BigEndian.PutUint16(p[2:], uint16(20+len(payload)))
	p = append(append(p, netip.MustParseAddr(src).AsSlice()...), netip.MustParseAddr(dst).AsSlice()...)
	ether.PutIPv4Checksum(p)
	return eth(macA, ether.TypeIPv4, append(p, payload...)...)
}

// ipv6 is a frame with an IPv6 packet (RFC 8200) to a.
func ipv6(next byte, src, dst string, payload ...byte) []byte {
	p := []byte{0x60, 0, 0, 0, 0, 0, next, 255}
	binary.BigEndian.PutUint16(p[4:], uint16(len(payload)))
	p = append(append(p, netip.MustParseAddr(src).AsSlice()...), netip.MustParseAddr(dst).AsSlice()...)
	return eth(macA, ether.TypeIPv6, append(p, payload...)...)
}

// echo4 is an ICMP echo request (RFC 792).
var echo4 = []byte{8, 0, 0xf7, 0xff, 0, 0, 0, 0}

// frames takes what a device has to send.
func frames(t testing.TB, d tundev.Device) (out []ether.Frame) {
	t.Helper()
	buf := make([]byte, tundev.BufLen)
	for {
		n, _, err := d.ReadFrame(buf, false)
		if errors.Is(err, tundev.ErrWouldBlock) {
			return out
		}
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, slices.Clone(buf[:n]))
	}
}

// settled is a device whose addresses may be used, with nothing left to send.
func settled(t testing.TB) *userspace.Device {
	t.Helper()
	d := open(t, macA, 1500, ofA)
	var announced bool // its last question of a trial is followed by announcements
	eventually(t, func() bool {
		for _, f := range frames(t, d) {
			announced = announced || f[12] == 8 && f[13] == 6 && f[28] == 10
		}
		return announced
	})
	frames(t, d)
	return d
}

// TestAnswersOnlyForItself: questions and packets for others come to nothing.
func TestAnswersOnlyForItself(t *testing.T) {
	t.Parallel()
	d := settled(t)
	need(t, d.WriteFrame(offload.Header{}, [][]byte{arp(ether.Broadcast, 1, "10.0.0.9", "10.0.0.1")}))
	if out := frames(t, d); len(out) != 1 || out[0].Dst() != liar || out[0][21] != 2 {
		t.Errorf("asked for its own address it says %x", out)
	}
	others := [][]byte{
		arp(ether.Broadcast, 1, "10.0.0.9", "10.0.0.3"),
		arp(macA, 1, "10.0.0.9", "192.0.2.1"),
		ipv4(1, "10.0.0.9", "10.0.0.3", echo4...), // it does not forward
		ipv4(1, "10.0.0.9", "192.0.2.1", echo4...),
		ipv4(1, "10.0.0.9", "127.0.0.1", echo4...),
		ipv4(1, "127.0.0.1", "10.0.0.1", echo4...),
		ipv4(17, "10.0.0.9", "10.0.0.3", 0, 9, 0, 9, 0, 8, 0, 0),
		ipv4(6, "10.0.0.9", "10.0.0.3", 0, 9, 0, 9, 0, 0, 0, 1, 0, 0, 0, 0, 0x50, 2, 0, 0, 0, 0, 0, 0),
		ipv6(58, "fd00::9", "fd00::3", 128, 0, 0, 0, 0, 0, 0, 0),
		ipv6(17, "fd00::9", "2001:db8::1", 0, 9, 0, 9, 0, 8, 0, 0),
		eth(macB, ether.TypeIPv4, echo4...),
		eth(macA, 0x88cc, 1, 2, 3),
	}
	for _, f := range others {
		need(t, d.WriteFrame(offload.Header{}, [][]byte{f}))
		if out := frames(t, d); len(out) > 0 {
			t.Errorf("%x is answered with %x", f, out)
		}
	}
}

// TestLies: what is told unasked changes nothing, and a wrong checksum is counted.
func TestLies(t *testing.T) {
	t.Parallel()
	s := newSegment(t, 1500)
	if _, err := s.a.Ping(within(t), netip.MustParseAddr("10.0.0.2"), 0); err != nil {
		t.Fatal(err)
	}
	for range 100 {
		need(t, s.a.WriteFrame(offload.Header{}, [][]byte{arp(macA, 2, "10.0.0.2", "10.0.0.1")}))
		need(t, s.a.WriteFrame(offload.Header{}, [][]byte{arp(ether.Broadcast, 1, "10.0.0.2", "10.0.0.2")}))
	}
	if _, err := s.a.Ping(within(t), netip.MustParseAddr("10.0.0.2"), 0); err != nil {
		t.Error(err)
	}
	if s.a.Drops()["unasked"] == 0 {
		t.Error("no lie is counted")
	}
	p, err := s.a.ListenPacket("udp", ":9")
	need(t, err)
	defer func() { _ = p.Close() }()
	need(t, s.a.WriteFrame(offload.Header{}, [][]byte{ipv4(17, "10.0.0.2", "10.0.0.1", 0, 9, 0, 9, 0, 9, 1, 1, 5)}))
	need(t, s.a.WriteFrame(offload.Header{}, [][]byte{eth(macA, ether.TypeIPv4, 0x45, 0, 0, 9)}))
	if d := s.a.Drops(); d["bad_checksum"] != 1 || d["malformed"] != 1 {
		t.Errorf("drops %v", d)
	}
}

// TestConflict: an address that another station has is not used, and it is said who has it.
func TestConflict(t *testing.T) {
	t.Parallel()
	s := segment{open(t, macA, 1500, ofA), open(t, macB, 1500, ofB)}
	tundevtest.Join(s.a, s.b)
	if _, err := s.a.Ping(within(t), ofB[0].Addr(), 0); err != nil {
		t.Fatal(err)
	}
	need(t, s.a.Reconfigure(tundev.Options{
		Kind: tundev.Userspace, Name: "userspace", MAC: macA, Addresses: append(ofB[:1:1], ofA[1]),
	}))
	want := tundev.Conflict{Addr: ofB[0].Addr(), Rival: macB, Lost: true}
	eventually(t, func() bool { return slices.Contains(s.a.Conflicts(), want) })
	if mac, err := s.b.Probe(within(t), netip.MustParseAddr("10.0.0.1")); err != nil || !mac.IsZero() {
		t.Errorf("the address that it gave up is answered for by %s, %v", mac, err)
	}
}

// FuzzWriteFrame: no frame makes the device panic or speak for another.
func FuzzWriteFrame(f *testing.F) {
	for _, seed := range [][]byte{
		arp(ether.Broadcast, 1, "10.0.0.9", "10.0.0.1"), ipv4(1, "10.0.0.9", "10.0.0.1", echo4...),
		ipv4(2, "10.0.0.9", "224.0.0.1", 0x11, 0, 0xee, 0xff, 0, 0, 0, 0),
		ipv4(17, "10.0.0.9", "10.0.0.1", 0, 9, 0, 9, 0, 8, 0, 0),
		ipv4(6, "10.0.0.9", "10.0.0.1", 0, 9, 0, 7, 0, 0, 0, 1, 0, 0, 0, 0, 0x50, 2, 0, 0, 0, 0, 0, 0),
		ipv6(58, "fe80::9", "ff02::1", 134, 0, 0, 0, 64, 0, 7, 8, 0, 0, 0, 0, 0, 0, 0, 0),
		ipv6(0, "fd00::9", "fd00::1", 44, 0, 1, 4, 0, 0, 0, 0, 58, 0, 0, 1, 0, 0, 0, 7, 128, 0, 0, 0),
		ipv6(43, "fd00::9", "fd00::1", 59, 2, 0, 1, 0, 0, 0, 0),
	} {
		f.Add(seed, uint8(0), 14)
		f.Add(seed, uint8(offload.NeedsCsum), 3)
	}
	d := settled(f)
	l, err := d.Listen("tcp", ":7")
	if err != nil {
		f.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	f.Fuzz(func(t *testing.T, frame []byte, flags uint8, cut int) {
		cut = max(0, min(cut, len(frame)))
		h := offload.Header{Flags: flags, CsumStart: uint16(cut)}
		_ = d.WriteFrame(h, [][]byte{frame[:cut], frame[cut:]})
		for _, out := range frames(t, d) {
			if !out.Valid() || out.Src() != macA {
				t.Fatalf("%x makes it send %x", frame, out)
			}
			if ip, ok := ether.ParseIP(out); ok && ip.Version == 4 && [4]byte(out[26:30]) != [4]byte{10, 0, 0, 1} {
				t.Fatalf("%x makes it speak for another: %x", frame, out)
			}
		}
	})
}
