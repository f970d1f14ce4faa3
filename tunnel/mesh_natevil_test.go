package tunnel_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vxmesh/vxmesh/nat"
	"github.com/vxmesh/vxmesh/tunnel/session"
	"github.com/vxmesh/vxmesh/tunnel/simnet"
	"github.com/vxmesh/vxmesh/tunnel/udp"
	"github.com/vxmesh/vxmesh/tunnel/wire"
)

// What strangers, peers and relays with bad intentions can do to how nodes find each other.

// tag is what relays call a member.
func (m *member) tag() nat.Tag {
	key := m.options.Mesh.Key.Public()
	return nat.Tag(key[:8])
}

// relayMessage asks to pass a datagram on, or says that it was.
func relayMessage(t wire.Type, node nat.Tag, datagram []byte) []byte {
	b := make([]byte, wire.RelayLen, wire.RelayLen+len(datagram))
	wire.PutRelay(b, t, node)
	return append(b, datagram...)
}

// stunAnswer is what a STUN server says: the question's number, and an IPv4 address (RFC 8489, 14.2).
func stunAnswer(number []byte, mapped netip.AddrPort) []byte {
	b := append([]byte{1, 1, 0, 12, 0x21, 0x12, 0xa4, 0x42}, number...)
	ip := mapped.Addr().As4()
	b = append(b, 0, 0x20, 0, 8, 0, 1)
	b = binary.BigEndian.AppendUint16(b, mapped.Port()^0x2112)
	return binary.BigEndian.AppendUint32(b, binary.BigEndian.Uint32(ip[:])^0x2112a442)
}

// TestForgedReflection has strangers answer what a node asks a STUN server: nobody comes to send to the
// addresses that they say.
func TestForgedReflection(t *testing.T) {
	server := netip.MustParseAddrPort("203.0.113.77:3478")
	forged := netip.MustParseAddrPort("203.0.113.66:666")
	for name, c := range map[string]struct {
		from   netip.AddrPort
		number byte // is added to the question's
		want   bool // it is believed
	}{
		"the server": {server, 0, true}, "another number": {server, 1, false},
		"another server": {attacker, 0, false}, "another port": {netip.AddrPortFrom(server.Addr(), 1), 0, false},
	} {
		t.Run(name, func(t *testing.T) {
			simulate(t, 50, func(w *world) {
				pub, a, b := w.add().finds(), w.site(simnet.FullCone), w.site(simnet.SymmetricRandom)
				acquaint(pub, a.member, b.member) // one that tells where they are is too few
				a.options.Mesh.STUN = []string{"stun"}
				a.options.Lookup = func(context.Context, []string) ([]netip.AddrPort, error) {
					return []netip.AddrPort{server}, nil
				}
				asked, lured := 0, 0
				outside := netip.AddrPortFrom(a.nat.Addr(), a.addr.Port()) // it keeps the port
				w.tapping(func(_, to netip.AddrPort, b []byte) bool {
					if to == server {
						asked++
						number := slices.Clone(b[8:20])
						number[0] += c.number
						time.AfterFunc(10*time.Millisecond, func() { w.net.Inject(c.from, outside, stunAnswer(number, forged)) })
					}
					if to == forged {
						lured++
					}
					return true
				})
				start(pub, a.member, b.member)
				w.talk(a.member, b.member, 3*time.Second)
				w.pass(10 * time.Second)
				if asked == 0 || lured > 0 != c.want {
					t.Errorf("%d questions, %d datagrams to the forged address", asked, lured)
				}
			})
		})
	}
}

// call is a call that names addresses as those where others see its sender.
func callNaming(number uint64, kind nat.Kind, addrs ...netip.AddrPort) []byte {
	c := wire.Call{Number: number}
	for _, a := range addrs {
		c.Candidates = append(c.Candidates, wire.Candidate{Kind: uint8(kind), Addr: a})
	}
	return c.Append(nil, wire.TypeCall)
}

