package nat

import (
	"cmp"
	"slices"
	"time"
)

// A Status is a candidate as people see it.
type Status struct {
	Candidate
	State      State
	Active     bool
	RTT        time.Duration // smoothed; 0 when it never answered
	Loss       float64       // of its last pings
	Pings      int           // that were sent there
	Unanswered int           // since it was heard
	Answered   time.Duration // when it answered last; 0 for never
}

// Candidates lists the ways, the one in use first and then the best.
func (a *Agent) Candidates(now time.Duration) []Status {
	var list []Status
	for _, l := range a.lanes {
		lost, _ := l.loss(now)
		list = append(list, Status{
			Candidate: l.Candidate, State: l.state, Active: l == a.active, RTT: l.rtt, Loss: lost,
			Pings: int(l.pings), Unanswered: l.unanswered, Answered: l.answered,
		})
	}
	slices.SortStableFunc(list, func(x, y Status) int {
		return cmp.Or(cmpBool(x.Active, y.Active), cmpBool(x.State == Valid, y.State == Valid),
			cmp.Compare(y.Kind, x.Kind))
	})
	return list
}

// cmpBool puts what is true first.
func cmpBool(x, y bool) int {
	switch {
	case x == y:
		return 0
	case x:
		return -1
	}
	return 1
}

// Targets are the ways to send a handshake by, at most n direct ones: the one in use, those that
// answered, and the best others that somebody named.
func (a *Agent) Targets(now time.Duration, n int) (out []Way) {
	for _, c := range a.Candidates(now) {
		switch {
		case c.Kind == KindPredicted, c.Kind == KindSeen && c.State != Valid:
			continue // whoever copies our datagrams could have shown it
		case c.Direct():
			if n--; n < 0 {
				continue
			}
		}
		out = append(out, c.Way)
	}
	return out
}

// Known reports whether there is any way that might lead to the peer.
func (a *Agent) Known() bool { return len(a.lanes) > 0 }

// RTT is the round trip by the way in use, smoothed; 0 when it is not known.
func (a *Agent) RTT() time.Duration {
	if a.active == nil {
		return 0
	}
	return a.active.rtt
}
