package bridge

import (
	"cmp"
	"slices"
	"time"
)

// A victim is a learned entry that a lowered limit may remove.
type victim struct {
	e    *slot
	v    value
	seen time.Duration
}

// trim removes what o leaves no room for, the entries heard longest ago first: of each port that
// holds too many, then of all. The caller holds s.mu.
func (s *Switch) trim(o *Options) {
	ps := *s.ports.Load()
	crowded := func(m *member) bool {
		return m != nil && m.present && o.MaxPerPort > 0 && m.learned.Load() > int64(o.MaxPerPort)
	}
	full := func() bool { return o.MaxEntries > 0 && s.Len() > o.MaxEntries }
	if !full() && !slices.ContainsFunc(ps, func(m member) bool { return crowded(&m) }) {
		return
	}
	var rest []victim
	for _, c := range s.learnedByAge() {
		if crowded(ps.member(c.v.port())) {
			s.evict(c)
		} else {
			rest = append(rest, c)
		}
	}
	for ; full() && len(rest) > 0; rest = rest[1:] {
		s.evict(rest[0])
	}
}

// learnedByAge lists the learned entries, the one heard longest ago first.
func (s *Switch) learnedByAge() (learned []victim) {
	for e := range s.table.Load().all() {
		if v, seen := e.load(); v.kind() == Learned {
			learned = append(learned, victim{e, v, seen})
		}
	}
	slices.SortFunc(learned, func(a, b victim) int { return cmp.Compare(a.seen, b.seen) })
	return learned
}

func (s *Switch) evict(c victim) {
	s.remove(c.e, c.v)
	s.totals.flushed.Add(1)
}
