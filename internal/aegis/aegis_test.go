package aegis_test

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"sync"
	"testing"

	"github.com/vxmesh/vxmesh/internal/aegis"
	"github.com/vxmesh/vxmesh/internal/aegis/reference"
)

// TestMain has all tests run where there is something to test; elsewhere it sees that there is nothing.
func TestMain(m *testing.M) {
	if aegis.Supported() {
		os.Exit(m.Run())
	}
	if a, err := aegis.New(make([]byte, aegis.KeySize)); a != nil || !errors.Is(err, errors.ErrUnsupported) {
		fmt.Println("not supported, and made:", a, err)
		os.Exit(1)
	}
}

// A message is what is sealed at once.
type message struct{ key, nonce, header, text []byte }

// random makes a message with a text of n bytes, and nonce and header as datagrams have them.
func random(n int) message {
	source := rand.NewChaCha8([32]byte{byte(n), byte(n >> 8)})
	bytes := func(n int) []byte {
		b := make([]byte, n)
		source.Read(b)
		return b
	}
	return message{key: bytes(aegis.KeySize), nonce: bytes(12), header: bytes(aegis.MaxHeader), text: bytes(n)}
}

func (m *message) cipher(t testing.TB) *aegis.Cipher {
	t.Helper()
	a, err := aegis.New(m.key)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// sealed is the message sealed by the reference.
func (m *message) sealed() []byte {
	nonce := append(bytes.Clone(m.nonce), make([]byte, aegis.NonceSize-len(m.nonce))...)
	return reference.Seal(2, m.key, nonce, m.header, m.text)
}

// agree fails unless we seal as the reference does and open what it has sealed, in place and elsewhere.
func agree(t *testing.T, m message) {
	t.Helper()
	a, want := m.cipher(t), m.sealed()
	inPlace := append(bytes.Clone(m.text), make([]byte, 16)...)[:len(m.text)]
	for name, got := range map[string][]byte{
		"elsewhere": a.Seal(nil, m.nonce, m.text, m.header),
		"in place":  a.Seal(inPlace[:0], m.nonce, inPlace, m.header),
		"appended":  a.Seal([]byte("before"), m.nonce, m.text, m.header)[6:],
	} {
		if !bytes.Equal(got, want) {
			t.Fatalf("%d bytes sealed %s:\n%x\nwant\n%x", len(m.text), name, got, want)
		}
	}
	elsewhere, err := a.Open([]byte("before"), m.nonce, want, m.header)
	if err != nil || !bytes.Equal(elsewhere[6:], m.text) {
		t.Fatalf("%d bytes opened elsewhere: %v:\n%x\nwant\n%x", len(m.text), err, elsewhere, m.text)
	}
	inPlace, err = a.Open(want[:0], m.nonce, want, m.header)
	if err != nil || !bytes.Equal(inPlace, m.text) {
		t.Fatalf("%d bytes opened in place: %v:\n%x\nwant\n%x", len(m.text), err, inPlace, m.text)
	}
}

// TestAgrees goes through all lengths of a datagram, and some to the longest message of a tunnel and beyond.
func TestAgrees(t *testing.T) {
	for n := range 1500 {
		agree(t, random(n))
	}
	for n := 1500; n < 140000; n += 9773 {
		agree(t, random(n))
	}
}

// TestOtherSizes has nonces and headers of all lengths that are taken.
func TestOtherSizes(t *testing.T) {
	for _, n := range []int{0, 1, 64, 100} {
		for header := range aegis.MaxHeader + 1 {
			m := random(n)
			m.header = m.header[:header]
			agree(t, m)
			m.nonce = random(aegis.NonceSize).text
			agree(t, m)
		}
	}
	for _, n := range []int{0, 16, 31, 33} {
		if _, err := aegis.New(make([]byte, n)); err == nil {
			t.Errorf("a key of %d bytes was taken", n)
		}
	}
}

// TestRefuses: what nobody should ask for ends the program, as with the standard library's ciphers.
func TestRefuses(t *testing.T) {
	m := random(10)
	a, sealed := m.cipher(t), m.sealed()
	for name, f := range map[string]func(){
		"seal, short nonce": func() { a.Seal(nil, m.nonce[:11], m.text, m.header) },
		"open, long nonce":  func() { a.Open(nil, make([]byte, 33), sealed, m.header) },
		"seal, no nonce":    func() { a.Seal(nil, nil, m.text, m.header) },
		"seal, long header": func() { a.Seal(nil, m.nonce, m.text, make([]byte, 17)) },
		"open, long header": func() { a.Open(nil, m.nonce, sealed, make([]byte, 17)) },
		"seal, two lengths": func() { x, y := m.asText(), m.asText(); y.Plain = y.Plain[1:]; a.SealPair(&x, &y) },
		"open, two lengths": func() { x, y := m.asText(), m.asText(); x.Plain = x.Plain[1:]; a.OpenPair(&x, &y) },
		"seal, no room":     func() { x, y := m.asText(), m.asText(); y.Sealed = y.Sealed[:20]; a.SealPair(&x, &y) },
		"seal, room beyond": func() { x, y := m.asText(), m.asText(); x.Sealed = x.Sealed[:20]; a.SealPair(&x, &y) },
		"open, too short":   func() { x, y := m.asText(), m.asText(); x.Sealed = x.Sealed[:9]; a.OpenPair(&x, &y) },
		"open, too long":    func() { x, y := m.asText(), m.asText(); y.Sealed = append(y.Sealed, 0); a.OpenPair(&x, &y) },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Error(name)
				}
			}()
			f()
		}()
	}
}

