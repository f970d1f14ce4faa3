package userspace_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"

	"github.com/vxmesh/vxmesh/tundev"
	"github.com/vxmesh/vxmesh/tundev/offload"
	"github.com/vxmesh/vxmesh/tundev/userspace"
)

// TestClose wakes everybody, and leaves no goroutine (see TestMain).
func TestClose(t *testing.T) {
	t.Parallel()
	s := newSegment(t, 1500)
	l, err := s.b.Listen("tcp", ":7")
	need(t, err)
	p, err := s.b.ListenPacket("udp", ":7")
	need(t, err)
	c, err := s.a.DialContext(within(t), "tcp", "10.0.0.2:7")
	need(t, err)
	far, err := l.Accept()
	need(t, err)
	var all sync.WaitGroup
	wait := func(what string, want error, f func() error) {
		all.Go(func() {
			if err := f(); !errors.Is(err, want) {
				t.Errorf("%s: %v, want %v", what, err, want)
			}
		})
	}
	wait("accept", net.ErrClosed, func() error { _, err := l.Accept(); return err })
	wait("datagram", net.ErrClosed, func() error { _, _, err := p.ReadFrom(make([]byte, 9)); return err })
	wait("near end", nil, func() error { _, _ = c.Read(make([]byte, 9)); return nil })
	wait("far end", nil, func() error { _, _ = far.Read(make([]byte, 9)); return nil })
	frame := ipv4(1, "10.0.0.9", "10.0.0.1", echo4...)
	wait("frame", tundev.ErrClosed, func() (err error) {
		for err == nil {
			err = s.a.WriteFrame(offload.Header{}, [][]byte{frame})
		}
		return err
	})
	need(t, s.a.Close())
	need(t, s.b.Close())
	all.Wait()
	buf := make([]byte, tundev.BufLen)
	for _, wait := range []bool{false, true} {
		if _, _, err := s.a.ReadFrame(buf, wait); !errors.Is(err, tundev.ErrClosed) {
			t.Errorf("read: %v", err)
		}
	}
	for what, call := range map[string]func() error{
		"dial":   func() error { _, err := s.a.DialContext(t.Context(), "tcp", "10.0.0.2:7"); return err },
		"listen": func() error { _, err := s.a.Listen("tcp", ":8"); return err },
		"packet": func() error { _, err := s.a.ListenPacket("udp", ":8"); return err },
		"ping":   func() error { _, err := s.a.Ping(t.Context(), ofB[0].Addr(), 0); return err },
	} {
		if err := call(); !errors.Is(err, tundev.ErrClosed) {
			t.Errorf("%s on a closed device: %v", what, err)
		}
	}
	need(t, s.a.Close())
	if err := s.a.Reconfigure(tundev.Options{}); !errors.Is(err, tundev.ErrClosed) {
		t.Errorf("reconfigure: %v", err)
	}
}

// TestFullQueue: what nobody reads is dropped and counted, and WriteFrame never waits for it.
func TestFullQueue(t *testing.T) {
	t.Parallel()
	d := settled(t)
	need(t, d.WriteFrame(offload.Header{}, [][]byte{arp(macA, 1, "10.0.0.9", "10.0.0.1")})) // so it knows the asker
	frames(t, d)
	for range 3000 {
		need(t, d.WriteFrame(offload.Header{}, [][]byte{ipv4(1, "10.0.0.9", "10.0.0.1", echo4...)}))
	}
	if d.Drops()["stack_queue_full"] == 0 {
		t.Errorf("drops %v", d.Drops())
	}
	if n := len(frames(t, d)); n < 500 || n > 2000 {
		t.Errorf("%d frames were kept", n)
	}
}

// TestRefusals are sentences, and nothing is opened.
func TestRefusals(t *testing.T) {
	t.Parallel()
	d := open(t, macA, 1500, ofA)
	for _, tt := range []struct{ call, network, address, want string }{
		{"dial", "tcp", "nas:80", `"nas" is not an IP address`},
		{"dial", "tcp", "10.0.0.2", "missing port"},
		{"dial", "tcp", ":80", "the host is missing"},
		{"dial", "tcp6", "10.0.0.2:80", "not an address of that family"},
		{"dial", "icmp", "10.0.0.2:80", "not possible"},
		{"dial", "udp", "10.0.0.2:no-such-port", "no-such-port"},
		{"dial", "udp", "192.0.2.1:9", "no route to host"},
		{"listen", "udp", ":80", "not possible"},
		{"listen", "tcp", "10.0.0.2:80", "assign requested address"},
		{"listen", "tcp", "80", "missing port"},
		{"packet", "tcp", ":80", "not possible"},
		{"packet", "udp", "10.0.0.2:80", "assign requested address"},
	} {
		var c io.Closer
		var err error
		switch tt.call {
		case "dial":
			c, err = d.DialContext(t.Context(), tt.network, tt.address)
		case "listen":
			c, err = d.Listen(tt.network, tt.address)
		case "packet":
			c, err = d.ListenPacket(tt.network, tt.address)
		}
		if err == nil {
			_ = c.Close()
		}
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s %s %s: %v, want %s", tt.call, tt.network, tt.address, err, tt.want)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := d.DialContext(ctx, "tcp", "10.0.0.2:80"); !errors.Is(err, context.Canceled) {
		t.Errorf("ended: %v", err)
	}
	if _, err := d.Ping(t.Context(), netip.Addr{}, 0); err == nil || !strings.Contains(err.Error(), "no address") {
		t.Errorf("ping of nobody: %v", err)
	}
	for _, size := range []int{-1, userspace.MaxPing + 1} {
		if _, err := d.Ping(t.Context(), ofB[0].Addr(), size); err == nil {
			t.Errorf("ping of %d bytes", size)
		}
	}
	if _, err := userspace.Open(tundev.Options{}); err == nil {
		t.Error("a device without a MAC")
	}
}
