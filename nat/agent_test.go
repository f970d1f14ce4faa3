package nat

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// TestPlan pings a candidate that never answers, in one attempt.
func TestPlan(t *testing.T) {
	r := newRig(t)
	r.a.Offer(r.now, FromConfig, []Candidate{public(1)})
	began := r.now
	r.pass(10 * time.Second)
	if got, want := r.when(Ping, direct(1), began), fmt.Sprint(plan); got != want {
		t.Errorf("pings after %s, want %s", got, want)
	}
	if s, _ := r.state(direct(1)); s.State != Idle || s.Unanswered != len(plan) {
		t.Errorf("%+v", s)
	}
}

// TestBackoff looks for a way to a peer that answers nowhere: often with traffic, seldom without.
func TestBackoff(t *testing.T) {
	for _, c := range []struct {
		talking bool
		within  time.Duration
		want    []int // seconds
	}{
		{true, 250 * time.Second, []int{0, 2, 6, 41, 101, 161, 221}},
		{false, 1000 * time.Second, []int{0, 302, 606, 941}},
	} {
		r := newRig(t)
		r.talking = c.talking
		r.a.Offer(r.now, FromConfig, []Candidate{public(1)})
		began, last := r.now, time.Duration(-1)
		r.pass(c.within)
		var got []int
		for _, e := range r.log { // a pause of 1.9 s is longer than any in an attempt
			if last < 0 || e.at-last > ms(900) || e.at-began == 2*time.Second {
				got = append(got, int((e.at-began).Round(time.Second)/time.Second))
			}
			last = e.at
		}
		if fmt.Sprint(got) != fmt.Sprint(c.want) {
			t.Errorf("talking %v: attempts after %v, want %v", c.talking, got, c.want)
		}
	}
}

// TestCall calls through the relay in use and its standby, and has the pings wait for the answer.
func TestCall(t *testing.T) {
	for _, c := range []struct {
		name string
		news func(r *rig) // 30 ms after the call
		ping time.Duration
	}{
		{"no answer", func(*rig) {}, answerWithin},
		{"answer", func(r *rig) { r.a.Answered(r.now, []Candidate{public(1)}) }, ms(30)},
		{"heard", func(r *rig) { r.a.Heard(r.now, direct(1)) }, ms(30)},
	} {
		r := newRig(t)
		r.talking = true
		r.works(relay(1), steady(ms(20)))
		r.a.Offer(r.now, FromRelays, []Candidate{through(1), through(2)})
		r.within(time.Second, relay(1))
		if r.a.Answered(r.now, nil) {
			t.Errorf("%s: an answer to nothing is taken", c.name)
		}
		r.pass(10 * time.Second)
		r.a.Offer(r.now, FromConfig, []Candidate{public(1), {direct(2), KindReflexive}})
		began := r.now
		r.pass(ms(30))
		if r.count(Call, relay(1), began) != 1 || r.count(Call, relay(2), began) != 1 || !r.a.Punching() {
			t.Fatalf("%s: called by %s and %s", c.name, r.when(Call, relay(1), began), r.when(Call, relay(2), began))
		}
		if got := r.when(Ping, relay(2), began); got != "[0s]" {
			t.Errorf("%s: the other relay is pinged after %s", c.name, got)
		}
		c.news(r)
		r.pass(answerWithin)
		if got := r.when(Ping, direct(1), began); !strings.HasPrefix(got, "["+c.ping.String()) {
			t.Errorf("%s: pings after %s, the first wanted after %v", c.name, got, c.ping)
		}
		if n := r.count(Ping, direct(2), began); n > 0 != (c.ping < answerWithin) {
			t.Errorf("%s: %d pings where the peer's NAT may refuse them", c.name, n)
		}
	}
}

// TestOftenCalled limits how often the peer may call, and how often we do.
func TestOftenCalled(t *testing.T) {
	r := newRig(t)
	taken := 0
	for range 600 { // a minute
		if _, ok := r.a.Called(r.now, 0, nil); ok {
			taken++
		}
		r.now += ms(100)
	}
	if want := callBurst + 29; taken != want {
		t.Errorf("%d calls are taken in a minute, want %d", taken, want)
	}

	r = newRig(t)
	r.talking = true
	r.works(relay(1), steady(ms(20)))
	r.a.Offer(r.now, FromRelays, []Candidate{through(1)})
	r.within(time.Second, relay(1))
	r.pass(10 * time.Second)
	began := r.now
	for i := range 600 { // there is news all the time
		r.a.Offer(r.now, FromConfig, []Candidate{public(i)})
		r.pass(ms(100))
	}
	if n := r.count(Call, relay(1), began); n < 20 || n > callBurst+30 {
		t.Errorf("%d calls in a minute", n)
	}
}

