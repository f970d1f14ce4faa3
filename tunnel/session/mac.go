package session

import (
	"crypto/hmac"
	"crypto/sha256"
	"hash"
	"sync"
)

const macLen = 16

// authenticate is HMAC-SHA256 (RFC 2104), cut to 16 bytes.
func authenticate(key []byte, parts ...[]byte) [macLen]byte {
	h := hmac.New(sha256.New, key)
	for _, p := range parts {
		h.Write(p)
	}
	return [macLen]byte(h.Sum(nil))
}

// A checker checks macs of one key without allocating: what strangers send costs no memory. Any
// number of goroutines may use it, one after another; a check takes a microsecond.
type checker struct {
	mu  sync.Mutex
	h   hash.Hash
	sum [sha256.Size]byte
}

func newChecker(key []byte) *checker { return &checker{h: hmac.New(sha256.New, key)} }

// check reports whether mac belongs to b.
func (c *checker) check(b, mac []byte) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.h.Reset()
	c.h.Write(b)
	return hmac.Equal(c.h.Sum(c.sum[:0])[:macLen], mac)
}
