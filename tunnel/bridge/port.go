package bridge

import (
	"fmt"
	"slices"
	"sync/atomic"
	"time"
)

// A Port is a place where frames come from and go to, by a number its owner gave it. Numbers
// should be small and dense: they index arrays.
type Port uint32

// NoPort is no port. As the origin of a frame it means this program itself: such a frame may go
// everywhere.
const NoPort Port = 0

// A Group is a set of ports that reach each other without us. Frames never pass between two ports
// of the same group (split horizon), or they would arrive twice and circle.
type Group uint8

// The groups. Device ports do not reach each other by themselves, so frames pass between them.
const (
	Device Group = iota
	VTEP
	Mesh
	groups // the number of groups, not one of them
)

// ports is an immutable snapshot, indexed by [Port].
type ports []member

// A member is what the switch knows of a port. Counts live elsewhere, because members are read
// for every frame by every core.
type member struct {
	present bool
	floods  bool
	group   Group
	flood   []Port // where a frame from here is flooded
	learned *count
}

// A count has a cache line to itself.
type count struct {
	atomic.Int64
	_ [cacheLine - 8]byte
}

// member gives nil when p is not a port of the switch.
func (ps ports) member(p Port) *member {
	if int64(p) >= int64(len(ps)) || !ps[p].present {
		return nil
	}
	return &ps[p]
}

// verdict says whether a frame from one port may leave by another. A port that is not there
// (any more) sends nothing and gets nothing: [Switch.FloodPorts] is empty for it.
func (ps ports) verdict(from, to Port) Verdict {
	f, t := ps.member(from), ps.member(to)
	switch {
	case t == nil || (f == nil && from != NoPort):
		return Flood
	case from == to:
		return SamePort
	case f != nil && f.group == t.group && f.group != Device:
		return Horizon
	}
	return Unicast
}

// AddPort makes p a port of the switch, or changes its group and flood. With flood, frames for
// everybody and for unknown addresses go there; without, only those for addresses known to be
// behind it. It panics on [NoPort] and on a group that does not exist.
func (s *Switch) AddPort(p Port, g Group, flood bool) {
	if p == NoPort || g >= groups {
		panic(fmt.Sprintf("bridge: port %d of group %d cannot be added", p, g))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	ps := slices.Clone(*s.ports.Load())
	for len(ps) <= int(p) {
		ps = append(ps, member{})
	}
	m := &ps[p]
	if !m.present {
		m.learned = new(count)
	}
	m.present, m.group, m.floods = true, g, flood
	s.publish(ps)
}

// RemovePort removes p and every entry that points to it, static ones too, and gives the number
// of those. A number may be given to another port once RemovePort has returned.
func (s *Switch) RemovePort(p Port) (removed int) {
	s.mu.Lock()
	ps := slices.Clone(*s.ports.Load())
	if ps.member(p) == nil {
		s.mu.Unlock()
		return 0
	}
	ps[p] = member{}
	s.publish(ps)
	s.mu.Unlock()

	// Nothing can be learned on p any more, so one sweep finds everything.
	removed = s.sweep(func(_ key, v value, _ time.Duration) bool { return v.port() == p })
	s.totals.flushed.Add(uint64(removed))
	return removed
}

// publish computes where each port floods to and makes ps the current snapshot. The caller holds
// s.mu.
func (s *Switch) publish(ps ports) {
	var shared [groups][]Port // all ports of a group with a horizon flood to the same ports
	for p := range ps {
		m := &ps[p]
		switch {
		case !m.present && Port(p) != NoPort:
			m.flood = nil
		case !m.present || m.group == Device:
			m.flood = ps.reach(Port(p))
		default:
			if shared[m.group] == nil {
				shared[m.group] = ps.reach(Port(p))
			}
			m.flood = shared[m.group]
		}
	}
	s.ports.Store(&ps)
}

// reach lists the flooded ports that a frame from p may leave by, in ascending order.
func (ps ports) reach(p Port) []Port {
	to := []Port{}
	for q := range ps {
		if ps[q].floods && ps.verdict(p, Port(q)) == Unicast {
			to = append(to, Port(q))
		}
	}
	return to
}
