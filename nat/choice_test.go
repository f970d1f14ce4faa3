package nat

import (
	"testing"
	"time"
)

// TestBest chooses among those that have answered since the way in use fell silent: a direct one before a
// relay, then the quickest.
func TestBest(t *testing.T) {
	type way struct {
		way        Way
		rtt        int
		answered   time.Duration // after the way in use fell silent
		unanswered int
		state      State
	}
	good := func(w Way, rtt int) way { return way{w, rtt, 1, 0, Valid} }
	for name, c := range map[string]struct {
		ways []way
		want Way
	}{
		"the quickest":      {[]way{good(direct(2), 30), good(direct(3), 20), good(direct(4), 40)}, direct(3)},
		"direct":            {[]way{good(relay(1), 5), good(direct(2), 90)}, direct(2)},
		"direct, first":     {[]way{good(direct(2), 90), good(relay(1), 5)}, direct(2)},
		"the quicker relay": {[]way{good(relay(1), 9), good(relay(2), 5)}, relay(2)},
		"not since":         {[]way{{direct(2), 1, 0, 0, Valid}, good(direct(3), 20)}, direct(3)},
		"in doubt":          {[]way{{direct(2), 1, 1, 1, Valid}, good(direct(3), 20)}, direct(3)},
		"none":              {[]way{{direct(2), 1, 1, 0, Idle}, good(direct(3), 20)}, direct(3)},
	} {
		a := Agent{heard: time.Hour, active: &lane{Candidate: public(1), state: Valid, answered: 2 * time.Hour}}
		a.lanes = []*lane{a.active}
		for _, w := range c.ways {
			a.lanes = append(a.lanes, &lane{
				Candidate: Candidate{Way: w.way}, rtt: ms(w.rtt), state: w.state,
				answered: time.Hour + w.answered, unanswered: w.unanswered,
			})
		}
		if got := a.best(2 * time.Hour); got == nil || got.Way != c.want {
			t.Errorf("%s: %+v, want %v", name, got, c.want)
		}
	}
}

// TestSettled leaves relays alone while a direct way is good.
func TestSettled(t *testing.T) {
	r := newRig(t)
	r.talking = true
	r.works(relay(1), steady(ms(20)))
	r.a.Offer(r.now, FromRelays, []Candidate{through(1)})
	if r.a.Settled(r.now) {
		t.Error("settled with no way at all")
	}
	r.within(time.Second, relay(1))
	if r.a.Settled(r.now) {
		t.Error("settled with a relay")
	}
	r = inUse(t, direct(1), KindReflexive, steady(ms(20)))
	began := r.now
	r.a.Offer(r.now, FromRelays, []Candidate{through(1)})
	r.a.Offer(r.now, FromLAN, []Candidate{public(2)})
	r.pass(time.Minute)
	if !r.a.Settled(r.now) || r.count(Ping, relay(1), began) > 0 || r.count(Call, direct(1), began) > 0 {
		t.Error("a relay is pinged, or the peer called, for a good way")
	}
	if n := r.count(Ping, direct(2), began); n != len(plan) {
		t.Errorf("%d pings to a candidate that is new", n)
	}
	r.works(direct(1), nil)
	r.pass(ms(1100))
	if r.a.Settled(r.now) {
		t.Error("settled with a way in doubt")
	}
}

// TestCalledSettled opens nothing and tries nothing that is proven, or that others named.
func TestCalledSettled(t *testing.T) {
	r := inUse(t, direct(1), KindReflexive, steady(ms(20)))
	r.works(direct(2), steady(ms(25)))
	r.a.Offer(r.now, FromLAN, []Candidate{public(2), public(3)})
	r.pass(10 * time.Second)
	r.talking = false
	began := r.now
	steps, _ := r.a.Called(r.now, 0, []Candidate{public(1), public(2), public(4)})
	if len(steps) != 1 || steps[0].Way != direct(4) {
		t.Errorf("openers %v", steps)
	}
	r.pass(time.Second)
	for w, want := range map[Way]bool{direct(1): false, direct(2): false, direct(3): false, direct(4): true} {
		if n := r.count(Ping, w, began); n > 0 != want {
			t.Errorf("%d pings to %v", n, w)
		}
	}
}

// TestMeasure pings the way in use while there is traffic: often after something got lost, and not without.
func TestMeasure(t *testing.T) {
	for _, c := range []struct {
		talking    bool
		lost       int // of ten
		least, max int // pings in a minute
	}{{true, 0, 25, 35}, {true, 1, 90, 130}, {false, 0, 0, 0}} {
		r := inUse(t, direct(1), KindReflexive, losing(ms(20), c.lost))
		r.pass(30 * time.Second)
		r.talking = c.talking
		r.pass(5 * time.Second)
		began := r.now
		r.pass(time.Minute)
		if n := r.count(Ping, direct(1), began); n < c.least || n > c.max {
			t.Errorf("%+v: %d pings", c, n)
		}
	}
}

// TestReflectors counts who sees us, and since when.
func TestReflectors(t *testing.T) {
	var o Observer
	for i, at := range []time.Duration{3 * time.Minute, 2 * time.Minute, 4 * time.Minute} {
		o.Saw(at, 0, reflectorAt(i), ap("198.51.100.1:4000"))
		o.Saw(4*time.Minute, 0, reflectorAt(i), ap("198.51.100.1:4000"))
	}
	if n, since := o.Reflectors(4 * time.Minute); n != 3 || since != 2*time.Minute {
		t.Errorf("%d since %v", n, since)
	}
	if n, since := o.Reflectors(time.Hour); n != 0 || since != 0 {
		t.Errorf("%d since %v, and all are old", n, since)
	}
}

// TestSockets counts each socket's destinations apart.
func TestSockets(t *testing.T) {
	var o Observer
	o.Sent(time.Hour, 0, reflectorAt(1))
	o.Sent(time.Hour, 1, reflectorAt(1))
	o.Saw(time.Hour, 0, reflectorAt(1), ap("198.51.100.1:4000"))
	o.Sent(time.Hour+mappedFor, 0, reflectorAt(1)) // it answers this one
	o.Sent(time.Hour+mappedFor, 1, reflectorAt(1)) // and not that
	if o.count[0] != 1 || o.count[1] != 2 {
		t.Errorf("destinations: %v", o.count)
	}
}

// TestRelaySpan: a relay that others use as well gets slower now and then, and is left only when it stays so.
func TestRelaySpan(t *testing.T) {
	for _, c := range []struct {
		slow time.Duration
		want Way
	}{{relaySpan - 2*time.Second, relay(1)}, {2 * relaySpan, relay(2)}} {
		r := inUse(t, relay(1), KindRelay, steady(ms(20)))
		r.works(relay(2), steady(ms(20)))
		r.a.Offer(r.now, FromRelays, []Candidate{through(1), through(2)})
		r.pass(time.Minute)
		r.works(relay(1), steady(ms(200)))
		r.pass(c.slow)
		r.works(relay(1), steady(ms(1)))
		if w, _ := r.a.Active(); w != c.want {
			t.Errorf("slow for %v: by %v", c.slow, w)
		}
	}
}
