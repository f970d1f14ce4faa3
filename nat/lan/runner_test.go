package lan

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/vxmesh/vxmesh/nat/netmon"
)

func addr(s string) netip.Addr { return netip.MustParseAddr(s) }

func iface(index int, name string, prefixes ...string) netmon.Interface {
	i := netmon.Interface{Index: index, Name: name, Up: true, Multicast: true}
	for _, p := range prefixes {
		i.Prefixes = append(i.Prefixes, netip.MustParsePrefix(p))
	}
	return i
}

var (
	eth0  = iface(2, "eth0", "192.168.1.9/24", "2001:db8::9/64", "fe80::9/64")
	wlan0 = iface(3, "wlan0", "192.168.2.9/24")
)

func TestChoose(t *testing.T) {
	down, lo, tunnel, port, single := wlan0, wlan0, wlan0, wlan0, wlan0
	down.Up, lo.Loopback, tunnel.Tunnel, port.Port, single.Multicast = false, true, true, true, false
	bare := iface(9, "bare")
	s := netmon.State{
		Interfaces:       []netmon.Interface{down, lo, tunnel, port, single, bare, wlan0, eth0},
		DefaultInterface: "eth0",
	}
	if got := choose(s); len(got) != 2 || got[0].Name != "eth0" || got[1].Name != "wlan0" {
		t.Errorf("chosen are %v", got)
	}
	many := slices.Repeat([]netmon.Interface{wlan0}, 40)
	if got := choose(netmon.State{Interfaces: append(many, eth0), DefaultInterface: "eth0"}); len(got) !=
		maxInterfaces || got[0].Name != "eth0" {
		t.Errorf("%d interfaces are used, the first is %s", len(got), got[0].Name)
	}
	s.Interfaces = []netmon.Interface{eth0, wlan0}
	if got := choose(s); got[0].Name != "eth0" {
		t.Errorf("the first is %s", got[0].Name)
	}
}

func TestGroups(t *testing.T) {
	for name, c := range map[string]struct {
		of   netmon.Interface
		want []netip.Addr
	}{
		"both":      {eth0, []netip.Addr{group4, group6.WithZone("eth0")}},
		"only IPv4": {wlan0, []netip.Addr{group4}},
		"only IPv6": {iface(4, "six0", "fe80::4/64"), []netip.Addr{group6.WithZone("six0")}},
	} {
		if got := groupsOf(c.of); !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}

func TestArrival(t *testing.T) {
	for name, c := range map[string]struct {
		from  string
		to    netip.Addr
		index int
		want  string
	}{
		"a neighbour":                 {"192.168.1.7:20001", group4, 2, "eth0"},
		"over IPv6":                   {"[2001:db8::7]:20001", group6, 2, "eth0"},
		"link-local":                  {"[fe80::7%2]:20001", group6, 2, "eth0"},
		"not to the group":            {"192.168.1.7:20001", addr("192.168.1.9"), 2, ""},
		"not to the group, IPv6":      {"[fe80::7%2]:20001", addr("fe80::9"), 2, ""},
		"not an address of the LAN":   {"198.51.100.7:20001", group4, 2, ""},
		"nor over IPv6":               {"[2001:db8:1::7]:20001", group6, 2, ""},
		"another interface's address": {"192.168.2.7:20001", group4, 2, ""},
		"an interface we do not use":  {"192.168.1.7:20001", group4, 5, ""},
		"the system does not tell":    {"192.168.2.7:20001", netip.Addr{}, 0, "wlan0"},
		"nor about strangers":         {"198.51.100.7:20001", netip.Addr{}, 0, ""},
		"a zone tells":                {"[fe80::7%eth0]:20001", netip.Addr{}, 0, "eth0"},
		"another zone":                {"[fe80::7%tun0]:20001", netip.Addr{}, 0, ""},
	} {
		p := packet{from: netip.MustParseAddrPort(c.from), to: c.to, index: c.index}
		in, ok := arrival(p, []netmon.Interface{wlan0, eth0})
		if ok != (c.want != "") || in.Name != c.want {
			t.Errorf("%s: came in by %q, want %q", name, in.Name, c.want)
		}
	}
}

// A fakeSocket hears what the test says.
type fakeSocket struct {
	in     chan func(buf []byte) packet
	closed chan struct{}
}

func (s *fakeSocket) read(buf []byte) (packet, error) {
	select {
	case f := <-s.in:
		return f(buf), nil
	case <-s.closed:
		return packet{}, net.ErrClosed
	}
}

func (s *fakeSocket) close() { close(s.closed) }

// A world is a runner in a bubble.
type world struct {
	*Runner
	socket *fakeSocket
	port   atomic.Uint32
	later  atomic.Int64 // what the wall clock is after noon

	mu    sync.Mutex
	start time.Time
	sent  []string
	heard []string
}

// inWorld runs a test in virtual time. A goroutine that outlives Run fails it.
func inWorld(t *testing.T, test func(t *testing.T, w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := &world{start: time.Now()}
		w.port.Store(20000)
		w.Runner = NewRunner(Options{
			Beacon: New(sequence(0), sequence(100)),
			Port:   func() uint16 { return uint16(w.port.Load()) },
			Send: func(b []byte, to netip.AddrPort, out netmon.Interface) error {
				if len(b) != Size {
					t.Errorf("sent %x", b)
				}
				w.mu.Lock()
				defer w.mu.Unlock()
				w.sent = append(w.sent, fmt.Sprint(time.Since(w.start), " ", to, " ", out.Name))
				return errors.New("ignored")
			},
			Heard: func(from netip.AddrPort, h Hello, in netmon.Interface) {
				w.heard = append(w.heard, fmt.Sprint(from, " ", h.Port, " ", in.Name))
			},
		})
		w.wall = func() time.Time { return noon.Add(time.Duration(w.later.Load())) }
		w.listen = func([]netmon.Interface) []socket {
			w.socket = &fakeSocket{in: make(chan func([]byte) packet), closed: make(chan struct{})}
			return []socket{w.socket}
		}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- w.Run(ctx) }()
		synctest.Wait()
		test(t, w)
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("run ended in %v", err)
		}
	})
}

