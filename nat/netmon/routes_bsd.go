//go:build darwin || freebsd || netbsd || openbsd

package netmon

import (
	"fmt"
	"net"
	"net/netip"
	"runtime"

	"golang.org/x/net/route"
	"golang.org/x/sys/unix"
)

// isTunnel goes by the name, which here is the driver's.
func isTunnel(i net.Interface) bool { return isTunnelName(i.Name) }

// scopedRoute is macOS' RTF_IFSCOPE: a default route for sockets that chose their interface
// themselves. Each interface has one, so it says nothing.
const scopedRoute = 0x1000000

func defaultRoutes() ([]defaultRoute, error) {
	b, err := route.FetchRIB(unix.AF_UNSPEC, route.RIBTypeRoute, 0)
	if err != nil {
		return nil, fmt.Errorf("read routes: %w", err)
	}
	messages, err := route.ParseRIB(route.RIBTypeRoute, b)
	if err != nil {
		return nil, fmt.Errorf("parse routes: %w", err)
	}
	var out []defaultRoute
	for n, m := range messages {
		if r, ok := defaultRouteOf(m); ok {
			r.metric = uint64(n) // the kernel lists the one it uses first
			out = append(out, r)
		}
	}
	return out, nil
}

// defaultRouteOf reports whether a message is about a default route that is in use.
func defaultRouteOf(m route.Message) (defaultRoute, bool) {
	r, ok := m.(*route.RouteMessage)
	if !ok || r.Flags&unix.RTF_UP == 0 || r.Flags&(unix.RTF_REJECT|unix.RTF_BLACKHOLE) != 0 ||
		runtime.GOOS == "darwin" && r.Flags&scopedRoute != 0 || !leadsEverywhere(r) {
		return defaultRoute{}, false
	}
	out := defaultRoute{index: r.Index, six: r.Addrs[unix.RTAX_DST].Family() == unix.AF_INET6}
	if r.Flags&unix.RTF_GATEWAY != 0 && len(r.Addrs) > unix.RTAX_GATEWAY {
		out.gateway, _ = addrOf(r.Addrs[unix.RTAX_GATEWAY])
	}
	return out, true
}

// leadsEverywhere reports whether the destination is 0.0.0.0/0 or ::/0. A mask of no bits has no
// bytes on some systems, and is read as no address or one of no family.
func leadsEverywhere(r *route.RouteMessage) bool {
	if len(r.Addrs) <= unix.RTAX_NETMASK || r.Flags&unix.RTF_HOST != 0 {
		return false
	}
	dst, ok := addrOf(r.Addrs[unix.RTAX_DST])
	if !ok || !dst.IsUnspecified() {
		return false
	}
	mask, ok := addrOf(r.Addrs[unix.RTAX_NETMASK])
	return !ok || mask.IsUnspecified()
}

func addrOf(a route.Addr) (netip.Addr, bool) {
	switch a := a.(type) {
	case *route.Inet4Addr:
		return netip.AddrFrom4(a.IP), true
	case *route.Inet6Addr:
		return netip.AddrFrom16(a.IP), true
	}
	return netip.Addr{}, false
}
