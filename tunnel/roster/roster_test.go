package roster

import (
	"bytes"
	"crypto/ed25519"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"
)

// The other admins of the tests.
var (
	secondAdmin = authorityFor(networkKey, keyFrom(5))
	thirdAdmin  = authorityFor(networkKey, keyFrom(6))
	noAdmin     = authorityFor(keyFrom(7), keyFrom(8))
)

func idOf(key ed25519.PrivateKey) NodeID { return signKeyOf(key).Node() }

// certify issues a certificate that begins some seconds after objectsAt.
func certify(a Authority, key ed25519.PrivateKey, name string, after int) Item {
	begins := objectsAt.Add(time.Duration(after) * time.Second)
	return must(a.Certify(Certificate{
		Sign: signKeyOf(key), Session: SessionKey(idOf(key)), Name: name,
		NotBefore: begins, NotAfter: begins.Add(CertificateLife),
	})).Item()
}

func record(key ed25519.PrivateKey, sequence uint64) Item {
	return must(Record{Sequence: sequence}.Sign(theAnchor.ID(), key)).Item()
}

func newRoster() *Roster { return New(Options{Anchor: theAnchor, Built: objectsAt}) }

// with makes a roster out of items, all of which must be taken.
func with(t *testing.T, items ...Item) *Roster {
	t.Helper()
	r := newRoster()
	add(t, r, items...)
	return r
}

func add(t *testing.T, r *Roster, items ...Item) {
	t.Helper()
	for _, it := range items {
		if _, err := r.Add(objectsAt, it); err != nil {
			t.Fatal(err)
		}
	}
}

// said is all that a roster says, as text.
func said(r *Roster) string {
	var b strings.Builder
	fmt.Fprintf(&b, "head %x\nsecrets %d %x\nsummary %x\n", r.Head(), r.SecretNumber(), r.Secrets(), r.Summary())
	for _, m := range r.Members() {
		fmt.Fprintf(&b, "member %s %s admin %v certificate %x", m.ID, m.Name, m.Admin, m.Certificate.Raw[:90])
		if m.Record != nil {
			fmt.Fprintf(&b, " record %d", m.Record.Sequence)
		}
		b.WriteByte('\n')
	}
	for _, it := range r.Items() {
		fmt.Fprintf(&b, "item %d %x\n", it.Kind, it.Raw)
	}
	return b.String()
}

// pool is items of every kind that meet: admins certify the same nodes, and remove nodes, each other,
// and what each other removed.
func pool() (all []Item) {
	admins := []Authority{theAdmin, secondAdmin, thirdAdmin}
	keys := []ed25519.PrivateKey{adminKey, secondAdmin.Key, memberKey, keyFrom(20), keyFrom(21)}
	for i, a := range admins {
		for j, key := range keys {
			name := []string{"one", "two", "two"}[j%3]
			all = append(all, certify(a, key, name, 10*i), certify(a, key, name, 15-9*i+j))
			all = append(all, a.Remove(idOf(key), objectsAt.Add(-time.Hour)).Item())
		}
		for n := range uint64(6) {
			all = append(all, a.NewSecret(1+n+uint64(2*i), [32]byte{byte(i), byte(n)}).Item())
		}
	}
	for _, key := range keys {
		all = append(all, record(key, 1), record(key, 2))
	}
	return append(
		all, tiedRecord(2),
		RemoveByNetwork(networkKey, idOf(adminKey), objectsAt).Item(),
		RemoveByNetwork(networkKey, idOf(secondAdmin.Key), objectsAt.Add(-time.Minute)).Item(),
		Leaving(theAnchor.ID(), keyFrom(20), objectsAt).Item(),
		Leaving(theAnchor.ID(), keyFrom(20), objectsAt.Add(-time.Minute)).Item(),
		Leaving(theAnchor.ID(), thirdAdmin.Key, objectsAt).Item(),
	)
}

// shuffled adds the items in a random order, some of them twice. What is refused is offered again, as
// others do: a record is, when it comes before the certificate of its node.
func shuffled(rng *rand.Rand, items []Item) *Roster {
	r := newRoster()
	items = slices.Concat(items, items[:len(items)/3])
	rng.Shuffle(len(items), func(i, j int) { items[i], items[j] = items[j], items[i] })
	for again := true; again; {
		again = false
		var refused []Item
		for _, it := range items {
			if _, err := r.Add(objectsAt, it); err != nil {
				refused = append(refused, it)
			}
		}
		again = len(refused) < len(items)
		items = refused
	}
	return r
}

