package vxlan

import (
	"encoding/binary"
	"math/bits"

	"github.com/vxmesh/vxmesh/tundev/ether"
)

// FlowHash mixes what identifies a frame's flow, so that frames of one flow leave by one source
// port and stay in order while different flows spread over paths and queues (RFC 7348, 5): the
// addresses and ports of TCP and UDP, the addresses of other IP packets and of all fragments,
// the Ethernet addresses of everything else. seed keeps the choice unpredictable from outside.
func FlowHash(frame ether.Frame, ip ether.IP, seed uint64) uint32 {
	h := seed
	switch ip.Version {
	case 4:
		h = mix(h, binary.BigEndian.Uint64(frame[ip.Offset+12:]))
	case 6:
		for i := ip.Offset + 8; i < ip.Offset+40; i += 8 {
			h = mix(h, binary.BigEndian.Uint64(frame[i:]))
		}
	default:
		h = mix(h, binary.BigEndian.Uint64(frame[0:]))
		h = mix(h, uint64(binary.BigEndian.Uint32(frame[8:])))
		return uint32(h >> 32)
	}
	h = mix(h, uint64(ip.Proto))
	if (ip.Proto == ether.ProtoTCP || ip.Proto == ether.ProtoUDP) && !ip.Fragment &&
		ip.Transport+4 <= len(frame) {
		h = mix(h, uint64(binary.BigEndian.Uint32(frame[ip.Transport:])))
	}
	return uint32(h >> 32)
}

// mix folds v into h by a 64 x 64 bit multiplication.
func mix(h, v uint64) uint64 {
	hi, lo := bits.Mul64(h^v, 0x9e3779b97f4a7c15)
	return hi ^ lo
}
