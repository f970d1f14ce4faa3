package userspace_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/vxmesh/vxmesh/tundev"
	"github.com/vxmesh/vxmesh/tundev/ether"
	"github.com/vxmesh/vxmesh/tundev/tundevtest"
	"github.com/vxmesh/vxmesh/tundev/userspace"
)

const soon = 10 * time.Second

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A segment is two devices, back to back:
//
//	a: fe:00:..:01, 10.0.0.1/24, fd00::1/64 ◄── frames ──► b: fe:00:..:02, 10.0.0.2/24, fd00::2/64
type segment struct{ a, b *userspace.Device }

var (
	macA, macB = ether.MAC{0xfe, 0, 0, 0, 0, 1}, ether.MAC{0xfe, 0, 0, 0, 0, 2}
	ofA        = []netip.Prefix{netip.MustParsePrefix("10.0.0.1/24"), netip.MustParsePrefix("fd00::1/64")}
	ofB        = []netip.Prefix{netip.MustParsePrefix("10.0.0.2/24"), netip.MustParsePrefix("fd00::2/64")}
)

func newSegment(t *testing.T, mtu int) segment {
	t.Helper()
	s := segment{open(t, macA, mtu, ofA), open(t, macB, mtu, ofB)}
	tundevtest.Join(s.a, s.b)
	return s
}

// open opens a device that is closed at the end of the test.
func open(t testing.TB, mac ether.MAC, mtu int, addrs []netip.Prefix) *userspace.Device {
	t.Helper()
	d, err := userspace.Open(tundev.Options{MTU: mtu, MAC: mac, Addresses: addrs})
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- d.Run(context.Background()) }()
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return d
}

func need(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// eventually waits for a condition.
func eventually(t testing.TB, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for limit := time.Now().Add(soon); !ok(); <-tick.C {
		if time.Now().After(limit) {
			t.Fatal("it does not happen")
		}
	}
}

func within(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), soon)
	t.Cleanup(cancel)
	return ctx
}

func TestPing(t *testing.T) {
	t.Parallel()
	s := newSegment(t, 9000)
	for _, to := range []string{"10.0.0.2", "fd00::2", "::ffff:10.0.0.2", "fe80::fc00:ff:fe00:2"} {
		for _, size := range []int{0, 56, 8900, 20000, userspace.MaxPing} {
			rtt, err := s.a.Ping(within(t), netip.MustParseAddr(to), size)
			if err != nil || rtt <= 0 {
				t.Errorf("%s with %d bytes: %v, %v", to, size, rtt, err)
			}
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if _, err := s.a.Ping(ctx, netip.MustParseAddr("10.0.0.9"), 0); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("nobody: %v", err)
	}
	if _, err := s.a.Ping(within(t), netip.MustParseAddr("192.0.2.1"), 0); !errors.Is(err, syscall.ENETUNREACH) && !errors.Is(err, syscall.EHOSTUNREACH) {
		t.Errorf("no route: %v", err)
	}
}

// TestTCP: 10 MB each way at once, and each side's end is the other's.
func TestTCP(t *testing.T) {
	t.Parallel()
	s := newSegment(t, 1500)
	for _, at := range []string{"10.0.0.2:7", "[fd00::2]:7"} {
		l, err := s.b.Listen("tcp", ":7")
		if err != nil {
			t.Fatal(err)
		}
		go func() {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = io.Copy(c, c)
			_ = c.(interface{ CloseWrite() error }).CloseWrite()
			_ = c.Close()
		}()
		c, err := s.a.DialContext(within(t), "tcp", at)
		if err != nil {
			t.Fatal(err)
		}
		sent := make([]byte, 10<<20)
		chance := rand.NewChaCha8([32]byte{1})
		_, _ = chance.Read(sent)
		go func() {
			_, _ = c.Write(sent)
			_ = c.(interface{ CloseWrite() error }).CloseWrite()
		}()
		_ = c.SetDeadline(time.Now().Add(soon))
		got, err := io.ReadAll(c)
		if err != nil || !bytes.Equal(got, sent) {
			t.Errorf("%s: %d bytes came back: %v", at, len(got), err)
		}
		_ = c.Close()
		_ = l.Close()
		if _, err := l.Accept(); !errors.Is(err, net.ErrClosed) {
			t.Errorf("accept after close: %v", err)
		}
	}
	if _, err := s.a.DialContext(within(t), "tcp", "10.0.0.2:9"); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("nobody listens: %v", err)
	}
}

// TestUDP: datagrams of every size come as they were, from who sent them.
func TestUDP(t *testing.T) {
	t.Parallel()
	s := newSegment(t, 1500)
	p, err := s.b.ListenPacket("udp", ":53")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = p.Close() }()
	_ = p.SetReadDeadline(time.Now().Add(soon))
	buf := make([]byte, 65536)
	for _, at := range []string{"10.0.0.2:53", "[fd00::2]:53"} {
		c, err := s.a.DialContext(within(t), "udp", at)
		if err != nil {
			t.Fatal(err)
		}
		for _, size := range []int{1, 1472, 9000, 60000} {
			sent := bytes.Repeat([]byte{byte(size)}, size)
			if _, err := c.Write(sent); err != nil {
				t.Error(err)
			}
			n, from, err := p.ReadFrom(buf)
			if err != nil || !bytes.Equal(buf[:n], sent) || from.String() != c.LocalAddr().String() {
				t.Errorf("%d bytes from %v: %v", n, from, err)
			}
			_, _ = p.WriteTo(buf[:1], from)
			_ = c.SetReadDeadline(time.Now().Add(soon))
			if n, err := c.Read(buf); err != nil || n != 1 {
				t.Errorf("answer: %d bytes, %v", n, err)
			}
		}
		_ = c.Close()
	}
}
