package tundev

import (
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/vxmesh/vxmesh/tundev/ether"
	"github.com/vxmesh/vxmesh/tundev/offload"
	"github.com/vxmesh/vxmesh/tundev/station"
)

// tickEvery is the least time between two looks at what is due, so that many neighbours which are asked for
// cost one look.
const tickEvery = 20 * time.Millisecond

// A Conflict is an own address that another station uses as well.
type Conflict = station.Conflict

// A lower is the system's layer-3 device below a [tun]. Its frames are IP packets.
type lower interface {
	Name() string
	MTU() int
	Offloads() Offloads
	State() State
	Run(ctx context.Context) error
	Reconfigure(o Options) error
	Close() error

	// read reads a packet; after a wake it gives ErrWouldBlock although it may wait.
	read(buf []byte, wait bool) (int, offload.Header, error)
	// write writes a packet that follows the first skip bytes of parts.
	write(h offload.Header, parts [][]byte, skip int) error
	// wake has a reader return, now or at its next call, until calm is called by it.
	wake()
	calm()
	// addressing gives the addresses that the device has and the routes that lead to it.
	addressing() ([]netip.Prefix, []station.Route, error)
	// changes is sent to when addressing may give something else.
	changes() <-chan struct{}
}

// A tun is a Device on a TUN: the system sees an IP device, the segment an Ethernet host.
//
//	system ◄─ packets ─► lower ◄─► station ◄─ frames ─► engine
type tun struct {
	lower
	log     *slog.Logger
	mac     ether.MAC
	station *station.Station
	start   time.Time // of the station's clock
	kick    chan struct{}
	armed   atomic.Int64 // when Run looks at what is due
	up      atomic.Bool  // the device is up again: the segment has to be told
	heads   sync.Pool    // of *[]byte: frames for the station, in one piece

	asked asker
}

// openTUN opens the system's device and puts a station on it.
func openTUN(o Options, open func(Options) (lower, error)) (*tun, error) {
	t := &tun{
		log: o.Log, mac: o.MAC, station: station.New(o.MAC), start: time.Now(),
		kick: make(chan struct{}, 1),
	}
	t.heads.New = func() any { return new(make([]byte, 0, 2048)) }
	tell := o.OnChange
	o.OnChange = func(s State) { t.changed(s, tell) }
	var err error
	if t.lower, err = open(o); err != nil {
		return nil, err
	}
	if err := t.sync(); err != nil {
		_ = t.Close()
		return nil, &Error{"read the addresses of device", o.Name, err}
	}
	return t, nil
}

// MAC is the address of the host on the segment; the system's interface has none.
func (t *tun) MAC() ether.MAC { return t.mac }

func (t *tun) now() time.Duration { return time.Since(t.start) }

// sync tells the station what the system's interface has.
func (t *tun) sync() error {
	addrs, routes, err := t.addressing()
	if err != nil {
		return err
	}
	t.station.SetAddresses(t.now(), addrs)
	t.station.SetRoutes(routes)
	return nil
}

func (t *tun) ReadFrame(buf []byte, wait bool) (int, offload.Header, error) {
	if len(buf) < BufLen {
		return 0, offload.Header{}, errShortBuffer
	}
	for {
		if n, h, ok := t.own(buf); ok {
			return n, h, nil
		}
		n, h, err := t.read(buf[ether.HeaderLen:], wait)
		switch {
		case err == nil:
			ok := t.station.Outbound(t.now(), &h, buf[:ether.HeaderLen+n])
			t.rouse()
			if ok {
				return ether.HeaderLen + n, h, nil
			}
		case errors.Is(err, ErrWouldBlock) && (wait || t.station.Pending()):
		default:
			return 0, offload.Header{}, err
		}
	}
}

// own gives a frame of the station's own. The reader is calmed only when there is none, and then there is
// another look, so that no frame stays for want of a wake.
func (t *tun) own(buf []byte) (int, offload.Header, bool) {
	if n, h, ok := t.station.Next(buf); ok {
		return n, h, true
	}
	t.calm()
	return t.station.Next(buf)
}

