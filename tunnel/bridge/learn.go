package bridge

import (
	"time"

	"github.com/vxmesh/vxmesh/tundev/ether"
)

// An Outcome says what became of the source of a received frame.
type Outcome uint8

// The outcomes. With Pinned and Invalid the frame is to be dropped; otherwise it goes on, learned
// or not.
const (
	Refreshed Outcome = iota // it was known to be there
	Added                    // it is now known
	Moved                    // it was known to be elsewhere
	TableFull                // not learned: the table holds MaxEntries
	PortFull                 // not learned: the port holds MaxPerPort
	Pinned                   // it is static or local on another port: somebody else uses its address
	Invalid                  // a group address or zero cannot be a source
	Off                      // not learned: learning is off, or the port is not there any more
)

// Learn notes that src sent a frame that came in on p. With [Moved], was is the port where src was
// known to be before.
//
// It may be called concurrently with everything and does not allocate, except where the table
// grows. For a source that is known on p, and one that is refused, it takes no lock.
func (s *Switch) Learn(p Port, vlan uint16, src ether.MAC, now time.Duration) (o Outcome, was Port) {
	if src.IsMulticast() || src.IsZero() {
		s.totals.invalid.Add(1)
		return Invalid, NoPort
	}
	k, opt := newKey(vlan, src), s.options.Load()
	e, v, seen := s.get(k)
	switch {
	case v != 0 && v.pinned():
		return s.meetPinned(p, v), NoPort
	case !opt.Learn:
		return Off, NoPort
	case v.port() == p && v.valid(opt, seen, now):
		e.refresh(seen, now)
		return Refreshed, NoPort
	case v == 0:
		if r := s.refusal(p, opt); r != Added {
			return r, NoPort
		}
	}
	return s.learnSlowly(p, k, now)
}

// meetPinned is the outcome for a source whose entry is pinned.
func (s *Switch) meetPinned(p Port, v value) Outcome {
	if v.port() == p {
		return Refreshed
	}
	s.totals.pinned.Add(1)
	return Pinned
}

// refusal says, and counts, why p can have no new entry; Added if it can. A storm of sources ends
// here, before the lock.
func (s *Switch) refusal(p Port, o *Options) Outcome {
	m := s.ports.Load().member(p)
	switch {
	case m == nil:
		return Off
	case o.MaxEntries > 0 && s.Len() >= o.MaxEntries:
		s.totals.tableFull.Add(1)
		return TableFull
	}
	return s.portRefusal(m, o)
}

func (s *Switch) portRefusal(m *member, o *Options) Outcome {
	if o.MaxPerPort > 0 && m.learned.Load() >= int64(o.MaxPerPort) {
		s.totals.portFull.Add(1)
		return PortFull
	}
	return Added
}

// learnSlowly makes or moves the entry of k. All is looked at again, for it may have changed
// before the lock was ours.
func (s *Switch) learnSlowly(p Port, k key, now time.Duration) (Outcome, Port) {
	s.mu.Lock()
	defer s.mu.Unlock()
	o, m := s.options.Load(), s.ports.Load().member(p)
	e, v, seen := s.get(k)
	if v != 0 && !v.valid(o, seen, now) {
		s.remove(e, v)
		s.totals.aged.Add(1)
		v = 0
	}
	switch {
	case m == nil || !o.Learn:
		return Off, NoPort
	case v == 0:
		if r := s.refusal(p, o); r != Added {
			return r, NoPort
		}
		s.put(k, 0, newValue(p, Learned, 0), now)
		s.totals.learned.Add(1)
		return Added, NoPort
	case v.pinned():
		return s.meetPinned(p, v), NoPort
	case v.port() == p:
		e.refresh(seen, now)
		return Refreshed, NoPort
	}
	if r := s.portRefusal(m, o); r != Added {
		return r, NoPort
	}
	s.put(k, v, newValue(p, Learned, v.moves()+1), now)
	s.totals.moved.Add(1)
	return Moved, v.port()
}

// SetOptions replaces the options, at once and for all entries. Where a limit became lower than
// what is learned, the entries heard longest ago are removed; static and local ones stay.
func (s *Switch) SetOptions(o Options) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.options.Store(&o)
	s.trim(&o)
}
