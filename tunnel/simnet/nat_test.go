package simnet_test

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/vxmesh/vxmesh/tunnel/simnet"
	"github.com/vxmesh/vxmesh/tunnel/udp"
)

// kinds are all that let UDP through.
var kinds = []simnet.NATKind{
	simnet.Open, simnet.Firewall, simnet.FullCone, simnet.AddressRestricted,
	simnet.PortRestricted, simnet.PortRestrictedStrays, simnet.PortHash,
	simnet.SymmetricSequential, simnet.SymmetricRandom,
}

var (
	server1 = netip.MustParseAddr("203.0.113.2")
	server2 = netip.MustParseAddr("203.0.113.3")
	any4    = netip.IPv4Unspecified()
)

// A scene is an internet with a server that has two addresses and two ports.
type scene struct {
	t      *testing.T
	net    *simnet.Internet
	server *simnet.Host
	ports  [2]*end
	nats   byte
}

// An end is a socket bound to all addresses, and what was read from it.
type end struct {
	t *testing.T
	udp.Conn
	reader udp.Reader
	host   *simnet.Host
}

// play runs f in a scene, in a time of its own.
func play(t *testing.T, f func(s *scene)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s := &scene{t: t, net: simnet.New(1)}
		defer s.net.Close()
		s.server = s.net.Host(server1, server2)
		s.ports = [2]*end{s.end(s.server, 3478), s.end(s.server, 3479)}
		f(s)
	})
}

func (s *scene) end(h *simnet.Host, port uint16) *end {
	c := listen(s.t, h, netip.AddrPortFrom(any4, port), udp.Options{})
	return &end{s.t, c, c.NewReader(), h}
}

// nat adds a NAT at the next of 203.0.113.101 and so on.
func (s *scene) nat(kind simnet.NATKind) *simnet.NAT {
	s.nats++
	return s.net.NAT(kind, netip.AddrFrom4([4]byte{203, 0, 113, 100 + s.nats}))
}

// inside adds a host behind a NAT, with a socket on port 5000: 192.168.0.number, or a public address
// where the NAT does not translate.
func (s *scene) inside(n *simnet.NAT, number byte) *end {
	addr := netip.AddrFrom4([4]byte{192, 168, 0, number})
	if n.Kind() == simnet.Open || n.Kind() == simnet.Firewall {
		addr = netip.AddrFrom4([4]byte{198, 51, 100, 16*s.nats + number})
	}
	return s.end(n.Host(addr), 5000)
}

// say sends a datagram.
func (e *end) say(to netip.AddrPort, ttl uint8, from ...netip.Addr) {
	e.t.Helper()
	m := []udp.Message{{To: to, TTL: ttl, Data: []byte("x")}}
	if len(from) > 0 {
		m[0].From = from[0]
	}
	if e.Write(m, udp.Mode{}); m[0].Err != nil {
		e.t.Fatal(m[0].Err)
	}
}

// hear gives the sources of what comes within 10 ms.
func (e *end) hear() (from []netip.AddrPort) {
	e.t.Helper()
	for _, d := range drain(e.t, e.Conn, e.reader, 10*time.Millisecond) {
		from = append(from, d.from)
	}
	return from
}

// hears reports whether exactly one datagram comes.
func (e *end) hears() bool { return len(e.hear()) == 1 }

// at is the outside address of an end as a port of the server sees it.
func (s *scene) at(e *end, server netip.Addr, port int) netip.AddrPort {
	s.t.Helper()
	e.say(netip.AddrPortFrom(server, s.ports[port].LocalAddr().Port()), 64)
	seen := s.ports[port].hear()
	if len(seen) != 1 {
		s.t.Fatalf("the server received from %v", seen)
	}
	return seen[0]
}

// TestNATKinds measures mapping and filtering (RFC 5780) of each kind.
func TestNATKinds(t *testing.T) {
	t.Parallel()
	for _, kind := range kinds {
		want := map[simnet.NATKind]string{
			simnet.Open:                 "inside address, strangers",
			simnet.Firewall:             "inside address, port",
			simnet.FullCone:             "one port, kept, strangers",
			simnet.AddressRestricted:    "one port, kept, address",
			simnet.PortRestricted:       "one port, kept, port",
			simnet.PortRestrictedStrays: "one port, kept, port",
			simnet.PortHash:             "one port, port",
			simnet.SymmetricSequential:  "steps of one, port",
			simnet.SymmetricRandom:      "any port, port",
		}[kind]
		play(t, func(s *scene) {
			n := s.nat(kind)
			e := s.inside(n, 10)
			mapping := s.mapping(n, e)
			n.Flush() // all of the server has been sent to
			if got := mapping + ", " + s.filtering(e); got != want {
				t.Errorf("%s: %s; want %s", kind, got, want)
			}
		})
	}
}

