//go:build !race

// The race detector keeps a shadow of all memory, so there is nothing to measure with it.

package roster

import (
	"math"
	"runtime"
	"runtime/debug"
	"testing"
)

// TestMemoryPerMember holds the promise of 4 KB, with certificates by as many issuers as are kept and
// records as long as can be, after somebody looked at them all. By chance a map is larger than it would
// have to be, so the least of a few counts.
func TestMemoryPerMember(t *testing.T) {
	const n, limit = 500, 4 << 10
	keys, _ := people(n)
	admins := []Authority{theAdmin, secondAdmin, thirdAdmin, authorityFor(networkKey, keyFrom(9))}
	var items []Item
	for _, key := range keys {
		for _, a := range admins[:maxIssuers] {
			c := largestCertificate()
			c.Sign = signKeyOf(key)
			items = append(items, must(a.Certify(c)).Item())
		}
		items = append(items, must(largestRecord().Sign(theAnchor.ID(), key)).Item())
	}
	least := uint64(math.MaxUint64)
	for range 5 {
		least = min(least, memoryOf(t, items, n))
	}
	t.Logf("%d bytes for each member", least)
	if least > limit {
		t.Errorf("%d bytes for each of %d members, at most %d", least, n, limit)
	}
}

// memoryOf is what a roster of so many members takes for each.
func memoryOf(t *testing.T, items []Item, members int) uint64 {
	t.Helper()
	var before, after runtime.MemStats
	debug.FreeOSMemory()
	runtime.ReadMemStats(&before)
	r := newRoster()
	for _, it := range items {
		if _, err := r.Add(objectsAt, it); err != nil {
			t.Fatal(err)
		}
	}
	if count := len(r.Members()) + len(r.Summary()); count != members+85 {
		t.Errorf("%d members, want %d", count-85, members)
	}
	debug.FreeOSMemory()
	runtime.ReadMemStats(&after)
	runtime.KeepAlive(r)
	runtime.KeepAlive(items)
	return (after.HeapAlloc - before.HeapAlloc) / uint64(members)
}
