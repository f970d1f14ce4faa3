package capture

import (
	"encoding/binary"

	"github.com/vxmesh/vxmesh/tundev/ether"
)

// What is kept of packets for long has headers only: what people say to each other is none of ours.

const (
	// outerKept is how many bytes of a datagram tell what it is: our own header of 16 bytes, or that of
	// VXLAN, which is as long with the receiver of the frame behind it.
	outerKept = 16

	arpLen     = 28 // RFC 826, for IPv4 over Ethernet
	icmpHeader = 8  // RFC 792, RFC 4443: type, code, checksum, and four bytes that are no payload
	tcpOffset  = 12 // of the data offset in a TCP header (RFC 9293, 3.1)
)

// HeadersLen is how many bytes of a frame are headers: Ethernet, VLAN tags, ARP, IP, and TCP, UDP or
// ICMP. The frame may be cut short.
func HeadersLen(frame []byte) int {
	f := ether.Frame(frame)
	if !f.Valid() {
		return len(f)
	}
	n := ether.HeaderLen
	switch kind, at := f.Payload(); kind {
	case ether.TypeIPv4:
		n = at + ipv4HeadersLen(f[at:])
	case ether.TypeIPv6:
		n = at + ipv6HeadersLen(f[at:])
	case ether.TypeARP:
		n = at + arpLen
	default:
		n = at
	}
	return min(n, len(f))
}

// ipv4HeadersLen is as [HeadersLen] for an IPv4 packet. A fragment other than the first has no header of
// a transport.
func ipv4HeadersLen(b []byte) int {
	if len(b) < ether.IPv4HeaderLen {
		return len(b)
	}
	n := max(int(b[0]&0x0f)*4, ether.IPv4HeaderLen)
	if binary.BigEndian.Uint16(b[6:])&0x1fff != 0 || n > len(b) {
		return n
	}
	return n + transportLen(b[9], b[n:])
}

// ipv6HeadersLen is as [HeadersLen] for an IPv6 packet. Nothing is kept behind extension headers.
func ipv6HeadersLen(b []byte) int {
	if len(b) < ether.IPv6HeaderLen {
		return len(b)
	}
	return ether.IPv6HeaderLen + transportLen(b[6], b[ether.IPv6HeaderLen:])
}

func transportLen(proto uint8, b []byte) int {
	switch proto {
	case ether.ProtoTCP:
		if len(b) <= tcpOffset {
			return len(b)
		}
		return max(int(b[tcpOffset]>>4)*4, ether.TCPHeaderLen)
	case ether.ProtoUDP:
		return ether.UDPHeaderLen
	case ether.ProtoICMP, ether.ProtoICMPv6:
		return icmpHeader
	}
	return 0
}
