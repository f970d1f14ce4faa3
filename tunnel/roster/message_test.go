package roster

import (
	"bytes"
	"errors"
	"testing"

	"github.com/vxmesh/vxmesh/tunnel/wire"
)

func fullDigest() *digest {
	d := &digest{from: NodeID{1}, to: NodeID{1, maxEntries}}
	for i := range byte(maxEntries) {
		d.entries = append(d.entries, entry{prefix{1, i}, uint32(i), uint64(i) << 40, [4]byte{i}})
	}
	return d
}

func fullWant() *want {
	w := &want{kind: wantMembers}
	for i := range byte(maxWanted) {
		w.ids = append(w.ids, prefix{i})
	}
	return w
}

// TestMessageBytes draws one of each.
func TestMessageBytes(t *testing.T) {
	s := Summary{Members: [32]byte{1}, Count: 2, Head: [40]byte{3}, Secret: 4}
	for _, tt := range []struct {
		name   string
		got    []byte
		pieces [][]byte
	}{
		{"items", ItemMessages([]Item{{ItemRecord, []byte{7, 8}}}, 9)[0], [][]byte{{8}, {2, 0, 2, 7, 8}}},
		{"summary", s.Append(nil), [][]byte{{9, 1, 32: 0}, {0, 0, 0, 2, 3, 43: 0}, {0, 0, 0, 0, 0, 0, 0, 4}}},
		{
			"digest", (&digest{NodeID{1}, NodeID{2}, []entry{{prefix{1, 9}, 5, 6, [4]byte{7}}}}).append(nil),
			[][]byte{{10}, {1, 31: 0}, {2, 31: 0}, {1, 9, 15: 0}, {0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0, 6}, {7, 0, 0, 0}},
		},
		{"want", (&want{wantMembers, []prefix{{3}}}).append(nil), [][]byte{{11, 1}, {3, 15: 0}}},
	} {
		if want := bytes.Join(tt.pieces, nil); !bytes.Equal(tt.got, want) {
			t.Errorf("%s:\n% x, want\n% x", tt.name, tt.got, want)
		}
	}
	for _, b := range [][]byte{fullDigest().append(nil), fullWant().append(nil), s.Append(nil)} {
		if len(b) > MaxMessage {
			t.Errorf("a message of type %d has %d bytes", b[0], len(b))
		}
	}
}

func TestMessagesRefused(t *testing.T) {
	for name, tt := range map[string]struct {
		message []byte
		err     error
	}{
		"nothing":                     {nil, errMessage},
		"another type":                {[]byte{7}, errMessage},
		"too long":                    {append([]byte{8}, make([]byte, MaxMessage)...), errSize},
		"a short summary":             {newRoster().Summary()[:84], errSummary},
		"a long summary":              {append(newRoster().Summary(), 0), errSummary},
		"a range backwards":           {changed(func(d *digest) { d.to = NodeID{}; d.entries = nil }), errRange},
		"an entry before its range":   {changed(func(d *digest) { d.entries[0].id = prefix{0, 9} }), errRange},
		"an entry behind its range":   {changed(func(d *digest) { d.entries[12].id = prefix{2} }), errRange},
		"entries in disorder":         {changed(func(d *digest) { d.entries[1].id = d.entries[0].id }), errOrder},
		"too many entries":            {append(fullDigest().append(nil), make([]byte, 32)...), errSize},
		"half an entry":               {fullDigest().append(nil)[:70], errShort},
		"a want of nothing":           {wanted(0), errWant},
		"a want of no members":        {wanted(wantMembers), errWant},
		"a want of one revocation":    {wanted(wantRevocations, prefix{1}), errWant},
		"wanted in disorder":          {wanted(wantMembers, prefix{1}, prefix{1}), errOrder},
		"too many wanted":             {append(fullWant().append(nil), bytes.Repeat([]byte{99}, 16)...), errMany},
		"half of a wanted":            {fullWant().append(nil)[:9], errShort},
		"items of a kind that is not": {[]byte{8, 5, 0, 1, 0}, nil},
	} {
		replies, changes, refused := newRoster().Receive(objectsAt, tt.message)
		bad := len(refused) != 1 || replies != nil || changes != nil
		if bad || tt.err != nil && !errors.Is(refused[0], tt.err) {
			t.Errorf("%s: refused %v, want %v; replies %d", name, refused, tt.err, len(replies))
		}
	}
}

func changed(change func(d *digest)) []byte {
	d := fullDigest()
	change(d)
	return d.append(nil)
}

func wanted(kind wantKind, ids ...prefix) []byte { return (&want{kind, ids}).append(nil) }

func TestItemMessages(t *testing.T) {
	item := func(size int) Item { return Item{ItemRecord, make([]byte, size)} }
	items := []Item{item(200), item(200), item(290), item(MaxItem - itemHead), item(1)}
	var got []Item
	for _, m := range ItemMessages(items, MaxMessage) {
		if len(m) > MaxMessage || wire.TypeOf(m) != wire.TypeItems {
			t.Errorf("a message of %d bytes", len(m))
		}
		got = append(got, must(ParseItems(m[1:]))...)
	}
	if len(got) != len(items) || len(ItemMessages(items, MaxMessage)) != 3 || ItemMessages(nil, 9) != nil {
		t.Errorf("%d items in %d messages", len(got), len(ItemMessages(items, MaxMessage)))
	}
}

// knowing gives a new roster some nodes, without the cost of signatures.
func knowing(certificates []*Certificate) *Roster {
	r := newRoster()
	for _, c := range certificates {
		n := &node{id: c.Node(), key: c.Sign}
		r.nodes[n.id] = n
		r.certify(n, []*Certificate{c})
	}
	return r
}

// FuzzReceive has anybody send anything to a roster that knows something.
func FuzzReceive(f *testing.F) {
	var certificates []*Certificate
	for i := range byte(20) {
		it := certify(theAdmin, keyFrom(20+i), "m", 0)
		certificates = append(certificates, must(ParseCertificate(it.Raw)))
		f.Add(AppendItem([]byte{8}, it))
	}
	for _, it := range []Item{
		record(keyFrom(20), 1), theAdmin.NewSecret(1, [32]byte{}).Item(),
		theAdmin.Remove(NodeID{}, objectsAt).Item(),
	} {
		f.Add(AppendItem([]byte{8}, it))
	}
	f.Add((&digest{to: lastID}).append(nil))
	f.Add(fullDigest().append(nil))
	f.Add(fullWant().append(nil))
	f.Add(newRoster().Summary())
	f.Fuzz(func(t *testing.T, message []byte) {
		r := knowing(certificates)
		replies, _, _ := r.Receive(objectsAt, message)
		if len(replies) > maxReplies || wire.TypeOf(message) == wire.TypeItems && len(replies) > 0 {
			t.Fatalf("%d replies", len(replies))
		}
		for _, m := range replies {
			if len(m) > MaxMessage {
				t.Fatalf("a reply of %d bytes", len(m))
			}
			if wire.TypeOf(m) == wire.TypeItems {
				continue
			}
			if _, _, refused := newRoster().Receive(objectsAt, m); refused != nil {
				t.Fatal(refused)
			}
		}
		if s, ok := ParseSummary(message); ok && !bytes.Equal(s.Append(nil), message) {
			t.Fatal("a summary with two encodings")
		}
		if d, err := parseDigest(message); err == nil && !bytes.Equal(d.append(nil), message) {
			t.Fatal("a digest with two encodings")
		}
		if w, err := parseWant(message); err == nil && !bytes.Equal(w.append(nil), message) {
			t.Fatal("a want with two encodings")
		}
	})
}
