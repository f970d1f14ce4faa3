package tunnel

import (
	"encoding/binary"
	"net/netip"
	"slices"

	"github.com/vxmesh/vxmesh/tundev/ether"
)

// sent reports whether a frame from a device is a datagram that this node itself has sent. The way
// to a peer or VTEP leads through a bridge that the device is in, and the bridge, not knowing where
// they are, gives the datagram to all its ports. As a frame it would become other such datagrams,
// to everybody, and so on for ever.
func (n *Node) sent(frame ether.Frame, ip ether.IP) bool {
	src, dst, ok := udpEnds(frame, ip)
	switch {
	case !ok:
		return false
	case n.mesh.sent(src, dst):
		return true
	case n.sockets.listening == nil: // no segment has VTEPs
		return false
	}
	for _, s := range *n.segments.Load() {
		if s.leg.Load().sent(src, dst) {
			return true
		}
	}
	return false
}

// sent reports whether a datagram is one to a VTEP. They leave from many ports.
func (l *leg) sent(src, dst netip.AddrPort) bool {
	if l.sources[dst.Addr()] == nil && l.options.Group != dst.Addr() {
		return false
	}
	return slices.ContainsFunc(l.ports, func(v *vtep) bool {
		return v != nil && unzoned(v.remote) == dst && v.path.Load().source == src.Addr()
	})
}

// sent reports whether a datagram is one to a peer.
func (m *mesh) sent(src, dst netip.AddrPort) bool {
	if !slices.ContainsFunc(m.addrs(), func(a netip.AddrPort) bool { return a.Port() == src.Port() }) {
		return false
	}
	for _, in := range *m.table.Load() {
		snd := in.peer.send.Load()
		if snd != nil && unzoned(snd.to) == dst && (!snd.source.IsValid() || snd.source == src.Addr()) {
			return true
		}
	}
	return false
}

// udpEnds are the addresses of a datagram in a frame.
func udpEnds(frame ether.Frame, ip ether.IP) (src, dst netip.AddrPort, ok bool) {
	if ip.Proto != ether.ProtoUDP || ip.Fragment || ip.Transport+ether.UDPHeaderLen > len(frame) {
		return src, dst, false
	}
	var from, to netip.Addr
	if ip.Version == 4 {
		from = netip.AddrFrom4([4]byte(frame[ip.Offset+12:]))
		to = netip.AddrFrom4([4]byte(frame[ip.Offset+16:]))
	} else {
		from = netip.AddrFrom16([16]byte(frame[ip.Offset+8:]))
		to = netip.AddrFrom16([16]byte(frame[ip.Offset+24:]))
	}
	ports := frame[ip.Transport:]
	src = netip.AddrPortFrom(from, binary.BigEndian.Uint16(ports))
	return src, netip.AddrPortFrom(to, binary.BigEndian.Uint16(ports[2:])), true
}

// unzoned is an address as packets have it.
func unzoned(a netip.AddrPort) netip.AddrPort {
	return netip.AddrPortFrom(a.Addr().WithZone(""), a.Port())
}
