package roster

import (
	"bytes"
	"crypto/ed25519"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/vxmesh/vxmesh/tunnel/wire"
)

// talk delivers a message of one roster to another, and what follows from it, except for what lost
// says. It returns how many messages there were.
func talk(t *testing.T, from, to *Roster, message []byte, lost func() bool) (count int) {
	t.Helper()
	if lost() {
		return 1
	}
	replies, _, _ := to.Receive(objectsAt, message)
	if len(replies) > maxReplies || len(message) > MaxMessage {
		t.Fatalf("%d replies to %d bytes", len(replies), len(message))
	}
	for _, m := range replies {
		count += talk(t, to, from, m, lost)
	}
	return 1 + count
}

func never() bool { return false }

// told is what two rosters must agree on: all but what only one of them has to know, such as a
// certificate that is there in case another one's issuer is revoked.
func told(r *Roster) string {
	s := string(r.Summary())
	for _, m := range r.Members() {
		s += m.Name + string(m.Certificate.Raw)
	}
	return s
}

// TestManyConverge gives each of some rosters a part of the items; then they compare at random, over a
// way that loses messages.
func TestManyConverge(t *testing.T) {
	all := pool()
	for seed := range uint64(12) {
		rng := rand.New(rand.NewPCG(seed, 2))
		var rosters []*Roster
		for range 2 + rng.IntN(5) {
			rng.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
			rosters = append(rosters, shuffled(rng, all[:rng.IntN(len(all)/2)]))
		}
		lost := func() bool { return rng.IntN(5) == 0 }
		same := func() bool {
			return !slices.ContainsFunc(rosters, func(r *Roster) bool { return told(r) != told(rosters[0]) })
		}
		rounds := 0
		for ; !same() && rounds < 400; rounds++ {
			one, other := rosters[rng.IntN(len(rosters))], rosters[rng.IntN(len(rosters))]
			talk(t, one, other, one.Summary(), lost)
		}
		if !same() {
			for _, r := range rosters {
				t.Log(said(r))
			}
			t.Fatalf("seed %d: %d rosters differ after %d rounds", seed, len(rosters), rounds)
		}
	}
}

// people are certificates and records of many nodes, ascending by id.
func people(n int) (keys []ed25519.PrivateKey, items []Item) {
	for i := range n {
		key := ed25519.NewKeyFromSeed(bytes.Repeat([]byte{byte(i), byte(i >> 8), 9, 9}, 8))
		keys = append(keys, key)
	}
	slices.SortFunc(keys, func(a, b ed25519.PrivateKey) int {
		x, y := idOf(a), idOf(b)
		return bytes.Compare(x[:], y[:])
	})
	for _, key := range keys {
		items = append(items, certify(theAdmin, key, "m", 0), record(key, 1))
	}
	return keys, items
}

// TestTwoConverge has one side know everything, and the other little, at the edges of the ranges.
func TestTwoConverge(t *testing.T) {
	_, items := people(2*maxEntries + 1)
	for _, known := range []int{0, 1, maxEntries - 1, maxEntries, maxEntries + 1, 2*maxEntries + 1} {
		one, other := with(t, items...), with(t, items[:2*known]...)
		talk(t, other, one, other.Summary(), never)
		if told(one) != told(other) {
			t.Errorf("from %d: %d members of %d", known, other.members, one.members)
		}
		other = with(t, items[:2*known]...)
		talk(t, one, other, one.Summary(), never)
		if told(one) != told(other) {
			t.Errorf("from %d, the other way round: %d members of %d", known, other.members, one.members)
		}
		if got := talk(t, one, other, one.Summary(), never); got != 1 {
			t.Errorf("from %d: %d messages where there is nothing to say", known, got)
		}
	}
}

// TestNewerGoesBothWays has each side hold what is newer of some nodes; one comparison is enough.
func TestNewerGoesBothWays(t *testing.T) {
	keys, items := people(2*maxEntries + 1)
	one, other := with(t, items...), with(t, items...)
	for i, key := range keys {
		r := []*Roster{one, other}[i/2%2]
		add(t, r, []Item{certify(theAdmin, key, "m", 1), record(key, 2)}[i%2])
	}
	talk(t, one, other, one.Summary(), never)
	if told(one) != told(other) {
		t.Error("they differ")
	}
	if got := talk(t, other, one, other.Summary(), never); got != 1 {
		t.Errorf("%d messages where there is nothing to say", got)
	}
	one, other = with(t, items...), with(t, append(items, record(keys[maxEntries-1], 2))...)
	if got := talk(t, one, other, one.Summary(), never); got != 6 { // three ranges, a want, the record
		t.Errorf("%d messages for a record", got)
	}
}

