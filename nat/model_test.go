package nat

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
	"time"
)

// seeds is how many random lives a test tries: VXMESH_SEEDS, or few.
func seeds(few int) int {
	if n, err := strconv.Atoi(os.Getenv("VXMESH_SEEDS")); err == nil {
		return n
	}
	return few
}

// A model is an agent to which things happen at random, in a world that the test knows.
type model struct {
	*rig
	rnd      *rand.Rand
	answered map[Way]bool // since the agent forgot
	calls    int          // of the peer that were taken
	minute   int          // calls taken and news told in the minute under way
}

// way is a way at random; few, so that they meet again.
func (m *model) way() Way {
	if m.rnd.IntN(4) == 0 {
		return relay(m.rnd.IntN(6))
	}
	return direct(m.rnd.IntN(40))
}

// list is candidates at random, at times too many.
func (m *model) list(of func() Way) (out []Candidate) {
	kinds := []Kind{KindPredicted, KindHost, KindForwarded, KindReflexive, KindPublic4, KindHost6, KindLAN}
	n := m.rnd.IntN(6)
	if m.rnd.IntN(20) == 0 {
		n = 60
	}
	for range n {
		c := Candidate{of(), kinds[m.rnd.IntN(len(kinds))]}
		if !c.Direct() {
			c.Kind = KindRelay
		}
		out = append(out, c)
	}
	return out
}

// happen has something happen.
func (m *model) happen() {
	anywhere := func() Way { return direct(m.rnd.IntN(40)) }
	relays := func() Way { return relay(m.rnd.IntN(6)) }
	switch m.rnd.IntN(14) {
	case 0, 1:
		from := []Source{FromConfig, FromLAN}[m.rnd.IntN(2)]
		m.a.Offer(m.now, from, m.list(anywhere))
		m.minute++
	case 2:
		list := m.list(relays)
		m.a.Offer(m.now, FromRelays, list[:min(len(list), MaxRelays)])
		m.minute++
	case 3:
		if _, ok := m.a.Called(m.now, ms(m.rnd.IntN(300)), m.list(anywhere)); ok {
			m.calls++
			m.minute++
		}
	case 4:
		m.a.Answered(m.now, m.list(anywhere))
	case 5:
		m.a.Heard(m.now, m.way())
		m.minute++
	case 6, 7, 8:
		f := losing(ms(1+m.rnd.IntN(400)), m.rnd.IntN(12)*m.rnd.IntN(2))
		if m.rnd.IntN(3) == 0 {
			f = nil
		}
		m.works(m.way(), f)
	case 9:
		m.talking = !m.talking
	case 10:
		m.mute = !m.mute
	case 11:
		if m.rnd.IntN(4) == 0 {
			m.a.Forget()
			m.look(false)
			clear(m.answered)
			m.minute++
		}
	case 12:
		m.a.Restart(m.now)
		m.a.SetKeepalive([]time.Duration{0, time.Second, 25 * time.Second}[m.rnd.IntN(3)])
		m.minute++
	case 13:
		w := m.way()
		switch m.rnd.IntN(3) {
		case 0:
			m.a.Refused(m.now, relays())
			m.minute++
		case 1:
			m.a.Strayed(m.now, w)
		default:
			m.answered[w] = true
			m.a.Proven(m.now, w)
			m.look(false)
			m.minute++
		}
	}
}

// check is what always holds.
func (m *model) check() error {
	directs, relays := 0, 0
	for _, l := range m.a.lanes {
		if l.Direct() {
			directs++
		} else {
			relays++
		}
	}
	if directs > MaxCandidates || relays > maxRelays {
		return fmt.Errorf("%d direct candidates, %d relays", directs, relays)
	}
	if w, ok := m.a.Active(); ok {
		l := m.a.find(w)
		if l == nil || l != m.a.active {
			return fmt.Errorf("%v is in use and no candidate", w)
		}
		if !m.answered[w] {
			return fmt.Errorf("%v is in use and has never answered", w)
		}
	}
	for range 8 { // as often as a whole attempt is late
		if m.a.Deadline(m.now) > m.now {
			return nil
		}
		m.tick()
	}
	if m.a.Deadline(m.now) <= m.now {
		return fmt.Errorf("something is due for ever: %v", m.a.Candidates(m.now))
	}
	return nil
}

