package netmon

import (
	"context"
	"errors"
	"net/netip"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// A fakeSystem is a machine whose state, messages and clocks the test makes. The wall clock stands
// still but for sleep; the monotonic one is the bubble's.
type fakeSystem struct {
	mu    sync.Mutex
	state State
	err   error
	asked int // snapshots
	mute  bool
	slept time.Duration
	open  *fakeWatcher
}

func (f *fakeSystem) snapshot() (State, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.asked++
	return f.state, f.err
}

func (f *fakeSystem) watch() (watcher, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.mute {
		return nil, errors.ErrUnsupported
	}
	f.open = &fakeWatcher{changed: make(chan struct{}), done: make(chan struct{})}
	return f.open, nil
}

func (f *fakeSystem) clocks() clocks {
	f.mu.Lock()
	defer f.mu.Unlock()
	return clocks{wall: time.Unix(0, 0).Add(f.slept), mono: time.Since(processStart)}
}

// set changes what is true, without a message.
func (f *fakeSystem) set(change func(*fakeSystem)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change(f)
}

// move gives eth0 another address.
func (f *fakeSystem) move(to string) {
	f.set(func(f *fakeSystem) {
		f.state = home()
		f.state.Interfaces[1].Prefixes = prefixes(to)
	})
}

type fakeWatcher struct {
	changed, done chan struct{}
	once          sync.Once
}

func (w *fakeWatcher) next() error {
	select {
	case <-w.changed:
		return nil
	case <-w.done:
		return errors.New("closed")
	}
}

func (w *fakeWatcher) close() { w.once.Do(func() { close(w.done) }) }

// A world is a monitor that runs in a bubble, and what it told.
type world struct {
	*fakeSystem
	monitor *Monitor
	told    chan Event
}

// inWorld runs a test in virtual time. A goroutine that outlives Run fails it.
func inWorld(t *testing.T, o Options, test func(t *testing.T, w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := &world{fakeSystem: &fakeSystem{state: home()}, told: make(chan Event, 16)}
		w.monitor = newMonitor(o, w.fakeSystem)
		w.monitor.Subscribe(func(e Event) { w.told <- e })
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- w.monitor.Run(ctx) }()
		synctest.Wait()
		w.want(t, First)
		test(t, w)
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("run ended in %v", err)
		}
	})
}

// after lets time go by.
func after(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// want checks what was told since the last time.
func (w *world) want(t *testing.T, kinds ...Kinds) {
	t.Helper()
	var got []Kinds
	for len(w.told) > 0 {
		e := <-w.told
		got = append(got, e.Kinds)
	}
	if len(got) != len(kinds) {
		t.Fatalf("told %v, want %v", got, kinds)
	}
	for i, k := range kinds {
		if got[i] != k {
			t.Errorf("told %v, want %v", got, kinds)
		}
	}
}

func TestMessagesAreDebounced(t *testing.T) {
	inWorld(t, Options{}, func(t *testing.T, w *world) {
		before := w.asked
		for range 10 {
			w.open.changed <- struct{}{}
			after(10 * time.Millisecond)
		}
		w.move("198.51.100.7/24")
		w.open.changed <- struct{}{}
		after(140 * time.Millisecond) // 240 ms after the first
		w.want(t)
		after(20 * time.Millisecond)
		w.want(t, AddressChange)
		if got := w.monitor.State().Interfaces[1].Prefixes[0]; got.String() != "198.51.100.7/24" {
			t.Errorf("the state has %v", got)
		}
		if looks := w.asked - before; looks != 1 {
			t.Errorf("%d looks for one burst", looks)
		}
		w.open.changed <- struct{}{} // about nothing
		after(time.Second)
		w.want(t)
	})
}

func TestPolling(t *testing.T) {
	for name, c := range map[string]struct {
		mute  bool
		every time.Duration
		late  time.Duration
	}{
		"where the system tells": {false, 0, lookEvery},
		"where it does not":      {true, 0, blindEvery},
		"as it is told":          {true, time.Minute, time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, Options{PollEvery: c.every}, func(t *testing.T, w *world) {
				if c.mute {
					w.set(func(f *fakeSystem) { f.mute = true })
					w.open.close()
					synctest.Wait()
				}
				w.move("198.51.100.7/24")
				after(c.late - time.Millisecond)
				w.want(t)
				after(2 * time.Millisecond)
				w.want(t, AddressChange)
			})
		})
	}
}

