//go:build linux && lab

// The watch over a machine's interfaces and routes, on what the kernel really tells; and HELLOs of
// members on one LAN, on real multicast.
//
//	198.51.100.7 [u0] ----------- [u0] far
//	monitor, members                   member

package lab

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"testing"
	"time"

	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"

	"github.com/vxmesh/vxmesh/lab/netns"
	"github.com/vxmesh/vxmesh/nat/lan"
	"github.com/vxmesh/vxmesh/nat/netmon"
)

// newMonitor watches a namespace until the case ends.
func newMonitor(t *testing.T, in *netns.NS) <-chan netmon.Event {
	t.Helper()
	events := make(chan netmon.Event, 64)
	// A poll would hide that a message was missed.
	m := netmon.New(netmon.Options{PollEvery: time.Hour})
	m.Subscribe(func(e netmon.Event) { events <- e })
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- in.Do(func() error { return m.Run(ctx) }) }()
	t.Cleanup(func() {
		cancel()
		need(t, <-ended)
	})
	if e := <-events; e.Kinds != netmon.First {
		t.Fatalf("the first event is %v", e.Kinds)
	}
	return events
}

// expectEvent runs a command, and wants to be told of what it did within a second.
func expectEvent(t *testing.T, in *netns.NS, events <-chan netmon.Event, command string,
	kinds netmon.Kinds, is func(netmon.State) bool,
) {
	t.Helper()
	_, err := in.Run(command)
	need(t, err)
	limit := time.After(time.Second)
	for {
		select {
		case e := <-events:
			if e.Kinds&kinds == kinds && is(e.State) {
				return
			}
			t.Logf("%s: also %v", command, e.Kinds)
		case <-limit:
			t.Fatalf("%s: no event %v within a second", command, kinds)
		}
	}
}

// hasAddress is true while u0 is up and has an address.
func hasAddress(prefix string) func(netmon.State) bool {
	want := netip.MustParsePrefix(prefix)
	return func(s netmon.State) bool {
		return slices.ContainsFunc(s.Interfaces, func(i netmon.Interface) bool {
			return i.Name == "u0" && i.Up && slices.Contains(i.Prefixes, want)
		})
	}
}

func lacksAddress(prefix string) func(netmon.State) bool {
	return func(s netmon.State) bool { return !hasAddress(prefix)(s) }
}

// routers is true while the default routes lead to these, through u0.
func routers(four, six string) func(netmon.State) bool {
	return func(s netmon.State) bool {
		has4, has6 := netip.Addr{}, netip.Addr{}
		if four != "" {
			has4 = netip.MustParseAddr(four)
		}
		if six != "" {
			has6 = netip.MustParseAddr(six)
		}
		return s.Gateway4 == has4 && s.Gateway6 == has6 && s.DefaultInterface == "u0"
	}
}

// TestNetworkMonitor: addresses, default routes and carriers come and go.
func TestNetworkMonitor(t *testing.T) {
	t.Parallel()
	here, err := netns.New("here")
	need(t, err)
	far, err := netns.New("far")
	need(t, err)
	t.Cleanup(func() { here.Close(); far.Close() })
	need(t, netns.Veth(here, "u0", far, "u0"))
	events := newMonitor(t, here)
	const address, route = netmon.AddressChange, netmon.RouteChange
	for _, s := range []struct {
		in      *netns.NS
		command string
		kinds   netmon.Kinds
		is      func(netmon.State) bool
	}{
		{here, "ip addr add 198.51.100.7/24 dev u0", address, hasAddress("198.51.100.7/24")},
		{here, "ip addr add 2001:db8::7/64 dev u0 nodad", address, hasAddress("2001:db8::7/64")},
		{here, "ip route add default via 198.51.100.1", route, routers("198.51.100.1", "")},
		{here, "ip -6 route add default via fe80::1 dev u0", route, routers("198.51.100.1", "fe80::1%u0")},
		{here, "ip route replace default via 198.51.100.2", route, routers("198.51.100.2", "fe80::1%u0")},
		{here, "ip -6 route del default", route, routers("198.51.100.2", "")},
		{
			here, "ip route replace default nexthop via 198.51.100.3 nexthop via 198.51.100.4", route,
			routers("198.51.100.3", ""),
		},
		{here, "ip link set u0 down", address | route, lacksAddress("198.51.100.7/24")},
		{here, "ip link set u0 up", address, hasAddress("198.51.100.7/24")},
		{far, "ip link set u0 down", address, lacksAddress("198.51.100.7/24")}, // the carrier goes
		{far, "ip link set u0 up", address, hasAddress("198.51.100.7/24")},
		{here, "ip addr del 198.51.100.7/24 dev u0", address, lacksAddress("198.51.100.7/24")},
	} {
		expectEvent(t, s.in, events, s.command, s.kinds, s.is)
	}
}

