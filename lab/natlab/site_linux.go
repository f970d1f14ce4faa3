package natlab

import (
	"fmt"
	"net/netip"
	"time"

	"github.com/vxmesh/vxmesh/lab/netns"
)

// A Site is a router, the network inside it, and the hosts there. The router's devices are wan and
// lan; lan is a switch.
type Site struct {
	// Router is the NAT's own namespace.
	Router *netns.NS
	// Network is the inside's, zero in a site without IPv4; its first address is the router's.
	Network netip.Prefix
	// Network6 is the inside's, zero in a site without IPv6.
	Network6 netip.Prefix
	// WAN and WAN6 are the router's own outside addresses; WAN6 is zero behind another site.
	WAN, WAN6 netip.Addr

	internet *Internet
	number   int
	kind     kind
	life     timeouts
	setup
	port  string
	ports int // inside
	last  int // of the inside addresses given away
	fresh int // prefixes of IPv6 it has got since
	hosts []*Host
}

// An Option says how a site differs from a plain one.
type Option func(*setup)

// setup is what options set.
type setup struct {
	behind  *Site // nil: the internet
	network netip.Prefix
	line    *line // nil: a plain cable
}

// Behind puts a site behind another: a home behind a carrier, or a second router in a home.
func Behind(s *Site) Option { return func(o *setup) { o.behind = s } }

// Inside sets the inside network, so that two sites can have the same; it is not for open and fw.
func Inside(network string) Option {
	return func(o *setup) { o.network = netip.MustParsePrefix(network) }
}

// Distant makes the cable to the internet take its time, each way; see [Site.Delay]. It is not for
// what is behind another site.
func Distant(delay, jitter time.Duration) Option {
	return func(o *setup) {
		o.line = new(line)
		o.line.set(delay, jitter)
	}
}

// Site makes a site of a kind, and one host in it.
func (i *Internet) Site(kind string, options ...Option) *Site {
	i.t.Helper()
	s := i.router(kind, "192.168.%d.0/24", options)
	s.AddHost()
	return s
}

// Carrier makes a site that has no hosts yet, for other sites to be behind, and for hosts to move
// to.
func (i *Internet) Carrier(kind string, options ...Option) *Site {
	i.t.Helper()
	return i.router(kind, "100.64.%d.0/24", options)
}

func (i *Internet) router(text, network string, options []Option) *Site {
	i.t.Helper()
	i.sites++
	s := &Site{internet: i, number: i.sites, life: defaultTimeouts, last: 9}
	for _, set := range options {
		set(&s.setup)
	}
	s.setKind(text)
	if s.behind != nil && s.kind.routed() {
		i.t.Fatalf("natlab: a site of the kind %s behind another would need a network there", text)
	}
	s.Router = newNS(i.t, fmt.Sprintf("router %d", s.number), true)
	s.makeInside(network)
	s.makeOutside()
	s.load()
	return s
}

func (s *Site) setKind(text string) {
	s.internet.t.Helper()
	k, err := parseKind(text)
	if err != nil {
		s.internet.t.Fatal("natlab:", err)
	}
	s.kind = k
}

// makeInside makes the switch.
func (s *Site) makeInside(network string) {
	s.internet.t.Helper()
	lines := []string{
		"link add lan type bridge mcast_snooping 0", "link set dev lan up",
		"address add fe80::1/64 dev lan nodad",
	}
	switch {
	case s.kind.routed():
		s.Network = s.internet.network()
		s.last = 1
	case s.network.IsValid():
		s.Network = s.network.Masked()
	case s.kind.v4():
		s.Network = netip.MustParsePrefix(fmt.Sprintf(network, s.number))
	}
	if s.Network.IsValid() {
		lines = append(lines, fmt.Sprintf("address add %s/%d dev lan", s.gateway(), s.Network.Bits()))
	}
	if s.kind.v6 {
		s.Network6 = netip.MustParsePrefix(fmt.Sprintf("2001:db8:%x::/64", s.number))
		lines = append(lines, fmt.Sprintf("address add %s/64 dev lan nodad", s.Network6.Addr().Next()))
	}
	ip(s.internet.t, s.Router, lines...)
}

