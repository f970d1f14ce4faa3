package tundev

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"net/netip"
	"slices"
	"testing"

	"github.com/vxmesh/vxmesh/tundev/ether"
)

var (
	prober  = ether.MAC{0xfe, 0, 0, 0, 0, 1}
	settler = ether.MAC{0xfe, 0, 0, 0, 0, 2}

	wanted4 = netip.MustParseAddr("10.1.2.3")
	wanted6 = netip.MustParseAddr("fd42::12:3456")
)

func TestProbeFrames(t *testing.T) {
	for _, c := range []struct {
		a    netip.Addr
		want string
	}{
		{wanted4, "ffffffffffff fe0000000001 0806 0001 0800 06 04 0001" +
			"fe0000000001 00000000 000000000000 0a010203"},
		{wanted6, "3333ff123456 fe0000000001 86dd 60000000 0018 3a ff" +
			"00000000000000000000000000000000 ff0200000000000000000001ff123456" +
			"87 00 ???? 00000000 fd420000000000000000000000123456"},
	} {
		got := hex.EncodeToString(probeFrame(prober, c.a))
		want := string(bytes.ReplaceAll([]byte(c.want), []byte(" "), nil))
		if i := bytes.IndexByte([]byte(want), '?'); i >= 0 {
			want = want[:i] + got[i:i+4] + want[i+4:]
		}
		if got != want {
			t.Errorf("%s: %s, want %s", c.a, got, want)
		}
	}
}

// The checksum makes the sum over pseudo header and message all ones (RFC 4443, 2.3).
func TestProbeChecksum(t *testing.T) {
	f := probeFrame(prober, wanted6)
	pseudo := slices.Concat(f[22:54], []byte{0, 0, 0, neighbourLen, 0, 0, 0, icmp6})
	if sum := ether.AddSum(ether.Sum(pseudo), ether.Sum(f[neighbourAbove:])); sum != 0xffff {
		t.Errorf("the sum is %04x", sum)
	}
}

// answer4 is an ARP packet from a station.
func answer4(op uint16, from ether.MAC, sender, target netip.Addr) []byte {
	f := probeFrame(from, target)
	binary.BigEndian.PutUint16(f[20:], op)
	a := sender.As4()
	copy(f[28:], a[:])
	return f
}

func TestHolder(t *testing.T) {
	other := netip.MustParseAddr("10.1.2.4")
	none := netip.IPv4Unspecified()
	told := probeFrame(settler, wanted6)
	told[neighbourAbove] = neighbourTell
	asked := probeFrame(settler, wanted6)
	copy(asked[22:], []byte{0xfe, 0x80}) // somebody who has an address asks who has this one
	for name, c := range map[string]struct {
		frame []byte
		a     netip.Addr
		taken bool
	}{
		"a reply":                     {answer4(arpReply, settler, wanted4, other), wanted4, true},
		"a request of who has it":     {answer4(arpRequest, settler, wanted4, other), wanted4, true},
		"a probe for the same":        {answer4(arpRequest, settler, none, wanted4), wanted4, true},
		"a question for it":           {answer4(arpRequest, settler, other, wanted4), wanted4, false},
		"a reply of another":          {answer4(arpReply, settler, other, wanted4), wanted4, false},
		"a reply to nobody's":         {answer4(arpReply, settler, none, wanted4), wanted4, false},
		"our own probe":               {probeFrame(prober, wanted4), wanted4, false},
		"an advertisement":            {told, wanted6, true},
		"a solicitation for the same": {probeFrame(settler, wanted6), wanted6, true},
		"a question, IPv6":            {asked, wanted6, false},
		"of another address":          {told, netip.MustParseAddr("fd42::1"), false},
		"ARP for IPv6":                {answer4(arpReply, settler, wanted4, other), wanted6, false},
		"nothing":                     {nil, wanted4, false},
	} {
		got := holder(c.frame, prober, c.a)
		if got.IsZero() == c.taken || c.taken && got != settler {
			t.Errorf("%s: %s", name, got)
		}
		for n := range c.frame { // cut short it says nothing, and does no harm
			if n < len(c.frame) && !holder(c.frame[:n], prober, c.a).IsZero() {
				t.Errorf("%s, cut to %d bytes, still tells", name, n)
			}
		}
	}
}

func FuzzHolder(f *testing.F) {
	f.Add(probeFrame(settler, wanted4))
	f.Add(probeFrame(settler, wanted6))
	f.Fuzz(func(_ *testing.T, frame []byte) {
		holder(frame, prober, wanted4)
		holder(frame, prober, wanted6)
	})
}