// filtering is whose answers reach an end that has sent to one address and port.
func (s *scene) filtering(e *end) string {
	at := s.at(e, server1, 0)
	class := "nobody"
	for _, c := range []struct {
		name string
		from netip.Addr
		port int
	}{{"port", server1, 0}, {"address", server1, 1}, {"strangers", server2, 0}} {
		s.ports[c.port].say(at, 64, c.from)
		if e.hears() {
			class = c.name
		}
	}
	return class
}

// mapping is what outside ports an end is given.
func (s *scene) mapping(n *simnet.NAT, e *end) string {
	a, b, c := s.at(e, server1, 0), s.at(e, server1, 1), s.at(e, server2, 0)
	inside := netip.AddrPortFrom(e.host.Addrs()[0], 5000)
	switch {
	case a == b && b == c && a == inside:
		return "inside address"
	case a.Addr() != n.Addr():
		return "a foreign address"
	case a == b && b == c && a.Port() == 5000:
		return "one port, kept"
	case a == b && b == c:
		return "one port"
	case b.Port() == a.Port()+1 && c.Port() == a.Port()+2:
		return "steps of one"
	}
	return "any port"
}

// TestPunch has two ends behind NATs send to what the server saw of each, and answer whatever comes.
// Where one gives each peer a port of its own, the other must let in any port of its address.
func TestPunch(t *testing.T) {
	t.Parallel()
	symmetric := kinds[7:]
	lenient := []simnet.NATKind{simnet.Open, simnet.FullCone, simnet.AddressRestricted}
	for _, ka := range kinds {
		for _, kb := range kinds {
			want := !slices.Contains(symmetric, ka) && !slices.Contains(symmetric, kb) ||
				slices.Contains(lenient, ka) || slices.Contains(lenient, kb)
			play(t, func(s *scene) {
				if got := s.punch(s.inside(s.nat(ka), 10), s.inside(s.nat(kb), 10), 2); got != want {
					t.Errorf("%s calls %s: %v, want %v", ka, kb, got, want)
				}
			})
		}
	}
}

// punch has a call b, which first opens its NAT with a datagram of a TTL, 0 for none.
func (s *scene) punch(a, b *end, opener uint8) bool {
	atA, atB := s.at(a, server1, 0), s.at(b, server1, 0)
	if opener != 0 {
		b.say(atA, opener)
	}
	for range 3 {
		a.say(atB, 64)
		b.say(atA, 64)
		for _, e := range []*end{b, a, b} {
			for _, from := range e.hear() {
				e.say(from, 64)
			}
		}
	}
	return len(a.hear()) > 0 // an answer that b gave at the end
}

// TestStray: a stray packet takes the port towards its sender away, while it goes on sending. An
// opener in time keeps it.
func TestStray(t *testing.T) {
	t.Parallel()
	for _, kind := range []simnet.NATKind{simnet.PortRestricted, simnet.PortRestrictedStrays} {
		play(t, func(s *scene) {
			n := s.nat(kind)
			e := s.inside(n, 10)
			s.at(e, server1, 0)
			s.ports[1].say(netip.AddrPortFrom(n.Addr(), 5000), 64, server1)
			kept := s.at(e, server1, 1).Port() == 5000
			if want := kind == simnet.PortRestricted; kept != want {
				t.Errorf("%s: kept %v, want %v", kind, kept, want)
			}
		})
		play(t, func(s *scene) {
			a, b := s.inside(s.nat(kind), 10), s.inside(s.nat(kind), 10)
			want := kind == simnet.PortRestricted
			if got := s.punch(a, b, 0); got != want {
				t.Errorf("%s without opener: %v, want %v", kind, got, want)
			}
		})
	}
}

