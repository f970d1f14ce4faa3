package roster

import (
	"errors"
	"strings"
	"testing"
	"time"
)

// TestClock has a network of five, among them this node, as time goes by.
func TestClock(t *testing.T) {
	r := New(Options{Anchor: theAnchor, Self: idOf(memberKey), Built: objectsAt.Add(-time.Hour)})
	for i := range byte(4) {
		add(t, r, certify(theAdmin, keyFrom(20+i), "m", int(i)))
	}
	add(t, r, certify(theAdmin, memberKey, "self", -60))
	newest, all := objectsAt.Add(3*time.Second), objectsAt.Add(CertificateLife)
	for _, tt := range []struct {
		at      time.Time
		why     string // "": nothing wrong
		members int
	}{
		{objectsAt.Add(-2 * time.Hour), "built", 5},
		{newest.Add(-clockSlack - time.Second), "signed", 5},
		{newest.Add(-clockSlack), "", 5},
		{all.Add(-time.Minute), "", 4}, // this node's own has expired
		{all.Add(time.Second), "3 of 5", 5},
		{all.Add(-time.Hour), "", 5}, // and back again
	} {
		err := r.Clock(tt.at)
		if (err == nil) != (tt.why == "") || err != nil && !strings.Contains(err.Error(), tt.why) {
			t.Errorf("%s: %v, want %q", tt.at, err, tt.why)
		}
		if got := len(r.Members()); got != tt.members {
			t.Errorf("%s: %d members, want %d", tt.at, got, tt.members)
		}
	}
	add(t, r, certify(theAdmin, memberKey, "self", 5))
	if err := r.Clock(all.Add(4 * time.Second)); err != nil || len(r.Members()) != 1 {
		t.Error("this node's own is valid, so the others' must have expired:", err, r.Members())
	}
}

// TestNobodyNewWhileClockWrong has the clock before what the roster knows.
func TestNobodyNewWhileClockWrong(t *testing.T) {
	wrong := objectsAt.Add(-24 * time.Hour)
	member, other := certify(theAdmin, memberKey, "m", 0), certify(theAdmin, keyFrom(20), "new", -60*60*48)
	r := New(Options{Anchor: theAnchor, Self: idOf(memberKey)})
	if _, err := r.Add(wrong, member); err != nil {
		t.Error("this node itself:", err)
	}
	add := func(it Item) error {
		_, err := r.Add(wrong, it)
		return err
	}
	if err := add(other); !errors.Is(err, ErrClock) {
		t.Error("somebody new:", err)
	}
	id := idOf(keyFrom(20))
	if _, err := r.Admit(wrong, SessionKey(id), id, other.Raw); !errors.Is(err, ErrClock) {
		t.Error("somebody new in a handshake:", err)
	}
	if err := add(record(memberKey, 1)); err != nil || r.Member(idOf(memberKey)).Record == nil {
		t.Error("who is known:", err)
	}
	if refused := r.Restore(wrong, []Item{other}); refused != nil || len(r.Members()) != 2 {
		t.Error("who was known before the start:", refused)
	}
	r = newRoster()
	if _, err := r.Add(objectsAt, certify(theAdmin, memberKey, "m", 3600)); !errors.Is(err, ErrNotYet) {
		t.Error("a certificate of the future:", err)
	}
}

