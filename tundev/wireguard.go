//go:build darwin || windows || freebsd || openbsd

package tundev

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	wgtun "golang.zx2c4.com/wireguard/tun"

	"github.com/vxmesh/vxmesh/tundev/ether"
	"github.com/vxmesh/vxmesh/tundev/offload"
	"github.com/vxmesh/vxmesh/tundev/station"
)

const (
	// headroom is what wireguard/tun wants before a packet, for the address family.
	headroom = 4
	// packetLen is a buffer for any packet.
	packetLen = headroom + 65535
	// packetsAhead is how many packets are read before they are asked for.
	packetsAhead = 64
	// lookEvery is when the interface's addresses are looked at again.
	lookEvery = 2 * time.Second
)

// Open makes the device that o describes. It is removed by Close and by the end of the process. The
// interface's name may be another than was asked for, where the system has its own mind about names.
func Open(o Options) (Device, error) {
	o, err := o.complete()
	if err == nil && o.Kind != TUN {
		err = fmt.Errorf(`this system has no device of kind %s: use kind = "tun"`, o.Kind)
	}
	if err != nil {
		return nil, &Error{o.create(), o.Name, err}
	}
	t, err := openTUN(o, openWireguard)
	if err != nil {
		return nil, err
	}
	return t, nil
}

// A wireguard is the lower device of systems with layer-3 tunnels only: macOS's utun, Windows's Wintun,
// and the BSDs' tun, by way of WireGuard's package. It has no offloads.
type wireguard struct {
	log      *slog.Logger
	onChange func(State)
	packets  chan []byte   // that were read, behind headroom
	free     chan []byte   // their buffers
	bell     chan struct{} // wake; holds one
	news     chan struct{}
	done     chan struct{}

	opt   atomic.Pointer[Options]
	state atomic.Pointer[State]
	name  atomic.Pointer[string]

	mu      sync.Mutex // the rest; and writing, which WireGuard's package wants done by one at a time
	dev     wgtun.Device
	closed  bool
	scratch []byte
	buf     [1][]byte // what Write takes
}

func openWireguard(o Options) (lower, error) {
	w := &wireguard{
		log: o.Log, onChange: o.OnChange,
		packets: make(chan []byte, packetsAhead), free: make(chan []byte, packetsAhead),
		bell: make(chan struct{}, 1), news: make(chan struct{}, 1), done: make(chan struct{}),
		scratch: make([]byte, packetLen),
	}
	w.opt.Store(&o)
	w.name.Store(&o.Name)
	w.state.Store(&State{Up: true, Since: time.Now()})
	if err := w.open(); err != nil {
		return nil, err
	}
	go w.carry()
	return w, nil
}

// open makes the interface. The caller holds mu, or is the only one to know w.
func (w *wireguard) open() error {
	o := w.opt.Load()
	dev, err := wgtun.CreateTUN(systemName(o.Name), o.MTU)
	if err != nil {
		if errors.Is(err, fs.ErrPermission) {
			err = ErrPermission
		}
		return &Error{o.create(), o.Name, err}
	}
	name, err := dev.Name()
	if err == nil {
		err = bringUp(name, o.MAC)
	}
	for _, a := range o.Addresses {
		if err == nil {
			err = addAddress(name, a)
		}
	}
	if err != nil {
		_ = dev.Close()
		return &Error{"set up device", o.Name, err}
	}
	w.name.Store(&name)
	w.dev = dev
	go drain(dev.Events())
	return nil
}

// drain takes the events of a device, which nobody needs: what they tell, looking tells, too.
func drain(events <-chan wgtun.Event) {
	for range events {
	}
}

func (w *wireguard) Name() string       { return *w.name.Load() }
func (w *wireguard) MTU() int           { return w.opt.Load().MTU }
func (w *wireguard) Offloads() Offloads { return Offloads{} }
func (w *wireguard) State() State       { return *w.state.Load() }

// carry reads packets ahead, and makes the interface again when it is gone, until Close.
func (w *wireguard) carry() {
	var pause backoff
	for {
		err := w.readAll()
		if w.isClosed() {
			return
		}
		w.publish(false, fmt.Sprintf("it cannot be read: %v", err))
		for err != nil {
			select {
			case <-w.done:
				return
			case <-time.After(pause.wait(time.Now())):
			}
			pause.grow(time.Now())
			err = w.reopen()
		}
		w.publish(true, "")
	}
}

func (w *wireguard) reopen() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		return nil
	}
	_ = w.dev.Close()
	return w.open()
}

// readAll reads packets until the interface is gone.
func (w *wireguard) readAll() error {
	w.mu.Lock()
	dev := w.dev
	w.mu.Unlock()
	bufs, sizes := make([][]byte, dev.BatchSize()), make([]int, dev.BatchSize())
	for {
		for i := range bufs {
			if bufs[i] == nil {
				bufs[i] = w.buffer()
			}
		}
		n, err := dev.Read(bufs, sizes, headroom)
		if err != nil {
			return err
		}
		for i := range n {
			select {
			case w.packets <- bufs[i][headroom : headroom+sizes[i]]:
				bufs[i] = nil
			case <-w.done:
				return ErrClosed
			}
		}
	}
}

