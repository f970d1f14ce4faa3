//go:build !race

// The race detector keeps a shadow of all memory, so there is nothing to measure with it.

package bridge

import (
	"runtime"
	"runtime/debug"
	"testing"
)

// TestMillionEntriesInMemory holds the promise of 200 MB, also while the table grows and while
// all of its entries are replaced.
func TestMillionEntriesInMemory(t *testing.T) {
	const n, limit = 1_000_000, 200 << 20
	var before, peak, after runtime.MemStats
	debug.FreeOSMemory()
	runtime.ReadMemStats(&before)
	s := filled(n)
	for i := range n {
		s.Delete(0, scaleMAC(uint64(i)))
		s.Learn(Port(1+i%4), 0, scaleMAC(uint64(n+i)), 0)
	}
	runtime.ReadMemStats(&peak)
	runtime.GC()
	runtime.ReadMemStats(&after)
	heap, sys := after.HeapAlloc-before.HeapAlloc, peak.HeapSys-before.HeapSys
	t.Logf("%d entries: heap %d MB, obtained from the system at most %d MB",
		s.Len(), heap>>20, sys>>20)
	if s.Len() != n || heap > limit || peak.HeapSys > before.HeapSys+limit {
		t.Errorf("%d entries use %d MB, at most %d MB", s.Len(), heap>>20, sys>>20)
	}
}