// TestCalled opens our NAT towards the caller's addresses, lets it ping first, and pings then.
func TestCalled(t *testing.T) {
	lan := Candidate{direct(2), KindLAN}
	for _, c := range []struct {
		rtt   time.Duration
		heard bool // a ping of the caller's comes after 30 ms
		want  time.Duration
	}{{0, false, calledDelay}, {ms(180), false, ms(180)}, {ms(180), true, ms(30)}} {
		r := newRig(t)
		r.pass(time.Second)
		began := r.now
		steps, ok := r.a.Called(r.now, c.rtt, []Candidate{public(1), lan})
		if !ok || len(steps) != 1 || steps[0].Do != Opener || steps[0].Way != direct(1) {
			t.Fatalf("steps %v", steps)
		}
		r.pass(ms(30))
		if c.heard {
			r.a.Heard(r.now, direct(1))
		}
		r.pass(time.Second)
		for _, w := range []Way{direct(1), direct(2)} {
			if got := r.when(Ping, w, began); !strings.HasPrefix(got, "["+c.want.String()) {
				t.Errorf("%+v: %v is pinged after %s", c, w, got)
			}
		}
	}
}

// TestUrge has two that call each other not make each other call again.
func TestUrge(t *testing.T) {
	r := newRig(t)
	r.talking = true
	r.works(relay(1), steady(ms(20)))
	r.a.Offer(r.now, FromRelays, []Candidate{through(1)})
	r.within(time.Second, relay(1))
	r.pass(100 * time.Second)
	began := r.now
	for i := range 30 {
		r.a.Called(r.now, ms(20), []Candidate{public(i)})
		r.pass(2 * time.Second)
	}
	if n := r.count(Call, relay(1), began); n > 2 {
		t.Errorf("%d calls in a minute of being called", n)
	}
}

// TestCalledCounts: a try of either end counts for both, so that both are quiet for as long as a NAT that was
// surprised needs.
func TestCalledCounts(t *testing.T) {
	r := newRig(t)
	r.talking = true
	r.works(relay(1), steady(ms(20)))
	r.a.Offer(r.now, FromRelays, []Candidate{through(1)})
	r.within(time.Second, relay(1))
	for range 3 {
		r.a.Called(r.now, ms(20), []Candidate{public(1)})
		r.pass(ms(1900))
	}
	r.pass(2 * time.Second) // what was begun ends
	began := r.now
	r.pass(30 * time.Second)
	if n := r.count(Call, relay(1), began) + r.count(Ping, direct(1), began); n > 0 {
		t.Errorf("%d calls and pings in the half minute after three tries of the other's", n)
	}
	r.pass(30 * time.Second)
	if r.count(Call, relay(1), began) == 0 {
		t.Error("and no call after it")
	}
}

// inUse is a rig that talks by a way.
func inUse(t *testing.T, w Way, kind Kind, f fate) *rig {
	r := newRig(t)
	r.talking = true
	r.works(w, f)
	r.a.Offer(r.now, FromConfig, []Candidate{{w, kind}})
	r.within(2*time.Second, w)
	return r
}

// TestMoved has the peer be heard by another way than the one in use.
func TestMoved(t *testing.T) {
	for _, c := range []struct {
		name     string
		old, now bool // which of the ways answers
		moves    bool
	}{{"moved", false, true, true}, {"both", true, true, false}, {"a copy", true, false, false}} {
		r := inUse(t, direct(1), KindReflexive, steady(ms(20)))
		r.pass(5 * time.Second)
		r.mute = true
		if !c.old {
			r.works(direct(1), nil)
		}
		if c.now {
			r.works(direct(2), steady(ms(30)))
		}
		began := r.now
		r.a.Heard(r.now, direct(2))
		r.pass(ms(100))
		if got, _ := r.a.Active(); got == direct(2) != c.moves {
			t.Errorf("%s: in use is %v", c.name, got)
		}
		if r.count(Ping, direct(1), began) == 0 || r.count(Ping, direct(2), began) == 0 {
			t.Errorf("%s: not both are asked", c.name)
		}
		r.mute = false
		r.pass(time.Minute)
		if len(r.changes) > 1 {
			t.Errorf("%s: changes at %v", c.name, r.changes)
		}
	}
}

