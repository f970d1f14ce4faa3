package netmon

import (
	"errors"
	"fmt"
	"syscall"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// A netlinkWatcher hears what the kernel tells of links, addresses and routes.
type netlinkWatcher struct{ socket *nl.NetlinkSocket }

func (host) watch() (watcher, error) {
	s, err := nl.Subscribe(unix.NETLINK_ROUTE, unix.RTNLGRP_LINK, unix.RTNLGRP_IPV4_IFADDR,
		unix.RTNLGRP_IPV6_IFADDR, unix.RTNLGRP_IPV4_ROUTE, unix.RTNLGRP_IPV6_ROUTE)
	if err != nil {
		return nil, fmt.Errorf("open netlink: %w", err)
	}
	return &netlinkWatcher{socket: s}, nil
}

// next waits for a message that matters. Messages that were lost may have been any.
func (w *netlinkWatcher) next() error {
	for {
		messages, from, err := w.socket.Receive()
		switch {
		case errors.Is(err, unix.ENOBUFS):
			return nil
		case errors.Is(err, unix.EAGAIN), errors.Is(err, unix.EINTR):
		case err != nil:
			return fmt.Errorf("read netlink: %w", err)
		case from.Pid == nl.PidKernel && anyMatters(messages):
			return nil
		}
	}
}

func (w *netlinkWatcher) close() { w.socket.Close() }

func anyMatters(messages []syscall.NetlinkMessage) bool {
	for _, m := range messages {
		if matters(m) {
			return true
		}
	}
	return false
}

// matters is about routes: a router with many of them must not be read all over for each that comes
// and goes, so only default routes, whose destination has no bits, are looked at.
func matters(m syscall.NetlinkMessage) bool {
	switch m.Header.Type {
	case unix.RTM_NEWROUTE, unix.RTM_DELROUTE:
		return len(m.Data) < unix.SizeofRtMsg || m.Data[1] == 0
	}
	return true
}
