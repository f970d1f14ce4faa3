package session

import (
	"bytes"
	"crypto/cipher"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/vxmesh/vxmesh/tunnel/drop"
	"github.com/vxmesh/vxmesh/tunnel/wire"
)

func only(c Cipher) func(a, b *Options) {
	return func(a, b *Options) { a.Ciphers, b.Ciphers = []Cipher{c}, []Cipher{c} }
}

// ciphers are those that this machine can do.
var ciphers = slices.DeleteFunc([]Cipher{AES256GCM, ChaCha20Poly1305, AEGIS256X2}, func(c Cipher) bool { return !c.Supported() })

func TestSealInPlaceAndApart(t *testing.T) {
	for _, c := range ciphers {
		a, b := newPair(t, only(c))
		ta, tb := connect(t, 0, a, b)
		text := bytes.Repeat([]byte("text "), 300)
		for _, n := range []int{0, 1, 16, len(text)} {
			apart, inPlace := make([]byte, n+32), make([]byte, n+32)
			h := wire.Header{Index: ta.RemoteIndex(), VNI: 42, Counter: uint64(1000 + n), Last: true}
			h.Put(apart)
			h.Put(inPlace)
			ta.Seal(apart, text[:n])
			copy(inPlace[16:], text[:n])
			ta.Seal(inPlace, inPlace[16:16+n])
			if !bytes.Equal(apart, inPlace) {
				t.Fatalf("%v, %d bytes: sealed in place and apart differ", c, n)
			}
			if n > 16 && bytes.Contains(apart, text[:n]) {
				t.Fatalf("%v: the text is there to be read", c)
			}
			out, reason := tb.Open(inPlace[16:16], inPlace)
			if reason != drop.None || !bytes.Equal(out, text[:n]) || n > 0 && &out[0] != &inPlace[16] {
				t.Fatalf("%v, %d bytes, opened in place: %v", c, n, reason)
			}
			if _, reason := tb.Open(nil, apart); reason != drop.Replay {
				t.Fatalf("%v: the same datagram twice: %v", c, reason)
			}
		}
	}
}

func TestOpenAppends(t *testing.T) {
	a, b := newPair(t)
	ta, tb := connect(t, 0, a, b)
	dst := []byte("before ")
	if out, _ := tb.Open(dst, sealed(t, ta, "after")); string(out) != "before after" {
		t.Errorf("%q", out)
	}
	bad := sealed(t, ta, "forged")
	bad[20]++
	if out, r := tb.Open(dst, bad); string(out) != "before " || r != drop.Auth {
		t.Errorf("%q %v", out, r)
	}
}

func TestEveryByteOfADatagramCounts(t *testing.T) {
	for _, c := range ciphers {
		a, b := newPair(t, only(c))
		ta, tb := connect(t, 0, a, b)
		good := sealed(t, ta, "some text")
		for i := range good {
			bad := bytes.Clone(good)
			bad[i] ^= 0x20
			if _, reason := tb.Open(nil, bad); reason != drop.Auth {
				t.Errorf("%v: byte %d changed: %v", c, i, reason)
			}
		}
		for n := range good {
			if out, reason := tb.Open(nil, good[:n]); reason != drop.Auth || out != nil {
				t.Errorf("%v: cut to %d bytes: %v", c, n, reason)
			}
		}
		if _, reason := ta.Open(nil, good); reason != drop.Auth {
			t.Errorf("%v: one's own datagram comes back: %v", c, reason)
		}
		if _, reason := tb.Open(nil, good); reason != drop.None {
			t.Errorf("%v: then the true one: %v", c, reason)
		}
		empty := sealed(t, ta, "")
		if _, reason := tb.Open(nil, empty); reason != drop.None {
			t.Errorf("%v: an empty one: %v", c, reason)
		}
	}
}

func TestSealNeedsRoom(t *testing.T) {
	a, b := newPair(t)
	ta, _ := connect(t, 0, a, b)
	defer func() {
		if recover() == nil {
			t.Error("a datagram without room for the tag was sealed somewhere else")
		}
	}()
	ta.Seal(make([]byte, 16+5+15), []byte("12345"))
}

func TestReserve(t *testing.T) {
	a, b := newPair(t)
	r := b.Receive(0, a.addr, a.call())
	ta := a.Receive(0, b.addr, r.Reply).New
	for i, want := range []uint64{0, 3, 4} {
		n := []int{3, 1, 128}[i]
		if got, ok := ta.Reserve(n); !ok || got != want {
			t.Errorf("Reserve(%d) = %d, %v, want %d", n, got, ok, want)
		}
	}
	for _, c := range ciphers {
		ta := &Transport{cipher: c}
		limit := map[Cipher]uint64{AES256GCM: 1 << 34, ChaCha20Poly1305: 1 << 47, AEGIS256X2: 1 << 47}[c]
		ta.sent.Store(limit - 2)
		if _, ok := ta.Reserve(3); ok {
			t.Errorf("%v: more than %d", c, limit)
		}
		ta.sent.Store(limit - 2)
		if n, ok := ta.Reserve(2); !ok || n != limit-2 {
			t.Errorf("%v: not up to %d", c, limit)
		}
		if _, ok := ta.Reserve(1); ok {
			t.Errorf("%v: more than %d", c, limit)
		}
	}
}

