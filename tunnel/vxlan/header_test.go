package vxlan_test

import (
	"bytes"
	"encoding/hex"
	"strings"
	"testing"

	"github.com/vxmesh/vxmesh/tundev/ether"
	"github.com/vxmesh/vxmesh/tunnel/drop"
	"github.com/vxmesh/vxmesh/tunnel/vxlan"
)

// unhex reads bytes written as in a packet, with spaces between the fields.
func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestPutHeader(t *testing.T) {
	for vni, want := range map[uint32]string{
		100: "08000000 00006400", 1: "08000000 00000100", vxlan.MaxVNI: "08000000 ffffff00",
	} {
		got := bytes.Repeat([]byte{0xee}, 10)
		vxlan.PutHeader(got, vni)
		if !bytes.Equal(got, append(unhex(t, want), 0xee, 0xee)) {
			t.Errorf("VNI %d: % x, want %s", vni, got, want)
		}
		h, inner, reason := vxlan.Parse(got)
		if h != (vxlan.Header{VNI: vni}) || !bytes.Equal(inner, []byte{0xee, 0xee}) || reason != drop.None {
			t.Errorf("VNI %d read back: %+v, % x, %s", vni, h, inner, reason)
		}
	}
}

// TestParseVectors has the headers that other VTEPs send with their extensions on.
func TestParseVectors(t *testing.T) {
	for _, c := range []struct {
		name, header string
		reserved     bool
		reason       drop.Reason
	}{
		{"plain", "08000000 00006400", false, drop.None},
		{"group policy 500", "880001f4 00006400", true, drop.None},
		{"group policy 255, applied, don't learn", "884800ff 00006400", true, drop.None},
		{"generic protocol extension, Ethernet", "0c000003 00006400", true, drop.None},
		{"generic protocol extension, IPv4", "0c000001 00006400", true, drop.None},
		{"generic protocol extension, IPv6", "0c000002 00006400", true, drop.None},
		{"generic protocol extension, NSH", "0c000004 00006400", true, drop.None},
		{"generic protocol extension, OAM", "0d000003 00006400", true, drop.None},
		{"remote checksum offload", "08200000 0000648d", true, drop.None},
		{"a receiver index", "08123456 00006478", true, drop.None},
		{"no flags", "00000000 00006400", false, drop.NoVNIFlag},
		{"no flags and no VNI", "00000000 00000000", false, drop.NoVNIFlag},
		{"every flag but I", "f7ffffff 00006400", false, drop.NoVNIFlag},
		{"a STUN binding request", "00010000 2112a442", false, drop.NoVNIFlag},
	} {
		h, inner, reason := vxlan.Parse(append(unhex(t, c.header), 1, 2, 3))
		if reason != c.reason {
			t.Errorf("%s: %s", c.name, reason)
			continue
		}
		if reason == drop.None && (h.VNI != 100 || h.Reserved != c.reserved || !bytes.Equal(inner, []byte{1, 2, 3})) {
			t.Errorf("%s: %+v, % x", c.name, h, inner)
		}
	}
}

// TestParseEveryBit turns over each bit of a plain header alone: one is the I flag, 24 are the VNI's,
// the other 39 are reserved.
func TestParseEveryBit(t *testing.T) {
	const vni = 0x123456
	counts := map[string]int{}
	for bit := range 64 {
		b := make([]byte, 30)
		vxlan.PutHeader(b, vni)
		b[bit/8] ^= 0x80 >> (bit % 8)
		h, _, reason := vxlan.Parse(b)
		switch {
		case reason == drop.NoVNIFlag:
			counts["flag"]++
			if bit != 4 {
				t.Errorf("bit %d is taken for the I flag", bit)
			}
		case reason != drop.None:
			t.Errorf("bit %d: %s", bit, reason)
		case h.Reserved && h.VNI == vni:
			counts["reserved"]++
		case !h.Reserved && h.VNI == vni^1<<(55-bit):
			counts["vni"]++
		default:
			t.Errorf("bit %d: %+v", bit, h)
		}
	}
	if counts["flag"] != 1 || counts["reserved"] != 39 || counts["vni"] != 24 {
		t.Errorf("%v", counts)
	}
}

