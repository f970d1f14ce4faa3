package ether_test

import (
	"bytes"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/vxmesh/vxmesh/tundev/ether"
)

// Packets without their Ethernet header. The parts are: version, header length, TOS, total length;
// identification, flags and offset; TTL, protocol, checksum; addresses; payload.
const (
	udp4 = "45b8001e 123440 00 3f110000 c0000201 c6336402 0001000200 0a0000 aabb"
	udp6 = "6ba12345 000a113f 20010db8000000000000000000000001 20010db8000000000000000000000002" +
		"0001 0002 000a 0000 aabb"
)

func TestParseIP(t *testing.T) {
	plain4 := ether.IP{
		Version: 4, Proto: 17, Offset: 14, Transport: 34, End: 44, TOS: 0xb8, TTL: 0x3f, DF: true,
		ID: 0x1234,
	}
	plain6 := ether.IP{
		Version: 6, Proto: 17, Offset: 14, Transport: 54, End: 64, TOS: 0xba, TTL: 0x3f,
	}
	with := func(ip ether.IP, change func(*ether.IP)) ether.IP {
		change(&ip)
		return ip
	}
	shifted := func(n int) func(*ether.IP) {
		return func(ip *ether.IP) { ip.Offset += n; ip.Transport += n; ip.End += n }
	}
	for _, c := range []struct {
		name  string
		frame string
		want  ether.IP
		ok    bool
	}{
		{"IPv4", "0800" + udp4, plain4, true},
		{"IPv4 with padding", "0800" + udp4 + "00000000", plain4, true},
		{"IPv4 behind a tag", "8100 0005 0800" + udp4, with(plain4, shifted(4)), true},
		{"IPv4 behind two tags", "88a8 0001 8100 0005 0800" + udp4, with(plain4, shifted(8)), true},
		{"IPv6", "86dd" + udp6, plain6, true},
		{"IPv6 with padding", "86dd" + udp6 + "0000", plain6, true},
		{"IPv6 behind two tags", "88a8 0001 8100 0005 86dd" + udp6, with(plain6, shifted(8)), true},
		{
			"IPv4 with options",
			"0800 46000018 00000000 40060000 c0000201 c6336402 01010101",
			ether.IP{Version: 4, Proto: 6, Offset: 14, Transport: 38, End: 38, TTL: 64},
			true,
		},
		{
			"IPv4 first fragment",
			"0800 45000014 00012000 40110000 c0000201 c6336402",
			ether.IP{
				Version: 4, Proto: 17, Offset: 14, Transport: 34, End: 34, TTL: 64, ID: 1, Fragment: true,
			},
			true,
		},
		{
			"IPv4 last fragment",
			"0800 45000014 00010001 40110000 c0000201 c6336402",
			ether.IP{
				Version: 4, Proto: 17, Offset: 14, Transport: 34, End: 34, TTL: 64, ID: 1, Fragment: true,
			},
			true,
		},
		{
			"IPv4 with the reserved flag is no fragment",
			"0800 45000014 00018000 40110000 c0000201 c6336402",
			ether.IP{Version: 4, Proto: 17, Offset: 14, Transport: 34, End: 34, TTL: 64, ID: 1},
			true,
		},
		{
			"IPv6 without payload",
			"86dd 60000000 00003b40" + strings.Repeat("00", 32),
			ether.IP{Version: 6, Proto: 59, Offset: 14, Transport: 54, End: 54, TTL: 64},
			true,
		},
		{
			"IPv6 jumbogram",
			"86dd 60000000 00000040" + strings.Repeat("00", 32) + "1100c20400012345",
			ether.IP{Version: 6, Offset: 14, Transport: 54, End: 62, TTL: 64},
			true,
		},
		{"ARP", "0806 0001", ether.IP{}, true},
		{"a tag cut short", "8100 0005", ether.IP{}, true},
		{"an IEEE 802.3 length", "0003 424203", ether.IP{}, true},

		{"IPv4 that is not there", "0800", ether.IP{}, false},
		{"IPv4 cut short", "0800 45000014 00000000 40110000 c0000201 c63364", ether.IP{}, false},
		{"IPv4 EtherType, version 6", "0800 65000014" + strings.Repeat("00", 16), ether.IP{}, false},
		{"IPv4 header of 16 bytes", "0800 44000014" + strings.Repeat("00", 16), ether.IP{}, false},
		{"IPv4 longer than the frame", "0800 45000015" + strings.Repeat("00", 16), ether.IP{}, false},
		{"IPv4 shorter than its header", "0800 45000013" + strings.Repeat("00", 16), ether.IP{}, false},
		{"IPv4 of length 0", "0800 45000000" + strings.Repeat("00", 16), ether.IP{}, false},
		{"IPv4 options beyond the packet", "0800 46000014" + strings.Repeat("00", 20), ether.IP{}, false},
		{"IPv4 options beyond the frame", "0800 4f00003c" + strings.Repeat("00", 52), ether.IP{}, false},
		{"IPv6 that is not there", "86dd", ether.IP{}, false},
		{"IPv6 cut short", "86dd 60000000 00003b40" + strings.Repeat("00", 31), ether.IP{}, false},
		{"IPv6 EtherType, version 4", "86dd 45000000 00003b40" + strings.Repeat("00", 32), ether.IP{}, false},
		{"IPv6 longer than the frame", "86dd 60000000 00013b40" + strings.Repeat("00", 32), ether.IP{}, false},
	} {
		got, ok := ether.ParseIP(unhex(t, addresses+c.frame))
		if diff := cmp.Diff(c.want, got); diff != "" || ok != c.ok {
			t.Errorf("%s: ok %v, %s", c.name, ok, diff)
		}
	}
}