func TestAnyOrderConverges(t *testing.T) {
	all := pool()
	for seed := range uint64(60) {
		rng := rand.New(rand.NewPCG(seed, 1))
		rng.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
		items := all[:rng.IntN(len(all))]
		one, other := shuffled(rng, items), shuffled(rng, items)
		if said(one) != said(other) {
			t.Fatalf("seed %d: one order:\n%s\nanother:\n%s", seed, said(one), said(other))
		}
		again := newRoster()
		if refused := again.Restore(objectsAt, one.Items()); refused != nil || said(again) != said(one) {
			t.Fatalf("seed %d: before:\n%s\nrestored:\n%s\n%v", seed, said(one), said(again), refused)
		}
	}
}

// TestWhoIsRevoked has a member, two admins, and the revocations that are named.
func TestWhoIsRevoked(t *testing.T) {
	member, admin, second := idOf(memberKey), idOf(adminKey), idOf(secondAdmin.Key)
	tests := []struct {
		name        string
		revocations []*Revocation
		revoked     []NodeID
	}{
		{"a leave", []*Revocation{Leaving(theAnchor.ID(), memberKey, objectsAt)}, []NodeID{member}},
		{"an admin's leave", []*Revocation{Leaving(theAnchor.ID(), adminKey, objectsAt)}, []NodeID{admin}},
		{"by an admin", []*Revocation{theAdmin.Remove(member, objectsAt)}, []NodeID{member}},
		{"an admin by an admin", []*Revocation{theAdmin.Remove(second, objectsAt)}, nil},
		{"an admin by the network", []*Revocation{RemoveByNetwork(networkKey, admin, objectsAt)}, []NodeID{admin}},
		{"by a removed admin", []*Revocation{
			theAdmin.Remove(member, objectsAt), RemoveByNetwork(networkKey, admin, objectsAt.Add(time.Hour)),
		}, []NodeID{admin}},
		{"by an admin that was removed in vain", []*Revocation{
			theAdmin.Remove(member, objectsAt), secondAdmin.Remove(admin, objectsAt),
		}, []NodeID{member}},
		{"again by another admin", []*Revocation{
			theAdmin.Remove(member, objectsAt.Add(-time.Hour)), secondAdmin.Remove(member, objectsAt),
			RemoveByNetwork(networkKey, admin, objectsAt),
		}, []NodeID{admin, member}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := with(t, certify(theAdmin, adminKey, "one", 0), certify(secondAdmin, secondAdmin.Key, "two", 0),
				certify(secondAdmin, memberKey, "three", 0))
			for _, v := range tt.revocations {
				if ch, err := r.Add(objectsAt, v.Item()); err != nil || !ch.Fresh || ch.Node != v.Node {
					t.Fatal(ch, err)
				}
			}
			for _, id := range []NodeID{member, admin, second} {
				want := slices.Contains(tt.revoked, id)
				if r.Revoked(id) != want || (r.Member(id) == nil) != want {
					t.Errorf("node %s: revoked %v, want %v", id, r.Revoked(id), want)
				}
			}
		})
	}
}

// TestAdminShowsLate has an admin removed by another one before anything showed that it is one.
func TestAdminShowsLate(t *testing.T) {
	second := idOf(secondAdmin.Key)
	for _, proof := range []Item{
		secondAdmin.NewSecret(1, [32]byte{}).Item(), secondAdmin.Remove(NodeID{1}, objectsAt).Item(),
		certify(secondAdmin, memberKey, "m", 0), certify(secondAdmin, keyFrom(20), "gone", 0),
	} {
		r := with(t, certify(theAdmin, secondAdmin.Key, "two", 0), theAdmin.Remove(second, objectsAt).Item(),
			Leaving(theAnchor.ID(), keyFrom(20), objectsAt).Item())
		before := r.Head()
		if !r.Revoked(second) {
			t.Fatal("not revoked, though nobody can know that it is an admin")
		}
		ch, err := r.Add(objectsAt, proof)
		if err != nil || !ch.Fresh || r.Revoked(second) || r.Head() == before || r.Member(second) == nil {
			t.Errorf("%v: change %+v, error %v, revoked %v", proof, ch, err, r.Revoked(second))
		}
		if ch, _ := r.Add(objectsAt, proof); ch.Fresh {
			t.Errorf("%v: news again", proof)
		}
	}
}

