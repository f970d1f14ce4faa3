//go:build gc && !purego

package aegis

import (
	"crypto/subtle"
	"encoding/binary"
	"slices"
	"unsafe"

	"golang.org/x/sys/cpu"
)

const blockSize = 32

// supported reports whether processor and operating system have what the assembly uses.
var supported = cpu.X86.HasAES && cpu.X86.HasAVX2 && hasVAES()

func hasVAES() bool {
	const vaes = 1 << 9 // of leaf 7, in ECX
	return extendedFeatures()&vaes != 0
}

// A job is all that the assembly is told of a text, but for the key. Nonce and header are words: for bytes just written,
// which it is to read as a block, the processor would have to wait.
type job struct {
	dst, src   *byte
	blocks     int // whole ones at src
	rest       int // bytes behind them, which are in tail
	nonce      [NonceSize / 8]uint64
	header     [MaxHeader / 8]uint64
	headerBits uint64
	textBits   uint64
	tail       [blockSize]byte
	tag        [Overhead]byte
}

// Seal encrypts text and appends it, with its tag, to dst.
func (c *Cipher) Seal(dst, nonce, text, header []byte) []byte {
	at, n := len(dst), len(text)
	dst = slices.Grow(dst, n+Overhead)[:at+n+Overhead]
	var j job
	j.take(nonce, header, dst[at:], text)
	seal(&c.key, &j)
	j.give(dst[at : at+n])
	copy(dst[at+n:], j.tag[:])
	return dst
}

// Open decrypts what was sealed, checks its tag, and appends the text to dst.
func (c *Cipher) Open(dst, nonce, sealed, header []byte) ([]byte, error) {
	n := len(sealed) - Overhead
	if n < 0 {
		return nil, errOpen
	}
	at := len(dst)
	dst = slices.Grow(dst, n)[:at+n]
	var j job
	j.take(nonce, header, dst[at:], sealed[:n])
	open(&c.key, &j)
	if !j.opened(dst[at:], sealed[n:]) {
		return nil, errOpen
	}
	return dst, nil
}

// SealPair is Seal for two texts of one length, in place of their Sealed.
func (c *Cipher) SealPair(a, b *Text) {
	n := pairLen(a, b)
	var j, k job
	j.take(a.Nonce, a.Header, a.Sealed, a.Plain)
	k.take(b.Nonce, b.Header, b.Sealed, b.Plain)
	sealPair(&c.key, &j, &k)
	j.give(a.Sealed[:n])
	k.give(b.Sealed[:n])
	copy(a.Sealed[n:], j.tag[:])
	copy(b.Sealed[n:], k.tag[:])
}

// OpenPair is Open for two texts of one length, in place of their Plain. It reports of each whether it is authentic.
func (c *Cipher) OpenPair(a, b *Text) (first, second bool) {
	n := pairLen(a, b)
	var j, k job
	j.take(a.Nonce, a.Header, a.Plain, a.Sealed[:n])
	k.take(b.Nonce, b.Header, b.Plain, b.Sealed[:n])
	openPair(&c.key, &j, &k)
	return j.opened(a.Plain, a.Sealed[n:]), k.opened(b.Plain, b.Sealed[n:])
}

// pairLen is the length of both texts, for whose tags there is room as well.
func pairLen(a, b *Text) int {
	n := len(a.Plain)
	if len(b.Plain) != n || len(a.Sealed) != n+Overhead || len(b.Sealed) != n+Overhead {
		panic("aegis: texts of several lengths")
	}
	return n
}

// take notes what is to be done with text, for which dst has room.
func (j *job) take(nonce, header, dst, text []byte) {
	if len(header) > MaxHeader {
		panic("aegis: additional data is too long")
	}
	j.number(nonce)
	j.header[0], j.header[1] = words(header)
	j.headerBits, j.textBits = 8*uint64(len(header)), 8*uint64(len(text))
	j.dst, j.src = unsafe.SliceData(dst), unsafe.SliceData(text)
	j.blocks, j.rest = len(text)/blockSize, len(text)%blockSize
	copy(j.tail[:], text[len(text)-j.rest:])
}

func (j *job) number(nonce []byte) {
	switch len(nonce) {
	case 12:
		j.nonce[0], j.nonce[1] = binary.LittleEndian.Uint64(nonce), uint64(binary.LittleEndian.Uint32(nonce[8:]))
	case NonceSize:
		j.nonce[0], j.nonce[1] = words(nonce[:16])
		j.nonce[2], j.nonce[3] = words(nonce[16:])
	default:
		panic("aegis: a nonce of another length")
	}
}

// words gives up to 16 bytes as two words, with zeros behind them.
func words(b []byte) (low, high uint64) {
	if len(b) < 16 {
		var padded [16]byte
		copy(padded[:], b)
		b = padded[:]
	}
	return binary.LittleEndian.Uint64(b), binary.LittleEndian.Uint64(b[8:])
}

// give writes what was the rest to the end of the result.
func (j *job) give(text []byte) { copy(text[len(text)-j.rest:], j.tail[:]) }

// opened finishes the text if the tag is right, else it leaves nothing of it.
func (j *job) opened(text, tag []byte) bool {
	if subtle.ConstantTimeCompare(j.tag[:], tag) != 1 {
		clear(text)
		return false
	}
	j.give(text)
	return true
}

// seal encrypts the blocks from src to dst and the rest within tail, and makes the tag.
//
//go:noescape
func seal(key *[KeySize]byte, j *job)

// open decrypts likewise, and makes the tag that the text should have.
//
//go:noescape
func open(key *[KeySize]byte, j *job)

// sealPair is seal for two texts of one length.
//
//go:noescape
func sealPair(key *[KeySize]byte, j, k *job)

// openPair is open for two texts of one length.
//
//go:noescape
func openPair(key *[KeySize]byte, j, k *job)

// extendedFeatures is ECX of CPUID's leaf 7.
func extendedFeatures() uint32
