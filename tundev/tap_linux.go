package tundev

import (
	"errors"
	"sync"
	"sync/atomic"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"github.com/vxmesh/vxmesh/internal/wait"
	"github.com/vxmesh/vxmesh/tundev/ether"
	"github.com/vxmesh/vxmesh/tundev/offload"
)

// A tap is a Device on a Linux TAP, and what a [tun] has below it on a Linux TUN: then its frames are IP
// packets, whatever its methods call them. Everything it needs of the kernel is opened by Open, in the
// network namespace of the thread that calls it, so it works on any thread afterwards.
type tap struct {
	keeper

	// Constant.
	news     *nl.NetlinkSocket // tells of changes to interfaces and addresses
	heardNew chan struct{}     // addresses or routes of a TUN may have changed; holds one

	// Read by any goroutine.
	opt      atomic.Pointer[Options]
	queue    atomic.Pointer[queue] // changed under mu
	offloads atomic.Pointer[Offloads]
	index    atomic.Int64 // of the interface; changed under mu
	fell     atomic.Bool  // it was down since it was last set right, if only for a moment
	writers  sync.Pool    // of *writer

	mu   sync.Mutex // changes to the interface, and Close; no other lock is taken under it
	port port
}

// Open makes the device that o describes and sets it up, or adopts a persistent one of that name that
// no process has. The device is removed by Close and by the end of the process, however it ends; an
// adopted one stays, without what was added to it.
func Open(o Options) (Device, error) {
	o, err := o.complete()
	if err == nil && o.Kind != TAP && o.Kind != TUN {
		err = causef(ErrInvalid, "the kernel has no device of kind %s", o.Kind)
	}
	if err != nil {
		return nil, &Error{o.create(), o.Name, err}
	}
	if o.Kind == TUN {
		return openKernelTUN(o)
	}
	t, err := openTAP(o)
	if err != nil {
		return nil, err
	}
	return t, nil
}

// openTAP makes the kernel's device.
func openTAP(o Options) (*tap, error) {
	t := &tap{heardNew: make(chan struct{}, 1)}
	t.init(o)
	t.writers.New = func() any { return newWriter() }
	t.opt.Store(&o)
	if err := t.open(o); err != nil {
		_ = t.Close()
		return nil, err
	}
	return t, nil
}

func (t *tap) open(o Options) (err error) {
	if t.port, err = newPort(o.Log); err != nil {
		return &Error{o.create(), o.Name, err}
	}
	if o.Bridge != "" { // before anything is made that would have to go again
		if _, err := t.port.bridge(o.Bridge); err != nil {
			return err
		}
	}
	fd, err := openTun()
	if err != nil {
		return &Error{o.create(), o.Name, err}
	}
	if err := t.attach(fd); err != nil {
		return err
	}
	if _, err := t.settle(o); err != nil {
		return err
	}
	// Only now, as our own doings are no news; what is missed until Run, its first look finds.
	groups := []uint{unix.RTNLGRP_LINK, unix.RTNLGRP_IPV4_IFADDR, unix.RTNLGRP_IPV6_IFADDR}
	if o.Kind == TUN {
		groups = append(groups, unix.RTNLGRP_IPV4_ROUTE, unix.RTNLGRP_IPV6_ROUTE)
	}
	t.news, err = nl.Subscribe(unix.NETLINK_ROUTE, groups...)
	if err != nil {
		return &Error{"watch device", o.Name, err}
	}
	return nil
}

// attach puts fd on the interface, makes it the device's queue and owns it, even on failure.
func (t *tap) attach(fd int) error {
	o := t.opt.Load()
	offloads, err := t.port.claim(fd, o.Kind, o.Name)
	if err != nil {
		_ = unix.Close(fd)
		return &Error{o.create(), o.Name, err}
	}
	t.offloads.Store(&offloads)
	return t.replaceQueue(fd)
}

// replaceQueue makes the attached fd the device's queue and owns it.
func (t *tap) replaceQueue(fd int) error {
	q, err := newQueue(fd)
	if err != nil {
		return &Error{t.opt.Load().create(), t.Name(), err}
	}
	if old := t.queue.Swap(q); old != nil {
		close(old.replaced)
		_ = old.file.Close()
	}
	return nil
}

