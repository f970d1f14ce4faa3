package control

import "sync"

// followBuffer is how far a subscriber may fall behind before it is cut off. It holds the burst of
// a full default FDB being learned at once; an event is a few hundred bytes.
const followBuffer = 4096

// A fanout hands every value to all its subscribers and waits for none. The zero value is ready.
// The caller brings the lock, because it has state of its own to keep in step with.
type fanout[T any] struct {
	subs map[chan T]func(T) bool // which values a subscriber wants; nil: all
}

func (f *fanout[T]) subscribe(wants func(T) bool) chan T {
	if f.subs == nil {
		f.subs = make(map[chan T]func(T) bool)
	}
	ch := make(chan T, followBuffer)
	f.subs[ch] = wants
	return ch
}

// send closes the channel of a subscriber that has no room: it would have a gap it cannot see.
func (f *fanout[T]) send(v T) {
	for ch, wants := range f.subs {
		if wants != nil && !wants(v) {
			continue
		}
		select {
		case ch <- v:
		default:
			f.cancel(ch)
		}
	}
}

func (f *fanout[T]) cancel(ch chan T) {
	if _, ok := f.subs[ch]; ok {
		delete(f.subs, ch)
		close(ch)
	}
}

// A Hub carries events from the engine to everyone who follows them. The zero value is ready; it
// must not be copied. All methods may be called concurrently and never block for long.
type Hub struct {
	mu  sync.Mutex
	out fanout[Event]
}

// Publish hands e to every subscriber. It never waits: one that has fallen behind too far is cut
// off instead. The engine sets Time, Type and the fields that go with the type.
func (h *Hub) Publish(e Event) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.out.send(e)
}

// Subscribe gives a channel of all events published from now on, and the function that ends it,
// which may be called more than once. A channel that is closed before means: cut off.
func (h *Hub) Subscribe() (<-chan Event, func()) { return h.subscribe(nil) }

// subscribe is [Hub.Subscribe] to those events that wants is true of.
func (h *Hub) subscribe(wants func(Event) bool) (<-chan Event, func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	ch := h.out.subscribe(wants)
	return ch, func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		h.out.cancel(ch)
	}
}

// Followed reports whether anybody is subscribed, so that the engine can spare itself the work of
// describing what nobody hears.
func (h *Hub) Followed() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.out.subs) > 0
}
