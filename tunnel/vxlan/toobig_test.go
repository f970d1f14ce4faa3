package vxlan_test

import (
	"bytes"
	"encoding/binary"
	"strings"
	"testing"

	"github.com/vxmesh/vxmesh/tundev/ether"
	"github.com/vxmesh/vxmesh/tunnel/vxlan"
)

// bigFrame gives a frame with its IP packet made n bytes long by counting bytes at its end.
func bigFrame(t testing.TB, s string, n int) (ether.Frame, ether.IP) {
	t.Helper()
	f := ether.Frame(unhex(t, s))
	_, offset := f.Payload()
	for i := 0; len(f) < offset+n; i++ {
		f = append(f, byte(i))
	}
	if f[offset]>>4 == 4 {
		binary.BigEndian.PutUint16(f[offset+2:], uint16(n))
		ether.PutIPv4Checksum(f[offset:])
	} else {
		binary.BigEndian.PutUint16(f[offset+4:], uint16(n-40))
	}
	ip, ok := ether.ParseIP(f)
	if !ok || ip.Version == 0 {
		t.Fatal("not an IP packet")
	}
	return f, ip
}

// tooBig is the answer to a frame of 1500 bytes of IP, nil when there is none.
func tooBig(t testing.TB, s string, mtu int) []byte {
	t.Helper()
	f, ip := bigFrame(t, s, 1500)
	reply, ok := vxlan.AppendTooBig([]byte("kept"), f, ip, mtu)
	if !bytes.HasPrefix(reply, []byte("kept")) || ok != (len(reply) > 4) {
		t.Fatalf("ok %v with %d bytes", ok, len(reply))
	}
	if !ok {
		return nil
	}
	return reply[4:]
}

// TestTooBigIPv4 has the exact bytes of the answer, with no, one and two tags.
func TestTooBigIPv4(t *testing.T) {
	const addresses = "020000000001 020000000002"
	for name, tags := range map[string]string{
		"untagged": "", "tagged": "8100 6005", "two tags": "88a8 0001 8100 0005",
	} {
		frame, _ := bigFrame(t, addresses+tags+
			"0800 45b805dc 12344000 3f110000 c0000201 c6336402 0001 0002 05c8 0000", 1500)
		offset := 14 + len(unhex(t, tags))
		quote := frame[offset : offset+576-28]
		want := unhex(t, "020000000002 020000000001"+tags+"0800"+
			"45000240 00004000 3f010000 c6336402 c0000201"+ // from the destination, TTL and DF as Linux does
			"0304 0000 0000 0578")
		want = append(want, quote...)
		ether.PutIPv4Checksum(want[offset:])
		binary.BigEndian.PutUint16(want[offset+22:], ^ether.Sum(want[offset+20:]))
		got := tooBig(t, addresses+tags+
			"0800 45b805dc 12344000 3f110000 c0000201 c6336402 0001 0002 05c8 0000", 1400)
		if !bytes.Equal(got, want) {
			t.Errorf("%s:\n% x, want\n% x", name, got, want)
		}
		if ether.Sum(got[offset:offset+20]) != 0xffff || ether.Sum(got[offset+20:]) != 0xffff {
			t.Errorf("%s: a checksum is wrong", name)
		}
	}
}

// TestTooBigIPv6 is the same for ICMPv6.
func TestTooBigIPv6(t *testing.T) {
	const addresses = "020000000001 020000000002"
	const a, b = "20010db8000000000000000000000001", "20010db8000000000000000000000002"
	for name, tags := range map[string]string{"untagged": "", "tagged": "8100 6005"} {
		s := addresses + tags + "86dd 6b812345 05b41140" + a + b + "0001 0002 05b4 0000"
		frame, _ := bigFrame(t, s, 1500)
		offset := 14 + len(unhex(t, tags))
		want := unhex(t, "020000000002 020000000001"+tags+"86dd"+
			"60000000 04d83a40"+b+a+"02000000 00000578")
		want = append(want, frame[offset:offset+1280-48]...)
		pseudo := unhex(t, b+a+"000004d8 0000003a")
		sum := ether.AddSum(ether.Sum(pseudo), ether.Sum(want[offset+40:]))
		binary.BigEndian.PutUint16(want[offset+42:], ^sum)
		got := tooBig(t, s, 1400)
		if !bytes.Equal(got, want) {
			t.Errorf("%s:\n% x, want\n% x", name, got, want)
		}
		if len(got) != offset+1280 || len(got) > vxlan.MaxTooBig {
			t.Errorf("%s: %d bytes", name, len(got))
		}
	}
}

