//go:build linux && lab

package tundev

import (
	"bytes"
	"crypto/rand"
	"io"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/vxmesh/vxmesh/tundev/ether"
	"github.com/vxmesh/vxmesh/tundev/offload"
)

// The topology of the tests below:
//
//	namespace a                                      namespace b
//	192.0.2.1/24     vxm0 --- a goroutine each --- vxm0     192.0.2.2/24
//	2001:db8::1/64             way                          2001:db8::2/64
type pair struct {
	a, b       namespace
	devA, devB Device
	super      [6]atomic.Int64 // super-frames that passed, by GSO type without the ECN bit
	largest    atomic.Int64    // frame that passed, in bytes
}

func newPair(t *testing.T, kind Kind) *pair {
	p := &pair{a: newNamespace(t), b: newNamespace(t)}
	p.devA = p.a.open(Options{
		Kind: kind, Name: "vxm0", Addresses: prefixes("192.0.2.1/24", "2001:db8::1/64"),
	})
	p.devB = p.b.open(Options{
		Kind: kind, Name: "vxm0", MAC: ether.MAC{0xfe, 0, 0, 0, 0, 2},
		Addresses: prefixes("192.0.2.2/24", "2001:db8::2/64"),
	})
	// Linux makes an IPv6 address's local route a moment after it has taken the address.
	for n, addr := range map[namespace]string{p.a: "2001:db8::1", p.b: "2001:db8::2"} {
		eventually(t, addr+" receives", func() bool {
			return strings.Contains(n.ip("-6 route show table local"), "local "+addr+" dev vxm0")
		})
	}
	keep(t, p.devA)
	keep(t, p.devB)
	go p.carry(t, p.devA, p.devB)
	go p.carry(t, p.devB, p.devA)
	return p
}

// carry takes frames from one device to the other until one is closed.
func (p *pair) carry(t *testing.T, from, to Device) {
	buf := make([]byte, BufLen)
	for {
		n, h, err := from.ReadFrame(buf, true)
		if err == nil {
			p.super[h.GSOType&^offload.GSOECN].Add(1)
			p.largest.Store(max(p.largest.Load(), int64(n)))
			err = to.WriteFrame(h, [][]byte{buf[:14], buf[14:n]})
		}
		if err == ErrClosed {
			return
		}
		if err != nil {
			t.Errorf("carry: %v (%d bytes, %+v)", err, n, h)
			return
		}
	}
}

// eachKind runs f for either kind of device.
func eachKind(t *testing.T, f func(t *testing.T, p *pair)) {
	for _, kind := range []Kind{TAP, TUN} {
		t.Run(string(kind), func(t *testing.T) { f(t, newPair(t, kind)) })
	}
}

func TestLabTCPPassesAsSuperFrames(t *testing.T) { eachKind(t, tcpPassesAsSuperFrames) }

func tcpPassesAsSuperFrames(t *testing.T, p *pair) {
	sent := make([]byte, 8<<20)
	_, _ = rand.Read(sent)
	for _, c := range []struct {
		network, addr string
		gso           uint8
	}{
		{"tcp4", "192.0.2.2:4000", offload.GSOTCPv4},
		{"tcp6", "[2001:db8::2]:4000", offload.GSOTCPv6},
	} {
		if got := p.transfer(t, c.network, c.addr, sent); !bytes.Equal(got, sent) {
			t.Errorf("%s: %d bytes arrived, and not those that were sent", c.network, len(got))
		}
		super, plain := p.super[c.gso].Load(), int64(len(sent)/1448)
		if super < 1 || super > plain/2 {
			t.Errorf("%s: %d super-frames for %d segments", c.network, super, plain)
		}
	}
	if n := p.largest.Load(); n < 16<<10 || n > BufLen {
		t.Errorf("the largest frame has %d bytes", n)
	}
}

// transfer sends what over TCP from a to b and gives what arrived.
func (p *pair) transfer(t *testing.T, network, addr string, what []byte) []byte {
	t.Helper()
	var l net.Listener
	var err error
	p.b.do(func() { l, err = net.Listen(network, addr) })
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	var c net.Conn
	p.a.do(func() { c, err = net.DialTimeout(network, addr, patience) })
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		_, _ = c.Write(what)
		_ = c.Close()
	}()
	s, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	_ = s.SetDeadline(time.Now().Add(patience))
	got, err := io.ReadAll(s)
	if err != nil {
		t.Error(err)
	}
	return got
}

func TestLabUDPPassesAsASuperFrame(t *testing.T) { eachKind(t, udpPassesAsASuperFrame) }

func udpPassesAsASuperFrame(t *testing.T, p *pair) {
	const size, count = 1300, 10
	sent := make([]byte, size*count)
	_, _ = rand.Read(sent)
	for _, c := range []struct{ network, from, to string }{
		{"udp4", "192.0.2.1:0", "192.0.2.2:4000"},
		{"udp6", "[2001:db8::1]:0", "[2001:db8::2]:4000"},
	} {
		in, out := p.b.listen(c.network, c.to), p.a.listen(c.network, c.from)
		setSegmentSize(t, out, size)
		before := p.super[offload.GSOUDPL4].Load()
		if _, err := out.WriteTo(sent, in.LocalAddr()); err != nil {
			t.Fatal(err)
		}
		if got := receive(t, in, size, count); !bytes.Equal(got, sent) {
			t.Errorf("%s: what arrived is not what was sent", c.network)
		}
		super := p.super[offload.GSOUDPL4].Load() - before
		if want := p.devA.Offloads().USO; want != (super == 1) {
			t.Errorf("%s: %d super-frames, and the kernel knows them is %v", c.network, super, want)
		}
	}
}

// listen opens a UDP socket in the namespace.
func (n namespace) listen(network, addr string) *net.UDPConn {
	n.t.Helper()
	var c net.PacketConn
	var err error
	n.do(func() { c, err = net.ListenPacket(network, addr) })
	if err != nil {
		n.t.Fatal(err)
	}
	n.t.Cleanup(func() { _ = c.Close() })
	return c.(*net.UDPConn)
}

// receive gives the bytes of count datagrams, all of the same size.
func receive(t *testing.T, c *net.UDPConn, size, count int) (got []byte) {
	t.Helper()
	_ = c.SetDeadline(time.Now().Add(patience))
	buf := make([]byte, 2*size)
	for range count {
		n, err := c.Read(buf)
		if err != nil || n != size {
			t.Fatalf("a datagram of %d bytes, %v", n, err)
		}
		got = append(got, buf[:n]...)
	}
	return got
}

// setSegmentSize has the kernel cut what is sent into datagrams of size bytes.
func setSegmentSize(t *testing.T, c *net.UDPConn, size int) {
	t.Helper()
	raw, err := c.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	e := raw.Control(func(fd uintptr) {
		err = unix.SetsockoptInt(int(fd), unix.SOL_UDP, unix.UDP_SEGMENT, size)
	})
	if e != nil || err != nil {
		t.Fatal(e, err)
	}
}

func BenchmarkLabWriteFrame(b *testing.B) {
	n := newNamespace(b)
	d := n.open(Options{Name: "vxm0"})
	frame := testFrame(1514)
	parts := [][]byte{frame[:64], frame[64:]}
	b.ReportAllocs()
	for b.Loop() {
		if err := d.WriteFrame(offload.Header{}, parts); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkLabReadNothing(b *testing.B) {
	n := newNamespace(b)
	d := n.open(Options{Name: "vxm0"})
	buf := make([]byte, BufLen)
	b.ReportAllocs()
	for b.Loop() {
		_, _, _ = d.ReadFrame(buf, false)
	}
}