// TestForgedCandidates has a member call ten times a second for a minute, and name others' addresses:
// what these get is bounded.
func TestForgedCandidates(t *testing.T) {
	simulate(t, 51, func(w *world) {
		a, of := w.add(), w.add()
		a.knows(of).calledBy(of)
		start(a)
		r := w.rogue(of, a)
		got, bytes := map[netip.Addr]int{}, 0
		w.tapping(func(from, to netip.AddrPort, b []byte) bool {
			if from == a.addr && to.Addr().As4()[0] == 198 {
				got[to.Addr()]++
				bytes += len(b)
			}
			return true
		})
		sent := 0
		for i := range 600 {
			var list []netip.AddrPort
			for j := range 16 {
				victim := byte((i*16 + j) % 100)
				list = append(list, netip.AddrPortFrom(netip.AddrFrom4([4]byte{198, 51, 100, 1 + victim}), 53))
			}
			b := r.control(callNaming(uint64(i+1), nat.KindReflexive, list...))
			sent += len(b)
			r.raw(b)
			w.pass(100 * time.Millisecond)
		}
		most, all := 0, 0
		for _, n := range got {
			most, all = max(most, n), all+n
		}
		t.Logf("a victim gets %d datagrams at most, %d victims %d in all; %d bytes for %d", most, len(got), all, bytes, sent)
		if all == 0 || all > 35*16*7 || most > 100 {
			t.Errorf("a victim gets %d datagrams, all of them %d", most, all)
		}
		if n := a.counts(of).Drops["rate_limit"]; n < 500 {
			t.Errorf("%d calls are refused", n)
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		if n := len(r.told); n == 0 || n > 40 {
			t.Errorf("%d calls are answered", n)
		}
	})
}

// TestSelfishCandidates has a member name addresses that nobody may be sent to.
func TestSelfishCandidates(t *testing.T) {
	simulate(t, 52, func(w *world) {
		a, of := w.add(), w.add()
		a.finds().knows(of).calledBy(of)
		start(a)
		r := w.rogue(of, a)
		bad := []netip.AddrPort{a.addr}
		for _, s := range []string{
			"127.0.0.1:53", "224.0.0.1:53", "255.255.255.255:53", "0.0.0.0:53", "0.1.2.3:53", "169.254.1.1:53",
			"240.0.0.1:53", "198.51.100.1:0",
		} {
			bad = append(bad, netip.MustParseAddrPort(s))
		}
		good := netip.MustParseAddrPort("198.51.100.9:53")
		seen := map[netip.AddrPort]int{}
		w.tapping(func(from, to netip.AddrPort, _ []byte) bool {
			if from == a.addr {
				seen[to]++
			}
			return true
		})
		for i, kind := range []nat.Kind{nat.KindReflexive, nat.KindLAN, nat.KindHost} {
			r.raw(r.control(callNaming(uint64(2*i+1), kind, append(bad, good)...)))
			w.pass(5 * time.Second)
		}
		// Kinds that nobody may claim.
		spare := netip.MustParseAddrPort("198.51.100.10:53")
		for i, kind := range []nat.Kind{0, nat.KindRelay, nat.KindPredicted, nat.KindSeen, 111, 255} {
			r.raw(r.control(callNaming(uint64(100+i), kind, spare)))
			w.pass(5 * time.Second)
		}
		for _, b := range append(bad, spare) {
			if seen[b] > 0 {
				t.Errorf("%d datagrams to %s", seen[b], b)
			}
		}
		if seen[good] == 0 {
			t.Error("nothing goes to the good one: this proves nothing")
		}
	})
}

// TestAnswersOfNobody: an answer to no call of ours, or to another, changes nothing; nor does a call that
// comes twice.
func TestAnswersOfNobody(t *testing.T) {
	simulate(t, 53, func(w *world) {
		a, of := w.add(), w.add()
		a.knows(of).calledBy(of)
		start(a)
		r := w.rogue(of, a)
		victim := netip.MustParseAddrPort("198.51.100.9:53")
		n := 0
		w.tapping(func(_, to netip.AddrPort, _ []byte) bool {
			if to == victim {
				n++
			}
			return true
		})
		for i := range uint64(20) {
			m := callNaming(i, nat.KindReflexive, victim)
			m[0] = byte(wire.TypeAnswer)
			r.raw(r.control(m))
			w.pass(500 * time.Millisecond)
		}
		if n > 0 {
			t.Errorf("%d datagrams because of answers to nothing", n)
		}
		r.raw(r.control(callNaming(7, nat.KindReflexive, victim)))
		w.pass(10 * time.Second)
		once := n
		r.mu.Lock()
		r.told = nil
		r.mu.Unlock()
		r.raw(r.control(callNaming(7, nat.KindReflexive, victim)))
		w.pass(10 * time.Second)
		r.mu.Lock()
		defer r.mu.Unlock()
		if once == 0 || n != once || len(r.told) > 0 {
			t.Errorf("%d datagrams for a call, %d for two; %d answers to the second", once, n, len(r.told))
		}
	})
}

// TestReplaysAmongRelays replays all that two nodes behind NATs and their relay send, from elsewhere.
func TestReplaysAmongRelays(t *testing.T) {
	simulate(t, 54, func(w *world) {
		pub, a, b := w.introduce(simnet.SymmetricRandom, simnet.FullCone)
		var seen [][2]any
		lured := 0
		w.tapping(func(_, to netip.AddrPort, d []byte) bool {
			switch {
			case to == attacker:
				lured++
			case to == pub.addr || to.Addr() == b.nat.Addr():
				seen = append(seen, [2]any{to, slices.Clone(d)})
			}
			return true
		})
		start(pub, a.member, b.member)
		w.talk(a.member, b.member, 3*time.Second)
		w.within(10*time.Second, "a direct way is found", func() bool {
			a.say(b.member, "x")
			return directly(a.member, b.member)
		})
		w.pass(5 * time.Second)
		before := a.remote(b.member) + b.remote(a.member) + pub.remote(a.member) + pub.remote(b.member)
		w.mu.Lock()
		all := seen
		w.mu.Unlock()
		for _, s := range all {
			if wire.KindOf(s[1].([]byte)) == wire.Data { // strangers may ask, but that is another test
				w.net.Inject(attacker, s[0].(netip.AddrPort), s[1].([]byte))
			}
		}
		w.pass(5 * time.Second)
		after := a.remote(b.member) + b.remote(a.member) + pub.remote(a.member) + pub.remote(b.member)
		if lured > 0 || before != after {
			t.Errorf("%d datagrams go to the attacker; ways were %s, are %s", lured, before, after)
		}
		if pub.counts(a.member).Drops["replay"] == 0 {
			t.Error("no replay is counted: this proves nothing")
		}
	})
}

// TestLyingReflector has a peer say in every answer that it sees us elsewhere.
func TestLyingReflector(t *testing.T) {
	honest, lying := seenByAnother(t, false), seenByAnother(t, true)
	if t.Logf("%d and %d datagrams to another in a minute", honest, lying); lying > honest+200 {
		t.Errorf("%d datagrams to another peer in a minute, %d without a liar", lying, honest)
	}
}

// seenByAnother is how many datagrams another peer gets in a minute.
func seenByAnother(t *testing.T, lies bool) (n int) {
	simulate(t, 55, func(w *world) {
		a, b := w.pair()
		of := w.add()
		a.knows(of)
		start(a, b)
		w.talk(a, b, 3*time.Second)
		w.evilRelay(of, nil, a).lies = lies
		w.tapping(func(from, to netip.AddrPort, _ []byte) bool {
			if from == a.addr && to == b.addr {
				n++
			}
			return true
		})
		for range 60 {
			a.inject(bare, plainFrame(station(of.i), station(a.i), "x")) // so that it is asked
			w.pass(time.Second)
		}
	})
	return n
}

// TestRelayDesk goes over what a relay must not pass on.
func TestRelayDesk(t *testing.T) {
	junk := append([]byte{}, make([]byte, 60)...)
	wire.Header{Index: 0x12345678, Counter: 1, Last: true}.Put(junk)
	for name, c := range map[string]struct {
		serve   bool
		to      func(b, of *member) nat.Tag
		what    []byte
		passes  bool
		drop    string
		unreach wire.Cause
	}{
		"a peer":             {true, func(b, _ *member) nat.Tag { return b.tag() }, junk, true, "", 0},
		"it does not relay":  {false, func(b, _ *member) nat.Tag { return b.tag() }, junk, false, "not_relayed", wire.CauseRefused},
		"nobody it knows":    {true, func(_, _ *member) nat.Tag { return nat.Tag{9} }, junk, false, "not_relayed", wire.CauseUnknown},
		"back to the sender": {true, func(_, of *member) nat.Tag { return of.tag() }, junk, false, "not_relayed", wire.CauseUnknown},
		"no datagram of ours": {
			true, func(b, _ *member) nat.Tag { return b.tag() }, []byte("GET / HTTP/1.1"), false, "malformed", 0,
		},
		"a question to STUN": {
			true, func(b, _ *member) nat.Tag { return b.tag() },
			append([]byte{0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42}, make([]byte, 12)...), false, "malformed", 0,
		},
	} {
		t.Run(name, func(t *testing.T) {
			simulate(t, 56, func(w *world) {
				a, b := w.pair()
				of := w.add()
				a.knows(of).calledBy(of)
				a.options.Relay.Serve = c.serve
				start(a, b)
				w.talk(a, b, 3*time.Second)
				r := w.rogue(of, a)
				w.pass(time.Second)
				r.mu.Lock()
				r.told = nil
				r.mu.Unlock()
				passed := 0
				w.tapping(func(from, to netip.AddrPort, d []byte) bool {
					if from == a.addr && to == b.addr && len(d) == len(c.what)+wire.RelayOverhead {
						passed++
					}
					return true
				})
				r.raw(r.control(relayMessage(wire.TypeRelay, c.to(b, of), c.what)))
				w.pass(time.Second)
				r.mu.Lock()
				defer r.mu.Unlock()
				drops, told := a.counts(of).Drops, wire.Cause(0)
				for _, m := range r.told {
					if wire.TypeOf(m) == wire.TypeUnreached {
						told = wire.ParseUnreached(m).Cause
					}
				}
				if passed > 0 != c.passes || told != c.unreach || c.drop != "" && drops[c.drop] != 1 {
					t.Errorf("%d datagrams pass, cause %d, drops %v", passed, told, drops)
				}
			})
		})
	}
}

// TestOneHop has a relay be asked, through another, to relay: that is how loops would be made.
func TestOneHop(t *testing.T) {
	simulate(t, 57, func(w *world) {
		a, b := w.pair()
		x, y := w.add(), w.add()
		a.knows(x, y).calledBy(x)
		a.calledBy(y)
		a.options.Relay.Serve, a.options.Relay.Use = true, true
		start(a, b)
		w.talk(a, b, 3*time.Second)
		rx, ry := w.rogue(x, a), w.rogue(y, a)
		junk := make([]byte, 60)
		wire.Header{Index: 0x12345678, Counter: 1, Last: true}.Put(junk)
		passed := 0
		w.tapping(func(from, to netip.AddrPort, d []byte) bool {
			if from == a.addr && to == b.addr && len(d) == len(junk)+wire.RelayOverhead {
				passed++
			}
			return true
		})
		for i, kind := range []wire.Type{wire.TypeRelay, wire.TypeRelayed} {
			nested := rx.control(relayMessage(kind, b.tag(), junk))
			ry.raw(ry.control(relayMessage(wire.TypeRelayed, x.tag(), nested)))
			w.pass(time.Second)
			if n := a.counts(x).Drops["malformed"]; passed != 0 || n != uint64(i+1) {
				t.Errorf("%d datagrams pass two relays; %d are refused", passed, n)
			}
		}
		ry.raw(ry.control(relayMessage(wire.TypeRelayed, x.tag(), []byte("GET / HTTP/1.1"))))
		w.pass(time.Second)
		if n := a.counts(y).Drops["malformed"]; n != 1 {
			t.Errorf("%d relayed datagrams that are none of ours are refused", n)
		}
		rx.raw(rx.control(relayMessage(wire.TypeRelay, b.tag(), junk)))
		w.pass(time.Second)
		if passed != 1 {
			t.Errorf("%d datagrams pass one: this proves nothing", passed)
		}
	})
}

// TestRelayFloods has a peer call and ask for relaying without end: the others go on.
func TestRelayFloods(t *testing.T) {
	for name, c := range map[string]struct {
		serve   bool
		message func(r *rogue, b *member, n uint64) []byte
		reason  string
	}{
		"calls": {true, func(_ *rogue, _ *member, n uint64) []byte {
			return callNaming(n, nat.KindReflexive, netip.MustParseAddrPort("198.51.100.9:53"))
		}, "rate_limit"},
		"to nobody": {true, func(*rogue, *member, uint64) []byte {
			return relayMessage(wire.TypeRelay, nat.Tag{9}, sealedJunk())
		}, "not_relayed"},
		"to a peer": {true, func(_ *rogue, b *member, _ uint64) []byte {
			return relayMessage(wire.TypeRelay, b.tag(), sealedJunk())
		}, "not_relayed"},
		"refusals": {true, func(_ *rogue, b *member, _ uint64) []byte {
			return wire.Unreached{Node: b.tag(), Cause: wire.CauseUnknown}.Append(nil)
		}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			simulate(t, 58, func(w *world) {
				a, b := w.pair()
				of := w.add()
				a.knows(of).calledBy(of)
				a.options.Relay.Serve, a.options.Relay.Limit = c.serve, 100_000
				start(a, b)
				w.talk(a, b, 3*time.Second)
				r := w.rogue(of, a)
				a.bodies()
				b.bodies()
				number := uint64(0)
				for i := range 50 {
					for range 60 {
						number++
						r.raw(r.control(c.message(r, b, number)))
					}
					word := fmt.Sprint(i)
					a.say(b, word)
					b.say(a, word)
					w.pass(50 * time.Millisecond)
					if !slices.Contains(a.bodies(), word) || !slices.Contains(b.bodies(), word) {
						t.Fatalf("frame %d does not come through", i)
					}
				}
				if n := a.counts(of).Drops[c.reason]; c.reason != "" && n < 1500 {
					t.Errorf("%v", a.counts(of).Drops)
				}
				if got := a.remote(b); got != b.addr.String() {
					t.Errorf("the way is %s now", got)
				}
			})
		})
	}
}

