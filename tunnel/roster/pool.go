package roster

import (
	"encoding/binary"
	"net/netip"
)

// MaxHost is the largest number of a host in a network's pool of addresses; the smallest is 1.
const MaxHost = 254

// Pool gives the prefixes that a network's nodes take addresses of when nobody says otherwise: a /24
// of 10.0.0.0/8 and a /64 of fd00::/8 (RFC 4193, 3.2: the 40 bits of a global id, here the
// network's, and a subnet 0). They follow from the network's id, so everybody knows them.
func Pool(network NetworkID) (v4, v6 netip.Prefix) {
	a4 := netip.AddrFrom4([4]byte{10, network[0], network[1], 0})
	a6 := [16]byte{0: 0xfd}
	copy(a6[1:6], network[2:7])
	return netip.PrefixFrom(a4, 24), netip.PrefixFrom(netip.AddrFrom16(a6), 64)
}

// Host gives the addresses of the n-th host of the pool, with the lengths of its prefixes.
func Host(network NetworkID, n int) []netip.Prefix {
	v4, v6 := Pool(network)
	a4, a6 := v4.Addr().As4(), v6.Addr().As16()
	a4[3], a6[15] = byte(n), byte(n)
	return []netip.Prefix{
		netip.PrefixFrom(netip.AddrFrom4(a4), v4.Bits()), netip.PrefixFrom(netip.AddrFrom16(a6), v6.Bits()),
	}
}

// HostOrder gives the numbers of hosts in the order in which a node should try to take one: nodes
// begin at different places, so that two that choose at once rarely choose the same.
func HostOrder(node NodeID) []int {
	order := make([]int, MaxHost-1)
	first := int(binary.BigEndian.Uint16(node[:2]))
	for i := range order {
		order[i] = 2 + (first+i)%(MaxHost-1) // 1 is for whoever founds the network
	}
	return order
}

// DefaultVNI is the number of a network's segment when nobody says otherwise.
func DefaultVNI(network NetworkID) uint32 {
	return 1 + (uint32(network[7])<<16|uint32(network[8])<<8|uint32(network[9]))%(1<<24-1)
}
