package tunnel_test

import (
	"crypto/sha256"
	"errors"
	"math/rand/v2"
	"net/netip"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/vxmesh/vxmesh/identity"
	"github.com/vxmesh/vxmesh/membership"
	"github.com/vxmesh/vxmesh/tunnel/enrol"
	"github.com/vxmesh/vxmesh/tunnel/roster"
	"github.com/vxmesh/vxmesh/tunnel/session"
	"github.com/vxmesh/vxmesh/tunnel/udp"
	"github.com/vxmesh/vxmesh/tunnel/wire"
)

// speaker has a session with a fellow and says in it what the test wants.
func (g *guild) speaker(as *member, to *fellow, o session.Options) *rogue {
	g.t.Helper()
	conn, err := as.host.Listen(as.addr, udp.Options{Buffer: 4 << 20})
	if err != nil {
		g.t.Fatal(err)
	}
	o.Epoch, o.Hardware, o.Network, o.Rand = 1, true, g.anchor.ID(), rand.NewChaCha8([32]byte{byte(as.i)})
	r := &rogue{w: g.world, of: as, to: to.member, conn: conn, ep: session.New(o)}
	if r.peer, err = r.ep.Add(to.options.Mesh.Key.Public()); err != nil {
		g.t.Fatal(err)
	}
	go r.run()
	r.call()
	g.within(time.Second, "the speaker has a session", func() bool { return r.transport() != nil })
	g.pass(3 * time.Second)
	return r
}

// liar is a fellow that speaks for itself, in session with another.
func (g *guild) liar(as, to *fellow) *rogue {
	g.t.Helper()
	return g.speaker(as.member, to, session.Options{
		Key: as.options.Mesh.Key, ID: as.id(), Secrets: [][32]byte{g.secret},
		Certificate: func() []byte { return as.o.Certificate.Raw },
	})
}

// tells sends items in one message.
func (r *rogue) tells(items ...roster.Item) {
	for _, m := range roster.ItemMessages(items, 500) {
		r.raw(r.control(m))
	}
}

// record is what a fellow says of itself, signed by a key.
func (g *guild) record(f *fellow, sequence uint64, at string) *roster.Record {
	g.t.Helper()
	r, err := roster.Record{
		Sequence: sequence, Endpoints: []netip.AddrPort{netip.MustParseAddrPort(at)},
	}.Sign(g.anchor.ID(), f.sign)
	if err != nil {
		g.t.Fatal(err)
	}
	return r
}

// spoiled is an item with one bit changed near its end, in the signature.
func spoiled(it roster.Item) roster.Item {
	raw := append([]byte(nil), it.Raw...)
	raw[len(raw)-2] ^= 1
	return roster.Item{Kind: it.Kind, Raw: raw}
}