// TestDigestsCoverEverything checks the ranges of digests.
func TestDigestsCoverEverything(t *testing.T) {
	_, items := people(2*maxEntries + 1)
	for _, count := range []int{0, 1, maxEntries, maxEntries + 1, 2 * maxEntries, 2*maxEntries + 1} {
		r := with(t, items[:2*count]...)
		var out outbox
		r.sendDigests(&out)
		from, entries := NodeID{}, 0
		for i, m := range out.messages {
			d := must(parseDigest(m))
			if d.from != from || (d.to == lastID) != (i == len(out.messages)-1) {
				t.Errorf("%d members: range %d is %s to %s", count, i, d.from, d.to)
			}
			from, entries = next(d.to), entries+len(d.entries)
		}
		if entries != count || len(out.messages) != max(1, (count+maxEntries-1)/maxEntries) {
			t.Errorf("%d members: %d entries in %d messages", count, entries, len(out.messages))
		}
	}
	if next(NodeID{30: 1, 31: 0xff}) != (NodeID{30: 2}) {
		t.Error(next(NodeID{30: 1, 31: 0xff}))
	}
}

// kinds are the types of messages, and the kinds of wants and first items.
func kinds(messages [][]byte) (all []byte) {
	for _, m := range messages {
		all = append(all, m[0])
		if m[0] != byte(wire.TypeDigest) {
			all = append(all, m[1])
		}
	}
	return all
}

// TestAnswers says what each difference is answered with.
func TestAnswers(t *testing.T) {
	keys, items := people(2)
	base := slices.Concat(items, []Item{theAdmin.NewSecret(2, [32]byte{1}).Item()})
	leave := Leaving(theAnchor.ID(), keyFrom(40), objectsAt).Item()
	expelled := RemoveByNetwork(networkKey, idOf(adminKey), objectsAt).Item()
	other := secondAdmin.NewSecret(1, [32]byte{2}).Item()
	const item, digest, want = byte(wire.TypeItems), byte(wire.TypeDigest), byte(wire.TypeWant)
	for _, tt := range []struct {
		name         string
		ours, theirs []Item
		answer       []byte
	}{
		{"the same", nil, nil, nil},
		{"a record", []Item{record(keys[0], 2)}, nil, []byte{item, 4, digest}},
		{"a secret of ours", []Item{theAdmin.NewSecret(3, [32]byte{}).Item()}, nil, []byte{item, 4, digest}},
		{"a secret of theirs", nil, []Item{theAdmin.NewSecret(3, [32]byte{}).Item()}, []byte{want, 3, digest}},
		{"a revocation of ours", []Item{leave}, nil, []byte{want, 2, item, 3}},
		{"a revocation of theirs", nil, []Item{leave}, []byte{want, 2}},
		{
			"a secret that only counts for want of another",
			[]Item{expelled},
			[]Item{expelled, other},
			[]byte{want, 3, item, 4, digest},
		},
	} {
		ours, theirs := with(t, slices.Concat(base, tt.ours)...), with(t, slices.Concat(base, tt.theirs)...)
		replies, changes, refused := ours.Receive(objectsAt, theirs.Summary())
		if !bytes.Equal(kinds(replies), tt.answer) || changes != nil || refused != nil {
			t.Errorf("%s: % x, want % x; %v %v", tt.name, kinds(replies), tt.answer, changes, refused)
		}
		if s, _ := ParseSummary(theirs.Summary()); ours.Agrees(s) != (tt.answer == nil) {
			t.Errorf("%s: agrees %v", tt.name, ours.Agrees(s))
		}
	}
}

