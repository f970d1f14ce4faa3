package capture

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"strings"

	"github.com/vxmesh/vxmesh/tundev/ether"
	"github.com/vxmesh/vxmesh/tunnel/drop"
)

// String is a line about the packet, such as
//
//	12:00:00.123456 inner > 52:54:00:1a:22:01 > 52:54:00:1a:22:02 tcp 192.0.2.1:80 > 192.0.2.2:1024 [SYN ACK], 60 bytes, vni=7 port=nas
//
// with an arrow before it that says which way it went: > out, < in. Headers that are cut short are left out.
func (p *Packet) String() string {
	var b strings.Builder
	way := ">"
	if p.In {
		way = "<"
	}
	fmt.Fprintf(&b, "%s %-7s %s ", p.Time.Format("15:04:05.000000"), p.Point, way)
	if p.Point == Outer {
		fmt.Fprintf(&b, "udp %s > %s %s", p.Src, p.Dst, datagramText(p.Data))
	} else {
		b.WriteString(frameText(p.Data))
	}
	fmt.Fprintf(&b, ", %d bytes", p.length())
	if p.VNI != 0 {
		fmt.Fprintf(&b, " vni=%d", p.VNI)
	}
	if p.Port != "" {
		fmt.Fprintf(&b, " port=%s", p.Port)
	}
	if p.Decision != "" {
		fmt.Fprintf(&b, " decision=%s", p.Decision)
	}
	if p.Drop != drop.None {
		fmt.Fprintf(&b, " drop=%s", p.Drop)
	}
	if p.Count > 1 {
		fmt.Fprintf(&b, " datagrams=%d", p.Count)
	}
	return b.String()
}

// datagramText tells what a datagram is by its first bytes: VXLAN, whose reserved bits are zero (RFC 7348,
// 5), or what nodes send each other, which uses them.
func datagramText(b []byte) string {
	const flagVNI = 0x08
	switch {
	case len(b) < 8 || b[0] != flagVNI:
		return "other"
	case b[1] == 0 && b[2] == 0 && b[3] == 0 && b[7] == 0:
		return "vxlan"
	}
	return "sealed"
}

func frameText(b []byte) string {
	f := ether.Frame(b[:HeadersLen(b)])
	if !f.Valid() {
		return "runt"
	}
	kind, at := f.Payload()
	text := fmt.Sprintf("%s > %s ", f.Src(), f.Dst())
	if vlan := f.VLAN(); vlan != 0 {
		text += fmt.Sprintf("vlan %d ", vlan)
	}
	rest := f[at:]
	switch {
	case kind == ether.TypeARP && len(rest) >= arpLen:
		return text + arpText(rest)
	case kind == ether.TypeIPv4 && len(rest) >= ether.IPv4HeaderLen:
		n := min(max(int(rest[0]&0x0f)*4, ether.IPv4HeaderLen), len(rest))
		return text + ipText(rest[9], rest[12:16], rest[16:20], rest[n:])
	case kind == ether.TypeIPv6 && len(rest) >= ether.IPv6HeaderLen:
		return text + ipText(rest[6], rest[8:24], rest[24:40], rest[ether.IPv6HeaderLen:])
	}
	return text + fmt.Sprintf("type %#04x", kind)
}

// arpText is what an ARP packet says (RFC 826).
func arpText(b []byte) string {
	sender, target := netip.AddrFrom4([4]byte(b[14:18])), netip.AddrFrom4([4]byte(b[24:28]))
	if binary.BigEndian.Uint16(b[6:]) == 1 {
		return fmt.Sprintf("arp who has %s tell %s", target, sender)
	}
	return fmt.Sprintf("arp %s is at %s", sender, ether.MAC(b[8:14]))
}

// ipText is what the headers say of an IP packet, whose payload b begins with that of the transport.
func ipText(proto uint8, src, dst, b []byte) string {
	from, _ := netip.AddrFromSlice(src)
	to, _ := netip.AddrFromSlice(dst)
	switch {
	case (proto == ether.ProtoTCP || proto == ether.ProtoUDP) && len(b) >= ether.UDPHeaderLen:
		text := fmt.Sprintf("%s > %s", netip.AddrPortFrom(from, binary.BigEndian.Uint16(b)),
			netip.AddrPortFrom(to, binary.BigEndian.Uint16(b[2:])))
		if proto == ether.ProtoUDP {
			return "udp " + text
		}
		if len(b) < ether.TCPHeaderLen {
			return "tcp " + text
		}
		return fmt.Sprintf("tcp %s [%s]", text, tcpFlags(b[13]))
	case (proto == ether.ProtoICMP || proto == ether.ProtoICMPv6) && len(b) >= 2:
		return fmt.Sprintf("icmp %s > %s type %d code %d", from, to, b[0], b[1])
	}
	return fmt.Sprintf("ip %s > %s proto %d", from, to, proto)
}

// tcpFlags names the flags of a TCP header (RFC 9293, 3.1).
func tcpFlags(flags uint8) string {
	var set []string
	for i, name := range []string{"FIN", "SYN", "RST", "PSH", "ACK", "URG", "ECE", "CWR"} {
		if flags&(1<<i) != 0 {
			set = append(set, name)
		}
	}
	return strings.Join(set, " ")
}
