//go:build linux && lab

package natlab

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vxmesh/vxmesh/lab/netns"
)

// TestKinds measures every kind of site from inside it, all at once.
func TestKinds(t *testing.T) {
	t.Parallel()
	cases := []struct {
		kind string
		v6   bool
		want string
	}{
		{"open", false, "none, none"},
		{"open+v6", true, "none, none"},
		{"fw", false, "none, address+port"},
		{"fullcone", false, "kept, none"},
		{"fullcone+hp", false, "kept, none"},
		{"addr", false, "kept, address"},
		{"addr+hp", false, "kept, address"},
		{"port", false, "kept, address+port"},
		{"port+v6", false, "kept, address+port"},
		{"port+v6", true, "none, address+port"},
		{"portrej", false, "kept, address+port"},
		{"porthash", false, "changed, address+port"},
		{"symseq", false, "varies by 1, address+port"},
		{"symrand", false, "varies, address+port"},
		{"block", false, "no UDP"},
		{"v6only", true, "none, address+port"},
	}
	i := New(t)
	r := newReflector(t, i)
	t.Run("site", func(t *testing.T) {
		for _, c := range cases {
			h := i.Site(c.kind).Host()
			t.Run(fmt.Sprintf("%s v6=%v", c.kind, c.v6), func(t *testing.T) {
				t.Parallel()
				if got := r.classify(t, h, c.v6); got != c.want {
					t.Errorf("%q, want %q", got, c.want)
				}
			})
		}
	})
}

// TestMain lets the cases wait beside each other: they wait far more than they compute.
func TestMain(m *testing.M) {
	if err := flag.Set("test.parallel", "8"); err != nil {
		panic(err)
	}
	m.Run()
}

func TestUnknownKinds(t *testing.T) {
	for _, text := range []string{"", "nat", "port+hp", "port+", "open+hp", "+v6"} {
		if k, err := parseKind(text); err == nil {
			t.Errorf("%q is %+v", text, k)
		}
	}
	for _, text := range append(Kinds(), "v6only", "fullcone+hp+v6", "addr+v6+hp") {
		if _, err := parseKind(text); err != nil {
			t.Error(err)
		}
	}
}

// TestNested: what two routers in a row make of a mapping, and what the internet sees.
func TestNested(t *testing.T) {
	t.Parallel()
	i := New(t)
	r := newReflector(t, i)
	home := i.Site("port")
	cgn, random := i.Carrier("fullcone+v6"), i.Carrier("symrand")
	cases := []struct {
		site   *Site
		v4, v6 string
		outer  *Site
	}{
		{i.Site("port", Behind(home)), "kept, address+port", "", home},
		{i.Site("fullcone", Behind(cgn)), "kept, none", "", cgn},
		// The second home behind that carrier with the same ports.
		{i.Site("port+v6", Behind(cgn)), "changed, address+port", "none, address+port", cgn},
		{i.Site("fullcone", Behind(random)), "varies, address+port", "", random},
	}
	for _, c := range cases {
		h := c.site.Host()
		if got := r.classify(t, h, false); got != c.v4 {
			t.Errorf("%s: %q, want %q", h.Name(), got, c.v4)
		}
		seen := open(t, h.NS, h.Inside, 0).mapped(r.at(0, 0, false))
		if seen.Addr() != h.Outside() || seen.Addr() != c.outer.WAN {
			t.Errorf("%s is seen at %v, says %v, carrier %v", h.Name(), seen, h.Outside(), c.outer.WAN)
		}
		if c.v6 == "" {
			continue
		}
		if got := r.classify(t, h, true); got != c.v6 {
			t.Errorf("%s, IPv6: %q, want %q", h.Name(), got, c.v6)
		}
	}
}

// network is a reflector and two hosts.
func network(t *testing.T, a, b string) (i *Internet, r *reflector, ha, hb *Host) {
	t.Helper()
	t.Parallel()
	i = New(t)
	return i, newReflector(t, i), i.Site(a).Host(), i.Site(b).Host()
}

