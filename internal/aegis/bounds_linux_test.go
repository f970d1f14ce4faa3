package aegis_test

import (
	"bytes"
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

// TestStaysInBounds puts everything right before a page that nobody may touch, and right behind one.
func TestStaysInBounds(t *testing.T) {
	for n := range 600 {
		m := random(n)
		a, want := m.cipher(t), m.sealed()
		for _, place := range []func(*testing.T, []byte) []byte{beforeAbyss, behindAbyss} {
			nonce, header, text := place(t, m.nonce), place(t, m.header), place(t, m.text)
			sealed := place(t, make([]byte, n+16))
			if got := a.Seal(sealed[:0:len(sealed)], nonce, text, header); !bytes.Equal(got, want) {
				t.Fatalf("%d bytes: %x, want %x", n, got, want)
			}
			clear(text)
			if got, err := a.Open(text[:0:n], nonce, sealed, header); err != nil || !bytes.Equal(got, m.text) {
				t.Fatalf("%d bytes: %v", n, err)
			}
		}
	}
}

// guarded maps two pages between two that are none.
func guarded(t *testing.T) (inside []byte) {
	t.Helper()
	page := os.Getpagesize()
	b, err := unix.Mmap(-1, 0, 4*page, unix.PROT_NONE, unix.MAP_PRIVATE|unix.MAP_ANON)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Munmap(b) })
	if err := unix.Mprotect(b[page:3*page], unix.PROT_READ|unix.PROT_WRITE); err != nil {
		t.Fatal(err)
	}
	return b[page : 3*page]
}

// beforeAbyss is a copy of b whose last byte is the last that may be touched.
func beforeAbyss(t *testing.T, b []byte) []byte {
	inside := guarded(t)
	inside = inside[len(inside)-len(b):]
	copy(inside, b)
	return inside
}

// behindAbyss is a copy of b whose first byte is the first that may be touched.
func behindAbyss(t *testing.T, b []byte) []byte {
	inside := guarded(t)[:len(b):len(b)]
	copy(inside, b)
	return inside
}
