// Package bridge is the learning switch of one segment: it remembers behind which port a MAC
// address was last heard and says where a frame goes next.
//
// Use one [Switch] per segment. It knows ports only as numbers, does no I/O and reads no clock:
// `now` is a monotonic duration since an origin of the owner's choosing, the same in every call.
//
// All methods may be called by any number of goroutines at once. [Switch.Lookup],
// [Switch.FloodPorts] and the refreshing [Switch.Learn] are meant for every frame: they take no
// lock and do not allocate, and the first two write no memory at all, so they scale over cores.
package bridge

import (
	"sync"
	"sync/atomic"
	"time"
)

// Options limit what a switch remembers. The zero value learns nothing and forgets nothing.
type Options struct {
	Ageing     time.Duration // an entry not heard for this long is unknown; 0 = never
	MaxEntries int           // of every kind, above which nothing is learned; 0 = no limit
	MaxPerPort int           // learned entries of one port; 0 = no limit
	Learn      bool          // remember the sources of received frames
}

// aged reports whether an entry last heard at seen has to be forgotten. The owner's loops read
// their clocks separately, so seen may lie a little ahead of now.
func (o *Options) aged(seen, now time.Duration) bool {
	return o.Ageing > 0 && now-seen >= o.Ageing
}

// A Switch is a forwarding database and the ports it points to. Make one with [New]; it must not
// be copied. It holds no resources: dropping it is enough.
type Switch struct {
	// Read for every frame, replaced rarely, and only by a holder of mu.
	table   atomic.Pointer[table]
	ports   atomic.Pointer[ports]
	options atomic.Pointer[Options]

	_ [cacheLine]byte // what follows is written while frames are looked up

	mu     sync.Mutex   // held to add, move or remove an entry or a port; not to refresh one
	live   atomic.Int64 // entries in the table; written under mu
	totals totals
}

// cacheLine keeps apart what different cores write; twice 64 because x86 fetches lines in pairs.
const cacheLine = 128

// New makes a switch without ports and entries.
func New(o Options) *Switch {
	s := new(Switch)
	s.options.Store(&o)
	s.table.Store(newTable(0))
	s.ports.Store(&ports{})
	return s
}

// Len is the number of entries of every kind. It includes those that have aged out and await the
// next [Switch.Expire], because they still occupy the table.
func (s *Switch) Len() int { return int(s.live.Load()) }

// PortLen is the number of learned entries that point to p, counted as [Switch.Len] does.
func (s *Switch) PortLen(p Port) int {
	m := s.ports.Load().member(p)
	if m == nil {
		return 0
	}
	return int(m.learned.Load())
}

// Stats are totals since the switch was made.
type Stats struct {
	Learned   uint64 // entries made from received frames
	Moved     uint64 // entries that changed their port
	Aged      uint64 // entries forgotten because their address was silent
	Flushed   uint64 // entries removed by Flush, RemovePort or a lowered limit
	TableFull uint64 // sources not learned because of MaxEntries
	PortFull  uint64 // sources not learned because of MaxPerPort
	Pinned    uint64 // frames whose source is static or local on another port
	Invalid   uint64 // frames whose source is a group address or zero
}

type totals struct {
	learned, moved, aged, flushed        atomic.Uint64
	tableFull, portFull, pinned, invalid atomic.Uint64
}

// Stats gives the totals; each is exact, together they are not one instant's.
func (s *Switch) Stats() Stats {
	t := &s.totals
	return Stats{
		Learned: t.learned.Load(), Moved: t.moved.Load(),
		Aged: t.aged.Load(), Flushed: t.flushed.Load(),
		TableFull: t.tableFull.Load(), PortFull: t.portFull.Load(),
		Pinned: t.pinned.Load(), Invalid: t.invalid.Load(),
	}
}
