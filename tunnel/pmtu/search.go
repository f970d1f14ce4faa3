// Package pmtu finds the largest packet that a path carries, with probes that the other end
// answers.
//
// It is datagram packetization layer path MTU discovery (RFC 8899): no message from a router is
// needed or believed. Use a [Search] for every path that data takes. It is a pure state machine
// that does no I/O and reads no clock: `now` is the time since an origin that its owner chose, and
// only one goroutine may use it.
package pmtu

import (
	"math"
	"slices"
	"time"
)

// Never is the [Search.Deadline] of a search that has nothing to do.
const Never time.Duration = math.MaxInt64

// Sizes of whole IP packets, in bytes.
const (
	// base is what nearly every path carries: the least that IPv6 allows (RFC 8200, 5).
	base = 1280
	// floor4 is what every IPv4 host takes (RFC 791, 3.1) and what no link in use falls below.
	floor4 = 576
	// near is how close to the truth a search ends: fewer bytes are not worth another probe.
	near = 16
)

const (
	// maxTries is how many probes of a size are lost before it is taken to be too big (RFC 8899,
	// 5.1.2, MAX_PROBES).
	maxTries = 3
	// maxMisses is how many probes of the size in use are lost in a row before the path is taken to
	// be a black hole. With every fifth datagram lost either way a probe fails in 36 of 100 cases,
	// and three in a row would be an everyday event; eight are one in 3500.
	maxMisses = 8
	// perSecond bounds the probes sent in any second.
	perSecond = 4
)

const (
	// patience is how long to wait for the first answer; later waits depend on the round trip.
	patience, minPatience = 500 * time.Millisecond, 250 * time.Millisecond
	// rare is how often to ask when nothing has been answered for a long time, tired probes of it.
	rare, tired = 2 * time.Second, 12
	// confirmEvery is how often the size in use is asked again while there is traffic that needs
	// it, and missEvery how often when it was not answered. Two seconds, eight misses and a probe
	// that was out already make less than 5 s.
	confirmEvery, missEvery = 2 * time.Second, 300 * time.Millisecond
	// A settled search asks for more after raiseFirst, in case loss misled it, then ever more
	// rarely until it does so every raiseLast (RFC 8899, 5.1.1, PMTU_RAISE_TIMER).
	raiseFirst, raiseGrowth, raiseLast = 10 * time.Second, 4, 10 * time.Minute
)

// A phase says what a search is after.
type phase uint8

const (
	finding   phase = iota // any size that is answered at all: the path may be dead
	searching              // the largest size, and then an answer to it: a dead path fails them all
	settled                // nothing, until the time to raise or a black hole
)

// A failure is a size above the one in use and how many probes of it were lost.
type failure struct{ size, tries int }

// A Search finds and keeps the size for one path. [Search.Size] may fall in any call.
type Search struct {
	floor, base, ceiling int

	phase    phase
	low      int // in use: the largest size known to pass, or the floor
	failures []failure
	refused  int // the local system refuses this size and larger ones; 0 when it has not said so

	waiting     bool // for the answer to the last probe, until expiry
	expiry      time.Duration
	unanswered  int  // probes lost while finding
	floorPasses bool // the floor was answered while finding
	misses      int  // probes of the size in use lost in a row

	asked   time.Duration // a probe of the size in use went out last
	recheck time.Duration // to probe it again, as there was traffic since; or Never

	raiseAt, raiseAfter time.Duration
	roundTrip           time.Duration // the last; 0 when unknown

	sent history
}

// New makes a search for a path that leaves by a link whose MTU is ceiling bytes, over IPv6 or
// IPv4. A ceiling below the least size of the family (1280 or 576 bytes) counts as that.
func New(v6 bool, ceiling int) *Search {
	s := &Search{floor: floor4, base: base}
	if v6 {
		s.floor = base
	}
	s.Reset(0, ceiling)
	return s
}

// Size is how many bytes an IP packet with data may have now. It never is a size that was not
// answered, but for the floor: over IPv4 576 for the first round trip.
func (s *Search) Size() int { return s.low }

