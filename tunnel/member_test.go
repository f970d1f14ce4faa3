package tunnel_test

import (
	"fmt"
	"net/netip"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/vxmesh/vxmesh/tunnel/control"
	"github.com/vxmesh/vxmesh/tunnel/roster"
	"github.com/vxmesh/vxmesh/tunnel/simnet"
	"github.com/vxmesh/vxmesh/tunnel/wire"
)

// TestMembersByHandshake has one of two know the other, which learns of it by its handshake alone.
func TestMembersByHandshake(t *testing.T) {
	for _, founderCalls := range []bool{true, false} {
		t.Run(fmt.Sprint(founderCalls), func(t *testing.T) {
			simulateGuild(t, 1, 3, func(g *guild) {
				a, b, c := g.fellows[0], g.fellows[1], g.fellows[2]
				if founderCalls {
					a.meets(b)
				} else {
					b.meets(a)
				}
				c.meets(a)
				begin(a, c)
				g.within(3*time.Second, "a and c are up", func() bool { return a.direct(c) && c.direct(a) })
				begin(b)
				g.full(3 * time.Second)
				g.talk(a.member, b.member, time.Second)
				if n := c.dropped(a, "refused"); n > 0 {
					t.Errorf("a told %d things of b that made no sense", n)
				}
			})
		})
	}
}

// TestMembersOfOneSeed has many know one that the others are known to, over links that lose.
func TestMembersOfOneSeed(t *testing.T) {
	simulateGuild(t, 2, 12, func(g *guild) {
		g.links(simnet.Conditions{Delay: 30 * time.Millisecond, Jitter: 20 * time.Millisecond, Loss: 0.1})
		g.allMeet()
		begin(g.fellows...)
		t.Logf("up after %v", g.full(30*time.Second))
		g.links(simnet.Conditions{})
		g.pass(time.Second)
		g.everybodyHears()
	})
}

// links sets all links between fellows.
func (g *guild) links(c simnet.Conditions) {
	for i, a := range g.fellows {
		for _, b := range g.fellows[i+1:] {
			g.link(a.member, b.member).Set(c)
		}
	}
}

// forger is an authority that the network's key knows nothing of.
func (g *guild) forger() roster.Authority {
	key := signKey("forger", 1)
	return roster.Authority{
		Network: g.anchor.ID(), Key: key, Delegation: roster.Delegate(signKey("network", 2), publicKey(key)),
	}
}

// outsiders change what a fellow shows or knows, so that nobody may talk to it.
var outsiders = map[string]func(g *guild, f *fellow){
	"expired": func(g *guild, f *fellow) {
		f.o.Certificate = g.certify(f, everything, g.wall().Add(-48*time.Hour), 24*time.Hour)
	},
	"not yet": func(g *guild, f *fellow) {
		f.o.Certificate = g.certify(f, everything, g.wall().Add(time.Hour), 24*time.Hour)
	},
	"by a forger": func(g *guild, f *fellow) {
		right := g.authority
		g.authority = g.forger()
		f.o.Certificate = g.certify(f, everything, g.wall(), roster.CertificateLife)
		g.authority = right
	},
	"by an authority with another's delegation": func(g *guild, f *fellow) {
		right := g.authority
		g.authority.Key = f.sign
		f.o.Certificate = g.certify(f, everything, g.wall(), roster.CertificateLife)
		g.authority = right
	},
	"with a bit changed": func(_ *guild, f *fellow) {
		c := *f.o.Certificate
		c.Raw = slices.Clone(c.Raw)
		c.Raw[1] ^= 2 // an admin now
		f.o.Certificate = &c
	},
	"of another node": func(g *guild, f *fellow) { f.o.Certificate = g.fellows[2].o.Certificate },
	"with another session key": func(g *guild, f *fellow) {
		f.options.Mesh.Key = nodeKey(99)
	},
	"of another network": func(g *guild, f *fellow) {
		f.o.Anchor = roster.Anchor{Key: [32]byte(publicKey(signKey("network", 2)))}
	},
	"without the secret": func(_ *guild, f *fellow) { f.o.Secret = [32]byte{2} },
	"removed": func(g *guild, f *fellow) {
		g.fellows[0].o.Items = append(g.fellows[0].o.Items, g.authority.Remove(f.id(), g.wall()).Item())
	},
	"that left": func(g *guild, f *fellow) {
		left := roster.Leaving(g.anchor.ID(), f.sign, g.wall())
		g.fellows[0].o.Items = append(g.fellows[0].o.Items, left.Item())
	},
}

