// Package aesgcm is AES-256-GCM (NIST SP 800-38D), twice as fast as the standard library's for datagrams
// where the processor encrypts two blocks with one instruction: x86 with VAES and VPCLMULQDQ, which
// Intel has since Ice Lake and AMD since Zen 3. Elsewhere it is the standard library's.
//
// The assembly does what a third of all the time of a fast transfer used to go into, and does it for one case
// only, that of datagrams: nonces of 12 bytes and additional data of 16. It branches and indexes by
// lengths alone, never by what is secret.
package aesgcm

import (
	"crypto/aes"
	"crypto/cipher"
)

// KeySize is the length of a key in bytes.
const KeySize = 32

// New makes the cipher for a key of [KeySize] bytes, with nonces of 12 bytes and tags of 16, for any number
// of goroutines. As with every [cipher.AEAD], a text lies where its result comes to lie or does
// not overlap it.
func New(key []byte) (cipher.AEAD, error) {
	if len(key) != KeySize {
		return nil, aes.KeySizeError(len(key))
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	standard, err := cipher.NewGCM(block)
	if err != nil || !wide {
		return standard, err
	}
	return newWide(key, standard), nil
}
