package udp_test

import (
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"

	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"

	"github.com/vxmesh/vxmesh/tunnel/udp"
)

// TestTOS sends every traffic class and reads it as the receiver does, alone and with a train, where
// the kernel says it once for all.
func TestTOS(t *testing.T) {
	for name, local := range loopbacks {
		t.Run(name, func(t *testing.T) {
			a, b := listen(t, local, udp.Options{}), listen(t, local, udp.Options{})
			r := b.NewReader()
			for tos := range 256 {
				m := message(b, "abcdef")
				m.TOS, m.SegmentSize = uint8(tos), 2*(tos%3)
				a.Write([]udp.Message{m}, udp.Mode{})
				for _, d := range receive(t, b, r, m.Datagrams()) {
					if d.tos != uint8(tos) {
						t.Errorf("%#02x was sent, %#02x was received", tos, d.tos)
					}
				}
			}
		})
	}
}

// TestTTL reads what the kernel sends with another kind of socket.
func TestTTL(t *testing.T) {
	for name, local := range loopbacks {
		a := listen(t, local, udp.Options{})
		c, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(local))
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		read := readTTL(t, c, a.Is6())
		for _, ttl := range []uint8{1, 64, 255} {
			to := c.LocalAddr().(*net.UDPAddr).AddrPort()
			m := []udp.Message{{To: to, Data: []byte("x"), TTL: ttl}}
			a.Write(m, udp.Mode{})
			if m[0].Failed > 0 {
				t.Fatal(m[0].Err)
			}
			if got := read(); got != int(ttl) {
				t.Errorf("%s: TTL %d was sent, %d was received", name, ttl, got)
			}
		}
	}
}

// readTTL gives what reads the TTL or hop limit of the next datagram.
func readTTL(t *testing.T, c *net.UDPConn, v6 bool) func() int {
	t.Helper()
	check := func(err error) {
		if err != nil {
			t.Fatal(err)
		}
	}
	if v6 {
		p := ipv6.NewPacketConn(c)
		check(p.SetControlMessage(ipv6.FlagHopLimit, true))
		return func() int {
			_, cm, _, err := p.ReadFrom(make([]byte, 10))
			check(err)
			return cm.HopLimit
		}
	}
	p := ipv4.NewPacketConn(c)
	check(p.SetControlMessage(ipv4.FlagTTL, true))
	return func() int {
		_, cm, _, err := p.ReadFrom(make([]byte, 10))
		check(err)
		return cm.TTL
	}
}

// TestSource chooses address and interface; the whole of 127.0.0.0/8 is ours.
func TestSource(t *testing.T) {
	a := listen(t, netip.MustParseAddrPort("0.0.0.0:0"), udp.Options{})
	b := listen(t, loopbacks["IPv4"], udp.Options{})
	r := b.NewReader()
	for _, from := range []string{"127.0.0.2", "127.9.9.9"} {
		m := message(b, "x")
		m.From, m.IfIndex = netip.MustParseAddr(from), 1
		a.Write([]udp.Message{m}, udp.Mode{})
		if got := receive(t, b, r, 1); got[0].from.Addr() != m.From {
			t.Errorf("sent from %s, received from %s", from, got[0].from)
		}
	}
	bad := message(b, "x")
	bad.From = netip.MustParseAddr("192.0.2.1")
	msgs := []udp.Message{bad, message(b, "behind")}
	a.Write(msgs, udp.Mode{})
	expect(t, b, r, "behind")
	if msgs[0].Failed != 1 {
		t.Error("sent from an address of somebody else")
	}
}

// TestTooBig tells a datagram that cannot be sent for its size from other failures.
func TestTooBig(t *testing.T) {
	a := listen(t, loopbacks["IPv4"], udp.Options{})
	msgs := []udp.Message{
		{To: a.LocalAddr(), Data: make([]byte, udp.MaxPayload+1), TTL: 64},
		{To: netip.AddrPortFrom(a.LocalAddr().Addr(), 0), Data: []byte("x"), TTL: 64},
	}
	a.Write(msgs, udp.Mode{DF: true})
	if !udp.IsTooBig(msgs[0].Err) || udp.IsTooBig(msgs[1].Err) || udp.IsTooBig(nil) {
		t.Errorf("%v and %v", msgs[0].Err, msgs[1].Err)
	}
	if wrapped := fmt.Errorf("send: %w", msgs[0].Err); !udp.IsTooBig(wrapped) {
		t.Errorf("%v is not too big", wrapped)
	}
}

// TestLost counts what a full buffer could not take.
func TestLost(t *testing.T) {
	a, b := listen(t, loopbacks["IPv4"], udp.Options{}), listen(t, loopbacks["IPv4"], udp.Options{Buffer: 1})
	if n := b.Lost(); n != 0 {
		t.Errorf("%d lost before anything was sent", n)
	}
	msgs := make([]udp.Message, 50)
	for i := range msgs {
		msgs[i] = message(b, strings.Repeat("x", 1000))
	}
	a.Write(msgs, udp.Mode{})
	if n := b.Lost(); n == 0 || n > 50 {
		t.Errorf("%d of 50 lost", n)
	}
}

// TestMembership hears a group while it is joined, and no longer.
func TestMembership(t *testing.T) {
	lo, err := net.InterfaceByIndex(1)
	if err != nil {
		t.Fatal(err)
	}
	s := listen(t, netip.MustParseAddrPort("0.0.0.0:0"), udp.Options{})
	r := s.NewReader()
	c, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	p := ipv4.NewPacketConn(c)
	if err := p.SetMulticastInterface(lo); err != nil {
		t.Fatal(err)
	}
	group := netip.MustParseAddr("239.255.42.42")
	send := func(to netip.Addr, data string) {
		t.Helper()
		a := net.UDPAddrFromAddrPort(netip.AddrPortFrom(to, s.LocalAddr().Port()))
		if _, err := c.WriteTo([]byte(data), a); err != nil {
			t.Fatal(err)
		}
	}
	m, err := udp.Join(group, lo.Index)
	if err != nil {
		t.Fatal(err)
	}
	send(group, "joined")
	expect(t, s, r, "joined")
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	send(group, "left")
	send(netip.MustParseAddr("127.0.0.1"), "marker")
	expect(t, s, r, "marker")
}

func TestMembershipIPv6(t *testing.T) {
	for range 2 { // leaving makes room for joining again
		m, err := udp.Join(netip.MustParseAddr("ff15::4242"), 1)
		if err != nil {
			t.Fatal(err)
		}
		if err := m.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// TestNothingAllocates moves single datagrams, trains and failures; the loopback delivers at once.
func TestNothingAllocates(t *testing.T) {
	for name, local := range loopbacks {
		a, b := listen(t, local, udp.Options{}), listen(t, local, udp.Options{Buffer: 4 << 20})
		r := b.NewReader()
		train := message(b, strings.Repeat("x", 14480))
		train.SegmentSize, train.From, train.IfIndex = 1448, local.Addr(), 1
		bad := message(b, "bad")
		bad.To = netip.AddrPortFrom(local.Addr(), 0)
		msgs := []udp.Message{message(b, "single"), train, bad}
		for _, mode := range []udp.Mode{{}, {NoChecksum: true}} {
			allocs := testing.AllocsPerRun(100, func() {
				a.Write(msgs, mode)
				if _, err := r.Read(true); err != nil {
					t.Error(err)
				}
			})
			if allocs != 0 {
				t.Errorf("%s, %+v: %v allocations per batch", name, mode, allocs)
			}
		}
	}
}
