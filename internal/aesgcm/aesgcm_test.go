package aesgcm_test

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/vxmesh/vxmesh/internal/aesgcm"
)

// A message is what is sealed at once.
type message struct{ key, nonce, header, text []byte }

// random makes a message with a text of n bytes.
func random(n int) message {
	source := rand.NewChaCha8([32]byte{byte(n), byte(n >> 8)})
	bytes := func(n int) []byte {
		b := make([]byte, n)
		source.Read(b)
		return b
	}
	return message{key: bytes(32), nonce: bytes(12), header: bytes(16), text: bytes(n)}
}

// ciphers makes our cipher and the standard library's for one key.
func ciphers(t testing.TB, key []byte) (ours, standard cipher.AEAD) {
	t.Helper()
	ours, err := aesgcm.New(key)
	if err != nil {
		t.Fatal(err)
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		t.Fatal(err)
	}
	standard, err = cipher.NewGCM(block)
	if err != nil {
		t.Fatal(err)
	}
	return ours, standard
}

// agree fails unless ours seals and opens as the standard library does, in place and elsewhere.
func agree(t *testing.T, m message) {
	t.Helper()
	ours, standard := ciphers(t, m.key)
	want := standard.Seal(nil, m.nonce, m.text, m.header)
	inPlace := append(bytes.Clone(m.text), make([]byte, 16)...)[:len(m.text)]
	for name, got := range map[string][]byte{
		"elsewhere": ours.Seal(nil, m.nonce, m.text, m.header),
		"in place":  ours.Seal(inPlace[:0], m.nonce, inPlace, m.header),
		"appended":  ours.Seal([]byte("before"), m.nonce, m.text, m.header)[6:],
	} {
		if !bytes.Equal(got, want) {
			t.Fatalf("%d bytes sealed %s:\n%x\nwant\n%x", len(m.text), name, got, want)
		}
	}
	elsewhere, err := ours.Open(nil, m.nonce, want, m.header)
	if err != nil || !bytes.Equal(elsewhere, m.text) {
		t.Fatalf("%d bytes opened elsewhere: %v:\n%x\nwant\n%x", len(m.text), err, elsewhere, m.text)
	}
	sealed := bytes.Clone(want)
	inPlace, err = ours.Open(sealed[:0], m.nonce, sealed, m.header)
	if err != nil || !bytes.Equal(inPlace, m.text) {
		t.Fatalf("%d bytes opened in place: %v:\n%x\nwant\n%x", len(m.text), err, inPlace, m.text)
	}
}

// TestAgreesWithStandard goes through all lengths to beyond three rounds of the loop, some to the longest
// message of a tunnel, and one whose counters are carried into their third byte.
func TestAgreesWithStandard(t *testing.T) {
	for n := range 1000 {
		agree(t, random(n))
	}
	for n := 1000; n < 70000; n += 977 {
		agree(t, random(n))
	}
	agree(t, random(1<<20+5))
}

// TestOtherSizes leaves nothing to the assembly that it does not know.
func TestOtherSizes(t *testing.T) {
	for _, header := range []int{0, 1, 15, 17, 32} {
		m := random(100)
		m.header = bytes.Repeat([]byte{7}, header)
		agree(t, m)
	}
	if _, err := aesgcm.New(make([]byte, 16)); err == nil {
		t.Error("a key of 16 bytes was taken")
	}
}

// TestForgeries changes one bit at every place of a datagram. What was opened is not left behind.
func TestForgeries(t *testing.T) {
	for _, n := range []int{0, 1, 15, 16, 31, 100, 255, 256, 700} {
		m := random(n)
		ours, _ := ciphers(t, m.key)
		sealed := ours.Seal(nil, m.nonce, m.text, m.header)
		for _, part := range [][]byte{sealed, m.nonce, m.header} {
			for i := range 8 * len(part) {
				part[i/8] ^= 1 << (i % 8)
				out, err := ours.Open(make([]byte, 0, n), m.nonce, sealed, m.header)
				if err == nil {
					t.Fatalf("%d bytes: bit %d changed, and opened", n, i)
				}
				if out != nil {
					t.Fatalf("%d bytes: a forgery gave %x", n, out)
				}
				part[i/8] ^= 1 << (i % 8)
			}
		}
		for short := range sealed {
			if _, err := ours.Open(nil, m.nonce, sealed[:short], m.header); err == nil {
				t.Fatalf("%d of %d bytes opened", short, len(sealed))
			}
		}
		room := bytes.Repeat([]byte{1}, n)
		sealed[len(sealed)-1] ^= 1
		ours.Open(room[:0], m.nonce, sealed, m.header)
		if !bytes.Equal(room, make([]byte, n)) {
			t.Fatalf("%d bytes: what a forgery was opened to stays: %x", n, room)
		}
	}
}

// TestTogether uses one cipher from several goroutines.
func TestTogether(t *testing.T) {
	m := random(1440)
	ours, standard := ciphers(t, m.key)
	want := standard.Seal(nil, m.nonce, m.text, m.header)
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for range 1000 {
				got := ours.Seal(nil, m.nonce, m.text, m.header)
				if back, err := ours.Open(nil, m.nonce, got, m.header); err != nil || !bytes.Equal(back, m.text) {
					t.Error("opened to something else:", err)
				}
				if !bytes.Equal(got, want) {
					t.Error("sealed to something else")
				}
			}
		})
	}
	all.Wait()
}

func TestAllocatesNothing(t *testing.T) {
	m := random(1440)
	ours, _ := ciphers(t, m.key)
	sealed, opened := make([]byte, 0, 1456), make([]byte, 0, 1440)
	if n := testing.AllocsPerRun(100, func() {
		sealed = ours.Seal(sealed[:0], m.nonce, m.text, m.header)
		opened, _ = ours.Open(opened[:0], m.nonce, sealed, m.header)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func FuzzAgreesWithStandard(f *testing.F) {
	f.Add([]byte("0123456789abcdef0123456789abcdef"), []byte("a nonce of 12"), []byte("a header of 16.."), []byte("text"))
	f.Fuzz(func(t *testing.T, key, nonce, header, text []byte) {
		m := message{key: make([]byte, 32), nonce: make([]byte, 12), header: header, text: text}
		copy(m.key, key)
		copy(m.nonce, nonce)
		agree(t, m)
	})
}

func BenchmarkSeal(b *testing.B) {
	benchmark(b, func(a cipher.AEAD, m message, sealed, _ []byte) { a.Seal(sealed[:0], m.nonce, m.text, m.header) })
}

func BenchmarkOpen(b *testing.B) {
	benchmark(b, func(a cipher.AEAD, m message, sealed, opened []byte) {
		if _, err := a.Open(opened[:0], m.nonce, sealed, m.header); err != nil {
			b.Fatal(err)
		}
	})
}

// benchmark runs f for an acknowledgement, a voice packet and a chunk, by ours and the standard library's.
func benchmark(b *testing.B, f func(a cipher.AEAD, m message, sealed, opened []byte)) {
	for _, n := range []int{66, 200, 1440} {
		m := random(n)
		ours, standard := ciphers(b, m.key)
		sealed := standard.Seal(nil, m.nonce, m.text, m.header)
		for name, a := range map[string]cipher.AEAD{"ours": ours, "standard": standard} {
			b.Run(fmt.Sprintf("%d/%s", n, name), func(b *testing.B) {
				sealed, opened := bytes.Clone(sealed), make([]byte, n)
				b.SetBytes(int64(n))
				for b.Loop() {
					f(a, m, sealed, opened)
				}
			})
		}
	}
}