// settle makes the interface be as o says and tells what was not.
func (t *tap) settle(o Options) (was finding, err error) {
	fell := t.fell.Swap(false)
	e := t.queue.Load().control(func(fd int) { was, err = t.port.settle(fd, o, fell) })
	if e != nil {
		return was, &Error{"set up device", o.Name, e}
	}
	t.index.Store(int64(t.port.index))
	return was, err
}

func (t *tap) Name() string       { return t.opt.Load().Name }
func (t *tap) MAC() ether.MAC     { return t.opt.Load().MAC }
func (t *tap) MTU() int           { return t.opt.Load().MTU }
func (t *tap) Offloads() Offloads { return *t.offloads.Load() }

func (t *tap) ReadFrame(buf []byte, wait bool) (int, offload.Header, error) {
	if len(buf) < BufLen {
		return 0, offload.Header{}, errShortBuffer
	}
	return t.read(buf, wait)
}

// read is ReadFrame for a buffer of any length. After a wake it gives ErrWouldBlock.
func (t *tap) read(buf []byte, wait bool) (int, offload.Header, error) {
	for {
		q := t.queue.Load()
		n, h, err := q.read(buf, wait)
		switch {
		case err == nil && n >= ether.HeaderLen: // an IP packet is longer, too
			return n, h, nil
		case err == nil: // a raw socket on the interface can send less than a header
			continue
		case err == ErrWouldBlock:
			return 0, h, err
		}
		if q.broken.CompareAndSwap(false, true) {
			t.poke()
		}
		if err := t.await(q, wait); err != nil {
			return 0, h, err
		}
	}
}

// Descriptor is readable when ReadFrame has a frame. It is another one after the device was made
// again, and nil while it is gone.
func (t *tap) Descriptor() *wait.Descriptor {
	if q := t.queue.Load(); !q.broken.Load() {
		return q.file
	}
	return nil
}

// await waits until the broken queue q has a successor.
func (t *tap) await(q *queue, wait bool) error {
	if !wait {
		if t.closed() {
			return ErrClosed
		}
		return ErrWouldBlock
	}
	select {
	case <-t.done:
		return ErrClosed
	case <-q.replaced:
		return nil
	}
}

func (t *tap) WriteFrame(h offload.Header, parts [][]byte) error { return t.write(h, parts, 0) }

// write is WriteFrame without the first skip bytes.
func (t *tap) write(h offload.Header, parts [][]byte, skip int) error {
	w := t.writers.Get().(*writer)
	err := w.gather(h, parts, skip)
	if err == nil {
		err = t.queue.Load().write(w)
	}
	w.release()
	t.writers.Put(w)
	if err == ErrDown && t.closed() {
		return ErrClosed
	}
	return err
}

func (t *tap) Reconfigure(n Options) error {
	n, err := n.complete()
	if err != nil {
		return &Error{"change device", n.Name, err}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed() {
		return ErrClosed
	}
	old := *t.opt.Load()
	if err := old.changeable(n); err != nil {
		return &Error{"change device", old.Name, err}
	}
	if n.Bridge != "" && n.Bridge != old.Bridge {
		if _, err := t.port.bridge(n.Bridge); err != nil {
			return err
		}
	}
	if t.attachedTo() == n.Name { // else Run will do it with the new options
		if _, err := t.settle(n); err != nil {
			_, _ = t.settle(old)
			return err
		}
	}
	t.opt.Store(&n)
	t.poke()
	return nil
}

// attachedTo gives the present name of the interface, "" when it has been removed.
func (t *tap) attachedTo() (name string) {
	_ = t.queue.Load().control(func(fd int) { name = attachedTo(fd) })
	return name
}

func (t *tap) Close() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed() {
		return nil
	}
	close(t.done) // first, so that whoever is woken finds out why
	err := t.port.leave()
	if q := t.queue.Load(); q != nil {
		err = errors.Join(err, q.file.Close())
	}
	if t.news != nil {
		t.news.Close()
	}
	t.port.close()
	if err != nil {
		return &Error{"close device", t.Name(), err}
	}
	return nil
}
