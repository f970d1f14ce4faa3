//go:build linux && lab

package lab

import (
	"encoding/binary"
	"net/netip"

	"github.com/vxmesh/vxmesh/lab/netns"
)

// The frames here are put together and taken apart without the program's own codec, so that an
// error in it cannot hide itself.

// Addresses that belong to nobody.
const (
	broadcast  = "ff:ff:ff:ff:ff:ff"
	unknownMAC = "de:ad:be:ef:13:37" // a unicast address that no case teaches
	senderMAC  = "02:00:00:00:00:01"
	markerMAC  = "02:00:00:00:ff:01" // the source of the frame that ends a count
)

func hardware(s string) []byte {
	b := make([]byte, 0, 6)
	for i := 0; i < len(s); i += 3 {
		b = append(b, unhex(s[i])<<4|unhex(s[i+1]))
	}
	return b
}

func unhex(c byte) byte {
	if c >= 'a' {
		return c - 'a' + 10
	}
	return c - '0'
}

// eth puts an Ethernet header before a payload.
func eth(dst, src string, etherType uint16, payload []byte) []byte {
	b := append(hardware(dst), hardware(src)...)
	return append(binary.BigEndian.AppendUint16(b, etherType), payload...)
}

// tagged puts a VLAN tag into a frame (IEEE 802.1Q, 9.3).
func tagged(frame []byte, tpid, tci uint16) []byte {
	b := append([]byte(nil), frame[:12]...)
	b = binary.BigEndian.AppendUint16(b, tpid)
	b = binary.BigEndian.AppendUint16(b, tci)
	return append(b, frame[12:]...)
}

// An ip is what a case chooses of an inner header, IPv4 or IPv6 by its addresses.
type ip struct {
	src, dst string
	tos, ttl byte
	df       bool
	proto    byte
	options  []byte // IPv4 options, or IPv6 extension headers (then proto is the first one's)
}

const (
	protoUDP     = 17
	innerDefault = 33 // a TTL that nothing uses by itself
)

// packet writes the header and a payload behind it.
func (h ip) packet(payload []byte) []byte {
	src, dst := netip.MustParseAddr(h.src), netip.MustParseAddr(h.dst)
	if h.ttl == 0 {
		h.ttl = innerDefault
	}
	if h.proto == 0 {
		h.proto = protoUDP
	}
	if src.Is6() {
		b := binary.BigEndian.AppendUint32(nil, 6<<28|uint32(h.tos)<<20)
		b = binary.BigEndian.AppendUint16(b, uint16(len(h.options)+len(payload)))
		b = append(b, h.proto, h.ttl)
		b = append(append(b, src.AsSlice()...), dst.AsSlice()...)
		return append(append(b, h.options...), payload...)
	}
	b := []byte{0x45 + byte(len(h.options)/4), h.tos}
	b = binary.BigEndian.AppendUint16(b, uint16(20+len(h.options)+len(payload)))
	b = append(b, 0x12, 0x34, 0, 0, h.ttl, h.proto, 0, 0)
	if h.df {
		b[6] = 0x40
	}
	b = append(append(append(b, src.AsSlice()...), dst.AsSlice()...), h.options...)
	binary.BigEndian.PutUint16(b[10:], checksum(b))
	return append(b, payload...)
}

// frame is the packet on its way from one station to another.
func (h ip) frame(dst, src string, payload []byte) []byte {
	etherType := uint16(0x0800)
	if netip.MustParseAddr(h.src).Is6() {
		etherType = 0x86dd
	}
	return eth(dst, src, etherType, h.packet(payload))
}

// datagram is a UDP header without checksum, which IPv4 allows, and its payload.
func datagram(sport, dport uint16, payload []byte) []byte {
	b := binary.BigEndian.AppendUint16(nil, sport)
	b = binary.BigEndian.AppendUint16(b, dport)
	b = binary.BigEndian.AppendUint16(b, uint16(8+len(payload)))
	return append(append(b, 0, 0), payload...)
}

// arp is a request from a sender that has an address.
func arp(src, from, to string) []byte {
	b := []byte{0, 1, 8, 0, 6, 4, 0, 1}
	b = append(b, hardware(src)...)
	b = append(b, netip.MustParseAddr(from).AsSlice()...)
	b = append(b, make([]byte, 6)...)
	b = append(b, netip.MustParseAddr(to).AsSlice()...)
	return eth(broadcast, src, 0x0806, b)
}

// checksum is the Internet checksum (RFC 1071); over a header that holds its own it is 0.
func checksum(b []byte) uint16 {
	var sum uint32
	for ; len(b) > 1; b = b[2:] {
		sum += uint32(b[0])<<8 | uint32(b[1])
	}
	if len(b) == 1 {
		sum += uint32(b[0]) << 8
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	return ^uint16(sum)
}

// vxlan puts the header of RFC 7348, section 5 before a frame.
func vxlan(vni uint32, frame []byte) []byte {
	return append(binary.BigEndian.AppendUint32([]byte{8, 0, 0, 0}, vni<<8), frame...)
}

// An outer is what a datagram looks like on the wire.
type outer struct {
	src, dst     netip.Addr
	tos, ttl     byte
	df           bool
	fragment     bool
	sport, dport uint16
	checksum     uint16
	vxlan        [8]byte
	inner        []byte
}

// parseOuter takes a frame of the underlay apart; false when it is not VXLAN by its port.
func parseOuter(b []byte) (o outer, ok bool) {
	if len(b) < 14 {
		return o, false
	}
	switch etherType, p := binary.BigEndian.Uint16(b[12:]), b[14:]; {
	case etherType == 0x0800 && len(p) >= 20 && p[9] == protoUDP:
		o.src, o.dst = netip.AddrFrom4([4]byte(p[12:16])), netip.AddrFrom4([4]byte(p[16:20]))
		o.tos, o.ttl, o.df = p[1], p[8], p[6]&0x40 != 0
		o.fragment = binary.BigEndian.Uint16(p[6:])&0x3fff != 0
		b = p[int(p[0]&15)*4 : binary.BigEndian.Uint16(p[2:])]
	case etherType == 0x86dd && len(p) >= 40 && p[6] == protoUDP:
		o.src, o.dst = netip.AddrFrom16([16]byte(p[8:24])), netip.AddrFrom16([16]byte(p[24:40]))
		o.tos, o.ttl = byte(binary.BigEndian.Uint32(p)>>20), p[7]
		b = p[40:]
	default:
		return o, false
	}
	if len(b) < 16 {
		return o, false
	}
	o.sport, o.dport = binary.BigEndian.Uint16(b), binary.BigEndian.Uint16(b[2:])
	o.checksum = binary.BigEndian.Uint16(b[6:])
	o.vxlan, o.inner = [8]byte(b[8:16]), b[16:]
	return o, o.dport == 4789 || o.dport == 8472
}

// fromM wants the VXLAN datagrams that arrive from host number 2, which is M in a pair.
func fromM(p netns.Packet) bool {
	o, ok := parseOuter(p.Data)
	return ok && (o.src.String() == v4.addr(2) || o.src.String() == v6.addr(2))
}

// source wants frames from certain stations.
func source(macs ...string) func(netns.Packet) bool {
	want := make(map[string]bool)
	for _, m := range macs {
		want[string(hardware(m))] = true
	}
	return func(p netns.Packet) bool { return len(p.Data) >= 12 && want[string(p.Data[6:12])] }
}

// received wants frames from certain stations that came in over the device.
func received(macs ...string) func(netns.Packet) bool {
	from := source(macs...)
	return func(p netns.Packet) bool { return !p.Out && from(p) }
}