// sealedJunk looks like a datagram of ours.
func sealedJunk() []byte {
	b := make([]byte, 300)
	wire.Header{Index: 0x12345678, Counter: 1, Last: true}.Put(b)
	return b
}

// An evilRelay is a member with good keys that relays for two others, and does something to what it
// passes on.
type evilRelay struct {
	*session.Endpoint
	w        *world
	conn     udp.Conn
	sessions map[nat.Tag]*session.Transport
	addrs    map[nat.Tag]netip.AddrPort
	counters map[nat.Tag]uint64
	passed   int
	lies     bool // about where it sees others
	do       func(datagram []byte) [][]byte
}

// evilRelay makes a member that others know already such a relay.
func (w *world) evilRelay(of *member, do func([]byte) [][]byte, members ...*member) *evilRelay {
	conn, err := of.host.Listen(of.addr, udp.Options{Buffer: 4 << 20})
	if err != nil {
		w.t.Fatal(err)
	}
	e := &evilRelay{
		w: w, conn: conn, do: do, sessions: map[nat.Tag]*session.Transport{},
		addrs: map[nat.Tag]netip.AddrPort{}, counters: map[nat.Tag]uint64{},
	}
	e.Endpoint = session.New(session.Options{Key: nodeKey(of.i), ID: [32]byte{byte(of.i)}, Epoch: 1, Hardware: true})
	for _, m := range members {
		if _, err := e.Add(m.options.Mesh.Key.Public()); err != nil {
			w.t.Fatal(err)
		}
	}
	go e.run(members)
	return e
}

