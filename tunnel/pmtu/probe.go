package pmtu

import (
	"slices"
	"time"
)

// common are MTUs that paths really have, so that a search hits them exactly: PPPoE, tunnels in
// IPv4 and IPv6, mobile and satellite links, clouds, jumbo frames. Sorted.
var common = []int{
	576, 1006, 1200, 1280, 1300, 1320, 1340, 1350, 1360, 1380, 1400, 1420, 1428, 1440, 1452, 1454,
	1460, 1472, 1480, 1492, 1500, 1508, 1600, 2000, 4000, 4352, 8000, 8500, 8900, 8950, 9000, 9100,
}

// Deadline is when Next may have something to do, possibly a time that has passed, or [Never].
func (s *Search) Deadline() time.Duration {
	if s.waiting {
		return s.expiry
	}
	due := time.Duration(0)
	if s.phase == settled && s.misses == 0 {
		due = s.recheck
		if s.low < s.ceiling {
			due = min(due, s.raiseAt)
		}
	}
	return max(due, s.sent.next())
}

// Next tells whether a probe is to be sent now: an IP packet of size bytes, with this number in it.
// It also notices what was not answered in time.
func (s *Search) Next(now time.Duration) (size int, number uint64, ok bool) {
	if now < s.Deadline() {
		return 0, 0, false
	}
	if s.waiting {
		s.waiting = false
		s.lost(now, s.sent.last().size)
	}
	if s.phase == settled && s.low < s.ceiling && now >= s.raiseAt {
		s.refused = 0 // what the local system believes about the path runs out as well
		s.raise()
	}
	if now < s.Deadline() {
		return 0, 0, false
	}
	size = s.choose(now)
	if size == s.low {
		s.asked, s.recheck = now, Never
	}
	s.waiting, s.expiry = true, now+s.patience(size)
	return size, s.sent.add(now, size), true
}

// choose tells which size to probe, when there is something to probe for.
func (s *Search) choose(now time.Duration) int {
	switch {
	case s.phase == finding:
		if s.baseFails() || !s.floorPasses && s.unanswered%2 == 1 {
			return s.floor
		}
		return s.base
	case s.misses > 0 || now >= s.recheck:
		return s.low
	case s.phase == searching:
		if size, ok := s.candidate(); ok {
			return size
		}
	}
	return s.low
}

// candidate tells which size above the one in use to try: the ceiling first, as most paths are as
// wide as their first link; then between what passes and what was lost, once each, as a size that
// is too big costs time; and in the end what was lost until that cannot be chance.
func (s *Search) candidate() (size int, ok bool) {
	if s.low >= s.ceiling {
		return 0, false
	}
	if len(s.failures) == 0 {
		return s.ceiling, true
	}
	high := s.failures[0]
	if size, ok := between(s.low, high.size); ok {
		return size, true
	}
	return high.size, high.tries < maxTries
}

// between picks a size to try above low and below high.
func between(low, high int) (size int, ok bool) {
	first, found := slices.BinarySearch(common, low)
	if found {
		first++
	}
	end, _ := slices.BinarySearch(common, high)
	if first < end {
		return common[(first+end)/2], true
	}
	return (low + high) / 2, high-low > near
}

// baseFails reports whether the base is too big for the path, or even for the local system. Before
// the floor has passed only the latter can be known.
func (s *Search) baseFails() bool {
	if !s.floorPasses {
		return s.refused != 0 && s.refused <= s.base
	}
	return len(s.failures) > 0 && s.failures[0].size <= s.base && s.failures[0].tries >= maxTries
}

// patience is how long to wait for the answer to a probe of size bytes before the next probe goes
// out. Answers count even later.
func (s *Search) patience(size int) time.Duration {
	switch {
	case s.phase == finding && s.unanswered >= tired:
		return rare
	case s.phase != finding && size == s.low:
		return missEvery
	case s.roundTrip == 0:
		return patience
	}
	return min(max(3*s.roundTrip, minPatience), patience)
}

// lost draws conclusions from a probe that was not answered in time.
func (s *Search) lost(now time.Duration, size int) {
	switch {
	case size > s.low:
		s.fail(size)
	case size == s.low:
		s.misses++
	}
	switch {
	case s.phase == finding:
		s.unanswered++
	case s.misses >= maxMisses:
		s.restart(now)
	}
}

// fail counts a lost probe of a size, unless the link's MTU has fallen below that since.
func (s *Search) fail(size int) {
	if size > s.ceiling {
		return
	}
	i, ok := slices.BinarySearchFunc(s.failures, size, func(f failure, n int) int {
		return f.size - n
	})
	if !ok {
		s.failures = slices.Insert(s.failures, i, failure{size: size})
	}
	s.failures[i].tries++
}