// TestHysteresis has another way become better than the one in use.
func TestHysteresis(t *testing.T) {
	for _, c := range []struct {
		kind     Kind
		rtt, new int // ms
		least    time.Duration
		leaves   bool
	}{
		{KindReflexive, 100, 84, 0, false},
		{KindReflexive, 100, 80, dwell, true},
		{KindReflexive, 6, 5, 0, false},
		{KindReflexive, 6, 3, dwell, true},
		{KindLAN, 4, 1, 0, false},
		{KindLAN, 6, 1, dwell, true},
	} {
		r := inUse(t, direct(1), c.kind, steady(ms(c.rtt)))
		r.works(direct(2), steady(ms(c.new)))
		began := r.now
		r.a.Offer(r.now, FromLAN, []Candidate{public(2)})
		r.pass(5 * time.Minute)
		got, _ := r.a.Active()
		if got == direct(2) != c.leaves || len(r.changes) > 1 {
			t.Errorf("%+v: %v is in use, changes at %v", c, got, r.changes)
		}
		if c.leaves && (r.changes[0]-began < c.least || r.changes[0]-began > 90*time.Second) {
			t.Errorf("%+v: it is left after %v", c, r.changes[0]-began)
		}
	}
}

// TestDirectBeforeRelay takes a relay while there is nothing better, leaves it at once for a direct way,
// and comes back to it when that falls silent.
func TestDirectBeforeRelay(t *testing.T) {
	r := newRig(t)
	r.talking = true
	r.works(relay(1), steady(ms(5)))
	r.a.Offer(r.now, FromRelays, []Candidate{through(1)})
	r.a.Offer(r.now, FromConfig, []Candidate{public(1)})
	r.within(ms(10), relay(1))
	r.pass(time.Minute)
	r.works(direct(1), steady(ms(200))) // slow, but nobody else pays for it
	r.within(62*time.Second, direct(1))
	r.pass(time.Minute)
	if r.uses(direct(1), "later"); len(r.changes) != 1 {
		t.Errorf("changes at %v", r.changes)
	}
	r.works(direct(1), nil)
	if took := r.within(3*time.Second, relay(1)); took > ms(1600) {
		t.Errorf("the relay takes over after %v", took)
	}
	r.works(direct(1), steady(ms(200)))
	if took := r.within(30*time.Second, direct(1)); took < 15*time.Second {
		t.Errorf("what was lost just now is forgotten after %v", took)
	}
}

// TestSuspect asks a way four times before another takes over: not one that is silent as well.
func TestSuspect(t *testing.T) {
	r := inUse(t, direct(1), KindReflexive, steady(ms(20)))
	r.works(direct(2), steady(ms(30)))
	r.works(direct(3), steady(ms(25)))
	r.works(relay(1), steady(ms(1)))
	r.a.Offer(r.now, FromLAN, []Candidate{public(2), public(3)})
	r.a.Offer(r.now, FromRelays, []Candidate{through(1)})
	r.pass(70 * time.Second)
	r.uses(direct(1), "at first")
	r.works(direct(1), nil)
	r.works(direct(3), nil)
	began := r.now
	r.pass(ms(900))
	r.uses(direct(1), "with three questions open")
	if n := r.a.Doubtful(); n != 2 && n != 3 {
		t.Errorf("%d questions are open after 900 ms", n)
	}
	r.within(time.Second, direct(2))
	if n := r.count(Ping, direct(1), began); n < suspectAfter || n > suspectAfter+1 {
		t.Errorf("%d questions before another takes over", n)
	}
}

// TestSilent asks a way that nothing else can replace, and looks for others once, not with every look.
func TestSilent(t *testing.T) {
	r := inUse(t, direct(1), KindReflexive, steady(ms(20)))
	r.a.Offer(r.now, FromLAN, []Candidate{public(2)})
	r.pass(time.Minute)
	r.works(direct(1), nil)
	began := r.now
	for range 1000 { // its owner looks every 3 ms
		r.pass(ms(3))
	}
	if n := r.count(Ping, direct(1), began); n < 9 || n > 13 {
		t.Errorf("%d questions in three seconds", n)
	}
	if n := r.count(Ping, direct(2), began); n == 0 || n > 3*len(plan) {
		t.Errorf("%d pings to another candidate in three seconds", n)
	}
	r.works(direct(1), steady(ms(20)))
	r.pass(time.Second)
	if r.a.Doubtful() != 0 {
		t.Error("it is still in doubt")
	}
}

