package tundev

import (
	"bytes"
	"context"
	"log/slog"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/vxmesh/vxmesh/tundev/ether"
	"github.com/vxmesh/vxmesh/tundev/offload"
	"github.com/vxmesh/vxmesh/tundev/station"
)

// A fakeLower is a layer-3 device without a system: packets go in and out by channels.
type fakeLower struct {
	in, out chan []byte
	bell    chan struct{}
	news    chan struct{}
	done    chan struct{}
	opt     Options
	addrs   []netip.Prefix
}

func (l *fakeLower) Name() string                                         { return l.opt.Name }
func (l *fakeLower) MTU() int                                             { return l.opt.MTU }
func (l *fakeLower) Offloads() Offloads                                   { return Offloads{} }
func (l *fakeLower) State() State                                         { return State{Up: true} }
func (l *fakeLower) Reconfigure(Options) error                            { return nil }
func (l *fakeLower) Run(context.Context) error                            { <-l.done; return nil }
func (l *fakeLower) Close() error                                         { close(l.done); return nil }
func (l *fakeLower) changes() <-chan struct{}                             { return l.news }
func (l *fakeLower) addressing() ([]netip.Prefix, []station.Route, error) { return l.addrs, nil, nil }

func (l *fakeLower) wake() {
	select {
	case l.bell <- struct{}{}:
	default:
	}
}

func (l *fakeLower) calm() {
	select {
	case <-l.bell:
	default:
	}
}

func (l *fakeLower) read(buf []byte, wait bool) (int, offload.Header, error) {
	select {
	case p := <-l.in:
		return copy(buf, p), offload.Header{}, nil
	default:
	}
	if !wait {
		return 0, offload.Header{}, ErrWouldBlock
	}
	select {
	case p := <-l.in:
		return copy(buf, p), offload.Header{}, nil
	case <-l.bell:
		return 0, offload.Header{}, ErrWouldBlock
	case <-l.done:
		return 0, offload.Header{}, ErrClosed
	}
}

func (l *fakeLower) write(_ offload.Header, parts [][]byte, skip int) error {
	l.out <- bytes.Join(parts, nil)[skip:]
	return nil
}

// wire is two TUNs and what carries frames between them.
type wire struct {
	a, b   Device
	la, lb *fakeLower
}

func newWire(t *testing.T, a, b string) *wire {
	t.Helper()
	w := &wire{}
	w.a, w.la = openFake(t, ether.MAC{2, 0, 0, 0, 0, 1}, a)
	w.b, w.lb = openFake(t, ether.MAC{2, 0, 0, 0, 0, 2}, b)
	go carryFrames(w.a, w.b, 5)
	go carryFrames(w.b, w.a, 14)
	return w
}

func (w *wire) close() {
	_ = w.a.Close()
	_ = w.b.Close()
}

func openFake(t *testing.T, mac ether.MAC, addr string) (Device, *fakeLower) {
	t.Helper()
	l := &fakeLower{
		in: make(chan []byte, 8), out: make(chan []byte, 8), bell: make(chan struct{}, 1),
		news: make(chan struct{}, 1), done: make(chan struct{}),
		addrs: []netip.Prefix{netip.MustParsePrefix(addr)},
	}
	o := Options{Kind: TUN, Name: "vxm0", MTU: 1500, MAC: mac, Log: slog.New(slog.DiscardHandler)}
	d, err := openTUN(o, func(o Options) (lower, error) { l.opt = o; return l, nil })
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = d.Run(context.Background()) }()
	return d, l
}

// carryFrames takes frames from one device to the other, in two parts.
func carryFrames(from, to Device, cut int) {
	buf := make([]byte, BufLen)
	for {
		n, h, err := from.ReadFrame(buf, true)
		if err != nil {
			return
		}
		_ = to.WriteFrame(h, [][]byte{buf[:cut], buf[cut:n]})
	}
}

// ping4 is an IPv4 packet.
func ping4(src, dst string) []byte {
	p := append([]byte{0x45, 0, 0, 24, 0, 0, 0, 0, 64, 1, 0, 0}, netip.MustParseAddr(src).AsSlice()...)
	p = append(append(p, netip.MustParseAddr(dst).AsSlice()...), "ping"...)
	ether.PutIPv4Checksum(p)
	return p
}

// TestTUNsReachEachOther: two hosts find each other, and packets cross as they were.
func TestTUNsReachEachOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWire(t, "10.0.0.1/24", "10.0.0.2/24")
		defer w.close()
		begin := time.Now()
		for range 3 {
			p := ping4("10.0.0.1", "10.0.0.2")
			w.la.in <- p
			if got := <-w.lb.out; !bytes.Equal(got, p) {
				t.Errorf("arrived as %x", got)
			}
			p = ping4("10.0.0.2", "10.0.0.1")
			w.lb.in <- p
			if got := <-w.la.out; !bytes.Equal(got, p) {
				t.Errorf("arrived as %x", got)
			}
		}
		if d := time.Since(begin); d > 2*time.Second {
			t.Errorf("it took %v", d)
		}
	})
}

// TestTUNConflict: of two hosts with one address one knows, and Probe finds who has an address.
func TestTUNConflict(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWire(t, "10.0.0.1/24", "10.0.0.2/24")
		defer w.close()
		time.Sleep(5 * time.Second)
		a := w.a.(*tun)
		for addr, want := range map[string]ether.MAC{"10.0.0.2": w.b.MAC(), "10.0.0.3": {}} {
			if mac, err := a.Probe(t.Context(), netip.MustParseAddr(addr)); err != nil || mac != want {
				t.Errorf("%s is at %s: %v", addr, mac, err)
			}
		}
		w.la.addrs = append(w.la.addrs, netip.MustParsePrefix("10.0.0.2/24"))
		w.la.news <- struct{}{}
		time.Sleep(time.Second)
		want := Conflict{Addr: netip.MustParseAddr("10.0.0.2"), Rival: w.b.MAC(), Lost: true}
		if c := a.Conflicts(); len(c) != 1 || c[0] != want {
			t.Errorf("conflicts %v", c)
		}
	})
}

func TestTUNRefusesFrames(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, _ := openFake(t, ether.MAC{2, 0, 0, 0, 0, 1}, "10.0.0.1/24")
		defer func() { _ = d.Close() }()
		for want, parts := range map[error][][]byte{
			errShortFrame: {make([]byte, 5), make([]byte, 8)},
			errManyParts:  make([][]byte, MaxParts+1),
		} {
			if err := d.WriteFrame(offload.Header{}, parts); err != want {
				t.Errorf("%d parts: %v", len(parts), err)
			}
		}
		if err := d.WriteFrame(offload.Header{}, nil); err != errShortFrame {
			t.Errorf("no parts: %v", err)
		}
		if _, _, err := d.ReadFrame(make([]byte, 100), false); err != errShortBuffer {
			t.Errorf("short buffer: %v", err)
		}
	})
}
