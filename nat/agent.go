package nat

import (
	"cmp"
	"slices"
	"time"
)

const (
	// quietAfter is how long the way in use may say nothing while something is sent, before it is asked.
	quietAfter = 500 * time.Millisecond
	// freshAfter is how long nothing has to come after a session began, though nothing was sent: the peer may not
	// have it. It is longer than any round trip with which handshakes work.
	freshAfter = 2 * time.Second
	// suspectAfter is after how many unanswered questions another way takes over, if one answers.
	suspectAfter = 4
	// busyFor is how long after something was sent a peer counts as one with traffic.
	busyFor = 60 * time.Second
	// othersEvery is how often the valid ways that are not in use are pinged, if there is traffic;
	// standbyEvery the relays behind a relay, upgradeEvery a direct one that lost too much.
	othersEvery  = 60 * time.Second
	standbyEvery = 20 * time.Second
	upgradeEvery = 2 * time.Second
	// dwell is how long a way stays in use before a better one of its sort takes over, and after how
	// many answers over how long.
	dwell   = 10 * time.Second
	hits    = 3
	hitSpan = 3 * time.Second
	// relayHits and relaySpan are the same for one relay instead of another.
	relayHits = 5
	relaySpan = 30 * time.Second
	// goodEnough is a round trip on the local network that nothing is looked for beyond.
	goodEnough = 5 * time.Millisecond
	// idleRetry is when a way is looked for again without traffic.
	idleRetry = 5 * time.Minute
	// forget is after which time a way that was seen, and that nobody names, is forgotten.
	forget = 5 * time.Minute
	// keepaliveEarly is how much before its time a keepalive may go, if it has time for that: whoever
	// owns the agent looks at it so often at least.
	keepaliveEarly = time.Second
	// measureEvery is how often the way in use is pinged while there is traffic: only pings tell how much
	// gets lost, and how long the round trip is now. closely is how often when something did get lost.
	measureEvery = 2 * time.Second
	closely      = 500 * time.Millisecond
	// answerWithin is how long the answer to a call is waited for. Without one only those ways are pinged
	// that need nothing of the peer: a ping that its NAT does not expect can make the NAT refuse those after.
	answerWithin = time.Second
	// calledDelay is how long who was called waits for the caller's first ping, at least.
	calledDelay = 100 * time.Millisecond
	// maxSeen is how many addresses are kept at most that only traffic has shown.
	maxSeen = 4
	// maxRelays is how many relays are kept at most: those that are named, and some that were.
	maxRelays = 2*MaxRelays + maxSeen
)

// retries are the pauses between attempts to find a better way, while there is traffic. The last
// one stays. A NAT that took a stray datagram for a flow forgets it within the last two (Linux: 30 s),
// and one that counts has given a port anew after them.
var retries = [...]time.Duration{
	2 * time.Second, 4 * time.Second, 35 * time.Second, 60 * time.Second,
}

// A Step is something that an [Agent] wants to be sent.
type Step struct {
	Do     Do
	Way    Way
	Number uint32 // of a Ping, to be given back with its [Agent.Pong]
	Probe  bool   // of a Ping: nothing has ever come from there, or not for long
}

// What to do.
type Do uint8

// The steps.
const (
	Ping   Do = iota // a sealed number, to be sent back
	Opener           // a datagram that opens our own NAT, and dies before it reaches the other
	Call             // ask the peer to do as we do, and for its addresses
)

// An Agent finds and watches the ways to one peer.
type Agent struct {
	lanes  []*lane
	active *lane
	since  time.Duration // when it was taken

	keepalive time.Duration // 0: none
	sent      time.Duration // when something was last sent to the peer
	told      time.Duration // when a control message was
	heard     time.Duration // when something last came over the way in use
	began     time.Duration // when we last began a session; 0 when there was none

	attempts int           // to find a better way, since there was hope
	retry    time.Duration // when the next is due
	hold     time.Duration // not before
	calls    bucket        // ours
	called   bucket        // the peer's
	open     bool          // a call is out that was not answered
	calling  bool          // its pings wait for the answer until
	await    time.Duration
}

// SetKeepalive says how long the way in use may be quiet; 0 for as long as it likes.
func (a *Agent) SetKeepalive(k time.Duration) { a.keepalive = k }

// Note tells when something was sent last to the peer, a frame or a control message, and when
// anything authentic came last over the way in use.
func (a *Agent) Note(sent, told, heard time.Duration) {
	a.sent, a.told, a.heard = sent, told, max(heard, a.since)
}

// Began tells that there is a session that we began. The peer may have it no more: the way in use is asked
// if nothing comes.
func (a *Agent) Began(now time.Duration) { a.began = now }

// busy reports whether there was traffic lately.
func (a *Agent) busy(now time.Duration) bool { return a.sent > 0 && now-a.sent < busyFor }

