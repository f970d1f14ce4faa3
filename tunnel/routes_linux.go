package tunnel

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"syscall"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"github.com/vxmesh/vxmesh/tunnel/control"
	"github.com/vxmesh/vxmesh/tunnel/drop"
)

// routes asks the kernel how remotes are reached. It may be used by any goroutine.
type routes struct{ handle *netlink.Handle }

func newRoutes() (*routes, error) {
	h, err := netlink.NewHandle(unix.NETLINK_ROUTE)
	if err != nil {
		return nil, fmt.Errorf("open netlink: %w", err)
	}
	return &routes{handle: h}, nil
}

func (r *routes) close() { r.handle.Close() }

// to finds the way to a remote. own maps the index of each segment's device to its name: what is
// routed there would be tunnelled in itself.
func (r *routes) to(remote netip.Addr, o *PlainOptions, own map[int]string) *route {
	name := o.Interface
	if name == "" {
		name = remote.Zone()
	}
	out := &route{state: control.VTEPOK}
	if name != "" {
		link, err := r.handle.LinkByName(name)
		if err != nil {
			return noRoute("there is no interface " + name)
		}
		out.ifIndex = link.Attrs().Index
		if remote.IsMulticast() { // leaves by the interface, whatever the routes say
			out.mtu = link.Attrs().MTU - overhead(remote)
			return out
		}
	}
	ask := &netlink.RouteGetOptions{OifIndex: out.ifIndex}
	if o.Local.Is4() == remote.Is4() {
		ask.SrcAddr, out.source = net.IP(o.Local.AsSlice()), o.Local
	}
	found, err := r.handle.RouteGetWithOptions(remote.WithZone("").AsSlice(), ask)
	if err != nil || len(found) == 0 {
		return noRoute(routeError(err))
	}
	return out.fill(r, &found[0], remote, own)
}

// fill takes over what the kernel said.
func (out *route) fill(r *routes, k *netlink.Route, remote netip.Addr, own map[int]string) *route {
	if dev, ok := own[k.LinkIndex]; ok {
		out.state, out.blocked = control.VTEPLoop, drop.Loop
		out.reason = fmt.Sprintf("%s is routed into %s itself; give the underlay a route of its own",
			remote, dev)
		return out
	}
	switch k.Type {
	case unix.RTN_UNREACHABLE, unix.RTN_BLACKHOLE, unix.RTN_PROHIBIT:
		return noRoute("the route to " + remote.String() + " is a dead end")
	}
	if src, ok := netip.AddrFromSlice(k.Src); ok { // not said when it was asked with
		out.source = src.Unmap()
	}
	mtu := k.MTU // of the route, or what an ICMP error taught the kernel
	if link, err := r.handle.LinkByIndex(k.LinkIndex); err == nil {
		if m := link.Attrs().MTU; mtu == 0 || m < mtu {
			mtu = m
		}
	}
	if mtu > 0 {
		out.mtu = mtu - overhead(remote)
	}
	return out
}

// noRoute is the route of a remote that cannot be reached now. Datagrams are still tried: the
// kernel's answer may have changed since, and it costs little.
func noRoute(reason string) *route {
	return &route{state: control.VTEPNoRoute, reason: reason}
}

// routeError says in words why there is no route.
func routeError(err error) string {
	if errors.Is(err, syscall.ENETUNREACH) || errors.Is(err, syscall.EHOSTUNREACH) || err == nil {
		return "no route leads there"
	}
	return err.Error()
}

// innerMTU is the largest MTU whose frames reach every remote of a plain leg without
// fragmentation, as far as the links on this machine tell.
func (r *routes) innerMTU(o PlainOptions) int {
	remotes := o.Remotes
	if o.Group.IsValid() {
		remotes = append(remotes[:len(remotes):len(remotes)], netip.AddrPortFrom(o.Group, 0))
	}
	mtu := 0
	for _, a := range remotes {
		m := r.to(a.Addr(), &o, nil).mtu
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
func (r *routes) linkMTU(name string) int {
	link, err := r.handle.LinkByName(name)
	if err != nil {
		return 0
	}
	return link.Attrs().MTU
}

// index gives the interface index of a name, 0 when there is none.
func (r *routes) index(name string) int {
	link, err := r.handle.LinkByName(name)
	if err != nil {
		return 0
	}
	return link.Attrs().Index
}

// watch calls changed whenever a link, an address or a route changes, until ctx ends.
func (r *routes) watch(ctx context.Context, changed func()) error {
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
