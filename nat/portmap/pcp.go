package portmap

import (
	"encoding/binary"
	"net/netip"
)

// What PCP (RFC 6887) and NAT-PMP (RFC 6886) agree on.
const (
	serverPort = 5351
	udpNumber  = 17   // IANA's number of UDP
	answerBit  = 0x80 // in the byte of the operation, set by the router
)

const (
	pcpVersion   = 2
	opAnnounce   = 0
	opMap        = 1
	pcpHeaderLen = 24
	pcpMapLen    = pcpHeaderLen + 36
	pcpMaxLen    = 1100 // RFC 6887, 7
)

// resultVersion says in both protocols that the router does not speak this version.
const resultVersion = 1

// A pcpRequest is what a host asks: RFC 6887, 7.1, and for a mapping 11.1.
//
//	 0       2 . R|op . reserved (2)
//	 4       lifetime in seconds (4)
//	 8       the host's address (16), IPv4 as ::ffff:0:0/96
//	24       nonce (12)
//	36       17 . reserved (3)
//	40       internal port (2) . external port wished for (2)
//	44       external address wished for (16)
type pcpRequest struct {
	op       uint8
	lifetime uint32 // 0 deletes
	client   netip.Addr
	nonce    [12]byte
	internal uint16
	external uint16
}

func (r pcpRequest) append(b []byte) []byte {
	client := r.client.As16()
	b = append(b, pcpVersion, r.op, 0, 0)
	b = binary.BigEndian.AppendUint32(b, r.lifetime)
	b = append(b, client[:]...)
	if r.op != opMap {
		return b
	}
	any4 := netip.IPv4Unspecified().As16()
	b = append(b, r.nonce[:]...)
	b = append(b, udpNumber, 0, 0, 0)
	b = binary.BigEndian.AppendUint16(b, r.internal)
	b = binary.BigEndian.AppendUint16(b, r.external)
	return append(b, any4[:]...)
}

// A pcpAnswer is what the router says: RFC 6887, 7.2, and for a mapping 11.1. Its mapping is zero
// when the operation is another.
//
//	 0       2 . R|op . reserved . result
//	 4       lifetime in seconds (4)
//	 8       seconds since the router lost its mappings (4) . reserved (12)
//	24       nonce (12)
//	36       protocol . reserved (3)
//	40       internal port (2) . external port (2)
//	44       external address (16)
type pcpAnswer struct {
	op       uint8
	result   uint8
	lifetime uint32
	epoch    uint32
	mapping  pcpMapping
}

type pcpMapping struct {
	nonce    [12]byte
	protocol uint8
	internal uint16
	external netip.AddrPort
}

// parsePCP reads an answer; options behind it are left alone, for we ask for none. A refusal may
// come without the part about the mapping, when the router did not understand so much.
func parsePCP(b []byte) (a pcpAnswer, ok bool) {
	if len(b) < pcpHeaderLen || len(b) > pcpMaxLen || len(b)%4 != 0 ||
		b[0] != pcpVersion || b[1]&answerBit == 0 {
		return pcpAnswer{}, false
	}
	a = pcpAnswer{
		op: b[1] &^ answerBit, result: b[3],
		lifetime: binary.BigEndian.Uint32(b[4:]), epoch: binary.BigEndian.Uint32(b[8:]),
	}
	if a.op != opMap {
		return a, true
	}
	if len(b) < pcpMapLen {
		return a, a.result != 0
	}
	a.mapping = pcpMapping{
		nonce: [12]byte(b[24:36]), protocol: b[36], internal: binary.BigEndian.Uint16(b[40:]),
		external: netip.AddrPortFrom(netip.AddrFrom16([16]byte(b[44:60])).Unmap(),
			binary.BigEndian.Uint16(b[42:])),
	}
	return a, true
}
