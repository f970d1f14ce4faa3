package nat

import (
	"math/bits"
	"time"
)

// A State is how far a candidate has come.
type State uint8

// The states of a candidate.
const (
	New     State = iota // nothing was sent there yet
	Probing              // pings are on their way
	Idle                 // none was answered; it is tried again
	Valid                // a number of ours came back from there
)

var stateNames = [...]string{"new", "probing", "idle", "valid"}

// String is the state's name.
func (s State) String() string { return stateNames[s] }

// plan is when the pings of one attempt go out, counted from its begin.
var plan = [...]time.Duration{
	0, 50 * time.Millisecond, 150 * time.Millisecond, 350 * time.Millisecond, 750 * time.Millisecond,
	1550 * time.Millisecond,
}

const (
	// patience is how long the last ping of an attempt is waited for.
	patience = time.Second
	// askEvery is how often a way that does not answer is asked.
	askEvery = 250 * time.Millisecond
	// giveUp is after how many unanswered pings one that is not in use is none any more.
	giveUp = 4
	// window is how many of the last pings loss is counted in.
	window = 20
	// forgive is how long a way has to be none for its losses not to count any more.
	forgive = time.Minute
	// enough is how many of them that did not come back are no accident.
	enough = 4
)

// A lane is one candidate, and what became of the pings to it.
type lane struct {
	Candidate
	from  uint8 // a bit for each Source that names it
	state State
	begun time.Duration // when the attempt under way began
	tries int           // pings of it
	next  time.Duration // when the next ping is due

	asked      time.Duration // when it was pinged last
	unanswered int           // pings since it was heard
	answered   time.Duration // when it last answered
	shown      time.Duration // when traffic of the peer last came that way, while another was in use
	rtt        time.Duration // smoothed
	pings      uint32        // all that were sent
	before     uint32        // of them, those that say nothing about loss: it was no way yet
	results    uint32        // of the last 32, the newest in bit 0: whether they came back
	hits       int           // pongs in a row that made it look better than the one in use
	hitSince   time.Duration
	raced      bool // it may take over from the one in use with its next pong
	left       bool // for a relay, because it lost too much
	moved      bool // we are elsewhere since it answered last
}

// attempt begins to ping the candidate, from a time on.
func (l *lane) attempt(at time.Duration) {
	if l.state != Valid {
		l.state = Probing
	}
	l.begun, l.tries, l.next = at, 0, at
}

// sent notes a ping and gives its number.
func (l *lane) sent(now time.Duration) uint32 {
	l.asked = now
	l.unanswered++
	l.pings++
	l.results <<= 1
	return l.pings
}

// pong notes that ping number n came back.
func (l *lane) pong(now, rtt time.Duration, n uint32) {
	l.revive(now)
	if age := l.pings - n; age < 32 {
		l.results |= 1 << age
	}
	l.unanswered, l.answered = 0, now
	if l.rtt == 0 {
		l.rtt = rtt
	} else {
		l.rtt += (rtt - l.rtt) / 8 // RFC 6298, 2.3
	}
}

// revive is for when a candidate answers: the pings that opened the way to it, or went out while there
// was none, are not lost ones.
func (l *lane) revive(now time.Duration) {
	if l.moved || l.state != Valid && (l.answered == 0 || now-l.answered > forgive) {
		l.before, l.left = l.pings, false
	}
	l.moved = false
}

// judged are the results of the pings that say something about loss, and how many. The newest does not
// as long as it may still come back.
func (l *lane) judged(now time.Duration) (results uint32, n int) {
	results, n = l.results, int(min(l.pings-l.before, window))
	if n > 0 && results&1 == 0 && now-l.asked < patience {
		return results >> 1, n - 1
	}
	return results, n
}

// loss is the part of the last pings that did not come back, and of how many.
func (l *lane) loss(now time.Duration) (lost float64, of int) {
	results, n := l.judged(now)
	if n == 0 {
		return 0, 0
	}
	back := bits.OnesCount32(results & (1<<n - 1))
	return float64(n-back) / float64(n), n
}

// lossy reports whether too much gets lost on the way to use it where a relay loses nothing. One that was
// left for that has to lose nothing for a while.
func (l *lane) lossy(now time.Duration) bool {
	const run = 1<<10 - 1 // as many in a row that came back, and it is good again
	results, _ := l.judged(now)
	lost, n := l.loss(now)
	return (l.left || lost >= 0.2 && lost*float64(n) > enough-0.5) && results&run != run
}

// clean reports whether nothing, or next to it, got lost lately.
func (l *lane) clean(now time.Duration) bool {
	lost, n := l.loss(now)
	return n >= window/2 && lost < 0.05
}

// cost is what the way is judged by: its round trip, made longer by what gets lost.
func (l *lane) cost(now time.Duration) time.Duration {
	lost, _ := l.loss(now)
	return time.Duration(float64(l.rtt) * (1 + 3*lost))
}

// probe reports whether a ping of the attempt under way is due, and when the next thing is.
func (l *lane) probe(now time.Duration) bool {
	if l.state != Probing || now < l.next {
		return false
	}
	if l.tries == len(plan) {
		l.state, l.next = Idle, never
		return false
	}
	l.tries++
	if l.tries == len(plan) {
		l.next = now + patience
	} else {
		l.next = max(now, l.begun+plan[l.tries])
	}
	return true
}