// TestMessagesComeBack: the system's messages ended, and are asked for again.
func TestMessagesComeBack(t *testing.T) {
	inWorld(t, Options{}, func(t *testing.T, w *world) {
		first := w.open
		first.close()
		after(blindEvery + time.Millisecond)
		if w.open == first {
			t.Fatal("the messages were not opened again")
		}
		w.move("198.51.100.7/24")
		w.open.changed <- struct{}{}
		after(debounce)
		w.want(t, AddressChange)
	})
}

func TestResume(t *testing.T) {
	sleep := func(d time.Duration) func(*fakeSystem) { return func(f *fakeSystem) { f.slept += d } }
	inWorld(t, Options{}, func(t *testing.T, w *world) {
		w.set(sleep(leap))
		after(time.Minute)
		w.want(t)
		w.set(sleep(clockEvery + leap + time.Millisecond))
		after(clockEvery)
		w.want(t, Resume)
		after(time.Minute)
		w.want(t)
		t.Log("an interface wakes up first")
		w.set(sleep(time.Hour))
		w.move("198.51.100.7/24")
		w.open.changed <- struct{}{}
		after(debounce)
		w.want(t, Resume|AddressChange)
		w.set(sleep(-24 * time.Hour)) // the clock is set back
		after(time.Minute)
		w.want(t)
	})
}

// TestBusySubscriber: one that does not return delays nobody, and is told the rest at once.
func TestBusySubscriber(t *testing.T) {
	inWorld(t, Options{}, func(t *testing.T, w *world) {
		free, told := make(chan struct{}), make(chan Event, 16)
		cancel := w.monitor.Subscribe(func(e Event) { told <- e; <-free })
		change := func(f func(*fakeSystem)) {
			w.set(f)
			w.open.changed <- struct{}{}
			after(debounce)
		}
		w.move("198.51.100.7/24")
		change(func(*fakeSystem) {})
		change(func(f *fakeSystem) { f.state.Gateway4 = netip.MustParseAddr("198.51.100.1") })
		w.want(t, AddressChange, RouteChange)
		if e := <-told; e.Kinds != First {
			t.Errorf("a late subscriber was told %v", e.Kinds)
		}
		close(free)
		e := <-told
		if e.Kinds != AddressChange|RouteChange || e.State.Gateway4 != netip.MustParseAddr("198.51.100.1") {
			t.Errorf("then %v with %v", e.Kinds, e.State.Gateway4)
		}
		cancel()
		cancel()
		w.move("198.51.100.8/24")
		change(func(*fakeSystem) {})
		w.want(t, AddressChange|RouteChange) // the router is the old one again
		if len(told) > 0 {
			t.Errorf("told %v after the end", (<-told).Kinds)
		}
	})
}

// TestUnreadable: what was known stays when the system does not answer.
func TestUnreadable(t *testing.T) {
	inWorld(t, Options{}, func(t *testing.T, w *world) {
		w.set(func(f *fakeSystem) { f.state, f.err = State{}, errors.New("no") })
		after(time.Minute)
		w.want(t)
		if len(w.monitor.State().Interfaces) == 0 {
			t.Error("the state was forgotten")
		}
	})
	m := newMonitor(Options{}, &fakeSystem{err: errors.New("no")})
	if err := m.Run(t.Context()); err == nil {
		t.Error("Run began without a state")
	}
}
