package pmtu_test

import (
	"cmp"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/vxmesh/vxmesh/tunnel/pmtu"
)

// A path is a simulated way there and back, with a search that uses it.
type path struct {
	t   testing.TB
	s   *pmtu.Search
	now time.Duration
	rnd *rand.Rand

	v6      bool
	ceiling int           // what the search was told
	mtu     int           // larger packets vanish
	link    int           // larger packets are refused by the local system; 0 for none
	loss    float64       // of each direction
	trip    time.Duration // there and back
	jitter  time.Duration
	busy    bool // large data goes out all the time
	answers []answer
	probes  []time.Duration // when they went out
	sizes   []int
}

type answer struct {
	at     time.Duration
	number uint64
}

func newPath(t testing.TB, v6 bool, ceiling, mtu int) *path {
	return &path{
		t: t, s: pmtu.New(v6, ceiling), rnd: rand.New(rand.NewPCG(1, 2)),
		v6: v6, ceiling: ceiling, mtu: mtu, trip: 10 * time.Millisecond,
	}
}

// run lets time pass, in steps to whatever happens next, at most 200 ms. each looks after every
// step.
func (p *path) run(d time.Duration, each ...func()) {
	p.t.Helper()
	for end := p.now + d; p.now < end; {
		next := min(p.now+200*time.Millisecond, max(p.s.Deadline(), p.now+time.Millisecond), end)
		if len(p.answers) > 0 {
			next = min(next, max(p.answers[0].at, p.now))
		}
		p.now = next
		p.step()
		for _, look := range each {
			look()
		}
	}
}

func (p *path) setCeiling(ceiling int) {
	p.ceiling = ceiling
	p.s.SetCeiling(p.now, ceiling)
}

// settle runs until the size is want and tells how long that took, at most limit.
func (p *path) settle(want int, limit time.Duration) time.Duration {
	p.t.Helper()
	start := p.now
	for p.s.Size() != want && p.now-start < limit {
		p.run(10 * time.Millisecond)
	}
	if p.s.Size() != want {
		p.t.Fatalf("size %d after %v, want %d", p.s.Size(), limit, want)
	}
	return p.now - start
}

func (p *path) step() {
	p.t.Helper()
	if p.busy {
		p.s.Traffic(p.now)
	}
	for len(p.answers) > 0 && p.answers[0].at <= p.now {
		old := p.s.Size()
		changed := p.s.Answered(p.now, p.answers[0].number)
		if changed != (p.s.Size() != old) {
			p.t.Errorf("at %v: changed %t, but the size went from %d to %d",
				p.now, changed, old, p.s.Size())
		}
		p.answers = p.answers[1:]
	}
	due := p.s.Deadline()
	size, number, ok := p.s.Next(p.now)
	if ok && due > p.now {
		p.t.Errorf("at %v: a probe before its deadline %v", p.now, due)
	}
	for ok {
		if p.send(size, number) {
			break
		}
		size, number, ok = p.s.Next(p.now)
	}
	if p.s.Deadline() <= p.now {
		p.t.Fatalf("at %v: deadline %v stays in the past", p.now, p.s.Deadline())
	}
}

// send reports whether the local system took the probe.
func (p *path) send(size int, number uint64) bool {
	if least := pmtu.New(p.v6, 0).Size(); size > max(p.ceiling, least) {
		p.t.Errorf("at %v: a probe of %d bytes under a ceiling of %d", p.now, size, p.ceiling)
	}
	if p.link != 0 && size > p.link {
		p.s.TooBig(p.now, size)
		return false
	}
	p.probes, p.sizes = append(p.probes, p.now), append(p.sizes, size)
	if n := len(p.probes); n > 4 && p.now-p.probes[n-5] < time.Second {
		p.t.Errorf("at %v: five probes in %v", p.now, p.now-p.probes[n-5])
	}
	if size > p.mtu || p.rnd.Float64() < p.loss || p.rnd.Float64() < p.loss {
		return true
	}
	at := p.now + p.trip
	if p.jitter > 0 {
		at += time.Duration(p.rnd.Int64N(int64(p.jitter)))
	}
	p.answers = append(p.answers, answer{at, number})
	slices.SortStableFunc(p.answers, func(a, b answer) int { return cmp.Compare(a.at, b.at) })
	return true
}