// lies are what a member may say of others that is not so. Each is one item, or message, refused.
var lies = map[string]func(g *guild, r *rogue, of, liar *fellow){
	"a record of another, by the liar": func(g *guild, r *rogue, of, liar *fellow) {
		record := g.record(liar, 9<<32, "203.0.113.66:6")
		id := of.id()
		copy(record.Raw[1:], id[:])
		r.tells(record.Item())
	},
	"a record of another, changed": func(g *guild, r *rogue, of, _ *fellow) {
		r.tells(spoiled(g.record(of, 9<<32, "203.0.113.66:6").Item()))
	},
	"a record of another network": func(g *guild, r *rogue, of, _ *fellow) {
		record, _ := roster.Record{Sequence: 9 << 32}.Sign(roster.NetworkID{1}, of.sign)
		r.tells(record.Item())
	},
	"a certificate by a forger": func(g *guild, r *rogue, of, _ *fellow) {
		c := *of.o.Certificate
		c.Name, c.NotBefore = "other", g.wall()
		made, err := g.forger().Certify(c)
		if err != nil {
			g.t.Fatal(err)
		}
		r.tells(made.Item())
	},
	"a certificate, changed": func(g *guild, r *rogue, of, _ *fellow) {
		r.tells(spoiled(g.certify(of, everything, g.wall(), roster.CertificateLife).Item()))
	},
	"a removal by a forger": func(g *guild, r *rogue, of, _ *fellow) {
		r.tells(g.forger().Remove(of.id(), g.wall()).Item())
	},
	"a leave of another": func(g *guild, r *rogue, of, liar *fellow) {
		left := roster.Leaving(g.anchor.ID(), liar.sign, g.wall())
		id, key := of.id(), publicKey(of.sign)
		copy(left.Raw[2:], id[:])
		copy(left.Raw[38:], key[:])
		r.tells(left.Item())
	},
	"a removal by another network": func(g *guild, r *rogue, of, _ *fellow) {
		r.tells(roster.RemoveByNetwork(signKey("network", 2), of.id(), g.wall()).Item())
	},
	"a secret by a forger": func(g *guild, r *rogue, _, _ *fellow) {
		r.tells(g.forger().NewSecret(9, [32]byte{9}).Item())
	},
	"an items message that is none": func(_ *guild, r *rogue, _, _ *fellow) {
		r.raw(r.control([]byte{byte(wire.TypeItems), 1, 2, 3}))
	},
	"a summary that is none": func(_ *guild, r *rogue, _, _ *fellow) {
		r.raw(r.control([]byte{byte(wire.TypeSummary), 1, 2, 3}))
	},
	"a digest that is none": func(_ *guild, r *rogue, _, _ *fellow) {
		r.raw(r.control([]byte{byte(wire.TypeDigest), 1, 2, 3}))
	},
	"a want that is none": func(_ *guild, r *rogue, _, _ *fellow) {
		r.raw(r.control([]byte{byte(wire.TypeWant), 9}))
	},
	"a message that is too long": func(_ *guild, r *rogue, of, _ *fellow) {
		m := []byte{byte(wire.TypeItems)}
		for range 3 {
			m = roster.AppendItem(m, of.o.Certificate.Item())
		}
		r.raw(r.control(m))
	},
}

// TestMemberLies has a member say what is not so: it is counted, changes nothing, and goes no further.
func TestMemberLies(t *testing.T) {
	for name, lie := range lies {
		t.Run(name, func(t *testing.T) {
			simulateGuild(t, 20, 3, func(g *guild) {
				a, b, bad := g.fellows[0], g.fellows[1], g.fellows[2]
				b.meets(a)
				begin(a, b)
				r := g.liar(bad, a)
				g.within(5*time.Second, "all know each other", func() bool { return b.lists(bad) && a.direct(b) })
				before := [2]*roster.Member{a.entry(b), b.entry(b)}
				lie(g, r, b, bad)
				g.pass(5 * time.Second)
				if n := a.dropped(bad, "refused"); n != 1 {
					t.Errorf("dropped %v", a.counts(bad.member).Drops)
				}
				if n := b.dropped(a, "refused"); n != 0 {
					t.Errorf("an honest member is blamed: %v", b.counts(a.member).Drops)
				}
				for i, now := range []*roster.Member{a.entry(b), b.entry(b)} {
					if now == nil || *now != *before[i] {
						t.Errorf("%+v, was %+v", now, before[i])
					}
				}
				if len(a.Roster()) != 3 || len(b.Roster()) != 3 {
					t.Errorf("%d and %d members", len(a.Roster()), len(b.Roster()))
				}
				g.talk(a.member, b.member, time.Second)
			})
		})
	}
}

