package stun

import (
	"bytes"
	"encoding/binary"
	"net"
	"net/netip"
	"strings"
	"testing"

	pion "github.com/pion/stun/v3"
)

var (
	ap = netip.MustParseAddrPort
	// serverA and serverB are servers, other is where serverA is as well.
	serverA = ap("192.0.2.1:3478")
	serverB = ap("192.0.2.2:3478")
	other   = ap("192.0.2.9:3479")
	me      = ap("203.0.113.7:31877")
)

// build makes a message with an id of its own.
func build(setters ...pion.Setter) []byte {
	return pion.MustBuild(append([]pion.Setter{pion.TransactionID}, setters...)...).Raw
}

func attr(t pion.AttrType, value ...byte) pion.Setter {
	return pion.RawAttribute{Type: t, Value: value}
}

func xorMapped(a netip.AddrPort) pion.Setter {
	return &pion.XORMappedAddress{IP: a.Addr().AsSlice(), Port: int(a.Port())}
}

func otherAddress(a netip.AddrPort) pion.Setter {
	return &pion.OtherAddress{IP: a.Addr().AsSlice(), Port: int(a.Port())}
}

// answer makes an answer to a request.
func answer(request []byte, setters ...pion.Setter) []byte {
	id := pion.NewTransactionIDSetter([12]byte(request[8:20]))
	return pion.MustBuild(append([]pion.Setter{id}, setters...)...).Raw
}

func TestIs(t *testing.T) {
	base := build(pion.BindingRequest, attr(pion.AttrSoftware, 1, 2, 3, 4))
	change := func(at int, v byte) []byte {
		b := bytes.Clone(base)
		b[at] = v
		return b
	}
	long := func(n int) []byte {
		return build(pion.BindingRequest, pion.RawAttribute{Type: pion.AttrSoftware, Value: make([]byte, n)})
	}
	vxlan := append([]byte{8, 0, 0, 0, 0x21, 0x12, 0xa4, 0x42}, make([]byte, 12)...)
	odd := append(bytes.Clone(base[:20]), 1)
	odd[3] = 1
	for _, c := range []struct {
		name string
		b    []byte
		is   bool
	}{
		{"request", base, true},
		{"no attribute", build(pion.BindingRequest), true},
		{"answer", change(0, 1), true},
		{"VXLAN whose VNI is the cookie", vxlan, false},
		{"VXLAN of the length that it says", change(0, 8), false},
		{"another method", change(0, 2), false},
		{"a bit of the cookie", change(7, 0x43), false},
		{"first of the cookie", change(4, 0x20), false},
		{"too long for what it says", append(bytes.Clone(base), 0, 0, 0, 0), false},
		{"too short for what it says", base[:len(base)-4], false},
		{"header cut off", base[:19], false},
		{"empty", nil, false},
		{"no multiple of 4", odd, false},
		{"as long as may be", long(524), true},
		{"longer", long(528), false},
	} {
		if got := Is(c.b); got != c.is {
			t.Errorf("%s: Is = %v", c.name, got)
		}
		if c.is && !pion.IsMessage(c.b) {
			t.Errorf("%s: pion differs", c.name)
		}
	}
	if !IsRequest(base) || IsRequest(change(0, 1)) || IsRequest(change(1, 0x11)) || IsRequest(base[:20]) {
		t.Error("IsRequest takes something else, or not a request")
	}
}

// The answers of RFC 5769, 2.2 and 2.3, and the request of 2.1.
const (
	vectorID      = "\x21\x12\xa4\x42\xb7\xe7\xa7\x01\xbc\x34\xd6\x86\xfa\x87\xdf\xae"
	vectorRequest = "\x00\x01\x00\x58" + vectorID +
		"\x80\x22\x00\x10STUN test client" +
		"\x00\x24\x00\x04\x6e\x00\x01\xff" +
		"\x80\x29\x00\x08\x93\x2f\xf9\xb1\x51\x26\x3b\x36" +
		"\x00\x06\x00\x09\x65\x76\x74\x6a\x3a\x68\x36\x76\x59\x20\x20\x20" +
		"\x00\x08\x00\x14\x9a\xea\xa7\x0c\xbf\xd8\xcb\x56\x78\x1e\xf2\xb5" +
		"\xb2\xd3\xf2\x49\xc1\xb5\x71\xa2" +
		"\x80\x28\x00\x04\xe5\x7a\x3b\xcf"
	vector4 = "\x01\x01\x00\x3c" + vectorID +
		"\x80\x22\x00\x0b\x74\x65\x73\x74\x20\x76\x65\x63\x74\x6f\x72\x20" +
		"\x00\x20\x00\x08\x00\x01\xa1\x47\xe1\x12\xa6\x43" +
		"\x00\x08\x00\x14\x2b\x91\xf5\x99\xfd\x9e\x90\xc3\x8c\x74\x89\xf9" +
		"\x2a\xf9\xba\x53\xf0\x6b\xe7\xd7" +
		"\x80\x28\x00\x04\xc0\x7d\x4c\x96"
	vector6 = "\x01\x01\x00\x48" + vectorID +
		"\x80\x22\x00\x0b\x74\x65\x73\x74\x20\x76\x65\x63\x74\x6f\x72\x20" +
		"\x00\x20\x00\x14\x00\x02\xa1\x47\x01\x13\xa9\xfa\xa5\xd3\xf1\x79" +
		"\xbc\x25\xf4\xb5\xbe\xd2\xb9\xd9" +
		"\x00\x08\x00\x14\xa3\x82\x95\x4e\x4b\xe6\x7b\xf1\x17\x84\xc9\x7c" +
		"\x82\x92\xc2\x75\xbf\xe3\xed\x41" +
		"\x80\x28\x00\x04\xc8\xfb\x0b\x4c"
)

