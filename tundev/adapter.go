package tundev

import (
	"context"
	"errors"
	"net/netip"
	"sync"
	"sync/atomic"

	"github.com/vxmesh/vxmesh/tundev/ether"
	"github.com/vxmesh/vxmesh/tundev/offload"
	"github.com/vxmesh/vxmesh/tundev/station"
)

// framesAhead is how many frames are read before they are asked for.
const framesAhead = 64

// An adapter is a Device on what systems other than Linux have, and what a [tun] has below it
// there: then its frames are IP packets, whatever its methods call them. It has no offloads. A
// goroutine for each card reads ahead of who asks for frames; when a card is gone, another takes
// its place.
type adapter struct {
	keeper
	sys system // constant

	frames  chan []byte // that were read
	free    chan []byte // their buffers
	bell    chan struct{}
	changed chan struct{} // the addresses may have; holds one
	readers sync.WaitGroup
	asked   asker

	opt   atomic.Pointer[Options]
	at    atomic.Pointer[string] // the interface's name, which the system may have chosen
	index atomic.Int64           // of the interface
	life  atomic.Pointer[life]   // changed under mu

	mu     sync.Mutex // changes to the interface, and Close
	lent   bool       // it was there before us and stays
	fresh  bool       // it was not set up yet
	joined string     // the bridge that we made it a port of
	put    given

	out     sync.Mutex // writing
	scratch []byte
}

// A life is a card, and how it ended.
type life struct {
	card card
	lost atomic.Pointer[error] // why read had nothing more to read
}

var errLongFrame = errors.New("frame is longer than a device takes")

// openAdapter makes the device that o, which is complete, describes.
func openAdapter(sys system, o Options) (*adapter, error) {
	a := &adapter{
		sys: sys, put: make(given), scratch: make([]byte, 0, headroom+BufLen),
		frames: make(chan []byte, framesAhead), free: make(chan []byte, framesAhead),
		bell: make(chan struct{}, 1), changed: make(chan struct{}, 1),
	}
	a.init(o)
	a.opt.Store(&o)
	if err := a.open(o); err != nil {
		return nil, err
	}
	if _, err := a.settle(o); err != nil {
		_ = a.Close()
		return nil, err
	}
	return a, nil
}

// open makes the interface and reads from it. The caller holds mu, or is the only one to know a.
func (a *adapter) open(o Options) error {
	c, lent, err := a.sys.open(o)
	if err != nil {
		return &Error{o.create(), o.Name, err}
	}
	name := c.name()
	a.at.Store(&name)
	a.lent, a.fresh, a.joined = lent, true, ""
	clear(a.put)
	l := &life{card: c}
	a.life.Store(l)
	a.readers.Go(func() { a.carry(l) })
	return nil
}

// carry reads frames ahead until the card has no more.
func (a *adapter) carry(l *life) {
	var err error
	for err == nil && !a.closed() {
		err = l.card.read(a.take)
	}
	l.lost.Store(&err)
	a.poke()
}

// take keeps a copy of a frame that was read. What is shorter than a header is none.
func (a *adapter) take(frame []byte) {
	least := 1
	if a.opt.Load().Kind == TAP {
		least = ether.HeaderLen
	}
	if len(frame) < least || len(frame) > BufLen {
		return
	}
	select {
	case a.frames <- append(a.buffer(), frame...):
	case <-a.done:
	}
}

func (a *adapter) buffer() []byte {
	select {
	case b := <-a.free:
		return b[:0]
	default:
		return make([]byte, 0, BufLen)
	}
}

func (a *adapter) Name() string       { return *a.at.Load() }
func (a *adapter) MAC() ether.MAC     { return a.opt.Load().MAC }
func (a *adapter) MTU() int           { return a.opt.Load().MTU }
func (a *adapter) Offloads() Offloads { return Offloads{} }

func (a *adapter) ReadFrame(buf []byte, wait bool) (int, offload.Header, error) {
	if len(buf) < BufLen {
		return 0, offload.Header{}, errShortBuffer
	}
	return a.read(buf, wait)
}

