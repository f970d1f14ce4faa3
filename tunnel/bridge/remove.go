package bridge

import (
	"time"

	"github.com/vxmesh/vxmesh/tundev/ether"
)

// Delete removes one entry of any kind; false if there is none.
func (s *Switch) Delete(vlan uint16, mac ether.MAC) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	e, v, _ := s.get(newKey(vlan, mac))
	if v == 0 {
		return false
	}
	s.remove(e, v)
	return true
}

// A Filter selects entries; every field that is not zero narrows it. The zero Filter selects all
// learned entries.
type Filter struct {
	Port   Port
	VLAN   *uint16
	MAC    ether.MAC
	Static bool // static entries as well as learned ones; local ones are never selected
}

func (f *Filter) match(k key, v value) bool {
	return (f.Port == NoPort || f.Port == v.port()) &&
		(f.VLAN == nil || *f.VLAN == k.vlan()) &&
		(f.MAC.IsZero() || f.MAC == k.mac()) &&
		(v.kind() == Learned || (f.Static && v.kind() == Static))
}

// Flush removes the entries that f selects and gives their number.
func (s *Switch) Flush(f Filter) int {
	n := s.sweep(func(k key, v value, _ time.Duration) bool { return f.match(k, v) })
	s.totals.flushed.Add(uint64(n))
	return n
}

// Expire removes the entries that have aged out and gives their number. Calling it once a second
// keeps the table small; what [Switch.Lookup] answers does not depend on it.
func (s *Switch) Expire(now time.Duration) int {
	n := s.sweep(func(_ key, v value, seen time.Duration) bool {
		return !v.valid(s.options.Load(), seen, now)
	})
	s.totals.aged.Add(uint64(n))
	return n
}

// sweepBatch entries are removed at a time, so that a sweep of a million never holds the lock for
// long; it is not held while the table is scanned.
const sweepBatch = 256

// A predicate selects entries for a sweep; it is asked twice for those it selects.
type predicate func(k key, v value, seen time.Duration) bool

// sweep removes the entries that match and gives their number. What was there when it began is
// found; what comes meanwhile may be.
func (s *Switch) sweep(match predicate) (removed int) {
	for done := false; !done; {
		var n int
		n, done = s.sweepTable(s.table.Load(), match)
		removed += n
	}
	s.shrink()
	return removed
}

// sweepTable is false when t was rebuilt before all that matches could be removed.
func (s *Switch) sweepTable(t *table, match predicate) (removed int, done bool) {
	batch := make([]*slot, 0, sweepBatch)
	for e := range t.all() {
		if v, seen := e.load(); match(key(e.key.Load()), v, seen) {
			batch = append(batch, e)
		}
		if len(batch) == sweepBatch {
			n, ok := s.removeBatch(t, batch, match)
			if removed += n; !ok {
				return removed, false
			}
			batch = batch[:0]
		}
	}
	n, ok := s.removeBatch(t, batch, match)
	return removed + n, ok
}

// removeBatch removes those slots of t that still match; it does nothing if t is not current.
func (s *Switch) removeBatch(t *table, batch []*slot, match predicate) (removed int, ok bool) {
	if len(batch) == 0 {
		return 0, true
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.table.Load() != t {
		return 0, false
	}
	for _, e := range batch {
		if v, seen := e.load(); v != 0 && match(key(e.key.Load()), v, seen) {
			s.remove(e, v)
			removed++
		}
	}
	return removed, true
}