// TestMemberOutsiders has nodes call a member that are none, whatever they may know.
func TestMemberOutsiders(t *testing.T) {
	for name, spoil := range outsiders {
		t.Run(name, func(t *testing.T) {
			simulateGuild(t, 3, 3, func(g *guild) {
				a, b := g.fellows[0], g.fellows[1]
				b.meets(a)
				spoil(g, b)
				sessions := g.sessions()
				begin(a, b)
				g.pass(30 * time.Second)
				if len(sessions) > 0 {
					t.Errorf("sessions: %v", sessions)
				}
				for _, p := range slices.Concat(a.Peers().Peers, b.Peers().Peers) {
					if p.State != control.PeerDown {
						t.Errorf("%+v", p)
					}
				}
			})
		})
	}
}

// hub has the founder reach the second fellow only.
func (g *guild) hub() {
	for _, f := range g.fellows[2:] {
		g.link(g.fellows[0].member, f.member).Set(simnet.Conditions{Down: true})
	}
}

// knows reports whether the fellow's switch has a station that is behind another.
func (f *fellow) knows(other *fellow) bool {
	return slices.ContainsFunc(f.FDB(control.FDBFilter{}).Entries, func(e control.FDBEntry) bool {
		return e.MAC == station(other.i)
	})
}

// TestMemberRemoval has a member removed by one that reaches a single other one. It comes back neither by
// itself nor with the help of a member that was away.
func TestMemberRemoval(t *testing.T) {
	simulateGuild(t, 4, 7, func(g *guild) {
		g.allMeet()
		begin(g.fellows...)
		g.full(5 * time.Second)
		g.everybodyHears()
		a, away, out := g.fellows[0], g.fellows[5], g.fellows[6]
		if !g.fellows[2].knows(out) {
			t.Fatal("the switch has learned nothing")
		}
		away.kill()
		g.hub()
		a.publish(g.authority.Remove(out.id(), g.wall()).Item())
		others := g.fellows[:5]
		gone := func() bool {
			return !slices.ContainsFunc(others, func(f *fellow) bool {
				return f.lists(out) || f.knows(out) || f.peered(out)
			})
		}
		t.Logf("gone after %v", g.within(10*time.Second, "all have heard", gone))
		g.within(time.Second, "it is told itself", func() bool { return out.told() != nil })
		if r := out.told(); r.Node != out.id() || len(out.Peers().Peers) > 0 {
			t.Errorf("%+v, %+v", r, out.Peers())
		}
		g.links(simnet.Conditions{})
		away.again()
		g.pass(10 * time.Second)
		if len(out.Peers().Peers) > 0 {
			t.Error("it talks to one that has not heard")
		}
		out.stop()
		away.kill()
		out.again()
		away.again()
		g.pass(time.Minute)
		others = g.fellows[:6]
		if !gone() {
			t.Error("who was removed is back")
		}
		for _, f := range others {
			if !f.whole(len(others)) {
				t.Errorf("%s has %d members", f.name, len(f.Roster()))
			}
		}
		for _, p := range out.Peers().Peers {
			if p.State != control.PeerDown {
				t.Errorf("who was removed has %+v", p)
			}
		}
	})
}

// peered reports whether another is a peer of the fellow, in whatever state.
func (f *fellow) peered(other *fellow) bool {
	return slices.ContainsFunc(f.Peers().Peers, func(p control.Peer) bool { return p.Name == other.name })
}

// secretNumber is that of the newest secret that a fellow kept.
func (f *fellow) secretNumber() (number uint64) {
	f.lock.Lock()
	defer f.lock.Unlock()
	for _, it := range f.kept {
		if it.Kind == roster.ItemSecret {
			s, err := roster.ParseSecret(it.Raw)
			if err != nil {
				f.w.t.Fatal(err)
			}
			number = max(number, s.Number)
		}
	}
	return number
}