// after lets time go by.
func after(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// arrive has a datagram come in over eth0, once the runner reads.
func (w *world) arrive(from string, b []byte) {
	w.socket.in <- func(buf []byte) packet {
		return packet{length: copy(buf, b), from: netip.MustParseAddrPort(from), to: group4, index: 2}
	}
}

func (w *world) wantSent(t *testing.T, want ...string) {
	t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	if !slices.Equal(w.sent, want) {
		t.Errorf("sent\n%q, want\n%q", w.sent, want)
	}
	w.sent = nil
}

// change has the runner take these interfaces, from when on times are told.
func (w *world) change(i ...netmon.Interface) {
	w.mu.Lock()
	w.start = time.Now()
	w.mu.Unlock()
	w.Update(netmon.State{Interfaces: i})
}

func TestSchedule(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		after(100 * time.Second)
		w.wantSent(t) // no interfaces yet
		w.change(wlan0)
		after(64 * time.Second)
		const to = " 239.255.86.77:21586 wlan0"
		w.wantSent(t, "0s"+to, "1s"+to, "3s"+to, "33s"+to, "1m3s"+to)
		t.Log("another interface")
		w.change(eth0)
		after(500 * time.Millisecond)
		w.wantSent(t, "0s 239.255.86.77:21586 eth0", "0s [ff02::5658%eth0]:21586 eth0")
		w.port.Store(0)
		after(time.Minute)
		w.wantSent(t)
	})
}

func TestHeard(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.change(eth0)
		synctest.Wait()
		hello := New(sequence(0), sequence(50)).Append(nil, noon, 20001)
		w.arrive("192.168.1.7:20001", hello)
		w.arrive("[fe80::7%7]:20001", hello)
		w.arrive("[2001:db8::7]:20001", hello)
		w.arrive("198.51.100.7:20001", hello)
		w.arrive("192.168.1.9:20000", w.o.Beacon.Append(nil, noon, 20000))
		w.arrive("192.168.1.8:20001", New(sequence(1), sequence(50)).Append(nil, noon, 20001))
		w.arrive("192.168.1.8:20001", New(sequence(1), sequence(51)).Append(nil, noon, 20001))
		w.arrive("192.168.1.8:20001", append(hello, 0))
		synctest.Wait()
		heard := []string{
			"192.168.1.7:20001 20001 eth0", "[fe80::7%eth0]:20001 20001 eth0", "[2001:db8::7]:20001 20001 eth0",
		}
		if !slices.Equal(w.heard, heard) {
			t.Errorf("heard %q, want %q", w.heard, heard)
		}
		want := Counts{Heard: 3, Foreign: 2, Malformed: 1, Strayed: 1, Networks: 1}
		if got := w.Counts(); got != want {
			t.Errorf("counted %+v, want %+v", got, want)
		}
	})
}

// TestFlood: of any flood, 64 datagrams a second are looked at, and those of other networks are kept
// in bounds.
func TestFlood(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.change(eth0)
		synctest.Wait()
		began := time.Now()
		for i := range 3 * perSecond {
			key := sequence(0)
			key[0] = byte(i + 1)
			w.arrive("192.168.1.8:20001", New(key, sequence(50)).Append(nil, noon, 1))
		}
		synctest.Wait()
		if d := time.Since(began); d != 2*time.Second {
			t.Errorf("%d datagrams were read in %v", 3*perSecond, d)
		}
		if c := w.Counts(); c.Foreign != 3*perSecond || c.Networks != maxNetworks {
			t.Errorf("counted %+v", c)
		}
		w.later.Store(int64(24 * time.Hour))
		after(time.Second)
		w.arrive("192.168.1.8:20001", New(sequence(1), sequence(50)).Append(nil, noon, 1))
		synctest.Wait()
		if c := w.Counts(); c.Networks != 1 {
			t.Errorf("%d networks the next day", c.Networks)
		}
	})
}
