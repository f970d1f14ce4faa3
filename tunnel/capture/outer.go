package capture

import (
	"encoding/binary"
	"net/netip"

	"github.com/vxmesh/vxmesh/tundev/ether"
)

const (
	maxOuterHeader = ether.IPv6HeaderLen + ether.UDPHeaderLen

	syntheticTTL = 64
)

var be = binary.BigEndian

// appendOuterHeader appends the IP and UDP headers for p, whose payload the socket gave without
// them.
func appendOuterHeader(b []byte, p *Packet) []byte {
	src, dst := p.Src.Addr().Unmap(), p.Dst.Addr().Unmap()
	n := ether.UDPHeaderLen + p.length()
	if src.Is4() || dst.Is4() {
		return appendUDP(appendIPv4(b, as4(src), as4(dst), n), p, n)
	}
	start := len(b)
	b = appendUDP(appendIPv6(b, as16(src), as16(dst), n), p, n)
	putUDPChecksum(b[start:], p.Data)
	return b
}

// An address that is missing, or that is the wildcard of the other family, is shown as the
// unspecified one.
func as4(a netip.Addr) (b [4]byte) {
	if a.Is4() {
		b = a.As4()
	}
	return b
}

func as16(a netip.Addr) (b [16]byte) {
	if a.IsValid() {
		b = a.As16()
	}
	return b
}

func appendIPv4(b []byte, src, dst [4]byte, n int) []byte {
	start := len(b)
	b = append(b, 0x45, 0) // version and header length, TOS
	b = be.AppendUint16(b, length16(ether.IPv4HeaderLen+n))
	b = append(b, 0, 0, 0, 0)                         // identification, flags and fragment offset
	b = append(b, syntheticTTL, ether.ProtoUDP, 0, 0) // and the checksum
	b = append(append(b, src[:]...), dst[:]...)
	ether.PutIPv4Checksum(b[start:])
	return b
}

func appendIPv6(b []byte, src, dst [16]byte, n int) []byte {
	b = append(b, 0x60, 0, 0, 0) // version, traffic class, flow label
	b = be.AppendUint16(b, length16(n))
	b = append(b, ether.ProtoUDP, syntheticTTL)
	return append(append(b, src[:]...), dst[:]...)
}

// appendUDP appends a header without a checksum, which is allowed over IPv4 (RFC 768).
func appendUDP(b []byte, p *Packet, n int) []byte {
	b = be.AppendUint16(b, p.Src.Port())
	b = be.AppendUint16(b, p.Dst.Port())
	b = be.AppendUint16(b, length16(n))
	return be.AppendUint16(b, 0)
}

// putUDPChecksum completes the IPv6 and UDP headers h of the payload; over IPv6 there has to be a
// checksum (RFC 8200, 8.1).
func putUDPChecksum(h, payload []byte) {
	const addresses = 8
	sum := ether.AddSum(ether.Sum(h[addresses:]), ether.Sum(payload))
	sum = ether.AddSum(ether.AddSum(sum, ether.ProtoUDP), be.Uint16(h[ether.IPv6HeaderLen+4:]))
	if sum == 0xffff {
		sum = 0 // an inverted 0 would say that there is none
	}
	be.PutUint16(h[ether.IPv6HeaderLen+6:], ^sum)
}

// length16 is n, or 0 where it does not fit, as in a jumbogram (RFC 2675, 3).
func length16(n int) uint16 {
	if n > 0xffff {
		return 0
	}
	return uint16(n)
}
