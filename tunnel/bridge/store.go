package bridge

import "time"

// get reads the entry of k; the value is 0 if there is none.
func (s *Switch) get(k key) (e *slot, v value, seen time.Duration) {
	if e = s.table.Load().find(k); e == nil {
		return nil, 0, 0
	}
	v, seen = e.load()
	return e, v, seen
}

// put makes v the entry of k, in the place of old, which is 0 if there was none. The caller holds
// s.mu.
func (s *Switch) put(k key, old, v value, seen time.Duration) {
	s.count(old, -1)
	s.count(v, 1)
	e, ok := s.table.Load().claim(k)
	if !ok {
		s.rebuild()
		e, _ = s.table.Load().claim(k)
	}
	e.store(v, seen)
}

// remove takes the entry v out of e. The caller holds s.mu.
func (s *Switch) remove(e *slot, v value) {
	s.count(v, -1)
	e.val.Store(0)
}

// count keeps the numbers of entries.
func (s *Switch) count(v value, d int64) {
	if v == 0 {
		return
	}
	s.live.Add(d)
	if m := s.ports.Load().member(v.port()); m != nil && v.kind() == Learned {
		m.learned.Add(d)
	}
}

// rebuild replaces the table by one of the right size without removed entries. The caller holds
// s.mu. A refresh that reaches the old table after its slot was copied is lost; the address's
// next frame repeats it.
func (s *Switch) rebuild() {
	t := newTable(s.Len() + 1)
	for old := range s.table.Load().all() {
		e, _ := t.claim(key(old.key.Load()))
		e.store(old.load())
	}
	s.table.Store(t)
}

// shrink gives memory back when the table is much larger than what it holds.
func (s *Switch) shrink() {
	if !s.table.Load().sparse(s.Len()) {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.table.Load().sparse(s.Len()) {
		s.rebuild()
	}
}
