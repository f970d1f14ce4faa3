package session

import (
	"math"
	"time"
)

const (
	// rekeyAge is when the initiator of a session begins the next. The responder does so a little
	// later, should the initiator not get through.
	rekeyAge          = 120 * time.Second
	rekeyAgeResponder = 135 * time.Second
	// halfLife is when we begin to look whether a session is in use: an idle one is not renewed.
	halfLife = 60 * time.Second
	// idlePause is between two looks at an old session that was idle.
	idlePause = 5 * time.Second

	seriesAge = 90 * time.Second // after which a peer that never answered is called rarely, or not
	rarely    = 15 * time.Second
	urgency   = 5 * time.Second
	urgent    = time.Second

	// Never is a Deadline that does not come.
	Never = time.Duration(math.MaxInt64)
)

// spacings are between the first tries of a series; the last goes on.
var spacings = []time.Duration{time.Second, 2 * time.Second, 4 * time.Second, 5 * time.Second}

// A series is a row of tries to reach one peer, and what leads to the next row.
type series struct {
	keep    bool
	calling bool          // a series is on
	began   time.Duration // the series
	urged   time.Duration // until when it is urgent
	last    time.Duration // when the last try was
	next    time.Duration // when the next try is due
	tries   int

	// Of the current transport.
	look   time.Duration // when to look at it next
	looked bool          // whether it was looked at
	sent   uint64        // what it had sent then
}

// Keep says whether there is to be a session at all times: new keys come without traffic, and a
// peer that does not answer is called for ever.
func (p *Peer) Keep(on bool) { p.keep = on }

// Urge says that somebody wants to send and there is no session, or that the peer fell silent. A
// try is due at once, unless one was less than a second ago, and every second for the next 5 s.
func (p *Peer) Urge(now time.Duration) {
	if !p.calling || p.over(now) {
		p.start(now)
	}
	p.urged = now + urgency
	p.next = min(p.next, p.jitter(p.last, urgent))
}

// Due reports whether [Peer.Initiate] is to be called.
func (p *Peer) Due(now time.Duration) bool {
	switch {
	case p.calling && p.over(now):
		p.calling = false
		p.abandon()
		return p.Due(now)
	case p.calling:
		return now >= p.next
	case p.current == nil:
		return p.keep
	}
	return now >= p.look && p.worn(now)
}

// Deadline is when Due may next be true, [Never] when only a call of another method can change it.
// It may be in the past.
func (p *Peer) Deadline() time.Duration {
	switch {
	case p.calling:
		return p.next
	case p.current != nil:
		return p.look
	case p.keep:
		return 0
	}
	return Never
}

// Initiate makes a new message 1, or returns nil when that is too early or the peer was removed. The
// same bytes may be sent to several addresses of the peer.
func (p *Peer) Initiate(now time.Duration) []byte {
	if p.e.peers[p.key] != p {
		return nil
	}
	if !p.calling || p.over(now) {
		p.start(now)
	}
	if now < p.next {
		return nil
	}
	p.tries++
	p.last, p.next = now, p.jitter(now, p.spacing(now))
	p.challenged = false
	return p.begin(p.e.realmFor(p.tries), [macLen]byte{})
}

// start begins a series whose first try is due now.
func (p *Peer) start(now time.Duration) {
	p.calling, p.began, p.next, p.tries = true, now, now, 0
}

// over reports whether the series has gone on for long enough.
func (p *Peer) over(now time.Duration) bool {
	return !p.keep && now >= p.urged && now-p.began >= seriesAge
}

func (p *Peer) spacing(now time.Duration) time.Duration {
	switch {
	case now < p.urged:
		return urgent
	case now-p.began >= seriesAge:
		return rarely
	}
	return spacings[min(p.tries, len(spacings))-1]
}

// jitter is now + d, give or take a fifth, so that two nodes do not call each other in step.
func (p *Peer) jitter(now, d time.Duration) time.Duration {
	var b [1]byte
	fill(p.e.o.Rand, b[:])
	return now + d*4/5 + d*2/5*time.Duration(b[0])/math.MaxUint8
}

// settle ends the series: t is the current transport now.
func (p *Peer) settle(t *Transport) {
	p.calling, p.urged = false, 0
	p.look, p.looked = t.created+halfLife, false
}

// worn looks whether the current transport is old and in use.
func (p *Peer) worn(now time.Duration) bool {
	t, old := p.current, p.current.created+rekeyAge
	if !t.initiator {
		old = p.current.created + rekeyAgeResponder
	}
	sent := t.sent.Load()
	if !p.looked {
		p.looked, p.sent, p.look = true, sent, old
	}
	if now < old {
		return false
	}
	if p.keep || sent > p.sent {
		return true
	}
	p.look = now + idlePause
	return false
}
