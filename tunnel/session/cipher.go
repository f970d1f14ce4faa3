package session

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"

	"golang.org/x/crypto/chacha20poly1305"
	"golang.org/x/sys/cpu"

	"github.com/vxmesh/vxmesh/internal/aegis"
)

// A Cipher is what data datagrams are sealed with.
type Cipher uint8

// The ciphers. Their numbers are their bits in the handshake's payloads.
const (
	AES256GCM        Cipher = 1 << 0
	ChaCha20Poly1305 Cipher = 1 << 1
	AEGIS256X2       Cipher = 1 << 2

	anyCipher = AES256GCM | ChaCha20Poly1305 | AEGIS256X2

	// hardware, in message 1 only, says that AES runs in hardware.
	hardware = 1 << 7
)

// String is the cipher's name in the configuration and in JSON.
func (c Cipher) String() string {
	switch c {
	case AES256GCM:
		return "aes-256-gcm"
	case ChaCha20Poly1305:
		return "chacha20-poly1305"
	case AEGIS256X2:
		return "aegis-256x2"
	}
	return "unknown"
}

// limit is how many datagrams may be sealed with one key: far fewer than counters of 48 bits can
// count, and for GCM few enough that no forgery comes into reach (NIST SP 800-38D, 8.3).
func (c Cipher) limit() uint64 {
	if c == AES256GCM {
		return 1 << 34
	}
	return 1 << 47
}

// HardwareAES reports whether this machine does AES and GCM's multiplication in hardware. Without
// it AES is slow, and ChaCha20-Poly1305 the better choice.
func HardwareAES() bool {
	x86 := cpu.X86.HasAES && cpu.X86.HasPCLMULQDQ && cpu.X86.HasSSE41 && cpu.X86.HasSSSE3
	arm := cpu.ARM64.HasAES && cpu.ARM64.HasPMULL
	return x86 || arm
}

// hasAEGIS is whether this machine can do AEGIS, of whom [HardwareAES] must be true as well; it is a variable for tests.
var hasAEGIS = aegis.Supported() && HardwareAES()

// Supported reports whether this machine can seal with the cipher at all.
func (c Cipher) Supported() bool { return c != AEGIS256X2 || hasAEGIS }

// offer is the byte of message 1 that says which ciphers this side takes.
func (o *Options) offer() uint8 {
	var offer uint8
	for _, c := range o.Ciphers {
		offer |= uint8(c)
	}
	if o.Ciphers == nil {
		offer = uint8(anyCipher)
	}
	if !o.Hardware || !AEGIS256X2.Supported() {
		offer &^= uint8(AEGIS256X2)
	}
	if o.Hardware {
		offer |= hardware
	}
	return offer
}

// choose picks the cipher for two offers, or 0 when they have none in common: what is the fastest where both
// sides do it in hardware, else ChaCha20-Poly1305 before AES.
func choose(ours, theirs uint8) Cipher {
	common := ours & theirs
	best := []Cipher{AEGIS256X2, ChaCha20Poly1305, AES256GCM}
	if common&hardware != 0 {
		best = []Cipher{AEGIS256X2, AES256GCM, ChaCha20Poly1305}
	}
	for _, c := range best {
		if common&uint8(c) != 0 {
			return c
		}
	}
	return 0
}

// dataKey derives the key of one direction from what the handshake gave for it. The cipher's name
// is in it, so that no key is ever used with two ciphers.
func (c Cipher) dataKey(split, binding []byte) []byte {
	return derive(split, binding, "vxmesh1 "+c.String())
}

// derive is HKDF-SHA256 (RFC 5869), 32 bytes long.
func derive(secret, salt []byte, info string) []byte {
	return must(hkdf.Key(sha256.New, secret, salt, info, 32))
}

// aead makes the cipher for a key of 32 bytes.
func (c Cipher) aead(key []byte) cipher.AEAD {
	switch c {
	case ChaCha20Poly1305:
		return must(chacha20poly1305.New(key))
	case AEGIS256X2:
		return must(aegis.New(key))
	}
	return must(cipher.NewGCM(must(aes.NewCipher(key))))
}

// must is for what refuses nothing but keys of a wrong length.
func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}