func TestReserveConcurrently(t *testing.T) {
	ta := &Transport{cipher: AES256GCM}
	var sum atomic.Uint64
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 1000 {
				n, _ := ta.Reserve(2)
				sum.Add(n)
			}
		})
	}
	wg.Wait()
	if want := uint64(8000 * 7999); sum.Load() != want {
		t.Errorf("the counters add up to %d, want %d: some were given out twice", sum.Load(), want)
	}
}

func TestExpired(t *testing.T) {
	ta := &Transport{created: time.Minute}
	if ta.Expired(4*time.Minute-1) || !ta.Expired(4*time.Minute) {
		t.Error("keys do not die at 180 s")
	}
}

func TestReceived(t *testing.T) {
	a, b := newPair(t)
	ta, tb := connect(t, 0, a, b) // one datagram
	sealed(t, ta, "lost")
	exchange(t, ta, tb, "came")
	tb.Open(nil, make([]byte, 60))
	if tb.Received() != 2 {
		t.Errorf("received %d, want 2", tb.Received())
	}
}

func TestNothingAllocates(t *testing.T) {
	for _, c := range ciphers {
		a, b := newPair(t, only(c))
		ta, tb := connect(t, 0, a, b)
		buf, text := make([]byte, 1440+32), make([]byte, 3*1440)
		run, room := make([]byte, 3*(1440+32)), make([]byte, 0, 3*1440)
		allocs := testing.AllocsPerRun(200, func() {
			counter, _ := ta.Reserve(1)
			wire.Header{Index: ta.RemoteIndex(), Counter: counter}.Put(buf)
			ta.Seal(buf, text[:1440])
			if !tb.Fresh(counter) {
				t.Fatal("not fresh")
			}
			if _, reason := tb.Open(buf[16:16], buf); reason != drop.None {
				t.Fatal(reason)
			}
			counter, _ = ta.Reserve(3)
			for i := range 3 {
				wire.Header{Index: ta.RemoteIndex(), Counter: counter + uint64(i)}.Put(run[i*len(run)/3:])
			}
			if ta.SealRun(run, text, 1440); tb.OpenRun(room[:0], run, len(run)/3) != 3 {
				t.Fatal("the run did not open")
			}
		})
		if allocs != 0 {
			t.Errorf("%v: %v allocations", c, allocs)
		}
	}
}

// Of eight readers that get the same datagrams, each datagram goes to one.
func TestOpenConcurrently(t *testing.T) {
	a, b := newPair(t)
	ta, tb := connect(t, 0, a, b)
	datagrams := make([][]byte, 500)
	for i := range datagrams {
		datagrams[i] = sealed(t, ta, "race")
	}
	var taken, replayed atomic.Int64
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			buf := make([]byte, 100)
			for j := range datagrams {
				d := datagrams[(j+i*13)%len(datagrams)]
				tb.Fresh(uint64(j))
				switch _, reason := tb.Open(buf[:0], d); reason {
				case drop.None:
					taken.Add(1)
				case drop.Replay:
					replayed.Add(1)
				}
			}
		})
	}
	wg.Wait()
	if taken.Load() != 500 || replayed.Load() != 3500 || tb.Received() != 501 {
		t.Errorf("%d taken, %d replayed, %d received", taken.Load(), replayed.Load(), tb.Received())
	}
}

// rival is an AEAD whose Open is overtaken by another reader that has the same datagram.
type rival struct {
	cipher.AEAD
	overtake func()
}

func (r rival) Open(dst, nonce, ciphertext, additional []byte) ([]byte, error) {
	r.overtake()
	return r.AEAD.Open(dst, nonce, ciphertext, additional)
}

func TestOpenOvertaken(t *testing.T) {
	a, b := newPair(t)
	ta, tb := connect(t, 0, a, b)
	datagram := sealed(t, ta, "once")
	aead := tb.receive
	tb.receive = rival{aead, func() {
		tb.receive = aead
		if _, reason := tb.Open(nil, datagram); reason != drop.None {
			t.Errorf("the first of two: %v", reason)
		}
	}}
	if out, reason := tb.Open(nil, datagram); reason != drop.Replay || out != nil {
		t.Errorf("the second of two: %q, %v", out, reason)
	}
}

