package wire_test

import (
	"bytes"
	"encoding/hex"
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/vxmesh/vxmesh/tunnel/vxlan"
	"github.com/vxmesh/vxmesh/tunnel/wire"
)

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestHeader fixes every byte of the header, and that VXLAN sees a VNI and reserved bits in it.
func TestHeader(t *testing.T) {
	h := wire.Header{
		Index: 0xa1b2c3d4, VNI: 0x123456, Counter: 0x0102030405a6, Chunk: 0x47, Last: true, Flags: 3,
	}
	b := make([]byte, wire.HeaderLen)
	h.Put(b)
	if want := unhex(t, "08a1b2c3123456d40102030405a6c703"); !bytes.Equal(b, want) {
		t.Errorf("%x, want %x", b, want)
	}
	if got := wire.ParseHeader(b); got != h {
		t.Errorf("%+v, want %+v", got, h)
	}
	other := h
	other.Last = false
	other.Put(b)
	if got := wire.ParseHeader(b); got != other {
		t.Errorf("%+v, want %+v", got, other)
	}
	if h.Message() != 0x0102030405a6-0x47 {
		t.Errorf("message %x", h.Message())
	}
	plain, _, _ := vxlan.Parse(append(b, make([]byte, 20)...))
	if plain.VNI != 0x123456 || !plain.Reserved {
		t.Errorf("to a VTEP this is %+v", plain)
	}
}

func TestKindOf(t *testing.T) {
	pad := "0000000000000000"
	for name, c := range map[string]struct {
		hex  string
		want wire.Kind
	}{
		"nothing":                  {"", wire.Junk},
		"short":                    {"080000010000000000000000000000", wire.Junk},
		"plain":                    {"0800000000109200" + pad, wire.Plain},
		"handshake 1":              {"0800000000000001" + pad, wire.Handshake1},
		"handshake 2":              {"0800000000000002" + pad, wire.Handshake2},
		"cookie":                   {"0800000000000003" + pad, wire.Cookie},
		"HELLO, of another port":   {"0800000000000004" + pad, wire.Junk},
		"opener":                   {"0800000000000005" + pad, wire.Opener},
		"reserved":                 {"0800000000000006" + pad, wire.Junk},
		"last reserved":            {"08000000000000ff" + pad, wire.Junk},
		"first session":            {"0800000100000000" + pad, wire.Data},
		"last session":             {"08ffffff000000ff" + pad, wire.Data},
		"VNI like STUN's cookie":   {"0800000121 12a442" + pad, wire.Data},
		"other flags":              {"0c00000100000000" + pad, wire.Junk},
		"no flag":                  {"0100000100000000" + pad, wire.Junk},
		"STUN request":             {"000100002112a442000000000000000000000000", wire.STUN},
		"STUN answer":              {"010100042112a44200000000000000000000000000000000", wire.STUN},
		"STUN of another length":   {"010100082112a44200000000000000000000000000000000", wire.Junk},
		"STUN without its cookie":  {"000100002112a443000000000000000000000000", wire.Junk},
		"STUN of an odd length":    {"000100022112a4420000000000000000000000000000", wire.Junk},
		"first byte of a TURN one": {"400000002112a442" + pad, wire.Junk},
	} {
		b := unhex(t, string(bytes.ReplaceAll([]byte(c.hex), []byte(" "), nil)))
		if got := wire.KindOf(b); got != c.want {
			t.Errorf("%s: %d, want %d", name, got, c.want)
		}
	}
}

func TestPutHandshake(t *testing.T) {
	for _, k := range []wire.Kind{wire.Handshake1, wire.Handshake2, wire.Cookie} {
		b := make([]byte, wire.HeaderLen)
		if wire.PutHandshake(b, k); wire.KindOf(b) != k {
			t.Errorf("kind %d became %d", k, wire.KindOf(b))
		}
	}
	defer func() {
		if recover() == nil {
			t.Error("data is no handshake")
		}
	}()
	wire.PutHandshake(make([]byte, 8), wire.Data)
}

// TestControl fixes the bytes of each message, and that what is one byte short is none.
func TestControl(t *testing.T) {
	from := netip.MustParseAddrPort("192.0.2.1:4660")
	six := netip.MustParseAddrPort("[2001:db8::7]:4660")
	mapped := "00000000000000000000ffffc0000201"
	for name, c := range map[string]struct {
		got  []byte
		want string
		t    wire.Type
	}{
		"ping":        {wire.Ping{Number: 0x0102030405060708}.Append(nil, 0), "010102030405060708", wire.TypePing},
		"padded ping": {wire.Ping{Number: 1}.Append(nil, 12), "010000000000000001000000", wire.TypePing},
		"pong": {
			wire.Pong{Number: 2, Observed: from, Received: 3}.Append(nil),
			"020000000000000002" + mapped + "12340000000000000003", wire.TypePong,
		},
		"close":    {wire.AppendClose(nil), "03", wire.TypeClose},
		"conflict": {wire.Conflict{Other: from}.Append(nil), "04" + mapped + "1234", wire.TypeConflict},
	} {
		if want := unhex(t, c.want); !bytes.Equal(c.got, want) {
			t.Errorf("%s: %x, want %x", name, c.got, want)
		}
		if got := wire.TypeOf(c.got); got != c.t {
			t.Errorf("%s: type %d", name, got)
		}
		if short := c.got[:len(c.got)-1]; name != "padded ping" && wire.TypeOf(short) != 0 {
			t.Errorf("%s: one byte short, and still a message", name)
		}
	}
	if wire.TypeOf([]byte{5, 0, 0, 0, 0, 0, 0, 0, 0}) != 0 {
		t.Error("a type that there is not")
	}
	if got := wire.ParsePing(wire.Ping{Number: 7}.Append(nil, 100)); got.Number != 7 {
		t.Errorf("%+v", got)
	}
	equal := cmpopts.EquateComparable(netip.AddrPort{})
	pong := wire.Pong{Number: 5, Observed: six, Received: 1 << 40}
	if diff := cmp.Diff(pong, wire.ParsePong(pong.Append(nil)), equal); diff != "" {
		t.Error(diff)
	}
	for _, a := range []netip.AddrPort{from, six} {
		if got := wire.ParseConflict(wire.Conflict{Other: a}.Append(nil)); got.Other != a {
			t.Errorf("%v, want %v", got.Other, a)
		}
	}
}

