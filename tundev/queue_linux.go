package tundev

import (
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/vxmesh/vxmesh/internal/wait"
	"github.com/vxmesh/vxmesh/tundev/ether"
	"github.com/vxmesh/vxmesh/tundev/offload"
)

// A queue is one attachment to the kernel's TAP. When the TAP is removed its queue is broken for
// good and the device gets another.
type queue struct {
	file *wait.Descriptor

	broken   atomic.Bool   // the device below is gone
	woken    atomic.Bool   // read is to return although there is no frame
	replaced chan struct{} // closed when the device has another queue

	r reader // owned by the one goroutine that reads
}

// newQueue takes over fd, even on failure. It must be attached already: one that is on no interface
// is in error.
func newQueue(fd int) (*queue, error) {
	file, err := wait.New(fd)
	if err != nil {
		return nil, err
	}
	q := &queue{file: file, replaced: make(chan struct{})}
	q.r.init(&q.woken)
	return q, nil
}

// control runs f on the descriptor, which stays open meanwhile.
func (q *queue) control(f func(fd int)) error {
	return q.file.Do(func(fd uintptr) { f(int(fd)) })
}

// read reads one frame into buf: ErrWouldBlock when there is none, ErrDown when there will be none
// from this queue any more.
func (q *queue) read(buf []byte, patient bool) (int, offload.Header, error) {
	r := &q.r
	r.iov[1].Base = &buf[0]
	r.iov[1].SetLen(len(buf))
	var err error
	if patient {
		err = q.file.Read(r.untilFrame)
	} else {
		err = q.file.Do(r.once)
	}
	r.iov[1].Base = nil
	switch {
	case err == nil && r.errno == 0:
		return r.n - offload.HeaderLen, offload.ParseHeader(r.hdr[:]), nil
	case err == nil && r.errno == unix.EAGAIN:
		return 0, offload.Header{}, ErrWouldBlock
	}
	return 0, offload.Header{}, ErrDown
}

// write writes the frame that w has gathered.
func (q *queue) write(w *writer) error {
	if err := q.file.Do(w.once); err != nil {
		return ErrDown // closed: replaced just now, or for good
	}
	switch w.errno {
	case 0:
		return nil
	case unix.EBADFD, // removed
		unix.EIO: // set down
		return ErrDown
	}
	return w.errno
}

// A reader keeps what readv needs between calls, and its functions, so that a call allocates
// nothing.
type reader struct {
	hdr   [offload.HeaderLen]byte
	iov   [2]unix.Iovec // hdr, then the caller's buffer
	n     int
	errno unix.Errno

	once       func(fd uintptr)
	untilFrame func(fd uintptr) bool
}

func (r *reader) init(woken *atomic.Bool) {
	r.iov[0].Base = &r.hdr[0]
	r.iov[0].SetLen(len(r.hdr))
	r.once = r.readv
	r.untilFrame = func(fd uintptr) bool {
		r.readv(fd)
		return r.errno != unix.EAGAIN || woken.Load()
	}
}

func (r *reader) readv(fd uintptr) {
	r.n, r.errno = vectored(unix.SYS_READV, fd, r.iov[:])
}

// A writer is the same for writev; every goroutine that writes takes one from the device's pool.
type writer struct {
	hdr   [offload.HeaderLen]byte
	iov   [1 + MaxParts]unix.Iovec // hdr, then the parts
	used  int                      // of iov, the header included
	errno unix.Errno

	once func(fd uintptr)
}

func newWriter() *writer {
	w := &writer{used: 1}
	w.iov[0].Base = &w.hdr[0]
	w.iov[0].SetLen(len(w.hdr))
	w.once = func(fd uintptr) {
		_, w.errno = vectored(unix.SYS_WRITEV, fd, w.iov[:w.used])
	}
	return w
}

// gather points at header and parts, of which the first skip bytes are left out; release must follow.
func (w *writer) gather(h offload.Header, parts [][]byte, skip int) error {
	if len(parts) > MaxParts {
		return errManyParts
	}
	h.Put(w.hdr[:])
	w.used = 1
	total := 0
	for _, p := range parts {
		total += len(p)
		left := min(skip, len(p))
		p, skip = p[left:], skip-left
		if len(p) == 0 {
			continue
		}
		v := &w.iov[w.used]
		v.Base = &p[0]
		v.SetLen(len(p))
		w.used++
	}
	if total < ether.HeaderLen {
		return errShortFrame
	}
	return nil
}

// release lets go of the caller's bytes.
func (w *writer) release() {
	clear(w.iov[1:w.used])
	w.used = 1
}

// vectored is readv(2) or writev(2) with iovecs that are already there. The descriptor never
// waits, so the call is a raw one: the scheduler would otherwise take the processor away while the
// kernel carries a super-frame through its stack, and give it back after.
func vectored(trap, fd uintptr, iov []unix.Iovec) (int, unix.Errno) {
	for {
		n, _, e := unix.RawSyscall(trap, fd, uintptr(unsafe.Pointer(&iov[0])), uintptr(len(iov)))
		if e != unix.EINTR {
			return int(n), e
		}
	}
}