// TestMemberFlood has a member send far more messages than it may: they are dropped, news of others
// pass, and traffic too.
func TestMemberFlood(t *testing.T) {
	simulateGuild(t, 21, 4, func(g *guild) {
		a, b, c, bad := g.fellows[0], g.fellows[1], g.fellows[2], g.fellows[3]
		b.meets(a)
		c.meets(a)
		begin(a, b, c)
		r := g.liar(bad, a)
		g.talk(a.member, b.member, 3*time.Second)
		summary := (&roster.Summary{Count: 9}).Append(nil)
		sent := 0
		flood := func() bool {
			for range 200 {
				r.raw(r.control(summary))
			}
			sent += 200
			return true
		}
		from := r.heard()
		at := netip.MustParseAddrPort("203.0.113.9:7")
		b.move(b.addr, at)
		g.within(15*time.Second, "news come through", func() bool {
			m := c.entry(b)
			return flood() && m != nil && m.Record != nil && len(m.Record.Endpoints) == 2
		})
		for i := range 100 {
			flood()
			g.pass(10 * time.Millisecond)
			if i%10 == 0 {
				g.talk(a.member, b.member, time.Second)
			}
		}
		drops := a.counts(bad.member).Drops
		if drops["rate_limit"] < uint64(sent/2) {
			t.Errorf("of %d messages dropped %v", sent, drops)
		}
		if n := r.heard() - from; n > sent/2 {
			t.Errorf("%d datagrams for %d", n, sent)
		}
		if lost := lostBy(a.member); lost > 0 {
			t.Errorf("the socket lost %d datagrams: the flood is too large for this test", lost)
		}
	})
}

// TestMemberHoldsBack has a member keep a removal to itself: who talks to anybody else hears of it.
func TestMemberHoldsBack(t *testing.T) {
	simulateGuild(t, 22, 5, func(g *guild) {
		a, b, out, bad := g.fellows[0], g.fellows[1], g.fellows[2], g.fellows[4]
		g.allMeet()
		begin(g.fellows[:4]...)
		g.liar(bad, a)
		g.within(5*time.Second, "all are up", func() bool { return a.direct(b) && b.direct(out) && a.direct(bad) })
		a.publish(g.authority.Remove(out.id(), g.wall()).Item())
		g.within(10*time.Second, "all have heard", func() bool { return !b.peered(out) && !g.fellows[3].peered(out) })
	})
}

// TestMemberDoor lets a node in with an invitation, which becomes a member like any other.
func TestMemberDoor(t *testing.T) {
	simulateGuild(t, 23, 3, func(g *guild) {
		a := g.fellows[0]
		token := a.opens().invite(a, 1)
		g.allMeet()
		begin(g.fellows...)
		g.full(3 * time.Second)
		joiner := g.joiner(token, 1)
		r, err := enter(joiner)
		if err != nil {
			t.Fatal(err)
		}
		g.within(3*time.Second, "the others hear of it", func() bool { return len(g.fellows[2].Roster()) == 4 })
		f := g.admits(joiner, r)
		begin(f)
		g.full(5 * time.Second)
		g.talk(f.member, g.fellows[2].member, time.Second)
		again, err := enter(joiner)
		if err != nil || string(again.Grant.Certificate) != string(r.Grant.Certificate) {
			t.Errorf("the same keys again: %v, %v", again, err)
		}
	})
}

// TestMemberDoorRefuses tells joiners why they are not let in.
func TestMemberDoorRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		spoil func(g *guild, d *desk, o *enrol.Options)
		want  roster.RefusalReason
	}{
		"used up": {func(_ *guild, d *desk, o *enrol.Options) { d.uses[o.Token.Invitation()] = 0 }, roster.RefusedUsed},
		"unknown": {func(_ *guild, _ *desk, o *enrol.Options) { o.Token.Seed[9]++ }, roster.RefusedUnknown},
		"name taken": {
			func(_ *guild, _ *desk, o *enrol.Options) { o.Name = "m2" }, roster.RefusedName,
		},
		"as the registrar says": {func(_ *guild, d *desk, _ *enrol.Options) {
			d.refuse = &roster.Refusal{Reason: roster.RefusedExpired, Text: "long ago"}
		}, roster.RefusedExpired},
		"wrong clock": {
			func(g *guild, _ *desk, _ *enrol.Options) { g.fellows[0].setWall(-1000 * 24 * time.Hour) },
			roster.RefusedClock,
		},
		"removed": {func(g *guild, _ *desk, o *enrol.Options) {
			g.fellows[0].publish(g.authority.Remove(publicKey(o.Sign).Node(), g.wall()).Item())
		}, roster.RefusedRevoked},
	} {
		t.Run(name, func(t *testing.T) {
			simulateGuild(t, 24, 2, func(g *guild) {
				a := g.fellows[0]
				d := a.opens()
				joiner := g.joiner(d.invite(a, 1), 1)
				g.allMeet()
				begin(g.fellows...)
				g.full(3 * time.Second)
				c.spoil(g, d, &joiner)
				g.pass(time.Second)
				_, err := enter(joiner)
				refusal, told := errors.AsType[*roster.Refusal](err)
				if !told || refusal.Reason != c.want {
					t.Errorf("%v, want %v", err, c.want)
				}
				if len(a.Roster()) != 2 {
					t.Errorf("%d members", len(a.Roster()))
				}
			})
		})
	}
}

