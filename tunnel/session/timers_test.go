package session

import (
	"slices"
	"testing"
	"time"
)

// tries runs the clock in steps of 10 ms and tells when p made messages 1, in seconds.
func tries(p *Peer, from, to time.Duration) (at []float64) {
	for now := from; now < to; now += 10 * time.Millisecond {
		if p.Due(now) {
			if p.Deadline() > now {
				panic("due before the deadline")
			}
			if p.Initiate(now) != nil {
				at = append(at, now.Seconds())
			}
		}
	}
	return at
}

// spaced checks the pauses between tries against what they are without jitter.
func spaced(t *testing.T, name string, at, want []float64) {
	t.Helper()
	if len(at) != len(want)+1 {
		t.Errorf("%s: %d tries, want %d: %v", name, len(at), len(want)+1, at)
		return
	}
	for i, w := range want {
		if pause := at[i+1] - at[i]; pause < 0.8*w-0.001 || pause > 1.2*w+0.011 {
			t.Errorf("%s: pause %d is %.2f s, want %.1f s, give or take a fifth", name, i, pause, w)
		}
	}
}

func TestIdlePeer(t *testing.T) {
	a, _ := newPair(t)
	if a.peer.Due(0) || a.peer.Due(time.Hour) || a.peer.Deadline() != Never {
		t.Error("a peer that nobody wants is called")
	}
}

func TestRetries(t *testing.T) {
	a, _ := newPair(t)
	a.peer.Keep(true)
	if a.peer.Deadline() > 0 {
		t.Error("a peer to be kept is not due at once")
	}
	at := tries(a.peer, 0, 30*time.Second)
	spaced(t, "the first 30 s", at[:6], []float64{1, 2, 4, 5, 5})
	pauses := map[float64]bool{}
	for i := range 5 {
		pauses[at[i+1]-at[i]] = true
	}
	tries(a.peer, 30*time.Second, 100*time.Second)
	at = tries(a.peer, 100*time.Second, 200*time.Second)
	spaced(t, "after 90 s", at[:5], []float64{15, 15, 15, 15})
	a.peer.Keep(false)
	if a.peer.Due(300*time.Second) || a.peer.Deadline() != Never || a.peer.attempt != nil {
		t.Error("it goes on when nobody keeps it")
	}
}

func TestJitter(t *testing.T) {
	a, _ := newPair(t)
	least, most := time.Hour, time.Duration(0)
	for range 2000 {
		d := a.peer.jitter(time.Minute, 5*time.Second) - time.Minute
		least, most = min(least, d), max(most, d)
	}
	if least != 4*time.Second || most != 6*time.Second {
		t.Errorf("5 s become %v to %v, want 4 to 6 s", least, most)
	}
}

func TestUrge(t *testing.T) {
	a, _ := newPair(t)
	a.peer.Urge(0)
	at := tries(a.peer, 0, 5*time.Second)
	if at[0] != 0 {
		t.Errorf("the first try is at %v", at[0])
	}
	spaced(t, "the first 5 s", at[:5], []float64{1, 1, 1, 1})
	at = append(at[len(at)-1:], tries(a.peer, 5*time.Second, 400*time.Second)...)
	if at[len(at)-1] > 90 || at[len(at)-1] < 84 {
		t.Errorf("the last try is at %v s, want 90 at most", at[len(at)-1])
	}
	if a.peer.Deadline() != Never || a.peer.attempt != nil {
		t.Error("a series that is over has a deadline or an attempt")
	}
	a.peer.Urge(400 * time.Second)
	if at = tries(a.peer, 400*time.Second, 404*time.Second); len(at) == 0 || at[0] != 400 {
		t.Errorf("urged again: tries at %v", at)
	}
}

// In a long pause between tries, an urge brings the next one near.
func TestUrgeBetweenTries(t *testing.T) {
	a, _ := newPair(t)
	a.peer.Keep(true)
	tries(a.peer, 0, 8*time.Second) // 0, 1, 3, 7, 12
	a.peer.Urge(8500 * time.Millisecond)
	if at := tries(a.peer, 8500*time.Millisecond, 14*time.Second); at[0] != 8.5 {
		t.Errorf("tries at %v, want one at once", at)
	} else {
		spaced(t, "urged", at[:4], []float64{1, 1, 1})
	}
	b, _ := newPair(t)
	b.peer.Urge(0)
	b.peer.Initiate(0)
	b.peer.Urge(10 * time.Millisecond)
	if b.peer.Initiate(700*time.Millisecond) != nil {
		t.Error("a try in less than a second")
	}
	if b.peer.Initiate(1200*time.Millisecond) == nil {
		t.Error("no try after a second")
	}
}

