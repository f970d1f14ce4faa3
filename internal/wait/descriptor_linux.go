package wait

import (
	"errors"
	"fmt"
	"os"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// closed is what is added to a descriptor's users when it is closed.
const closed = 1 << 32

// A Descriptor owns a file descriptor in non-blocking mode. Its number stays the file's for as long
// as a call uses it.
type Descriptor struct {
	fd       int
	bell     int          // an eventfd, readable since Close
	users    atomic.Int64 // calls under way
	gone     chan struct{}
	deadline atomic.Int64 // of reads, by now; 0 when there is none
	reading  Group        // of the one goroutine that waits
}

// New takes over fd, which must be in non-blocking mode. On error fd is closed.
func New(fd int) (*Descriptor, error) {
	bell, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		_ = unix.Close(fd)
		return nil, fmt.Errorf("open an eventfd: %w", err)
	}
	return &Descriptor{fd: fd, bell: bell, gone: make(chan struct{})}, nil
}

// Do runs f, which must not wait. The error is [os.ErrClosed] after Close.
func (d *Descriptor) Do(f func(fd uintptr)) error {
	if !d.enter() {
		return os.ErrClosed
	}
	f(uintptr(d.fd))
	d.leave()
	return nil
}

// Read runs f until it reports that it need not wait, and in between waits until the descriptor is
// readable. The error is [os.ErrClosed] after Close and [os.ErrDeadlineExceeded] after the
// deadline, which is looked at first.
func (d *Descriptor) Read(f func(fd uintptr) bool) error {
	if !d.enter() {
		return os.ErrClosed
	}
	defer d.leave()
	for {
		switch {
		case d.isClosed():
			return os.ErrClosed
		case d.late():
			return os.ErrDeadlineExceeded
		case f(uintptr(d.fd)):
			return nil
		}
		d.reading.one(d, unix.POLLIN, d.sooner(forever))
	}
}

// Write is Read for writing; it has no deadline.
func (d *Descriptor) Write(f func(fd uintptr) bool) error {
	if !d.enter() {
		return os.ErrClosed
	}
	defer d.leave()
	for !f(uintptr(d.fd)) {
		if d.isClosed() {
			return os.ErrClosed
		}
		new(Group).one(d, unix.POLLOUT, forever)
	}
	return nil
}

// SetReadDeadline bounds how long the next Read waits, and any later one; the zero Time lets it wait
// for ever. One that waits already does not notice.
func (d *Descriptor) SetReadDeadline(t time.Time) error {
	if d.isClosed() {
		return os.ErrClosed
	}
	if t.IsZero() {
		d.deadline.Store(0)
		return nil
	}
	d.deadline.Store(max(1, now()+int64(time.Until(t))))
	return nil
}

// TryRead is [Descriptor.Read] that does not wait: it runs f once.
func (d *Descriptor) TryRead(f func(fd uintptr) bool) error {
	if !d.enter() {
		return os.ErrClosed
	}
	defer d.leave()
	if d.late() {
		return os.ErrDeadlineExceeded
	}
	f(uintptr(d.fd))
	return nil
}

// Close wakes everybody who waits, and returns when the last call has left. A second Close gives
// [os.ErrClosed].
func (d *Descriptor) Close() error {
	for {
		n := d.users.Load()
		if n >= closed {
			return os.ErrClosed
		}
		if d.users.CompareAndSwap(n, n+1+closed) {
			break
		}
	}
	ring(d.bell)
	d.leave()
	<-d.gone
	return errors.Join(unix.Close(d.fd), unix.Close(d.bell))
}

// Wake makes the descriptor look readable, to Read and to a [Group], until Calm.
func (d *Descriptor) Wake() {
	if d.enter() {
		ring(d.bell)
		d.leave()
	}
}

// Calm ends what Wake began.
func (d *Descriptor) Calm() {
	if !d.enter() {
		return
	}
	defer d.leave()
	var count [8]byte
	_, _ = unix.Read(d.bell, count[:]) // or it was not rung
	if d.isClosed() {                  // that ring is for everybody
		ring(d.bell)
	}
}

func (d *Descriptor) isClosed() bool { return d.users.Load() >= closed }

// enter keeps the descriptor open until leave.
func (d *Descriptor) enter() bool {
	for {
		n := d.users.Load()
		if n >= closed {
			return false
		}
		if d.users.CompareAndSwap(n, n+1) {
			return true
		}
	}
}

func (d *Descriptor) leave() {
	if d.users.Add(-1) == closed {
		close(d.gone)
	}
}

// late reports whether the deadline is over.
func (d *Descriptor) late() bool {
	at := d.deadline.Load()
	return at != 0 && at <= now()
}

// sooner shortens a limit to what is left until the deadline; a negative limit is none.
func (d *Descriptor) sooner(limit time.Duration) time.Duration {
	at := d.deadline.Load()
	if at == 0 {
		return limit
	}
	left := max(0, time.Duration(at-now()))
	if limit < 0 {
		return left
	}
	return min(left, limit)
}

// now is the monotonic clock, in nanoseconds since the program began.
func now() int64 { return int64(time.Since(began)) }

var began = time.Now()

// A Bell is a descriptor that is readable once it was rung.
type Bell struct{ *Descriptor }

// NewBell makes a bell.
func NewBell() (Bell, error) {
	fd, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		return Bell{}, fmt.Errorf("open an eventfd: %w", err)
	}
	d, err := New(fd)
	return Bell{d}, err
}

// Ring makes the bell readable, from anywhere. A closed bell stays silent.
func (b Bell) Ring() { _ = b.Do(func(fd uintptr) { ring(int(fd)) }) }

// Hush makes the bell wait for the next Ring.
func (b Bell) Hush() {
	var count [8]byte
	_ = b.Do(func(fd uintptr) { _, _ = unix.Read(int(fd), count[:]) }) // or it was not rung
}

// ring makes an eventfd readable.
func ring(bell int) {
	_, _ = unix.Write(bell, []byte{1, 0, 0, 0, 0, 0, 0, 0}) // it is full: readable already
}
