package tunnel

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"syscall"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"github.com/vxmesh/vxmesh/tunnel/control"
)

// kernelRoutes ask the kernel how remotes are reached.
type kernelRoutes struct{ handle *netlink.Handle }

func newRoutes() (routes, error) {
	h, err := netlink.NewHandle(unix.NETLINK_ROUTE)
	if err != nil {
		return nil, fmt.Errorf("open netlink: %w", err)
	}
	return &kernelRoutes{handle: h}, nil
}

func (r *kernelRoutes) close() { r.handle.Close() }

// to finds the way to a remote, and that it does not lead back to this node itself.
func (r *kernelRoutes) to(to netip.AddrPort, o *PlainOptions, own self) *route {
	remote := to.Addr()
	name := o.Interface
	if name == "" {
		name = remote.Zone()
	}
	out := &route{state: control.VTEPOK}
	if name != "" {
		link, err := r.link(name)
		if err != nil {
			return noRoute(noInterface + name)
		}
		out.ifIndex = link.Attrs().Index
		if remote.IsMulticast() { // leaves by the interface, whatever the routes say
			out.link = link.Attrs().MTU
			out.mtu = out.link - overhead(remote)
			return out
		}
	}
	ask := &netlink.RouteGetOptions{OifIndex: out.ifIndex}
	if o.Local.Is4() == remote.Is4() {
		ask.SrcAddr, out.source = net.IP(o.Local.AsSlice()), o.Local
	}
	found, err := r.handle.RouteGetWithOptions(remote.WithZone("").AsSlice(), ask)
	if err != nil || len(found) == 0 {
		return noRoute(r.routeError(err, o.Local))
	}
	return out.fill(r, &found[0], to, own, ask)
}

// link finds an interface by its name, or by its index: datagrams come with that in their zone.
func (r *kernelRoutes) link(name string) (netlink.Link, error) {
	link, err := r.handle.LinkByName(name)
	if index, notIndex := strconv.Atoi(name); err != nil && notIndex == nil {
		return r.handle.LinkByIndex(index)
	}
	return link, err
}

// fill takes over what the kernel said when it was asked so.
func (out *route) fill(
	r *kernelRoutes, k *netlink.Route, to netip.AddrPort, own self, ask *netlink.RouteGetOptions,
) *route {
	remote := to.Addr()
	if dev, ok := own.links[k.LinkIndex]; ok {
		return loop(fmt.Sprintf("%s is routed into %s itself; give the underlay a route of its own",
			remote, dev))
	}
	switch k.Type {
	case unix.RTN_LOCAL:
		if own.hears(to) {
			return loop(fmt.Sprintf("%s is this node itself; leave it out", to))
		}
	case unix.RTN_BROADCAST:
		return loop(fmt.Sprintf("%s is a broadcast address, which this node hears too", remote))
	case unix.RTN_UNREACHABLE, unix.RTN_BLACKHOLE, unix.RTN_PROHIBIT:
		return noRoute("the route to " + remote.String() + " is a dead end")
	}
	if src, ok := netip.AddrFromSlice(k.Src); ok { // not said when it was asked with
		out.source = src.Unmap()
	}
	if link, err := r.handle.LinkByIndex(k.LinkIndex); err == nil {
		out.link = link.Attrs().MTU
	}
	mtu := leastMTU(k.MTU, out.link)
	if mtu != out.link {
		out.link = leastMTU(r.setMTU(remote, ask), out.link)
	}
	if mtu > 0 {
		out.mtu = mtu - overhead(remote)
	}
	return out
}

// setMTU is the MTU that somebody gave the route to a remote, 0 when nobody has. The kernel's first answer may be one
// that an ICMP error taught it.
func (r *kernelRoutes) setMTU(remote netip.Addr, ask *netlink.RouteGetOptions) int {
	entry := *ask
	entry.FIBMatch = true
	found, err := r.handle.RouteGetWithOptions(remote.WithZone("").AsSlice(), &entry)
	if err != nil || len(found) == 0 {
		return 0
	}
	return found[0].MTU
}

// leastMTU is the smaller of two, of which 0 is none.
func leastMTU(a, b int) int {
	if a == 0 || b != 0 && b < a {
		return b
	}
	return a
}

// noRoute is the route of a remote that cannot be reached now. Datagrams are still tried: the
// kernel's answer may have changed since, and it costs little.
func noRoute(reason string) *route {
	return &route{state: control.VTEPNoRoute, reason: reason}
}

// routeError says in words why there is no route.
func (r *kernelRoutes) routeError(err error, local netip.Addr) string {
	if local.IsValid() && !r.has(local) {
		return "local " + local.String() + " is no address of this machine"
	}
	if errors.Is(err, syscall.ENETUNREACH) || errors.Is(err, syscall.EHOSTUNREACH) || err == nil {
		return "no route leads there"
	}
	return err.Error()
}

// has reports whether this machine has an address.
func (r *kernelRoutes) has(a netip.Addr) bool {
	found, err := r.handle.RouteGet(a.AsSlice())
	return err == nil && len(found) > 0 && found[0].Type == unix.RTN_LOCAL
}

// innerMTU is the largest MTU whose frames reach every remote of a plain leg without
// fragmentation, as far as the links on this machine tell.
func (r *kernelRoutes) innerMTU(o PlainOptions, own self) int {
	remotes := o.Remotes
	if o.Group.IsValid() {
		remotes = append(remotes[:len(remotes):len(remotes)], netip.AddrPortFrom(o.Group, 0))
	}
	mtu := 0
	for _, a := range remotes {
		m := r.to(a, &o, own).mtu
		if m == 0 {
			m = defaultMTU - overhead(a.Addr())
		}
		if mtu == 0 || m < mtu {
			mtu = m
		}
	}
	if mtu == 0 { // nobody yet: whoever comes may be on IPv6
		mtu = defaultMTU - overhead(netip.IPv6Unspecified())
	}
	return clampMTU(mtu)
}

// linkMTU gives the MTU of an interface, 0 when there is none of that name.
func (r *kernelRoutes) linkMTU(name string) int {
	link, err := r.handle.LinkByName(name)
	if err != nil {
		return 0
	}
	return link.Attrs().MTU
}

// index gives the interface index of a name, 0 when there is none.
func (r *kernelRoutes) index(name string) int {
	link, err := r.handle.LinkByName(name)
	if err != nil {
		return 0
	}
	return link.Attrs().Index
}

// watch calls changed whenever a link, an address or a route changes, until ctx ends.
func (r *kernelRoutes) watch(ctx context.Context, changed func()) error {
	s, err := nl.Subscribe(unix.NETLINK_ROUTE, unix.RTNLGRP_LINK, unix.RTNLGRP_IPV4_IFADDR,
		unix.RTNLGRP_IPV6_IFADDR, unix.RTNLGRP_IPV4_ROUTE, unix.RTNLGRP_IPV6_ROUTE)
	if err != nil {
		return fmt.Errorf("watch routes: %w", err)
	}
	defer context.AfterFunc(ctx, s.Close)() // wakes Receive
	defer s.Close()
	for {
		_, _, err := s.Receive()
		switch {
		case ctx.Err() != nil:
			return nil
		case err == nil, errors.Is(err, unix.ENOBUFS): // changes were lost: look anyway
			changed()
		case errors.Is(err, unix.EAGAIN), errors.Is(err, unix.EINTR):
		default:
			return fmt.Errorf("watch routes: %w", err)
		}
	}
}
