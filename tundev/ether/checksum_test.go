package ether_test

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"testing"

	"github.com/vxmesh/vxmesh/tundev/ether"
)

// plainSum is RFC 1071, 4.1, word by word.
func plainSum(b []byte) uint16 {
	var sum uint32
	for ; len(b) > 1; b = b[2:] {
		sum += uint32(binary.BigEndian.Uint16(b))
		sum = sum&0xffff + sum>>16
	}
	if len(b) == 1 {
		sum += uint32(b[0]) << 8
		sum = sum&0xffff + sum>>16
	}
	return uint16(sum)
}

func TestSumVectors(t *testing.T) {
	for _, c := range []struct {
		name string
		b    []byte
		want uint16
	}{
		{"nothing", nil, 0},
		{"one byte is the high one", []byte{0x12}, 0x1200},
		{"RFC 1071, 3", []byte{0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7}, 0xddf2},
		{"zeros", make([]byte, 1500), 0},
		{"ones stay ones", bytes.Repeat([]byte{0xff}, 1500), 0xffff},
		{"odd ones", bytes.Repeat([]byte{0xff}, 3), 0xff00},
		{"a carry at the last word", []byte{0xff, 0xff, 0x00, 0x01}, 0x0001},
	} {
		if got := ether.Sum(c.b); got != c.want {
			t.Errorf("%s: %#04x, want %#04x", c.name, got, c.want)
		}
	}
}

// TestSumModel compares every length around the unrolled loop's steps, at every alignment, for
// bytes that carry all the time and for random ones.
func TestSumModel(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	random := make([]byte, 9100)
	for i := range random {
		random[i] = byte(rnd.Uint32())
	}
	carrying := bytes.Repeat([]byte{0xff}, 400)
	carrying[0], carrying[65], carrying[130] = 0xfe, 0x01, 0x00
	for _, source := range [][]byte{random, carrying, bytes.Repeat([]byte{0xff}, 400)} {
		for n := 0; n <= 260; n++ {
			for at := range 9 {
				b := source[at : at+n]
				if got, want := ether.Sum(b), plainSum(b); got != want {
					t.Fatalf("%d bytes at %d: %#04x, want %#04x", n, at, got, want)
				}
			}
		}
	}
	for range 500 {
		at := rnd.IntN(16)
		b := random[at : at+rnd.IntN(len(random)-at)]
		if got, want := ether.Sum(b), plainSum(b); got != want {
			t.Fatalf("%d bytes at %d: %#04x, want %#04x", len(b), at, got, want)
		}
	}
}

// TestSumWordsOfOnes puts words of all ones next to ones that make the accumulator overflow to
// exactly zero, where a forgotten carry shows.
func TestSumWordsOfOnes(t *testing.T) {
	words := []uint64{0, 1, 1 << 63, 1<<64 - 1, 1<<64 - 2, 0x00ff00ff00ff00ff}
	rnd := rand.New(rand.NewPCG(3, 4))
	b := make([]byte, 8*25+7)
	for range 5000 {
		n := rnd.IntN(26)
		for i := range n {
			binary.LittleEndian.PutUint64(b[8*i:], words[rnd.IntN(len(words))])
		}
		part := b[:8*n+rnd.IntN(8)]
		if got, want := ether.Sum(part), plainSum(part); got != want {
			t.Fatalf("% x: %#04x, want %#04x", part, got, want)
		}
	}
}

func TestAddSumJoinsParts(t *testing.T) {
	rnd := rand.New(rand.NewPCG(5, 6))
	b := make([]byte, 301)
	for range 2000 {
		for i := range b {
			b[i] = byte(rnd.Uint32())
		}
		at := 2 * rnd.IntN(150)
		if got, want := ether.AddSum(ether.Sum(b[:at]), ether.Sum(b[at:])), ether.Sum(b); got != want {
			t.Fatalf("cut at %d: %#04x, want %#04x", at, got, want)
		}
	}
	if got := ether.AddSum(0xffff, 0xffff); got != 0xffff {
		t.Errorf("AddSum(0xffff, 0xffff) = %#04x", got)
	}
}

// TestUpdateSum changes single words and compares with computing the checksum anew; RFC 1624, 4 has
// the vector that equation 2 gets wrong.
func TestUpdateSum(t *testing.T) {
	if got := ether.UpdateSum(0xdd2f, 0x5555, 0x3285); got != 0x0000 {
		t.Errorf("RFC 1624, 4: %#04x, want 0", got)
	}
	rnd := rand.New(rand.NewPCG(7, 8))
	words := []uint16{0, 1, 0x7fff, 0x8000, 0xfffe, 0xffff}
	pick := func() uint16 {
		if rnd.IntN(2) == 0 {
			return words[rnd.IntN(len(words))]
		}
		return uint16(rnd.Uint32())
	}
	b := make([]byte, 20)
	b[0] = 0x45 // never all zeros, as no header is
	for range 5000 {
		for i := 2; i < 20; i += 2 {
			binary.BigEndian.PutUint16(b[i:], pick())
		}
		field := ^ether.Sum(b)
		at := 2 + 2*rnd.IntN(9)
		old, updated := binary.BigEndian.Uint16(b[at:]), pick()
		binary.BigEndian.PutUint16(b[at:], updated)
		if got, want := ether.UpdateSum(field, old, updated), ^ether.Sum(b); got != want {
			t.Fatalf("%#04x to %#04x: %#04x, want %#04x", old, updated, got, want)
		}
	}
}

func BenchmarkSum(b *testing.B) {
	data := bytes.Repeat([]byte{0xa5}, 1448)
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	for b.Loop() {
		ether.Sum(data)
	}
}
