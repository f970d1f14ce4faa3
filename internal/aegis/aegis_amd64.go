//go:build gc && !purego

package aegis

import (
	"crypto/cipher"
	"crypto/subtle"
	"encoding/binary"
	"errors"
	"slices"
	"unsafe"

	"golang.org/x/sys/cpu"
)

const (
	shortNonce = 12
	tagSize    = 16
	blockSize  = 64
)

// supported reports whether processor and operating system have what the assembly uses.
var supported = cpu.X86.HasAES && cpu.X86.HasAVX2 && hasVAES()

func hasVAES() bool {
	const vaes = 1 << 9 // of leaf 7, in ECX
	return extendedFeatures()&vaes != 0
}

type aead struct{ key [KeySize]byte }

func newAEAD(key [KeySize]byte) cipher.AEAD { return &aead{key} }

func (a *aead) NonceSize() int { return NonceSize }
func (a *aead) Overhead() int  { return tagSize }

// A job is all that the assembly is told, but for the key.
type job struct {
	dst, src   *byte
	blocks     int   // whole ones at src
	rest       int   // bytes behind them, which are in tail
	tag        *byte // where it is written
	nonce      [NonceSize / 8]uint64
	header     [MaxHeader / 8]uint64
	headerBits uint64
	textBits   uint64
	tail       [blockSize]byte
}

// errOpen says no more than the standard library does.
var errOpen = errors.New("cipher: message authentication failed")

func (a *aead) Seal(dst, nonce, text, header []byte) []byte {
	at, n := len(dst), len(text)
	dst = slices.Grow(dst, n+tagSize)[:at+n+tagSize]
	out := dst[at:]
	j := job{dst: &out[0], tag: &out[n]}
	j.take(nonce, header, text)
	seal(&a.key, &j)
	copy(out[n-j.rest:n], j.tail[:])
	return dst
}

func (a *aead) Open(dst, nonce, sealed, header []byte) ([]byte, error) {
	n := len(sealed) - tagSize
	if n < 0 {
		return nil, errOpen
	}
	at := len(dst)
	dst = slices.Grow(dst, n)[:at+n]
	out := dst[at:]
	var tag [tagSize]byte
	j := job{dst: unsafe.SliceData(out), tag: &tag[0]}
	j.take(nonce, header, sealed[:n])
	open(&a.key, &j)
	if subtle.ConstantTimeCompare(tag[:], sealed[n:]) != 1 {
		clear(out)
		return nil, errOpen
	}
	copy(out[n-j.rest:], j.tail[:])
	return dst, nil
}

// take notes what is to be sealed or opened. Nonce and header it notes as words: for bytes just written, which it is to
// read as a block, the processor would have to wait.
func (j *job) take(nonce, header, text []byte) {
	j.nonce[0], j.nonce[1] = words(nonce[:min(len(nonce), 16)])
	switch len(nonce) {
	case shortNonce:
	case NonceSize:
		j.nonce[2], j.nonce[3] = words(nonce[16:])
	default:
		panic("aegis: a nonce of another length")
	}
	if len(header) > MaxHeader {
		panic("aegis: additional data is too long")
	}
	j.header[0], j.header[1] = words(header)
	j.headerBits, j.textBits = 8*uint64(len(header)), 8*uint64(len(text))
	j.src, j.blocks, j.rest = unsafe.SliceData(text), len(text)/blockSize, len(text)%blockSize
	copy(j.tail[:], text[len(text)-j.rest:])
}

// words gives up to 16 bytes as two words, with zeros behind them.
func words(b []byte) (low, high uint64) {
	switch len(b) {
	case 16:
		return binary.LittleEndian.Uint64(b), binary.LittleEndian.Uint64(b[8:])
	case 12:
		return binary.LittleEndian.Uint64(b), uint64(binary.LittleEndian.Uint32(b[8:]))
	}
	var padded [16]byte
	copy(padded[:], b)
	return words(padded[:])
}

// seal encrypts the blocks from src to dst and the rest within tail, and writes the tag.
//
//go:noescape
func seal(key *[KeySize]byte, j *job)

// open decrypts likewise, and writes the tag that the text should have.
//
//go:noescape
func open(key *[KeySize]byte, j *job)

// extendedFeatures is ECX of CPUID's leaf 7.
func extendedFeatures() uint32