// TestTTL counts the routers on the way, each of which takes one: what does not get through a NAT
// leaves no flow there.
func TestTTL(t *testing.T) {
	t.Parallel()
	play(t, func(s *scene) {
		carrier := s.nat(simnet.FullCone)
		home := carrier.NAT(simnet.FullCone, netip.MustParseAddr("100.64.0.1"))
		e, other := s.inside(home, 10), s.inside(s.nat(simnet.FullCone), 10)
		atOther := s.at(other, server1, 0)
		for ttl, want := range map[uint8][3]int{
			1: {0, 0, 0}, 2: {1, 0, 0}, 3: {1, 1, 0}, 4: {1, 1, 0}, 5: {1, 1, 1},
		} {
			home.Flush()
			carrier.Flush()
			e.say(atOther, ttl)
			got := [3]int{home.Flows(), carrier.Flows(), len(other.hear())}
			if got != want {
				t.Errorf("TTL %d: flows at home, at the carrier, and arrivals %v; want %v", ttl, got, want)
			}
		}
		outside := s.at(e, server1, 0)
		before := carrier.Flows()
		s.ports[1].say(outside, 2) // it ends at the carrier, which would let it in
		if e.hears() {
			t.Error("TTL 2 passed the carrier")
		}
		if carrier.Flows() != before {
			t.Errorf("%d flows at the carrier, want the %d that there were", carrier.Flows(), before)
		}
		s.ports[0].say(netip.AddrPortFrom(server2, 3479), 1)
		if s.ports[1].hear() != nil {
			t.Error("TTL 1 passed the internet's router")
		}
	})
}

// TestNATTimeouts: a flow is forgotten after 30 s, or after 120 s once it is a stream; what goes out
// keeps it.
func TestNATTimeouts(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		answers, keeps int // exchanges, a second apart; keepalives, 25 s apart
		wait           time.Duration
		want           bool
	}{
		{0, 0, 29 * time.Second, true},
		{0, 0, 31 * time.Second, false},
		{1, 0, 31 * time.Second, false},
		{5, 0, 119 * time.Second, true},
		{5, 0, 121 * time.Second, false},
		{0, 4, 29 * time.Second, true},
	} {
		play(t, func(s *scene) {
			e := s.inside(s.nat(simnet.PortRestricted), 10)
			at := s.at(e, server1, 0)
			for range c.answers {
				s.ports[0].say(at, 64)
				e.hear()
				time.Sleep(time.Second)
				s.at(e, server1, 0)
			}
			for range c.keeps {
				time.Sleep(25 * time.Second)
				s.at(e, server1, 0)
			}
			time.Sleep(c.wait)
			s.ports[0].say(at, 64)
			if got := e.hears(); got != c.want {
				t.Errorf("%+v: %v", c, got)
			}
		})
	}
}

// TestStrangersKeepNothing: a stranger that was let in keeps its own flow, not the port open.
func TestStrangersKeepNothing(t *testing.T) {
	t.Parallel()
	play(t, func(s *scene) {
		n := s.nat(simnet.FullCone)
		n.SetTimeouts(10*time.Second, 20*time.Second)
		e := s.inside(n, 10)
		at := s.at(e, server1, 0)
		for range 3 {
			s.ports[0].say(at, 64, server2)
			if !e.hears() {
				t.Fatal("the stranger was not let in")
			}
			time.Sleep(9 * time.Second)
		}
		s.ports[1].say(at, 64)
		if e.hears() {
			t.Error("another stranger was let in")
		}
	})
}

// TestTwoInside: two hosts with one port behind one NAT have two outside.
func TestTwoInside(t *testing.T) {
	t.Parallel()
	play(t, func(s *scene) {
		n := s.nat(simnet.PortRestricted)
		a, b := s.inside(n, 10), s.inside(n, 11)
		first := s.at(a, server1, 0)
		kept, moved := s.at(b, server2, 0), s.at(b, server1, 0)
		if first.Port() != 5000 || kept.Port() != 5000 || moved.Port() == 5000 {
			t.Errorf("the first has %s, the second %s and %s", first, kept, moved)
		}
		s.ports[0].say(moved, 64, server1)
		if a.hears() || !b.hears() {
			t.Error("the answer did not go to the second")
		}
	})
}

// TestHairpin: through the outside address of their own NAT two hosts meet only where it turns
// packets round, and then as everybody else.
func TestHairpin(t *testing.T) {
	t.Parallel()
	for _, on := range []bool{false, true} {
		play(t, func(s *scene) {
			carrier := s.nat(simnet.AddressRestricted)
			carrier.SetHairpin(on)
			home := func(n byte) *end {
				return s.inside(carrier.NAT(simnet.PortRestricted, netip.AddrFrom4([4]byte{100, 64, 0, n})), n)
			}
			a, b := home(1), home(2)
			if got := s.punch(a, b, 0); got != on {
				t.Errorf("hairpin %v: %v", on, got)
			}
			a.say(s.at(b, server1, 0), 4)
			if got := b.hears(); got != on {
				t.Errorf("hairpin %v: three routers and TTL 4: %v", on, got)
			}
			a.say(netip.MustParseAddrPort("100.64.0.2:5000"), 64)
			if b.hears() {
				t.Error("a stranger came in from the carrier's LAN")
			}
		})
	}
}