// TestMemberNewSecret has a member come back after the others have had new secrets, and who was removed
// not be told one, whatever gets lost.
func TestMemberNewSecret(t *testing.T) {
	for name, how := range map[string]struct{ together, lost bool }{
		"together": {true, false}, "together, the removal is lost": {true, true},
		"in turn": {false, false}, "in turn, the removal is lost": {false, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			simulateGuild(t, 5, 8, func(g *guild) {
				g.allMeet()
				begin(g.fellows...)
				g.full(5 * time.Second)
				a, away, out := g.fellows[0], g.fellows[6], g.fellows[7]
				away.stop()
				g.links(simnet.Conditions{Delay: 20 * time.Millisecond, Jitter: 20 * time.Millisecond, Loss: 0.2})
				removal := g.authority.Remove(out.id(), g.wall()).Item()
				secret := g.authority.NewSecret(2, [32]byte{2}).Item()
				if how.lost {
					g.loses(removal)
				}
				if how.together {
					a.publish(removal, secret)
				} else {
					a.publish(removal)
					a.publish(roster.Leaving(g.anchor.ID(), signKey("nobody", 1), g.wall()).Item())
					a.publish(secret)
				}
				g.pass(time.Second)
				g.tapping(nil)
				g.pass(time.Minute)
				a.publish(g.authority.NewSecret(3, [32]byte{3}).Item())
				g.pass(time.Minute)
				g.links(simnet.Conditions{})
				away.again()
				out.stop()
				g.full(20 * time.Second)
				g.pass(5 * time.Second) // they keep it
				for _, f := range g.fellows[:7] {
					if n := f.secretNumber(); n != 3 {
						t.Errorf("%s has secret %d", f.name, n)
					}
				}
				if n := out.secretNumber(); n != 0 {
					t.Errorf("who was removed has secret %d", n)
				}
			})
		})
	}
}

// loses has no message arrive that tells of an item alone.
func (g *guild) loses(it roster.Item) {
	size := len(roster.ItemMessages([]roster.Item{it}, 500)[0]) + wire.Overhead
	g.tapping(func(_, _ netip.AddrPort, datagram []byte) bool { return len(datagram) != size })
}

// TestMembersRestart has a whole network be started again, with all addresses as they were, or with one.
func TestMembersRestart(t *testing.T) {
	for _, moved := range []bool{false, true} {
		t.Run(fmt.Sprint(moved), func(t *testing.T) {
			simulateGuild(t, 6, 6, func(g *guild) {
				g.allMeet()
				begin(g.fellows...)
				g.full(5 * time.Second)
				g.pass(5 * time.Second) // they keep what they know
				for _, f := range g.fellows {
					f.kill()
				}
				for i, f := range g.fellows {
					if moved && i != 3 {
						to := netip.AddrFrom4([4]byte{203, 0, 113, byte(f.i)})
						f.host.SetAddr(f.addr.Addr(), to)
						f.addr = netip.AddrPortFrom(to, f.addr.Port())
						f.move(f.addr)
					}
					f.again()
				}
				t.Logf("up after %v", g.full(30*time.Second))
				g.everybodyHears()
			})
		})
	}
}

// TestMemberRecordSpreads has a member be found elsewhere as well, in a network that loses datagrams.
func TestMemberRecordSpreads(t *testing.T) {
	simulateGuild(t, 7, 15, func(g *guild) {
		g.allMeet()
		begin(g.fellows...)
		g.full(5 * time.Second)
		g.links(simnet.Conditions{Delay: 40 * time.Millisecond, Loss: 0.05})
		f := g.fellows[9]
		t.Logf("spread after %v", g.spreads(f, netip.MustParseAddrPort("203.0.113.9:7")))
	})
}

// spreads has a fellow say that it is somewhere, and waits until all know, for at most 3 s.
func (g *guild) spreads(f *fellow, at netip.AddrPort) time.Duration {
	g.t.Helper()
	f.move(f.addr, at)
	said := func(by *fellow) bool {
		m := by.entry(f)
		return m != nil && m.Record != nil && slices.Contains(m.Record.Endpoints, at)
	}
	g.within(11*time.Second, "it notices itself", func() bool { return said(f) })
	left := slices.Clone(g.fellows)
	return g.within(scaleChange, "all have the record", func() bool {
		left = slices.DeleteFunc(left, said)
		return len(left) == 0
	})
}

