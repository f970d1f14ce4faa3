package pmtu_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"
)

// TestRandomLoss: loss that strikes small and large packets alike hardly costs size.
func TestRandomLoss(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		loss    float64 // of each direction
		allowed float64 // part of the time below the truth
	}{{0.01, 0.001}, {0.05, 0.002}, {0.2, 0.02}, {0.3, 0.08}} {
		for _, mtu := range []int{1500, 1400} {
			t.Run(fmt.Sprintf("%.2f/%d", c.loss, mtu), func(t *testing.T) {
				t.Parallel()
				p := newPath(t, false, 1500, mtu)
				p.loss, p.busy, p.jitter = c.loss, true, 30*time.Millisecond
				const hours = 2
				part, falls := p.below(mtu, hours*time.Hour)
				t.Logf("%d hours: %d falls, %.4f of the time below %d", hours, falls, part, mtu)
				if part > c.allowed {
					t.Errorf("%.4f of the time below the truth, want at most %.4f", part, c.allowed)
				}
			})
		}
	}
}

// below tells which part of a time the size is below the truth, and how often it falls.
func (p *path) below(truth int, d time.Duration) (part float64, falls int) {
	p.t.Helper()
	const step = 100 * time.Millisecond
	var below, last int
	for range d / step {
		p.run(step)
		size := p.s.Size()
		if size > truth {
			p.t.Fatalf("size %d on a path of %d", size, truth)
		}
		if size < truth {
			below++
		}
		if size < last {
			falls++
		}
		last = size
	}
	return float64(below) / float64(d/step), falls
}

// TestBlackHoleUnderLoss: the size is left in time whatever else is lost.
func TestBlackHoleUnderLoss(t *testing.T) {
	t.Parallel()
	for seed := range uint64(60) {
		p := newPath(t, seed%2 == 0, 1500, 1500)
		p.rnd = rand.New(rand.NewPCG(seed, 0))
		p.loss, p.busy = 0.2, true
		p.run(time.Minute)
		p.mtu = 1350
		p.run(5 * time.Second)
		if p.s.Size() > p.mtu {
			t.Errorf("seed %d: still sends %d after 5 s", seed, p.s.Size())
		}
		p.run(30 * time.Second)
		if got := p.s.Size(); got < 1280 || got > p.mtu {
			t.Errorf("seed %d: size %d half a minute later", seed, got)
		}
	}
}

// checkPath lives through what moves say, three bytes each: what changes, to which value, and for
// how long.
func checkPath(t testing.TB, v6 bool, moves []byte) {
	const ceiling = 1500
	p := newPath(t, v6, ceiling, ceiling)
	least := 576
	if v6 {
		least = 1280
	}
	p.busy = true
	moved := p.now // when the path last became worse
	look := func() {
		size := p.s.Size()
		if size < least || size > p.ceiling {
			t.Fatalf("at %v: size %d under a ceiling of %d", p.now, size, p.ceiling)
		}
		if p.busy && size > max(p.mtu, least) && p.now-moved > 5*time.Second {
			t.Fatalf("at %v: size %d on a path of %d since %v", p.now, size, p.mtu, moved)
		}
	}
	for ; len(moves) >= 3; moves = moves[3:] {
		value := int(moves[1])
		moved = p.now
		switch moves[0] % 9 {
		case 0:
			p.mtu = least + value*(ceiling-least)/255
		case 1:
			p.loss = float64(value) / 255 * 0.3
		case 2:
			p.trip = time.Duration(value) * 2 * time.Millisecond
		case 3:
			p.jitter = time.Duration(value) * time.Millisecond
		case 4:
			p.busy = value%2 == 0
		case 5:
			p.mtu = 0 // an outage
		case 6:
			p.ceiling, p.answers = ceiling, nil
			p.s.Reset(p.now, ceiling)
		case 7:
			p.setCeiling(least + value*(9000-least)/255)
		case 8:
			p.link = least + value*(ceiling-least)/255
			if p.s.Size() > p.link {
				p.s.TooBig(p.now, p.s.Size())
			}
		}
		p.run(time.Duration(moves[2])*100*time.Millisecond, look)
	}
	// In the end the path is good again, and is found to be.
	p.mtu, p.link, p.loss, p.jitter, p.busy = 1400, 0, 0, 0, true
	p.setCeiling(ceiling)
	p.trip = min(p.trip, 100*time.Millisecond)
	moved = p.now
	p.run(11*time.Minute, look)
	if got := p.s.Size(); got != 1400 {
		t.Fatalf("size %d in the end, want 1400; probes %v", got, p.sizes[max(0, len(p.sizes)-30):])
	}
}

// TestChangingPaths lives through random changes.
func TestChangingPaths(t *testing.T) {
	t.Parallel()
	for seed := range uint64(60) {
		rnd := rand.New(rand.NewPCG(seed, 1))
		moves := make([]byte, 60)
		for i := range moves {
			moves[i] = byte(rnd.Uint32())
		}
		checkPath(t, seed%2 == 0, moves)
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}

func FuzzSearch(f *testing.F) {
	f.Add(true, []byte{0, 0, 100})                                 // a smaller path
	f.Add(false, []byte{0, 20, 50, 0, 255, 100})                   // smaller, then larger again
	f.Add(false, []byte{5, 0, 30, 0, 255, 1, 1, 200, 250})         // an outage, then loss
	f.Add(false, []byte{2, 255, 100, 3, 255, 100, 6, 0, 100})      // slow and uneven, then Reset
	f.Add(false, []byte{7, 255, 3, 7, 10, 9, 8, 200, 99, 8, 5, 1}) // the link changes
	f.Fuzz(func(t *testing.T, v6 bool, moves []byte) {
		checkPath(t, v6, moves[:min(len(moves), 90)])
	})
}