func TestParseTruncated(t *testing.T) {
	b := make([]byte, 8)
	vxlan.PutHeader(b, 1)
	for n := range 8 {
		if _, _, reason := vxlan.Parse(b[:n]); reason != drop.Truncated {
			t.Errorf("%d bytes: %s", n, reason)
		}
	}
	if _, inner, reason := vxlan.Parse(b); reason != drop.None || len(inner) != 0 {
		t.Errorf("8 bytes: %s, %d bytes of frame", reason, len(inner))
	}
}

func TestCheckInner(t *testing.T) {
	const addresses = "020000000001 020000000002 "
	for name, c := range map[string]struct {
		frame  string
		reason drop.Reason
		ip     ether.IP
	}{
		"nothing":      {"", drop.Runt, ether.IP{}},
		"13 bytes":     {addresses + "08", drop.Runt, ether.IP{}},
		"no payload":   {addresses + "0806", drop.None, ether.IP{}},
		"no IPv4":      {addresses + "0800", drop.Malformed, ether.IP{}},
		"no IPv6":      {addresses + "86dd 6000", drop.Malformed, ether.IP{}},
		"IPv4 lies":    {addresses + "0800 45000015" + strings.Repeat("00", 16), drop.Malformed, ether.IP{}},
		"tagged, lies": {addresses + "8100 0001 0800 45000015" + strings.Repeat("00", 16), drop.Malformed, ether.IP{}},
		"tagged": {
			addresses + "8100 0001 0800 45030014 00000000 40fd" + strings.Repeat("00", 10), drop.None,
			ether.IP{Version: 4, Proto: 0xfd, Offset: 18, Transport: 38, End: 38, TOS: 3, TTL: 64},
		},
	} {
		ip, reason := vxlan.CheckInner(unhex(t, c.frame))
		if reason != c.reason || ip != c.ip {
			t.Errorf("%s: %s, %+v", name, reason, ip)
		}
	}
}

// FuzzParse walks a datagram through everything that is done before a frame is delivered.
func FuzzParse(f *testing.F) {
	for _, s := range []string{
		"", "08000000 00006400", "880001f4 00006400", "08000000 000064",
		"08000000 00006400 020000000001 020000000002 0806 0001",
		"08000000 00006400 020000000001 020000000002 0800 4502001c 00004000 40110000 c0000201 c6336402" +
			"0001 0002 0008 0000",
		"08000000 00006400 020000000001 020000000002 8100 0005 86dd 60200000 00081140" +
			strings.Repeat("20010db8000000000000000000000001", 2) + "0001 0002 0008 0000",
	} {
		f.Add(unhex(f, s), uint8(3))
	}
	f.Fuzz(func(t *testing.T, b []byte, outer uint8) {
		h, inner, reason := vxlan.Parse(b)
		if reason != drop.None {
			if h.VNI != 0 || inner != nil {
				t.Fatalf("dropped as %s, but %+v", reason, h)
			}
			return
		}
		if len(inner) != len(b)-vxlan.HeaderLen || h.VNI > vxlan.MaxVNI {
			t.Fatalf("%+v, %d bytes of %d", h, len(inner), len(b))
		}
		ip, reason := vxlan.CheckInner(inner)
		if reason != drop.None {
			return
		}
		vxlan.FlowHash(inner, ip, 1)
		before := ip.TOS
		if reason := vxlan.Decap(inner, ip, outer); reason != drop.None {
			return
		}
		again, ok := ether.ParseIP(inner)
		if !ok || again.TOS&^3 != before&^3 {
			t.Fatalf("TOS %#02x became %#02x, ok %v", before, again.TOS, ok)
		}
	})
}
