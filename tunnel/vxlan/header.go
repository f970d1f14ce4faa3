// Package vxlan is what RFC 7348 and the kernels' drivers say a VTEP does with one frame: the
// header, the outer TTL, TOS and DF, ECN on both sides, the flow hash of the source port, and the
// ICMP error for a frame that the path does not carry.
//
// Everything here is a function of bytes: no sockets, no clock, no state, so it is safe for
// concurrent use and needs no set-up.
package vxlan

import (
	"encoding/binary"

	"github.com/vxmesh/vxmesh/tundev/ether"
	"github.com/vxmesh/vxmesh/tunnel/drop"
)

// HeaderLen is the length of a VXLAN header (RFC 7348, 5).
const HeaderLen = 8

// Port is the UDP port IANA gave to VXLAN (RFC 7348, 5).
const Port = 4789

// MaxVNI is the largest VXLAN network identifier, 24 bits.
const MaxVNI = 1<<24 - 1

// Overhead is what one frame costs on top of its own IP packet: outer IP and UDP headers, the
// VXLAN header, and the inner Ethernet header.
const (
	OverheadIPv4 = ether.IPv4HeaderLen + ether.UDPHeaderLen + HeaderLen + ether.HeaderLen // 50
	OverheadIPv6 = ether.IPv6HeaderLen + ether.UDPHeaderLen + HeaderLen + ether.HeaderLen // 70
)

// flagVNI is the I flag, which says that the VNI is valid; every other bit of the first 32 and the
// last 8 is reserved (RFC 7348, 5).
const flagVNI = 0x08000000

// PutHeader writes the header of a plain frame of segment vni into b.
//
//	byte 0     1 2 3     4 5 6   7
//	     0x08  reserved  VNI     reserved
func PutHeader(b []byte, vni uint32) {
	_ = b[HeaderLen-1]
	binary.BigEndian.PutUint32(b, flagVNI)
	binary.BigEndian.PutUint32(b[4:], vni<<8)
}

// A Header is the VXLAN header of a datagram that arrived.
type Header struct {
	VNI      uint32
	Reserved bool // a bit that RFC 7348 reserves is set
}

// Parse reads the header of datagram b and gives the inner frame, which borrows from it. The order
// of the checks is the one every receiver follows: length, I flag, and, once the caller knows
// the segment and so the policy, the reserved bits and [CheckInner].
func Parse(b []byte) (h Header, inner ether.Frame, reason drop.Reason) {
	if len(b) < HeaderLen {
		return h, nil, drop.Truncated
	}
	flags, vni := binary.BigEndian.Uint32(b), binary.BigEndian.Uint32(b[4:])
	if flags&flagVNI == 0 {
		return h, nil, drop.NoVNIFlag
	}
	h.VNI = vni >> 8
	h.Reserved = flags != flagVNI || vni&0xff != 0
	return h, ether.Frame(b[HeaderLen:]), drop.None
}

// CheckInner makes sure of the inner frame's headers: a whole Ethernet header, and an IP header
// that is whole and does not lie about lengths where the EtherType promises one. The ip it found
// saves the next step from looking again.
func CheckInner(inner ether.Frame) (ip ether.IP, reason drop.Reason) {
	if !inner.Valid() {
		return ip, drop.Runt
	}
	ip, ok := ether.ParseIP(inner)
	if !ok {
		return ip, drop.Malformed
	}
	return ip, drop.None
}
