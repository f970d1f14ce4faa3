package netmon

import (
	"errors"
	"fmt"
	"net"
	"net/netip"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// tunnelKinds are the kinds of devices that carry packets inside others. 6in4 (sit) is left out: it
// is how some machines have IPv6, with addresses by which the world reaches them.
var tunnelKinds = map[string]bool{
	"tun": true, "tuntap": true, "wireguard": true, "amneziawg": true, "ovpn": true,
	"vxlan": true, "geneve": true, "bareudp": true, "gre": true, "gretap": true, "ip6gre": true,
	"ip6gretap": true, "erspan": true, "ipip": true, "ip6tnl": true, "vti": true, "vti6": true,
	"xfrm": true, "l2tp": true,
}

// wholeKinds are the kinds whose ports have no addresses that count. Those in a VRF do.
var wholeKinds = map[string]bool{
	"bridge": true, "bond": true, "team": true, "openvswitch": true, "ovs-system": true,
}

// interfaces asks twice, for links and for addresses, however many there are.
func interfaces() ([]Interface, error) {
	links, err := netlink.LinkList()
	if unusable(err) {
		return nil, fmt.Errorf("list links: %w", err)
	}
	kinds := make(map[int]string, len(links))
	for _, l := range links {
		kinds[l.Attrs().Index] = l.Type()
	}
	out, at := make([]Interface, 0, len(links)), make(map[int]int, len(links))
	for _, l := range links {
		at[l.Attrs().Index] = len(out)
		out = append(out, interfaceOf(l, kinds))
	}
	addrs, err := netlink.AddrList(nil, netlink.FAMILY_ALL)
	if unusable(err) {
		return nil, fmt.Errorf("list addresses: %w", err)
	}
	for _, a := range addrs {
		i, ok := at[a.LinkIndex]
		if p, valid := prefixOf(a); ok && valid {
			out[i].Prefixes = append(out[i].Prefixes, p)
		}
	}
	return out, nil
}

// unusable reports whether an answer of the kernel is worth nothing. One that changed while it was
// given is: the message about that change has us ask again.
func unusable(err error) bool {
	return err != nil && !errors.Is(err, netlink.ErrDumpInterrupted)
}

func interfaceOf(l netlink.Link, kinds map[int]string) Interface {
	a := l.Attrs()
	has := func(flag uint32) bool { return a.RawFlags&flag != 0 }
	return Interface{
		Name: a.Name, Index: a.Index, MTU: a.MTU,
		Up:           has(unix.IFF_UP) && has(unix.IFF_RUNNING),
		Loopback:     has(unix.IFF_LOOPBACK),
		PointToPoint: has(unix.IFF_POINTOPOINT),
		Multicast:    has(unix.IFF_MULTICAST),
		Tunnel:       tunnelKinds[l.Type()],
		Port:         a.MasterIndex != 0 && wholeKinds[kinds[a.MasterIndex]],
	}
}

// prefixOf leaves out addresses that cannot be used: those being checked for duplicates, and
// duplicates.
func prefixOf(a netlink.Addr) (netip.Prefix, bool) {
	if a.IPNet == nil || a.Flags&(unix.IFA_F_TENTATIVE|unix.IFA_F_DADFAILED) != 0 &&
		a.Flags&unix.IFA_F_OPTIMISTIC == 0 {
		return netip.Prefix{}, false
	}
	return prefixOfNet(a.IPNet)
}

// defaultRoutes are those of the main table. What policy routing puts before it is for some packets
// only, and of a VPN's own table the router is not ours to talk to.
func defaultRoutes() ([]defaultRoute, error) {
	var out []defaultRoute
	for _, family := range []int{netlink.FAMILY_V4, netlink.FAMILY_V6} {
		routes, err := netlink.RouteListFiltered(family, &netlink.Route{}, netlink.RT_FILTER_DST)
		if errors.Is(err, unix.EOPNOTSUPP) { // a kernel without IPv6
			continue
		}
		if unusable(err) {
			return nil, fmt.Errorf("list routes: %w", err)
		}
		for _, r := range routes {
			if r.Type == unix.RTN_UNICAST {
				out = append(out, routeOf(r, family == netlink.FAMILY_V6))
			}
		}
	}
	return out, nil
}

// routeOf takes the first next hop of a route that has several.
func routeOf(r netlink.Route, six bool) defaultRoute {
	gw, index := r.Gw, r.LinkIndex
	if len(r.MultiPath) > 0 {
		gw, index = r.MultiPath[0].Gw, r.MultiPath[0].LinkIndex
	}
	return defaultRoute{index: index, gateway: addrOf(gw), six: six, metric: uint64(r.Priority)}
}

func addrOf(ip net.IP) netip.Addr {
	a, _ := netip.AddrFromSlice(ip)
	return a.Unmap()
}
