package explain

import (
	"encoding/binary"
	"fmt"
	"net/netip"

	"github.com/vxmesh/vxmesh/tundev/ether"
)

// Frame says what an Ethernet frame asks or tells.
func Frame(f ether.Frame) string {
	if !f.Valid() {
		return "a frame without a header"
	}
	kind, at := f.Payload()
	if kind == ether.TypeARP {
		return arp(f[min(at, len(f)):])
	}
	ip, ok := ether.ParseIP(f)
	if !ok || ip.Version == 0 {
		return fmt.Sprintf("Ethernet frame of type %04x", kind)
	}
	src, dst := addresses(f, ip)
	return fmt.Sprintf("%s, %s → %s", payload(f, ip), src, dst)
}

// arpLen is the length of ARP for IPv4 over Ethernet, in bytes.
const arpLen = 28

// arp reads a request or an answer (RFC 826) of Ethernet and IPv4.
func arp(b []byte) string {
	const request = 1
	if len(b) < arpLen || binary.BigEndian.Uint32(b) != 0x00010800 || binary.BigEndian.Uint16(b[4:]) != 0x0604 {
		return "ARP that is not about IPv4"
	}
	mac := ether.MAC(b[8:14])
	sender, target := netip.AddrFrom4([4]byte(b[14:])), netip.AddrFrom4([4]byte(b[24:]))
	switch {
	case binary.BigEndian.Uint16(b[6:]) != request:
		return fmt.Sprintf("ARP answer: %s is at %s", sender, mac)
	case sender.IsUnspecified(): // RFC 5227, 2.1.1
		return fmt.Sprintf("ARP probe: does anybody have %s already?", target)
	case sender == target:
		return fmt.Sprintf("ARP announcement: %s is at %s now", sender, mac)
	}
	return fmt.Sprintf("ARP request: who has %s? tell %s", target, sender)
}

func addresses(f ether.Frame, ip ether.IP) (src, dst netip.Addr) {
	h := f[ip.Offset:]
	if ip.Version == 4 {
		return netip.AddrFrom4([4]byte(h[12:])), netip.AddrFrom4([4]byte(h[16:]))
	}
	return netip.AddrFrom16([16]byte(h[8:])), netip.AddrFrom16([16]byte(h[24:]))
}

// What ICMP and ICMPv6 call an echo (RFC 792; RFC 4443, 4), and neighbour discovery (RFC 4861, 4).
const (
	icmpReply, icmpRequest   = 0, 8
	icmp6Request, icmp6Reply = 128, 129
)

// hopByHop is the header before multicast listener reports (RFC 3810, 5), and before nothing else here.
const hopByHop = 0

var icmp6Names = map[byte]string{
	1: "destination unreachable", 2: "packet too big", 3: "time exceeded", 130: "multicast listener query",
	131: "multicast listener report", 133: "router solicitation", 134: "router advertisement",
	135: "neighbour solicitation: who has this address?", 136: "neighbour advertisement: I have it",
	143: "multicast listener report",
}

// payload says what an IP packet carries.
func payload(f ether.Frame, ip ether.IP) string {
	b := f[min(ip.Transport, len(f)):]
	switch {
	case ip.Proto == ether.ProtoTCP && len(b) >= 4:
		return fmt.Sprintf("TCP from port %d to port %d", binary.BigEndian.Uint16(b), binary.BigEndian.Uint16(b[2:]))
	case ip.Proto == ether.ProtoUDP && len(b) >= 4:
		return fmt.Sprintf("UDP from port %d to port %d", binary.BigEndian.Uint16(b), binary.BigEndian.Uint16(b[2:]))
	case ip.Proto == ether.ProtoICMP && len(b) >= 8:
		return icmp(b, icmpRequest, icmpReply, nil)
	case ip.Proto == ether.ProtoICMPv6 && len(b) >= 8:
		return icmp(b, icmp6Request, icmp6Reply, icmp6Names)
	case ip.Version == 6 && ip.Proto == hopByHop:
		return "ICMPv6 " + icmp6Names[143]
	}
	return fmt.Sprintf("IPv%d protocol %d", ip.Version, ip.Proto)
}

func icmp(b []byte, request, reply byte, names map[byte]string) string {
	switch {
	case b[0] == request:
		return "ICMP echo request"
	case b[0] == reply:
		return "ICMP echo reply"
	case names[b[0]] != "":
		return "ICMPv6 " + names[b[0]]
	}
	return fmt.Sprintf("ICMP type %d", b[0])
}

// IsEcho reports whether a frame is an ICMP echo request or its answer.
func IsEcho(f ether.Frame) bool {
	if !f.Valid() {
		return false
	}
	ip, ok := ether.ParseIP(f)
	if !ok || len(f) < ip.Transport+8 {
		return false
	}
	kind := f[ip.Transport]
	return ip.Proto == ether.ProtoICMP && (kind == icmpRequest || kind == icmpReply) ||
		ip.Proto == ether.ProtoICMPv6 && (kind == icmp6Request || kind == icmp6Reply)
}

// IsAnnouncement reports whether a frame tells everybody whose an address is (RFC 5227, 2.3).
func IsAnnouncement(f ether.Frame) bool {
	if !IsARP(f) {
		return false
	}
	_, at := f.Payload()
	return len(f) >= at+arpLen && [4]byte(f[at+14:]) == [4]byte(f[at+24:])
}

// IsARP reports whether a frame is ARP.
func IsARP(f ether.Frame) bool {
	if !f.Valid() {
		return false
	}
	kind, _ := f.Payload()
	return kind == ether.TypeARP
}