// rouse wakes the reader if the station has frames, and Run if something is due.
func (t *tun) rouse() {
	if t.station.Pending() {
		t.wake()
	}
	t.hurry()
}

// hurry has Run look at what is due before it would.
func (t *tun) hurry() {
	if int64(t.station.Due()) >= t.armed.Load() {
		return
	}
	select {
	case t.kick <- struct{}{}:
	default: // it will anyway
	}
}

func (t *tun) WriteFrame(h offload.Header, parts [][]byte) error {
	if len(parts) > MaxParts {
		return errManyParts
	}
	var head ether.Frame
	if len(parts) > 0 {
		head = parts[0]
	}
	var whole *[]byte
	if len(head) < station.HeadLen && len(parts) > 1 {
		whole = t.join(parts)
		defer t.heads.Put(whole)
		head = *whole
	}
	if !head.Valid() {
		return errShortFrame
	}
	offset, verdict := t.station.Inbound(head)
	if verdict&station.Control != 0 {
		t.handle(h, parts)
	}
	if verdict&station.Deliver == 0 || !station.Strip(&h, offset) {
		return nil
	}
	return t.write(h, parts, offset)
}

// join copies a frame into one piece.
func (t *tun) join(parts [][]byte) *[]byte {
	whole := t.heads.Get().(*[]byte)
	*whole = (*whole)[:0]
	for _, p := range parts {
		*whole = append(*whole, p...)
	}
	return whole
}

// handle gives a frame to the station, with its checksum complete.
func (t *tun) handle(h offload.Header, parts [][]byte) {
	whole := t.join(parts)
	defer t.heads.Put(whole)
	if offload.Complete(h, *whole) != nil {
		return
	}
	t.asked.show(t.mac, *whole)
	t.station.Handle(t.now(), *whole)
	t.rouse()
}

// Run keeps the device alive and the station's time.
func (t *tun) Run(ctx context.Context) error {
	ended := make(chan error, 1)
	go func() { ended <- t.lower.Run(ctx) }()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case err := <-ended:
			return err
		case <-t.changes():
			if err := t.sync(); err != nil {
				t.log.Debug("addresses not read", "device", t.Name(), "err", err)
			}
		case <-t.kick: // only to look
			if t.up.Load() {
				t.tick()
			}
		case <-timer.C:
			t.tick()
		}
		due := t.station.Due()
		t.armed.Store(int64(due))
		if wait := due - t.now(); wait < time.Hour {
			timer.Reset(max(wait, tickEvery))
		}
	}
}

// tick does what is due, and tells of addresses that others have.
func (t *tun) tick() {
	if t.up.Swap(false) {
		t.station.Announce(t.now())
	}
	t.station.Tick(t.now())
	t.tell()
	if t.station.Pending() {
		t.wake()
	}
}

// tell logs which addresses others have.
func (t *tun) tell() {
	for _, c := range t.station.NewConflicts() {
		t.log.Warn("another station has an address of this device", "device", t.Name(), "addr", c.Addr,
			"mac", c.Rival, "given_up", c.Lost)
	}
}

// changed is told of the lower device's state, before tell is.
func (t *tun) changed(s State, tell func(State)) {
	if s.Up {
		t.up.Store(true)
		select {
		case t.kick <- struct{}{}:
		default:
		}
	}
	if tell != nil {
		tell(s)
	}
}

// Drops says by reason how many packets and frames went no further between the system and the segment.
func (t *tun) Drops() map[string]uint64 { return t.station.Drops() }

// Conflicts gives the addresses of this device that another station uses, too.
func (t *tun) Conflicts() []Conflict { return t.station.Conflicts(t.now()) }

// Probe is [Probe] for this device, whose interface has no Ethernet to ask on.
func (t *tun) Probe(ctx context.Context, a netip.Addr) (ether.MAC, error) {
	return t.asked.probe(ctx, t.mac, a, func(question []byte) {
		t.station.Emit(question)
		t.rouse()
	})
}
