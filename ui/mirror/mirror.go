package mirror

import (
	"cmp"
	"slices"
	"time"

	"github.com/vxmesh/vxmesh/tundev/ether"
	"github.com/vxmesh/vxmesh/tunnel/control"
)

// The bounds of what is remembered; a node keeps no more of it either.
const (
	seconds   = 600 // of one second each: 10 minutes
	decades   = 360 // of ten seconds each: an hour
	peerSteps = 120 // of five seconds each: 10 minutes
	logKept   = 2048
	movesKept = 256
	cpuKept   = 120

	peerStep = 5 * time.Second
)

// A Mirror is a network as the events tell it. Its fields are read by whoever draws it and changed by
// [Mirror.Apply] alone. Make one with [New].
type Mirror struct {
	Known    bool      // a snapshot has come
	Now      time.Time // of the last event
	Status   control.Status
	StatusAt time.Time // when Status was true
	Stats    control.Stats

	Peers []*Peer // by name
	Log   []control.LogRecord
	Moves []Move // of the last minutes, oldest first

	FDB      map[Address]*Entry
	FDBKnown bool // a snapshot of it has come
	FDBStale bool // entries went that no event names: ask for the whole again

	FDBGeneration uint64 // grows with every change of FDB and of Moves

	Traffic Traffic   // of all peers and VTEPs
	Rates   Rates     // the last second
	CPUPast []float64 // as Rates has it, the last minutes, oldest first

	Members    int    // how often the set of members has changed
	Joined     string // the last that did
	Generation uint64 // grows with every change that can be seen

	was      counters
	peersAt  time.Time // of the last event of all peers
	segments map[uint32]SegmentRates
	segWas   map[uint32]control.SegmentStats
	dropsAt  []dropSample
}

// An Address is what an FDB entry is for.
type Address struct {
	VNI  uint32
	VLAN uint16
	MAC  ether.MAC
}

// An Entry is one entry of the FDB, and when the last frame came from it as far as is known.
type Entry struct {
	control.FDBEntry
	Seen time.Time
}

// A Move is an address that came to be behind another port.
type Move struct {
	Time time.Time
	Address
	From, To string
}

// New gives a mirror that knows nothing yet.
func New() *Mirror {
	return &Mirror{FDB: make(map[Address]*Entry)}
}

// Apply takes in one event. One that lacks what its type promises, as in a recording that somebody has
// edited, or whose type is not known, tells nothing.
func (m *Mirror) Apply(e control.Event) {
	if !whole(e) {
		return
	}
	m.Generation++
	if e.Time.After(m.Now) {
		m.Now = e.Time
	}
	switch e.Type {
	case control.EventSnapshot:
		m.snapshot(e)
	case control.EventStatus:
		m.setStatus(*e.Status)
	case control.EventPeers:
		m.setPeers(e.Peers.Peers, true)
	case control.EventPeerState, control.EventPeerMTU:
		m.setPeer(*e.Peer)
	case control.EventStats:
		m.setStats(*e.Stats)
		m.countPeers(e.Stats.Peers)
	case control.EventLog:
		m.addLog(*e.Record)
	case control.EventDeviceState:
		m.setDevice(e.VNI, *e.Device)
	case control.EventWarning:
		m.addWarning(*e.Warning)
	case control.EventMember:
		m.Members++
		if e.Reason == "joined" {
			m.Joined = e.Name
		}
	default:
		m.applyFDB(e)
	}
}

// whole reports whether an event has what its type promises.
func whole(e control.Event) bool {
	switch e.Type {
	case control.EventStatus:
		return e.Status != nil
	case control.EventPeers:
		return e.Peers != nil
	case control.EventPeerState, control.EventPeerMTU:
		return e.Peer != nil
	case control.EventStats:
		return e.Stats != nil
	case control.EventLog:
		return e.Record != nil
	case control.EventDeviceState:
		return e.Device != nil
	case control.EventWarning:
		return e.Warning != nil
	case control.EventFDBLearned, control.EventFDBAdded, control.EventFDBMoved, control.EventFDBDeleted:
		return e.Entry != nil
	case control.EventSnapshot, control.EventMember, control.EventFDBAged, control.EventFDBFlushed:
		return true
	}
	return false
}

func (m *Mirror) snapshot(e control.Event) {
	m.Known = true
	if e.Status != nil {
		m.setStatus(*e.Status)
	}
	if e.FDB != nil {
		m.SetFDB(*e.FDB, e.Time)
	}
	if e.History != nil {
		m.setHistory(*e.History)
		m.peersAt = m.Now // its peers are as good as an event of them
	}
	if e.Stats != nil {
		m.was = counters{}
		m.setStats(*e.Stats)
	}
	if len(e.Log) > 0 {
		m.Log = nil
		for _, r := range e.Log {
			m.addLog(r)
		}
	}
}

func (m *Mirror) setStatus(s control.Status) {
	m.Status, m.StatusAt = s, m.Now
	m.setPeers(s.Peers, false)
}

// setPeers takes in all peers there are. A measurement makes rates of their counters.
func (m *Mirror) setPeers(list []control.Peer, measured bool) {
	here := make(map[string]bool, len(list))
	for _, p := range list {
		here[p.Name] = true
		known := m.setPeer(p)
		if measured {
			known.measure(m.Now, true)
		}
	}
	if measured {
		m.peersAt = m.Now
	}
	m.Peers = slices.DeleteFunc(m.Peers, func(p *Peer) bool { return !here[p.Name] })
}

func (m *Mirror) setPeer(p control.Peer) *Peer {
	i, found := slices.BinarySearchFunc(m.Peers, p.Name, func(p *Peer, name string) int {
		return cmp.Compare(p.Name, name)
	})
	if !found {
		m.Peers = slices.Insert(m.Peers, i, newPeer())
	}
	known := m.Peers[i]
	known.set(p, m.Now)
	return known
}

// Peer finds one by its name; nil if there is none.
func (m *Mirror) Peer(name string) *Peer {
	for _, p := range m.Peers {
		if p.Name == name {
			return p
		}
	}
	return nil
}

func (m *Mirror) setDevice(vni uint32, d control.Device) {
	for i := range m.Status.Segments {
		if m.Status.Segments[i].VNI == vni {
			m.Status.Segments[i].Device = d
		}
	}
}

// addWarning takes in a warning until the next status says whether it still holds.
func (m *Mirror) addWarning(w control.Warning) {
	if !slices.Contains(m.Status.Warnings, w) {
		m.Status.Warnings = append(slices.Clip(m.Status.Warnings), w)
	}
}

func (m *Mirror) addLog(r control.LogRecord) {
	m.Log = append(m.Log, r)
	if len(m.Log) >= 2*logKept {
		m.Log = slices.Clone(m.Log[logKept:])
	}
}

// LastLog gives the records that are kept, oldest first.
func (m *Mirror) LastLog() []control.LogRecord {
	return m.Log[max(0, len(m.Log)-logKept):]
}