// TestTooBigShort quotes a packet whole when it is short enough, and no padding behind it.
func TestTooBigShort(t *testing.T) {
	f, ip := bigFrame(t, udp4, 28)
	f = append(f, "padding"...)
	reply, ok := vxlan.AppendTooBig(nil, f, ip, 1400)
	if !ok || len(reply) != 14+28+28 || !bytes.Equal(reply[42:], f[14:42]) {
		t.Errorf("ok %v, % x", ok, reply)
	}
}

// Parts of the packets below.
const (
	eth4 = "020000000001 020000000002 0800 "
	eth6 = "020000000001 020000000002 86dd "
	to4  = "c0000201 c6336402 "
	one6 = "20010db8000000000000000000000001"
	two6 = "20010db8000000000000000000000002"
)

// TestTooBigAnswered has what is unusual and still to be answered.
func TestTooBigAnswered(t *testing.T) {
	for name, c := range map[string]struct {
		frame string
		mtu   int
	}{
		"the smallest MTU":       {udp4, 576},
		"an ICMP echo":           {eth4 + "4500001c 00004000 40010000" + to4 + "0800", 1400},
		"an ICMP echo reply":     {eth4 + "4500001c 00004000 40010000" + to4 + "0000", 1400},
		"IPv4 options":           {eth4 + "46000020 00004000 40110000" + to4 + "01010101 0001", 1400},
		"an unknown protocol":    {eth4 + "4500001c 00004000 40fd0000" + to4 + "00", 1400},
		"the smallest IPv6 MTU":  {udp6, 1280},
		"an ICMPv6 echo":         {eth6 + "60000000 00083a40" + one6 + two6 + "8000", 1400},
		"behind options":         {eth6 + "60000000 00083c40" + one6 + two6 + "11 00 0104 00000000 0001", 1400},
		"an echo behind options": {eth6 + "60000000 00083c40" + one6 + two6 + "3a 00 0104 00000000 80", 1400},
		"the first fragment":     {eth6 + "60000000 00082c40" + one6 + two6 + "11 00 0001 12345678 0001", 1400},
		"a link-local source":    {eth6 + "60000000 00081140 fe800000000000000000000000000001" + two6 + "0001", 1400},
	} {
		if tooBig(t, c.frame, c.mtu) == nil {
			t.Errorf("%s: no answer", name)
		}
	}
}

// TestTooBigSilent has everything that must not be answered (RFC 1122, 3.2.2; RFC 4443, 2.4(e)).
func TestTooBigSilent(t *testing.T) {
	ip4 := func(flags, proto, addresses, payload string) string {
		return eth4 + "4500001c 0000" + flags + "40" + proto + "0000" + addresses + payload
	}
	ip6 := func(next, src, dst, payload string) string {
		return eth6 + "60000000 0008" + next + "40" + src + dst + payload
	}
	for name, c := range map[string]struct {
		frame string
		mtu   int
	}{
		"an IPv4 MTU too small":      {udp4, 575},
		"DF not set":                 {ip4("0000", "11", to4, "0001"), 1400},
		"a first fragment":           {ip4("6000", "11", to4, "0001"), 1400},
		"a later fragment":           {ip4("4001", "11", to4, "0001"), 1400},
		"source 0.0.0.0":             {ip4("4000", "11", "00000000 c6336402", "0001"), 1400},
		"source 127.0.0.1":           {ip4("4000", "11", "7f000001 c6336402", "0001"), 1400},
		"a multicast source":         {ip4("4000", "11", "e0000001 c6336402", "0001"), 1400},
		"a broadcast source":         {ip4("4000", "11", "ffffffff c6336402", "0001"), 1400},
		"a multicast destination":    {ip4("4000", "11", "c0000201 e0000001", "0001"), 1400},
		"a broadcast destination":    {ip4("4000", "11", "c0000201 ffffffff", "0001"), 1400},
		"an ICMP unreachable":        {ip4("4000", "01", to4, "0304"), 1400},
		"an ICMP source quench":      {ip4("4000", "01", to4, "0400"), 1400},
		"an ICMP redirect":           {ip4("4000", "01", to4, "0500"), 1400},
		"an ICMP time exceeded":      {ip4("4000", "01", to4, "0b00"), 1400},
		"an ICMP parameter problem":  {ip4("4000", "01", to4, "0c00"), 1400},
		"a multicast frame":          {"01005e000001" + udp4[12:], 1400},
		"a broadcast frame":          {"ffffffffffff" + udp6[12:], 1400},
		"an IPv6 MTU too small":      {udp6, 1279},
		"source ::":                  {ip6("11", strings.Repeat("00", 16), two6, "0001"), 1400},
		"source ::1":                 {ip6("11", strings.Repeat("00", 15)+"01", two6, "0001"), 1400},
		"an IPv6 multicast source":   {ip6("11", "ff02"+one6[4:], two6, "0001"), 1400},
		"an IPv6 multicast target":   {ip6("11", one6, "ff02"+two6[4:], "0001"), 1400},
		"an ICMPv6 unreachable":      {ip6("3a", one6, two6, "0100"), 1400},
		"an ICMPv6 too big":          {ip6("3a", one6, two6, "0200"), 1400},
		"an ICMPv6 redirect":         {ip6("3a", one6, two6, "8900"), 1400},
		"an error behind options":    {ip6("00", one6, two6, "3a 00 0104 00000000 01"), 1400},
		"an error behind a fragment": {ip6("2c", one6, two6, "3a 00 0000 12345678 01"), 1400},
		"a later IPv6 fragment":      {ip6("2c", one6, two6, "11 00 0008 12345678 0001"), 1400},
		"the last IPv6 fragment":     {ip6("2c", one6, two6, "11 00 0009 12345678 0001"), 1400},
		"options that lie":           {ip6("00", one6, two6, "3c ff 0104 00000000"), 1400},
	} {
		if got := tooBig(t, c.frame, c.mtu); got != nil {
			t.Errorf("%s: % x", name, got[:40])
		}
	}
	arp := ether.Frame(unhex(t, arp))
	arp[0] = 2
	if _, ok := vxlan.AppendTooBig(nil, arp, ether.IP{}, 1400); ok {
		t.Error("ARP was answered")
	}
}

