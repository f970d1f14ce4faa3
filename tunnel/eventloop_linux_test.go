package tunnel

import (
	"errors"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/vxmesh/vxmesh/internal/wait"
)

// A drip is a source and its endpoint: it carries bytes out of a pipe.
type drip struct {
	pulse
	d       *wait.Descriptor // nil: there is nothing to wait for
	carried chan byte
	err     error // what it gives when it is not nil
}

func (d *drip) endpoint() any { return d }

func (d *drip) Descriptor() *wait.Descriptor { return d.d }

func (d *drip) carry(patient bool) error {
	if patient {
		return errors.New("the event loop must not wait for one source")
	}
	if d.err != nil {
		return d.err
	}
	if d.d == nil {
		select {
		case d.carried <- 0:
		default:
		}
		return nil
	}
	var b [1]byte
	err := d.d.Do(func(fd uintptr) {
		if n, _ := unix.Read(int(fd), b[:]); n == 1 {
			d.carried <- b[0]
		}
	})
	if err != nil {
		return errEnded
	}
	return nil
}

// newDrip makes a source, and gives the pipe's end to write to.
func newDrip(t *testing.T) (*drip, int) {
	t.Helper()
	var fds [2]int
	if err := unix.Pipe2(fds[:], unix.O_NONBLOCK|unix.O_CLOEXEC); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Close(fds[1]) })
	d, err := wait.New(fds[0])
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.Close() })
	return &drip{d: d, carried: make(chan byte, 8)}, fds[1]
}

// startLoop gives a loop and what its goroutine ends with.
func startLoop() (*eventLoop, chan error) {
	ended := make(chan error, 1)
	return &eventLoop{start: func(run func() error) { go func() { ended <- run() }() }}, ended
}

func (d *drip) expect(t *testing.T, want byte) {
	t.Helper()
	select {
	case got := <-d.carried:
		if got != want {
			t.Errorf("%d was carried, want %d", got, want)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("nothing was carried")
	}
}

// TestEventLoop has sources come, carry and end while the loop sleeps; the last that ends after close
// ends it.
func TestEventLoop(t *testing.T) {
	l, ended := startLoop()
	first, w1 := newDrip(t)
	second, w2 := newDrip(t)
	gone := &drip{carried: make(chan byte)}
	if !l.serve(first) || !l.serve(second) {
		t.Fatal("a source that can be waited for was refused")
	}
	if _, err := unix.Write(w2, []byte{2}); err != nil {
		t.Fatal(err)
	}
	second.expect(t, 2)
	if _, err := unix.Write(w1, []byte{1}); err != nil {
		t.Fatal(err)
	}
	first.expect(t, 1)

	l.serve(gone) // is looked at again and again
	gone.expect(t, 0)
	gone.expect(t, 0)

	_ = second.d.Close()
	if _, err := unix.Write(w1, []byte{3}); err != nil {
		t.Fatal(err)
	}
	first.expect(t, 3)
	_ = first.d.Close()
	third, w3 := newDrip(t)
	l.serve(third)
	if _, err := unix.Write(w3, []byte{4}); err != nil {
		t.Fatal(err)
	}
	third.expect(t, 4)

	failure := errors.New("it broke")
	l.serve(&drip{err: failure})
	if err := <-ended; !errors.Is(err, failure) {
		t.Errorf("the loop ended with %v", err)
	}
}

func TestEventLoopEnds(t *testing.T) {
	l, ended := startLoop()
	d, _ := newDrip(t)
	l.serve(d)
	l.close()
	_ = d.d.Close()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	var none *eventLoop
	if none.serve(d) {
		t.Error("no loop served a source")
	}
	none.close()
	if l.serve(&unpollable{}) {
		t.Error("a source was taken on that nothing tells of")
	}
}

type unpollable struct{ pulse }

func (*unpollable) carry(bool) error { return errEnded }
func (*unpollable) endpoint() any    { return nil }