// TestRevokedIssuer has the certificate of one admin take over from that of another, with the record.
func TestRevokedIssuer(t *testing.T) {
	id := idOf(memberKey)
	by := func(r *Roster) string {
		m := r.Member(id)
		if m == nil {
			return "nobody"
		}
		return fmt.Sprint(m.Certificate.Issuer == theAdmin.SignKey(), m.Record != nil)
	}
	r := with(t, certify(theAdmin, memberKey, "m", 9), record(memberKey, 1))
	expelled := RemoveByNetwork(networkKey, idOf(adminKey), objectsAt).Item()
	add(t, r, certify(secondAdmin, memberKey, "m", 5))
	if by(r) != "true true" {
		t.Error("before:", by(r))
	}
	add(t, r, expelled)
	if by(r) != "false true" {
		t.Error("with a certificate by another:", by(r))
	}
	r = with(t, certify(theAdmin, memberKey, "m", 9), record(memberKey, 1), expelled)
	if by(r) != "nobody" || len(r.Items()) != 1 {
		t.Error("without:", by(r), r.Items())
	}
	if _, err := r.Add(objectsAt, certify(theAdmin, memberKey, "m", 10)); !errors.Is(err, errIssuer) {
		t.Error("from a revoked admin:", err)
	}
	add(t, r, certify(secondAdmin, memberKey, "m", 5))
	if by(r) != "false true" {
		t.Error("after a new one:", by(r))
	}
}

func TestSecretsOfRevokedAdmins(t *testing.T) {
	r := newRoster()
	for n := range uint64(10) {
		a := secondAdmin
		if n >= 5 {
			a = theAdmin
		}
		add(t, r, a.NewSecret(1+n, [32]byte{byte(1 + n)}).Item())
	}
	numbers := func() (all []byte) {
		for _, s := range r.Secrets() {
			all = append(all, s[0])
		}
		return all
	}
	for _, step := range []struct {
		revoke ed25519.PrivateKey
		want   []byte
	}{{nil, []byte{10, 9, 8, 7}}, {adminKey, []byte{5, 4, 3, 2}}, {secondAdmin.Key, []byte{10}}} {
		if step.revoke != nil {
			add(t, r, RemoveByNetwork(networkKey, idOf(step.revoke), objectsAt).Item())
		}
		if !bytes.Equal(numbers(), step.want) || r.SecretNumber() != uint64(step.want[0]) {
			t.Errorf("numbers %v, newest %d; want %v", numbers(), r.SecretNumber(), step.want)
		}
	}
}

func TestAdminShown(t *testing.T) {
	flagged := must(theAdmin.Certify(largestCertificate())).Item()
	r := with(t, flagged, certify(secondAdmin, keyFrom(20), "m", 0), certify(theAdmin, secondAdmin.Key, "two", 0))
	for _, key := range []ed25519.PrivateKey{memberKey, secondAdmin.Key} { // by a flag, by a delegation
		if m := r.Member(idOf(key)); m == nil || !m.Admin {
			t.Errorf("%+v is an admin", m)
		}
	}
	if m := r.Member(idOf(keyFrom(20))); m == nil || m.Admin {
		t.Errorf("%+v is no admin", m)
	}
}

// TestManySecrets has more secrets than are kept, some of them of a revoked admin.
func TestManySecrets(t *testing.T) {
	r := with(t, RemoveByNetwork(networkKey, idOf(adminKey), objectsAt).Item())
	add(t, r, theAdmin.NewSecret(9, [32]byte{}).Item())
	const admins = maxSecretsInAll / maxSecrets
	for i := range byte(admins) {
		for n := range uint64(maxSecrets) {
			add(t, r, authorityFor(networkKey, keyFrom(100+i)).NewSecret(1+n, [32]byte{i}).Item())
		}
	}
	if len(r.secrets) != maxSecretsInAll || r.secrets[0].Number == 9 {
		t.Errorf("%d secrets, the first is %d", len(r.secrets), r.secrets[0].Number)
	}
	add(t, r, authorityFor(networkKey, keyFrom(90)).NewSecret(7, [32]byte{}).Item())
	if len(r.secrets) != maxSecretsInAll || r.SecretNumber() != 7 {
		t.Errorf("%d secrets, the newest is %d", len(r.secrets), r.SecretNumber())
	}
}

