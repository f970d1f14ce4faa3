package session

import (
	"encoding/binary"
	"fmt"
)

const (
	version = 1

	headLen       = 40
	certificateAt = 102

	// MaxCertificate is how long a certificate can be, in bytes.
	MaxCertificate = payloadLen - certificateAt
)

// Caps says which unfinished frames a node's devices take: those with other bits come to it
// finished.
type Caps uint16

// The capabilities.
const (
	CapCsum Caps = 1 << iota // frames whose checksum is still to be completed
	CapTSO                   // TCP super-frames
	CapUSO                   // UDP super-frames
)

// A payload is what both sides tell each other under the handshake's seal.
//
//	byte 0    1        2 3    4 .. 7   8 .. 11   12 .. 27
//	version   cipher   caps   epoch    counter   challenge
//
//	byte 28 .. 59   60 .. 99    100 101   102 ..
//	node id         list head   length    certificate, zeros
//
// In message 1, cipher is the offer, and epoch and counter grow from one message to the next. In
// message 2, cipher is what was chosen, counter is the number of the session, and the challenge is
// zero.
type payload struct {
	cipher         uint8
	caps           Caps
	epoch, counter uint32
	challenge      [16]byte
	id             [32]byte
	head           [headLen]byte
	certificate    []byte
}

// fresh orders the messages 1 of one node: boot epoch, then counter.
func (p *payload) fresh() uint64 { return uint64(p.epoch)<<32 | uint64(p.counter) }

func (p *payload) marshal() []byte {
	if len(p.certificate) > MaxCertificate {
		panic(fmt.Sprintf("session: a certificate of %d bytes, at most %d fit",
			len(p.certificate), MaxCertificate))
	}
	b := make([]byte, payloadLen)
	b[0], b[1] = version, p.cipher
	binary.BigEndian.PutUint16(b[2:], uint16(p.caps))
	binary.BigEndian.PutUint32(b[4:], p.epoch)
	binary.BigEndian.PutUint32(b[8:], p.counter)
	copy(b[12:], p.challenge[:])
	copy(b[28:], p.id[:])
	copy(b[60:], p.head[:])
	binary.BigEndian.PutUint16(b[100:], uint16(len(p.certificate)))
	copy(b[certificateAt:], p.certificate)
	return b
}

// parsePayload refuses what a later version could mean something by. The certificate is borrowed.
func parsePayload(b []byte) (payload, bool) {
	if len(b) != payloadLen || b[0] != version {
		return payload{}, false
	}
	length := int(binary.BigEndian.Uint16(b[100:]))
	if length > MaxCertificate || !zero(b[certificateAt+length:]) {
		return payload{}, false
	}
	return payload{
		cipher: b[1], caps: Caps(binary.BigEndian.Uint16(b[2:])),
		epoch: binary.BigEndian.Uint32(b[4:]), counter: binary.BigEndian.Uint32(b[8:]),
		challenge: [16]byte(b[12:]), id: [32]byte(b[28:]), head: [headLen]byte(b[60:]),
		certificate: b[certificateAt : certificateAt+length],
	}, true
}
