package lan

import (
	"net"
	"net/netip"
	"strconv"

	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"

	"github.com/vxmesh/vxmesh/nat/netmon"
)

// openSockets joins the groups on all interfaces. What cannot be joined is not heard, which others
// make up for: whoever hears us answers.
func (r *Runner) openSockets(interfaces []netmon.Interface) (out []socket) {
	four, err := open4()
	if err != nil {
		r.o.Log.Debug("cannot hear on the LAN", "group", group4, "error", err)
	} else {
		out = append(out, four)
		r.join(interfaces, group4, four.JoinGroup)
	}
	six, err := open6()
	if err != nil {
		r.o.Log.Debug("cannot hear on the LAN", "group", group6, "error", err)
	} else {
		out = append(out, six)
		r.join(interfaces, group6, six.JoinGroup)
	}
	return out
}

// join enters a group on those interfaces that have addresses of its kind.
func (r *Runner) join(interfaces []netmon.Interface, group netip.Addr,
	join func(*net.Interface, net.Addr) error,
) {
	for _, i := range interfaces {
		for _, g := range groupsOf(i) {
			if g.WithZone("") != group {
				continue
			}
			ifi, err := net.InterfaceByIndex(i.Index)
			if err == nil {
				err = join(ifi, &net.UDPAddr{IP: group.AsSlice()})
			}
			if err != nil {
				r.o.Log.Debug("cannot join a group", "group", group, "interface", i.Name, "error", err)
			}
		}
	}
}

// listenOn binds to the port on all addresses. Because the address that it asks for is a group's,
// Go lets others on this machine bind to it as well.
func listenOn(network string, group netip.Addr) (net.PacketConn, error) {
	return net.ListenPacket(network, net.JoinHostPort(group.String(), strconv.Itoa(Port)))
}

// A socket4 hears the IPv4 group.
type socket4 struct{ *ipv4.PacketConn }

func open4() (socket4, error) {
	conn, err := listenOn("udp4", group4)
	if err != nil {
		return socket4{}, err
	}
	s := socket4{ipv4.NewPacketConn(conn)}
	// Windows cannot tell; the source alone has to do there.
	_ = s.SetControlMessage(ipv4.FlagDst|ipv4.FlagInterface, true)
	return s, nil
}

func (s socket4) close() { s.Close() }

func (s socket4) read(buf []byte) (packet, error) {
	n, cm, from, err := s.ReadFrom(buf)
	p := packet{length: n, from: sourceOf(from)}
	if cm != nil {
		p.to, p.index = addrOf(cm.Dst), cm.IfIndex
	}
	return p, err
}

// A socket6 hears the IPv6 group.
type socket6 struct{ *ipv6.PacketConn }

func open6() (socket6, error) {
	conn, err := listenOn("udp6", group6)
	if err != nil {
		return socket6{}, err
	}
	s := socket6{ipv6.NewPacketConn(conn)}
	_ = s.SetControlMessage(ipv6.FlagDst|ipv6.FlagInterface, true) // as above
	return s, nil
}

func (s socket6) close() { s.Close() }

func (s socket6) read(buf []byte) (packet, error) {
	n, cm, from, err := s.ReadFrom(buf)
	p := packet{length: n, from: sourceOf(from)}
	if cm != nil {
		p.to, p.index = addrOf(cm.Dst), cm.IfIndex
	}
	return p, err
}

func sourceOf(a net.Addr) netip.AddrPort {
	if u, ok := a.(*net.UDPAddr); ok {
		from := u.AddrPort()
		return netip.AddrPortFrom(from.Addr().Unmap(), from.Port())
	}
	return netip.AddrPort{}
}

func addrOf(ip net.IP) netip.Addr {
	a, _ := netip.AddrFromSlice(ip)
	return a.Unmap()
}
