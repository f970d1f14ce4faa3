package tundev

import (
	"errors"
	"net"
	"net/netip"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"github.com/vxmesh/vxmesh/internal/wait"
	"github.com/vxmesh/vxmesh/tundev/ether"
	"github.com/vxmesh/vxmesh/tundev/station"
)

// Linux has no layer-3 device of its own kind here but a TUN opened beside the TAP, and not by way of
// golang.zx2c4.com/wireguard/tun as elsewhere: that one cuts every super-frame while it reads it, and
// the engine wants them whole.

// maxRoutes bounds how many routes through the device are looked at.
const maxRoutes = 4096

// A kernelTUN is a tun whose lower device is the kernel's, which can be waited for together with others.
type kernelTUN struct{ *tun }

func openKernelTUN(o Options) (Device, error) {
	t, err := openTUN(o, func(o Options) (lower, error) { return openTAP(o) })
	if err != nil {
		return nil, err
	}
	return kernelTUN{t}, nil
}

// Descriptor is readable when ReadFrame has a frame.
func (t kernelTUN) Descriptor() *wait.Descriptor { return t.lower.(*tap).Descriptor() }

func (t *tap) wake() {
	q := t.queue.Load()
	q.woken.Store(true)
	q.file.Wake()
}

func (t *tap) calm() {
	if q := t.queue.Load(); q.woken.CompareAndSwap(true, false) {
		q.file.Calm()
	}
}

// tellNew has a tun look at its addresses and routes.
func (t *tap) tellNew() {
	select {
	case t.heardNew <- struct{}{}:
	default: // it will anyway
	}
}

func (t *tap) changes() <-chan struct{} { return t.heardNew }

func (t *tap) addressing() (addrs []netip.Prefix, routes []station.Route, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed() {
		return nil, nil, ErrClosed
	}
	link, err := t.port.nl.LinkByIndex(t.port.index)
	if err != nil {
		return nil, nil, err
	}
	if addrs, err = t.port.addresses(link); err != nil {
		return nil, nil, err
	}
	routes, err = t.port.routes(link)
	return addrs, routes, err
}

// routes gives those of the main table that lead to the interface.
func (p *port) routes(link netlink.Link) (out []station.Route, err error) {
	filter := &netlink.Route{LinkIndex: link.Attrs().Index}
	for _, family := range []int{unix.AF_INET, unix.AF_INET6} {
		err = p.nl.RouteListFilteredIter(family, filter, netlink.RT_FILTER_OIF, func(r netlink.Route) bool {
			if to, ok := routeOf(r, family); ok {
				out = append(out, to)
			}
			return len(out) < maxRoutes
		})
		if err != nil && !errors.Is(err, netlink.ErrDumpInterrupted) {
			return nil, err
		}
	}
	return out, nil
}

func routeOf(r netlink.Route, family int) (out station.Route, ok bool) {
	out.Prefix = netip.PrefixFrom(netip.IPv4Unspecified(), 0)
	if family == unix.AF_INET6 {
		out.Prefix = netip.PrefixFrom(netip.IPv6Unspecified(), 0)
	}
	if r.Dst != nil {
		a, ok := netip.AddrFromSlice(r.Dst.IP)
		bits, _ := r.Dst.Mask.Size()
		if !ok {
			return out, false
		}
		if family == unix.AF_INET {
			a = a.Unmap()
		}
		out.Prefix = netip.PrefixFrom(a, bits)
	}
	gateway := r.Gw
	if via, isVia := r.Via.(*netlink.Via); isVia { // IPv4 by way of an IPv6 neighbour (RFC 5549)
		gateway = via.Addr
	}
	if len(gateway) > 0 {
		if out.Via, ok = netip.AddrFromSlice(gateway); !ok {
			return out, false
		}
		out.Via = out.Via.Unmap()
	}
	return out, out.Prefix.IsValid() && r.Type == unix.RTN_UNICAST
}

// ownLinkLocal keeps the kernel from choosing a link-local address, of which it would choose another
// each time.
func (p *port) ownLinkLocal(link netlink.Link) {
	_ = p.nl.LinkSetIP6AddrGenMode(link, nl.IN6_ADDR_GEN_MODE_NONE) // without IPv6 there is none
}

// addLinkLocal gives the interface the link-local address that an Ethernet interface of this MAC would
// have (RFC 4291, appendix A). Without IPv6 it cannot be given.
func (p *port) addLinkLocal(link netlink.Link, have []netip.Prefix, mac ether.MAC) {
	own := linkLocal(mac)
	for _, a := range have {
		if a == own {
			return
		}
	}
	if p.nl.AddrAdd(link, linkAddr(own)) == nil {
		p.linkLocal = own
	}
}

// dropLinkLocal takes it off a lent interface.
func (p *port) dropLinkLocal(link netlink.Link) {
	if p.linkLocal.IsValid() {
		_ = p.nl.AddrDel(link, &netlink.Addr{IPNet: &net.IPNet{
			IP: p.linkLocal.Addr().AsSlice(), Mask: net.CIDRMask(64, 128),
		}})
	}
}