func (a *adapter) read(buf []byte, wait bool) (int, offload.Header, error) {
	if a.closed() {
		return 0, offload.Header{}, ErrClosed
	}
	select {
	case f := <-a.frames:
		return a.give(buf, f), offload.Header{}, nil
	default:
	}
	if !wait {
		return 0, offload.Header{}, ErrWouldBlock
	}
	select {
	case f := <-a.frames:
		return a.give(buf, f), offload.Header{}, nil
	case <-a.bell:
		return 0, offload.Header{}, ErrWouldBlock
	case <-a.done:
		return 0, offload.Header{}, ErrClosed
	}
}

// give copies a frame that was read and takes its buffer back.
func (a *adapter) give(buf, frame []byte) int {
	n := copy(buf, frame)
	select {
	case a.free <- frame:
	default:
	}
	return n
}

func (a *adapter) wake() {
	select {
	case a.bell <- struct{}{}:
	default: // it was rung
	}
}

func (a *adapter) calm() {
	select {
	case <-a.bell:
	default:
	}
}

func (a *adapter) WriteFrame(_ offload.Header, parts [][]byte) error {
	return a.send(parts, 0, ether.HeaderLen)
}

func (a *adapter) write(_ offload.Header, parts [][]byte, skip int) error {
	return a.send(parts, skip, 0)
}

// send writes the frame that follows the first skip bytes of parts, if it has so many bytes at
// least.
func (a *adapter) send(parts [][]byte, skip, least int) error {
	switch {
	case len(parts) > MaxParts:
		return errManyParts
	case a.closed():
		return ErrClosed
	case !a.State().Up:
		return ErrDown
	}
	a.out.Lock()
	defer a.out.Unlock()
	b := a.scratch[:headroom]
	for _, p := range parts {
		left := min(skip, len(p))
		p, skip = p[left:], skip-left
		if len(b)+len(p) > cap(b) {
			return errLongFrame
		}
		b = append(b, p...)
	}
	if len(b) < headroom+least {
		return errShortFrame
	}
	if least > 0 {
		a.asked.show(a.MAC(), b[headroom:])
	}
	l := a.life.Load()
	if l.lost.Load() != nil {
		return ErrDown
	}
	return l.card.write(b)
}

// Probe is [Probe] for this device: the question goes out, and the answer comes in, as frames do
// that the system's own stack sends and gets.
func (a *adapter) Probe(ctx context.Context, addr netip.Addr) (ether.MAC, error) {
	return a.asked.probe(ctx, a.MAC(), addr, a.take)
}

func (a *adapter) addressing() ([]netip.Prefix, []station.Route, error) {
	now, err := a.sys.look(a.Name())
	if err == nil && now == nil {
		err = errors.New(faultRemoved)
	}
	if err != nil {
		return nil, nil, err
	}
	return now.addresses, nil, nil
}

func (a *adapter) changes() <-chan struct{} { return a.changed }

func (a *adapter) Reconfigure(n Options) error {
	n, err := n.complete()
	if err != nil {
		return &Error{"change device", n.Name, err}
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.closed() {
		return ErrClosed
	}
	old := *a.opt.Load()
	if err := old.changeable(n); err != nil {
		return &Error{"change device", old.Name, err}
	}
	if a.absent() == "" { // else Run will do it with the new options
		if _, err := a.settle(n); err != nil {
			_, _ = a.settle(old)
			return err
		}
	}
	a.opt.Store(&n)
	a.poke()
	return nil
}

func (a *adapter) Close() error {
	a.mu.Lock()
	if a.closed() {
		a.mu.Unlock()
		return nil
	}
	close(a.done) // first, so that whoever is woken finds out why
	err := a.retire()
	a.mu.Unlock()
	a.readers.Wait()
	if err != nil {
		return &Error{"close device", a.Name(), err}
	}
	return nil
}