// TestSetTOSIPv4 sets every value over a few others; the header checksum stays right and nothing
// else changes.
func TestSetTOSIPv4(t *testing.T) {
	for _, old := range []uint8{0, 1, 0x55, 0xb8, 0xff} {
		for tos := range 256 {
			f := unhex(t, addresses+"8100 0005 0800"+udp4)
			f[19] = old
			ether.PutIPv4Checksum(f[18:])
			before := bytes.Clone(f)
			ip, _ := ether.ParseIP(f)
			ip.SetTOS(f, uint8(tos))
			if f[19] != uint8(tos) || ether.Sum(f[18:38]) != 0xffff {
				t.Fatalf("%#02x to %#02x: TOS %#02x, sum %#04x", old, tos, f[19], ether.Sum(f[18:38]))
			}
			f[19], f[28], f[29] = before[19], before[28], before[29]
			if !bytes.Equal(f, before) {
				t.Fatalf("%#02x to %#02x: more than TOS and checksum changed", old, tos)
			}
		}
	}
}

func TestSetTOSIPv6(t *testing.T) {
	for tos := range 256 {
		f := unhex(t, addresses+"86dd"+udp6)
		before := bytes.Clone(f)
		ip, _ := ether.ParseIP(f)
		ip.SetTOS(f, uint8(tos))
		again, ok := ether.ParseIP(f)
		if !ok || again.TOS != uint8(tos) {
			t.Fatalf("%#02x: TOS %#02x, ok %v", tos, again.TOS, ok)
		}
		again.SetTOS(f, ip.TOS)
		if !bytes.Equal(f, before) {
			t.Fatalf("%#02x: more than the traffic class changed", tos)
		}
	}
}

// TestPseudoSum checks a datagram of each family whose checksum was computed by other means.
func TestPseudoSum(t *testing.T) {
	for name, packet := range map[string]string{
		"IPv4": "0800 4500001e 00004000 40110000 c0000201 c6336402 0001 0002 000a 68e4 aabb",
		"IPv6": "86dd 60000000 000a1140 20010db8000000000000000000000001" +
			"20010db8000000000000000000000002 0001 0002 000a f9a6 aabb",
	} {
		f := unhex(t, addresses+packet)
		ip, ok := ether.ParseIP(f)
		if !ok {
			t.Fatal(name)
		}
		sum := ether.AddSum(ip.PseudoSum(f, 17, 10), ether.Sum(f[ip.Transport:ip.End]))
		if sum != 0xffff {
			t.Errorf("%s: checksum is off by %#04x", name, ^sum)
		}
	}
	f := unhex(t, addresses+"86dd"+udp6)
	ip, _ := ether.ParseIP(f)
	if got, want := ip.PseudoSum(f, 6, 0x12345), ether.AddSum(ip.PseudoSum(f, 6, 0), 0x2346); got != want {
		t.Errorf("a length beyond 16 bits: %#04x, want %#04x", got, want)
	}
}

func TestPutIPv4Checksum(t *testing.T) {
	rnd := rand.New(rand.NewPCG(9, 9))
	for range 1000 {
		h := make([]byte, 70)
		for i := range h {
			h[i] = byte(rnd.Uint32())
		}
		words := 5 + rnd.IntN(11)
		h[0] = 0x40 | byte(words)
		before := bytes.Clone(h)
		ether.PutIPv4Checksum(h)
		if sum := plainSum(h[:4*words]); sum != 0xffff {
			t.Fatalf("%d words sum up to %#04x", words, sum)
		}
		copy(h[10:12], before[10:12])
		if !bytes.Equal(h, before) {
			t.Fatal("more than the checksum changed")
		}
	}
}

// FuzzParseIP makes sure that everything ParseIP says lies within the frame, so that what follows
// may index by it.
func FuzzParseIP(f *testing.F) {
	for _, s := range []string{
		"0800" + udp4, "86dd" + udp6, "8100 0005 0800" + udp4, "88a8 0001 8100 0005 86dd" + udp6,
		"0800 4f00003c" + strings.Repeat("00", 52), "8100 0005", "0806",
		"86dd 60000000 00000040" + strings.Repeat("00", 32) + "1100c20400012345",
	} {
		f.Add([]byte(unhex(f, addresses+s)))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		frame := ether.Frame(b)
		if !frame.Valid() {
			return
		}
		if etherType, offset := frame.Payload(); offset > len(frame) {
			t.Fatalf("the payload of type %#04x begins at %d of %d", etherType, offset, len(frame))
		}
		ip, ok := ether.ParseIP(frame)
		if ip.Version == 0 {
			if ip != (ether.IP{}) {
				t.Fatalf("not IP, but %+v", ip)
			}
			return
		}
		if !ok || ip.Offset < 14 || ip.Transport < ip.Offset+20 || ip.End < ip.Transport || ip.End > len(frame) {
			t.Fatalf("ok %v, %+v of %d bytes", ok, ip, len(frame))
		}
		ip.PseudoSum(frame, ip.Proto, ip.End-ip.Transport)
		valid := ip.Version == 4 && ether.Sum(frame[ip.Offset:ip.Transport]) == 0xffff
		ip.SetTOS(frame, ip.TOS^0xff)
		again, _ := ether.ParseIP(frame)
		if again.TOS != ip.TOS^0xff {
			t.Fatalf("TOS is %#02x, want %#02x", again.TOS, ip.TOS^0xff)
		}
		if valid && ether.Sum(frame[ip.Offset:ip.Transport]) != 0xffff {
			t.Fatal("the header checksum was right before SetTOS")
		}
	})
}
