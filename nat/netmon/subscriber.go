package netmon

import "sync"

// A subscriber is told of events on a goroutine of its own, so that nobody waits for it. Events
// that come while it is busy become one.
type subscriber struct {
	tell func(Event)
	wake chan struct{} // one token: there is something to tell

	mu      sync.Mutex
	pending Event
}

func newSubscriber(tell func(Event)) *subscriber {
	return &subscriber{tell: tell, wake: make(chan struct{}, 1)}
}

// put adds an event to what the subscriber has not been told yet.
func (s *subscriber) put(e Event) {
	s.mu.Lock()
	s.pending = Event{Kinds: s.pending.Kinds | e.Kinds, State: e.State}
	s.mu.Unlock()
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// take gives what is to be told.
func (s *subscriber) take() Event {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.pending
	s.pending = Event{}
	return e
}

// serve tells until one of the two is closed.
func (s *subscriber) serve(done, gone <-chan struct{}) {
	for {
		select {
		case <-done:
			return
		case <-gone:
			return
		case <-s.wake:
			if e := s.take(); e.Kinds != 0 {
				s.tell(e)
			}
		}
	}
}