func TestVectors(t *testing.T) {
	tr := &Transaction{serverA, []byte(vectorRequest)}
	for vector, want := range map[string]string{
		vector4: "192.0.2.1:32853",
		vector6: "[2001:db8:1234:5678:11:2233:4455:6677]:32853",
	} {
		if got, err := tr.Parse([]byte(vector), serverA); err != nil || got != ap(want) {
			t.Errorf("%v, %v, want %s", got, err, want)
		}
		forged := []byte(strings.Replace(vector, "\xa1\x47", "\xa1\x48", 1))
		if got, err := tr.Parse(forged, serverA); err == nil {
			t.Errorf("%v in spite of a wrong fingerprint", got)
		}
	}
	// It asks with a name and a password that we do not have.
	if _, v := new(Server).Answer(nil, 0, []byte(vectorRequest), me); v == Answered {
		t.Error("the request of an ICE agent was answered")
	}
}

func TestRequest(t *testing.T) {
	a, b := NewTransaction(serverA), NewTransaction(serverA)
	if len(a.Request()) != 20 || !IsRequest(a.Request()) || bytes.Equal(a.Request(), b.Request()) {
		t.Errorf("requests % x, % x", a.Request(), b.Request())
	}
}

func TestParse(t *testing.T) {
	tr := NewTransaction(serverA)
	yes := pion.BindingSuccess
	value := func(port uint16, addr ...byte) []byte {
		return append(binary.BigEndian.AppendUint16([]byte{0, byte(len(addr)+1)/16 + 1}, port), addr...)
	}
	mapped := func(v []byte) pion.Setter { return attr(pion.AttrMappedAddress, v...) }
	in6 := me.Addr().As16()
	good := mapped(value(31877, 203, 0, 113, 7))
	lies := mapped(value(7, 203, 0, 113, 9))
	for _, c := range []struct {
		name    string
		setters []pion.Setter
		want    string // "" is an error
	}{
		{"XOR-MAPPED-ADDRESS", []pion.Setter{yes, xorMapped(me)}, me.String()},
		{"fingerprint", []pion.Setter{yes, xorMapped(me), pion.Fingerprint}, me.String()},
		{"IPv4 in IPv6", []pion.Setter{yes, mapped(value(31877, in6[:]...))}, me.String()},
		{"RFC 3489", []pion.Setter{yes, good, attr(pion.AttrChangedAddress, value(9, 1, 1, 1, 1)...)}, me.String()},
		{"both", []pion.Setter{yes, lies, xorMapped(me)}, me.String()},
		{"both, one malformed", []pion.Setter{yes, good, attr(pion.AttrXORMappedAddress, 0, 1, 2, 3, 4)}, ""},
		{"no address", []pion.Setter{yes}, ""},
		{"port 0", []pion.Setter{yes, mapped(value(0, 203, 0, 113, 7))}, ""},
		{"unspecified", []pion.Setter{yes, mapped(value(7, 0, 0, 0, 0))}, ""},
		{"IPv6 unspecified", []pion.Setter{yes, mapped(value(7, make([]byte, 16)...))}, ""},
		{"multicast", []pion.Setter{yes, mapped(value(7, 239, 1, 1, 1))}, ""},
		{"short", []pion.Setter{yes, mapped(value(7, 203, 0, 113))}, ""},
		{"long", []pion.Setter{yes, mapped(value(7, 203, 0, 113, 7, 9))}, ""},
		{"short IPv6", []pion.Setter{yes, mapped(value(7, make([]byte, 15)...))}, ""},
		{"no family", []pion.Setter{yes, mapped([]byte{0, 3, 0, 7, 203, 0, 113, 7})}, ""},
		{"no value", []pion.Setter{yes, mapped(nil)}, ""},
		{"what must be understood", []pion.Setter{yes, xorMapped(me), attr(0x7ffe)}, ""},
		{"what need not be", []pion.Setter{yes, xorMapped(me), attr(0xfffe, 1)}, me.String()},
		{"error", []pion.Setter{pion.BindingError, pion.CodeStaleNonce, xorMapped(me)}, ""},
		{"error without a code", []pion.Setter{pion.BindingError}, ""},
	} {
		got, err := tr.Parse(answer(tr.Request(), c.setters...), serverA)
		if (err == nil) != (c.want != "") || err == nil && got != ap(c.want) {
			t.Errorf("%s: %v, %v, want %q", c.name, got, err, c.want)
		}
		if err != nil && strings.ContainsFunc(err.Error(), func(r rune) bool { return r < ' ' || r > '~' }) {
			t.Errorf("%s: %q", c.name, err)
		}
	}
}

