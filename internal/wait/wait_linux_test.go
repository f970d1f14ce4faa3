package wait

import (
	"errors"
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// newPipe gives the reading end of a pipe, and the writing one.
func newPipe(t *testing.T) (*Descriptor, int) {
	t.Helper()
	var fds [2]int
	if err := unix.Pipe2(fds[:], unix.O_NONBLOCK|unix.O_CLOEXEC); err != nil {
		t.Fatal(err)
	}
	d, err := New(fds[0])
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.Close(); _ = unix.Close(fds[1]) })
	return d, fds[1]
}

// readByte is what Read calls.
func readByte(fd uintptr) bool {
	var b [1]byte
	_, err := unix.Read(int(fd), b[:])
	return !errors.Is(err, unix.EAGAIN)
}

func TestReadWaits(t *testing.T) {
	d, w := newPipe(t)
	done := make(chan error)
	go func() { done <- d.Read(readByte) }()
	if _, err := unix.Write(w, []byte("x")); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}

func TestDeadline(t *testing.T) {
	d, _ := newPipe(t)
	for _, left := range []time.Duration{-time.Second, 2 * time.Millisecond, 2 * linger} {
		if err := d.SetReadDeadline(time.Now().Add(left)); err != nil {
			t.Fatal(err)
		}
		if err := d.Read(readByte); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("%v: %v", left, err)
		}
		var g Group
		if g.Wait([]*Descriptor{d}, forever); !g.Ready(0) {
			t.Errorf("%v: a group does not see that it is late", left)
		}
	}
}

// TestClose wakes who waits, alone or in a group, and nothing works after it.
func TestClose(t *testing.T) {
	d, _ := newPipe(t)
	other, _ := newPipe(t)
	done := make(chan error)
	go func() { done <- d.Read(readByte) }()
	go func() {
		var g Group
		g.Wait([]*Descriptor{other, d}, forever)
		if !g.Ready(1) || g.Ready(0) {
			done <- errors.New("the group woke for the wrong one")
			return
		}
		done <- os.ErrClosed
	}()
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := <-done; !errors.Is(err, os.ErrClosed) {
			t.Error(err)
		}
	}
	if err := d.Close(); !errors.Is(err, os.ErrClosed) {
		t.Errorf("closing again: %v", err)
	}
	if err := d.Do(func(uintptr) { t.Error("ran") }); !errors.Is(err, os.ErrClosed) {
		t.Error(err)
	}
}

func TestBell(t *testing.T) {
	b, err := NewBell()
	if err != nil {
		t.Fatal(err)
	}
	var g Group
	ds := []*Descriptor{b.Descriptor}
	if g.Wait(ds, time.Millisecond); g.Ready(0) {
		t.Error("it rings by itself")
	}
	b.Ring()
	if g.Wait(ds, forever); !g.Ready(0) {
		t.Error("it was rung")
	}
	b.Hush()
	if g.Wait(ds, 0); g.Ready(0) {
		t.Error("it still rings")
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestWake makes a descriptor look readable until it is calmed, and does not get in the way of Close.
func TestWake(t *testing.T) {
	d, _ := newPipe(t)
	var g Group
	d.Wake()
	if g.Wait([]*Descriptor{d}, forever); !g.Ready(0) {
		t.Error("a group does not see that it was woken")
	}
	looks := 0
	if err := d.Read(func(uintptr) bool { looks++; return looks == 2 }); err != nil || looks != 2 {
		t.Errorf("a reader looked %d times: %v", looks, err)
	}
	d.Calm()
	if g.Wait([]*Descriptor{d}, 2*linger); g.Ready(0) {
		t.Error("a group sees that it was woken after it was calmed")
	}
	done := make(chan error)
	go func() { done <- d.Read(readByte) }()
	go d.Calm()
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-done; !errors.Is(err, os.ErrClosed) {
		t.Error(err)
	}
	d.Wake()
	d.Calm()
}
