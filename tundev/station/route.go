package station

import (
	"cmp"
	"net/netip"
	"slices"

	"github.com/vxmesh/vxmesh/tundev/ether"
)

// A Route says where a network is: behind the gateway Via, or on the segment itself when Via is not
// valid.
type Route struct {
	Prefix netip.Prefix
	Via    netip.Addr
}

// SetRoutes replaces the routes; the networks of the station's own addresses are on the segment in any
// case. What a route leads to is looked for with the longest prefix.
func (s *Station) SetRoutes(routes []Route) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.setRoutes(routes)
}

func (s *Station) setRoutes(routes []Route) {
	s.routes = s.routes[:0:0]
	for _, r := range routes {
		if r.Prefix.IsValid() && !r.Prefix.Addr().IsMulticast() {
			s.routes = append(s.routes, Route{r.Prefix.Masked(), r.Via})
		}
	}
	for i := range s.addresses {
		s.routes = append(s.routes, Route{Prefix: s.addresses[i].prefix.Masked()})
	}
	slices.SortStableFunc(s.routes, func(a, b Route) int { return cmp.Compare(b.Prefix.Bits(), a.Prefix.Bits()) })
}

// nextHop gives the neighbour that takes packets to dst.
func (s *Station) nextHop(dst netip.Addr) (hop netip.Addr, ok bool) {
	if !isHost(dst) || s.own(dst) != nil {
		return hop, false
	}
	for _, r := range s.routes {
		if !r.Prefix.Contains(dst) {
			continue
		}
		if r.Via.IsValid() {
			return r.Via, true
		}
		return dst, true
	}
	return hop, false
}

// onLink reports whether an address is one of a host on the segment.
func (s *Station) onLink(a netip.Addr) bool {
	hop, ok := s.nextHop(a)
	return ok && (hop == a || s.isGateway(a))
}

func (s *Station) isGateway(a netip.Addr) bool {
	return slices.ContainsFunc(s.routes, func(r Route) bool { return r.Via == a })
}

// isHost reports whether an address can be one host's.
func isHost(a netip.Addr) bool {
	return !a.IsUnspecified() && !a.IsMulticast() && !a.IsLoopback() && a != broadcastAddr
}

var broadcastAddr = netip.AddrFrom4([4]byte{255, 255, 255, 255})

// group gives the MAC for a destination that is not one host: RFC 1112, 6.4, for IPv4 multicast,
// RFC 2464, 7, for IPv6 multicast, and the broadcast address.
func (s *Station) group(dst netip.Addr) (ether.MAC, bool) {
	switch {
	case dst.Is4() && dst.IsMulticast():
		b := dst.As4()
		return ether.MAC{1, 0, 0x5e, b[1] & 0x7f, b[2], b[3]}, true
	case dst.IsMulticast():
		return groupMAC(dst), true
	case dst == broadcastAddr, dst.Is4() && slices.Contains(*s.broadcasts.Load(), dst):
		return ether.Broadcast, true
	}
	return ether.MAC{}, false
}

func groupMAC(dst netip.Addr) ether.MAC {
	b := dst.As16()
	return ether.MAC{0x33, 0x33, b[12], b[13], b[14], b[15]}
}

// lastOf is the broadcast address of an IPv4 network.
func lastOf(p netip.Prefix) netip.Addr {
	b := p.Addr().As4()
	for i := range b {
		if free := 8*(i+1) - p.Bits(); free > 0 {
			b[i] |= byte(1<<min(free, 8) - 1)
		}
	}
	return netip.AddrFrom4(b)
}