// TestMemberDoorIsSilent has nodes knock that do not know an invitation, or when there is none.
func TestMemberDoorIsSilent(t *testing.T) {
	for name, spoil := range map[string]func(d *desk, o *enrol.Options){
		"no invitation is open": func(d *desk, _ *enrol.Options) { clear(d.uses) },
		"another network":       func(_ *desk, o *enrol.Options) { o.Token.Network[3]++ },
		"another inviter": func(_ *desk, o *enrol.Options) {
			o.Token.Inviter = roster.SessionKey(nodeKey(77).Public())
		},
	} {
		t.Run(name, func(t *testing.T) {
			simulateGuild(t, 25, 1, func(g *guild) {
				a := g.fellows[0]
				d := a.opens()
				joiner := g.joiner(d.invite(a, 1), 1)
				spoil(d, &joiner)
				begin(a)
				g.pass(time.Second)
				said := 0
				g.tapping(func(from, _ netip.AddrPort, _ []byte) bool {
					if from == a.addr {
						said++
					}
					return true
				})
				_, err := enter(joiner)
				if !errors.Is(err, enrol.ErrNoAnswer) || !strings.Contains(err.Error(), a.addr.String()) {
					t.Errorf("%v", err)
				}
				if said > 0 || d.asked > 0 {
					t.Errorf("%d datagrams to a stranger, %d redemptions", said, d.asked)
				}
			})
		})
	}
}

// TestMemberDoorReplay has somebody send a redemption that was made for another session, or another key.
func TestMemberDoorReplay(t *testing.T) {
	simulateGuild(t, 26, 1, func(g *guild) {
		a := g.fellows[0]
		d := a.opens()
		token := d.invite(a, 1)
		begin(a)
		g.pass(time.Second)
		thief := g.add()
		r := g.speaker(thief, a, session.Options{
			Key: thief.options.Mesh.Key, Secrets: [][32]byte{roster.DoorSecret(g.anchor.ID(), token.Inviter)},
		})
		own := roster.SessionKey(thief.options.Mesh.Key.Public())
		binding := r.transport().Binding()
		sign := signKey("thief", 1)
		other := sha256.Sum256([]byte("another session"))
		forged := token.Redeem(binding, sign, own, "joiner")
		forged.Sign = publicKey(signKey("victim", 1))
		renamed := token.Redeem(binding, sign, own, "joiner")
		renamed.Name = "other"
		for name, redeem := range map[string]*roster.Redeem{
			"of another session":  token.Redeem(other, sign, own, "joiner"),
			"of another's keys":   token.Redeem(binding, sign, roster.SessionKey{1}, "joiner"),
			"with a key not held": forged,
			"with another name":   renamed,
		} {
			r.clear()
			r.raw(r.control(roster.AppendRedeem(nil, redeem)))
			g.pass(time.Second)
			refusal, err := roster.ParseRefusal(r.lastTold())
			if err != nil || refusal.Reason != roster.RefusedUnknown || d.asked > 0 {
				t.Errorf("%s: %v, %v, asked %d times", name, refusal, err, d.asked)
			}
		}
		r.raw(r.control(roster.AppendRedeem(nil, token.Redeem(binding, sign, own, "joiner"))))
		g.pass(time.Second)
		if _, err := roster.ParseGrant(r.lastTold()); err != nil {
			t.Errorf("the right one: %v", err)
		}
	})
}

// clear forgets what was told so far.
func (r *rogue) clear() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.told = nil
}

