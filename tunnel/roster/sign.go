package roster

import (
	"bytes"
	"crypto/ed25519"
	"errors"
)

// ErrSignature says that a signature does not fit what it is over, or the key that should have made it.
var ErrSignature = errors.New("the signature is wrong")

// The contexts of signatures, one for each kind of object. None may contain a zero byte, which ends
// it, and none that is in use may ever change its meaning.
const (
	contextDelegation     = "vxmesh1 delegation"
	contextCertificate    = "vxmesh1 certificate"
	contextLeave          = "vxmesh1 leave"
	contextRemoval        = "vxmesh1 removal"
	contextNetworkRemoval = "vxmesh1 network removal"
	contextSecret         = "vxmesh1 secret"
	contextRecord         = "vxmesh1 record"
	contextRedeem         = "vxmesh1 redeem"
	contextPossession     = "vxmesh1 possession"
)

// signed is what a signature is over.
func signed(context string, network NetworkID, body []byte) []byte {
	b := make([]byte, 0, len(context)+1+len(network)+len(body))
	b = append(b, context...)
	b = append(b, 0)
	b = append(b, network[:]...)
	return append(b, body...)
}

func signature(key ed25519.PrivateKey, context string, network NetworkID, body []byte) []byte {
	return ed25519.Sign(key, signed(context, network, body))
}

// sealed appends the signature over the body to it.
func sealed(key ed25519.PrivateKey, context string, network NetworkID, body []byte) []byte {
	return append(body, signature(key, context, network, body)...)
}

// verify is stricter than RFC 8032 asks for: see [SignKey.weak].
func verify(key SignKey, context string, network NetworkID, body, signature []byte) error {
	if key.weak() || !ed25519.Verify(key[:], signed(context, network, body), signature) {
		return ErrSignature
	}
	return nil
}

// verifySealed checks what [sealed] made; raw is longer than a signature.
func verifySealed(key SignKey, context string, network NetworkID, raw []byte) error {
	end := len(raw) - ed25519.SignatureSize
	return verify(key, context, network, raw[:end], raw[end:])
}

// smallOrder are the y coordinates, little-endian, of the points whose order divides 8: 0, 1, -1 and
// the two of order 8.
var smallOrder = [...][32]byte{
	{},
	{1},
	{
		0xec, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
		0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f,
	},
	{
		0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4, 0x89, 0xf2, 0xef, 0x98, 0xf0,
		0xd5, 0xdf, 0xac, 0x05, 0xd3, 0xc6, 0x33, 0x39, 0xb1, 0x38, 0x02, 0x88, 0x6d, 0x53, 0xfc, 0x05,
	},
	{
		0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b, 0x76, 0x0d, 0x10, 0x67, 0x0f,
		0x2a, 0x20, 0x53, 0xfa, 0x2c, 0x39, 0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77, 0x92, 0xac, 0x03, 0x7a,
	},
}

// weak tells keys that nobody may have: those of small order, the all-zero one among them, for which
// anybody can make signatures; and second spellings of a point, y >= 2^255-19, by which one key would
// be two nodes.
func (k SignKey) weak() bool {
	k[31] &= 0x7f // the sign of x
	for _, y := range smallOrder {
		if k == y {
			return true
		}
	}
	return k[31] == 0x7f && k[0] >= 0xed && bytes.Count(k[1:31], []byte{0xff}) == 30
}