// TestShortLivedOpener: a datagram with TTL 2 opens its own NAT and does not get to the other, so that
// nothing there is in the way of the answer.
func TestShortLivedOpener(t *testing.T) {
	_, r, a, b := network(t, "port", "portrej")
	sa, sb := open(t, a.NS, a.Inside, 5000), open(t, b.NS, b.Inside, 5000)
	ma, mb := sa.mapped(r.at(0, 0, false)), sb.mapped(r.at(0, 0, false))
	sniffer, err := b.Site().Router.Sniff("wan", func(p netns.Packet) bool {
		return !p.Out && bytes.HasSuffix(p.Data, []byte("opener"))
	})
	if err != nil {
		t.Fatal(err)
	}
	defer sniffer.Close()
	sa.sendTTL(mb, "opener", 2)
	sb.send(ma, "in")
	if from := sa.want("in"); from != mb {
		t.Errorf("the answer came from %v, want %v", from, mb)
	}
	if sniffer.Count() != 0 {
		t.Error("the opener got to the other NAT")
	}
	sa.sendTTL(mb, "opener", 3)
	if _, err := sniffer.Wait(1, answerLimit); err != nil {
		t.Errorf("TTL 3 does not get to the other NAT: %v", err)
	}
}

// TestStrays: the router that rejects strays gives the next own datagram to the same stranger
// another port; the one that drops them does not.
func TestStrays(t *testing.T) {
	i, r, rejects, drops := network(t, "portrej", "port")
	peer := i.Public("peer")
	sp := open(t, peer.NS, peer.Inside, 5000)
	for _, h := range []*Host{rejects, drops} {
		s := open(t, h.NS, h.Inside, 5000)
		m := s.mapped(r.at(0, 0, false))
		sp.send(m, "stray")
		s.wantNot("stray")
		s.send(netip.AddrPortFrom(peer.Inside, 5000), "own")
		from := sp.want("own")
		if moved := from != m; moved != (h == rejects) {
			t.Errorf("%s: %v towards the reflector, %v towards the stranger", h.Name(), m, from)
		}
	}
}

// TestHairpin: two hosts of one LAN meet at their outside addresses, or do not.
func TestHairpin(t *testing.T) {
	t.Parallel()
	i := New(t)
	r := newReflector(t, i)
	for _, kind := range []string{"fullcone+hp", "addr+hp", "fullcone", "port"} {
		s := i.Site(kind)
		a, b := s.Host(), s.AddHost()
		sa, sb := open(t, a.NS, a.Inside, 5000), open(t, b.NS, b.Inside, 6000)
		ma, mb := sa.mapped(r.at(0, 0, false)), sb.mapped(r.at(0, 0, false))
		sa.send(mb, "one")
		if kind == "fullcone+hp" {
			if from := sb.want("one"); from != ma {
				t.Errorf("%s: from %v, want %v", kind, from, ma)
			}
		} else {
			sb.wantNot("one")
		}
		sb.send(ma, "two")
		if kind == "fullcone+hp" || kind == "addr+hp" {
			if from := sa.want("two"); from != mb {
				t.Errorf("%s: from %v, want %v", kind, from, mb)
			}
			continue
		}
		sa.wantNot("two")
		sa.send(netip.AddrPortFrom(b.Inside, 6000), "inside")
		sb.want("inside")
	}
}

// TestOneSourcePort: two hosts of one LAN with one source port are told apart, also by a cone.
func TestOneSourcePort(t *testing.T) {
	t.Parallel()
	i := New(t)
	r := newReflector(t, i)
	stranger := i.Public("stranger")
	sp := open(t, stranger.NS, stranger.Inside, 0)
	for _, kind := range []string{"port", "fullcone"} {
		s := i.Site(kind)
		a, b := s.Host(), s.AddHost()
		sa, sb := open(t, a.NS, a.Inside, 4789), open(t, b.NS, b.Inside, 4789)
		ma, mb := sa.mapped(r.at(0, 0, false)), sb.mapped(r.at(0, 0, false))
		if ma.Port() != 4789 || mb.Port() == 4789 {
			t.Errorf("%s: ports %d and %d, want 4789 and another", kind, ma.Port(), mb.Port())
		}
		if kind == "fullcone" {
			sp.send(ma, "to a")
			sp.send(mb, "to b")
			sa.want("to a")
			sb.want("to b")
		}
	}
}

