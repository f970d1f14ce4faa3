package chunk_test

import (
	"testing"
	"time"

	"github.com/vxmesh/vxmesh/tundev/offload"
	"github.com/vxmesh/vxmesh/tunnel/chunk"
	"github.com/vxmesh/vxmesh/tunnel/drop"
)

// A sink counts.
type sink struct{ frames, lost int }

func (s *sink) Deliver(uint32, offload.Header, [][]byte, bool) { s.frames++ }
func (s *sink) Lost(drop.Reason)                               { s.lost++ }

// A load is one message that comes again and again with new counters.
type load struct {
	r    *chunk.Reassembler
	sink sink
	ds   []datagram
	now  time.Duration
}

// newLoad prepares a super-frame of 64 KB in 46 chunks of which every nth is lost; 0 loses none.
func newLoad(t testing.TB, nth int) *load {
	l := new(load)
	l.r = chunk.NewReassembler(new(chunk.Pool), &l.sink)
	for i, d := range newMessage(seeded(), 1, tcp4, 45*1448, 1448).datagrams(t, index, 0, 1440) {
		if nth == 0 || i%nth != nth-1 {
			l.ds = append(l.ds, d)
		}
	}
	return l
}

// arrive lets the message arrive; its bytes have been opened into place, as it were.
func (l *load) arrive() {
	l.now += 100 * time.Microsecond
	for i := range l.ds {
		d := &l.ds[i]
		if dst, reason := l.r.Place(d.h, len(d.plain), 1, l.now); reason == drop.None {
			if d.h.Last || d.h.Chunk == 0 {
				copy(dst[:len(d.plain)], d.plain) // what has to be read again
			}
			l.r.Commit(d.h, len(d.plain), 1, false, l.now)
		}
		d.h.Counter += 46
	}
	l.r.Expire(l.now)
}

func TestNothingAllocates(t *testing.T) {
	for _, c := range []struct{ nth, frames int }{{0, 1}, {10, 5}} {
		l := newLoad(t, c.nth)
		for range 100 {
			l.arrive()
		}
		before := l.sink.frames
		if n := testing.AllocsPerRun(100, l.arrive); n != 0 {
			t.Errorf("with every %dth lost, a message allocates %v times", c.nth, n)
		}
		if got := l.sink.frames - before; got != 101*c.frames {
			t.Errorf("with every %dth lost, %d frames of 101 messages", c.nth, got)
		}
	}
}

// Per message of 46 chunks.
func BenchmarkReassembler(b *testing.B) {
	for _, c := range []struct {
		name string
		nth  int
	}{{"whole", 0}, {"holes", 10}} {
		b.Run(c.name, func(b *testing.B) {
			l := newLoad(b, c.nth)
			b.SetBytes(45 * 1448)
			b.ReportAllocs()
			for b.Loop() {
				l.arrive()
			}
		})
	}
}

func BenchmarkPlan(b *testing.B) {
	for b.Loop() {
		if p, ok := chunk.NewPlan(65246, 76, 1440); !ok || p.Count != 46 {
			b.Fatal(p)
		}
	}
}
