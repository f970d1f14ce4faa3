//go:build darwin || freebsd || netbsd || openbsd

package netmon

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/net/route"
	"golang.org/x/sys/unix"
)

// A routeWatcher hears what the kernel tells on a routing socket.
type routeWatcher struct {
	file *os.File
	buf  [8 << 10]byte
}

func (host) watch() (watcher, error) {
	fd, err := unix.Socket(unix.AF_ROUTE, unix.SOCK_RAW, unix.AF_UNSPEC)
	if err != nil {
		return nil, fmt.Errorf("open routing socket: %w", err)
	}
	unix.CloseOnExec(fd)
	if err := unix.SetNonblock(fd, true); err != nil { // has Go's poller wait, which close ends
		unix.Close(fd)
		return nil, fmt.Errorf("open routing socket: %w", err)
	}
	return &routeWatcher{file: os.NewFile(uintptr(fd), "route")}, nil
}

// next waits for a message that matters. Messages that were lost may have been any.
func (w *routeWatcher) next() error {
	for {
		n, err := w.file.Read(w.buf[:])
		switch {
		case errors.Is(err, unix.ENOBUFS):
			return nil
		case errors.Is(err, unix.EINTR):
		case err != nil:
			return fmt.Errorf("read routing socket: %w", err)
		case matters(w.buf[:n]):
			return nil
		}
	}
}

func (w *routeWatcher) close() { w.file.Close() }

// matters reports whether messages are about more than single hosts: neighbours come and go as
// routes here, and lookups are answered to everybody. What cannot be parsed may be anything.
func matters(b []byte) bool {
	messages, err := route.ParseRIB(route.RIBTypeRoute, b)
	if err != nil {
		return true
	}
	for _, m := range messages {
		r, ok := m.(*route.RouteMessage)
		if !ok {
			return true
		}
		switch r.Type {
		case unix.RTM_ADD, unix.RTM_DELETE, unix.RTM_CHANGE:
			if r.Flags&unix.RTF_HOST == 0 {
				return true
			}
		}
	}
	return false
}
