package portmap

import (
	"encoding/binary"
	"net/netip"
)

const (
	pmpVersion = 0
	pmpAddress = 0
	pmpMapUDP  = 1

	pmpErrorLen   = 8
	pmpAddressLen = 12
	pmpMapLen     = 16
)

// appendPMPAddress asks for the router's outer address: RFC 6886, 3.2.
//
//	0       0 . 0
func appendPMPAddress(b []byte) []byte { return append(b, pmpVersion, pmpAddress) }

// appendPMPMap asks for a mapping of UDP, or with no lifetime to delete it: RFC 6886, 3.3.
//
//	0       0 . 1 . reserved (2)
//	4       internal port (2) . external port wished for (2)
//	8       lifetime in seconds (4)
func appendPMPMap(b []byte, internal, external uint16, lifetime uint32) []byte {
	b = append(b, pmpVersion, pmpMapUDP, 0, 0)
	b = binary.BigEndian.AppendUint16(b, internal)
	b = binary.BigEndian.AppendUint16(b, external)
	return binary.BigEndian.AppendUint32(b, lifetime)
}

// A pmpAnswer is what the router says: RFC 6886, 3.2 and 3.3. A refusal may end at byte 8.
//
//	 0       0 . R|op . result (2)
//	 4       seconds since the router lost its mappings (4)
//	 8       outer address (4)                              op 0
//	 8       internal port (2) . external port (2)          op 1
//	12       lifetime in seconds (4)                        op 1
type pmpAnswer struct {
	op       uint8
	result   uint16
	epoch    uint32
	address  netip.Addr
	internal uint16
	external uint16
	lifetime uint32
}

func parsePMP(b []byte) (a pmpAnswer, ok bool) {
	if len(b) < pmpErrorLen || len(b) > pcpMaxLen || b[0] != pmpVersion || b[1]&answerBit == 0 {
		return pmpAnswer{}, false
	}
	a = pmpAnswer{
		op: b[1] &^ answerBit, result: binary.BigEndian.Uint16(b[2:]),
		epoch: binary.BigEndian.Uint32(b[4:]),
	}
	switch {
	case a.result != 0:
		return a, true
	case a.op == pmpAddress && len(b) >= pmpAddressLen:
		a.address = netip.AddrFrom4([4]byte(b[8:12]))
		return a, true
	case a.op == pmpMapUDP && len(b) >= pmpMapLen:
		a.internal = binary.BigEndian.Uint16(b[8:])
		a.external = binary.BigEndian.Uint16(b[10:])
		a.lifetime = binary.BigEndian.Uint32(b[12:])
		return a, true
	}
	return pmpAnswer{}, false
}