func (e *evilRelay) run(members []*member) {
	receiveAll(e.conn, func(from netip.AddrPort, b []byte) { e.receive(members, from, b) })
}

func (e *evilRelay) send(to nat.Tag, plain []byte) {
	t := e.sessions[to]
	if t == nil {
		return
	}
	b := make([]byte, wire.Overhead+len(plain))
	wire.Header{Index: t.RemoteIndex(), Counter: e.counters[to], Last: true}.Put(b)
	e.counters[to]++
	t.Seal(b, plain)
	e.conn.Write([]udp.Message{{To: e.addrs[to], Data: b, TTL: 64}}, udp.Mode{})
}

func (e *evilRelay) receive(members []*member, from netip.AddrPort, b []byte) {
	if wire.KindOf(b) != wire.Data {
		res := e.Receive(time.Since(e.w.origin), from, b)
		if res.Reply != nil {
			e.conn.Write([]udp.Message{{To: from, Data: res.Reply, TTL: 64}}, udp.Mode{})
		}
		for _, m := range members {
			if res.New != nil && res.Peer.Key() == m.options.Mesh.Key.Public() {
				e.sessions[m.tag()], e.addrs[m.tag()], e.counters[m.tag()] = res.New, from, 0
			}
		}
		return
	}
	for tag, t := range e.sessions {
		if t.Index() != wire.Index(b) {
			continue
		}
		plain, _ := t.Open(nil, b)
		switch wire.TypeOf(plain) {
		case wire.TypePing:
			if e.passed++; e.lies {
				from = netip.AddrPortFrom(from.Addr(), uint16(1000+e.passed))
			}
			e.send(tag, wire.Pong{Number: wire.ParsePing(plain).Number, Observed: from}.Append(nil))
		case wire.TypeRelay:
			to, datagram := wire.ParseRelay(plain)
			e.passed++
			for _, d := range e.do(datagram) {
				e.send(to, relayMessage(wire.TypeRelayed, tag, d))
			}
		}
	}
}

