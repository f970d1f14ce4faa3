package nat

import (
	"testing"
	"time"
)

// TestRTT smooths round trips.
func TestRTT(t *testing.T) {
	var l lane
	for i, want := range []time.Duration{ms(80), ms(90), ms(80) * 90 / 80 * 7 / 8} {
		rtt := []time.Duration{ms(80), ms(160), 0}[i]
		if l.pong(time.Hour, rtt, l.sent(time.Hour)); l.rtt != want {
			t.Errorf("round trip %v after one of %v, want %v", l.rtt, rtt, want)
		}
	}
}

// TestLoss counts what did not come back, late answers to the right ping.
func TestLoss(t *testing.T) {
	l, now := lane{}, time.Hour
	loss := func(want float64, of int) {
		t.Helper()
		if lost, n := l.loss(now); lost != want || n != of {
			t.Errorf("%v of %d are lost, want %v of %d", lost, n, want, of)
		}
	}
	loss(0, 0)
	l.pong(now, ms(1), l.sent(now)) // what opened the way says nothing
	l.state = Valid
	loss(0, 0)
	late := l.sent(now)
	loss(0, 0) // it may come yet
	l.pong(now, ms(1), l.sent(now))
	loss(0.5, 2)
	l.pong(now, ms(1), late)
	loss(0, 2)
	for range 2 {
		l.sent(now)
	}
	loss(1.0/3, 3)
	now += patience
	loss(0.5, 4)
	for range 40 {
		l.sent(now)
	}
	now += patience
	loss(1, window)
}

// TestForgive lets a way begin anew that was none for a while, and not one that has been one just now.
func TestForgive(t *testing.T) {
	for _, c := range []struct {
		after    time.Duration
		forgiven bool
	}{{forgive, false}, {forgive + 1, true}} {
		l := lane{state: Valid}
		for i := range 10 {
			if n := l.sent(time.Hour); i < 5 {
				l.pong(time.Hour, ms(1), n)
			}
		}
		l.left = true
		l.pong(time.Hour+c.after, ms(1), l.pings) // it was a way all the time
		if _, n := l.loss(time.Hour + c.after); n != 10 {
			t.Errorf("after %v of a way %d pings count", c.after, n)
		}
		l.state, l.answered = Idle, time.Hour
		l.pong(time.Hour+c.after, ms(1), l.pings)
		if _, n := l.loss(time.Hour + c.after); n == 0 != c.forgiven || l.left == c.forgiven {
			t.Errorf("after %v of none %d pings count, left %v", c.after, n, l.left)
		}
	}
}

// TestMovedLosses: what got lost because we were elsewhere says nothing of a way, once it answers.
func TestMovedLosses(t *testing.T) {
	for _, moved := range []bool{false, true} {
		r := inUse(t, direct(1), KindStatic, steady(ms(20)))
		r.works(relay(1), steady(ms(30)))
		r.a.Offer(r.now, FromRelays, []Candidate{through(1)})
		r.pass(time.Minute)
		r.works(direct(1), nil)
		r.within(5*time.Second, relay(1))
		r.works(direct(1), steady(ms(20)))
		if moved {
			r.a.Restart(r.now)
		}
		r.pass(3 * time.Second)
		if w, _ := r.a.Active(); (w == direct(1)) != moved {
			t.Errorf("moved %v: by %v", moved, w)
		}
		if l := r.a.find(direct(1)); l.moved {
			t.Errorf("moved %v: still to be forgiven", moved)
		}
	}
}

// TestLossyLane wants a fifth lost, and not by accident; one that was left has to be good for a while.
func TestLossyLane(t *testing.T) {
	for _, c := range []struct {
		results string // the oldest first
		left    bool
		want    bool
	}{
		{"", false, false},
		{"xxx", false, false},
		{"xxxx", false, true},
		{"....x...x...x...x...", false, true},
		{".....x.....x......x.", false, false},
		{"xxxx..........", false, false},
		{"xxxx.........", false, true},
		{"x.........", true, true},
		{"x..........", true, false},
	} {
		l := lane{state: Valid, answered: 1, left: c.left}
		for _, r := range c.results {
			if n := l.sent(time.Hour); r == '.' {
				l.pong(time.Hour, ms(1), n)
			}
		}
		if got := l.lossy(time.Hour + patience); got != c.want {
			t.Errorf("%q, left %v: lossy %v", c.results, c.left, got)
		}
	}
}

// TestProbeOnly: only an attempt under way asks for pings.
func TestProbeOnly(t *testing.T) {
	for _, s := range []State{New, Idle, Valid} {
		if (&lane{state: s}).probe(time.Hour) {
			t.Errorf("%v is probed", s)
		}
	}
	l := lane{state: Valid}
	if l.attempt(time.Hour); l.state != Valid {
		t.Errorf("an attempt makes a proven way %v", l.state)
	}
}
