// Package aegis is AEGIS-256X4 (draft-irtf-cfrg-aegis-aead, IANA's AEAD 37) for datagrams: an AEAD that is made of AES
// rounds, with keys of 256 bits and tags of 128. On processors that do the rounds of two blocks with one instruction, which
// are x86 with VAES (Intel since Ice Lake, AMD since Zen 3), it takes half as long as AES-256-GCM at its fastest. On
// others there is none of it here: without such instructions it is slow or tells the time of table look-ups.
//
// The assembly branches and indexes by lengths alone, never by what is secret.
package aegis

import (
	"crypto/aes"
	"crypto/cipher"
	"errors"
)

const (
	// KeySize is the length of a key in bytes.
	KeySize = 32
	// NonceSize is the length of a nonce in bytes. One of 12 bytes stands for itself and 20 zeros.
	NonceSize = 32
	// MaxHeader is the length of the longest additional data.
	MaxHeader = 16
)

// Supported reports whether this processor and its operating system have what it takes.
func Supported() bool { return supported }

// New makes the cipher for a key of [KeySize] bytes, for any number of goroutines. No two texts may be sealed with
// the same nonce. As with every [cipher.AEAD], a text lies where its result comes to lie or does not overlap it; other than with
// most, additional data has a limit, [MaxHeader]. The error is [errors.ErrUnsupported] where it is not [Supported].
func New(key []byte) (cipher.AEAD, error) {
	switch {
	case !supported:
		return nil, errors.ErrUnsupported
	case len(key) != KeySize:
		return nil, aes.KeySizeError(len(key))
	}
	return newAEAD([KeySize]byte(key)), nil
}
