package natlab

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/vxmesh/vxmesh/lab/netns"
)

// Where addresses are from.
var (
	outside4 = netip.MustParsePrefix("203.0.113.0/24")
	outside6 = netip.MustParsePrefix("2001:db8:ffff::/64")
	// routed4 are cut into the networks of 14 hosts that open and fw have inside.
	routed4 = []netip.Prefix{
		netip.MustParsePrefix("198.51.100.0/24"), netip.MustParsePrefix("192.0.2.0/24"),
	}
)

// An Internet is a router with a cable to everything public.
type Internet struct {
	*netns.NS

	t      testing.TB
	cables int
	last   int // of the outside addresses given away
	routed int // networks given away
	sites  int
	losses map[direction]int
}

// New makes an internet that goes with the test.
func New(t testing.TB) *Internet {
	t.Helper()
	i := &Internet{NS: newNS(t, "internet", true), t: t, last: 1, losses: make(map[direction]int)}
	ip(t, i.NS, "address add 203.0.113.1/32 dev lo", "address add 2001:db8:ffff::1/128 dev lo")
	i.load()
	return i
}

// address gives away the next outside addresses.
func (i *Internet) address() (v4, v6 netip.Addr) {
	i.t.Helper()
	i.last++
	if i.last > 254 {
		i.t.Fatal("natlab: no outside address is left")
	}
	return nth(outside4, i.last), nth(outside6, i.last)
}

// nth is address number n of a network; only its last two bytes are counted.
func nth(p netip.Prefix, n int) netip.Addr {
	b := p.Addr().AsSlice()
	b[len(b)-2] += byte(n >> 8)
	b[len(b)-1] += byte(n)
	a, _ := netip.AddrFromSlice(b)
	return a
}

// network gives away the next network for routed addresses.
func (i *Internet) network() netip.Prefix {
	i.t.Helper()
	const each = 16
	block, n := i.routed/each, i.routed%each
	if block >= len(routed4) {
		i.t.Fatal("natlab: no routed network is left")
	}
	i.routed++
	return netip.PrefixFrom(nth(routed4[block], n*each), 28)
}

// cable joins a device of a public host or router to the internet, and returns the other end's name.
func (i *Internet) cable(ns *netns.NS, device string, l *line) (port string) {
	i.t.Helper()
	i.cables++
	port = fmt.Sprintf("p%d", i.cables)
	if l == nil {
		veth(i.t, ns, device, i.NS, port)
	} else {
		l.join(i.t, ns, device, i.NS, port)
	}
	ip(i.t, i.NS, "address add fe80::1/64 dev "+port+" nodad")
	return port
}

// public tells both ends of a cable that addresses are at its far end.
func (i *Internet) public(ns *netns.NS, device, port string, addrs ...netip.Addr) {
	i.t.Helper()
	var far, near []string
	for _, a := range addrs {
		far = append(far, fmt.Sprintf("address replace %s/%d dev %s", a, a.BitLen(), device)+noDAD(a))
		near = append(near, fmt.Sprintf("route replace %s/%d dev %s", a, a.BitLen(), port))
	}
	ip(i.t, i.NS, near...)
	ip(i.t, ns, append(far, defaultRoutes(device)...)...)
}

// noDAD makes an address work at once.
func noDAD(a netip.Addr) string {
	if a.Is6() {
		return " nodad"
	}
	return ""
}

// defaultRoutes lead to the internet.
func defaultRoutes(device string) []string {
	return []string{
		"route replace 203.0.113.1 dev " + device,
		"route replace default via 203.0.113.1 dev " + device,
		"route replace ::/0 via fe80::1 dev " + device,
	}
}

// A direction is from one outside address to another.
type direction struct{ from, to netip.Addr }

// Loss makes the internet lose that many percent of the packets from one host to another, at the
// outside addresses that both have now; other ways between them, through a third, stay as they are.
// 100 cuts that direction, 0 mends it.
func (i *Internet) Loss(from, to *Host, percent int) {
	i.t.Helper()
	for _, d := range []direction{{from.Outside(), to.Outside()}, {from.Outside6(), to.Outside6()}} {
		if d.from.IsValid() && d.to.IsValid() {
			i.losses[d] = percent
		}
	}
	i.load()
}

// drop is a rule that drops that many percent of what gets to it.
func drop(percent int) string {
	switch {
	case percent <= 0:
		return "accept"
	case percent >= 100:
		return "drop"
	default:
		return fmt.Sprintf("numgen random mod 100 < %d drop", percent)
	}
}

// load replaces the internet's rules.
func (i *Internet) load() {
	i.t.Helper()
	var lose strings.Builder
	for d, percent := range i.losses {
		family := "ip"
		if d.from.Is6() {
			family = "ip6"
		}
		fmt.Fprintf(&lose, "%[1]s saddr %[2]s %[1]s daddr %[3]s %[4]s\n",
			family, d.from, d.to, drop(percent))
	}
	const private = "{ 10.0.0.0/8, 100.64.0.0/10, 172.16.0.0/12, 192.168.0.0/16 }"
	nft(i.t, i.NS, fmt.Sprintf(`
	table inet internet
	delete table inet internet
	table inet internet {
		chain forwarding {
			type filter hook forward priority filter; policy accept;
			ip saddr %[1]s drop
			ip daddr %[1]s drop
			%[2]s
		}
	}
	`, private, lose.String()))
}
