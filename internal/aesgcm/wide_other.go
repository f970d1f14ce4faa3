//go:build !amd64 || !gc || purego

package aesgcm

import "crypto/cipher"

const wide = false

func newWide(_ []byte, standard cipher.AEAD) cipher.AEAD { return standard }
