package tundev

import (
	"context"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/vxmesh/vxmesh/tundev/offload"
	"github.com/vxmesh/vxmesh/tundev/station"
)

// A Stack is an IP stack in this process. ReadPacket is called by one goroutine, the rest by any.
type Stack interface {
	// ReadPacket reads the next packet that the stack sends, as [Device.ReadFrame] reads a frame, and
	// waits for one until wake can be received from, which gives [ErrWouldBlock]; a nil wake waits for
	// nothing. After Close it gives [ErrClosed].
	ReadPacket(buf []byte, wake <-chan struct{}) (n int, h offload.Header, err error)
	// WritePacket hands the stack the packet that follows the first skip bytes of parts, which are not
	// kept. It never blocks.
	WritePacket(h offload.Header, parts [][]byte, skip int) error
	// Configure gives the stack the MTU and the addresses of o in place of those that it had.
	Configure(o Options) error
	// Close ends the stack and its connections.
	Close() error
}

// A Host is a [Device] on an IP stack that is not the system's: to the segment it is one polite station,
// as a [TUN] is. Nothing of it is seen by the system, so no rights are needed for it.
type Host struct{ *tun }

// OpenHost puts a host on a stack, which takes what offloads says, and owns it from then on, even on
// failure. Beside o.Addresses the host has the IPv6 link-local address of its MAC, unless the MTU is too
// small for IPv6.
func OpenHost(o Options, s Stack, offloads Offloads) (*Host, error) {
	o, err := o.complete()
	if err == nil {
		err = s.Configure(o.withLinkLocal())
	}
	if err != nil {
		_ = s.Close()
		return nil, &Error{o.create(), o.Name, err}
	}
	t, err := openTUN(o, func(o Options) (lower, error) { return newHosted(o, s, offloads), nil })
	if err != nil {
		return nil, err
	}
	return &Host{t}, nil
}

// withLinkLocal adds what a system adds by itself.
func (o Options) withLinkLocal() Options {
	own := linkLocal(o.MAC)
	if o.MTU >= minMTUv6 && !slices.Contains(o.Addresses, own) {
		o.Addresses = append(slices.Clone(o.Addresses), own)
	}
	return o
}

// A hosted is the lower device of a [Host]. It is always up.
type hosted struct {
	stack    Stack
	offloads Offloads
	since    time.Time
	bell     chan struct{} // wake; holds one
	news     chan struct{} // the addresses have changed; holds one
	done     chan struct{} // closed by Close

	mu     sync.Mutex // the rest, and changes to the stack
	opt    Options
	closed bool
}

func newHosted(o Options, s Stack, offloads Offloads) *hosted {
	return &hosted{
		stack: s, offloads: offloads, since: time.Now(), opt: o,
		bell: make(chan struct{}, 1), news: make(chan struct{}, 1), done: make(chan struct{}),
	}
}

func (d *hosted) options() Options {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.opt
}

func (d *hosted) Name() string       { return d.options().Name }
func (d *hosted) MTU() int           { return d.options().MTU }
func (d *hosted) Offloads() Offloads { return d.offloads }
func (d *hosted) State() State       { return State{Up: true, Since: d.since} }

func (d *hosted) read(buf []byte, wait bool) (int, offload.Header, error) {
	if !wait {
		return d.stack.ReadPacket(buf, nil)
	}
	return d.stack.ReadPacket(buf, d.bell)
}

func (d *hosted) write(h offload.Header, parts [][]byte, skip int) error {
	return d.stack.WritePacket(h, parts, skip)
}

func (d *hosted) wake() {
	select {
	case d.bell <- struct{}{}:
	default: // it was rung
	}
}

// calm does nothing: who was woken has taken what the bell held.
func (d *hosted) calm() {}

func (d *hosted) addressing() ([]netip.Prefix, []station.Route, error) {
	return d.options().withLinkLocal().Addresses, nil, nil
}

func (d *hosted) changes() <-chan struct{} { return d.news }

// Run waits for the end: nobody takes the device away.
func (d *hosted) Run(ctx context.Context) error {
	select {
	case <-ctx.Done():
	case <-d.done:
	}
	return nil
}

func (d *hosted) Reconfigure(n Options) error {
	n, err := n.complete()
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return ErrClosed
	}
	if err == nil {
		err = d.opt.changeable(n)
	}
	if err == nil {
		err = d.configure(n)
	}
	if err != nil {
		return &Error{"change device", d.opt.Name, err}
	}
	d.opt = n
	select {
	case d.news <- struct{}{}:
	default: // it will be looked at anyway
	}
	return nil
}

// configure gives the stack what n says, or what it had. The caller holds mu.
func (d *hosted) configure(n Options) error {
	err := d.stack.Configure(n.withLinkLocal())
	if err != nil {
		_ = d.stack.Configure(d.opt.withLinkLocal())
	}
	return err
}

func (d *hosted) Close() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return nil
	}
	d.closed = true
	close(d.done)
	return d.stack.Close()
}
