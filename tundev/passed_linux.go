package tundev

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"github.com/vxmesh/vxmesh/internal/wait"
	"github.com/vxmesh/vxmesh/tundev/ether"
	"github.com/vxmesh/vxmesh/tundev/offload"
)

// A passed device is a TAP that another process has made, as a rule in a network namespace of its own,
// and whose descriptor it has passed on. Name, addresses and state of the interface are that process's
// business; once it is gone it does not come back.
type passed struct {
	queue    *queue
	offloads Offloads
	opt      atomic.Pointer[Options]
	state    State
	writers  sync.Pool // of *writer

	closing sync.Once
	done    chan struct{}
}

// CreateTAP makes a TAP in the network namespace of the calling thread, to be passed on: whoever has its
// descriptor keeps it in being. [Hints] knows what to do about its errors.
func CreateTAP(name string) (*os.File, error) {
	fd, err := openTun()
	if err != nil {
		return nil, &Error{"create tap device", name, err}
	}
	if _, err := attach(fd, TAP, name, false, false); err != nil {
		_ = unix.Close(fd)
		return nil, &Error{"create tap device", name, err}
	}
	return os.NewFile(uintptr(fd), name), nil
}

// SetCarrier has the system see a TAP with or without a cable in it.
func SetCarrier(tap *os.File, on bool) error {
	raw, err := tap.SyscallConn()
	if err != nil {
		return err
	}
	state := map[bool]int{true: 1}[on]
	var set error
	err = raw.Control(func(fd uintptr) { set = unix.IoctlSetPointerInt(int(fd), unix.TUNSETCARRIER, state) })
	return errors.Join(err, set)
}

// OpenPassed makes a device of the descriptor of an attached TAP and owns it, even on failure. It gives the
// interface the MAC of o; the MTU of o is what its owner is believed to set.
//
// Whoever passed the descriptor still shares its open file, and with that what can be set there: it is to
// be somebody who may command this process anyway.
func OpenPassed(f *os.File, o Options) (Device, error) {
	defer func() { _ = f.Close() }()
	d := &passed{state: State{Up: true, Since: time.Now()}, done: make(chan struct{})}
	d.opt.Store(&o)
	d.writers.New = func() any { return newWriter() }
	if err := d.take(f); err != nil {
		return nil, &Error{"take over tap device of", o.Name, err}
	}
	return d, nil
}

// take makes the file's descriptor the device's queue.
func (d *passed) take(f *os.File) error {
	fd, err := ownDescriptor(f)
	if err != nil {
		return err
	}
	if d.offloads, err = adopt(fd, d.MAC()); err != nil {
		_ = unix.Close(fd)
		return err
	}
	d.queue, err = newQueue(fd)
	return err
}

// ownDescriptor duplicates the descriptor of a file, whatever Go has made of that.
func ownDescriptor(f *os.File) (fd int, err error) {
	raw, err := f.SyscallConn()
	if err != nil {
		return -1, err
	}
	var dup error
	err = raw.Control(func(old uintptr) { fd, dup = unix.FcntlInt(old, unix.F_DUPFD_CLOEXEC, 0) })
	return fd, errors.Join(err, dup)
}

// adopt sees that fd is that of a TAP, and makes it one like our own.
func adopt(fd int, mac ether.MAC) (Offloads, error) {
	req, err := unix.NewIfreq("")
	if err != nil {
		return Offloads{}, err
	}
	const flags = unix.IFF_TAP | unix.IFF_VNET_HDR // IFF_NO_PI has a bit that means something else here
	switch err := unix.IoctlIfreq(fd, unix.TUNGETIFF, req); {
	case err != nil: // ENOTTY: of another kind; EBADFD: on no interface
		return Offloads{}, causef(ErrInvalid, "the descriptor is not that of a TAP")
	case req.Uint16()&flags != flags:
		return Offloads{}, causef(ErrInvalid, "its device is not a TAP with IFF_NO_PI and IFF_VNET_HDR")
	}
	if err := setMAC(fd, mac); err != nil {
		return Offloads{}, fmt.Errorf("set its mac: %w", err)
	}
	if err := unix.SetNonblock(fd, true); err != nil {
		return Offloads{}, err
	}
	return setOffloads(fd)
}

func (d *passed) Name() string       { return d.opt.Load().Name }
func (d *passed) MAC() ether.MAC     { return d.opt.Load().MAC }
func (d *passed) MTU() int           { return d.opt.Load().MTU }
func (d *passed) Offloads() Offloads { return d.offloads }
func (d *passed) State() State       { return d.state }

// ReadFrame gives ErrClosed when the interface is gone, too.
func (d *passed) ReadFrame(buf []byte, wait bool) (int, offload.Header, error) {
	if len(buf) < BufLen {
		return 0, offload.Header{}, errShortBuffer
	}
	for {
		n, h, err := d.queue.read(buf, wait)
		switch {
		case err == nil && n >= ether.HeaderLen:
			return n, h, nil
		case err == nil: // a raw socket on the interface can send less than a header
			continue
		case err == ErrWouldBlock:
			return 0, h, err
		}
		d.end()
		return 0, h, ErrClosed
	}
}

// Descriptor is readable when ReadFrame has a frame, and nil when there will be none any more.
func (d *passed) Descriptor() *wait.Descriptor {
	select {
	case <-d.done:
		return nil
	default:
		return d.queue.file
	}
}

func (d *passed) WriteFrame(h offload.Header, parts [][]byte) error {
	w := d.writers.Get().(*writer)
	err := w.gather(h, parts, 0)
	if err == nil {
		err = d.queue.write(w)
	}
	w.release()
	d.writers.Put(w)
	return err
}

// Run only waits: there is nothing that this process could keep alive.
func (d *passed) Run(ctx context.Context) error {
	select {
	case <-ctx.Done():
	case <-d.done:
	}
	return nil
}

// Reconfigure takes the MTU.
func (d *passed) Reconfigure(o Options) error {
	now := *d.opt.Load()
	now.MTU = o.MTU
	d.opt.Store(&now)
	return nil
}

// end has Run return.
func (d *passed) end() { d.closing.Do(func() { close(d.done) }) }

func (d *passed) Close() error {
	d.end()
	if err := d.queue.file.Close(); err != nil && !errors.Is(err, os.ErrClosed) {
		return &Error{"close device", d.Name(), err}
	}
	return nil
}
