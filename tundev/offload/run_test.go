package offload_test

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/vxmesh/vxmesh/tundev/offload"
)

// part is what a frame of payload[from:to] of a super-frame looks like, and its metadata.
func (p *packet) part(h offload.Header, from, to int) (offload.Header, []byte) {
	q, size := *p, int(h.GSOSize)
	q.payload = p.payload[from:to]
	q.seq += uint32(from)
	q.id += uint16((from + size - 1) / size)
	if to < len(p.payload) {
		q.flags &^= fin | psh
	}
	if from > 0 && h.GSOType&offload.GSOECN != 0 {
		q.flags &^= cwr
		h.GSOType &^= offload.GSOECN
	}
	if to-from <= size {
		h.GSOType, h.GSOSize, h.HdrLen = offload.GSONone, 0, 0
	}
	return h, q.frame()
}

// newSuper makes a random super-frame, and a Super that has seen nothing but its headers.
func newSuper(t *testing.T, r *rand.Rand) (s *offload.Super, p packet, h offload.Header, isECN bool) {
	t.Helper()
	p, size, isECN := randomSuper(r)
	h = p.header(size)
	if isECN {
		h.GSOType |= offload.GSOECN
	}
	s = new(offload.Super)
	frame := p.frame()
	if !s.Parse(h, frame[:h.HdrLen]) {
		t.Fatalf("headers of %+v were refused", p)
	}
	if s.Len() != len(frame) || s.Headers() != int(h.HdrLen) || s.Payload() != len(p.payload) {
		t.Fatalf("%d bytes, %d headers, %d payload", s.Len(), s.Headers(), s.Payload())
	}
	clear(frame) // it has to have its own copy
	return s, p, h, isECN
}

// TestSuperModel makes runs of random super-frames and wants, byte for byte, what their sender would
// have handed over.
func TestSuperModel(t *testing.T) {
	r := rand.New(rand.NewPCG(11, 1))
	dst := make([]byte, offload.MaxHeaders)
	for range 3000 {
		s, p, h, _ := newSuper(t, r)
		unit := s.Unit()
		from := r.IntN((len(p.payload)+unit-1)/unit) * unit
		to := min(from+(1+r.IntN(30*int(h.GSOSize)/unit))*unit, len(p.payload))
		got, head := s.Run(dst, from, to)
		frame := slices.Concat(head, p.payload[from:to])
		wantHeader, want := p.part(h, from, to)
		if got != wantHeader {
			t.Fatalf("run %d-%d of %d: %+v, want %+v", from, to, len(p.payload), got, wantHeader)
		}
		if !bytes.Equal(frame, want) {
			t.Fatalf("run %d-%d of %+v:\n% x, want\n% x", from, to, p, head, want[:len(head)])
		}
	}
}

// TestSuperAsSegmenter cuts runs of whole segments: they are those that cutting the whole gives.
func TestSuperAsSegmenter(t *testing.T) {
	r := rand.New(rand.NewPCG(12, 1))
	dst := make([]byte, offload.MaxHeaders)
	for range 2000 {
		s, p, h, isECN := newSuper(t, r)
		size := int(h.GSOSize)
		want := p.cut(size, isECN)
		first := r.IntN(len(want))
		end := first + 1 + r.IntN(len(want)-first)
		from, to := first*size, min(end*size, len(p.payload))
		run, head := s.Run(dst, from, to)
		got := expand(t, []output{{h: run, frame: slices.Concat(head, p.payload[from:to])}})
		if len(got) != end-first {
			t.Fatalf("%d frames, want %d", len(got), end-first)
		}
		for i := range got {
			if !bytes.Equal(got[i], want[first+i]) {
				t.Fatalf("frame %d of %d-%d:\n% x, want\n% x", i, first, end, got[i], want[first+i])
			}
		}
	}
}

func TestSuperAllocatesNothing(t *testing.T) {
	p := packet{flags: ack, payload: make([]byte, 60000), partial: true}
	h, frame := p.header(1448), p.frame()
	var s offload.Super
	dst, n := make([]byte, offload.MaxHeaders), 0
	allocs := testing.AllocsPerRun(20, func() {
		if s.Parse(h, frame) {
			_, head := s.Run(dst, 1440, 14400)
			n += len(head)
		}
	})
	if allocs != 0 || n == 0 {
		t.Errorf("%v allocations, %d bytes of headers", allocs, n)
	}
}

func BenchmarkSuper(b *testing.B) {
	p := packet{flags: ack, payload: make([]byte, 60000), partial: true}
	h, frame := p.header(1448), p.frame()
	var s offload.Super
	dst := make([]byte, offload.MaxHeaders)
	b.ReportAllocs()
	for b.Loop() {
		if !s.Parse(h, frame) {
			b.Fatal("refused")
		}
		s.Run(dst, 1440, 14400)
	}
}

// FuzzSuper takes any metadata with any beginning of a frame. What is accepted can be cut everywhere.
func FuzzSuper(f *testing.F) {
	r := rand.New(rand.NewPCG(13, 3))
	for range 8 {
		p, size, _ := randomSuper(r)
		h := p.header(size)
		f.Add(h.Flags, h.GSOType, h.GSOSize, h.CsumStart, h.CsumOffset, p.frame()[:h.HdrLen], uint16(9))
	}
	f.Fuzz(func(t *testing.T, flags, gsoType uint8, size, start, offset uint16, b []byte, at uint16) {
		h := offload.Header{
			Flags: flags, GSOType: gsoType, GSOSize: size, CsumStart: start, CsumOffset: offset,
		}
		var s offload.Super
		if !s.Parse(h, b) {
			return
		}
		if s.Headers() > min(len(b), offload.MaxHeaders) || s.Payload() < 1 ||
			s.Len() != s.Headers()+s.Payload() || s.Unit() < 1 {
			t.Fatalf("%d bytes of headers and %d of payload from %d", s.Headers(), s.Payload(), len(b))
		}
		from := int(at) % s.Payload() / s.Unit() * s.Unit()
		dst := make([]byte, s.Headers())
		for _, to := range []int{min(from+s.Unit(), s.Payload()), s.Payload()} {
			run, head := s.Run(dst, from, to)
			frame := append(bytes.Clone(head), make([]byte, to-from)...)
			if cuts := expand(t, []output{{h: run, frame: frame}}); len(cuts) == 0 {
				t.Fatalf("run %d-%d is nothing", from, to)
			}
		}
	})
}