// TestBegan asks a way on which a session began and nothing has come since, though nothing was sent either.
func TestBegan(t *testing.T) {
	r := inUse(t, direct(1), KindReflexive, steady(ms(20)))
	r.talking = false
	r.pass(5 * time.Minute)
	asked := func(since time.Duration) int { return r.count(Ping, direct(1), since) }
	began := r.now
	r.pass(5 * time.Second)
	if n := asked(began); n != 0 {
		t.Fatalf("%d questions without a reason", n)
	}
	began = r.now
	r.a.Began(r.now)
	r.pass(freshAfter - ms(100))
	if n := asked(began); n != 0 {
		t.Errorf("%d questions before an answer can be missed", n)
	}
	r.pass(5 * time.Second)
	if n := asked(began); n != 1 || r.a.Doubtful() != 0 {
		t.Errorf("%d questions, of which the first was answered", n)
	}
	r.works(direct(1), nil)
	began = r.now
	r.a.Began(r.now)
	r.pass(time.Second)
	r.heard = r.now // something else than an answer
	r.pass(5 * time.Second)
	if n := asked(began); n != 0 {
		t.Errorf("%d questions, though something came", n)
	}
	began = r.now
	r.a.Began(r.now)
	r.pass(freshAfter + time.Second)
	if n := asked(began); n < 3 || r.a.Doubtful() < 3 {
		t.Errorf("%d questions that nobody answers", n)
	}
}

// TestLossy leaves a direct way that loses too much for a relay that does not, and comes back after ten
// answers in a row.
func TestLossy(t *testing.T) {
	for _, c := range []struct{ direct, relay, leaves int }{
		{3, 0, 1}, {2, 0, 1}, {1, 0, 0}, {3, 3, 0},
	} {
		r := inUse(t, direct(1), KindReflexive, losing(ms(20), 0))
		r.works(relay(1), losing(ms(40), c.relay))
		r.a.Offer(r.now, FromRelays, []Candidate{through(1)})
		r.pass(time.Minute)
		r.works(direct(1), losing(ms(20), c.direct))
		r.pass(45 * time.Second)
		if got, _ := r.a.Active(); got.Direct() != (c.leaves == 0) || len(r.changes) != c.leaves {
			t.Errorf("%+v: %v is in use, changes at %v", c, got, r.changes)
			continue
		}
		r.pass(10 * time.Minute)
		if len(r.changes) > c.leaves {
			t.Errorf("%+v: changes at %v", c, r.changes)
		}
		if c.leaves == 0 {
			continue
		}
		r.uses(relay(1), "as long as that is so")
		r.works(direct(1), steady(ms(20)))
		began := r.now
		took := r.within(time.Minute, direct(1))
		if n := r.count(Ping, direct(1), began); n < 6 || n > 12 {
			t.Errorf("%+v: back after %v, %d pings", c, took, n)
		}
	}
}

// TestLossyStaysLeft goes on with a relay that loses a ping now and then where the direct way loses half,
// and goes back when it loses more than that.
func TestLossyStaysLeft(t *testing.T) {
	r := inUse(t, direct(1), KindReflexive, losing(ms(20), 0))
	r.works(relay(1), steady(ms(40)))
	r.a.Offer(r.now, FromRelays, []Candidate{through(1)})
	r.pass(time.Minute)
	r.works(direct(1), losing(ms(20), 5))
	r.within(time.Minute, relay(1))
	r.works(relay(1), losing(ms(40), 1))
	r.changes = nil
	if r.pass(5 * time.Minute); len(r.changes) > 0 {
		t.Errorf("it goes over to another way %d times", len(r.changes))
	}
	r.uses(relay(1), "while it loses less than the direct way")
	r.works(direct(1), losing(ms(20), 3))
	r.works(relay(1), losing(ms(40), 6))
	r.within(5*time.Minute, direct(1))
}