// TestMemberRights holds a member to its certificate.
func TestMemberRights(t *testing.T) {
	for name, c := range map[string]struct {
		rights  roster.Rights
		sources int // how many of its source addresses come through
		reason  string
	}{
		"may not bridge":          {roster.Rights{}, 1, "rights"},
		"may not bridge, limit 5": {roster.Rights{MACs: 5}, 1, "rights"},
		"three addresses":         {roster.Rights{Bridge: true, MACs: 3}, 3, "rights"},
		"any":                     {roster.Rights{Bridge: true, Segments: []uint32{7}}, 6, ""},
		"another segment":         {roster.Rights{Bridge: true, Segments: []uint32{8}}, 0, "not_member"},
	} {
		t.Run(name, func(t *testing.T) {
			simulateGuild(t, 8, 1, func(g *guild) {
				a, b := g.fellows[0], g.enlist(c.rights)
				b.meets(a)
				begin(a, b)
				g.full(3 * time.Second)
				speak := func() []string {
					for i := range 6 {
						b.inject(bare, plainFrame(everybody, station(100+i), fmt.Sprint(i)))
					}
					g.pass(100 * time.Millisecond)
					return a.bodies()
				}
				for range 2 { // the same ones again
					if got := speak(); len(got) != c.sources {
						t.Errorf("heard %q", got)
					}
				}
				if c.reason != "" && a.dropped(b, c.reason) != uint64(2*(6-c.sources)) {
					t.Errorf("dropped %v", a.counts(b.member).Drops)
				}
				if c.reason != "rights" {
					return
				}
				g.pass(6 * time.Minute) // who is silent for so long does not count
				b.inject(bare, plainFrame(everybody, station(105), "another"))
				g.pass(100 * time.Millisecond)
				if got := a.bodies(); len(got) != 1 {
					t.Errorf("after a while heard %q", got)
				}
			})
		})
	}
}

// TestMemberGate has frames wait while two know of different removals, but not for ever.
func TestMemberGate(t *testing.T) {
	for _, told := range []bool{true, false} { // whether the one can tell the other
		t.Run(fmt.Sprint(told), func(t *testing.T) {
			simulateGuild(t, 9, 3, func(g *guild) {
				a, b, out := g.fellows[0], g.fellows[1], g.fellows[2]
				g.allMeet()
				begin(g.fellows...)
				g.full(3 * time.Second)
				g.pass(5 * time.Second)
				b.kill()
				out.stop()
				removal := g.authority.Remove(out.id(), g.wall()).Item()
				a.publish(removal)
				if !told {
					g.loses(removal)
				}
				g.link(a.member, b.member).Set(simnet.Conditions{Delay: 50 * time.Millisecond})
				b.again()
				g.within(3*time.Second, "the session", func() bool { return a.direct(b) && b.direct(a) })
				began := time.Now()
				g.within(6*time.Second, "a frame", func() bool {
					a.say(b.member, "word")
					return len(b.bodies()) > 0
				})
				after := time.Since(began)
				if told && (after > time.Second || b.lists(out)) {
					t.Errorf("the frame came after %v, and b takes the other for a member: %v", after, b.lists(out))
				}
				if !told && (after < 4*time.Second || !b.lists(out)) {
					t.Errorf("the frame came after %v", after)
				}
			})
		})
	}
}

// TestMemberWrongClock has an admin's clock go wrong: sessions go on, and nobody new comes in.
func TestMemberWrongClock(t *testing.T) {
	for name, wrong := range map[string]time.Duration{
		"back": -400 * 24 * time.Hour, "ahead": 400 * 24 * time.Hour,
	} {
		t.Run(name, func(t *testing.T) {
			simulateGuild(t, 10, 4, func(g *guild) {
				a, b, late := g.fellows[0], g.fellows[1], g.fellows[3]
				g.allMeet()
				a.opens()
				begin(g.fellows[:3]...)
				g.full(3 * time.Second)
				a.setWall(wrong)
				g.pass(15 * time.Second)
				if w := a.Status().Warnings; !slices.ContainsFunc(w, func(w control.Warning) bool {
					return w.Code == "clock_implausible"
				}) {
					t.Errorf("warns of %+v", w)
				}
				begin(late)
				for range 10 {
					g.pass(75 * time.Second) // keys are replaced meanwhile
					g.talk(a.member, b.member, 3*time.Second)
				}
				if a.peered(late) || a.lists(late) {
					t.Error("somebody new is in")
				}
				if c := a.entry(b).Certificate; !c.NotBefore.Equal(b.o.Certificate.NotBefore) {
					t.Errorf("a certificate was renewed at %v", c.NotBefore)
				}
				a.setWall(0)
				g.full(45 * time.Second)
			})
		})
	}
}

