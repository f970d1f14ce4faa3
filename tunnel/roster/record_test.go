package roster

import (
	"bytes"
	"errors"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// likeAddresses compares addresses by their own equality.
var likeAddresses = cmpopts.EquateComparable(netip.AddrPort{}, netip.Prefix{})

func TestRecord(t *testing.T) {
	in := largestRecord()
	r := must(in.Sign(theAnchor.ID(), memberKey))
	in.Node, in.Raw = signKeyOf(memberKey).Node(), r.Raw
	if diff := cmp.Diff(&in, r, likeAddresses); diff != "" || len(r.Raw) != 332 {
		t.Errorf("%d bytes: %s", len(r.Raw), diff)
	}
	if err := r.Verify(theAnchor.ID(), signKeyOf(memberKey)); err != nil {
		t.Error(err)
	}
	if err := r.Verify(NetworkID{}, signKeyOf(memberKey)); !errors.Is(err, ErrSignature) {
		t.Errorf("in another network: %v", err)
	}
	other := slices.Clone(r.Raw[:len(r.Raw)-64])
	other[1] ^= 1
	other = sealed(memberKey, contextRecord, theAnchor.ID(), other)
	if err := checkRecord(other, theAnchor); !errors.Is(err, ErrSignature) {
		t.Errorf("a record that speaks for another node: %v", err)
	}
	empty := must(Record{}.Sign(theAnchor.ID(), memberKey))
	if empty.Endpoints != nil || empty.Overlay != nil || empty.Reachable || empty.Relay || empty.Loopback() {
		t.Errorf("a record of nothing says %+v", empty)
	}
}

func TestRecordLists(t *testing.T) {
	in := Record{
		Endpoints: []netip.AddrPort{
			netip.MustParseAddrPort("[2001:db8::1]:5"), netip.MustParseAddrPort("192.0.2.9:7"),
			netip.MustParseAddrPort("[::ffff:192.0.2.9]:7"), netip.MustParseAddrPort("127.0.0.1:9"),
		},
		Overlay: []Overlay{{9, netip.MustParsePrefix("fd00::1/64")}, {8, netip.MustParsePrefix("10.0.0.1/8")}},
	}
	r := must(in.Sign(theAnchor.ID(), memberKey))
	want := []netip.AddrPort{in.Endpoints[3], in.Endpoints[1], in.Endpoints[0]}
	if !slices.Equal(r.Endpoints, want) || r.Overlay[0] != in.Overlay[1] || r.Overlay[1] != in.Overlay[0] {
		t.Errorf("it says %v and %v", r.Endpoints, r.Overlay)
	}
	if !r.Loopback() {
		t.Error("its loopback address is none")
	}
}

func TestRecordsThatCannotBe(t *testing.T) {
	endpoint := func(s string) Record { return Record{Endpoints: []netip.AddrPort{netip.MustParseAddrPort(s)}} }
	overlay := func(vni uint32, s string) Record {
		return Record{Overlay: []Overlay{{vni, netip.MustParsePrefix(s)}}}
	}
	for name, r := range map[string]Record{
		"unspecified":    endpoint("0.0.0.0:1"),
		"unspecified 6":  endpoint("[::]:1"),
		"mapped":         endpoint("[::ffff:0.0.0.0]:1"),
		"multicast":      endpoint("224.0.0.1:1"),
		"multicast 6":    endpoint("[ff02::1]:1"),
		"broadcast":      endpoint("255.255.255.255:1"),
		"no port":        endpoint("192.0.2.1:0"),
		"zone":           endpoint("[fe80::1%eth0]:1"),
		"no address":     {Endpoints: []netip.AddrPort{netip.AddrPortFrom(netip.Addr{}, 1)}},
		"no bits":        overlay(1, "10.0.0.0/0"),
		"segment 0":      overlay(0, "10.0.0.0/8"),
		"segment 2^24":   overlay(1<<24|1, "10.0.0.0/8"),
		"mapped prefix":  overlay(1, "::ffff:0:0/24"),
		"no prefix":      {Overlay: []Overlay{{VNI: 1}}},
		"large sequence": {Sequence: MaxSequence + 1},
		"many endpoints": {Endpoints: append(largestRecord().Endpoints, endpoint("192.0.2.1:1").Endpoints...)},
		"many prefixes":  {Overlay: append(largestRecord().Overlay, overlay(1, "10.0.0.0/8").Overlay...)},
	} {
		got, err := r.Sign(theAnchor.ID(), memberKey)
		if err == nil || strings.HasPrefix(name, "many") != errors.Is(err, errMany) || errors.Is(err, errShort) {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
}

// TestRecordForms signs forms that are not the one.
func TestRecordForms(t *testing.T) {
	good := must(largestRecord().Sign(theAnchor.ID(), memberKey)).Raw
	const overlayAt = 43 + MaxEndpoints*18 + 1
	for name, tt := range map[string]struct {
		at   int
		b    []byte
		want error
	}{
		"version":            {0, []byte{0}, errVersion},
		"reserved flag":      {41, []byte{7}, errFlags},
		"nine endpoints":     {42, []byte{9}, errMany},
		"twice":              {43 + 18, good[43 : 43+18], errOrder},
		"five prefixes":      {overlayAt - 1, []byte{5}, errMany},
		"prefix twice":       {overlayAt + 20, good[overlayAt : overlayAt+20], errOrder},
		"33 bits of IPv4":    {overlayAt + 19, []byte{33}, errPrefix},
		"segment 0":          {overlayAt, []byte{0, 0, 0}, errVNI},
		"prefixes backwards": {overlayAt, []byte{0, 1}, errOrder},
	} {
		b := slices.Clone(good)
		copy(b[tt.at:], tt.b)
		b = sealed(memberKey, contextRecord, theAnchor.ID(), b[:len(b)-64])
		if err := checkRecord(b, theAnchor); !errors.Is(err, tt.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestItems(t *testing.T) {
	var b []byte
	var want []Item
	kinds := []ItemKind{
		ItemCertificate, ItemRecord, ItemRevocation, ItemRevocation, ItemRevocation, ItemSecret,
	}
	for i, o := range signedObjects(networkKey, adminKey, memberKey) {
		want = append(want, Item{kinds[i], o.raw})
		if n := len(AppendItem(nil, want[i])); n > MaxItem {
			t.Errorf("a %s has %d bytes", o.name, n)
		}
		b = AppendItem(b, want[i])
	}
	got := must(ParseItems(b))
	clear(b)
	same := func(a, b Item) bool { return a.Kind == b.Kind && bytes.Equal(a.Raw, b.Raw) }
	if !slices.EqualFunc(got, want, same) {
		t.Errorf("%v read as %v", want, got)
	}
	if all, err := ParseItems(nil); err != nil || len(all) != 0 {
		t.Errorf("no items: %v, %v", all, err)
	}
	for name, b := range map[string][]byte{
		"kind 0": {0, 0, 1, 7}, "kind 5": {5, 0, 1, 7}, "empty": {1, 0, 0}, "short": {1, 0, 2, 7},
		"half a head": {1, 0}, "second is short": {1, 0, 1, 7, 1},
		"long": append([]byte{1, 418 >> 8, 418 & 0xff}, make([]byte, 418)...),
	} {
		if all, err := ParseItems(b); err == nil {
			t.Errorf("%s: %v", name, all)
		}
	}
	if _, err := ParseItems(append([]byte{1, 417 >> 8, 417 & 0xff}, make([]byte, 417)...)); err != nil {
		t.Errorf("the longest: %v", err)
	}
	defer func() {
		if recover() == nil {
			t.Error("an item that nobody takes can be sent")
		}
	}()
	AppendItem(nil, Item{ItemRecord, make([]byte, 418)})
}