// Active is the way to use; false when none is proven.
func (a *Agent) Active() (Way, bool) {
	if a.active == nil {
		return Way{}, false
	}
	return a.active.Way, true
}

// find gives the lane of a way, or nil.
func (a *Agent) find(w Way) *lane {
	for _, l := range a.lanes {
		if l.Way == w {
			return l
		}
	}
	return nil
}

// Offer takes the candidates that a source names now. What it named before and does not any more is
// forgotten, unless another names it, or it is valid: that shows by itself when it no longer is.
func (a *Agent) Offer(now time.Duration, from Source, list []Candidate) {
	bit := uint8(1) << from
	for _, l := range a.lanes {
		l.from &^= bit
	}
	var fresh []*lane
	for _, c := range list {
		l := a.find(c.Way)
		if l == nil {
			l = &lane{Candidate: c, next: never}
			a.lanes = append(a.lanes, l)
			fresh = append(fresh, l)
		}
		l.from |= bit
		if c.Kind > l.Kind || l.from == bit {
			l.Kind = c.Kind
		}
	}
	a.prune(now)
	if slices.ContainsFunc(fresh, func(l *lane) bool { return slices.Contains(a.lanes, l) }) {
		a.hope(now)
	}
}

// prune forgets what nobody names, and keeps the best of the rest.
func (a *Agent) prune(now time.Duration) {
	a.lanes = slices.DeleteFunc(a.lanes, func(l *lane) bool {
		named := l.from&^(1<<fromTraffic) != 0
		lately := l.from != 0 && now-l.shown <= forget || l.state == Valid && now-l.answered <= forget
		return !named && !lately && l != a.active
	})
	slices.SortStableFunc(a.lanes, func(x, y *lane) int {
		return cmp.Or(cmp.Compare(a.worth(y), a.worth(x)), cmp.Compare(y.answered, x.answered))
	})
	direct, relays := 0, 0
	a.lanes = slices.DeleteFunc(a.lanes, func(l *lane) bool {
		if l.Direct() {
			direct++
			return direct > MaxCandidates
		}
		relays++
		return relays > maxRelays
	})
}

// worth orders lanes for when there are too many.
func (a *Agent) worth(l *lane) int {
	w := int(l.Kind)
	if l.Kind == KindPredicted { // anything that goes elsewhere first may make it wrong
		w = int(KindLAN) - 1
	}
	if l.state == Valid {
		w += 1000
	}
	if l.from&(1<<fromTraffic) != 0 { // that the peer is there is more than hearsay
		w += 1500
	}
	if l == a.active {
		w += 3000
	}
	return w
}

// hope makes the next attempt to find a better way soon.
func (a *Agent) hope(now time.Duration) {
	a.attempts, a.retry = 0, max(now, a.hold)
}

// Hold puts attempts to find a better way off until a time by which more is known of our own addresses.
func (a *Agent) Hold(until time.Duration) {
	a.hold = until
	a.retry = max(a.retry, until)
}

// Restart is for when our own addresses or routes changed, or the peer has started anew: everything
// is tried again, and the way in use has to prove itself.
func (a *Agent) Restart(now time.Duration) {
	a.hope(now)
	for _, l := range a.lanes {
		l.moved = true
		if l != a.active {
			l.attempt(now)
		}
	}
	if a.active != nil {
		a.active.next = now
	}
}

// Forget makes no way proven any more, because the peer is gone, or has started anew.
func (a *Agent) Forget() {
	a.active, a.calling, a.began = nil, false, 0
	for _, l := range a.lanes {
		l.state, l.next, l.unanswered, l.raced = New, never, 0, false
	}
	a.hope(0)
}

// Heard tells that something authentic of the peer came by a way that is not the one in use. It may
// be where the peer is now: both ways are asked, and the new one takes over if it answers first.
func (a *Agent) Heard(now time.Duration, w Way) {
	l := a.find(w)
	if l == nil {
		l = a.seen(now, w)
	}
	l.shown = now
	if l == a.active {
		return
	}
	if w.Direct() && (a.calling || l.state == Probing) {
		a.proceed(now) // the other side's pings are here: nothing to wait for
	}
	if l.state == Valid && now-l.answered < othersEvery {
		return
	}
	l.raced = a.active != nil && a.active.Direct() == l.Direct()
	if l.state != Probing {
		l.attempt(now)
	}
	if l.raced {
		a.active.next = now
	}
}

// seen adds a way that only traffic has shown.
func (a *Agent) seen(now time.Duration, w Way) *lane {
	only := slices.DeleteFunc(slices.Clone(a.lanes), func(l *lane) bool {
		return l.from != 1<<fromTraffic || l == a.active
	})
	slices.SortStableFunc(only, func(x, y *lane) int { return cmp.Compare(y.shown, x.shown) })
	for i, l := range only {
		if i+1 >= maxSeen {
			l.from, l.state = 0, Idle
		}
	}
	kind := KindSeen
	if !w.Direct() {
		kind = KindRelay
	}
	l := &lane{Candidate: Candidate{w, kind}, from: 1 << fromTraffic, next: never, shown: now}
	a.lanes = append(a.lanes, l)
	a.prune(now)
	return l
}