// TestForgeries changes one bit at every place of a datagram. What was opened is not left behind.
func TestForgeries(t *testing.T) {
	for _, n := range []int{0, 1, 15, 16, 31, 32, 33, 100, 128, 700} {
		m := random(n)
		a, sealed := m.cipher(t), m.sealed()
		for _, part := range [][]byte{sealed, m.nonce, m.header} {
			for i := range 8 * len(part) {
				part[i/8] ^= 1 << (i % 8)
				out, err := a.Open(make([]byte, 0, n), m.nonce, sealed, m.header)
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
			if _, err := a.Open(nil, m.nonce, sealed[:short], m.header); err == nil {
				t.Fatalf("%d of %d bytes opened", short, len(sealed))
			}
		}
		room := bytes.Repeat([]byte{1}, n)
		sealed[len(sealed)-1] ^= 1
		a.Open(room[:0], m.nonce, sealed, m.header)
		if !bytes.Equal(room, make([]byte, n)) {
			t.Fatalf("%d bytes: what a forgery was opened to stays: %x", n, room)
		}
	}
}

// pair is two messages of n bytes under one key.
func pair(n int) (a, b message) {
	a, b = random(n), random(n+7777)
	b.key, b.text = a.key, b.text[:n]
	return a, b
}

func (m *message) asText() aegis.Text {
	return aegis.Text{Nonce: m.nonce, Header: m.header, Plain: bytes.Clone(m.text), Sealed: make([]byte, len(m.text)+aegis.Overhead)}
}

// TestPairs seals and opens two at once, of all lengths, elsewhere and in place.
func TestPairs(t *testing.T) {
	for n := range 300 {
		for _, headers := range [][2]int{{16, 16}, {0, 16}, {5, 0}, {0, 0}} {
			a, b := pair(n)
			a.header, b.header = a.header[:headers[0]], b.header[:headers[1]]
			if n%2 == 1 {
				b.nonce = random(n + 1000).text[:aegis.NonceSize]
			}
			if n%3 == 1 {
				a.nonce = random(n + 2000).text[:aegis.NonceSize]
			}
			c, x, y := a.cipher(t), a.asText(), b.asText()
			c.SealPair(&x, &y)
			if !bytes.Equal(x.Sealed, a.sealed()) || !bytes.Equal(y.Sealed, b.sealed()) {
				t.Fatalf("%d bytes sealed:\n%x\n%x\nwant\n%x\n%x", n, x.Sealed, y.Sealed, a.sealed(), b.sealed())
			}
			y.Plain = y.Sealed[:n]
			clear(x.Plain)
			if first, second := c.OpenPair(&x, &y); !first || !second {
				t.Fatalf("%d bytes: %v and %v", n, first, second)
			}
			if !bytes.Equal(x.Plain, a.text) || !bytes.Equal(y.Plain, b.text) {
				t.Fatalf("%d bytes opened:\n%x\n%x\nwant\n%x\n%x", n, x.Plain, y.Plain, a.text, b.text)
			}
		}
	}
}

// TestForgedPairs changes each bit of one of two. The other is opened all the same.
func TestForgedPairs(t *testing.T) {
	for _, n := range []int{0, 1, 32, 70} {
		a, b := pair(n)
		c := a.cipher(t)
		for i := range 8 * (n + aegis.Overhead) {
			for which := range 2 {
				x, y := a.asText(), b.asText()
				c.SealPair(&x, &y)
				forged, good := &x, &y
				if which == 1 {
					forged, good = good, forged
				}
				forged.Sealed[i/8] ^= 1 << (i % 8)
				want := bytes.Clone(good.Plain)
				clear(good.Plain)
				first, second := c.OpenPair(&x, &y)
				if first != (which == 1) || second != (which == 0) {
					t.Fatalf("%d bytes, bit %d of %d: %v and %v", n, i, which, first, second)
				}
				if !bytes.Equal(forged.Plain, make([]byte, n)) || !bytes.Equal(good.Plain, want) {
					t.Fatalf("%d bytes, bit %d of %d: %x and %x", n, i, which, forged.Plain, good.Plain)
				}
			}
		}
	}
}

// TestTogether uses one cipher from several goroutines.
func TestTogether(t *testing.T) {
	m := random(1440)
	a, want := m.cipher(t), m.sealed()
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for range 1000 {
				got := a.Seal(nil, m.nonce, m.text, m.header)
				if back, err := a.Open(nil, m.nonce, got, m.header); err != nil || !bytes.Equal(back, m.text) {
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
	a, x, y := m.cipher(t), m.asText(), m.asText()
	sealed, opened := make([]byte, 0, 1456), make([]byte, 0, 1440)
	if n := testing.AllocsPerRun(100, func() {
		a.SealPair(&x, &y)
		a.OpenPair(&x, &y)
		sealed = a.Seal(sealed[:0], m.nonce, m.text, m.header)
		opened, _ = a.Open(opened[:0], m.nonce, sealed, m.header)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func FuzzAgrees(f *testing.F) {
	f.Add([]byte("0123456789abcdef0123456789abcdef"), []byte("a nonce of 12"), []byte("a header of 16.."), []byte("text"))
	f.Fuzz(func(t *testing.T, key, nonce, header, text []byte) {
		m := message{key: make([]byte, 32), nonce: make([]byte, 12), header: header[:min(len(header), 16)], text: text}
		copy(m.key, key)
		if copy(m.nonce, nonce); len(nonce) > 12 {
			m.nonce = append(nonce, make([]byte, 32)...)[:32]
		}
		agree(t, m)
	})
}

func BenchmarkSeal(b *testing.B) {
	benchmark(b, func(a *aegis.Cipher, m message, x, _ *aegis.Text) { a.Seal(x.Sealed[:0], m.nonce, m.text, m.header) })
}

func BenchmarkOpen(b *testing.B) {
	benchmark(b, func(a *aegis.Cipher, m message, x, _ *aegis.Text) { a.Open(x.Plain[:0], m.nonce, x.Sealed, m.header) })
}

func BenchmarkSealPair(b *testing.B) {
	benchmark(b, func(a *aegis.Cipher, _ message, x, y *aegis.Text) { a.SealPair(x, y) })
}

func BenchmarkOpenPair(b *testing.B) {
	benchmark(b, func(a *aegis.Cipher, _ message, x, y *aegis.Text) { a.OpenPair(x, y) })
}

// benchmark runs f for an acknowledgement, a voice packet and a chunk.
func benchmark(b *testing.B, f func(a *aegis.Cipher, m message, x, y *aegis.Text)) {
	for _, n := range []int{66, 200, 1440} {
		m := random(n)
		a, x, y := m.cipher(b), m.asText(), m.asText()
		a.SealPair(&x, &y)
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			for b.Loop() {
				f(a, m, &x, &y)
			}
		})
	}
}
