package udp

import (
	"errors"
	"net"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/vxmesh/vxmesh/internal/wait"
)

// A handle is how the system knows a socket. Go's poller does not: its wake-ups are too slow for
// every frame.
type handle struct{ file *wait.Descriptor }

// newHandle takes the socket over from conn, which it closes, even on failure.
func newHandle(conn *net.UDPConn) (handle, error) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return handle{}, errors.Join(err, conn.Close())
	}
	var fd int
	var dup error
	err = raw.Control(func(old uintptr) { fd, dup = unix.FcntlInt(old, unix.F_DUPFD_CLOEXEC, 0) })
	if err = errors.Join(err, dup, conn.Close()); err != nil {
		return handle{}, err
	}
	file, err := wait.New(fd)
	return handle{file}, err
}

// Descriptor is readable when the socket is.
func (h handle) Descriptor() *wait.Descriptor { return h.file }

// SetReadDeadline bounds how long a Read waits.
func (h handle) SetReadDeadline(t time.Time) error { return closedError(h.file.SetReadDeadline(t)) }

// Close wakes every Read and Write, which then return [net.ErrClosed], and waits until they have.
func (h handle) Close() error { return closedError(h.file.Close()) }

// closedError gives a closed socket's error its name in this package.
func closedError(err error) error {
	if errors.Is(err, os.ErrClosed) {
		return net.ErrClosed
	}
	return err
}