// TestNetworkMonitorKinds: what is a tunnel, and what is a port of a bridge.
func TestNetworkMonitorKinds(t *testing.T) {
	t.Parallel()
	here, err := netns.New("here")
	need(t, err)
	t.Cleanup(func() { here.Close() })
	for _, command := range []string{
		"ip link add br0 type bridge", "ip link add v0 type veth peer name v1",
		"ip link set v0 master br0", "ip tuntap add tap0 mode tap",
		"ip link add vx0 type vxlan id 5 dstport 4789",
	} {
		_, err := here.Run(command)
		need(t, err)
	}
	var s netmon.State
	need(t, here.Do(func() (err error) { s, err = netmon.Snapshot(); return err }))
	var tunnels, ports []string
	for _, i := range s.Interfaces {
		if i.Tunnel {
			tunnels = append(tunnels, i.Name)
		}
		if i.Port {
			ports = append(ports, i.Name)
		}
	}
	slices.Sort(tunnels)
	if !slices.Equal(tunnels, []string{"tap0", "vx0"}) || !slices.Equal(ports, []string{"v0"}) {
		t.Errorf("tunnels %v, ports %v", tunnels, ports)
	}
}

// A lanMember says and hears HELLOs in a namespace.
type lanMember struct {
	runner *lan.Runner
	heard  chan string
}

// newLANMember starts one that ends with the case. It sends from a socket of its own.
func newLANMember(t *testing.T, in *netns.NS, key, id byte) *lanMember {
	t.Helper()
	m := &lanMember{heard: make(chan string, 64)}
	var four, six net.PacketConn
	var state netmon.State
	need(t, in.Do(func() (err error) {
		if four, err = net.ListenPacket("udp4", ":0"); err != nil {
			return err
		}
		if six, err = net.ListenPacket("udp6", ":0"); err != nil {
			return err
		}
		state, err = netmon.Snapshot()
		return err
	}))
	port := uint16(four.LocalAddr().(*net.UDPAddr).Port)
	m.runner = lan.NewRunner(lan.Options{
		Beacon: lan.New([32]byte{key}, [32]byte{id}),
		Port:   func() uint16 { return port },
		Send: func(b []byte, to netip.AddrPort, out netmon.Interface) (err error) {
			if to.Addr().Is4() {
				_, err = ipv4.NewPacketConn(four).WriteTo(b, &ipv4.ControlMessage{IfIndex: out.Index},
					net.UDPAddrFromAddrPort(to))
				return err
			}
			group := &net.UDPAddr{IP: to.Addr().AsSlice(), Port: int(to.Port())}
			_, err = ipv6.NewPacketConn(six).WriteTo(b, &ipv6.ControlMessage{IfIndex: out.Index, HopLimit: 1}, group)
			return err
		},
		Heard: func(from netip.AddrPort, h lan.Hello, in netmon.Interface) {
			if from.Addr().Is4() {
				m.heard <- netip.AddrPortFrom(from.Addr(), h.Port).String()
			} else {
				m.heard <- from.Addr().String()
			}
		},
	})
	m.runner.Update(state)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- in.Do(func() error { return m.runner.Run(ctx) }) }()
	t.Cleanup(func() {
		cancel()
		need(t, <-ended)
		four.Close()
		six.Close()
	})
	return m
}

// expectHeard waits until a member heard of all these, by IPv4 (with a port that may be any) or by
// IPv6.
func (m *lanMember) expectHeard(t *testing.T, want ...netip.Prefix) {
	t.Helper()
	limit := time.After(patience)
	for len(want) > 0 {
		select {
		case from := <-m.heard:
			a, err := netip.ParseAddr(from)
			if err != nil {
				a = netip.MustParseAddrPort(from).Addr()
			}
			want = slices.DeleteFunc(want, func(p netip.Prefix) bool { return p.Contains(a.WithZone("")) })
		case <-limit:
			t.Fatalf("not heard: %v", want)
		}
	}
}

// TestLANHello: two members on one machine and one on another hear each other, by both protocols;
// of another network, they only know that it is there.
func TestLANHello(t *testing.T) {
	t.Parallel()
	here, err := netns.New("here")
	need(t, err)
	far, err := netns.New("far")
	need(t, err)
	t.Cleanup(func() { here.Close(); far.Close() })
	need(t, netns.Veth(here, "u0", far, "u0"))
	for _, c := range []struct {
		in     *netns.NS
		number int
	}{{here, 1}, {far, 2}} {
		for _, a := range []string{"198.51.100.%d/24", "fe80::%d/64"} {
			_, err := c.in.Run("ip addr add " + fmt.Sprintf(a, c.number) + " dev u0 nodad")
			need(t, err)
		}
	}
	one, two := newLANMember(t, here, 1, 1), newLANMember(t, here, 1, 2)
	other, stranger := newLANMember(t, far, 1, 3), newLANMember(t, far, 2, 4)
	here4, far4 := netip.MustParsePrefix("198.51.100.1/32"), netip.MustParsePrefix("198.51.100.2/32")
	six := netip.MustParsePrefix("fe80::/64")
	one.expectHeard(t, here4, far4, six)
	two.expectHeard(t, here4, far4, six)
	other.expectHeard(t, here4, six)
	eventually(t, func() error {
		if c := stranger.runner.Counts(); c.Heard != 0 || c.Networks != 1 || c.Strayed != 0 {
			return fmt.Errorf("the stranger counted %+v", c)
		}
		return nil
	})
}
