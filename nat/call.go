package nat

import "time"

// Calls: how two that cannot reach each other begin to send at the same moment.

// attempt begins to look for a better way: the peer is called, if there is a way to do so, and pings go
// out as soon as it answers.
func (a *Agent) attempt(now time.Duration) (steps []Step) {
	a.retry = now + retries[min(a.attempts, len(retries)-1)]
	a.attempts++
	a.prune(now)
	switch {
	case a.active == nil, a.Settled(now):
		a.begin(now)
		return nil
	case !a.calls.take(now):
		a.unanswered(now)
		return nil
	}
	a.calling, a.open, a.await = true, true, now+answerWithin
	for _, l := range a.lanes {
		switch {
		case l == a.active:
			steps = append(steps, Step{Do: Call, Way: l.Way})
		case !l.Direct():
			steps = append(steps, Step{Do: Call, Way: l.Way})
			if l.state != Valid { // relays need no call
				l.attempt(now)
			}
		}
	}
	return steps
}

// Settled reports whether the way in use leaves nothing to be desired but perhaps speed: no relay is needed.
func (a *Agent) Settled(now time.Duration) bool {
	return a.active != nil && a.active.Direct() && a.active.unanswered == 0 && !a.active.lossy(now)
}

// proceed has the pings that wait for the other side go out now.
func (a *Agent) proceed(now time.Duration) {
	if a.calling {
		a.begin(now)
	}
	for _, l := range a.lanes {
		if l.state == Probing && l.tries == 0 && l.begun > now {
			l.attempt(now)
		}
	}
}

// unanswered pings, without an answer to the call, the ways that need nothing of the peer.
func (a *Agent) unanswered(at time.Duration) {
	a.calling = false
	for _, l := range a.lanes {
		if l.state != Valid && l != a.active && l.Kind != KindReflexive && l.Kind != KindPredicted {
			l.attempt(at)
		}
	}
}

// begin pings all ways that are not proven.
func (a *Agent) begin(at time.Duration) {
	a.calling = false
	for _, l := range a.lanes {
		if l.state != Valid && l != a.active && (l.Direct() || !a.Settled(at)) {
			l.attempt(at)
		}
	}
}

// Hears reports whether a call of the peer may be answered now: one that calls too often is not.
func (a *Agent) Hears(now time.Duration) bool {
	b := a.called // it is asked, not taken from
	return b.take(now)
}

// Awaits reports whether a call of ours is out that was not answered.
func (a *Agent) Awaits() bool { return a.open }

// Called takes a call of the peer, which names its addresses: rtt is how long an answer to it takes.
// It reports whether the peer may be answered; one that calls too often is not. Steps hold the openers to
// send before the answer.
func (a *Agent) Called(now, rtt time.Duration, list []Candidate) (steps []Step, ok bool) {
	if !a.called.take(now) {
		return nil, false
	}
	retry, attempts := a.retry, a.attempts
	a.Offer(now, FromCall, list)
	for _, l := range a.lanes {
		if l.from&(1<<FromCall) == 0 || l.state == Valid || l == a.active {
			continue
		}
		l.attempt(now + max(calledDelay, rtt))
		if l.Kind != KindLAN && l.Direct() {
			steps = append(steps, Step{Do: Opener, Way: l.Way})
		}
	}
	// Of two that look for each other one has to do so at a time, and a try of either counts for both: a NAT
	// that a ping has surprised forgets that in half a minute without any.
	a.retry = max(retry, now+retries[min(attempts, len(retries)-1)])
	a.attempts = attempts + 1
	return steps, true
}

// Answered takes the answer to a call of ours, however late. It reports false when there is none out.
func (a *Agent) Answered(now time.Duration, list []Candidate) bool {
	if !a.open {
		return false
	}
	a.open = false
	retry, attempts := a.retry, a.attempts
	a.Offer(now, FromCall, list)
	a.retry, a.attempts = retry, attempts
	a.begin(now)
	return true
}

// A bucket lets a few things through at once, and one in two seconds.
type bucket struct {
	tokens float64
	filled time.Duration
	used   bool
}

const (
	callBurst = 3
	callEvery = 2 * time.Second
)

func (b *bucket) take(now time.Duration) bool {
	if !b.used {
		b.tokens, b.used = callBurst, true
	}
	b.tokens = min(callBurst, b.tokens+float64(now-b.filled)/float64(callEvery))
	b.filled = now
	if b.tokens < 1 {
		return false
	}
	b.tokens--
	return true
}
