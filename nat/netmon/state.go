package netmon

import (
	"cmp"
	"maps"
	"net/netip"
	"slices"
)

// An Interface is one network interface of this machine.
type Interface struct {
	Name  string
	Index int
	MTU   int // bytes

	Up           bool // switched on, and with a carrier where the system tells
	Loopback     bool
	PointToPoint bool
	Multicast    bool

	// Tunnel is set for what carries packets inside other packets (TUN, TAP, WireGuard, VXLAN, GRE),
	// as far as the system tells. Its addresses are of no use for reaching this machine, and a way
	// that leads through it may lead through ourselves.
	Tunnel bool

	// Port is set for a port of a bridge or of a bond: the addresses that count are those of the
	// whole. Only Linux tells.
	Port bool

	// Prefixes are its addresses with the lengths of their networks, in order. Addresses that the
	// system still checks for duplicates are left out.
	Prefixes []netip.Prefix
}

// Outward reports whether the interface may lead to other machines by itself.
func (i Interface) Outward() bool { return i.Up && !i.Loopback && !i.Tunnel && !i.Port }

// A State is how this machine is connected. States are never changed once they are given out.
type State struct {
	Interfaces []Interface // by index

	// Gateway4 and Gateway6 are the routers of the default routes, invalid where there is no such
	// route or it has no router, as over PPP. A link-local one has the interface as its zone.
	Gateway4, Gateway6 netip.Addr

	// DefaultInterface is where the IPv4 default route leads, or that of IPv6 if there is no other;
	// empty without both. Routes into tunnels count only when there are no others.
	DefaultInterface string
}

// Interface gives the interface of an index.
func (s State) Interface(index int) (Interface, bool) {
	for _, i := range s.Interfaces {
		if i.Index == index {
			return i, true
		}
	}
	return Interface{}, false
}

// An addressOf is one address on one interface.
type addressOf struct {
	index  int
	prefix netip.Prefix
}

// addresses are those by which other machines may reach this one.
func (s State) addresses(ignore func(Interface) bool) map[addressOf]bool {
	out := make(map[addressOf]bool)
	for _, i := range s.Interfaces {
		if !i.Outward() || ignore != nil && ignore(i) {
			continue
		}
		for _, p := range i.Prefixes {
			out[addressOf{i.Index, p}] = true
		}
	}
	return out
}

// changes tells what differs from an older state. An interface that is down has no addresses here,
// so losing the carrier is a change of addresses.
func (s State) changes(old State, ignore func(Interface) bool) Kinds {
	var k Kinds
	if !maps.Equal(s.addresses(ignore), old.addresses(ignore)) {
		k |= AddressChange
	}
	if s.Gateway4 != old.Gateway4 || s.Gateway6 != old.Gateway6 || s.DefaultInterface != old.DefaultInterface {
		k |= RouteChange
	}
	return k
}

// A defaultRoute is one default route as the system lists it.
type defaultRoute struct {
	index   int
	gateway netip.Addr // without a zone; invalid where there is no router
	six     bool
	metric  uint64 // of several the least counts, as the first of equals
}

// sort has equal sets of addresses look equal, whatever order the system told them in.
func (s *State) sort() {
	slices.SortFunc(s.Interfaces, func(a, b Interface) int { return cmp.Compare(a.Index, b.Index) })
	for _, i := range s.Interfaces {
		slices.SortFunc(i.Prefixes, func(a, b netip.Prefix) int {
			return cmp.Or(a.Addr().Compare(b.Addr()), cmp.Compare(a.Bits(), b.Bits()))
		})
	}
}

// setDefaults chooses among the default routes.
func (s *State) setDefaults(routes []defaultRoute) {
	four, via4 := s.best(routes, false)
	six, via6 := s.best(routes, true)
	s.Gateway4, s.Gateway6 = four.gateway, six.gateway
	if six.gateway.IsLinkLocalUnicast() {
		s.Gateway6 = six.gateway.WithZone(via6.Name)
	}
	s.DefaultInterface = cmp.Or(via4.Name, via6.Name)
}

// best is the default route of a family that packets take, and its interface; tunnels come last.
func (s *State) best(routes []defaultRoute, six bool) (best defaultRoute, by Interface) {
	for _, r := range routes {
		via, _ := s.Interface(r.index) // one that has gone is not up
		if r.six != six || !via.Up {
			continue
		}
		better := r.metric < best.metric
		if via.Tunnel != by.Tunnel {
			better = by.Tunnel
		}
		if better || by.Name == "" {
			best, by = r, via
		}
	}
	return best, by
}
