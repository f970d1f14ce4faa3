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

// linkLocal is the IPv6 address that an Ethernet interface makes of its MAC (RFC 4291, appendix A).
func linkLocal(m ether.MAC) netip.Prefix {
	return netip.PrefixFrom(netip.AddrFrom16([16]byte{
		0: 0xfe, 1: 0x80, 8: m[0] ^ 2, 9: m[1], 10: m[2], 11: 0xff, 12: 0xfe, 13: m[3], 14: m[4], 15: m[5],
	}), 64)
}
