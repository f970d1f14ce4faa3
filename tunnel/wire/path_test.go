package wire_test

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/vxmesh/vxmesh/tunnel/wire"
)

// A pathVector is a message about ways, as testdata/path.json has it. The pages have the same.
type pathVector struct {
	Name       string
	Type       wire.Type
	Node       string
	Datagram   string
	Cause      wire.Cause
	Number     string
	Step       int8
	Candidates []struct {
		Kind    uint8
		Address netip.AddrPort
	}
	Bytes string
}

// tag is the node's.
func (v pathVector) tag(t *testing.T) wire.Tag { return wire.Tag(unhex(t, v.Node)) }

// call is the call that a vector describes.
func (v pathVector) call(t *testing.T) wire.Call {
	c := wire.Call{Number: binary.BigEndian.Uint64(unhex(t, v.Number)), Step: v.Step}
	for _, a := range v.Candidates {
		c.Candidates = append(c.Candidates, wire.Candidate{Kind: a.Kind, Addr: a.Address})
	}
	return c
}

// TestPathVectors fixes the bytes of the messages by which nodes find ways, in both directions.
func TestPathVectors(t *testing.T) {
	text, err := os.ReadFile("testdata/path.json")
	if err != nil {
		t.Fatal(err)
	}
	var vectors []pathVector
	if err := json.Unmarshal(text, &vectors); err != nil {
		t.Fatal(err)
	}
	for _, v := range vectors {
		want := unhex(t, v.Bytes)
		var got []byte
		var back, value any
		switch v.Type {
		case wire.TypeRelay, wire.TypeRelayed:
			got = append(make([]byte, wire.RelayLen), unhex(t, v.Datagram)...)
			wire.PutRelay(got, v.Type, v.tag(t))
			node, datagram := wire.ParseRelay(want)
			back, value = fmt.Sprintf("%x %x", node, datagram), v.Node+" "+v.Datagram
		case wire.TypeUnreached:
			u := wire.Unreached{Node: v.tag(t), Cause: v.Cause}
			got, back, value = u.Append(nil), wire.ParseUnreached(want), u
		case wire.TypeCall, wire.TypeAnswer:
			c := v.call(t)
			got, value = c.Append(nil, v.Type), c
			if back, err = wire.ParseCall(want); err != nil {
				t.Errorf("%s: %v", v.Name, err)
			}
		}
		if !bytes.Equal(got, want) || wire.TypeOf(want) != v.Type {
			t.Errorf("%s: %x, want %x, of type %d", v.Name, got, want, wire.TypeOf(want))
		}
		if diff := cmp.Diff(value, back, cmpopts.EquateComparable(netip.AddrPort{})); diff != "" {
			t.Errorf("%s: %s", v.Name, diff)
		}
	}
}

// TestPathLengths has what is one byte short be no message, and a call's length be that of its
// addresses.
func TestPathLengths(t *testing.T) {
	least := map[wire.Type]int{
		wire.TypeRelay: 10, wire.TypeRelayed: 10, wire.TypeUnreached: 10, wire.TypeCall: 11, wire.TypeAnswer: 11,
	}
	for kind, n := range least {
		b := make([]byte, n)
		b[0] = byte(kind)
		if wire.TypeOf(b) != kind || wire.TypeOf(b[:n-1]) != 0 {
			t.Errorf("type %d: %d with %d bytes, %d with one less", kind, wire.TypeOf(b), n, wire.TypeOf(b[:n-1]))
		}
	}
	call := func(count, bytes int) []byte {
		b := make([]byte, 11+bytes)
		b[0], b[10] = byte(wire.TypeCall), byte(count)
		return b
	}
	for name, c := range map[string]struct {
		b  []byte
		ok bool
	}{
		"none":                {call(0, 0), true},
		"all there may be":    {call(wire.MaxCandidates, 19*wire.MaxCandidates), true},
		"one more":            {call(wire.MaxCandidates+1, 19*(wire.MaxCandidates+1)), false},
		"a byte short":        {call(2, 2*19-1), false},
		"a byte behind":       {call(2, 2*19+1), false},
		"fewer than it says":  {call(2, 19), false},
		"more than it says":   {call(0, 19), false},
		"255, and none there": {call(255, 0), false},
	} {
		if got, err := wire.ParseCall(c.b); (err == nil) != c.ok || len(got.Candidates) > wire.MaxCandidates {
			t.Errorf("%s: %v, %d addresses", name, err, len(got.Candidates))
		}
	}
}

// TestCallTooLong has a call of too many addresses name the first, which are the best.
func TestCallTooLong(t *testing.T) {
	var c wire.Call
	for i := range 20 {
		at := netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 0, 2, byte(i)}), 1)
		c.Candidates = append(c.Candidates, wire.Candidate{Kind: 80, Addr: at})
	}
	got, err := wire.ParseCall(c.Append(nil, wire.TypeCall))
	if err != nil || len(got.Candidates) != wire.MaxCandidates || got.Candidates[15] != c.Candidates[15] {
		t.Errorf("%v, %v", got, err)
	}
}

// TestOpener fixes the datagram that opens NATs: all zero but what makes it ours.
func TestOpener(t *testing.T) {
	b := wire.AppendOpener([]byte{0xee})
	if got := hex.EncodeToString(b); got != "ee"+"08000000000000050000000000000000" {
		t.Error(got)
	}
	if k := wire.KindOf(b[1:]); k != wire.Opener {
		t.Errorf("kind %d", k)
	}
}

// TestRelayOverhead fixes what a relayed datagram costs more.
func TestRelayOverhead(t *testing.T) {
	if wire.RelayOverhead != 16+16+9 {
		t.Error(wire.RelayOverhead)
	}
}

// FuzzPath parses any message about ways, and puts the same bytes again.
func FuzzPath(f *testing.F) {
	datagram := append(make([]byte, wire.RelayLen), wire.AppendOpener(nil)...)
	wire.PutRelay(datagram, wire.TypeRelay, wire.Tag{1, 2, 3})
	f.Add(datagram)
	f.Add(wire.Unreached{Node: wire.Tag{1}, Cause: wire.CauseLimit}.Append(nil))
	f.Add(wire.Call{Number: 1, Step: -1, Candidates: []wire.Candidate{
		{Kind: 80, Addr: netip.MustParseAddrPort("192.0.2.1:1")},
		{Kind: 100, Addr: netip.MustParseAddrPort("[2001:db8::1]:65535")},
	}}.Append(nil, wire.TypeCall))
	f.Add(wire.Call{}.Append(nil, wire.TypeAnswer))
	f.Fuzz(func(t *testing.T, b []byte) {
		want, again := b, []byte(nil)
		switch kind := wire.TypeOf(b); kind {
		case wire.TypeRelay, wire.TypeRelayed:
			node, inner := wire.ParseRelay(b)
			again = append(make([]byte, wire.RelayLen), inner...)
			wire.PutRelay(again, kind, node)
		case wire.TypeUnreached: // what follows is ignored
			want, again = b[:wire.UnreachedLen], wire.ParseUnreached(b).Append(nil)
		case wire.TypeCall, wire.TypeAnswer:
			c, err := wire.ParseCall(b)
			if err != nil {
				return
			}
			if len(c.Candidates) > wire.MaxCandidates {
				t.Errorf("%d addresses", len(c.Candidates))
			}
			again = c.Append(nil, kind)
		default:
			return
		}
		if !bytes.Equal(again, want) {
			t.Errorf("%x became %x", want, again)
		}
	})
}