// tricks are what a relay may do to a datagram: it passes on what they give. Those that are true for dire
// leave no frame whole, so that another relay has to help.
var tricks = map[string]struct {
	do   func(d []byte) [][]byte
	dire bool
}{
	"honest": {func(d []byte) [][]byte { return [][]byte{d} }, false},
	"drops all frames": {func(d []byte) [][]byte {
		if wire.KindOf(d) == wire.Data {
			return nil
		}
		return [][]byte{d}
	}, true},
	"corrupts": {func(d []byte) [][]byte {
		d = slices.Clone(d)
		d[len(d)-20] ^= 1
		return [][]byte{d}
	}, true},
	"duplicates": {func(d []byte) [][]byte { return [][]byte{d, d, d} }, false},
	"drops handshakes": {func(d []byte) [][]byte {
		if wire.KindOf(d) != wire.Data {
			return nil
		}
		return [][]byte{d}
	}, false},
}

// twoRelays makes two nodes that only a relay joins, and two that may be it: of, the nearer, which the case
// plays itself, and a real one.
func (w *world) twoRelays() (of, second *member, a, b *site) {
	of, second = w.add(), w.add().finds()
	a, b = w.site(simnet.SymmetricRandom), w.site(simnet.SymmetricRandom)
	acquaint(of, a.member, b.member)
	for _, s := range []*site{a, b} {
		s.knows(second)
		s.options.Mesh.Peers[len(s.options.Mesh.Peers)-1].Relay = true
		second.knows(s.member)
		second.calledBy(s.member)
	}
	second.options.Relay.Serve = true
	w.net.Link(a.host, second.host).Set(simnet.Conditions{Delay: 30 * time.Millisecond})
	return of, second, a, b
}

