package ether

import "encoding/binary"

// Lengths of the headers this program reads.
const (
	IPv4HeaderLen = 20 // without options
	IPv6HeaderLen = 40
	TCPHeaderLen  = 20 // without options
	UDPHeaderLen  = 8
)

// IP protocol numbers.
const (
	ProtoICMP   = 1
	ProtoTCP    = 6
	ProtoUDP    = 17
	ProtoICMPv6 = 58
)

// ECN codepoints, the low two bits of the traffic class (RFC 3168, 5).
const (
	NotECT = 0
	ECT1   = 1
	ECT0   = 2
	CE     = 3
)

// An IP describes where the headers of a frame's IP packet are. The zero IP is "not an IP packet".
type IP struct {
	Version   uint8  // 4 or 6
	Proto     uint8  // transport protocol; for IPv6 the first next header, whatever it is
	Fragment  bool   // a fragment with an offset, or one that more follow; IPv4 only
	Offset    int    // of the IP header in the frame
	Transport int    // of what follows the IP header; IPv6 extension headers are not skipped
	End       int    // where the packet ends by its own length; padding may follow
	TOS       uint8  // type of service or traffic class: DSCP and ECN
	TTL       uint8  // time to live or hop limit
	DF        bool   // don't fragment; IPv4 only
	ID        uint16 // identification; IPv4 only
}

// ParseIP finds the IP packet of a frame, behind up to two VLAN tags. ok is false when the
// EtherType says IP but the header is cut short or its lengths lie: such a packet is malformed.
// A frame that is not IP is ok and gives the zero IP.
func ParseIP(f Frame) (ip IP, ok bool) {
	etherType, off := f.Payload()
	switch etherType {
	case TypeIPv4:
		return parseIPv4(f, off)
	case TypeIPv6:
		return parseIPv6(f, off)
	}
	return IP{}, true
}

// parseIPv4 follows RFC 791, 3.1.
func parseIPv4(f Frame, off int) (ip IP, ok bool) {
	h := f[off:]
	if len(h) < IPv4HeaderLen || h[0]>>4 != 4 {
		return IP{}, false
	}
	headerLen, total := int(h[0]&0x0f)*4, int(binary.BigEndian.Uint16(h[2:]))
	if headerLen < IPv4HeaderLen || total < headerLen || total > len(h) {
		return IP{}, false
	}
	frag := binary.BigEndian.Uint16(h[6:])
	return IP{
		Version: 4, Proto: h[9], Fragment: frag&0x3fff != 0, Offset: off, Transport: off + headerLen,
		End: off + total, TOS: h[1], TTL: h[8], DF: frag&0x4000 != 0, ID: binary.BigEndian.Uint16(h[4:]),
	}, true
}

// parseIPv6 follows RFC 8200, 3. A payload length of 0 belongs to a jumbogram (RFC 2675, 3), whose
// end is the frame's.
func parseIPv6(f Frame, off int) (ip IP, ok bool) {
	h := f[off:]
	if len(h) < IPv6HeaderLen || h[0]>>4 != 6 {
		return IP{}, false
	}
	payload := int(binary.BigEndian.Uint16(h[4:]))
	if payload == 0 && h[6] == 0 {
		payload = len(h) - IPv6HeaderLen
	}
	if payload > len(h)-IPv6HeaderLen {
		return IP{}, false
	}
	return IP{
		Version: 6, Proto: h[6], Offset: off, Transport: off + IPv6HeaderLen,
		End: off + IPv6HeaderLen + payload, TOS: h[0]<<4 | h[1]>>4, TTL: h[7],
	}, true
}

// SetTOS changes the type of service or traffic class of f's packet and keeps the IPv4 header
// checksum right.
func (ip IP) SetTOS(f Frame, tos uint8) {
	h := f[ip.Offset:]
	old := binary.BigEndian.Uint16(h)
	switch ip.Version {
	case 4:
		h[1] = tos
		sum := binary.BigEndian.Uint16(h[10:])
		binary.BigEndian.PutUint16(h[10:], UpdateSum(sum, old, binary.BigEndian.Uint16(h)))
	case 6:
		binary.BigEndian.PutUint16(h, old&0xf00f|uint16(tos)<<4)
	}
}

// PseudoSum is the folded sum of the pseudo-header that TCP and UDP checksums cover (RFC 9293,
// 3.1; RFC 8200, 8.1), for length bytes of transport header and payload.
func (ip IP) PseudoSum(f Frame, proto uint8, length int) uint16 {
	addresses := f[ip.Offset+12 : ip.Offset+20]
	if ip.Version == 6 {
		addresses = f[ip.Offset+8 : ip.Offset+40]
	}
	return AddSum(AddSum(Sum(addresses), uint16(proto)), AddSum(uint16(length>>16), uint16(length)))
}

// PutIPv4Checksum writes the header checksum of the IPv4 header h, options included.
func PutIPv4Checksum(h []byte) {
	h[10], h[11] = 0, 0
	binary.BigEndian.PutUint16(h[10:], ^Sum(h[:int(h[0]&0x0f)*4]))
}