func TestParseNotOurs(t *testing.T) {
	tr := NewTransaction(serverA)
	good := answer(tr.Request(), pion.BindingSuccess, xorMapped(me))
	mapped := netip.AddrPortFrom(netip.AddrFrom16(serverA.Addr().As16()), serverA.Port())
	if got, err := tr.Parse(good, mapped); err != nil || got != me {
		t.Fatalf("%v, %v", got, err)
	}
	cut := answer(tr.Request(), pion.BindingSuccess, attr(pion.AttrXORMappedAddress, 0))
	cut[23] = 200
	if _, err := tr.Parse(cut, serverA); err == nil || err == ErrNotOurs {
		t.Errorf("an attribute beyond the end: %v", err)
	}
	typed := func(m pion.Method, c pion.MessageClass) []byte {
		return answer(tr.Request(), pion.NewType(m, c), xorMapped(me))
	}
	stranger := answer(NewTransaction(serverA).Request(), pion.BindingSuccess, xorMapped(me))
	for name, c := range map[string]struct {
		b    []byte
		from netip.AddrPort
	}{
		"another server":      {good, serverB},
		"another port":        {good, netip.AddrPortFrom(serverA.Addr(), 9)},
		"another transaction": {stranger, serverA},
		"the request":         {tr.Request(), serverA},
		"indication":          {typed(pion.MethodBinding, pion.ClassIndication), serverA},
		"another method":      {typed(pion.MethodAllocate, pion.ClassSuccessResponse), serverA},
		"not STUN":            {append(good[:len(good):len(good)], 0), serverA},
		"nothing":             {nil, serverA},
	} {
		if got, err := tr.Parse(c.b, c.from); err != ErrNotOurs {
			t.Errorf("%s: %v, %v", name, got, err)
		}
	}
}

// FuzzParse: what is believed can be said again in the same words, and the rest does no harm.
func FuzzParse(f *testing.F) {
	tr := &Transaction{serverA, []byte(vectorRequest)}
	for _, v := range []string{vector4, vector6, vectorRequest} {
		f.Add([]byte(v))
	}
	f.Add(answer(tr.Request(), pion.BindingSuccess, xorMapped(me), otherAddress(other)))
	f.Add(answer(tr.Request(), pion.BindingError, pion.CodeUnauthorized))
	f.Add(answer(tr.Request(), pion.BindingSuccess, attr(pion.AttrMappedAddress, 0, 1, 0, 7, 203, 0, 113, 7)))
	f.Fuzz(func(t *testing.T, b []byte) {
		got, err := tr.Parse(b, serverA)
		if err != nil {
			return
		}
		if !Is(b) || got.Port() == 0 || got.Addr().IsUnspecified() || got.Addr().Is4In6() {
			t.Fatalf("%v from % x", got, b)
		}
		again, err := tr.Parse(answer(tr.Request(), pion.BindingSuccess, xorMapped(got)), serverA)
		if err != nil || again != got {
			t.Fatalf("%v, %v, want %v", again, err, got)
		}
		m := &pion.Message{}
		if err := pion.Decode(b, m); err != nil {
			t.Fatal(err)
		}
		var x pion.XORMappedAddress
		if x.GetFrom(m) == nil && !x.IP.Equal(net.IP(got.Addr().AsSlice())) {
			t.Fatalf("pion reads %v, not %v", x, got)
		}
	})
}
