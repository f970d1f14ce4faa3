package portmap

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"net/netip"
	"strings"
	"testing"
	"time"
)

var testNonce = [12]byte([]byte("nonce of 12."))

// unhex reads bytes laid out in groups.
func unhex(t testing.TB, text string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.Join(strings.Fields(text), ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

const pcpAnswerHex = `
	02 81 00 00  00 00 1c 20                          version, answer to MAP, success; 7200 s
	00 00 00 2a  00 00 00 00 00 00 00 00 00 00 00 00  epoch 42
	6e 6f 6e 63 65 20 6f 66 20 31 32 2e               nonce
	11 00 00 00  10 00 20 00                          UDP; 4096 inside, 8192 outside
	00 00 00 00 00 00 00 00 00 00 ff ff c6 33 64 07   198.51.100.7`

// plain takes the words out of a layout.
func plain(layout string) string {
	var out []string
	for line := range strings.Lines(layout) {
		for _, f := range strings.Fields(line) {
			if len(f) != 2 || strings.Trim(f, "0123456789abcdef") != "" {
				break
			}
			out = append(out, f)
		}
	}
	return strings.Join(out, "")
}

func TestPCPBytes(t *testing.T) {
	r := pcpRequest{
		op: opMap, lifetime: 7200, client: netip.MustParseAddr("192.168.1.9"), nonce: testNonce,
		internal: 4096, external: 8192,
	}
	want := unhex(t, plain(`
		02 01 00 00  00 00 1c 20                         version, MAP; 7200 s
		00 00 00 00 00 00 00 00 00 00 ff ff c0 a8 01 09  192.168.1.9
		6e 6f 6e 63 65 20 6f 66 20 31 32 2e              nonce
		11 00 00 00  10 00 20 00                         UDP; 4096 inside, 8192 outside
		00 00 00 00 00 00 00 00 00 00 ff ff 00 00 00 00  any address`))
	if got := r.append(nil); !bytes.Equal(got, want) {
		t.Errorf("request\n%x, want\n%x", got, want)
	}
	r.op = opAnnounce
	want = want[:24]
	want[1] = 0
	if got := r.append(nil); !bytes.Equal(got, want) {
		t.Errorf("announce\n%x, want\n%x", got, want)
	}
	got, ok := parsePCP(unhex(t, plain(pcpAnswerHex)))
	if !ok || got != (pcpAnswer{op: opMap, lifetime: 7200, epoch: 42, mapping: pcpMapping{
		nonce: testNonce, protocol: udpNumber, internal: 4096,
		external: netip.MustParseAddrPort("198.51.100.7:8192"),
	}}) {
		t.Errorf("answer %+v, %v", got, ok)
	}
}

func TestPCPRefused(t *testing.T) {
	whole := unhex(t, plain(pcpAnswerHex))
	change := func(i int, v byte) []byte {
		b := bytes.Clone(whole)
		b[i] = v
		return b
	}
	for name, b := range map[string][]byte{
		"empty": nil, "short": whole[:20], "cut mapping": whole[:56],
		"odd length":    append(bytes.Clone(whole), 0),
		"other version": change(0, 1), "a request": change(1, 1),
		"too long": append(bytes.Clone(whole), make([]byte, 1044)...),
	} {
		if a, ok := parsePCP(b); ok {
			t.Errorf("%s: taken as %+v", name, a)
		}
	}
	if a, ok := parsePCP(change(3, 1)[:24]); !ok || a.result != resultVersion {
		t.Errorf("a short refusal: %+v, %v", a, ok)
	}
}

func TestNATPMPBytes(t *testing.T) {
	if got := appendPMPAddress(nil); !bytes.Equal(got, []byte{0, 0}) {
		t.Errorf("address request %x", got)
	}
	want := unhex(t, "00 01 00 00  10 00 20 00  00 00 1c 20")
	if got := appendPMPMap(nil, 4096, 8192, 7200); !bytes.Equal(got, want) {
		t.Errorf("request %x, want %x", got, want)
	}
	for text, want := range map[string]pmpAnswer{
		"00 80 00 00  00 00 00 2a  c6 33 64 07": {epoch: 42, address: netip.MustParseAddr("198.51.100.7")},
		"00 81 00 00  00 00 00 2a  10 00 20 00  00 00 1c 20": {
			op: pmpMapUDP, epoch: 42, internal: 4096, external: 8192, lifetime: 7200,
		},
		"00 81 00 02  00 00 00 2a": {op: pmpMapUDP, epoch: 42, result: 2},
	} {
		if got, ok := parsePMP(unhex(t, text)); !ok || got != want {
			t.Errorf("%s is %+v, %v", text, got, ok)
		}
	}
	for _, text := range []string{
		"", "00 80 00 00 00 00 00", "00 80 00 00 00 00 00 2a c6 33 64", "00 00 00 00 00 00 00 2a c6 33 64 07",
		"01 80 00 00 00 00 00 2a c6 33 64 07", "00 81 00 00 00 00 00 2a 10 00 20 00 00 00 1c",
		"00 82 00 00 00 00 00 2a 10 00 20 00 00 00 1c 20",
	} {
		if a, ok := parsePMP(unhex(t, text)); ok {
			t.Errorf("%q taken as %+v", text, a)
		}
	}
}

// appendPCPAnswer is what a router does.
func appendPCPAnswer(b []byte, a pcpAnswer) []byte {
	b = append(b, pcpVersion, a.op|answerBit, 0, a.result)
	b = binary.BigEndian.AppendUint32(b, a.lifetime)
	b = binary.BigEndian.AppendUint32(b, a.epoch)
	b = append(b, make([]byte, 12)...)
	if a.op != opMap || a.result != 0 && a.mapping == (pcpMapping{}) {
		return b
	}
	b = append(append(b, a.mapping.nonce[:]...), a.mapping.protocol, 0, 0, 0)
	b = binary.BigEndian.AppendUint16(b, a.mapping.internal)
	b = binary.BigEndian.AppendUint16(b, a.mapping.external.Port())
	ip := a.mapping.external.Addr().As16()
	return append(b, ip[:]...)
}

func appendPMPAnswer(b []byte, a pmpAnswer) []byte {
	b = binary.BigEndian.AppendUint16(append(b, pmpVersion, a.op|answerBit), a.result)
	b = binary.BigEndian.AppendUint32(b, a.epoch)
	switch {
	case a.result != 0:
	case a.op == pmpAddress:
		ip := a.address.As4()
		b = append(b, ip[:]...)
	default:
		b = binary.BigEndian.AppendUint16(b, a.internal)
		b = binary.BigEndian.AppendUint16(b, a.external)
		b = binary.BigEndian.AppendUint32(b, a.lifetime)
	}
	return b
}

func FuzzPCP(f *testing.F) {
	f.Add(unhex(f, plain(pcpAnswerHex)))
	f.Fuzz(func(t *testing.T, b []byte) {
		a, ok := parsePCP(b)
		if !ok {
			return
		}
		if again, ok := parsePCP(appendPCPAnswer(nil, a)); !ok || again != a {
			t.Errorf("%+v became %+v, %v", a, again, ok)
		}
	})
}

func FuzzNATPMP(f *testing.F) {
	f.Add(unhex(f, "00 80 00 00  00 00 00 2a  c6 33 64 07"))
	f.Add(unhex(f, "00 81 00 00  00 00 00 2a  10 00 20 00  00 00 1c 20"))
	f.Fuzz(func(t *testing.T, b []byte) {
		a, ok := parsePMP(b)
		if !ok {
			return
		}
		if again, ok := parsePMP(appendPMPAnswer(nil, a)); !ok || again != a {
			t.Errorf("%+v became %+v, %v", a, again, ok)
		}
	})
}

// FuzzSearch: what anybody on the LAN sends leads to the router or nowhere.
func FuzzSearch(f *testing.F) {
	f.Add([]byte("HTTP/1.1 200 OK\r\nST: x\r\nLocation: http://192.168.1.1:5000/rootDesc.xml\r\n\r\n"))
	f.Add([]byte("HTTP/1.1 200 OK\r\nLocation: http://192.168.1.1@192.0.2.1/\r\n\r\n"))
	f.Add([]byte("HTTP/1.1 404 Not Found\r\nLocation: http://192.168.1.1/\r\n\r\n"))
	f.Add([]byte("HTTP/1.1 200 OK\r\nLocation: %zz\r\n\r\n"))
	f.Add([]byte("nonsense"))
	gateway := netip.MustParseAddr("192.168.1.1")
	f.Fuzz(func(t *testing.T, b []byte) {
		s := searching{gateway: gateway}
		v := s.take(b, netip.AddrPortFrom(gateway, 1900))
		if bytes.HasPrefix(b, []byte("HTTP/1.1 404 ")) && v == done {
			t.Error("an error is taken for an answer")
		}
		if (v == done) != (s.location != nil) || v == done && !isAt(s.location, gateway) {
			t.Errorf("verdict %v, location %v", v, s.location)
		}
	})
}

func TestEpoch(t *testing.T) {
	start := time.Unix(1_700_000_000, 0)
	for _, c := range []struct {
		ours       int
		theirs     uint32 // after 1000
		pcp, natpm bool
	}{
		{60, 1060, false, false},
		{60, 1062, false, false},
		{0, 999, false, false},     // RFC 6887, 8.5: one second back may be
		{0, 997, true, true},       // but no more
		{60, 0, true, true},        // restarted
		{3600, 4450, false, false}, // a clock that is slow by 4 %
		{3600, 4300, true, false},  // by 8 %: PCP allows 6, NAT-PMP 12
		{3600, 3000, true, true},
		{60, 1300, true, false}, // ran ahead: PCP alone minds
	} {
		e := epoch{at: start, server: 1000}
		now := start.Add(time.Duration(c.ours) * time.Second)
		if f := e; f.pcp(c.theirs, now) != c.pcp {
			t.Errorf("PCP after %d s at %d: lost is not %v", c.ours, c.theirs, c.pcp)
		}
		if f := e; f.pmp(c.theirs, now) != c.natpm {
			t.Errorf("NAT-PMP after %d s at %d: lost is not %v", c.ours, c.theirs, c.natpm)
		}
	}
	if (&epoch{}).pcp(5, start) || (&epoch{}).pmp(5, start) {
		t.Error("the first answer of all says that something was lost")
	}
}
