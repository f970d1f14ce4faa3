//go:build darwin || freebsd || netbsd || openbsd

package netmon

import (
	"golang.org/x/net/route"
	"golang.org/x/sys/unix"

	"github.com/vxmesh/vxmesh/internal/routesock"
)

// A routeWatcher hears what the kernel tells on a routing socket.
type routeWatcher struct{ socket *routesock.Socket }

func (host) watch() (watcher, error) {
	s, err := routesock.Open()
	if err != nil {
		return nil, err
	}
	return routeWatcher{s}, nil
}

// next waits for messages that matter. Messages that were lost may have been any.
func (w routeWatcher) next() error {
	for {
		messages, err := w.socket.Next()
		if err != nil || len(messages) == 0 || matter(messages) {
			return err
		}
	}
}

func (w routeWatcher) close() { w.socket.Close() }

// matter reports whether messages are about more than single hosts: neighbours come and go as
// routes here, and lookups are answered to everybody.
func matter(messages []route.Message) bool {
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
