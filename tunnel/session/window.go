package session

import (
	"sync"
	"sync/atomic"
)

const (
	// windowSize is how far a counter may lie behind the highest one seen: what a path reorders
	// when several queues and cores share a super-frame's datagrams.
	windowSize = 8192
	// ringWords holds twice the window, so that a word is cleared long before it is in the window.
	ringWords = 2 * windowSize / 64
)

// A window remembers which counters were taken (RFC 6479). Any number of goroutines may use it.
type window struct {
	next  atomic.Uint64 // one above the highest counter taken; written under mu
	taken atomic.Uint64

	mu   sync.Mutex
	ring [ringWords]uint64 // bit c%64 of word c/64, modulo the length
}

// fresh reports whether the counter was not taken and is not too old to tell.
func (w *window) fresh(counter uint64) bool {
	if w.ahead(counter) {
		return true
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	return !w.seen(counter)
}

// ahead reports whether the counter is above all that were taken, and so are those that follow it.
func (w *window) ahead(counter uint64) bool { return counter >= w.next.Load() }

// take marks n consecutive counters, up to the first that was taken before or is too old, and tells how many.
func (w *window) take(counter uint64, n int) (taken int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for taken < n && w.mark(counter+uint64(taken)) {
		taken++
	}
	w.taken.Add(uint64(taken))
	return taken
}

// mark is take for one counter; the caller holds mu.
func (w *window) mark(counter uint64) bool {
	next := w.next.Load()
	if counter >= next {
		w.clear(next, counter)
		w.next.Store(counter + 1)
	} else if w.seen(counter) {
		return false
	}
	w.ring[counter/64%ringWords] |= 1 << (counter % 64)
	return true
}

// seen is for counters below next.
func (w *window) seen(counter uint64) bool {
	if w.next.Load()-counter > windowSize {
		return true
	}
	return w.ring[counter/64%ringWords]&(1<<(counter%64)) != 0
}

// clear empties the words that the window moves into when counter becomes the highest. The word
// that holds the highest so far stays.
func (w *window) clear(next, counter uint64) {
	first := (next + 63) / 64
	last := min(counter/64, first+ringWords)
	for word := first; word <= last; word++ {
		w.ring[word%ringWords] = 0
	}
}