// gateway is the router's inside address.
func (s *Site) gateway() netip.Addr { return s.Network.Addr().Next() }

// makeOutside joins the router to what is outside, and what is there to the router.
func (s *Site) makeOutside() {
	i := s.internet
	i.t.Helper()
	if s.behind != nil {
		s.behind.plug(s.Router, "wan")
		s.WAN, _ = s.behind.address()
	} else {
		s.port = i.cable(s.Router, "wan", s.line)
		s.WAN, s.WAN6 = i.address()
	}
	s.connect()
	if s.kind.v6 {
		s.route(s.Network6)
	}
}

// linkLocal is the router's name in routes to what is inside.
func (s *Site) linkLocal() string { return fmt.Sprintf("fe80::5:%x", s.number) }

// connect gives the router its outside addresses and routes; those it has already may stay.
func (s *Site) connect() {
	i := s.internet
	i.t.Helper()
	if s.behind != nil {
		up := s.behind
		lines := []string{
			"address replace " + s.linkLocal() + "/64 dev wan nodad",
			"route replace ::/0 via fe80::1 dev wan",
		}
		if s.WAN.IsValid() {
			lines = append(lines, fmt.Sprintf("address replace %s/%d dev wan", s.WAN, up.Network.Bits()),
				fmt.Sprintf("route replace default via %s dev wan", up.gateway()))
		}
		ip(i.t, s.Router, lines...)
		return
	}
	i.public(s.Router, "wan", s.port, s.WAN, s.WAN6)
	if s.kind.routed() {
		ip(i.t, i.NS, fmt.Sprintf("route replace %s via %s dev %s", s.Network, s.WAN, s.port))
	}
}

// route makes everything outside find a network inside.
func (s *Site) route(network netip.Prefix) {
	s.internet.t.Helper()
	if s.behind == nil {
		ip(s.internet.t, s.internet.NS, fmt.Sprintf("route replace %s via %s dev %s", network, s.WAN6, s.port))
		return
	}
	ip(s.internet.t, s.behind.Router, fmt.Sprintf("route replace %s via %s dev lan", network, s.linkLocal()))
	s.behind.route(network)
}

// plug joins a device to the inside network.
func (s *Site) plug(ns *netns.NS, device string) {
	t := s.internet.t
	t.Helper()
	s.ports++
	port := fmt.Sprintf("l%d", s.ports)
	veth(t, ns, device, s.Router, port)
	ip(t, s.Router, fmt.Sprintf("link set dev %s master lan", port))
	running(t, s.Router, "lan")
}

// address gives away the next inside addresses.
func (s *Site) address() (v4, v6 netip.Addr) {
	s.last++
	if s.Network.IsValid() {
		v4 = nth(s.Network, s.last)
	}
	if s.Network6.IsValid() {
		v6 = nth(s.Network6, s.last)
	}
	return v4, v6
}

// AddHost makes one more host in the site.
func (s *Site) AddHost() *Host {
	t := s.internet.t
	t.Helper()
	name := fmt.Sprintf("host %d.%d", s.number, len(s.hosts)+1)
	h := &Host{NS: newNS(t, name, false), internet: s.internet}
	h.Plug(s)
	s.hosts = append(s.hosts, h)
	return h
}

// Host is the site's first host, which must be there.
func (s *Site) Host() *Host { return s.hosts[0] }

// Outer is the site that this one is behind, nil for none.
func (s *Site) Outer() *Site { return s.behind }

// Outside is the IPv4 address the internet sees of the site: the last NAT's.
func (s *Site) Outside() netip.Addr {
	if s.behind != nil && s.behind.kind.translates() {
		return s.behind.Outside()
	}
	return s.WAN
}

// load replaces the router's rules.
func (s *Site) load() {
	s.internet.t.Helper()
	nft(s.internet.t, s.Router, s.kind.text(s.WAN, s.life))
}
