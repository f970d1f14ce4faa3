package tunnel_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/vxmesh/vxmesh/tunnel/roster"
	"github.com/vxmesh/vxmesh/tunnel/simnet"
)

// TestMemberBecomesAdmin has a member take the power to issue while it runs: it lets nodes in from then
// on. A reload without it takes nothing back, and one of another node changes nothing.
func TestMemberBecomesAdmin(t *testing.T) {
	simulateGuild(t, 50, 3, func(g *guild) {
		a, b := g.fellows[0], g.fellows[1]
		g.allMeet()
		begin(g.fellows...)
		g.full(3 * time.Second)
		authority := roster.Authority{
			Network: g.anchor.ID(), Key: b.sign, Delegation: roster.Delegate(g.key, publicKey(b.sign)),
		}
		o := *b.o
		next := b.options
		next.Mesh.Membership = &o
		founder := g.authority
		g.authority = authority
		o.Certificate = g.certify(b, roster.Rights{Bridge: true, Admin: true}, g.wall(), roster.CertificateLife)
		d := b.opens()
		g.authority = founder
		o.Authority, o.Registrar, b.o.Registrar = &authority, d, nil
		if err := b.Apply(next); err != nil {
			t.Fatal(err)
		}
		g.within(3*time.Second, "a sees that it is one", func() bool { return a.entry(b).Admin })
		if err := b.Apply(b.options); err != nil { // the membership as it was
			t.Fatal(err)
		}
		other := o
		other.Certificate, other.Authority, other.Registrar = a.o.Certificate, &founder, nil
		b.TakeMembership(&other)
		b.TakeMembership(nil)
		g.pass(2 * time.Second)
		joiner := g.joiner(d.invite(b, 1), 9)
		r, err := enter(joiner)
		if err != nil {
			t.Fatal(err)
		}
		f := g.admits(joiner, r)
		begin(f)
		g.full(5 * time.Second)
		if got := a.entry(f).Certificate.Issuer; got != authority.SignKey() {
			t.Errorf("issued by %v", got)
		}
	})
}

// TestMemberRenewsWhoLives has an admin renew who was heard of while its certificate was old: in a
// session, or by what it says of itself. Who was not is gone when its certificate ends.
func TestMemberRenewsWhoLives(t *testing.T) {
	simulateGuild(t, 51, 4, func(g *guild) {
		a, b, far, dead := g.fellows[0], g.fellows[1], g.fellows[2], g.fellows[3]
		g.allMeet()
		begin(g.fellows...)
		g.full(3 * time.Second)
		g.pass(15 * time.Second)
		dead.kill()
		g.link(a.member, far.member).Set(simnet.Conditions{Down: true})
		g.pass(10 * time.Minute)
		if a.direct(far) {
			t.Fatal("a has a path to who is far away")
		}
		for _, f := range g.fellows {
			f.setWall(roster.RenewAfter)
		}
		renewed := func(by, f *fellow) bool {
			m := by.entry(f)
			return m != nil && m.Certificate.NotBefore.After(f.o.Certificate.NotBefore)
		}
		g.within(5*time.Minute, "all that live have new ones", func() bool {
			return renewed(a, a) && renewed(a, b) && renewed(a, far) && renewed(far, far)
		})
		if renewed(a, dead) {
			t.Error("who is dead has a new one")
		}
		for _, f := range g.fellows {
			f.setWall(roster.CertificateLife)
		}
		g.pass(2 * time.Minute)
		for _, f := range g.fellows[:3] {
			if f.lists(dead) || !f.lists(b) || !f.lists(far) {
				t.Errorf("%s has %d members", f.name, len(f.Roster()))
			}
		}
	})
}

// TestMemberNamesStay has the certificates of two members be renewed that have one name.
func TestMemberNamesStay(t *testing.T) {
	simulateGuild(t, 52, 4, func(g *guild) {
		const day = 24 * time.Hour
		a, older, younger := g.fellows[0], g.fellows[1], g.fellows[2]
		older.o.Certificate = g.certify(older, everything, g.wall().Add(-10*day), roster.CertificateLife)
		name := younger.name
		younger.name = older.name
		younger.o.Certificate = g.certify(younger, everything, g.wall(), roster.CertificateLife)
		younger.name = name
		g.allMeet()
		begin(g.fellows...)
		second := fmt.Sprintf("%s-%.4s", older.name, younger.id())
		stay := func() {
			t.Helper()
			for _, f := range g.fellows {
				if o, y := f.entry(older).Name, f.entry(younger).Name; o != older.name || y != second {
					t.Fatalf("%s calls them %s and %s", f.name, o, y)
				}
			}
		}
		g.full(5 * time.Second)
		stay()
		for _, age := range []time.Duration{51 * day, 61 * day} {
			for _, f := range g.fellows {
				f.setWall(age)
			}
			for range 60 {
				g.pass(5 * time.Second)
				stay()
			}
		}
		for _, f := range []*fellow{older, younger} {
			if c := a.entry(f).Certificate; c.NotBefore.Sub(g.wall()) < 50*day {
				t.Errorf("%s has its certificate since %v", c.Name, c.NotBefore)
			}
		}
		if got := a.entry(younger).Certificate.Name; !strings.HasPrefix(got, older.name+"-") {
			t.Errorf("the younger one's says %s", got)
		}
	})
}

// TestMemberRenamedEarly has a member get another name, because an older one has the same, before it has
// used the session that it began: what it was answered with is gone then, which it has to find out.
func TestMemberRenamedEarly(t *testing.T) {
	simulateGuild(t, 54, 3, func(g *guild) {
		a, older, younger := g.fellows[0], g.fellows[1], g.fellows[2]
		older.o.Certificate = g.certify(older, everything, g.wall().Add(-time.Hour), roster.CertificateLife)
		name := younger.name
		younger.name = older.name
		younger.o.Certificate = g.certify(younger, everything, g.wall(), roster.CertificateLife)
		younger.name = name
		g.allMeet()
		g.link(a.member, younger.member).Set(simnet.Conditions{Delay: 40 * time.Millisecond})
		g.link(a.member, older.member).Set(simnet.Conditions{Delay: 50 * time.Millisecond})
		begin(g.fellows...)
		g.full(5 * time.Second)
	})
}

// TestMemberEarlyRecord has what a member says of itself come before its certificate: that is counted,
// but not as somebody's fault.
func TestMemberEarlyRecord(t *testing.T) {
	simulateGuild(t, 53, 3, func(g *guild) {
		a, new, honest := g.fellows[0], g.fellows[1], g.fellows[2]
		begin(a)
		r := g.liar(honest, a)
		record := g.record(new, 1, "203.0.113.66:6")
		r.tells(record.Item())
		g.pass(time.Second)
		if drops := a.counts(honest.member).Drops; drops["early"] != 1 || drops["refused"] != 0 {
			t.Errorf("dropped %v", drops)
		}
		r.tells(new.o.Certificate.Item(), record.Item())
		g.pass(time.Second)
		if m := a.entry(new); m == nil || m.Record == nil {
			t.Errorf("in the right order: %+v", m)
		}
	})
}