// TestNATEvents goes over what happens to routers, and whether an answer to the old flow and a new
// exchange get through afterwards.
func TestNATEvents(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		event    func(n *simnet.NAT, e *end)
		old, new bool
	}{
		"nothing": {func(*simnet.NAT, *end) {}, true, true},
		"flush":   {func(n *simnet.NAT, _ *end) { n.Flush() }, false, true},
		"reboot":  {func(n *simnet.NAT, _ *end) { n.Reboot(2 * time.Second) }, false, false},
		"rebooted": {func(n *simnet.NAT, _ *end) {
			n.Reboot(2 * time.Second)
			time.Sleep(2 * time.Second)
		}, false, true},
		"new address": {func(n *simnet.NAT, _ *end) {
			n.SetAddr(netip.MustParseAddr("203.0.113.9"))
		}, false, true},
		"blocked":  {func(n *simnet.NAT, _ *end) { n.SetKind(simnet.Blocked) }, false, false},
		"in down":  {func(n *simnet.NAT, _ *end) { n.SetIn(simnet.Conditions{Down: true}) }, false, false},
		"out down": {func(n *simnet.NAT, _ *end) { n.SetOut(simnet.Conditions{Down: true}) }, true, false},
		"stuck":    {func(n *simnet.NAT, _ *end) { n.SetStuck(true) }, false, false},
		"was stuck, and is kept so": {func(n *simnet.NAT, e *end) {
			n.SetStuck(true)
			e.say(netip.AddrPortFrom(server1, 3478), 64)
			n.SetStuck(false)
			time.Sleep(29 * time.Second)
		}, false, false},
		"was stuck": {func(n *simnet.NAT, e *end) {
			n.SetStuck(true)
			e.say(netip.AddrPortFrom(server1, 3478), 64)
			n.SetStuck(false)
			time.Sleep(31 * time.Second)
		}, false, true},
		"host moved": {func(_ *simnet.NAT, e *end) { e.host.Move(nil, addrA) }, false, true},
	} {
		play(t, func(s *scene) {
			n := s.nat(simnet.PortRestricted)
			e := s.inside(n, 10)
			old := s.at(e, server1, 0)
			c.event(n, e)
			s.ports[0].say(old, 64, server1)
			if got := e.hears(); got != c.old {
				t.Errorf("%s: the old flow: %v", name, got)
			}
			e.say(netip.AddrPortFrom(server1, 3478), 64)
			for _, from := range s.ports[0].hear() {
				s.ports[0].say(from, 64, server1)
			}
			if got := e.hears(); got != c.new {
				t.Errorf("%s: a new exchange: %v", name, got)
			}
		})
	}
}

// TestForward: a port that is forwarded lets strangers in, and answers go out by it, while what the
// inside sends of itself goes on as without.
func TestForward(t *testing.T) {
	t.Parallel()
	for _, kind := range []simnet.NATKind{simnet.PortRestricted, simnet.SymmetricRandom} {
		play(t, func(s *scene) { s.forward(s.nat(kind)) })
	}
}

func (s *scene) forward(n *simnet.NAT) {
	e := s.inside(n, 10)
	mapped := netip.AddrPortFrom(n.Addr(), 7000)
	n.Forward(7000, netip.AddrPortFrom(e.host.Addrs()[0], 5000))
	own := s.at(e, server1, 0)
	for range 2 {
		s.ports[0].say(mapped, 64, server1)
		from := e.hear()
		if len(from) != 1 || from[0].Addr() != server1 {
			s.t.Fatalf("received from %v", from)
		}
		e.say(from[0], 64)
		if got := s.ports[0].hear(); !slices.Equal(got, []netip.AddrPort{mapped}) {
			s.t.Fatalf("the answer came from %v, want %s", got, mapped)
		}
	}
	if again, other := s.at(e, server1, 0), s.at(e, server2, 1); own == mapped || again != own || other == mapped {
		s.t.Errorf("what goes out came from %s, then %s, and %s to another", own, again, other)
	}
	n.Forward(7000, netip.AddrPort{})
	s.ports[1].say(mapped, 64)
	if e.hears() {
		s.t.Error("a stranger came in at a port that is no longer forwarded")
	}
}