// TestOneNetworkTwice: two homes with the same inside network, and the same address in it.
func TestOneNetworkTwice(t *testing.T) {
	t.Parallel()
	i := New(t)
	r := newReflector(t, i)
	a := i.Site("port", Inside("192.168.1.0/24")).Host()
	b := i.Site("port", Inside("192.168.1.0/24")).Host()
	if want := netip.MustParseAddr("192.168.1.10"); a.Inside != want || b.Inside != want {
		t.Fatalf("inside %v and %v", a.Inside, b.Inside)
	}
	sa, sb := open(t, a.NS, a.Inside, 5000), open(t, b.NS, b.Inside, 5000)
	ma, mb := sa.mapped(r.at(0, 0, false)), sb.mapped(r.at(0, 0, false))
	sa.send(mb, "hello") // opens
	sb.send(ma, "hello")
	if from := sa.want("hello"); from != mb {
		t.Errorf("from %v, want %v", from, mb)
	}
}

// TestFlush: a NAT that keeps ports maps as before, one that does not maps anew, and a cone is shut
// until it is used again.
func TestFlush(t *testing.T) {
	i, r, kept, random := network(t, "port", "symrand")
	cone := i.Site("fullcone").Host()
	stranger := i.Public("stranger")
	sp := open(t, stranger.NS, stranger.Inside, 0)
	for _, h := range []*Host{kept, random, cone} {
		s := open(t, h.NS, h.Inside, 5000)
		before := s.mapped(r.at(0, 0, false))
		h.Site().Flush()
		if h == cone {
			sp.send(before, "stray")
			s.wantNot("stray")
		}
		after := s.mapped(r.at(0, 0, false))
		if changed := before != after; changed != (h == random) {
			t.Errorf("%s: %v, then %v", h.Name(), before, after)
		}
	}
}

func TestReboot(t *testing.T) {
	i, r, a, b := network(t, "port+v6", "symrand")
	inner := i.Site("port+v6", Behind(a.Site())).Host()
	for _, h := range []*Host{a, b, inner} {
		s := open(t, h.NS, h.Inside, 5000)
		s.mapped(r.at(0, 0, false))
		h.Site().Down()
		if m, ok := s.ask(r.at(0, 0, false), "same", silence); ok {
			t.Errorf("%s: answer to %v while down", h.Name(), m)
		}
		h.Site().Up()
		s.mapped(r.at(0, 0, false))
		if h.Inside6.IsValid() {
			open(t, h.NS, h.Inside6, 5000).mapped(r.at(0, 0, true))
		}
	}
	a.Site().Reboot(time.Millisecond)
	open(t, inner.NS, inner.Inside6, 0).mapped(r.at(0, 0, true))
}

func TestNewIP(t *testing.T) {
	i, r, a, b := network(t, "port+v6", "fullcone+hp")
	c := i.Site("port", Behind(i.Carrier("port"))).Host()
	for _, h := range []*Host{a, b, c} {
		s := open(t, h.NS, h.Inside, 5000)
		before, wan := s.mapped(r.at(0, 0, false)), h.Site().WAN
		if got := h.Site().NewIP(); got == wan || got != h.Site().WAN {
			t.Errorf("%s: new address %v after %v", h.Name(), got, wan)
		}
		after := s.mapped(r.at(0, 0, false))
		if after.Addr() != h.Outside() || (after.Addr() == before.Addr()) != (h == c) {
			t.Errorf("%s: %v, then %v, says %v", h.Name(), before, after, h.Outside())
		}
	}
}

// TestStuck: a flow that began while there was no NAT stays broken while somebody sends, and another
// works. The internet does not carry what was not translated.
func TestStuck(t *testing.T) {
	i, r, a, b := network(t, "port", "fullcone")
	peer := i.Public("peer")
	private, err := peer.Sniff(peer.Device, func(p netns.Packet) bool {
		from, ok := netip.AddrFromSlice(p.Data[26:30])
		return bytes.HasSuffix(p.Data, []byte("on and on")) && ok && from.IsPrivate()
	})
	if err != nil {
		t.Fatal(err)
	}
	defer private.Close()
	for _, h := range []*Host{a, b} {
		s := open(t, h.NS, h.Inside, 5000)
		s.mapped(r.at(0, 0, false))
		ctx, stop := context.WithCancel(t.Context())
		go func() {
			beat := time.NewTicker(10 * time.Millisecond)
			defer beat.Stop()
			for {
				select {
				case <-ctx.Done():
					return
				case <-beat.C:
				}
				s.send(r.at(0, 0, false), "on and on")
				s.send(netip.AddrPortFrom(peer.Inside, 5000), "on and on")
			}
		}()
		h.Site().Stuck(200 * time.Millisecond)
		if m, ok := s.ask(r.at(0, 0, false), "same", silence); ok {
			t.Errorf("%s: answer to %v", h.Name(), m)
		}
		open(t, h.NS, h.Inside, 5001).mapped(r.at(0, 0, false))
		stop()
	}
	if private.Count() != 0 {
		t.Error("the internet carried packets from private addresses")
	}
}