func TestTwoOfOneName(t *testing.T) {
	r := with(t, certify(theAdmin, memberKey, "web", 1), certify(theAdmin, keyFrom(20), "web", 0),
		certify(theAdmin, keyFrom(21), "web", 2))
	ids := []NodeID{idOf(memberKey), idOf(keyFrom(21))}
	alias := "web-" + ids[0].String()[:4]
	add(t, r, certify(theAdmin, keyFrom(22), alias, 3)) // may not take what another goes by; it was given it
	want := map[string]NodeID{
		"web": idOf(keyFrom(20)), "web-" + ids[0].String()[:5]: ids[0], "web-" + ids[1].String()[:4]: ids[1],
		alias: idOf(keyFrom(22)),
	}
	for name, id := range want {
		if m := r.Named(name); m == nil || m.ID != id || m.Name != name || r.WithSession(SessionKey(id)) != m {
			t.Errorf("%s is %+v, want %s", name, m, id)
		}
	}
	if len(r.Members()) != 4 || r.Named("nobody") != nil {
		t.Error(r.Members())
	}
	thief := must(theAdmin.Certify(Certificate{ // of a session key
		Sign: signKeyOf(keyFrom(23)), Session: SessionKey(ids[0]), Name: "thief",
		NotBefore: objectsAt.Add(time.Minute), NotAfter: objectsAt.Add(CertificateLife),
	})).Item()
	add(t, r, thief)
	if m := r.WithSession(SessionKey(ids[0])); m == nil || m.ID != ids[0] || len(r.Members()) != 5 {
		t.Errorf("%+v has the session key of %s", m, ids[0])
	}
}