// TestEvilRelay has the nearest relay do what it likes with what it passes on: nothing wrong comes out, and
// where nothing comes, another relay is found.
func TestEvilRelay(t *testing.T) {
	for name, trick := range tricks {
		t.Run(name, func(t *testing.T) {
			simulate(t, 59, func(w *world) {
				of, second, a, b := w.twoRelays()
				e := w.evilRelay(of, trick.do, a.member, b.member)
				start(second, a.member, b.member)
				w.talk(a.member, b.member, 10*time.Second)
				w.pass(3 * time.Second)
				w.comesOnce(a.member, b.member)
				if e.passed == 0 {
					t.Error("the relay was not asked: this proves nothing")
				}
				if via := a.peer(b.member).Path.Via; trick.dire && via != second.name {
					t.Errorf("the way is via %s", via)
				}
			})
		})
	}
}

// comesOnce wants nearly all frames of one member to reach another, once each and as they were.
func (w *world) comesOnce(from, to *member) {
	w.t.Helper()
	to.bodies()
	heard := map[string]int{}
	for i := range 100 {
		from.say(to, fmt.Sprint(i))
		w.pass(100 * time.Millisecond)
		for _, body := range to.bodies() {
			heard[body]++
		}
	}
	for body, n := range heard {
		if n > 1 || strings.Trim(body, "0123456789") != "" {
			w.t.Errorf("%q is heard %d times", body, n)
		}
	}
	if len(heard) < 95 {
		w.t.Errorf("%d of 100 frames come through", len(heard))
	}
}