func (w *wireguard) buffer() []byte {
	select {
	case b := <-w.free:
		return b[:packetLen]
	default:
		return make([]byte, packetLen)
	}
}

func (w *wireguard) isClosed() bool {
	select {
	case <-w.done:
		return true
	default:
		return false
	}
}

func (w *wireguard) publish(up bool, reason string) {
	s := State{Up: up, Reason: reason, Since: time.Now()}
	w.state.Store(&s)
	if up {
		w.log.Info("device is up again", "device", w.Name())
	} else {
		w.log.Warn("device is down", "device", w.Name(), "reason", reason)
	}
	if w.onChange != nil {
		w.onChange(s)
	}
}

func (w *wireguard) read(buf []byte, wait bool) (int, offload.Header, error) {
	select {
	case p := <-w.packets:
		return w.take(buf, p), offload.Header{}, nil
	default:
	}
	if w.isClosed() {
		return 0, offload.Header{}, ErrClosed
	}
	if !wait {
		return 0, offload.Header{}, ErrWouldBlock
	}
	select {
	case p := <-w.packets:
		return w.take(buf, p), offload.Header{}, nil
	case <-w.bell:
		return 0, offload.Header{}, ErrWouldBlock
	case <-w.done:
		return 0, offload.Header{}, ErrClosed
	}
}

// take copies a packet that was read and gives its buffer back.
func (w *wireguard) take(buf, p []byte) int {
	n := copy(buf, p)
	select {
	case w.free <- p[:0:cap(p)]:
	default:
	}
	return n
}

func (w *wireguard) wake() {
	select {
	case w.bell <- struct{}{}:
	default: // it was rung
	}
}

func (w *wireguard) calm() {
	select {
	case <-w.bell:
	default:
	}
}

func (w *wireguard) write(_ offload.Header, parts [][]byte, skip int) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case w.closed:
		return ErrClosed
	case !w.State().Up:
		return ErrDown
	}
	b := w.scratch[:headroom]
	for _, p := range parts {
		left := min(skip, len(p))
		p, skip = p[left:], skip-left
		if len(b)+len(p) > packetLen {
			return errLongPacket
		}
		b = append(b, p...)
	}
	w.buf[0] = b
	_, err := w.dev.Write(w.buf[:], headroom)
	if errors.Is(err, os.ErrClosed) {
		return ErrDown
	}
	return err
}

var errLongPacket = errors.New("packet is longer than IP allows")

func (w *wireguard) addressing() (out []netip.Prefix, _ []station.Route, err error) {
	link, err := net.InterfaceByName(w.Name())
	if err != nil {
		return nil, nil, err
	}
	addrs, err := link.Addrs()
	for _, a := range addrs {
		if n, ok := a.(*net.IPNet); ok {
			ip, ok := netip.AddrFromSlice(n.IP)
			bits, _ := n.Mask.Size()
			if ip = ip.Unmap(); ok {
				out = append(out, netip.PrefixFrom(ip, bits))
			}
		}
	}
	return out, nil, err
}

func (w *wireguard) changes() <-chan struct{} { return w.news }

// Run looks at the interface again and again; carry is what keeps it alive.
func (w *wireguard) Run(ctx context.Context) error {
	ticker := time.NewTicker(lookEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-w.done:
			return nil
		case <-ticker.C:
			select {
			case w.news <- struct{}{}:
			default:
			}
		}
	}
}

func (w *wireguard) Reconfigure(n Options) error {
	n, err := n.complete()
	if err != nil {
		return &Error{"change device", n.Name, err}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		return ErrClosed
	}
	old := *w.opt.Load()
	if n.Name == w.Name() { // what the system called it
		n.Name = old.Name
	}
	if err := old.changeable(n); err != nil {
		return &Error{"change device", old.Name, err}
	}
	if err := w.change(old, n); err != nil {
		_ = w.change(n, old)
		return &Error{"change device", old.Name, err}
	}
	w.opt.Store(&n)
	return nil
}

// change makes what is different.
func (w *wireguard) change(old, n Options) error {
	name := w.Name()
	if old.MTU != n.MTU {
		if err := setMTU(name, n.MTU); err != nil {
			return err
		}
	}
	for _, a := range old.Addresses {
		if !slices.Contains(n.Addresses, a) {
			if err := dropAddress(name, a); err != nil {
				return err
			}
		}
	}
	for _, a := range n.Addresses {
		if !slices.Contains(old.Addresses, a) {
			if err := addAddress(name, a); err != nil {
				return err
			}
		}
	}
	return nil
}

func (w *wireguard) Close() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		return nil
	}
	w.closed = true
	close(w.done)
	if err := w.dev.Close(); err != nil {
		return &Error{"close device", w.Name(), err}
	}
	return nil
}

// Probe asks whether another station has an address; a device of kind TUN has its own way, and there is no
// other here.
func Probe(context.Context, string, netip.Addr) (ether.MAC, error) { return ether.MAC{}, nil }

// command runs one of the system's programs for interfaces.
func command(name string, args ...string) error {
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, strings.TrimSpace(string(out)))
	}
	return nil
}
