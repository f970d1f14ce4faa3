package bridge

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/vxmesh/vxmesh/tundev/ether"
)

// A Kind says where an entry comes from.
type Kind uint8

// The kinds.
const (
	Local   Kind = iota + 1 // an address of this machine; only its owner adds and deletes it
	Learned                 // heard in a received frame; ages and moves
	Static                  // set by a person or a file
)

// String is the kind's name in JSON.
func (k Kind) String() string {
	switch k {
	case Local:
		return "local"
	case Learned:
		return "learned"
	case Static:
		return "static"
	}
	return "invalid"
}

// An Entry says that frames of one VLAN for one address go to a port.
type Entry struct {
	VLAN  uint16 // 0-4094; 0 for untagged frames
	MAC   ether.MAC
	Port  Port
	Kind  Kind
	Age   time.Duration // since the address was last heard, to about 10 ms; 0 unless learned
	Moves uint32        // how often it changed its port
}

func newEntry(k key, v value, seen, now time.Duration) Entry {
	e := Entry{VLAN: k.vlan(), MAC: k.mac(), Port: v.port(), Kind: v.kind(), Moves: v.moves()}
	if e.Kind == Learned {
		e.Age = max(0, now-seen)
	}
	return e
}

// Add makes e, a static or local entry; Age and Moves are ignored. It replaces a learned or static
// entry for the same address, and a change of port counts as a move. No limit applies to it. A
// static entry may be for a group address; it may not take the place of a local one.
func (s *Switch) Add(e Entry) error {
	switch {
	case e.Kind != Static && e.Kind != Local:
		return fmt.Errorf("add %s: an entry is added as static or local, not %s", e.MAC, e.Kind)
	case e.MAC.IsZero():
		return fmt.Errorf("add %s: the zero address belongs to nobody", e.MAC)
	case e.VLAN > 4094:
		return fmt.Errorf("add %s: VLAN %d is not in 0-4094", e.MAC, e.VLAN)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ports.Load().member(e.Port) == nil {
		return fmt.Errorf("add %s: there is no port %d", e.MAC, e.Port)
	}
	k := newKey(e.VLAN, e.MAC)
	_, old, _ := s.get(k)
	if old.kind() == Local && e.Kind == Static {
		return fmt.Errorf("add %s: it is an address of this machine", e.MAC)
	}
	moves := old.moves()
	if old != 0 && old.port() != e.Port {
		moves++
		s.totals.moved.Add(1)
	}
	s.put(k, old, newValue(e.Port, e.Kind, moves), 0)
	return nil
}

// Get gives the entry for an address, false if it is unknown or has aged out.
func (s *Switch) Get(vlan uint16, mac ether.MAC, now time.Duration) (Entry, bool) {
	k := newKey(vlan, mac)
	_, v, seen := s.get(k)
	if !v.valid(s.options.Load(), seen, now) {
		return Entry{}, false
	}
	return newEntry(k, v, seen, now), true
}

// Entries lists all entries that have not aged out, by VLAN and then MAC. It does not hold up
// anybody; what changes meanwhile may or may not be seen.
func (s *Switch) Entries(now time.Duration) []Entry {
	o := s.options.Load()
	list := make([]Entry, 0, s.Len())
	for e := range s.table.Load().all() {
		if v, seen := e.load(); v.valid(o, seen, now) {
			list = append(list, newEntry(key(e.key.Load()), v, seen, now))
		}
	}
	slices.SortFunc(list, func(a, b Entry) int {
		return cmp.Compare(newKey(a.VLAN, a.MAC), newKey(b.VLAN, b.MAC))
	})
	return list
}