// TestRefused offers what nobody may say, to a roster that knows a member, and nothing changes.
func TestRefused(t *testing.T) {
	member := certify(theAdmin, memberKey, "m", 0)
	r := with(t, member, record(memberKey, 5), theAdmin.NewSecret(3, [32]byte{1}).Item(),
		certify(theAdmin, keyFrom(20), "gone", 0), Leaving(theAnchor.ID(), keyFrom(20), objectsAt).Item())
	forged := func(it Item) Item {
		raw := bytes.Clone(it.Raw)
		raw[len(raw)-1] ^= 1
		return Item{it.Kind, raw}
	}
	renamed := func(name string) Item {
		return Item{ItemCertificate, bytes.Replace(member.Raw, []byte{1, 'm'}, []byte(name), 1)}
	}
	huge := record(memberKey, 6)
	binary.BigEndian.PutUint64(huge.Raw[33:], 1<<63+1)
	near := must(Record{Sequence: 7, Endpoints: []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:1")}}.
		Sign(theAnchor.ID(), memberKey)).Item()
	others := record(keyFrom(21), 9) // in the name of the member
	copy(others.Raw[1:33], record(memberKey, 9).Raw[1:33])
	items := []Item{
		certify(noAdmin, memberKey, "m", 9), certify(noAdmin, keyFrom(30), "new", 9),
		forged(certify(theAdmin, memberKey, "m", 9)), renamed("\x01\x1b"), renamed("\x02m\x00"),
		forged(record(memberKey, 6)), record(memberKey, 4), record(keyFrom(21), 9), others, huge, near,
		record(keyFrom(20), 1), certify(theAdmin, keyFrom(20), "back", 5),
		noAdmin.Remove(idOf(memberKey), objectsAt).Item(),
		forged(theAdmin.Remove(idOf(memberKey), objectsAt).Item()),
		forged(Leaving(theAnchor.ID(), memberKey, objectsAt).Item()),
		RemoveByNetwork(keyFrom(7), idOf(memberKey), objectsAt).Item(),
		noAdmin.NewSecret(9, [32]byte{2}).Item(), forged(theAdmin.NewSecret(9, [32]byte{2}).Item()),
		{ItemRecord, member.Raw},
		{ItemKind(9), member.Raw},
		{ItemRevocation, nil},
	}
	before := said(r)
	if refused := newRoster().Restore(objectsAt, items); len(refused) != len(items)-1 {
		t.Errorf("%d of %d refused where only the last certificate is good", len(refused), len(items))
	}
	for i, it := range items {
		if ch, err := r.Add(objectsAt, it); ch.Fresh || err == nil && i != 6 {
			t.Errorf("item %d %v: change %+v, error %v", i, it, ch, err)
		}
	}
	for _, it := range r.Items() {
		if ch, err := r.Add(objectsAt, it); ch.Fresh || err != nil {
			t.Errorf("%v that is known: change %+v, error %v", it, ch, err)
		}
	}
	if said(r) != before {
		t.Errorf("before:\n%s\nafter:\n%s", before, said(r))
	}
	r.o.AllowLoopback = true
	add(t, r, near)
}

// TestFull fills a roster up to its bounds, but for one.
func TestFull(t *testing.T) {
	r := with(t, certify(theAdmin, memberKey, "m", 0))
	some := r.nodes[idOf(memberKey)]
	for i := r.members; i < maxMembers-1; i++ {
		n := *some
		n.id = NodeID{byte(i >> 8), byte(i)}
		r.nodes[n.id] = &n
		r.members++
	}
	add(t, r, certify(theAdmin, keyFrom(20), "last", 0), certify(theAdmin, memberKey, "m", 1))
	if _, err := r.Add(objectsAt, certify(theAdmin, keyFrom(21), "more", 0)); !errors.Is(err, ErrFull) {
		t.Error("one member too many:", err)
	}
}

// TestFullOfRevocations fills the list of revocations, up to each of its bounds.
func TestFullOfRevocations(t *testing.T) {
	second := idOf(secondAdmin.Key)
	r := with(t, certify(theAdmin, memberKey, "m", 0), certify(theAdmin, keyFrom(20), "leaves", 0),
		theAdmin.Remove(second, objectsAt).Item(), Leaving(theAnchor.ID(), keyFrom(20), objectsAt).Item())
	fill := func(kind RevocationKind, count int) {
		for i := range count {
			id := NodeID{0xff, byte(kind), byte(i >> 8), byte(i)}
			r.revoked.all[revocationKey{kind, id, SignKey{}}] = &Revocation{Kind: kind}
			r.countRevocation(&Revocation{Kind: kind, Node: id})
		}
	}
	add := func(what string, v *Revocation, full bool) {
		t.Helper()
		if _, err := r.Add(objectsAt, v.Item()); errors.Is(err, ErrFull) != full || !full && err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
	fill(Leave, maxStrangers-1)
	add("the last leave of nobody", Leaving(theAnchor.ID(), keyFrom(30), objectsAt), false)
	add("a leave of nobody", Leaving(theAnchor.ID(), keyFrom(31), objectsAt), true)
	add("a leave of a member", Leaving(theAnchor.ID(), memberKey, objectsAt), false)
	fill(Removal, maxRevocations-reserved-len(r.revoked.all))
	add("one more by an admin", theAdmin.Remove(NodeID{1}, objectsAt), true)
	add("in the place of another", theAdmin.Remove(second, objectsAt.Add(-time.Minute)), false)
	if len(r.revoked.removals[second]) != 1 || !r.Revoked(second) {
		t.Errorf("%d removals by one admin", len(r.revoked.removals[second]))
	}
	add("one that proves an admin", secondAdmin.Remove(NodeID{1}, objectsAt), false)
	if r.Revoked(second) {
		t.Error("an admin was removed by another one")
	}
	add("by the network", RemoveByNetwork(networkKey, idOf(adminKey), objectsAt), false)
	if !r.Revoked(idOf(adminKey)) {
		t.Error("an admin that filled the list cannot be removed")
	}
	fill(NetworkRemoval, reserved-1)
	add("one more by the network", RemoveByNetwork(networkKey, idOf(memberKey), objectsAt), true)
	r.revoked.all = make(map[revocationKey]*Revocation)
	fill(Removal, maxRevocations-1)
	add("when the network has used what is reserved", secondAdmin.Remove(NodeID{2}, objectsAt), false)
}

// TestMadeUpNodes has a revoked admin leave behind nodes that do not exist.
func TestMadeUpNodes(t *testing.T) {
	r := newRoster()
	for i := range 2 * maxMembers {
		id := NodeID{byte(i >> 8), byte(i)}
		r.nodes[id] = &node{id: id, record: &Record{}}
	}
	add(t, r, certify(theAdmin, memberKey, "m", 0))
	if len(r.nodes) != 1 || len(r.Members()) != 1 {
		t.Error(len(r.nodes), r.Members())
	}
}