// TestStandby keeps a second relay for when the first falls silent.
func TestStandby(t *testing.T) {
	r := newRig(t)
	r.talking = true
	r.works(relay(1), steady(ms(20)))
	r.works(relay(2), steady(ms(30)))
	r.a.Offer(r.now, FromRelays, []Candidate{through(1), through(2)})
	r.within(time.Second, relay(1))
	r.pass(time.Second)
	began := r.now
	r.pass(2 * time.Minute)
	if n := r.count(Ping, relay(2), began); n < 5 || n > 7 {
		t.Errorf("the standby is pinged %d times in two minutes", n)
	}
	r.works(relay(1), nil)
	r.within(2*time.Second, relay(2))
	r.a.Refused(r.now, relay(2)) // as when it has restarted
	r.works(relay(1), steady(ms(20)))
	r.works(relay(2), nil)
	r.within(3*time.Second, relay(1))
}

// TestRefused believes a relay that it does not pass on.
func TestRefused(t *testing.T) {
	r := newRig(t)
	r.talking = true
	r.works(relay(1), steady(ms(20)))
	r.works(relay(2), steady(ms(30)))
	r.a.Offer(r.now, FromRelays, []Candidate{through(1), through(2), through(3)})
	r.within(time.Second, relay(1))
	r.pass(time.Second)
	r.a.Refused(r.now, relay(3))
	if s, _ := r.state(relay(3)); s.State != Idle {
		t.Errorf("%+v", s)
	}
	r.a.Refused(r.now, relay(9)) // nobody's
	r.pass(ms(1))
	r.works(relay(1), nil)
	r.a.Refused(r.now, relay(1))
	if took := r.within(time.Second, relay(2)); took > ms(700) {
		t.Errorf("the other relay takes over after %v", took)
	}
}

// TestDies forgets a way that is not in use and does not answer any more: pings end.
func TestDies(t *testing.T) {
	r := inUse(t, direct(1), KindReflexive, steady(ms(20)))
	r.works(direct(2), steady(ms(30)))
	r.a.Offer(r.now, FromLAN, []Candidate{public(2)})
	r.pass(10 * time.Second)
	if s, _ := r.state(direct(2)); s.State != Valid {
		t.Fatalf("%+v", s)
	}
	r.works(direct(2), nil)
	r.pass(70 * time.Second)
	began := r.now
	if s, _ := r.state(direct(2)); s.State != Idle {
		t.Errorf("%+v", s)
	}
	r.pass(5 * time.Minute)
	if n := r.count(Ping, direct(2), began); n > 0 {
		t.Errorf("%d more pings", n)
	}
}

// TestForget makes no way proven, and tries them all again.
func TestForget(t *testing.T) {
	r := inUse(t, direct(1), KindReflexive, steady(ms(20)))
	r.a.Forget()
	if _, ok := r.a.Active(); ok || r.a.Doubtful() != 0 || r.a.RTT() != 0 {
		t.Error("a way is proven still")
	}
	if !r.a.Known() {
		t.Error("its candidates are forgotten")
	}
	r.within(ms(100), direct(1))
	if new(Agent).Known() {
		t.Error("a new agent knows ways")
	}
}

// TestRestart tries everything at once, and has the way in use prove itself.
func TestRestart(t *testing.T) {
	r := inUse(t, direct(1), KindReflexive, steady(ms(20)))
	r.a.Offer(r.now, FromLAN, []Candidate{public(2)})
	r.talking = false
	r.pass(10 * time.Minute)
	began := r.now
	r.a.Restart(r.now)
	r.pass(ms(60))
	for _, w := range []Way{direct(1), direct(2)} {
		if got := r.when(Ping, w, began); !strings.HasPrefix(got, "[0s") {
			t.Errorf("%v is pinged after %s", w, got)
		}
	}
}

// TestKeepalive pings an idle way so often, and no more.
func TestKeepalive(t *testing.T) {
	for _, c := range []struct {
		every      time.Duration
		least, max int // pings in ten minutes
	}{{0, 0, 0}, {25 * time.Second, 23, 26}, {time.Second, 550, 1000}} {
		r := inUse(t, direct(1), KindReflexive, steady(ms(20)))
		r.talking = false
		r.pass(5 * time.Second)
		r.a.SetKeepalive(c.every)
		began := r.now
		r.pass(10 * time.Minute)
		if n := r.count(Ping, direct(1), began); n < c.least || n > c.max {
			t.Errorf("keepalive %v: %d pings in ten minutes", c.every, n)
		}
	}
}

