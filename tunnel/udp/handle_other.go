//go:build !linux

package udp

import (
	"net"
	"time"
)

// A handle is how the system knows a socket.
type handle struct{ conn *net.UDPConn }

func newHandle(conn *net.UDPConn) (handle, error) { return handle{conn}, nil }

// SetReadDeadline bounds how long a Read waits.
func (h handle) SetReadDeadline(t time.Time) error { return h.conn.SetReadDeadline(t) }

// Close wakes every Read and Write, which then return [net.ErrClosed].
func (h handle) Close() error { return h.conn.Close() }