// TestTies has two sides hold what is equally new, but not the same.
func TestTies(t *testing.T) {
	for name, pair := range map[string][2]Item{
		"certificates": {certify(theAdmin, memberKey, "m", 0), certify(secondAdmin, memberKey, "m", 0)},
		"records":      {record(memberKey, 7), tiedRecord(7)},
		"secrets":      {theAdmin.NewSecret(7, [32]byte{1}).Item(), secondAdmin.NewSecret(7, [32]byte{1}).Item()},
	} {
		base := certify(theAdmin, memberKey, "m", -1)
		one, other := with(t, base, pair[0]), with(t, base, pair[1])
		talk(t, one, other, one.Summary(), never)
		talk(t, other, one, other.Summary(), never)
		if told(one) != told(other) {
			t.Errorf("%s:\n%s\n%s", name, said(one), said(other))
		}
	}
}

// tiedRecord is another record with the same sequence.
func tiedRecord(sequence uint64) Item {
	return must(Record{Sequence: sequence, Relay: true}.Sign(theAnchor.ID(), memberKey)).Item()
}

// TestProofTravels has one of two know that a removed node is an admin, by something that is
// not told in any other way.
func TestProofTravels(t *testing.T) {
	removal := theAdmin.Remove(idOf(secondAdmin.Key), objectsAt).Item()
	base := []Item{certify(theAdmin, secondAdmin.Key, "two", 0), certify(theAdmin, memberKey, "m", 60), removal}
	one, other := with(t, append(base, certify(secondAdmin, memberKey, "m", 0))...), with(t, base...)
	if one.Revoked(idOf(secondAdmin.Key)) || !other.Revoked(idOf(secondAdmin.Key)) {
		t.Fatal("nothing to tell")
	}
	talk(t, one, other, one.Summary(), never)
	if told(one) != told(other) || other.Revoked(idOf(secondAdmin.Key)) {
		t.Errorf("%s\n%s", said(one), said(other))
	}
}

// TestLongLists has more to tell than is told at a time.
func TestLongLists(t *testing.T) {
	one, other := newRoster(), newRoster()
	for i := range maxRevocations - reserved {
		add(t, one, theAdmin.Remove(NodeID{byte(i), byte(i >> 8)}, objectsAt).Item())
	}
	full := knowing(nil)
	full.revoked = one.revoked
	cert := must(ParseCertificate(certify(theAdmin, memberKey, "m", 0).Raw))
	for i := range maxMembers {
		n := &node{id: NodeID{byte(i), byte(i >> 8)}}
		full.nodes[n.id] = n
		full.certify(n, []*Certificate{cert})
	}
	for _, r := range []*Roster{other, one} { // with other revocations, and with the same
		if replies, _, _ := full.Receive(objectsAt, r.Summary()); len(replies) > maxReplies || len(replies) < 150 {
			t.Errorf("%d replies", len(replies))
		}
	}
	rounds := 0
	for ; told(one) != told(other) && rounds < 10; rounds++ {
		talk(t, other, one, other.Summary(), never)
	}
	if rounds > 4 || len(other.Revocations()) != maxRevocations-reserved {
		t.Errorf("%d revocations after %d rounds", len(other.Revocations()), rounds)
	}
}

// TestLiar is a member that sends what others must not believe; items are never answered.
func TestLiar(t *testing.T) {
	keys, items := people(3)
	r := with(t, items...)
	before := said(r)
	forged := record(keys[1], 9)
	copy(forged.Raw[len(forged.Raw)-64:], record(keys[0], 9).Raw[len(forged.Raw)-64:])
	name := Item{ItemCertificate, bytes.Replace(items[0].Raw, []byte{1, 'm'}, []byte{1, '\n'}, 1)}
	tiny := bytes.Repeat([]byte{byte(ItemRecord), 0, 1, 1}, 120)
	for what, m := range map[string][]byte{
		"another's record":    AppendItem([]byte{8}, forged),
		"an old record":       AppendItem([]byte{8}, record(keys[0], 0)),
		"a control character": AppendItem([]byte{8}, name),
		"too many":            append([]byte{8}, tiny...),
		"too large":           append([]byte{8}, bytes.Repeat(tiny, 9)...),
		"longer than it is":   {8, 2, 1, 200, 0},
	} {
		replies, changes, refused := r.Receive(objectsAt, m)
		if replies != nil || changes != nil || (refused == nil) != (what == "an old record") || said(r) != before {
			t.Errorf("%s: replies %v, changes %v, refused %v", what, replies, changes, refused)
		}
	}
}
