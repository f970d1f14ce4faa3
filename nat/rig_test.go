package nat

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"
)

// A rig is an agent, a clock, and a peer that answers by the ways that work. Its owner looks at the
// agent as the mesh does: when that says so, and every 250 ms with traffic, every second without.
type rig struct {
	t       *testing.T
	a       Agent
	now     time.Duration
	ways    map[Way]fate // those not in it are dead
	talking bool         // frames go both ways all the time
	mute    bool         // the peer answers pings, and says nothing else

	sent, heard time.Duration
	flight      []answer
	log         []event
	changes     []time.Duration // when the way in use became another
	used        Way
	pongs       func(Way) // is told who answers, if set
}

// A fate is what becomes of the n-th ping by a way.
type fate func(n int) (rtt time.Duration, ok bool)

// An answer is on its way.
type answer struct {
	at, rtt time.Duration
	way     Way
	number  uint32
}

// An event is a step, and when it was taken.
type event struct {
	at time.Duration
	Step
}

func newRig(t *testing.T) *rig { return &rig{t: t, ways: map[Way]fate{}, now: time.Hour} }

// ms is a number of milliseconds.
func ms(n int) time.Duration { return time.Duration(n) * time.Millisecond }

// steady is a way with a round trip that is always the same.
func steady(rtt time.Duration) fate { return func(int) (time.Duration, bool) { return rtt, true } }

// losing is one that loses so many of 10.
func losing(rtt time.Duration, of10 int) fate {
	return func(n int) (time.Duration, bool) { return rtt, n*of10%10 >= of10 }
}

// direct is the way to the i-th address of the peer, and relay that through the i-th relay.
func direct(i int) Way {
	return Way{Addr: netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 0, 2, byte(i)}), uint16(7000+i>>8))}
}

func relay(i int) Way { return Way{Relay: Tag{byte(i), byte(i >> 8), 1}} }

// public and through make candidates.
func public(i int) Candidate { return Candidate{direct(i), KindPublic4} }

func through(i int) Candidate { return Candidate{relay(i), KindRelay} }

// works sets what becomes of pings by a way; nil for none.
func (r *rig) works(w Way, f fate) {
	if r.ways[w] = f; f == nil {
		delete(r.ways, w)
	}
}

// rest is when the owner looks again.
func (r *rig) rest() time.Duration {
	every := time.Second
	if r.talking || r.a.Doubtful() > 0 {
		every = ms(250)
	}
	due := r.now + max(r.a.Deadline(r.now)-r.now, ms(5))
	return min(due, r.now+every)
}

// tick does what the agent wants now.
func (r *rig) tick() {
	w, ok := r.a.Active()
	if r.talking {
		r.sent = r.now
		if r.ways[w] != nil && !r.mute {
			r.heard = r.now
		}
	}
	r.a.Note(r.sent, 0, r.heard)
	for _, s := range r.a.Tick(r.now) {
		r.log = append(r.log, event{r.now, s})
		if s.Do != Ping || r.ways[s.Way] == nil {
			continue
		}
		if rtt, comes := r.ways[s.Way](int(s.Number)); comes {
			r.flight = append(r.flight, answer{r.now + rtt, rtt, s.Way, s.Number})
		}
	}
	slices.SortStableFunc(r.flight, func(x, y answer) int { return cmp.Compare(x.at, y.at) })
	r.look(ok)
}

// look notes when the way in use is another.
func (r *rig) look(before bool) {
	if w, ok := r.a.Active(); w != r.used {
		if r.used = w; before && ok {
			r.changes = append(r.changes, r.now)
		}
	}
}

// pass lets time pass.
func (r *rig) pass(d time.Duration) {
	for end := r.now + d; ; {
		for len(r.flight) > 0 && r.flight[0].at <= r.now {
			p := r.flight[0]
			r.flight = r.flight[1:]
			if r.ways[p.way] == nil {
				continue
			}
			w, ok := r.a.Active()
			if ok && w == p.way {
				r.heard = r.now
			}
			if r.pongs != nil {
				r.pongs(p.way)
			}
			r.a.Pong(r.now, p.rtt, p.way, p.number)
			r.look(ok)
		}
		if r.now >= end {
			return
		}
		r.tick()
		next := min(end, r.rest())
		if len(r.flight) > 0 {
			next = min(next, max(r.flight[0].at, r.now+1))
		}
		r.now = next
	}
}

// within lets time pass until a way is in use, and says how long it took.
func (r *rig) within(d time.Duration, w Way) time.Duration {
	r.t.Helper()
	for began := r.now; ; r.pass(ms(10)) {
		if got, ok := r.a.Active(); ok && got == w {
			return r.now - began
		}
		if r.now-began > d {
			got, _ := r.a.Active()
			r.t.Fatalf("%v is not in use within %v, but %v", w, d, got)
		}
	}
}

// uses wants a way to be in use.
func (r *rig) uses(w Way, when string) {
	r.t.Helper()
	if got, ok := r.a.Active(); !ok || got != w {
		r.t.Errorf("%s %v is in use, want %v", when, got, w)
	}
}

// when lists the times of steps of a sort by a way since a time, counted from then.
func (r *rig) when(do Do, w Way, since time.Duration) string {
	var out []time.Duration
	for _, e := range r.log {
		if e.Do == do && e.Way == w && e.at >= since {
			out = append(out, (e.at - since).Round(time.Millisecond))
		}
	}
	return fmt.Sprint(out)
}

// count is how many steps of a sort there were by a way since a time.
func (r *rig) count(do Do, w Way, since time.Duration) (n int) {
	for _, e := range r.log {
		if e.Do == do && e.Way == w && e.at >= since {
			n++
		}
	}
	return n
}

// state is the state of a way, and whether there is one at all.
func (r *rig) state(w Way) (Status, bool) {
	for _, s := range r.a.Candidates(r.now) {
		if s.Way == w {
			return s, true
		}
	}
	return Status{}, false
}
