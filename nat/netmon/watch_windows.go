package netmon

import (
	"errors"
	"fmt"
	"sync"
	"unsafe"

	"golang.org/x/sys/windows"
)

// listeners are the watchers that are open. The system calls one function for all of them, because
// functions that it may call are few and are never given back.
var listeners = struct {
	sync.Mutex
	open map[*callbackWatcher]bool
}{open: make(map[*callbackWatcher]bool)}

// callback is called on a thread of the system's own, with a row that says what changed.
var callback = sync.OnceValue(func() uintptr {
	return windows.NewCallback(func(_, _ uintptr, _ uint32) uintptr {
		listeners.Lock()
		defer listeners.Unlock()
		for w := range listeners.open {
			wake(w.changed)
		}
		return 0
	})
})

// A callbackWatcher hears what the system tells of addresses, routes and interfaces.
type callbackWatcher struct {
	changed chan struct{}
	done    chan struct{}
	handles []windows.Handle
	once    sync.Once
}

// A notify is one of the system's functions that ask to be called.
type notify func(family uint16, f uintptr, context unsafe.Pointer, first bool, h *windows.Handle) error

func (host) watch() (watcher, error) {
	w := &callbackWatcher{changed: make(chan struct{}, 1), done: make(chan struct{})}
	listeners.Lock()
	listeners.open[w] = true
	listeners.Unlock()
	for _, ask := range []notify{
		windows.NotifyUnicastIpAddressChange, windows.NotifyRouteChange2,
		windows.NotifyIpInterfaceChange,
	} {
		var h windows.Handle
		if err := ask(windows.AF_UNSPEC, callback(), nil, false, &h); err != nil {
			w.close()
			return nil, fmt.Errorf("ask to be told of changes: %w", err)
		}
		w.handles = append(w.handles, h)
	}
	return w, nil
}

func (w *callbackWatcher) next() error {
	select {
	case <-w.changed:
		return nil
	case <-w.done:
		return errors.New("closed")
	}
}

// close must not hold the lock while it cancels, which waits for calls under way.
func (w *callbackWatcher) close() {
	w.once.Do(func() {
		for _, h := range w.handles {
			windows.CancelMibChangeNotify2(h) // fails only for what is no handle
		}
		listeners.Lock()
		delete(listeners.open, w)
		listeners.Unlock()
		close(w.done)
	})
}
