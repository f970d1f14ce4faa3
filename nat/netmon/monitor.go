package netmon

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"
)

const (
	lookEvery  = 30 * time.Second       // where the system says when something changes
	blindEvery = 10 * time.Second       // where it does not
	debounce   = 250 * time.Millisecond // how long what belongs together may take to happen
	clockEvery = 2 * time.Second        // between two looks at the clocks
)

// Options are what a [Monitor] works with. The zero value is of use.
type Options struct {
	Log *slog.Logger // nil: nowhere

	// PollEvery is the time between two looks that nothing asked for; 0 is 30 s where the system
	// tells of changes and 10 s where it does not.
	PollEvery time.Duration

	// Debounce is the time between the first message of the system and the look; 0 is 250 ms.
	Debounce time.Duration

	// Ignore names interfaces whose addresses change without an event, such as devices of ours.
	// Tunnels, the loopback device and ports of bridges are ignored anyway.
	Ignore func(Interface) bool
}

// A system is where the monitor looks, and what tells it when.
type system interface {
	snapshot() (State, error)
	// watch opens the system's messages; errors.ErrUnsupported where there are none.
	watch() (watcher, error)
	clocks() clocks
}

// A watcher hands on the system's messages.
type watcher interface {
	// next returns when something may have changed. After an error there is no more to come.
	next() error
	// close has next return an error.
	close()
}

// A Monitor tells its subscribers how this machine is connected. Its methods may be called
// concurrently.
type Monitor struct {
	log     *slog.Logger
	options Options
	system  system

	watcher  watcher // nil while the system's messages cannot be had; of Run's goroutine
	silenced bool    // that was logged
	last     clocks

	mu      sync.Mutex
	state   State
	running *run // nil outside Run
	told    map[*subscriber]chan struct{}
}

// A run is what lives as long as [Monitor.Run].
type run struct {
	done    <-chan struct{}
	changed chan struct{} // one token: the system told something
	lost    chan struct{} // one token: the system's messages ended
	group   sync.WaitGroup
}

// New makes a monitor, which does nothing before [Monitor.Run].
func New(o Options) *Monitor { return newMonitor(o, host{}) }

func newMonitor(o Options, s system) *Monitor {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Debounce <= 0 {
		o.Debounce = debounce
	}
	return &Monitor{log: o.Log, options: o, system: s, told: make(map[*subscriber]chan struct{})}
}

// Subscribe has f called with every event, the first of which says how things are. Calls of one f
// come one after another, not from the caller's goroutine, and only during [Monitor.Run], which
// waits for the last of them to return; what happens while f is busy is told in one event. What is
// returned ends it; a call that is under way may still finish after that.
func (m *Monitor) Subscribe(f func(Event)) (cancel func()) {
	m.mu.Lock()
	defer m.mu.Unlock()
	s, gone := newSubscriber(f), make(chan struct{})
	m.told[s] = gone
	if m.running != nil {
		m.running.start(s, gone, m.state)
	}
	return sync.OnceFunc(func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		delete(m.told, s)
		close(gone)
	})
}

// start begins to tell a subscriber, under the monitor's lock.
func (r *run) start(s *subscriber, gone <-chan struct{}, now State) {
	s.put(Event{Kinds: First, State: now})
	r.group.Go(func() { s.serve(r.done, gone) })
}

// State is what the last look found, which is nothing before [Monitor.Run].
func (m *Monitor) State() State {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.state
}

// Run watches until ctx ends, and returns nil then. Its only other end is that the machine's state
// cannot be read at the start. It may run again once it returned. On Linux it watches the network
// namespace of the calling thread, which must stay in it.
func (m *Monitor) Run(ctx context.Context) error {
	state, err := m.system.snapshot()
	if err != nil {
		return fmt.Errorf("read interfaces: %w", err)
	}
	r := &run{done: ctx.Done(), changed: make(chan struct{}, 1), lost: make(chan struct{}, 1)}
	defer r.group.Wait()
	m.begin(r, state)
	defer m.end()
	m.last = m.system.clocks()
	m.listen(r)
	m.look() // what changed before the messages came
	m.loop(r)
	return nil
}

// begin makes a state the one that is known, and tells those who have subscribed.
func (m *Monitor) begin(r *run, state State) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.state, m.running = state, r
	for s, gone := range m.told {
		s.take() // of an earlier run
		r.start(s, gone, state)
	}
}

func (m *Monitor) end() {
	m.mu.Lock()
	m.running = nil
	m.mu.Unlock()
	if m.watcher != nil {
		m.watcher.close()
		m.watcher = nil
	}
}

// listen opens the system's messages if they are not open. Their goroutine ends with the watcher.
func (m *Monitor) listen(r *run) {
	if m.watcher != nil {
		return
	}
	w, err := m.system.watch()
	if err != nil {
		if !m.silenced && !errors.Is(err, errors.ErrUnsupported) {
			m.log.Warn("changes of the network are noticed late", "error", err)
		}
		m.silenced = true
		return
	}
	m.watcher, m.silenced = w, false
	r.group.Go(func() {
		for w.next() == nil {
			wake(r.changed)
		}
		w.close()
		wake(r.lost)
	})
}

func wake(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