func TestSetNAT(t *testing.T) {
	_, r, a, _ := network(t, "port", "port")
	for _, c := range []struct{ kind, class string }{
		{"symrand", "varies, address+port"}, {"block", "no UDP"}, {"fullcone", "kept, none"},
	} {
		a.Site().SetNAT(c.kind)
		t.Run(c.kind, func(t *testing.T) {
			if got := r.classify(t, a, false); got != c.class {
				t.Errorf("%q, want %q", got, c.class)
			}
		})
	}
}

// TestLoss: of a site, of one direction of it, and of one direction between two hosts.
func TestLoss(t *testing.T) {
	i, r, a, b := network(t, "port", "open")
	sa, sb := open(t, a.NS, a.Inside, 5000), open(t, b.NS, b.Inside, 5000)
	atB := netip.AddrPortFrom(b.Inside, 5000)
	sa.send(atB, "hello")
	atA := sb.want("hello")
	passes := func(s, at *socket, to netip.AddrPort, word string, want bool) {
		t.Helper()
		s.send(to, word)
		if want {
			at.want(word)
		} else {
			at.wantNot(word)
		}
	}
	both := func(word string, out, in bool) {
		t.Helper()
		passes(sa, sb, atB, word+" out", out)
		passes(sb, sa, atA, word+" in", in)
	}
	both("whole", true, true)
	a.Site().OneWay("in")
	both("one way in", true, false)
	a.Site().OneWay("out")
	both("one way out", false, true)
	a.Site().OneWay("off")
	a.Site().Loss(100)
	both("all lost", false, false)
	a.Site().Loss(0)
	i.Loss(a, b, 100)
	both("no way there", false, true)
	sa.mapped(r.at(0, 0, false))
	i.Loss(a, b, 0)
	i.Loss(b, a, 100)
	both("no way back", true, false)
	i.Loss(b, a, 0)
	both("whole again", true, true)
	i.Loss(a, b, 50)
	for range 400 {
		sa.send(atB, "many")
	}
	got := 0
	for {
		if _, _, err := sb.receive(silence); err != nil {
			break
		}
		got++
	}
	if got < 100 || got > 300 {
		t.Errorf("%d of 400 came through half a loss", got)
	}
}

