package proxy

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/netip"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/vxmesh/vxmesh/tundev"
	"github.com/vxmesh/vxmesh/tundev/ether"
	"github.com/vxmesh/vxmesh/tundev/tundevtest"
	"github.com/vxmesh/vxmesh/tundev/userspace"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience is how long a test waits for what has to come.
const patience = 20 * time.Second

// A world is two hosts of a segment and the proxies of the first:
//
//	this machine ── proxies ── near 10.0.0.1, fd00::1 ◄── frames ──► far 10.0.0.2, fd00::2, "far"
type world struct {
	*Proxies
	t         *testing.T
	near, far *userspace.Device
	end       func()
}

// newWorld makes one whose limits are the usual but for what change does.
func newWorld(t *testing.T, change func(*limits)) *world {
	t.Helper()
	w := &world{t: t, near: host(t, 1), far: host(t, 2)}
	tundevtest.Join(w.near, w.far)
	o := Options{
		Stack: func(vni uint32) Stack {
			if vni != 7 {
				return nil
			}
			return w.near
		},
		Lookup: func(vni uint32, name string) []netip.Addr {
			if vni != 7 || name != "far" {
				return nil
			}
			return []netip.Addr{netip.MustParseAddr("10.0.0.2"), netip.MustParseAddr("fd00::2")}
		},
		limits: defaultLimits,
	}
	if change != nil {
		change(&o.limits)
	}
	w.Proxies = New(o)
	w.end = serve(t, w.Proxies)
	return w
}

// serve runs proxies until the test or the function it gives ends them.
func serve(t *testing.T, p *Proxies) (end func()) {
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- p.Run(ctx) }()
	end = sync.OnceFunc(func() {
		cancel()
		select {
		case err := <-ended:
			if err != nil {
				t.Error(err)
			}
		case <-time.After(patience):
			t.Error("the proxies do not end")
		}
	})
	t.Cleanup(end)
	return end
}

// host opens a device that is closed at the end of the test.
func host(t *testing.T, n byte) *userspace.Device {
	t.Helper()
	d, err := userspace.Open(tundev.Options{MAC: ether.MAC{0xfe, 0, 0, 0, 0, n}, Addresses: []netip.Prefix{
		netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 0, 0, n}), 24),
		netip.PrefixFrom(netip.AddrFrom16([16]byte{0: 0xfd, 15: n}), 64),
	}})
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- d.Run(context.Background()) }()
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
		<-ended
	})
	return d
}

// offer makes the list what runs.
func (w *world) offer(list ...Service) {
	w.t.Helper()
	c, err := w.Prepare(list)
	if err != nil {
		w.t.Fatal(err)
	}
	c.Commit()
}

// free is an address of the loopback that nobody listens on.
func free(t *testing.T, network string) string {
	t.Helper()
	if network == "udp" {
		c, err := net.ListenPacket("udp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = c.Close() }()
		return c.LocalAddr().String()
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().String()
}

// answerer serves each connection of a listener until the test ends: what comes is sent back when its
// end has come, behind word.
func answerer(t *testing.T, l net.Listener, word string) {
	var conns sync.WaitGroup
	t.Cleanup(func() {
		_ = l.Close()
		conns.Wait()
	})
	conns.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			conns.Go(func() {
				defer func() { _ = c.Close() }()
				_ = c.SetDeadline(time.Now().Add(patience))
				got, _ := io.ReadAll(c)
				_, _ = c.Write(append([]byte(word), got...))
			})
		}
	})
}

// echoer sends back each datagram of a socket behind word, until the test ends.
func echoer(t *testing.T, s net.PacketConn, word string) {
	var done sync.WaitGroup
	t.Cleanup(func() {
		_ = s.Close()
		done.Wait()
	})
	done.Go(func() {
		buf := make([]byte, passSize)
		for {
			n, from, err := s.ReadFrom(buf)
			if err != nil {
				return
			}
			_, _ = s.WriteTo(append([]byte(word), buf[:n]...), from)
		}
	})
}

// asks sends to c, ends that direction, and wants the answer of an [answerer].
func asks(t *testing.T, c net.Conn, word string, size int) {
	t.Helper()
	defer func() { _ = c.Close() }()
	_ = c.SetDeadline(time.Now().Add(patience))
	sent := bytes.Repeat([]byte("0123456789abcdef"), size/16)
	go func() {
		_, _ = c.Write(sent)
		_ = closeWrite(c)
	}()
	got, err := io.ReadAll(c)
	if want := append([]byte(word), sent...); err != nil || !bytes.Equal(got, want) {
		t.Errorf("%d bytes came back of %d: %v", len(got), len(want), err)
	}
}

// dial connects on this machine.
func dial(t *testing.T, network, address string) net.Conn {
	t.Helper()
	c, err := net.DialTimeout(network, address, patience)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	_ = c.SetDeadline(time.Now().Add(patience))
	return c
}

// listen listens on a host of the segment.
func listen(t *testing.T, on Stack, address string) net.Listener {
	t.Helper()
	l, err := on.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// eventually waits for a condition that others bring about.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(patience); !ok(); <-tick.C {
		if time.Now().After(end) {
			t.Fatalf("waited in vain for %s", what)
		}
	}
}
