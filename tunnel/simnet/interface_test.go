package simnet_test

import (
	"errors"
	"net/netip"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/vxmesh/vxmesh/tunnel/simnet"
	"github.com/vxmesh/vxmesh/tunnel/udp"
)

var (
	inside1 = netip.MustParseAddr("192.168.0.20")
	inside2 = netip.MustParseAddr("10.0.0.20")
)

// TestInterfaces: a datagram leaves by the interface it names, the one that has its source, the one
// in whose LAN its destination is, or the first.
func TestInterfaces(t *testing.T) {
	t.Parallel()
	play(t, func(s *scene) {
		wifi, lte := s.nat(simnet.PortRestricted), s.nat(simnet.PortRestricted)
		near := s.end(lte.Host(netip.MustParseAddr("10.0.0.30")), 5000)
		e := s.end(wifi.Host(inside1), 5000)
		second := e.host.Attach(lte, inside2)
		if got := e.host.Addrs(); !slices.Equal(got, []netip.Addr{inside1, inside2}) {
			t.Errorf("addresses %v", got)
		}
		server, toNear := netip.AddrPortFrom(server1, 3478), netip.MustParseAddrPort("10.0.0.30:5000")
		for name, c := range map[string]struct {
			msg  udp.Message
			at   *end
			from netip.Addr
			err  error
		}{
			"first":       {udp.Message{To: server}, s.ports[0], wifi.Addr(), nil},
			"near":        {udp.Message{To: toNear}, near, inside2, nil},
			"source":      {udp.Message{To: server, From: inside2}, s.ports[0], lte.Addr(), nil},
			"index":       {udp.Message{To: server, IfIndex: second.Index()}, s.ports[0], lte.Addr(), nil},
			"none":        {udp.Message{To: server, IfIndex: 9}, s.ports[0], netip.Addr{}, syscall.ENODEV},
			"not that's":  {udp.Message{To: server, IfIndex: 2, From: inside1}, s.ports[0], netip.Addr{}, syscall.EINVAL},
			"not its own": {udp.Message{To: server, From: addrB}, s.ports[0], netip.Addr{}, syscall.EINVAL},
		} {
			m := []udp.Message{c.msg}
			e.Write(m, udp.Mode{})
			got := append(c.at.hear(), netip.AddrPort{})[0].Addr()
			if !errors.Is(m[0].Err, c.err) || got != c.from {
				t.Errorf("%s: from %s, %v; want %s, %v", name, got, m[0].Err, c.from, c.err)
			}
		}
		e.host.Interfaces()[0].Detach()
		if got := s.at(e, server1, 0).Addr(); got != lte.Addr() || len(e.host.Interfaces()) != 1 {
			t.Errorf("without the first it comes from %s", got)
		}
		second.Detach()
		if err := write(e.Conn, server, "x"); !errors.Is(err, syscall.ENETUNREACH) {
			t.Errorf("without interfaces: %v", err)
		}
	})
}

// TestMulticast: it reaches all others in the LAN of the interface, and nobody elsewhere.
func TestMulticast(t *testing.T) {
	t.Parallel()
	play(t, func(s *scene) {
		n, other := s.nat(simnet.PortRestricted), s.nat(simnet.PortRestricted)
		deeper := n.NAT(simnet.PortRestricted, netip.MustParseAddr("192.168.0.2"))
		e, public := s.inside(n, 10), s.net.Host(addrA)
		group := netip.MustParseAddrPort("239.255.86.77:21586")
		var near, far []*end
		for k := range byte(2) {
			near = append(near, s.end(n.Host(netip.AddrFrom4([4]byte{192, 168, 0, 20 + k})), 21586))
		}
		for _, h := range []*simnet.Host{
			e.host, other.Host(inside1), deeper.Host(inside2), public, s.server,
		} {
			far = append(far, s.end(h, 21586))
		}
		deaf := listen(t, near[0].host, netip.AddrPortFrom(inside1, 21587), udp.Options{})
		e.say(group, 1)
		e.say(netip.AddrPortFrom(group.Addr(), 21587), 1)
		for k, m := range near {
			if got := m.hear(); !slices.Equal(got, []netip.AddrPort{netip.AddrPortFrom(e.host.Addrs()[0], 5000)}) {
				t.Errorf("neighbour %d heard %v", k, got)
			}
		}
		s.net.Link(e.host, near[0].host).Set(simnet.Conditions{Down: true})
		e.say(group, 1)
		if near[0].hear() != nil || !near[1].hears() {
			t.Error("conditions of links do not hold for multicast")
		}
		s.end(public, 5000).say(group, 64)
		for k, m := range far {
			if got := m.hear(); got != nil {
				t.Errorf("outsider %d heard %v", k, got)
			}
		}
		if got := drain(t, deaf, deaf.NewReader(), time.Millisecond); got != nil {
			t.Errorf("a socket with an address of its own heard %v", got)
		}
	})
}

// TestTwice: an address can be had once wherever it leads to one host.
func TestTwice(t *testing.T) {
	t.Parallel()
	i := simnet.New(1)
	defer i.Close()
	router, home := i.NAT(simnet.Open, addrA), i.NAT(simnet.FullCone, addrB)
	routed := netip.MustParseAddr("198.51.100.9")
	router.Host(routed, addrA6)
	home.Host(inside1)
	for name, c := range map[string]struct {
		f    func()
		want bool
	}{
		"an inside address elsewhere":    {func() { router.Host(inside1) }, false},
		"an inside address twice":        {func() { home.Host(inside1) }, true},
		"a NAT's outside address":        {func() { i.Host(addrB) }, true},
		"a routed address":               {func() { i.Host(routed) }, true},
		"IPv6 behind another":            {func() { home.Host(addrA6) }, true},
		"a public address, translated":   {func() { home.Host(routed) }, false},
		"an address of the NAT's, taken": {func() { home.SetAddr(addrA) }, true},
	} {
		func() {
			defer func() {
				if got := recover() != nil; got != c.want {
					t.Errorf("%s: panics %v", name, got)
				}
			}()
			c.f()
		}()
	}
}
