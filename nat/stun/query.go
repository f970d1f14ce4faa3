package stun

import (
	"errors"
	"math"
	"net/netip"
	"slices"
	"time"

	pion "github.com/pion/stun/v3"
)

// schedule is when a server is asked, from the beginning of the query.
var schedule = [...]time.Duration{0, 100 * time.Millisecond, 300 * time.Millisecond}

// Verdict is how long after its beginning a [Query] is over, if not all have answered before.
const Verdict = time.Second

// MaxServers is how many servers a [Query] asks at most.
const MaxServers = 32

// never is a deadline that does not come.
const never = time.Duration(math.MaxInt64)

// A Query asks servers, in their order, what address they see: at once, after 100 ms and after 300 ms
// those that have not answered. The caller sends what is [Query.Due], hands over what comes back, and
// comes again at [Query.Deadline]. It is for one goroutine at a time.
type Query struct {
	start  time.Duration
	asks   []ask
	over   bool
	filter bool // of NewFilterQuery
}

// A Send is a datagram that is to be sent from the socket that the query is about.
type Send struct {
	To   netip.AddrPort
	Data []byte
}

// A Result is what one server said.
type Result struct {
	Server netip.AddrPort
	Mapped netip.AddrPort // the address that the server sees
	Other  netip.AddrPort // where the server can be asked as well (RFC 5780); the zero value if nowhere
	RTT    time.Duration
}

// NewQuery begins to ask servers. Those that are named twice, are no address and a port, or come
// after the first [MaxServers] are left out.
func NewQuery(now time.Duration, servers []netip.AddrPort) *Query {
	q := &Query{start: now}
	for _, s := range servers {
		s = plain(s)
		known := slices.ContainsFunc(q.asks, func(a ask) bool { return a.to == s })
		if usable(s) && !known && len(q.asks) < MaxServers {
			q.asks = append(q.asks, ask{to: s, from: s})
		}
	}
	return q
}

// Due returns what is to be sent now, and counts it as sent. Whoever comes late sends less, not
// several at once.
func (q *Query) Due(now time.Duration) []Send {
	if q.Done(now) {
		return nil
	}
	var sends []Send
	for i := range q.asks {
		if t := q.asks[i].due(q.start, now); t != nil {
			sends = append(sends, Send{q.asks[i].to, t.request})
		}
	}
	return sends
}

// Deadline is when something changes without a datagram: the next one is due, or the query is over.
// It is [math.MaxInt64] from then on.
func (q *Query) Deadline() time.Duration {
	if q.finished() {
		return never
	}
	next := q.start + Verdict
	for _, a := range q.asks {
		if !a.closed && a.passed < len(schedule) {
			next = min(next, q.start+schedule[a.passed])
		}
	}
	return next
}

// Take tells whether a datagram answers a question of this query and came from the server that was
// asked, and if so keeps what it says. What comes after the verdict is kept as well.
func (q *Query) Take(now time.Duration, data []byte, from netip.AddrPort) bool {
	from = plain(from)
	for i := range q.asks {
		if q.asks[i].take(now, data, from) {
			return true
		}
	}
	return false
}

// Results returns what those servers said that have answered, in the order in which they were asked.
func (q *Query) Results() []Result {
	var results []Result
	for _, a := range q.asks {
		if a.answered() {
			results = append(results, a.result)
		}
	}
	return results
}

// Done tells whether all servers have answered or the time is up.
func (q *Query) Done(now time.Duration) bool {
	q.over = q.over || now >= q.start+Verdict
	return q.finished()
}

func (q *Query) finished() bool {
	return q.over || !slices.ContainsFunc(q.asks, func(a ask) bool { return !a.closed })
}

// An ask is one question to one server.
type ask struct {
	to     netip.AddrPort
	from   netip.AddrPort // whom the answer must come from
	with   []pion.Setter
	tries  []try
	passed int    // how much of the schedule has passed
	closed bool   // answered or refused
	result Result // Mapped is the zero value until there is an answer
}

// A try is one request of an ask. Each has an id of its own, so that it is known which of them an
// answer is to and how long that took.
type try struct {
	*Transaction
	at time.Duration
}

func (a *ask) answered() bool { return a.result.Mapped.IsValid() }

// due returns the request that is due, or nil.
func (a *ask) due(start, now time.Duration) *Transaction {
	passed := a.passed
	for a.passed < len(schedule) && start+schedule[a.passed] <= now {
		a.passed++
	}
	if a.closed || a.passed == passed {
		return nil
	}
	t := newTransaction(a.to, a.with...)
	a.tries = append(a.tries, try{t, now})
	return t
}

// take is [Query.Take] for one question.
func (a *ask) take(now time.Duration, data []byte, from netip.AddrPort) bool {
	i := slices.IndexFunc(a.tries, func(t try) bool { return t.owns(data) })
	if i < 0 || from != a.from && from != a.to {
		return false
	}
	r, err := parse(data)
	switch {
	case errors.Is(err, errRefused), err == nil && from != a.from:
		a.closed = true // it cannot answer from where it was asked to
	case err == nil && !a.closed:
		a.closed = true
		a.result = Result{a.to, r.mapped, r.other, now - a.tries[i].at}
	}
	return true
}
