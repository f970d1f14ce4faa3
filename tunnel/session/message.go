package session

import (
	"encoding/binary"

	"github.com/vxmesh/vxmesh/tunnel/wire"
)

// Lengths of handshake datagrams, in bytes. An answer is never longer than what it answers, so
// that nobody can have a node make more traffic than he sends. Behind IPv4 and UDP headers each
// fits into the 576 bytes that every host takes whole (RFC 791, 3.1); IPv6 has room for 1280.
const (
	Message1Len = noiseAt + 32 + 48 + payloadLen + 16 + macsLen
	Message2Len = noiseAt + 32 + payloadLen + 16 + macsLen
	CookieLen   = 73

	payloadLen = 400
	macsLen    = 32
)

// Message 1 and message 2:
//
//	byte 0 .. 7   8 .. 11   12 .. 15                   16 ..           16 before the end
//	  header      sender    receiver, 0 in message 1   Noise    mac1   mac2
//
// A cookie:
//
//	byte 0 .. 7   8 .. 11     12 .. 15   16 .. 39   40 .. 72
//	  header      receiver    zeros      nonce      sealed cookie 16, flags 1
const (
	senderAt   = 8
	receiverAt = 12
	noiseAt    = 16

	cookieReceiverAt = 8
	cookieZeroAt     = 12
	cookieNonceAt    = 16
	cookieSealedAt   = 40
	cookieTextLen    = 17
)

// flagChallenge says that the cookie belongs into the payload of a new message 1.
const flagChallenge = 1

// Parts of a message 1 or 2.
func sender(b []byte) uint32    { return binary.BigEndian.Uint32(b[senderAt:]) }
func receiver(b []byte) uint32  { return binary.BigEndian.Uint32(b[receiverAt:]) }
func noisePart(b []byte) []byte { return b[noiseAt : len(b)-macsLen] }

func cookieReceiver(b []byte) uint32 { return binary.BigEndian.Uint32(b[cookieReceiverAt:]) }

// Both macs cover all that stands before them.
func beforeMAC1(b []byte) []byte { return b[:len(b)-32] }
func mac1(b []byte) []byte       { return b[len(b)-32 : len(b)-16] }
func beforeMAC2(b []byte) []byte { return b[:len(b)-16] }
func mac2(b []byte) []byte       { return b[len(b)-16:] }

// newMessage begins a message 1 or 2, whose Noise part is to be appended.
func newMessage(kind wire.Kind, from, to uint32) []byte {
	b := make([]byte, noiseAt, Message1Len)
	wire.PutHandshake(b, kind)
	binary.BigEndian.PutUint32(b[senderAt:], from)
	binary.BigEndian.PutUint32(b[receiverAt:], to)
	return b
}

// wellFormed reports whether the datagram has the length of its kind, and zeros where they belong.
func wellFormed(kind wire.Kind, b []byte) bool {
	if b[4]|b[5]|b[6] != 0 { // the VNI
		return false
	}
	switch kind {
	case wire.Handshake1:
		return len(b) == Message1Len && receiver(b) == 0
	case wire.Handshake2:
		return len(b) == Message2Len && zero(mac2(b))
	case wire.Cookie:
		return len(b) == CookieLen && zero(b[cookieZeroAt:cookieNonceAt])
	}
	return false
}

// zero is for what is no secret.
func zero(b []byte) bool {
	for _, v := range b {
		if v != 0 {
			return false
		}
	}
	return true
}
