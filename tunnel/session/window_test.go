package session

import (
	"math/rand/v2"
	"testing"
)

// model is a window that remembers everything.
type model struct {
	taken   map[uint64]bool
	highest uint64
}

func (m *model) fresh(c uint64) bool {
	return !m.taken[c] && (len(m.taken) == 0 || c+windowSize > m.highest)
}

func (m *model) take(c uint64) bool {
	if !m.fresh(c) {
		return false
	}
	m.taken[c], m.highest = true, max(m.highest, c)
	return true
}

func TestWindowAgainstModel(t *testing.T) {
	for seed := range uint64(30) {
		r := rand.New(rand.NewPCG(seed, 0))
		w, m := &window{}, &model{taken: map[uint64]bool{}}
		at := uint64(r.IntN(3)) * 5000
		for range 20000 {
			c := at
			switch r.IntN(10) {
			case 0:
				c -= min(c, uint64(r.IntN(3*windowSize)))
			case 1:
				at += uint64(r.IntN(200))
			case 2:
				if r.IntN(100) == 0 {
					at += uint64(r.IntN(5 * windowSize))
				}
			default:
				c, at = at-min(at, uint64(r.IntN(100))), at+uint64(r.IntN(3))
			}
			if got, want := w.fresh(c), m.fresh(c); got != want {
				t.Fatalf("seed %d: fresh(%d) = %v, highest %d", seed, c, got, m.highest)
			}
			n, want := 1, 0
			if r.IntN(20) == 0 {
				n += r.IntN(100)
			}
			for want < n && m.take(c+uint64(want)) {
				want++
			}
			if got := w.take(c, n); got != want {
				t.Fatalf("seed %d: take(%d, %d) = %d, want %d; highest %d", seed, c, n, got, want, m.highest)
			}
			if w.ahead(m.highest) || !w.ahead(m.highest+1) {
				t.Fatalf("seed %d: %d is not where ahead begins", seed, m.highest)
			}
		}
		if w.taken.Load() != uint64(len(m.taken)) || w.next.Load() != m.highest+1 {
			t.Errorf("seed %d: %d taken, next %d", seed, w.taken.Load(), w.next.Load())
		}
	}
}

func TestWindowEdges(t *testing.T) {
	for _, c := range []struct {
		highest, next uint64
		fresh         bool
	}{
		{0, 0, false},
		{8191, 0, true},
		{8192, 0, false},
		{8192, 1, true},
		{20000, 20000 - 8191, true},
		{20000, 20000 - 8192, false},
		{20000, 20001, true},
		{1<<48 - 1, 1<<48 - 8192, true},
		{1<<48 - 1, 1<<48 - 8193, false},
	} {
		w := &window{}
		if w.take(c.highest, 1) == 0 {
			t.Fatalf("take(%d)", c.highest)
		}
		if w.fresh(c.next) != c.fresh || (w.take(c.next, 1) == 1) != c.fresh || w.fresh(c.next) {
			t.Errorf("after %d, %d: fresh is not %v", c.highest, c.next, c.fresh)
		}
	}
}

// A jump of any length leaves nothing behind that looks like counters taken.
func TestWindowJumps(t *testing.T) {
	for _, jump := range []uint64{
		1, 63, 64, 65, 8191, 8192, 16383, 16384, 16385, 16448, 1 << 20, 1 << 40,
	} {
		w := &window{}
		for c := range uint64(2 * windowSize) {
			w.take(c, 1)
		}
		to := 2*windowSize - 1 + jump
		w.take(to, 1)
		for c := max(2*windowSize, to-windowSize+1); c < to; c++ {
			if !w.fresh(c) {
				t.Fatalf("a jump of %d: %d is not fresh", jump, c)
			}
		}
		for c := to - windowSize + 1; c < 2*windowSize; c++ {
			if w.fresh(c) {
				t.Fatalf("a jump of %d: %d can be taken again", jump, c)
			}
		}
	}
}