// FuzzKindOf tells datagrams apart: a kind once, nothing twice, and what is data parses to a header
// that puts the same bytes.
func FuzzKindOf(f *testing.F) {
	f.Add(unhex(f, "08a1b2c3123456d40102030405a6c703"))
	f.Add(unhex(f, "000100002112a442000000000000000000000000"))
	f.Add(unhex(f, "08000000001092000000000000000000"))
	f.Fuzz(func(t *testing.T, b []byte) {
		switch wire.KindOf(b) {
		case wire.Data:
			h := wire.ParseHeader(b)
			if h.Index < wire.MinIndex || h.VNI > vxlan.MaxVNI || h.Counter > wire.MaxCounter ||
				h.Chunk >= wire.MaxChunks {
				t.Errorf("%x: %+v", b, h)
			}
			again := make([]byte, wire.HeaderLen)
			if h.Put(again); !bytes.Equal(again, b[:wire.HeaderLen]) {
				t.Errorf("%x became %x", b[:wire.HeaderLen], again)
			}
		case wire.STUN:
			if b[0] > 1 || len(b) < 20 {
				t.Errorf("%x is not STUN", b)
			}
		case wire.Junk:
		default:
			if b[0] != 8 || len(b) < wire.HeaderLen || wire.Index(b) >= wire.MinIndex {
				t.Errorf("%x is of kind %d", b, wire.KindOf(b))
			}
		}
	})
}

// FuzzControl parses any control message, and puts the same bytes again.
func FuzzControl(f *testing.F) {
	f.Add(wire.Ping{Number: 1}.Append(nil, 20))
	f.Add(wire.Pong{Number: 1, Observed: netip.MustParseAddrPort("[2001:db8::1]:1")}.Append(nil))
	f.Add(wire.AppendClose(nil))
	f.Add(wire.Conflict{Other: netip.MustParseAddrPort("192.0.2.1:1")}.Append(nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		var again []byte
		switch wire.TypeOf(b) {
		case wire.TypePing:
			again = wire.ParsePing(b).Append(nil, 0)
		case wire.TypePong:
			again = wire.ParsePong(b).Append(nil)
		case wire.TypeClose:
			again = wire.AppendClose(nil)
		case wire.TypeConflict:
			again = wire.ParseConflict(b).Append(nil)
		default:
			return
		}
		if len(again) > len(b) || !bytes.Equal(again, b[:len(again)]) {
			t.Errorf("%x became %x", b, again)
		}
	})
}

// TestRun counts neighbouring chunks, and stops at whatever is none.
func TestRun(t *testing.T) {
	const size = 40
	train := func(change ...func(i int, h *wire.Header)) (b []byte) {
		for i := range 5 {
			h := wire.Header{Index: 4711, VNI: 7, Counter: 1000 + uint64(i), Chunk: uint8(i), Flags: wire.FlagOffload}
			for _, f := range change {
				f(i, &h)
			}
			b = append(b, make([]byte, size)...)
			h.Put(b[i*size:])
		}
		return b
	}
	third := func(f func(h *wire.Header)) func(int, *wire.Header) {
		return func(i int, h *wire.Header) {
			if i == 2 {
				f(h)
			}
		}
	}
	for name, c := range map[string]struct {
		b    []byte
		want int
	}{
		"all":                   {train(), 5},
		"cut":                   {train()[:5*size-1], 4},
		"last":                  {train(third(func(h *wire.Header) { h.Last = true })), 2},
		"another session":       {train(third(func(h *wire.Header) { h.Index++ })), 2},
		"another segment":       {train(third(func(h *wire.Header) { h.VNI++ })), 2},
		"a gap":                 {train(third(func(h *wire.Header) { h.Counter++ })), 2},
		"another message":       {train(third(func(h *wire.Header) { h.Chunk = 0 })), 2},
		"other flags":           {train(third(func(h *wire.Header) { h.Flags = 0 })), 2},
		"the first is the last": {train(func(i int, h *wire.Header) { h.Last = i == 0 }), 0},
		"after the last index":  {train(func(i int, h *wire.Header) { h.Chunk, h.Last = uint8(126+i)&127, i >= 2 }), 2},
		"the counters end": {train(func(i int, h *wire.Header) {
			h.Counter = (wire.MaxCounter - 1 + uint64(i)) & wire.MaxCounter
		}), 2},
		"no data": {train(func(_ int, h *wire.Header) { h.Index = 1 }), 0},
		"nothing": {nil, 0},
	} {
		if got := wire.Run(c.b, size); got != c.want {
			t.Errorf("%s: %d, want %d", name, got, c.want)
		}
	}
	if got := wire.Run(train(), wire.Overhead); got != 0 {
		t.Errorf("chunks of nothing: %d", got)
	}
}