// lastTold is the last control message that came.
func (r *rogue) lastTold() []byte {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.told) == 0 {
		return nil
	}
	return r.told[len(r.told)-1]
}

// A counter is a registrar that keeps its invitations on the disk.
type counter struct{ *membership.Member }

func (c counter) Open(now time.Time) bool { return c.OpenInvitations(now) }
func (c counter) Network() string         { return c.Name() }

// founded is a fellow whose membership is on the disk; the guild is its network.
func (g *guild) founded() (*fellow, *membership.Member) {
	g.t.Helper()
	dir := g.t.TempDir()
	id, err := identity.Create(filepath.Join(dir, "identity.key"))
	if err != nil {
		g.t.Fatal(err)
	}
	m, err := membership.Found(filepath.Join(dir, "state"), membership.FoundOptions{
		Network: "guild", Identity: id, Node: "m1", Now: g.wall(),
	})
	if err != nil {
		g.t.Fatal(err)
	}
	f := g.enlist(everything)
	f.sign, f.options.Mesh.Key, f.options.Mesh.ID = m.SignKey(), id.PrivateKey(), id.ID()
	f.o.Sign, f.o.Anchor, f.o.Certificate = m.SignKey(), m.Anchor(), m.Certificate()
	f.o.Number, f.o.Secret = m.Secret()
	f.o.Registrar = counter{m}
	return f, m
}

// TestMemberDoorRace has a hundred joiners come with one invitation for one of them.
func TestMemberDoorRace(t *testing.T) {
	for _, onDisk := range []bool{true, false} {
		simulateGuild(t, 27, 0, func(g *guild) {
			f, token := g.raceFor(onDisk)
			begin(f)
			g.pass(time.Second)
			won, errs := g.race(token, 100)
			if won != 1 {
				t.Errorf("%d came in", won)
			}
			for _, err := range errs {
				if refusal, told := errors.AsType[*roster.Refusal](err); !told || refusal.Reason != roster.RefusedUsed {
					t.Errorf("%v", err)
				}
			}
			if n := len(f.Roster()); n != 2 {
				t.Errorf("%d members", n)
			}
		})
	}
}

// raceFor is a fellow and an invitation of its that can be used once.
func (g *guild) raceFor(onDisk bool) (*fellow, *roster.Token) {
	g.t.Helper()
	if !onDisk {
		f := g.enlist(everything)
		return f, f.opens().invite(f, 1)
	}
	f, m := g.founded()
	token, _, err := m.Invite(membership.InviteOptions{Endpoints: []netip.AddrPort{f.addr}, Now: g.wall()})
	if err != nil {
		g.t.Fatal(err)
	}
	return f, token
}

// race has joiners redeem an invitation at once.
func (g *guild) race(token *roster.Token, joiners int) (won int, errs []error) {
	var all sync.WaitGroup
	var mu sync.Mutex
	for i := range joiners {
		o := g.joiner(token, i)
		all.Go(func() {
			_, err := enter(o)
			mu.Lock()
			defer mu.Unlock()
			if err == nil {
				won++
			} else {
				errs = append(errs, err)
			}
		})
	}
	all.Wait()
	return won, errs
}

// TestMemberTwin has another machine run with a member's keys and certificate: all are told.
func TestMemberTwin(t *testing.T) {
	for name, epoch := range map[string]uint32{"the copy is older": 1, "the copy is newer": 9} {
		t.Run(name, func(t *testing.T) {
			simulateGuild(t, 28, 2, func(g *guild) {
				a, b := g.fellows[0], g.fellows[1]
				b.options.Mesh.Epoch = 5
				b.meets(a)
				begin(a, b)
				g.talk(a.member, b.member, 3*time.Second)
				twin := g.enlist(everything)
				twin.options.Mesh.Key, twin.options.Mesh.ID = b.options.Mesh.Key, b.options.Mesh.ID
				twin.options.Mesh.Epoch, twin.o.Sign, twin.o.Certificate = epoch, b.sign, b.o.Certificate
				twin.meets(a)
				g.twins(a.member, b.member, twin.member)
			})
		})
	}
}