// TestIPv6: nothing is translated, and only answers come in.
func TestIPv6(t *testing.T) {
	t.Parallel()
	for _, kind := range append(kinds, simnet.Blocked) {
		synctest.Test(t, func(t *testing.T) {
			i := simnet.New(1)
			defer i.Close()
			n := i.NAT(kind, netip.Addr{})
			h, other := n.Host(addrA6), i.Host(addrB6)
			a := listen(t, h, netip.AddrPortFrom(addrA6, 1), udp.Options{})
			b := listen(t, other, netip.AddrPortFrom(addrB6, 1), udp.Options{})
			stranger := listen(t, other, netip.AddrPortFrom(addrB6, 2), udp.Options{})
			exchange := func(from, to udp.Conn) bool {
				if err := write(from, to.LocalAddr(), "x"); err != nil {
					t.Fatal(err)
				}
				got := drain(t, to, to.NewReader(), time.Millisecond)
				return len(got) == 1 && got[0].from == from.LocalAddr()
			}
			got := fmt.Sprint(exchange(b, a), exchange(a, b), exchange(b, a), exchange(stranger, a))
			want := "false true true false"
			switch kind {
			case simnet.Open:
				want = "true true true true"
			case simnet.Blocked:
				want = "false false false false"
			}
			if got != want {
				t.Errorf("%s: %s, want %s", kind, got, want)
			}
		})
	}
}

// TestNoIPv4: there is no way out to IPv4 through a NAT without an address of its own.
func TestNoIPv4(t *testing.T) {
	t.Parallel()
	play(t, func(s *scene) {
		n := s.net.NAT(simnet.PortRestricted, netip.Addr{})
		s.inside(n, 10).say(netip.AddrPortFrom(server1, 3478), 64)
		if got := s.ports[0].hear(); got != nil || n.Flows() != 0 {
			t.Errorf("the server received from %v", got)
		}
	})
}

// TestNATConditions: delays of NATs and of the link between the hosts add up, and what opens a NAT
// while a datagram is on its way lets it in.
func TestNATConditions(t *testing.T) {
	t.Parallel()
	play(t, func(s *scene) {
		const ms = time.Millisecond
		na, nb := s.nat(simnet.PortRestricted), s.nat(simnet.PortRestricted)
		a, b := s.inside(na, 10), s.inside(nb, 10)
		atA, atB := s.at(a, server1, 0), s.at(b, server1, 0)
		link := s.net.Link(a.host, b.host)
		link.Set(simnet.Conditions{Delay: 10 * ms})
		na.SetOut(simnet.Conditions{Delay: 20 * ms})
		nb.SetIn(simnet.Conditions{Delay: 30 * ms})
		a.say(atB, 64)
		time.Sleep(29 * ms)
		b.say(atA, 64)
		got := drain(t, b.Conn, b.reader, time.Second)
		if len(got) != 1 || got[0].after != 31*ms || got[0].from != atA {
			t.Errorf("received %+v, want one after 31 ms more", got)
		}
		na.SetOut(simnet.Conditions{})
		link.SetFrom(a.host, simnet.Conditions{MTU: 1000, Refuses: true})
		if err := write(a.Conn, atB, string(make([]byte, 1000))); err == nil {
			t.Error("the sender's system knew nothing of the link's MTU")
		}
		if c := link.Counts(a.host); c.Sent != 2 || c.TooBig != 1 {
			t.Errorf("counts %+v", c)
		}
	})
}

// TestSameLAN: hosts behind one NAT reach each other by their inside addresses, whatever it does; and
// two LANs may have the same.
func TestSameLAN(t *testing.T) {
	t.Parallel()
	play(t, func(s *scene) {
		n, m := s.nat(simnet.Blocked), s.nat(simnet.FullCone)
		a, b, twin := s.inside(n, 10), s.inside(n, 11), s.inside(m, 11)
		a.say(netip.MustParseAddrPort("192.168.0.11:5000"), 1)
		if got := b.hear(); len(got) != 1 || got[0].Addr() != a.host.Addrs()[0] || twin.hear() != nil {
			t.Errorf("received from %v", got)
		}
		outer := n.NAT(simnet.PortRestricted, netip.MustParseAddr("192.168.0.2"))
		c := s.end(outer.Host(netip.MustParseAddr("10.0.0.10")), 5000)
		c.say(netip.MustParseAddrPort("192.168.0.11:5000"), 2)
		if got := b.hear(); len(got) != 1 || got[0].Addr() != outer.Addr() {
			t.Errorf("from a LAN further inside: received from %v", got)
		}
	})
}