// TestTooBigTruncated has packets that end where an ICMP type or an extension header should be.
func TestTooBigTruncated(t *testing.T) {
	for name, s := range map[string]string{
		"ICMP":     eth4 + "45000014 00004000 40010000" + to4,
		"ICMPv6":   eth6 + "60000000 00003a40" + one6 + two6,
		"options":  eth6 + "60000000 00043c40" + one6 + two6 + "11000104",
		"fragment": eth6 + "60000000 00042c40" + one6 + two6 + "11000000",
	} {
		f := ether.Frame(unhex(t, s))
		ip, ok := ether.ParseIP(f)
		if !ok {
			t.Fatal(name)
		}
		if _, ok := vxlan.AppendTooBig(nil, f, ip, 1400); ok {
			t.Errorf("%s: answered", name)
		}
	}
}

// FuzzTooBig makes sure that an answer is a sane packet whose checksums are right, is not longer
// than allowed, and is never answered itself.
func FuzzTooBig(f *testing.F) {
	for _, s := range []string{
		udp4, udp6, tagged4, arp, eth4 + "46000020 00004000 40110000" + to4 + "01010101 0001 0002 0008 0000",
		eth6 + "60000000 00103c40" + one6 + two6 + "11 00 0104 00000000 0001 0002 0008 0000",
		eth6 + "60000000 00092c40" + one6 + two6 + "3a 00 0001 12345678 80",
	} {
		f.Add(unhex(f, s), 1400)
	}
	f.Fuzz(func(t *testing.T, b []byte, mtu int) {
		ip, reason := vxlan.CheckInner(b)
		if reason != 0 {
			return
		}
		reply, ok := vxlan.AppendTooBig(nil, b, ip, mtu)
		if !ok {
			if len(reply) > 0 {
				t.Fatal("an answer that is none")
			}
			return
		}
		again, reason := vxlan.CheckInner(reply)
		if reason != 0 || again.End != len(reply) || again.Version != ip.Version || len(reply) > vxlan.MaxTooBig {
			t.Fatalf("%s, %+v of %d bytes", reason, again, len(reply))
		}
		sum := ether.Sum(reply[again.Transport:])
		if ip.Version == 4 {
			if ether.Sum(reply[again.Offset:again.Transport]) != 0xffff {
				t.Fatal("the header checksum is wrong")
			}
		} else {
			sum = ether.AddSum(sum, again.PseudoSum(reply, again.Proto, len(reply)-again.Transport))
		}
		if sum != 0xffff {
			t.Fatalf("the ICMP checksum is off by %#04x", ^sum)
		}
		if _, ok := vxlan.AppendTooBig(nil, reply, again, mtu); ok {
			t.Fatal("the answer is answered")
		}
	})
}