// Pong tells that ping number n came back, by the way that it went.
func (a *Agent) Pong(now, rtt time.Duration, w Way, n uint32) {
	l := a.find(w)
	if l == nil {
		return
	}
	l.pong(now, rtt, n)
	a.proven(now, l)
}

// Strayed tells that ping number n reached the peer by a way, though its answer came by another. That
// proves no way, but one that was proven still leads to the peer.
func (a *Agent) Strayed(now time.Duration, w Way) {
	if l := a.find(w); l != nil && (l.state == Valid || l == a.active) {
		l.unanswered = 0
	}
}

// Proven tells that a handshake of ours was answered by the way that it went.
func (a *Agent) Proven(now time.Duration, w Way) {
	l := a.find(w)
	if l == nil {
		l = a.seen(now, w)
	}
	l.revive(now)
	l.unanswered, l.answered = 0, now
	if a.active != nil && a.active != l && a.active.unanswered > 0 {
		a.take(now, l)
	}
	a.proven(now, l)
}

// proven judges a way that answered just now.
func (a *Agent) proven(now time.Duration, l *lane) {
	if l.state != Valid {
		l.state, l.next = Valid, never
	}
	if l == a.active {
		for _, other := range a.lanes {
			other.raced = false
		}
		return
	}
	if a.active == nil || l.raced || a.prefers(now, l) {
		a.take(now, l)
	}
}

// take uses a way from now on.
func (a *Agent) take(now time.Duration, l *lane) {
	old := a.active
	if old != nil && (l.raced || old.unanswered >= suspectAfter) { // it has to show that it is one
		old.attempt(now)
		old.state = Probing
	}
	for _, other := range a.lanes {
		other.raced, other.hits = false, 0
	}
	if old != nil {
		old.left = old.Direct() && !l.Direct() && old.unanswered < suspectAfter
	}
	l.left = false
	a.active, a.since, a.heard = l, now, now
	l.unanswered, l.next = 0, never
	a.prune(now)
	switch {
	case l.Direct():
	case old == nil || old.Direct(): // now the peer can be called
		a.hope(now)
	default:
		a.hope(max(now, a.retry))
	}
}

// prefers reports whether a valid way is to be used instead of the active one.
func (a *Agent) prefers(now time.Duration, l *lane) bool {
	cur := a.active
	switch {
	case cur.unanswered >= suspectAfter:
		return true
	case l.Direct() && !cur.Direct():
		byRelay, _ := cur.loss(now)
		directly, _ := l.loss(now)
		return !l.lossy(now) || byRelay >= max(0.05, directly)
	case !l.Direct() && cur.Direct():
		return cur.lossy(now) && l.clean(now)
	}
	return a.beats(now, l, cur)
}

// beats reports whether a way has been so much better than one of its sort for so long that it is
// worth to change.
func (a *Agent) beats(now time.Duration, l, cur *lane) bool {
	better, needed, span := 0.85, hits, hitSpan
	if !l.Direct() { // they are seldom asked, and what relays do to others shows in both
		better, needed, span = 0.75, relayHits, relaySpan
	}
	if cur.Kind == KindLAN && cur.rtt < goodEnough && cur.rtt > 0 ||
		float64(l.cost(now)) >= better*float64(cur.cost(now))-float64(time.Millisecond) {
		l.hits = 0
		return false
	}
	if l.hits == 0 {
		l.hitSince = now
	}
	l.hits++
	return l.hits >= needed && now-l.hitSince >= span && now-a.since >= dwell
}

// Doubtful reports whether the way in use has left questions unanswered, and how many.
func (a *Agent) Doubtful() int {
	if a.active == nil {
		return 0
	}
	return a.active.unanswered
}

// Punching reports whether an attempt to find a better way is under way.
func (a *Agent) Punching() bool {
	return a.calling || slices.ContainsFunc(a.lanes, func(l *lane) bool {
		return l.state == Probing && l.Direct()
	})
}

// Refused tells that a relay does not pass on what is for the peer.
func (a *Agent) Refused(now time.Duration, w Way) {
	l := a.find(w)
	if l == nil {
		return
	}
	if l != a.active {
		l.state, l.next = Idle, never
		return
	}
	l.unanswered, l.asked = max(l.unanswered, suspectAfter), now // what came before says nothing more
	a.hope(max(now, a.retry))
}

// Ask has the way in use asked at once whether it is one.
func (a *Agent) Ask(now time.Duration) {
	if a.active != nil {
		a.active.next = now
	}
}
