package vxlan

import (
	"encoding/binary"

	"github.com/vxmesh/vxmesh/tundev/ether"
)

// Limits of the ICMP errors that report a packet as too big.
const (
	minMTUv4     = 576  // below, a "fragmentation needed" is not believed (RFC 1191, 3)
	minMTUv6     = 1280 // RFC 8200, 5
	maxErrorIPv4 = 576  // an ICMP error is at most this long (RFC 1812, 4.3.2.3)
	maxErrorIPv6 = 1280 // RFC 4443, 2.4(c)

	icmpHeaderLen = 8
	// MaxTooBig is the length of the longest frame that [AppendTooBig] makes, tags included.
	MaxTooBig = ether.HeaderLen + 2*ether.TagLen + maxErrorIPv6
)

// AppendTooBig appends to dst the frame that tells the sender of frame, whose IP packet is ip, that
// the path carries packets of mtu bytes only: ICMP "fragmentation needed" (RFC 792) or ICMPv6
// "packet too big" (RFC 4443, 3.2), coming from the destination, as a bridge has no address of its
// own to answer from. ok is false when there must be no answer: the packet may be fragmented, is
// itself an error, is not from or to one host, or the MTU is too small to be said.
func AppendTooBig(dst []byte, frame ether.Frame, ip ether.IP, mtu int) (reply []byte, ok bool) {
	if frame.Dst().IsMulticast() {
		return dst, false
	}
	switch ip.Version {
	case 4:
		if mtu < minMTUv4 || !answerableIPv4(frame, ip) {
			return dst, false
		}
		dst = appendEthernet(dst, frame, ip)
		return appendFragNeeded(dst, frame, ip, mtu), true
	case 6:
		if mtu < minMTUv6 || !answerableIPv6(frame, ip) {
			return dst, false
		}
		dst = appendEthernet(dst, frame, ip)
		return appendPacketTooBig(dst, frame, ip, mtu), true
	}
	return dst, false
}

// appendEthernet turns the frame's own Ethernet header round, tags included.
func appendEthernet(dst []byte, frame ether.Frame, ip ether.IP) []byte {
	dst = append(dst, frame[6:12]...)
	dst = append(dst, frame[0:6]...)
	return append(dst, frame[12:ip.Offset]...)
}

// answerableIPv4 follows RFC 1122, 3.2.2: no error about errors, fragments but the first, or
// packets that are not from one host to another. Only DF asks for one.
func answerableIPv4(frame ether.Frame, ip ether.IP) bool {
	if !ip.DF || ip.Fragment {
		return false
	}
	src, dst := frame[ip.Offset+12:], frame[ip.Offset+16:]
	if !unicastIPv4(src) || dst[0] >= 224 { // multicast and broadcast
		return false
	}
	if ip.Proto != ether.ProtoICMP {
		return true
	}
	if ip.Transport >= ip.End {
		return false
	}
	switch frame[ip.Transport] {
	case 3, 4, 5, 11, 12: // the types that are errors (RFC 1122, 3.2.2)
		return false
	}
	return true
}

// unicastIPv4 reports whether an address can be one host's outside this machine.
func unicastIPv4(a []byte) bool { return a[0] != 0 && a[0] != 127 && a[0] < 224 }

// answerableIPv6 follows RFC 4443, 2.4(e).
func answerableIPv6(frame ether.Frame, ip ether.IP) bool {
	src, dst := frame[ip.Offset+8:ip.Offset+24], frame[ip.Offset+24:ip.Offset+40]
	if src[0] == 0xff || dst[0] == 0xff || isLowIPv6(src) {
		return false
	}
	next, at := ip.Proto, ip.Transport
	for range 8 { // as many extension headers as anybody sends
		switch next {
		case 0, 43, 60: // hop-by-hop options, routing, destination options (RFC 8200, 4)
			if at+8 > ip.End {
				return false
			}
			next, at = frame[at], at+8+8*int(frame[at+1])
		case 44: // fragment: only the first has the headers (RFC 8200, 4.5)
			if at+8 > ip.End || binary.BigEndian.Uint16(frame[at+2:])&^7 != 0 {
				return false
			}
			next, at = frame[at], at+8
		case ether.ProtoICMPv6: // types below 128 are errors (RFC 4443, 2.1); 137 is a redirect
			return at < ip.End && frame[at] >= 128 && frame[at] != 137
		default:
			return true
		}
	}
	return false
}

// isLowIPv6 reports whether an address is unspecified or loopback.
func isLowIPv6(a []byte) bool {
	for _, b := range a[:15] {
		if b != 0 {
			return false
		}
	}
	return a[15] <= 1
}

// appendFragNeeded appends the IPv4 packet with the ICMP error (RFC 792; RFC 1191, 4).
func appendFragNeeded(dst []byte, frame ether.Frame, ip ether.IP, mtu int) []byte {
	quote := frame[ip.Offset:min(ip.End, ip.Offset+maxErrorIPv4-ether.IPv4HeaderLen-icmpHeaderLen)]
	start := len(dst)
	dst = append(dst, 0x45, 0)
	dst = binary.BigEndian.AppendUint16(dst,
		uint16(ether.IPv4HeaderLen+icmpHeaderLen+len(quote)))
	dst = append(dst, 0, 0, 0x40, 0, ip.TTL, ether.ProtoICMP, 0, 0)
	dst = append(dst, frame[ip.Offset+16:ip.Offset+20]...)
	dst = append(dst, frame[ip.Offset+12:ip.Offset+16]...)
	ether.PutIPv4Checksum(dst[start:])
	icmp := len(dst)
	dst = append(dst, 3, 4, 0, 0, 0, 0) // destination unreachable, fragmentation needed
	dst = binary.BigEndian.AppendUint16(dst, uint16(min(mtu, 0xffff)))
	dst = append(dst, quote...)
	binary.BigEndian.PutUint16(dst[icmp+2:], ^ether.Sum(dst[icmp:]))
	return dst
}

// appendPacketTooBig appends the IPv6 packet with the ICMPv6 error (RFC 4443, 3.2).
func appendPacketTooBig(dst []byte, frame ether.Frame, ip ether.IP, mtu int) []byte {
	quote := frame[ip.Offset:min(ip.End, ip.Offset+maxErrorIPv6-ether.IPv6HeaderLen-icmpHeaderLen)]
	start := len(dst)
	dst = append(dst, 0x60, 0, 0, 0)
	dst = binary.BigEndian.AppendUint16(dst, uint16(icmpHeaderLen+len(quote)))
	dst = append(dst, ether.ProtoICMPv6, ip.TTL)
	dst = append(dst, frame[ip.Offset+24:ip.Offset+40]...)
	dst = append(dst, frame[ip.Offset+8:ip.Offset+24]...)
	icmp := len(dst)
	dst = append(dst, 2, 0, 0, 0) // packet too big
	dst = binary.BigEndian.AppendUint32(dst, uint32(mtu))
	dst = append(dst, quote...)
	addresses := ether.IP{Version: 6, Offset: start}
	sum := addresses.PseudoSum(dst, ether.ProtoICMPv6, len(dst)-icmp)
	binary.BigEndian.PutUint16(dst[icmp+2:], ^ether.AddSum(sum, ether.Sum(dst[icmp:])))
	return dst
}
