// Package tundevtest gives tests an Ethernet device without a kernel below it.
//
// Use it wherever a [tundev.Device] is asked for and no frame has to reach this machine's network
// stack. A [Device] may be used by any number of goroutines, inside a testing/synctest bubble too
// when it was made there.
package tundevtest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/vxmesh/vxmesh/tundev"
	"github.com/vxmesh/vxmesh/tundev/ether"
	"github.com/vxmesh/vxmesh/tundev/offload"
)

// Depth is the number of frames that wait in each direction before more are refused.
const Depth = 1024

// ErrFull is what a device gives that has [Depth] frames waiting.
var ErrFull = errors.New("device queue is full")

// A Frame is one frame with what is left to do for it.
type Frame struct {
	Header offload.Header
	Bytes  []byte
}

// A Device is a [tundev.Device] whose kernel is the test: what the test injects is read from it,
// and the test takes what is written to it.
type Device struct {
	toEngine   chan Frame
	fromEngine chan Frame
	done       chan struct{}
	offloads   tundev.Offloads // constant

	mu       sync.Mutex // the rest; onChange is called outside it
	opt      tundev.Options
	state    tundev.State
	isClosed bool
}

var _ tundev.Device = (*Device)(nil)

// New makes a device that is up and takes every kind of super-frame.
func New(name string, mac ether.MAC, mtu int) *Device {
	return NewWith(tundev.Options{Name: name, MAC: mac, MTU: mtu},
		tundev.Offloads{Csum: true, TSO: true, USO: true})
}

// NewWith makes a device of any options, which are believed unseen, and offloads. OnChange is told
// of [Device.SetUp].
func NewWith(o tundev.Options, offloads tundev.Offloads) *Device {
	return &Device{
		toEngine:   make(chan Frame, Depth),
		fromEngine: make(chan Frame, Depth),
		done:       make(chan struct{}),
		offloads:   offloads,
		opt:        o,
		state:      tundev.State{Up: true, Since: time.Now()},
	}
}

// Inject has the device read a copy of frame next, as if the kernel had sent it. It gives
// [ErrFull], or [tundev.ErrClosed].
func (d *Device) Inject(h offload.Header, frame []byte) error {
	if d.closed() {
		return tundev.ErrClosed
	}
	select {
	case d.toEngine <- Frame{h, append([]byte(nil), frame...)}:
		return nil
	default:
		return ErrFull
	}
}

// Next takes the oldest frame that was written and waits for one until ctx ends or the device is
// closed.
func (d *Device) Next(ctx context.Context) (Frame, error) {
	select {
	case f := <-d.fromEngine: // before an end that has come already
		return f, nil
	default:
	}
	select {
	case f := <-d.fromEngine:
		return f, nil
	case <-d.done:
		return Frame{}, tundev.ErrClosed
	case <-ctx.Done():
		return Frame{}, fmt.Errorf("wait for a frame on %s: %w", d.Name(), ctx.Err())
	}
}

// Frames takes all frames that have been written and waits for none.
func (d *Device) Frames() []Frame {
	var all []Frame
	for {
		select {
		case f := <-d.fromEngine:
			all = append(all, f)
		default:
			return all
		}
	}
}

// SetUp makes the device up, or down for a reason, as if somebody had set it so.
func (d *Device) SetUp(up bool, reason string) {
	s := tundev.State{Up: up, Reason: reason, Since: time.Now()}
	d.mu.Lock()
	d.state = s
	tell := d.opt.OnChange
	d.mu.Unlock()
	if tell != nil {
		tell(s)
	}
}

// Name implements [tundev.Device].
func (d *Device) Name() string { return d.options().Name }

// MAC implements [tundev.Device].
func (d *Device) MAC() ether.MAC { return d.options().MAC }

// MTU implements [tundev.Device].
func (d *Device) MTU() int { return d.options().MTU }

// Options gives those of [NewWith] or the last Reconfigure.
func (d *Device) Options() tundev.Options { return d.options() }

// Offloads implements [tundev.Device].
func (d *Device) Offloads() tundev.Offloads { return d.offloads }

// State implements [tundev.Device].
func (d *Device) State() tundev.State {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.state
}

// ReadFrame implements [tundev.Device].
func (d *Device) ReadFrame(buf []byte, wait bool) (int, offload.Header, error) {
	if len(buf) < tundev.BufLen {
		return 0, offload.Header{}, fmt.Errorf("buffer is shorter than %d bytes", tundev.BufLen)
	}
	if d.closed() {
		return 0, offload.Header{}, tundev.ErrClosed
	}
	var f Frame
	select {
	case f = <-d.toEngine:
		return copy(buf, f.Bytes), f.Header, nil
	default:
	}
	if !wait {
		return 0, offload.Header{}, tundev.ErrWouldBlock
	}
	select {
	case f = <-d.toEngine:
		return copy(buf, f.Bytes), f.Header, nil
	case <-d.done:
		return 0, offload.Header{}, tundev.ErrClosed
	}
}

// WriteFrame implements [tundev.Device]. Beyond [Depth] frames that nobody takes it gives
// [ErrFull].
func (d *Device) WriteFrame(h offload.Header, parts [][]byte) error {
	var frame []byte
	for _, p := range parts {
		frame = append(frame, p...)
	}
	switch {
	case d.closed():
		return tundev.ErrClosed
	case len(frame) < ether.HeaderLen:
		return errors.New("frame is shorter than an Ethernet header")
	case !d.State().Up:
		return tundev.ErrDown
	}
	select {
	case d.fromEngine <- Frame{h, frame}:
		return nil
	default:
		return ErrFull
	}
}

// Run implements [tundev.Device]: nothing has to be kept alive.
func (d *Device) Run(ctx context.Context) error {
	select {
	case <-ctx.Done():
	case <-d.done:
	}
	return nil
}

// Reconfigure implements [tundev.Device].
func (d *Device) Reconfigure(o tundev.Options) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case d.isClosed:
		return tundev.ErrClosed
	case o.Name != d.opt.Name:
		return &tundev.Error{Op: "change the name of device", Name: d.opt.Name, Err: tundev.ErrInvalid}
	case o.MAC != d.opt.MAC:
		return &tundev.Error{Op: "change the mac of device", Name: d.opt.Name, Err: tundev.ErrInvalid}
	}
	d.opt.MTU, d.opt.Bridge, d.opt.Addresses = o.MTU, o.Bridge, o.Addresses
	return nil
}

// Close implements [tundev.Device]. What was written before can still be taken.
func (d *Device) Close() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.isClosed {
		d.isClosed = true
		close(d.done)
	}
	return nil
}

func (d *Device) options() tundev.Options {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.opt
}

func (d *Device) closed() bool {
	select {
	case <-d.done:
		return true
	default:
		return false
	}
}
