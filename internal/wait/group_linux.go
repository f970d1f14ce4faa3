package wait

import (
	"runtime"
	"sync"
	"sync/atomic"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	forever = time.Duration(-1)
	// linger is how long a thread sleeps with its processor (Go's P) in its hands: what comes by then
	// goes on where it stopped, without the scheduler. It is as long as Go lets a goroutine run.
	linger = 10 * time.Millisecond
)

// lingering counts the threads of the process that sleep so. Half of the processors always stay free
// for who is awake: one that is slept on is missed for up to linger.
var lingering atomic.Int32

var maxLingering = sync.OnceValue(func() int32 { return int32(runtime.GOMAXPROCS(0) / 2) })

// A Group waits for several descriptors at once. The zero Group is ready for use.
type Group struct {
	fds   []unix.PollFd // two for each descriptor: its own and its bell
	ready []bool
}

// Wait waits until one of ds is readable, was closed or is past its deadline, but not longer than
// limit; a negative limit is none. [Group.Ready] then tells which.
func (g *Group) Wait(ds []*Descriptor, limit time.Duration) {
	g.fds, g.ready = g.fds[:0], g.ready[:0]
	for _, d := range ds {
		entered := d.enter()
		if entered {
			g.add(d, unix.POLLIN)
			limit = d.sooner(limit)
		} else { // it is closed, and nothing else wakes us for it
			g.fds = append(g.fds, unix.PollFd{Fd: -1}, unix.PollFd{Fd: -1})
			limit = 0
		}
		g.ready = append(g.ready, !entered)
	}
	g.sleep(limit)
	for i, d := range ds {
		if !g.ready[i] {
			g.ready[i] = g.fds[2*i].Revents != 0 || g.fds[2*i+1].Revents != 0 || d.late()
			d.leave()
		}
	}
}

// Ready reports whether ds[i] of the last Wait has to be looked at.
func (g *Group) Ready(i int) bool { return g.ready[i] }

// one waits for events of one descriptor, which the caller has entered.
func (g *Group) one(d *Descriptor, events int16, limit time.Duration) {
	g.fds = g.fds[:0]
	g.add(d, events)
	g.sleep(limit)
}

func (g *Group) add(d *Descriptor, events int16) {
	g.fds = append(g.fds,
		unix.PollFd{Fd: int32(d.fd), Events: events}, unix.PollFd{Fd: int32(d.bell), Events: unix.POLLIN})
}

// sleep waits for what was added: first with the processor in hand, then like any system call.
func (g *Group) sleep(limit time.Duration) {
	if lingering.Add(1) <= maxLingering() {
		first := linger
		if limit >= 0 {
			first = min(first, limit)
		}
		awake := g.poll(first, true)
		lingering.Add(-1)
		if awake || first == limit {
			return
		}
		if limit >= 0 {
			limit -= first
		}
	} else {
		lingering.Add(-1)
	}
	g.poll(limit, false)
}

// poll is ppoll(2), with the scheduler's knowledge or without. It reports whether a descriptor is
// ready, and not that the time is over. The scheduler interrupts a thread that holds a processor it
// needs, for garbage collection or because others are waiting.
func (g *Group) poll(limit time.Duration, raw bool) bool {
	left := unix.NsecToTimespec(int64(limit)) // the kernel counts it down
	timeout := &left
	if limit < 0 {
		timeout = nil
	}
	for {
		fds, count := unsafe.Pointer(unsafe.SliceData(g.fds)), uintptr(len(g.fds))
		var n uintptr
		var errno unix.Errno
		if raw {
			n, _, errno = unix.RawSyscall6(unix.SYS_PPOLL, uintptr(fds), count,
				uintptr(unsafe.Pointer(timeout)), 0, 0, 0)
		} else {
			n, _, errno = unix.Syscall6(unix.SYS_PPOLL, uintptr(fds), count,
				uintptr(unsafe.Pointer(timeout)), 0, 0, 0)
		}
		if errno != unix.EINTR {
			return errno == 0 && n > 0
		}
		runtime.Gosched()
	}
}
