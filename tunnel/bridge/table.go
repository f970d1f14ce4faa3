package bridge

import (
	"hash/maphash"
	"iter"
	"math/bits"
	"sync/atomic"
	"time"

	"github.com/vxmesh/vxmesh/tundev/ether"
)

// A key is a VLAN and a MAC in one word: bit 63 set, VLAN in 48-59, MAC below. No key is 0, which
// marks a free slot.
type key uint64

func newKey(vlan uint16, mac ether.MAC) key {
	return 1<<63 | key(vlan&0x0fff)<<48 | key(mac.Uint64())
}

func (k key) vlan() uint16   { return uint16(k>>48) & 0x0fff }
func (k key) mac() ether.MAC { return ether.MACFromUint64(uint64(k)) }

// A value is everything that has to change together in one word: port in 32-63, kind in 30-31,
// moves below. 0 marks a slot whose entry was removed; no entry has it, because no port is 0.
type value uint64

const maxMoves = 1<<30 - 1

func newValue(p Port, k Kind, moves uint32) value {
	return value(p)<<32 | value(k)<<30 | value(min(moves, maxMoves))
}

func (v value) port() Port    { return Port(v >> 32) }
func (v value) kind() Kind    { return Kind(v >> 30 & 3) }
func (v value) moves() uint32 { return uint32(v) & maxMoves }

// pinned reports whether v neither ages nor moves by learning.
func (v value) pinned() bool { return v.kind() != Learned }

// valid reports whether v is an entry that has not aged out.
func (v value) valid(o *Options, seen, now time.Duration) bool {
	return v != 0 && (v.pinned() || !o.aged(seen, now))
}

// A slot holds one entry. Its key is set once and stays, so a reader that has found its key can
// only ever read that key's port, however many writers there are meanwhile.
type slot struct {
	key  atomic.Uint64
	val  atomic.Uint64
	seen atomic.Int64 // when the address was last heard; means nothing for a pinned entry
}

// load reads seen before the value and store writes it after: a reader that races with a move may
// pair the new port with the old time and take the entry for unknown, but never pairs the old
// port with the new time, which would bring a stale entry back to life.
func (s *slot) load() (value, time.Duration) {
	seen := s.seen.Load()
	return value(s.val.Load()), time.Duration(seen)
}

func (s *slot) store(v value, seen time.Duration) {
	s.val.Store(uint64(v))
	s.seen.Store(int64(seen))
}

// refreshEvery is how much later an address must be heard for that to be written down. Below it
// a busy source would have its cache line written for every frame and gain nothing.
const refreshEvery = 10 * time.Millisecond

// refresh notes that the entry was heard at now.
func (s *slot) refresh(seen, now time.Duration) {
	if now-seen >= refreshEvery {
		s.seen.Store(int64(now))
	}
}

// A table is an open-addressing hash table with linear probing. Readers need no lock; writers
// hold Switch.mu. At most 5/8 of the slots have a key, so that a search ends soon: after 4 slots
// on average. The seed is secret and new in every table: nobody can choose addresses that collide.
type table struct {
	seed  maphash.Seed
	slots []slot
	used  int // slots with a key, removed entries too
}

const minSlots = 256

// newTable makes a table that is at most half full with n entries, so that it does not need to be
// rebuilt again at once.
func newTable(n int) *table {
	size := max(minSlots, 1<<bits.Len(uint(2*n)))
	return &table{seed: maphash.MakeSeed(), slots: make([]slot, size)}
}

// home is where a search for k begins, modulo the number of slots.
func (t *table) home(k key) uint64 { return maphash.Comparable(t.seed, k) }

// search gives the slot that holds k, or the free slot where k would go.
func (t *table) search(k key) (s *slot, found bool) {
	mask := uint64(len(t.slots) - 1)
	for i := t.home(k); ; i++ {
		s = &t.slots[i&mask]
		switch s.key.Load() {
		case uint64(k):
			return s, true
		case 0:
			return s, false
		}
	}
}

// find gives the slot that holds k, nil if there is none. Its entry may have been removed.
func (t *table) find(k key) *slot {
	if s, ok := t.search(k); ok {
		return s
	}
	return nil
}

// claim gives the slot for k, making one if necessary; false if the table is too full for that.
func (t *table) claim(k key) (*slot, bool) {
	s, found := t.search(k)
	if found {
		return s, true
	}
	if t.used >= len(t.slots)/8*5 {
		return nil, false
	}
	t.used++
	s.key.Store(uint64(k))
	return s, true
}

// all yields the slots that hold an entry.
func (t *table) all() iter.Seq[*slot] {
	return func(yield func(*slot) bool) {
		for i := range t.slots {
			if e := &t.slots[i]; e.val.Load() != 0 && !yield(e) {
				return
			}
		}
	}
}

// sparse reports whether a table for n entries would be much smaller, as after a storm of sources.
func (t *table) sparse(n int) bool { return len(t.slots) > max(minSlots, 16*n) }
