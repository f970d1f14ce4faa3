package nat

import (
	"slices"
	"time"
)

// Tick gives what is to be sent now. It may change which way is in use.
func (a *Agent) Tick(now time.Duration) (steps []Step) {
	ping := func(l *lane) {
		probe := l.state != Valid && l != a.active
		steps = append(steps, Step{Do: Ping, Way: l.Way, Number: l.sent(now), Probe: probe})
	}
	if a.active != nil {
		a.watch(now, ping)
	}
	if a.attemptDue(now) {
		steps = append(steps, a.attempt(now)...)
	}
	if a.calling && now >= a.await {
		a.unanswered(now)
	}
	for _, l := range a.lanes {
		if l != a.active && l.probe(now) {
			ping(l)
		}
	}
	a.others(now, ping)
	return steps
}

// watch asks the way in use whether it is one, when it says nothing, and keeps it open.
func (a *Agent) watch(now time.Duration, ping func(*lane)) {
	l := a.active
	if a.heard >= l.asked {
		l.unanswered = 0
	}
	before := l.unanswered
	early := min(keepaliveEarly, a.keepalive/2)
	switch {
	case now >= l.next, now >= a.questionAt(), now+early >= a.keepaliveAt():
		l.next = never
		ping(l)
	case now >= a.measureAt(now):
		ping(l)
		l.unanswered = before // that is no question: it is asked soon if nothing comes
	}
	if l.unanswered < suspectAfter {
		return
	}
	if other := a.best(now); other != nil {
		a.take(now, other)
		return
	}
	if before < suspectAfter {
		a.hope(now)
	}
}

// questionAt is when the way in use is asked whether it is one, if nothing comes by it before.
func (a *Agent) questionAt() time.Duration {
	switch l := a.active; {
	case a.sent > a.heard, l.unanswered > 0:
		return max(l.asked+askEvery, a.heard+quietAfter)
	case a.began > 0 && a.heard <= a.began:
		return max(l.asked+askEvery, a.began+freshAfter)
	}
	return never
}

// measureAt is when the way in use is pinged to see what it is like, as long as there is traffic.
func (a *Agent) measureAt(now time.Duration) time.Duration {
	if a.sent == 0 || now-a.sent >= measureEvery {
		return never
	}
	if lost, _ := a.active.loss(now); lost > 0 {
		return a.active.asked + closely
	}
	return a.active.asked + measureEvery
}

// keepaliveAt is by when the way in use is pinged if nothing is sent and heard before.
func (a *Agent) keepaliveAt() time.Duration {
	if a.keepalive == 0 || a.active == nil {
		return never
	}
	quiet := min(a.heard, max(a.sent, a.told))
	return max(quiet, a.active.asked, a.since) + a.keepalive
}

// best is the best valid way besides the one in use that has answered since that fell silent.
func (a *Agent) best(now time.Duration) (best *lane) {
	for _, l := range a.lanes {
		if l == a.active || l.state != Valid || l.unanswered > 0 || l.answered <= a.heard {
			continue
		}
		if best == nil || l.Direct() && !best.Direct() ||
			l.Direct() == best.Direct() && l.cost(now) < best.cost(now) {
			best = l
		}
	}
	return best
}

// attemptDue reports whether a better way is to be looked for now.
func (a *Agent) attemptDue(now time.Duration) bool { return now >= a.attemptAt(now) }

// attemptAt is when a better way is looked for next: as long as the one in use is none, a relay, or
// in doubt, often while there is traffic, and sometimes without.
func (a *Agent) attemptAt(now time.Duration) time.Duration {
	if len(a.lanes) == 0 || a.calling {
		return never
	}
	if a.active != nil && a.active.Direct() && a.active.unanswered < suspectAfter {
		if a.busy(now) && (a.attempts == 0 && a.untried() || a.active.lossy(now) && !a.relayed()) {
			return a.retry
		}
		return never
	}
	if a.attempts > 0 && !a.busy(now) {
		return a.retry + idleRetry
	}
	return a.retry
}

// untried reports whether there are ways that nothing was ever sent by.
func (a *Agent) untried() bool {
	for _, l := range a.lanes {
		if l.state == New && l.Direct() {
			return true
		}
	}
	return false
}

// relayed reports whether the peer answers through a relay.
func (a *Agent) relayed() bool {
	return slices.ContainsFunc(a.lanes, func(l *lane) bool { return !l.Direct() && l.state == Valid })
}

// others pings valid ways that are not in use: seldom, unless the one in use leaves something to be
// desired.
func (a *Agent) others(now time.Duration, ping func(*lane)) {
	for _, l := range a.lanes {
		if l == a.active || l.state != Valid {
			continue
		}
		if l.unanswered >= giveUp {
			if now-l.asked >= patience {
				l.state, l.next = Idle, never
			}
			continue
		}
		if now-l.asked >= a.pause(now, l) {
			ping(l)
		}
	}
}

// pause is how long a valid way that is not in use is left alone.
func (a *Agent) pause(now time.Duration, l *lane) time.Duration {
	switch {
	case l.unanswered >= giveUp:
		return patience
	case l.unanswered > 0:
		return 2 * askEvery
	case a.active != nil && a.active.unanswered > 0 && l.answered <= a.heard:
		return askEvery
	case !a.busy(now):
		return never
	case a.active != nil && !a.active.Direct() && l.Direct():
		return upgradeEvery
	case a.active != nil && !l.Direct() && a.active.Direct() && a.active.lossy(now):
		return closely
	case l.hits > 0:
		return upgradeEvery
	case !l.Direct():
		return standbyEvery
	}
	return othersEvery
}

// Deadline is when Tick may have something to do, if nothing is told before.
func (a *Agent) Deadline(now time.Duration) time.Duration {
	next := a.attemptAt(now)
	if a.calling {
		next = min(next, a.await)
	}
	for _, l := range a.lanes {
		next = min(next, a.due(now, l))
	}
	return next
}

// due is when a lane may need a ping.
func (a *Agent) due(now time.Duration, l *lane) time.Duration {
	switch {
	case l == a.active:
		return min(l.next, a.questionAt(), a.measureAt(now)) // keepalives have time until somebody looks anyway
	case l.state == Probing:
		return l.next
	case l.state == Valid && l.unanswered >= giveUp:
		return l.asked + patience
	case l.state == Valid:
		if pause := a.pause(now, l); pause != never {
			return l.asked + pause
		}
	}
	return never
}
