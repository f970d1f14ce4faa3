package vxlan

import "github.com/vxmesh/vxmesh/tundev/ether"

// Inherit, as a TTL or TOS of [Outer], copies the inner packet's value.
const Inherit = -1

// DefaultTTL is the outer TTL of frames that have none to inherit: ARP and everything else that
// is not IP.
const DefaultTTL = 64

// DF says when the outer IPv4 header forbids fragmentation.
type DF uint8

// The three policies of the kernels.
const (
	DFUnset   DF = iota // routers may fragment
	DFSet               // always set
	DFInherit           // as the inner IPv4 packet has it; set for IPv6, which routers never fragment
)

// Outer is a segment's policy for the outer IP header.
type Outer struct {
	TTL int // 1-255 or Inherit
	TOS int // 0-255 or Inherit; of a number only the DSCP bits are used, ECN is always propagated
	DF  DF
}

// For gives the outer TTL, traffic class and DF for a frame whose IP packet is ip (the zero IP
// when it is not one).
func (o Outer) For(ip ether.IP) (ttl, tos uint8, df bool) {
	ttl, tos = uint8(o.TTL), uint8(o.TOS)
	if o.TTL == Inherit {
		ttl = DefaultTTL
		if ip.TTL != 0 { // a datagram cannot be sent with a TTL of 0
			ttl = ip.TTL
		}
	}
	if o.TOS == Inherit {
		tos = ip.TOS // 0 when it is not IP
	}
	switch o.DF {
	case DFSet:
		df = true
	case DFInherit:
		df = ip.DF || ip.Version == 6
	}
	return ttl, tos&^ecnMask | encapECN(ip.TOS), df
}