// live lives for half an hour.
func (m *model) live() error {
	began := m.now
	for m.now-began < 30*time.Minute {
		m.minute, m.log = 0, m.log[:0]
		for minute := m.now; m.now-minute < time.Minute; {
			m.happen()
			if err := m.check(); err != nil {
				return err
			}
			step := time.Duration(m.rnd.ExpFloat64() * float64(5*time.Second))
			if m.rnd.IntN(50) == 0 { // it was suspended
				m.now += time.Duration(m.rnd.Int64N(int64(10 * time.Minute)))
			}
			m.pass(min(step, time.Minute))
			if err := m.check(); err != nil {
				return err
			}
		}
		if err := m.bounded(); err != nil {
			return err
		}
	}
	return nil
}

// bounded limits what was sent in a minute or so: whatever happens costs one attempt, besides what the
// schedule does.
func (m *model) bounded() error {
	pings, calls, openers := map[Way]int{}, 0, 0
	for _, e := range m.log {
		switch e.Do {
		case Ping:
			pings[e.Way]++
		case Call:
			if calls++; !e.Way.Direct() {
				continue
			}
		case Opener:
			openers++
		}
	}
	const watched = 8 * 60 // four in a second, for two minutes at most
	for w, n := range pings {
		if n > watched+len(plan)*(m.minute+12) {
			return fmt.Errorf("%d pings by %v with %d news", n, w, m.minute)
		}
	}
	if n := calls; n > (callBurst+60)*(2+maxRelays) {
		return fmt.Errorf("%d calls", n)
	}
	return nil
}

// TestModel lets anything happen in any order.
func TestModel(t *testing.T) {
	for seed := range seeds(200) {
		m := &model{rig: newRig(t), rnd: rand.New(rand.NewPCG(uint64(seed), 1)), answered: map[Way]bool{}}
		m.pongs = func(w Way) { m.answered[w] = true }
		if err := m.live(); err != nil {
			t.Fatalf("seed %d, after %v: %v", seed, m.now-time.Hour, err)
		}
	}
}

// TestNoFlapping: two ways that are as good as each other, for ten minutes.
func TestNoFlapping(t *testing.T) {
	for seed := range seeds(100) {
		rnd := rand.New(rand.NewPCG(uint64(seed), 2))
		jitter := func(int) (time.Duration, bool) {
			return time.Duration((0.8 + 0.4*rnd.Float64()) * float64(ms(100))), true
		}
		r := newRig(t)
		r.talking, r.mute = true, seed%2 == 0
		r.works(direct(1), jitter)
		r.works(direct(2), jitter)
		r.a.Offer(r.now, FromConfig, []Candidate{public(1), public(2)})
		r.pass(10 * time.Minute)
		if len(r.changes) > 1 {
			t.Errorf("seed %d: changes at %v", seed, r.changes)
		}
	}
}

// TestOneWay: a way by which the peer is heard, but that leads nowhere, for ten minutes.
func TestOneWay(t *testing.T) {
	for _, other := range []Way{direct(1), relay(1)} {
		r := newRig(t)
		r.talking = true
		r.works(other, steady(ms(80)))
		r.a.Offer(r.now, FromRelays, []Candidate{{other, KindRelay}})
		r.a.Offer(r.now, FromCall, []Candidate{{direct(2), KindHost6}})
		for range 10 * 60 * 5 {
			r.a.Heard(r.now, direct(2))
			r.pass(ms(200))
		}
		if r.uses(other, "after ten minutes"); len(r.changes) > 0 {
			t.Errorf("changes at %v", r.changes)
		}
		if n := r.count(Ping, direct(2), 0); n > 10*60*4 {
			t.Errorf("%d pings by the way that leads nowhere", n)
		}
	}
}
