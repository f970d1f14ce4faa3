//go:build gc && !purego

package aesgcm

import (
	"crypto/cipher"
	"crypto/subtle"
	"errors"
	"slices"
	"unsafe"

	"golang.org/x/sys/cpu"
)

const (
	nonceSize = 12
	tagSize   = 16
	// headerSize is the length of the additional data that the assembly takes.
	headerSize = 16
)

// wide reports whether processor and operating system have what the assembly uses.
var wide = hasVAES()

func hasVAES() bool {
	const vaes, vpclmulqdq = 1 << 9, 1 << 10 // of leaf 7, in ECX
	if !cpu.X86.HasAES || !cpu.X86.HasPCLMULQDQ || !cpu.X86.HasAVX2 {
		return false
	}
	features := extendedFeatures()
	return features&vaes != 0 && features&vpclmulqdq != 0
}

// A schedule is what follows from a key, in blocks: 15 round keys, the powers of H from the 17th to the first, of
// each of those the upper half plus the lower, and one block that is read, and multiplied by zero.
type schedule [15 + 17 + 17 + 1][16]byte

// A wideGCM does datagrams by assembly, and leaves all else to the standard library.
type wideGCM struct {
	cipher.AEAD
	schedule schedule
}

func newWide(key []byte, standard cipher.AEAD) cipher.AEAD {
	g := &wideGCM{AEAD: standard}
	expandWide(&g.schedule, &key[0])
	return g
}

// errOpen says no more than the standard library does.
var errOpen = errors.New("cipher: message authentication failed")

func (g *wideGCM) Seal(dst, nonce, text, header []byte) []byte {
	if len(nonce) != nonceSize || len(header) != headerSize {
		return g.AEAD.Seal(dst, nonce, text, header)
	}
	at, n := len(dst), len(text)
	dst = slices.Grow(dst, n+tagSize)[:at+n+tagSize]
	out := dst[at:]
	sealWide(&g.schedule, &out[0], unsafe.SliceData(text), n, &nonce[0], &header[0], &out[n])
	return dst
}

func (g *wideGCM) Open(dst, nonce, sealed, header []byte) ([]byte, error) {
	n := len(sealed) - tagSize
	if len(nonce) != nonceSize || len(header) != headerSize || n < 0 {
		return g.AEAD.Open(dst, nonce, sealed, header)
	}
	var tag [tagSize]byte
	at := len(dst)
	dst = slices.Grow(dst, n)[:at+n]
	out := dst[at:]
	openWide(&g.schedule, unsafe.SliceData(out), &sealed[0], n, &nonce[0], &header[0], &tag[0])
	if subtle.ConstantTimeCompare(tag[:], sealed[n:]) != 1 {
		clear(out)
		return nil, errOpen
	}
	return dst, nil
}

// sealWide encrypts n bytes of src to dst and writes the tag.
//
//go:noescape
func sealWide(s *schedule, dst, src *byte, n int, nonce, header, tag *byte)

// openWide decrypts n bytes of src to dst and writes the tag that they should have.
//
//go:noescape
func openWide(s *schedule, dst, src *byte, n int, nonce, header, tag *byte)

// expandWide fills a schedule for a key of 32 bytes.
//
//go:noescape
func expandWide(s *schedule, key *byte)

// extendedFeatures is ECX of CPUID's leaf 7.
func extendedFeatures() uint32
