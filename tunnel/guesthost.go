package tunnel

import (
	"encoding/binary"
	"iter"
	"net/netip"
	"slices"

	"github.com/vxmesh/vxmesh/tundev"
	"github.com/vxmesh/vxmesh/tundev/ether"
	"github.com/vxmesh/vxmesh/tunnel/control"
	"github.com/vxmesh/vxmesh/tunnel/roster"
)

const (
	// maxCandidates is how many hosts of a subnet a guest may try before it gives up.
	maxCandidates = 16
	// maxSubnetBits is the length of the smallest subnet of IPv4 with a host to spare.
	maxSubnetBits = 30
	// minMTUv6 is what IPv6 needs (RFC 8200, 5).
	minMTUv6 = 1280
)

// guestAddresses lists what a guest may take: the addresses that it asked for, or the free hosts of the
// segment's subnet, of which it tries one after another. The caller holds mu.
func (s *segment) guestAddresses(r control.GuestRequest, mac ether.MAC) ([]control.List[netip.Prefix], error) {
	taken := s.takenAddresses()
	if !r.Auto {
		for _, a := range r.Addresses {
			if taken[a.Addr()] {
				return nil, control.Errorf(control.CodeConflict, "another host of vni %d has %s", s.vni, a.Addr())
			}
		}
		return []control.List[netip.Prefix]{r.Addresses}, nil
	}
	v4, v6 := s.subnets()
	var own control.List[netip.Prefix] // of IPv6, which are free as the MAC is
	if v6.IsValid() && s.dev.MTU() >= minMTUv6 {
		own = append(own, tundev.HostOf(v6, mac))
	}
	list := make([]control.List[netip.Prefix], 0, maxCandidates)
	for a := range freeHosts(v4, mac, taken) {
		list = append(list, append(control.List[netip.Prefix]{a}, own...))
		if len(list) == maxCandidates {
			break
		}
	}
	switch {
	case len(list) > 0:
		return list, nil
	case v4.IsValid():
		return nil, control.Errorf(control.CodeConflict, "every host of %s is taken in vni %d", v4, s.vni)
	case len(own) > 0:
		return []control.List[netip.Prefix]{own}, nil
	}
	e := control.Errorf(control.CodeUsage, "vni %d has no subnet that an address could be from", s.vni)
	e.Fix = []string{"say which address, as in --address 10.0.0.9/24, or that there is none: --address none"}
	return nil, e
}

// subnets are where the segment's hosts are: where its device has addresses, or the network's pool.
func (s *segment) subnets() (v4, v6 netip.Prefix) {
	for _, p := range *s.own.Load() {
		switch {
		case p.Addr().IsLinkLocalUnicast():
		case p.Addr().Is4() && !v4.IsValid() && p.Bits() <= maxSubnetBits:
			v4 = p.Masked()
		case p.Addr().Is6() && !v6.IsValid() && p.Bits() <= 64:
			v6 = p.Masked()
		}
	}
	if c := s.node.mesh.club; c != nil && !v4.IsValid() && !v6.IsValid() {
		return roster.Pool(c.Anchor.ID())
	}
	return v4, v6
}

// takenAddresses are those that hosts of the segment are known to have.
func (s *segment) takenAddresses() map[netip.Addr]bool {
	taken := make(map[netip.Addr]bool)
	list := slices.Clone(*s.own.Load())
	for _, g := range s.leg.Load().guests() {
		list = append(list, g.hosts()...)
	}
	if c := s.node.mesh.club; c != nil {
		list = append(list, c.overlay(s.vni)...)
	}
	for _, p := range list {
		taken[p.Addr()] = true
	}
	return taken
}

// overlay lists the addresses that other members say they have in a segment.
func (c *membership) overlay(vni uint32) (list []netip.Prefix) {
	c.m.mu.Lock()
	defer c.m.mu.Unlock()
	for _, r := range c.roster.Members() {
		if r.ID == c.self || r.Record == nil {
			continue
		}
		for _, o := range r.Record.Overlay {
			if o.VNI == vni {
				list = append(list, o.Prefix)
			}
		}
	}
	return list
}

// freeHosts are the hosts of an IPv4 subnet that nobody is known to be, from a place that depends on the
// MAC: two guests that choose at once rarely choose the same. The first host is left out, for it is the
// router's as a rule.
func freeHosts(subnet netip.Prefix, mac ether.MAC, taken map[netip.Addr]bool) iter.Seq[netip.Prefix] {
	return func(yield func(netip.Prefix) bool) {
		if !subnet.IsValid() || subnet.Bits() > maxSubnetBits {
			return
		}
		net4 := subnet.Addr().As4()
		lowest := uint64(binary.BigEndian.Uint32(net4[:])) + 2
		hosts := uint64(1)<<(32-subnet.Bits()) - 3 // without network, first and broadcast (RFC 1122, 3.2.1.3)
		first := mac.Uint64()
		for i := range hosts {
			a := binary.BigEndian.AppendUint32(nil, uint32(lowest+(first+i)%hosts))
			p := netip.PrefixFrom(netip.AddrFrom4([4]byte(a)), subnet.Bits())
			if !taken[p.Addr()] && !yield(p) {
				return
			}
		}
	}
}