// TestTimeouts: a mapping ends, for a cone as well.
func TestTimeouts(t *testing.T) {
	_, r, a, b := network(t, "port", "fullcone")
	sockets := make(map[*Host]*socket)
	for _, h := range []*Host{a, b} {
		h.Site().Timeouts(2*time.Second, 2*time.Second)
		sockets[h] = open(t, h.NS, h.Inside, 5000)
	}
	for _, s := range sockets {
		s.send(r.at(0, 0, false), "1 same")
		s.receive(answerLimit)
	}
	conns := func(h *Host) (n int) {
		text, err := h.Site().Router.ReadFile("/proc/net/nf_conntrack")
		if err != nil {
			t.Fatal(err)
		}
		cone, err := h.Site().Router.Run("nft list map ip natlab cone")
		if err != nil {
			t.Fatal(err)
		}
		return bytes.Count([]byte(text), []byte("dport=3478")) + bytes.Count([]byte(cone), []byte("5000 expires"))
	}
	if conns(a) != 1 || conns(b) != 2 {
		t.Errorf("%d and %d mappings, want 1 and 2", conns(a), conns(b))
	}
	err := netns.Eventually(answerLimit, func() error {
		if n := conns(a) + conns(b); n != 0 {
			return fmt.Errorf("%d mappings are left", n)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

// TestMove: from the Wi-Fi to a mobile network and back.
func TestMove(t *testing.T) {
	i, r, h, _ := network(t, "port+v6", "port")
	home, lte := h.Site(), i.Carrier("symrand")
	open(t, h.NS, netip.IPv4Unspecified(), 5000).mapped(r.at(0, 0, false))
	h.Move(lte)
	s := open(t, h.NS, netip.IPv4Unspecified(), 5001)
	if m := s.mapped(r.at(0, 0, false)); m.Addr() != lte.WAN || h.Outside() != lte.WAN {
		t.Errorf("seen at %v, says %v, carrier %v", m, h.Outside(), lte.WAN)
	}
	if h.Inside6.IsValid() || h.Device != "eth1" {
		t.Errorf("after the move %v on %s", h.Inside6, h.Device)
	}
	h.Move(home)
	if m := s.mapped(r.at(0, 0, false)); m.Addr() != home.WAN || h.Site() != home {
		t.Errorf("seen at %v, back at %v", m, home.WAN)
	}
	open(t, h.NS, h.Inside6, 5000).mapped(r.at(0, 0, true))
}

// TestNewPrefix: addresses of both prefixes work while both are routed, then the new ones.
func TestNewPrefix(t *testing.T) {
	_, r, kind, not := network(t, "port+v6", "v6only")
	for _, h := range []*Host{kind, not} {
		old := h.Inside6
		remove := h.Site().NewPrefix(h == kind)
		if s := open(t, h.NS, netip.IPv6Unspecified(), 5000); s.mapped(r.at(0, 0, true)).Addr() != h.Inside6 {
			t.Errorf("%s is not seen at %v", h.Name(), h.Inside6)
		}
		stale := open(t, h.NS, old, 5001)
		stale.send(r.at(0, 0, true), "1 same")
		if _, _, err := stale.receive(silence); (err == nil) != (h == kind) {
			t.Errorf("%s: at %v: %v", h.Name(), old, err)
		}
		remove()
		open(t, h.NS, h.Inside6, 5002).mapped(r.at(0, 0, true))
		if out, err := h.Run("ip address show"); err != nil || strings.Contains(out, old.String()) {
			t.Errorf("%s: %v: %s", h.Name(), err, out)
		}
	}
}

// TestDelay: packets take their time, and stay in order.
func TestDelay(t *testing.T) {
	t.Parallel()
	i := New(t)
	r := newReflector(t, i)
	far := i.Site("port", Distant(30*time.Millisecond, 10*time.Millisecond)).Host()
	p := i.Public("far", Distant(20*time.Millisecond, 0))
	sp, sf := open(t, p.NS, p.Inside, 5000), open(t, far.NS, far.Inside, 5000)
	start := time.Now()
	sf.mapped(r.at(0, 0, false))
	if took := time.Since(start); took < 60*time.Millisecond {
		t.Errorf("the distant site's round trip took %v", took)
	}
	var sent, got []string
	for n := range 50 {
		sent = append(sent, string(rune('A'+n)))
		sf.send(netip.AddrPortFrom(p.Inside, 5000), sent[n])
	}
	for range sent {
		word, _, err := sp.receive(answerLimit)
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, word)
	}
	if !slices.Equal(got, sent) {
		t.Errorf("sent %q, got %q", sent, got)
	}
	far.Site().Delay(0, 0)
	p.Delay(0, 0)
	err := netns.Eventually(answerLimit, func() error {
		start := time.Now()
		sf.mapped(r.at(0, 0, false))
		if took := time.Since(start); took > 50*time.Millisecond {
			return fmt.Errorf("without delay %v", took)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

// TestAddAddress: a public host with two addresses answers from both.
func TestAddAddress(t *testing.T) {
	i, _, a, _ := network(t, "port", "port")
	p := i.Public("two")
	second, _ := p.AddAddress()
	s, sa := open(t, p.NS, second, 5000), open(t, a.NS, a.Inside, 5000)
	sa.send(netip.AddrPortFrom(second, 5000), "hello")
	s.send(s.want("hello"), "answer")
	if from := sa.want("answer"); from.Addr() != second {
		t.Errorf("answer from %v", from)
	}
}