// What was seen before is not even decrypted, and spoils nothing.
func TestReplayIsNotOpened(t *testing.T) {
	a, b := newPair(t)
	ta, tb := connect(t, 0, a, b)
	datagram := sealed(t, ta, "once")
	tb.Open(nil, datagram)
	datagram[20]++
	if _, reason := tb.Open(nil, datagram); reason != drop.Replay {
		t.Errorf("a forged copy: %v", reason)
	}
}

// TestSealRun seals as Seal does, any number.
func TestSealRun(t *testing.T) {
	const n = 37
	size := wire.Overhead + n
	for _, c := range ciphers {
		a, b := newPair(t, only(c))
		ta, _ := connect(t, 0, a, b)
		for datagrams := range 6 {
			run, text := make([]byte, datagrams*size), []byte(count(0, datagrams*n))
			var want []byte
			for i := range datagrams {
				h := wire.Header{Index: ta.RemoteIndex(), VNI: 7, Counter: uint64(10*datagrams + i), Chunk: uint8(i)}
				h.Put(run[i*size:])
				datagram := bytes.Clone(run[i*size : (i+1)*size])
				ta.Seal(datagram, text[i*n:(i+1)*n])
				want = append(want, datagram...)
			}
			if ta.SealRun(run, text, n); !bytes.Equal(run, want) {
				t.Errorf("%v, %d datagrams:\n%x\nwant\n%x", c, datagrams, run, want)
			}
		}
	}
}

// TestOpenRun opens neighbours in one go, up to the first that is forged; behind what came already it does not begin.
func TestOpenRun(t *testing.T) {
	const text = "a chunk"
	size := wire.Overhead + len(text)
	type trial struct {
		before func(tb *Transport, run []byte) // what happens to the run, or before it comes
		want   int
	}
	for _, count := range []int{1, 6, 7} {
		trials := map[string]trial{
			"sound":            {func(*Transport, []byte) {}, count},
			"one came already": {func(tb *Transport, run []byte) { tb.Open(nil, bytes.Clone(run[(count-1)*size:])) }, 0},
		}
		for i := range count {
			trials[fmt.Sprint("forged ", i)] = trial{func(_ *Transport, run []byte) { run[(i+1)*size-1]++ }, i}
			trials[fmt.Sprint("another header ", i)] = trial{func(_ *Transport, run []byte) { run[i*size+15]++ }, i}
		}
		for name, c := range trials {
			for _, cipher := range ciphers {
				a, b := newPair(t, only(cipher))
				ta, tb := connect(t, 0, a, b)
				var run []byte
				for range count {
					run = append(run, sealed(t, ta, text)...)
				}
				c.before(tb, run)
				received, room := tb.Received(), append(make([]byte, 0, 2+count*len(text)), "x "...)
				got := tb.OpenRun(room, run, size)
				if got != c.want || tb.Received()-received != uint64(c.want) {
					t.Errorf("%v, %s: %d opened, %d counted, want %d", cipher, name, got, tb.Received()-received, c.want)
				}
				if want := "x " + strings.Repeat(text, got); string(room[:len(want)]) != want {
					t.Errorf("%v, %s: opened to %q", cipher, name, room[:len(want)])
				}
				for i := range got {
					if _, reason := tb.Open(nil, run[i*size:(i+1)*size]); reason != drop.Replay {
						t.Errorf("%v, %s: datagram %d again: %v", cipher, name, i, reason)
					}
				}
			}
		}
	}
}

// TestOpenRunOvertaken has another reader take one of the datagrams while they are opened.
func TestOpenRunOvertaken(t *testing.T) {
	a, b := newPair(t)
	ta, tb := connect(t, 0, a, b)
	var run []byte
	for range 4 {
		run = append(run, sealed(t, ta, "once")...)
	}
	size, aead := len(run)/4, tb.receive
	tb.receive = rival{aead, func() {
		tb.receive = aead
		if _, reason := tb.Open(nil, run[2*size:3*size]); reason != drop.None {
			t.Errorf("the other reader: %v", reason)
		}
	}}
	if n := tb.OpenRun(make([]byte, 0, len(run)), run, size); n != 2 {
		t.Errorf("%d were opened, the third of them twice", n)
	}
}

func BenchmarkSealOpen(b *testing.B) {
	for _, c := range ciphers {
		b.Run(c.String(), func(b *testing.B) {
			x, y := newPair(b, only(c))
			tx, ty := connect(b, 0, x, y)
			buf := make([]byte, 1440+32)
			b.SetBytes(1440)
			b.ReportAllocs()
			for b.Loop() {
				counter, _ := tx.Reserve(1)
				wire.Header{Index: tx.RemoteIndex(), Counter: counter}.Put(buf)
				tx.Seal(buf, buf[16:16+1440])
				if _, reason := ty.Open(buf[16:16], buf); reason != drop.None {
					b.Fatal(reason)
				}
			}
		})
	}
}