// TestAmplification has a stranger send everything that a node might answer: it gets little more back than
// it sends.
func TestAmplification(t *testing.T) {
	simulate(t, 60, func(w *world) {
		a, b := w.pair()
		start(a, b)
		handshakes := map[wire.Kind][]byte{}
		w.tapping(func(_, to netip.AddrPort, d []byte) bool {
			if k := wire.KindOf(d); to == a.addr && handshakes[k] == nil {
				handshakes[k] = slices.Clone(d)
			}
			return true
		})
		w.talk(a, b, 3*time.Second)
		b.kill()
		b.restart()
		w.talk(a, b, 10*time.Second)
		w.pass(time.Minute)
		question := append([]byte{0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42}, make([]byte, 12)...)
		messages := map[string][]byte{
			"HS1, replayed": handshakes[wire.Handshake1], "HS2, replayed": handshakes[wire.Handshake2],
			"data, replayed": handshakes[wire.Data], "data of no session": sealedJunk(), "question to STUN": question,
			"long question to STUN": append(append([]byte{0, 1, 0, 8}, question[4:]...), 0x80, 0x22, 0, 4, 'x', 'x', 'x', 'x'),
			"answer of STUN":        stunAnswer(make([]byte, 12), a.addr), "opener": wire.AppendOpener(nil),
			"junk": []byte("GET / HTTP/1.1\r\n\r\n"), "one byte": {8}, "zeros": make([]byte, 100),
			"HS1, random": append(slices.Clone(handshakes[wire.Handshake1][:8]), pattern(1, len(handshakes[wire.Handshake1])-8)...),
			"cookie":      append([]byte{handshakes[wire.Handshake1][0], byte(wire.Cookie)}, make([]byte, 62)...),
		}
		out := 0
		w.tapping(func(_, to netip.AddrPort, d []byte) bool {
			if to == attacker {
				out += len(d)
			}
			return true
		})
		for name, m := range messages {
			if m == nil {
				t.Errorf("%s: there is none", name)
				continue
			}
			out = 0
			for range 10 {
				w.net.Inject(attacker, a.addr, m)
				w.pass(2 * time.Second)
			}
			w.pass(10 * time.Second)
			in := 10 * len(m)
			t.Logf("%-22s %5d bytes in %5d out", name, in, out)
			if float64(out) > 1.6*float64(in) {
				t.Errorf("%s: %d bytes for %d", name, out, in)
			}
		}
	})
}

// TestAmplificationUnderLoad has somebody who knows a node's key send handshakes from a thousand forged addresses
// in a second: beyond a few, all that these get is a cookie each, much smaller than what was sent.
func TestAmplificationUnderLoad(t *testing.T) {
	simulate(t, 61, func(w *world) {
		a, b := w.pair()
		var handshake []byte
		cookies, out := 0, 0
		w.tapping(func(_, to netip.AddrPort, d []byte) bool {
			switch kind := wire.KindOf(d); {
			case to == a.addr && kind == wire.Handshake1 && handshake == nil:
				handshake = slices.Clone(d)
			case to.Addr().As4()[0] == 198:
				if out += len(d); kind == wire.Cookie {
					cookies++
				}
				if len(d) > len(handshake) {
					t.Errorf("%d bytes for %d", len(d), len(handshake))
				}
			}
			return true
		})
		start(b) // so that it calls
		w.pass(time.Second)
		start(a)
		w.talk(a, b, 20*time.Second)
		const forged = 1000
		for i := range forged {
			from := netip.AddrPortFrom(netip.AddrFrom4([4]byte{198, 18, byte(i >> 8), byte(i)}), 7)
			w.net.Inject(from, a.addr, handshake)
			w.pass(time.Millisecond)
		}
		w.pass(10 * time.Second)
		if in := forged * len(handshake); cookies < forged/2 || out > in/4 {
			t.Errorf("%d bytes, %d cookies among them, for %d", out, cookies, in)
		}
		if got := a.remote(b); got != b.addr.String() {
			t.Errorf("the way is %s now", got)
		}
	})
}
