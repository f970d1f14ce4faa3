package natlab

import (
	"fmt"
	"net/netip"
	"time"

	"github.com/vishvananda/netlink"
)

// Flush makes the router forget all mappings at once, and tells nobody.
func (s *Site) Flush() {
	s.internet.t.Helper()
	nft(s.internet.t, s.Router, "flush map ip natlab cone\nflush set ip natlab spoke\n")
	s.forget()
}

// forget removes the router's connections.
func (s *Site) forget() {
	s.internet.t.Helper()
	err := s.Router.Do(func() error { return netlink.ConntrackTableFlush(netlink.ConntrackTable) })
	if err != nil {
		s.internet.t.Fatalf("%s: forget connections: %v", s.Router.Name(), err)
	}
}

// SetNAT makes the router another kind, which forgets all mappings. What the inside addresses are
// must stay as it is: from port to symrand, say, not from port to open or to port+v6.
func (s *Site) SetNAT(text string) {
	t := s.internet.t
	t.Helper()
	old := s.kind
	s.setKind(text)
	if s.kind.translates() != old.translates() || s.kind.routed() != old.routed() || s.kind.v6 != old.v6 {
		t.Fatalf("natlab: %s has other addresses inside than the site has", text)
	}
	s.load()
	s.forget()
}

// Timeouts sets how long mappings live that were never answered, and those that were; whole seconds.
// Those that are there keep their time until their next datagram.
func (s *Site) Timeouts(single, stream time.Duration) {
	s.internet.t.Helper()
	s.life = timeouts{single, stream}
	sysctl(s.internet.t, s.Router, "net.netfilter.nf_conntrack_udp_timeout",
		fmt.Sprint(int(single.Seconds())))
	sysctl(s.internet.t, s.Router, "net.netfilter.nf_conntrack_udp_timeout_stream",
		fmt.Sprint(int(stream.Seconds())))
	s.load()
}

// Down cuts the router off from what is outside, and makes it forget all mappings.
func (s *Site) Down() {
	s.internet.t.Helper()
	ip(s.internet.t, s.Router, "link set dev wan down")
	s.Flush()
}

// Up ends [Site.Down].
func (s *Site) Up() {
	s.internet.t.Helper()
	ip(s.internet.t, s.Router, "link set dev wan up")
	running(s.internet.t, s.Router, "wan")
	s.connect()
	s.Flush()
}

// Reboot is [Site.Down], the time given, and [Site.Up].
func (s *Site) Reboot(d time.Duration) {
	s.internet.t.Helper()
	s.Down()
	time.Sleep(d)
	s.Up()
}

// NewIP gives the router another outside IPv4 address and returns it. All mappings go; routed
// networks and those of IPv6 stay.
func (s *Site) NewIP() netip.Addr {
	t := s.internet.t
	t.Helper()
	old, bits := s.WAN, 32
	if s.behind != nil {
		s.WAN, _ = s.behind.address()
		bits = s.behind.Network.Bits()
	} else {
		s.WAN, _ = s.internet.address()
		ip(t, s.internet.NS, fmt.Sprintf("route delete %s dev %s", old, s.port))
	}
	ip(t, s.Router, fmt.Sprintf("address delete %s/%d dev wan", old, bits))
	s.connect()
	s.load()
	s.forget()
	return s.WAN
}

// NewPrefix gives the site another IPv6 network, as many providers do every night, and its hosts
// addresses there. The old ones are deprecated, and stay until remove is called: nothing is routed to
// them any more, unless the provider is kind.
func (s *Site) NewPrefix(kind bool) (remove func()) {
	t, i := s.internet.t, s.internet
	t.Helper()
	if !s.kind.v6 || s.behind != nil {
		t.Fatal("natlab: a site that has no IPv6 of its own has no prefix to renew")
	}
	old := s.Network6
	s.fresh++
	s.Network6 = netip.MustParsePrefix(fmt.Sprintf("2001:db8:%x:%x::/64", s.number, s.fresh))
	ip(t, s.Router, fmt.Sprintf("address add %s/64 dev lan nodad", s.Network6.Addr().Next()))
	s.route(s.Network6)
	cut := func() { ip(t, i.NS, fmt.Sprintf("route delete %s dev %s", old, s.port)) }
	if !kind {
		cut()
	}
	var removes []func()
	for _, h := range s.hosts {
		if h.site == s {
			removes = append(removes, h.renumber(s.Network6))
		}
	}
	return func() {
		t.Helper()
		if kind {
			cut()
		}
		for _, remove := range removes {
			remove()
		}
		ip(t, s.Router, fmt.Sprintf("address delete %s/64 dev lan", old.Addr().Next()))
	}
}

// renumber gives a host the same address in another network; the old one stays until remove is called.
func (h *Host) renumber(to netip.Prefix) (remove func()) {
	h.internet.t.Helper()
	old, device := h.Inside6, h.Device
	b, a := to.Addr().As16(), old.As16()
	copy(b[8:], a[8:])
	h.Inside6 = netip.AddrFrom16(b)
	ip(h.internet.t, h.NS, fmt.Sprintf("address change %s/64 dev %s preferred_lft 0", old, device),
		fmt.Sprintf("address add %s/64 dev %s nodad", h.Inside6, device))
	return func() { ip(h.internet.t, h.NS, fmt.Sprintf("address delete %s/64 dev %s", old, device)) }
}

// Stuck forgets all mappings and forwards without translating for the time given, like a router that
// is up before its NAT: flows of that time stay as broken for as long as anybody keeps sending.
func (s *Site) Stuck(d time.Duration) {
	t := s.internet.t
	t.Helper()
	nft(t, s.Router, "flush chain ip natlab after\nflush chain ip natlab before\n")
	s.Flush()
	time.Sleep(d)
	s.load()
}

// Loss makes the router lose that many percent of what it forwards, either way; 0 ends it.
func (s *Site) Loss(percent int) {
	s.internet.t.Helper()
	s.filter("loss", drop(percent))
}

// OneWay loses all UDP that comes "in" from outside, or all that goes "out"; "off" ends it.
func (s *Site) OneWay(lost string) {
	s.internet.t.Helper()
	rule, ok := map[string]string{
		"in":  `iifname "wan" meta l4proto udp drop`,
		"out": `oifname "wan" meta l4proto udp drop`,
		"off": "",
	}[lost]
	if !ok {
		s.internet.t.Fatalf(`natlab: lose what: %q is not "in", "out" or "off"`, lost)
	}
	s.filter("oneway", rule)
}

// filter replaces one table of the router that has one rule, before all others.
func (s *Site) filter(table, rule string) {
	s.internet.t.Helper()
	nft(s.internet.t, s.Router, fmt.Sprintf(`
	table inet %[1]s
	delete table inet %[1]s
	table inet %[1]s {
		chain forwarding {
			type filter hook forward priority raw; policy accept;
			%[2]s
		}
	}
	`, table, rule))
}

// Delay sets what a [Distant] site adds to every packet from and to the internet: delay, and up to
// jitter more. Packets stay in order.
func (s *Site) Delay(delay, jitter time.Duration) {
	s.internet.t.Helper()
	s.line.change(s.internet.t, delay, jitter)
}

// Delay is [Site.Delay] of a public host.
func (h *Host) Delay(delay, jitter time.Duration) {
	h.internet.t.Helper()
	h.line.change(h.internet.t, delay, jitter)
}
