package tundev

import (
	"crypto/sha256"
	"encoding/binary"
	"net/netip"

	"github.com/vxmesh/vxmesh/tundev/ether"
)

// stableMACPrefix is the first octet of every [StableMAC]: unicast, locally administered, and the
// highest there is of that sort. A Linux bridge takes the numerically lowest address of its ports
// as its own, so a device that joins with this one never changes the host's address on the LAN.
const stableMACPrefix = 0xfe

// StableMAC derives a device's address from a node's seed and the segment's VNI (24 bits): the same
// after every start, different between nodes and between segments.
func StableMAC(seed []byte, vni uint32) ether.MAC {
	h := sha256.New()
	h.Write([]byte("vxmesh mac\x00"))
	h.Write(binary.BigEndian.AppendUint32(nil, vni))
	h.Write(seed)
	m := ether.MAC(h.Sum(nil)[:6])
	m[0] = stableMACPrefix
	return m
}

// HostOf is the host of an IPv6 subnet, 64 bits long at most, that an Ethernet interface is by its MAC
// (RFC 4291, appendix A).
func HostOf(subnet netip.Prefix, m ether.MAC) netip.Prefix {
	a := subnet.Masked().Addr().As16()
	copy(a[8:], []byte{m[0] ^ 2, m[1], m[2], 0xff, 0xfe, m[3], m[4], m[5]})
	return netip.PrefixFrom(netip.AddrFrom16(a), subnet.Bits())
}

// linkLocal is the address that an Ethernet interface makes of its MAC where nobody gives it one.
func linkLocal(m ether.MAC) netip.Prefix { return HostOf(netip.MustParsePrefix("fe80::/64"), m) }