// TestBounds keeps the best of too many candidates, and few that only traffic has shown.
func TestBounds(t *testing.T) {
	r := inUse(t, direct(1), KindReflexive, steady(ms(20)))
	r.pass(time.Minute)
	var many []Candidate
	for i := range 100 {
		c := public(i + 2)
		c.Kind = []Kind{KindSeen, KindHost, KindHost6}[i%3]
		many = append(many, c)
	}
	r.a.Offer(r.now, FromConfig, nil)
	r.a.Offer(r.now, FromCall, many)
	attempts := r.a.attempts
	r.pass(time.Second)
	r.a.Offer(r.now, FromCall, many)
	if r.a.attempts < attempts {
		t.Error("what there is no room for is taken for news")
	}
	kinds := map[Kind]int{}
	for _, s := range r.a.Candidates(r.now) {
		kinds[s.Kind]++
	}
	if len(r.a.lanes) != MaxCandidates || kinds[KindHost6] != MaxCandidates-1 || kinds[KindReflexive] != 1 {
		t.Errorf("%v", kinds)
	}
	for i := range 100 {
		r.a.Heard(r.now, direct(1000+i))
		r.a.Heard(r.now, relay(1000+i))
		r.pass(ms(10))
	}
	seen, relays := 0, 0
	for _, l := range r.a.lanes {
		if l.from == 1<<fromTraffic {
			seen++
		}
		if !l.Direct() {
			relays++
		}
	}
	if _, ok := r.state(direct(1099)); !ok || seen != maxSeen || relays > maxSeen {
		t.Errorf("%d candidates that traffic has shown, %d relays; the last is there: %v", seen, relays, ok)
	}
	r.pass(forget)
	r.a.Offer(r.now, FromCall, nil)
	if list := r.a.Candidates(r.now); len(list) != 1 || !list[0].Active {
		t.Errorf("%v are left", list)
	}
	list := many[:0]
	for i := range 100 {
		list = append(list, through(i))
	}
	r.a.Offer(r.now, FromRelays, list)
	if n := len(r.a.lanes) - 1; n != maxRelays {
		t.Errorf("%d relays", n)
	}
}

// TestTargets sends handshakes where the peer is proven to be or somebody says that it is, not where a
// copied datagram came from.
func TestTargets(t *testing.T) {
	r := inUse(t, direct(1), KindHost, steady(ms(20)))
	r.a.Offer(r.now, FromCall, []Candidate{public(2), {direct(3), KindPredicted}, {direct(4), KindHost6}})
	r.a.Offer(r.now, FromRelays, []Candidate{through(1)})
	r.a.Heard(r.now, direct(5))
	want := fmt.Sprint([]Way{direct(1), direct(4), direct(2), relay(1)})
	if got := fmt.Sprint(r.a.Targets(r.now, 12)); got != want {
		t.Errorf("%s, want %s", got, want)
	}
	want = fmt.Sprint([]Way{direct(1), direct(4), relay(1)})
	if got := fmt.Sprint(r.a.Targets(r.now, 2)); got != want {
		t.Errorf("at most two: %s, want %s", got, want)
	}
	r.works(direct(5), steady(ms(20)))
	r.a.Heard(r.now, direct(5))
	r.pass(3 * time.Second)
	if got := r.a.Targets(r.now, 2); got[1] != direct(5) {
		t.Errorf("%v, and it has answered since", got)
	}
}

// TestProven takes the way by which a handshake of ours was answered.
func TestProven(t *testing.T) {
	r := newRig(t)
	r.a.Proven(r.now, direct(1))
	r.uses(direct(1), "at first")
	r.a.Proven(r.now, direct(2)) // as good as the other
	r.uses(direct(1), "then")
	r.now += ms(1)
	r.sent = r.now // and the way in use says nothing
	r.pass(ms(800))
	r.a.Proven(r.now, direct(2))
	r.uses(direct(2), "in doubt")
}

// TestStrayed takes a ping that arrived for no sign of loss, and for no proof.
func TestStrayed(t *testing.T) {
	r := inUse(t, direct(1), KindReflexive, steady(ms(20)))
	r.a.Heard(r.now, direct(2))
	r.pass(ms(200))
	r.a.Strayed(r.now, direct(2))
	r.a.Strayed(r.now, direct(9))
	if s, _ := r.state(direct(2)); s.State == Valid || s.Unanswered == 0 {
		t.Errorf("%+v", s)
	}
	r.works(direct(1), nil)
	r.pass(ms(900))
	if r.a.Doubtful() == 0 {
		t.Fatal("the silence is not noticed")
	}
	r.a.Strayed(r.now, direct(1))
	if r.a.Doubtful() != 0 {
		t.Error("the way that leads to the peer is in doubt")
	}
}