// An urge at the end of a series adds its 5 s, one after it begins another.
func TestUrgeLate(t *testing.T) {
	a, _ := newPair(t)
	a.peer.Urge(0)
	tries(a.peer, 0, 89*time.Second)
	a.peer.Urge(89 * time.Second)
	at := tries(a.peer, 89*time.Second, 200*time.Second)
	if last := at[len(at)-1]; last < 92 || last > 94 {
		t.Errorf("urged at 89 s: tries at %v", at)
	}
	b, _ := newPair(t)
	b.peer.Urge(0)
	b.peer.Initiate(0)
	b.peer.Urge(400 * time.Second)
	at = tries(b.peer, 400*time.Second, 600*time.Second)
	if last := at[len(at)-1]; at[0] != 400 || last < 480 || last > 490 {
		t.Errorf("urged at 400 s: tries at %v", at)
	}
}

// Urged again and again it goes on for longer than a series does.
func TestUrgeGoesOn(t *testing.T) {
	a, _ := newPair(t)
	n := 0
	for now := time.Duration(0); now < 200*time.Second; now += time.Second / 2 {
		a.peer.Urge(now)
		n += len(tries(a.peer, now, now+time.Second/2))
	}
	if n < 150 || n > 260 {
		t.Errorf("%d tries in 200 s, want about one a second", n)
	}
}

func TestInitiateBegins(t *testing.T) {
	a, _ := newPair(t)
	if a.peer.Initiate(time.Minute) == nil || a.peer.Initiate(time.Minute) != nil {
		t.Error("Initiate alone does not begin a series, or repeats it at once")
	}
	if a.peer.Initiate(1000*time.Second) == nil {
		t.Error("Initiate does not begin a series after the last is over")
	}
	if a.peer.Due(1000*time.Second+time.Millisecond) || !a.peer.Due(1002*time.Second) {
		t.Error("the new series goes on in the times of the old")
	}
}

func TestSuccessEndsTheSeries(t *testing.T) {
	a, b := newPair(t)
	a.peer.Keep(true)
	b.peer.Urge(0)
	b.peer.Initiate(0)
	r := b.Receive(time.Second, a.addr, a.call())
	if r.New == nil {
		b.peer.Initiate(2 * time.Second)
		r = b.Receive(2*time.Second, a.addr, a.call())
	}
	a.Receive(2*time.Second, b.addr, r.Reply)
	b.peer.Confirm(r.New)
	if a.peer.Due(50*time.Second) || b.peer.Due(50*time.Second) || b.peer.attempt != nil {
		t.Error("a peer with a session is called")
	}
	a.peer.Close(a.peer.Current())
	if !a.peer.Due(50 * time.Second) {
		t.Error("a peer to be kept is not called after it said goodbye")
	}
}

// used makes n datagrams with the current session.
func used(p *Peer, n int) { p.Current().Reserve(n) }

func TestRekey(t *testing.T) {
	for _, c := range []struct {
		name       string
		keep       bool
		early      int // datagrams in the first half of the session's life
		late       int // and in the second
		initiator  float64
		responder  float64
		afterwards int
	}{
		{"kept", true, 0, 0, 120, 135, 0},
		{"in use", false, 5, 5, 120, 135, 0},
		{"idle", false, 5, 0, 0, 0, 0},
		{"idle, then in use", false, 5, 0, 150, 150, 5},
	} {
		a, b := newPair(t)
		connect(t, 0, a, b)
		for i, p := range []*Peer{a.peer, b.peer} {
			p.Keep(c.keep)
			used(p, 1+c.early)
			at := tries(p, 0, 100*time.Second)
			if c.late > 0 {
				used(p, c.late)
			}
			at = append(at, tries(p, 100*time.Second, 149*time.Second)...)
			if c.afterwards > 0 {
				used(p, c.afterwards)
			}
			at = append(at, tries(p, 149*time.Second, 179*time.Second)...)
			want := []float64{c.initiator, c.responder}[i]
			if want == 0 {
				if len(at) > 0 {
					t.Errorf("%s, %d: tries at %v, want none", c.name, i, at)
				}
			} else if len(at) == 0 || at[0] < want || at[0] > want+4 || want < 150 && at[0] != want {
				t.Errorf("%s, %d: tries at %v, want the first at %v", c.name, i, at, want)
			}
		}
	}
}

// A deadline lies in the future after Due was false: who sleeps until then does not spin.
func TestDeadlineMovesOn(t *testing.T) {
	a, b := newPair(t)
	connect(t, 0, a, b)
	var at []time.Duration
	for now := a.peer.Deadline(); now < 179*time.Second; now = a.peer.Deadline() {
		if a.peer.Due(now) {
			t.Fatalf("an idle session is renewed at %v", now)
		}
		at = append(at, now)
		if len(at) > 20 {
			t.Fatalf("the deadlines do not move on: %v", at)
		}
	}
	if !slices.Equal(at[:4], []time.Duration{
		60 * time.Second, 120 * time.Second, 125 * time.Second, 130 * time.Second,
	}) {
		t.Errorf("deadlines %v", at)
	}
}