// TestMemberCertificatesEnd has certificates be renewed that grow old, and sessions end with those that
// are not.
func TestMemberCertificatesEnd(t *testing.T) {
	simulateGuild(t, 11, 3, func(g *guild) {
		brief := g.fellows[2]
		brief.o.Certificate = g.certify(brief, everything, g.wall(), time.Hour)
		old := g.fellows[1].o.Certificate.NotAfter
		g.allMeet()
		begin(g.fellows...)
		g.full(3 * time.Second)
		g.pass(50 * time.Minute)
		if !g.fellows[1].direct(brief) {
			t.Error("a member is away before its time is up")
		}
		g.pass(21 * time.Minute)
		for _, f := range g.fellows[:2] {
			if f.peered(brief) || f.lists(brief) {
				t.Errorf("%s has it still", f.name)
			}
		}
		for _, f := range g.fellows {
			f.setWall(roster.RenewAfter)
		}
		g.pass(11 * time.Minute)
		for _, f := range g.fellows[:2] {
			if c := f.entry(g.fellows[1]).Certificate; !c.NotAfter.After(old) {
				t.Errorf("%s knows of a certificate until %v", f.name, c.NotAfter)
			}
		}
	})
}

// TestMemberKeepalive has one ping and its answer keep the path between two open that are quiet.
func TestMemberKeepalive(t *testing.T) {
	simulateGuild(t, 12, 2, func(g *guild) {
		a, b := g.fellows[0], g.fellows[1]
		b.meets(a)
		g.link(a.member, b.member).Set(simnet.Conditions{Delay: 30 * time.Millisecond})
		begin(a, b)
		g.full(3 * time.Second)
		g.pass(25 * time.Second)
		last := map[netip.AddrPort]time.Time{a.addr: time.Now(), b.addr: time.Now()}
		pings := 0
		g.tapping(func(from, _ netip.AddrPort, datagram []byte) bool {
			if quiet := time.Since(last[from]); quiet > 29*time.Second {
				t.Errorf("%v was silent for %v", from, quiet)
			}
			last[from] = time.Now()
			if wire.KindOf(datagram) == wire.Data && len(datagram) == wire.Overhead+wire.PingLen {
				pings++
			}
			return true
		})
		g.pass(10 * time.Minute)
		if pings < 18 || pings > 30 {
			t.Errorf("%d pings in ten minutes", pings)
		}
		g.tapping(nil)
		g.silence(b.member, true)
		for i := range 8 { // what a says and nobody answers does not count
			a.move(a.addr, netip.AddrPortFrom(a.addr.Addr(), uint16(1+i)))
			g.pass(5 * time.Second)
		}
		if a.direct(b) {
			t.Error("a does not notice that b is gone")
		}
	})
}

// TestMembersEnd has all that members started end with them, at whatever time that is.
func TestMembersEnd(t *testing.T) {
	simulateGuild(t, 13, 5, func(g *guild) {
		g.allMeet()
		g.links(simnet.Conditions{Delay: 10 * time.Millisecond})
		for after := time.Duration(0); after < 200*time.Millisecond; after += 17 * time.Millisecond {
			for _, f := range g.fellows {
				f.options.Mesh.Epoch++
			}
			begin(g.fellows...)
			g.pass(after)
			for _, f := range g.fellows {
				f.stop()
			}
			synctest.Wait()
			stacks := make([]byte, 1<<20)
			stacks = stacks[:runtime.Stack(stacks, true)]
			if strings.Contains(string(stacks), "/vxmesh/tunnel.(") {
				t.Fatalf("after %v there is still\n%s", after, stacks)
			}
		}
	})
}

// TestMemberRemovalByTheNetwork has an admin be removed: what it removed itself is in again, and whom it let
// in is out, however late somebody hears of it.
func TestMemberRemovalByTheNetwork(t *testing.T) {
	simulateGuild(t, 14, 4, func(g *guild) {
		a, b, c, d := g.fellows[0], g.fellows[1], g.fellows[2], g.fellows[3]
		traitor := roster.Authority{
			Network: g.anchor.ID(), Key: b.sign, Delegation: roster.Delegate(g.key, publicKey(b.sign)),
		}
		founder := g.authority
		g.authority = traitor
		d.o.Certificate = g.certify(d, everything, g.wall(), roster.CertificateLife)
		g.authority = founder
		g.allMeet()
		begin(g.fellows...)
		g.full(3 * time.Second)
		b.publish(traitor.Remove(c.id(), g.wall()).Item())
		g.within(10*time.Second, "c is out", func() bool { return !a.peered(c) && !d.peered(c) })
		c.stop()
		a.publish(roster.RemoveByNetwork(g.key, b.id(), g.wall()).Item())
		g.within(10*time.Second, "b and d are out", func() bool {
			return !a.peered(b) && !a.peered(d)
		})
		c.again()
		g.within(20*time.Second, "c is in again", func() bool { return a.direct(c) && c.direct(a) })
	})
}
