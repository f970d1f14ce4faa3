package explain

import (
	"encoding/hex"
	"strings"
	"testing"

	"github.com/vxmesh/vxmesh/tundev/ether"
	"github.com/vxmesh/vxmesh/tunnel/session"
	"github.com/vxmesh/vxmesh/tunnel/wire"
)

// bytesOf reads hexadecimal digits; blanks are for people.
func bytesOf(t testing.TB, text string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.Join(strings.Fields(text), ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

const (
	ethARP  = "ffffffffffff 020000000001 0806 "
	ethIPv4 = "020000000003 020000000001 0800 "
	ethIPv6 = "333300000016 020000000001 86dd "
	ipv4    = "4500 001c 0000 0000 40 %proto 0000 0a4d0001 0a4d0002 "
	ipv6    = "60000000 0008 %proto ff fe800000000000000000000000000001 ff020000000000000000000000000016 "
)

func ip(proto string) string  { return ethIPv4 + strings.ReplaceAll(ipv4, "%proto", proto) }
func ip6(proto string) string { return ethIPv6 + strings.ReplaceAll(ipv6, "%proto", proto) }

func TestFrame(t *testing.T) {
	for _, c := range []struct{ frame, want string }{
		{
			ethARP + "0001 0800 06 04 0001 020000000001 0a4d0001 000000000000 0a4d0002",
			"ARP request: who has 10.77.0.2? tell 10.77.0.1",
		},
		{
			ethARP + "0001 0800 06 04 0001 020000000001 00000000 000000000000 0a4d0001",
			"ARP probe: does anybody have 10.77.0.1 already?",
		},
		{
			ethARP + "0001 0800 06 04 0001 020000000001 0a4d0001 000000000000 0a4d0001",
			"ARP announcement: 10.77.0.1 is at 02:00:00:00:00:01 now",
		},
		{
			ethARP + "0001 0800 06 04 0002 020000000003 0a4d0002 020000000001 0a4d0001",
			"ARP answer: 10.77.0.2 is at 02:00:00:00:00:03",
		},
		{ethARP + "0006 0800 06 04 0001", "ARP that is not about IPv4"},
		{ip("01") + "08 00 0000 0001 0002", "ICMP echo request, 10.77.0.1 → 10.77.0.2"},
		{ip("01") + "00 00 0000 0001 0002", "ICMP echo reply, 10.77.0.1 → 10.77.0.2"},
		{ip("01") + "03 04 0000 0001 0002", "ICMP type 3, 10.77.0.1 → 10.77.0.2"},
		{ip("11") + "0035 c000 0008 0000", "UDP from port 53 to port 49152, 10.77.0.1 → 10.77.0.2"},
		{ip("06") + "0050 c000 0000 0000", "TCP from port 80 to port 49152, 10.77.0.1 → 10.77.0.2"},
		{ip("2f") + "0050 c000 0000 0000", "IPv4 protocol 47, 10.77.0.1 → 10.77.0.2"},
		{ip6("3a") + "87 00 0000 0000 0000", "ICMPv6 neighbour solicitation: who has this address?, fe80::1 → ff02::16"},
		{ip6("3a") + "80 00 0000 0000 0000", "ICMP echo request, fe80::1 → ff02::16"},
		{ip6("00") + "3a 00 0502 0000 0000", "ICMPv6 multicast listener report, fe80::1 → ff02::16"},
		{"ffffffffffff 020000000001 88b5 0102", "Ethernet frame of type 88b5"},
		{"ffffffffffff 020000000001 0800 45", "Ethernet frame of type 0800"},
		{"ffff", "a frame without a header"},
	} {
		if got := Frame(bytesOf(t, c.frame)); got != c.want {
			t.Errorf("%s\nis    %s\nwant  %s", c.frame, got, c.want)
		}
	}
}

func TestKindsOfFrames(t *testing.T) {
	request, echo := bytesOf(t, ethARP+"0001 0800 06 04 0001 020000000001 0a4d0001 000000000000 0a4d0002"),
		bytesOf(t, ip("01")+"08 00 0000 0001 0002")
	announcement := bytesOf(t, ethARP+"0001 0800 06 04 0001 020000000001 0a4d0001 000000000000 0a4d0001")
	for _, c := range []struct {
		frame                ether.Frame
		arp, echo, announces bool
	}{{request, true, false, false}, {announcement, true, false, true}, {echo, false, true, false}, {echo[:20], false, false, false}, {nil, false, false, false}} {
		if IsARP(c.frame) != c.arp || IsEcho(c.frame) != c.echo || IsAnnouncement(c.frame) != c.announces {
			t.Errorf("%x: ARP %v, echo %v, announcement %v", []byte(c.frame), IsARP(c.frame), IsEcho(c.frame), IsAnnouncement(c.frame))
		}
	}
}

// sealedOf is a sealed datagram of n bytes.
func sealedOf(vni uint32, n int) []byte {
	b := make([]byte, n)
	wire.Header{Index: 0x12ab56cd, VNI: vni, Counter: 7}.Put(b)
	return b
}

func TestRead(t *testing.T) {
	ours := func(index byte, n int) []byte {
		b := make([]byte, n)
		b[0], b[7] = 0x08, index
		return b
	}
	stun := bytesOf(t, "0001 0000 2112a442 000000000000000000000000")
	answer := bytesOf(t, "0101 0000 2112a442 000000000000000000000000")
	const frame = 98
	for name, c := range map[string]struct {
		b    []byte
		kind Kind
	}{
		"nothing": {nil, Other}, "junk": {bytesOf(t, "ff"), Other}, "plain": {ours(0, 64), Plain},
		"message 1": {ours(1, session.Message1Len), Handshake}, "message 2": {ours(2, session.Message2Len), Handshake},
		"cookie": {ours(3, session.CookieLen), Cookie}, "opener": {wire.AppendOpener(nil), Opener},
		"question": {stun, STUN}, "answer": {answer, STUN},
		"direct":       {sealedOf(77, frame+wire.Overhead), Direct},
		"relayed":      {sealedOf(0, frame+wire.Overhead+wire.RelayOverhead), Relayed},
		"carried":      {sealedOf(0, session.Message1Len+wire.RelayOverhead), Carried},
		"ping":         {sealedOf(0, wire.PingLen+wire.Overhead), Ping},
		"pong":         {sealedOf(0, wire.PongLen+wire.Overhead), Ping},
		"relayed ping": {sealedOf(0, wire.PingLen+wire.Overhead+wire.RelayOverhead), Ping},
		"probe":        {sealedOf(0, 1252), Probe},
		"unreached":    {sealedOf(0, wire.UnreachedLen+wire.Overhead), Control},
		"call":         {sealedOf(0, 122), Call},
	} {
		d := Read(c.b, func(n int) bool { return n == frame })
		if d.Kind != c.kind || d.What == "" {
			t.Errorf("%s: %+v, want kind %d", name, d, c.kind)
		}
		if carries := c.kind == Direct || c.kind == Relayed; carries != (d.Frame == frame) {
			t.Errorf("%s: a frame of %d bytes", name, d.Frame)
		}
	}
}

func TestHeader(t *testing.T) {
	for _, c := range []struct {
		b    []byte
		want string
	}{
		{sealedOf(77, 130), "VXLAN 08 12ab56 00004d cd: VNI 77, session 12ab56cd, its datagram 7; all else is sealed"},
		{wire.AppendOpener(nil), "VXLAN 08 000000 000000 05: VNI 0, flag 08 says it is valid; the bits RFC 7348 reserves say 5"},
		{bytesOf(t, "0001 0000 2112a442 000000000000000000000000"), ""},
		{nil, ""},
	} {
		if got := Header(c.b); got != c.want {
			t.Errorf("%x\nis    %s\nwant  %s", c.b, got, c.want)
		}
	}
}

// TestLessons: what is shown as something new is explained, in lines that fit.
func TestLessons(t *testing.T) {
	for k := Plain; k <= Call; k++ {
		lines := Lesson(k)
		if len(lines) == 0 && k != Cookie {
			t.Errorf("kind %d has no lesson", k)
		}
		for _, l := range lines {
			if len(l) > 100 {
				t.Errorf("kind %d: a line of %d characters: %s", k, len(l), l)
			}
		}
	}
}

// FuzzExplain: nothing that a frame or a datagram says makes it go wrong, or steers the terminal.
func FuzzExplain(f *testing.F) {
	f.Add(bytesOf(f, ethARP+"0001 0800 06 04 0001 020000000001 0a4d0001 000000000000 0a4d0002"))
	f.Add(bytesOf(f, ip("01")+"08 00 0000 0001 0002"))
	f.Add(bytesOf(f, ip6("00")+"3a 00 0502 0000 0000"))
	f.Add(wire.AppendOpener(nil))
	f.Add(sealedOf(77, 130))
	f.Fuzz(func(t *testing.T, b []byte) {
		IsARP(b)
		IsEcho(b)
		IsAnnouncement(b)
		for _, text := range []string{Frame(b), Header(b), Read(b, func(n int) bool { return n%2 == 0 }).What} {
			if strings.ContainsFunc(text, func(r rune) bool { return r < ' ' }) {
				t.Errorf("%q", text)
			}
		}
	})
}
