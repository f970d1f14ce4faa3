package tunnel

import (
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/vxmesh/vxmesh/internal/wait"
)

const (
	// fewProcessors is how many are too few for a goroutine for each source: its wake-ups, and the
	// waiting for one another, then cost more than they give.
	fewProcessors = 2
	// lookAgain is when a source that cannot be waited for, such as a device that was removed, is
	// tried again.
	lookAgain = 100 * time.Millisecond
)

// A pollable endpoint tells what to wait for; nil says that there is nothing at the moment.
type pollable interface{ Descriptor() *wait.Descriptor }

// An eventLoop carries from many sources on one goroutine. An answer that the kernel has ready when a
// frame was written to the device is then read by the thread that wrote, which is awake. A nil
// eventLoop serves nobody.
type eventLoop struct {
	start func(run func() error) // its goroutine, when there is a first source

	mu      sync.Mutex
	started bool
	bell    wait.Bell // rung when there is something new; constant once started
	joined  []source  // since the goroutine looked last
	closed  bool

	turns atomic.Uint64

	// Of the goroutine.
	sources     []source
	group       wait.Group
	descriptors []*wait.Descriptor // the bell's, then one for each source
}

// newEventLoop makes the loop of a node, or none where there are processors enough.
func newEventLoop(start func(run func() error)) *eventLoop {
	if runtime.GOMAXPROCS(0) > fewProcessors {
		return nil
	}
	return &eventLoop{start: start}
}

// serve takes a source on, unless it cannot be waited for together with others.
func (l *eventLoop) serve(s source) bool {
	if _, ok := s.endpoint().(pollable); l == nil || !ok {
		return false
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.started {
		bell, err := wait.NewBell()
		if err != nil {
			return false
		}
		l.started, l.bell = true, bell
		l.start(l.run)
	}
	l.joined = append(l.joined, s)
	l.bell.Ring()
	return true
}

// close ends the loop once its sources have ended.
func (l *eventLoop) close() {
	if l == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	if l.started {
		l.bell.Ring()
	}
}

// wake makes the loop turn once, if it runs.
func (l *eventLoop) wake() {
	if !l.idle() {
		l.bell.Ring()
	}
}

// idle reports whether the loop does not run, or is about to end.
func (l *eventLoop) idle() bool {
	if l == nil {
		return true
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return !l.started || l.closed
}

// turned is how often the loop has turned.
func (l *eventLoop) turned() uint64 {
	if l == nil {
		return 0
	}
	return l.turns.Load()
}

// run carries until the loop is closed and all sources have ended, or one of them fails.
func (l *eventLoop) run() error {
	defer func() { _ = l.bell.Close() }()
	for l.admit() {
		limit := l.gather()
		l.group.Wait(l.descriptors, limit)
		l.turns.Add(1)
		if l.group.Ready(0) {
			l.bell.Hush()
		}
		if err := l.turn(); err != nil {
			return err
		}
	}
	return nil
}

// admit takes in who has joined. It reports whether there is anything to wait for.
func (l *eventLoop) admit() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.sources = append(l.sources, l.joined...)
	l.joined = nil
	return len(l.sources) > 0 || !l.closed
}

// gather lists what to wait for, and for how long at most.
func (l *eventLoop) gather() (limit time.Duration) {
	limit = -1
	l.descriptors = append(l.descriptors[:0], l.bell.Descriptor)
	for _, s := range l.sources {
		d := s.endpoint().(pollable).Descriptor()
		if d == nil {
			d, limit = l.bell.Descriptor, lookAgain
		}
		l.descriptors = append(l.descriptors, d)
	}
	return limit
}

// turn carries from every source that has something.
func (l *eventLoop) turn() error {
	ended := false
	for i, s := range l.sources {
		if !l.group.Ready(i+1) && l.descriptors[i+1] != l.bell.Descriptor {
			continue
		}
		if err := s.carry(false); unlessEnded(err) != nil {
			return err
		} else if err != nil {
			ended, l.sources[i] = true, nil
		}
	}
	if ended {
		l.sources = slices.DeleteFunc(l.sources, func(s source) bool { return s == nil })
	}
	return nil
}
