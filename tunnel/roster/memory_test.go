//go:build !race

// The race detector keeps a shadow of all memory, so there is nothing to measure with it.

package roster

import (
	"runtime"
	"runtime/debug"
	"testing"
)

// TestMemoryPerMember holds the promise of 4 KB, with certificates by as many issuers as are kept and
// records as long as can be, after somebody looked at them all.
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
	var before, after runtime.MemStats
	debug.FreeOSMemory()
	runtime.ReadMemStats(&before)
	r := newRoster()
	for _, it := range items {
		if _, err := r.Add(objectsAt, it); err != nil {
			t.Fatal(err)
		}
	}
	count := len(r.Members()) + len(r.Summary())
	debug.FreeOSMemory()
	runtime.ReadMemStats(&after)
	each := (after.HeapAlloc - before.HeapAlloc) / n
	t.Logf("%d bytes for each member", each)
	if count != n+85 || each > limit {
		t.Errorf("%d bytes for each of %d members, at most %d", each, count-85, limit)
	}
	runtime.KeepAlive(r)
	runtime.KeepAlive(items)
}
