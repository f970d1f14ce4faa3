package mirror

import (
	"time"

	"github.com/vxmesh/vxmesh/tunnel/control"
)

// SetFDB takes in the whole of the FDB as it was at a time.
func (m *Mirror) SetFDB(f control.FDB, at time.Time) {
	m.Generation++
	m.FDB = make(map[Address]*Entry, len(f.Entries))
	for _, e := range f.Entries {
		m.putEntry(e, at)
	}
	m.FDBKnown, m.FDBStale = true, false
	m.FDBGeneration++
}

func (m *Mirror) putEntry(e control.FDBEntry, at time.Time) {
	seen := at.Add(-time.Duration(e.AgeSeconds * float64(time.Second)))
	m.FDB[Address{e.VNI, e.VLAN, e.MAC}] = &Entry{e, seen}
}

// applyFDB takes in what happened to one entry. What aged or was flushed is told by number alone.
func (m *Mirror) applyFDB(e control.Event) {
	m.FDBGeneration++
	switch e.Type {
	case control.EventFDBLearned, control.EventFDBAdded, control.EventFDBMoved:
		entry := *e.Entry
		entry.VNI = e.VNI
		if e.Type == control.EventFDBMoved {
			m.addMove(e, entry)
		}
		m.putEntry(entry, e.Time)
	case control.EventFDBDeleted:
		delete(m.FDB, Address{e.VNI, e.Entry.VLAN, e.Entry.MAC})
	case control.EventFDBAged, control.EventFDBFlushed:
		m.FDBStale = true
	}
}

func (m *Mirror) addMove(e control.Event, entry control.FDBEntry) {
	move := Move{Time: e.Time, Address: Address{e.VNI, entry.VLAN, entry.MAC}, To: entry.Port.Name}
	if e.From != nil {
		move.From = e.From.Name
	} else if old := m.FDB[move.Address]; old != nil {
		move.From = old.Port.Name
	}
	m.Moves = append(m.Moves[max(0, len(m.Moves)-movesKept+1):], move)
}

// MovesOf counts how often an address has moved within the time before now.
func (m *Mirror) MovesOf(a Address, within time.Duration) (n int) {
	for _, move := range m.Moves {
		if move.Address == a && m.Now.Sub(move.Time) <= within {
			n++
		}
	}
	return n
}