// Reset starts again because the path is another one, whose link has an MTU of ceiling bytes.
// Answers to earlier probes do not count.
func (s *Search) Reset(now time.Duration, ceiling int) {
	s.ceiling = max(ceiling, s.floor)
	s.base = min(base, s.ceiling)
	s.refused, s.roundTrip = 0, 0
	s.sent.forget()
	s.restart(now)
}

// SetCeiling tells the link's MTU, in bytes. A larger one than before is looked for at once.
func (s *Search) SetCeiling(now time.Duration, ceiling int) {
	old := s.ceiling
	s.ceiling = max(ceiling, s.floor)
	s.base = min(base, s.ceiling)
	s.low = min(s.low, s.ceiling)
	if s.ceiling > old {
		s.refused = 0
		s.raise()
	}
	s.dropFailures(func(size int) bool { return size > s.ceiling })
}

// TooBig says that the local system refused to send a packet of size bytes, data or probe: there is
// no answer to wait for.
func (s *Search) TooBig(now time.Duration, size int) {
	if size <= s.floor || s.refused != 0 && size >= s.refused {
		return
	}
	s.refused = size
	if size <= s.low {
		s.restart(now)
	}
	s.forbid()
	if s.sent.last().size >= size {
		s.waiting = false
	}
}

// Traffic says that data in packets of at least 1280 bytes went out since the last call. While that
// goes on, the size in use is confirmed every two seconds.
func (s *Search) Traffic(now time.Duration) {
	if s.recheck == Never {
		s.recheck = max(now, s.asked+confirmEvery)
	}
}

// Answered says that the answer to probe number has come, and reports whether Size changed. Late
// answers count as well; numbers that are not of this search do nothing.
func (s *Search) Answered(now time.Duration, number uint64) (changed bool) {
	p, ok := s.sent.take(number)
	if !ok || p.size > s.ceiling || s.refused != 0 && p.size >= s.refused {
		return false
	}
	s.roundTrip = now - p.at
	old := s.low
	if p.size >= s.low {
		s.low, s.misses, s.asked = p.size, 0, max(s.asked, p.at)
		s.dropFailures(func(size int) bool { return size <= s.low })
	}
	if last := s.sent.last(); number == s.sent.number || p.size >= s.low && last.size <= s.low {
		s.waiting = false // the outstanding probe is answered, or what it asks is
	}
	if s.low > old || s.phase == finding && s.found(p.size) {
		s.phase = searching // perhaps again, after a late answer: there may be more
	}
	if _, more := s.candidate(); s.phase == searching && p.size == s.low && !more {
		s.settle(now)
	}
	return s.low != old
}

// found reports whether the answer to a probe of size bytes, the floor or the base, ends the
// finding.
func (s *Search) found(size int) bool {
	if size >= s.base || s.baseFails() {
		return true
	}
	if !s.floorPasses {
		s.floorPasses = true
		s.clear() // the path may have been dead until now
	}
	return false
}

// settle ends the search until it is time to ask for more.
func (s *Search) settle(now time.Duration) {
	s.phase = settled
	s.raiseAt = now + s.raiseAfter
	s.raiseAfter = min(s.raiseAfter*raiseGrowth, raiseLast)
}

// raise searches upwards from the size in use.
func (s *Search) raise() {
	s.clear()
	if s.phase != finding {
		s.phase = searching
	}
}

// restart goes back to the floor, knowing nothing about the path but what the local system refuses.
func (s *Search) restart(now time.Duration) {
	s.phase, s.low = finding, s.floor
	s.waiting, s.unanswered, s.floorPasses, s.misses = false, 0, false, 0
	s.asked, s.recheck, s.raiseAfter = now, Never, raiseFirst
	s.clear()
}

// clear forgets all failures but what the local system refuses.
func (s *Search) clear() {
	s.failures = s.failures[:0]
	s.forbid()
}

// forbid notes what the local system refuses as if maxTries probes had been lost.
func (s *Search) forbid() {
	if s.refused == 0 || s.refused > s.ceiling {
		return
	}
	s.dropFailures(func(size int) bool { return size >= s.refused })
	s.failures = append(s.failures, failure{s.refused, maxTries})
}

func (s *Search) dropFailures(which func(size int) bool) {
	s.failures = slices.DeleteFunc(s.failures, func(f failure) bool { return which(f.size) })
}
