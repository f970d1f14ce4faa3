//go:build !amd64 || !gc || purego

package aegis

import "crypto/cipher"

const supported = false

func newAEAD([KeySize]byte) cipher.AEAD { panic("aegis: not supported") }
