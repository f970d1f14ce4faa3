package netmon

import (
	"net"
	"net/netip"
)

// prefixOfNet translates an address with its network's length.
func prefixOfNet(n *net.IPNet) (netip.Prefix, bool) {
	a, ok := netip.AddrFromSlice(n.IP)
	bits, size := n.Mask.Size()
	if a = a.Unmap(); !ok || size == 0 {
		return netip.Prefix{}, false
	}
	if size == 128 && a.Is4() {
		bits -= 96
	}
	p := netip.PrefixFrom(a, bits)
	return p, p.IsValid()
}
