//go:build darwin || freebsd || netbsd || openbsd

package routesock

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/net/route"
	"golang.org/x/sys/unix"
)

// A Socket is a routing socket.
type Socket struct {
	file *os.File
	buf  [8 << 10]byte
}

// Open makes a socket that hears everything from now on.
func Open() (*Socket, error) {
	fd, err := unix.Socket(unix.AF_ROUTE, unix.SOCK_RAW, unix.AF_UNSPEC)
	if err != nil {
		return nil, fmt.Errorf("open routing socket: %w", err)
	}
	unix.CloseOnExec(fd)
	if err := unix.SetNonblock(fd, true); err != nil { // has Go's poller wait, which Close ends
		unix.Close(fd)
		return nil, fmt.Errorf("open routing socket: %w", err)
	}
	return &Socket{file: os.NewFile(uintptr(fd), "route")}, nil
}

// Next waits for messages. None at all stand for some that were lost or make no sense: what they
// told may have been anything.
func (s *Socket) Next() ([]route.Message, error) {
	for {
		n, err := s.file.Read(s.buf[:])
		switch {
		case errors.Is(err, unix.ENOBUFS):
			return nil, nil
		case errors.Is(err, unix.EINTR):
			continue
		case err != nil:
			return nil, fmt.Errorf("read routing socket: %w", err)
		}
		messages, err := route.ParseRIB(route.RIBTypeRoute, s.buf[:n])
		switch {
		case err != nil:
			return nil, nil
		case len(messages) > 0: // else they are of kinds that nobody knows
			return messages, nil
		}
	}
}

// Close has Next return an error.
func (s *Socket) Close() { s.file.Close() }
