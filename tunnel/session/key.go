package session

import (
	"crypto/ecdh"
	"crypto/rand"
	"encoding/base64"
	"errors"
)

// A PrivateKey is an X25519 private key, 32 bytes, that names a node in handshakes.
type PrivateKey [32]byte

// A PublicKey is the public half of a [PrivateKey], 32 bytes. As text it is standard base64.
type PublicKey [32]byte

// NewPrivateKey makes a key from the system's randomness.
func NewPrivateKey() PrivateKey {
	var k PrivateKey
	rand.Read(k[:]) // never fails: the program ends where the system has no randomness
	return k
}

// Public is the public half of the key.
func (k PrivateKey) Public() PublicKey {
	return PublicKey(must(ecdh.X25519().NewPrivateKey(k[:])).PublicKey().Bytes())
}

// String keeps the key out of logs.
func (k PrivateKey) String() string { return "private key" }

// ParsePublicKey reads what [PublicKey.String] writes.
func ParsePublicKey(s string) (PublicKey, error) {
	b, err := base64.StdEncoding.Strict().DecodeString(s)
	if err != nil || len(b) != len(PublicKey{}) {
		return PublicKey{}, errors.New("not a public key: want 32 bytes in base64, 44 characters")
	}
	return PublicKey(b), nil
}

// String is the key in base64.
func (k PublicKey) String() string { return base64.StdEncoding.EncodeToString(k[:]) }

// MarshalText gives the key in base64.
func (k PublicKey) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// UnmarshalText reads what [PublicKey.MarshalText] writes.
func (k *PublicKey) UnmarshalText(text []byte) (err error) {
	*k, err = ParsePublicKey(string(text))
	return err
}