// TestWhoseTimeCounts has dates of the future, by somebody who can or cannot be believed.
func TestWhoseTimeCounts(t *testing.T) {
	future, id := objectsAt.Add(1000*time.Hour), idOf(memberKey)
	expelled := RemoveByNetwork(networkKey, idOf(adminKey), objectsAt).Item()
	for _, tt := range []struct {
		name  string
		items []Item
		wrong bool
	}{
		{"a leave, which anybody can sign", []Item{Leaving(theAnchor.ID(), keyFrom(30), future).Item()}, false},
		{"a removal", []Item{theAdmin.Remove(id, future).Item()}, true},
		{"a removal by a revoked admin", []Item{theAdmin.Remove(id, future).Item(), expelled}, false},
		{"the same the other way round", []Item{expelled, theAdmin.Remove(id, future).Item()}, false},
		{"a removal that the admin dated anew", []Item{
			theAdmin.Remove(id, future).Item(), theAdmin.Remove(id, objectsAt).Item(),
		}, false},
		{"a certificate", []Item{certify(theAdmin, memberKey, "m", 3600*1000)}, true},
		{"a certificate by a revoked admin", []Item{certify(theAdmin, memberKey, "m", 3600*1000), expelled}, false},
		{"by the network", []Item{RemoveByNetwork(networkKey, id, future).Item()}, true},
	} {
		r := with(t, append([]Item{certify(secondAdmin, memberKey, "m", 0)}, tt.items...)...)
		if err := r.Clock(objectsAt); (err != nil) != tt.wrong {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
}

// TestDatesBehindTheEnd has things dated behind the end of this node's own certificate, by whoever it may
// be: they tell nothing. With its next certificate they may.
func TestDatesBehindTheEnd(t *testing.T) {
	end, self := objectsAt.Add(CertificateLife), idOf(keyFrom(30))
	for name, dated := range map[string]func(at time.Time) Item{
		"by the network": func(at time.Time) Item { return RemoveByNetwork(networkKey, NodeID{1}, at).Item() },
		"a removal":      func(at time.Time) Item { return theAdmin.Remove(NodeID{1}, at).Item() },
		"a certificate": func(at time.Time) Item {
			return certify(theAdmin, memberKey, "m", int(at.Sub(objectsAt)/time.Second))
		},
	} {
		for _, far := range []time.Duration{0, 1000 * 24 * time.Hour} {
			for _, ownFirst := range []bool{true, false} {
				items := []Item{certify(theAdmin, keyFrom(30), "self", 0), dated(end.Add(far))}
				if !ownFirst {
					items[0], items[1] = items[1], items[0]
				}
				r := New(Options{Anchor: theAnchor, Self: self, Built: objectsAt})
				if refused := r.Restore(objectsAt, items); refused != nil {
					t.Fatal(refused)
				}
				if err := r.Clock(objectsAt); err != nil {
					t.Errorf("%s, %v behind the end: %v", name, far, err)
				}
				r.Restore(objectsAt, []Item{certify(theAdmin, keyFrom(30), "self", 60)})
				if err := r.Clock(objectsAt); (err == nil) != (far > 0) {
					t.Errorf("%s, %v behind the end, with the next certificate: %v", name, far, err)
				}
			}
		}
	}
	r := New(Options{Anchor: theAnchor, Self: self, Built: objectsAt})
	r.Restore(objectsAt, []Item{
		certify(theAdmin, keyFrom(30), "self", 0), RemoveByNetwork(networkKey, NodeID{1}, end.Add(-1)).Item(),
	})
	if r.Clock(objectsAt) == nil {
		t.Error("a date before the end does not count")
	}
}

// TestDistantCertificate has a member be given a certificate that begins in a distant future.
func TestDistantCertificate(t *testing.T) {
	life := int(CertificateLife / time.Second)
	far, near := certify(theAdmin, memberKey, "m", life+2), certify(theAdmin, memberKey, "m", life)
	r := with(t, certify(theAdmin, memberKey, "m", 0))
	if _, err := r.Add(objectsAt, far); !errors.Is(err, ErrNotYet) || len(r.Members()) != 1 {
		t.Error(err, r.Members())
	}
	if ch, err := r.Add(objectsAt, near); err != nil || !ch.Fresh {
		t.Error(ch, err)
	}
	if ch, err := r.Add(objectsAt, far); err != nil || !ch.Fresh {
		t.Error("while this clock cannot be right:", ch, err)
	}
	r = with(t, certify(theAdmin, memberKey, "m", 0))
	if refused := r.Restore(objectsAt, []Item{far}); refused != nil {
		t.Error("at a start:", refused)
	}
}

// TestViewEnds has a member whose certificate expires while the clock is wrong for another reason.
func TestViewEnds(t *testing.T) {
	end, right := objectsAt.Add(CertificateLife), objectsAt.Add(CertificateLife+time.Hour)
	for name, r := range map[string]*Roster{
		"built": New(Options{Anchor: theAnchor, Built: right}), "signed": newRoster(),
	} {
		r.Restore(objectsAt, []Item{certify(theAdmin, memberKey, "m", 0)})
		if name == "signed" {
			add(t, r, theAdmin.Remove(NodeID{1}, right.Add(clockSlack)).Item())
		}
		for _, step := range []struct {
			at      time.Time
			members int
		}{{end.Add(time.Minute), 1}, {right, 0}, {end.Add(time.Minute), 1}} {
			if err := r.Clock(step.at); (err == nil) != (step.members == 0) || len(r.Members()) != step.members {
				t.Errorf("%s: at %s %d members, %v", name, step.at, len(r.Members()), err)
			}
		}
	}
}

// TestForget has members whose certificates ended a month ago. That their issuer is an admin is not
// forgotten: one of the certificates stays as a proof.
func TestForget(t *testing.T) {
	old := certify(theAdmin, memberKey, "old", 0)
	r := with(t, old, record(memberKey, 1), certify(theAdmin, keyFrom(20), "new", 600))
	long := objectsAt.Add(CertificateLife + forgetAfter)
	for _, tt := range []struct {
		at    time.Time
		items int
	}{{long.Add(-time.Second), 3}, {long, 1}, {long.Add(10 * time.Minute), 1}} {
		if err := r.Clock(tt.at); err != nil || len(r.Items()) != tt.items || len(r.Members()) != 0 {
			t.Errorf("%s: %d items, want %d; %v", tt.at, len(r.Items()), tt.items, err)
		}
	}
	if _, err := r.Add(long, old); !errors.Is(err, errLongAgo) || len(r.nodes) != 0 {
		t.Error("back again:", err)
	}
}

// TestForgetNobodyWhileClockWrong has this node's own certificate expired long ago, as all others.
func TestForgetNobodyWhileClockWrong(t *testing.T) {
	r := New(Options{Anchor: theAnchor, Self: idOf(memberKey)})
	items := []Item{certify(theAdmin, memberKey, "m", 0), certify(theAdmin, keyFrom(20), "other", 0)}
	add(t, r, items...)
	long := objectsAt.Add(2 * CertificateLife)
	if err := r.Clock(long); err == nil || len(r.Members()) != 2 {
		t.Error(err, r.Members())
	}
	r = New(Options{Anchor: theAnchor, Self: idOf(memberKey)})
	if refused := r.Restore(long, items); refused != nil || len(r.Members()) != 2 {
		t.Error("after a start:", refused, r.Members())
	}
}
