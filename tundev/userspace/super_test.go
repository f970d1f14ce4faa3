package userspace_test

import (
	"bytes"
	"fmt"
	"io"
	"net/netip"
	"sync/atomic"
	"testing"
	"time"

	"github.com/vxmesh/vxmesh/tundev"
	"github.com/vxmesh/vxmesh/tundev/ether"
	"github.com/vxmesh/vxmesh/tundev/offload"
	"github.com/vxmesh/vxmesh/tundev/userspace"
)

// cut takes frames from one device to the other until the former is closed, all of them as they would leave on
// a wire: cut to size, with complete checksums. It counts the super-frames that it was given.
func cut(t *testing.T, from, to tundev.Device, supers *atomic.Int64) {
	t.Helper()
	go func() {
		var s offload.Segmenter
		buf, piece := make([]byte, tundev.BufLen), make([]byte, tundev.BufLen)
		for {
			n, h, err := from.ReadFrame(buf, true)
			if err != nil {
				return
			}
			if !h.IsSuper() {
				if err := offload.Complete(h, buf[:n]); err != nil {
					t.Error(err)
				}
				_ = to.WriteFrame(offload.Header{}, [][]byte{buf[:n]})
				continue
			}
			supers.Add(1)
			if err := s.Start(h, buf[:n]); err != nil {
				t.Errorf("super-frame %+v: %v", h, err)
			}
			for range s.Count() {
				size := s.Next(piece)
				if size > 14+from.MTU() {
					t.Errorf("a piece has %d bytes", size)
				}
				_ = to.WriteFrame(offload.Header{}, [][]byte{piece[:size]})
			}
		}
	}()
}

// TestSuperFrames: TCP leaves in super-frames, of which every piece is a frame with right checksums: the
// other end, told nothing of them, counts none that is wrong.
func TestSuperFrames(t *testing.T) {
	t.Parallel()
	for _, mtu := range []int{576, 1500, 9000} {
		t.Run(fmt.Sprint(mtu), func(t *testing.T) {
			t.Parallel()
			superFrames(t, mtu)
		})
	}
}

func superFrames(t *testing.T, mtu int) {
	t.Helper()
	var supers atomic.Int64
	addrs := [][]netip.Prefix{ofA, ofB}
	if mtu < 1280 { // RFC 8200, 5
		addrs[0], addrs[1] = ofA[:1], ofB[:1]
	}
	a, b := open(t, macA, mtu, addrs[0]), open(t, macB, mtu, addrs[1])
	cut(t, a, b, &supers)
	cut(t, b, a, &supers)
	for _, to := range addrs[1] {
		supers.Store(0)
		send(t, a, b, netip.AddrPortFrom(to.Addr(), 7).String(), 4<<20)
		if supers.Load() == 0 {
			t.Errorf("%s: no super-frames", to)
		}
	}
	for _, d := range []*userspace.Device{a, b} {
		if n := d.Drops()["bad_checksum"]; n > 0 {
			t.Errorf("%d wrong checksums", n)
		}
	}
}

// send has bytes cross from a to b.
func send(t *testing.T, a, b *userspace.Device, at string, size int) {
	t.Helper()
	l, err := b.Listen("tcp", ":7")
	need(t, err)
	defer func() { _ = l.Close() }()
	sent := bytes.Repeat([]byte{1, 2, 3, 4, 5, 6, 7}, size/7)
	go func() {
		c, err := a.DialContext(t.Context(), "tcp", at)
		if err != nil {
			t.Error(err)
			return
		}
		_, _ = c.Write(sent)
		_ = c.Close()
	}()
	c, err := l.Accept()
	need(t, err)
	_ = c.SetDeadline(time.Now().Add(soon))
	got, err := io.ReadAll(c)
	if err != nil || !bytes.Equal(got, sent) {
		t.Errorf("%d of %d bytes came to %s: %v", len(got), len(sent), at, err)
	}
	_ = c.Close()
}

// TestItself: a device reaches its own addresses, and no frame leaves it for that.
func TestItself(t *testing.T) {
	t.Parallel()
	d := settled(t)
	send(t, d, d, "10.0.0.1:7", 1<<20)
	send(t, d, d, "[fd00::1]:7", 1<<20)
	if _, err := d.Ping(within(t), ofA[0].Addr(), 100); err != nil {
		t.Error(err)
	}
	for _, f := range frames(t, d) {
		if ip, ok := ether.ParseIP(f); ok && ip.Proto == ether.ProtoTCP {
			t.Fatalf("it sends %x", f)
		}
	}
}

// TestReconfigure: addresses come and go while connections of others stay, and a bad change changes nothing.
func TestReconfigure(t *testing.T) {
	t.Parallel()
	s := newSegment(t, 1500)
	l, err := s.b.Listen("tcp", "[fd00::2]:7")
	need(t, err)
	defer func() { _ = l.Close() }()
	c, err := s.a.DialContext(within(t), "tcp", "[fd00::2]:7")
	need(t, err)
	defer func() { _ = c.Close() }()
	far, err := l.Accept()
	need(t, err)
	defer func() { _ = far.Close() }()
	o := tundev.Options{Kind: tundev.Userspace, Name: "userspace", MAC: macB, MTU: 9000}
	o.Addresses = []netip.Prefix{ofB[1], netip.MustParsePrefix("10.0.0.77/24")}
	need(t, s.b.Reconfigure(o))
	if s.b.MTU() != 9000 {
		t.Errorf("mtu %d", s.b.MTU())
	}
	if _, err := s.a.Ping(within(t), netip.MustParseAddr("10.0.0.77"), 2000); err != nil {
		t.Error(err)
	}
	_, err = c.Write([]byte("still there"))
	need(t, err)
	_ = far.SetReadDeadline(time.Now().Add(soon))
	if n, err := io.ReadFull(far, make([]byte, 11)); n != 11 {
		t.Errorf("the connection has ended: %v", err)
	}
	bad := o
	bad.Addresses = []netip.Prefix{ofB[1], netip.MustParsePrefix("10.0.0.78/24"), netip.MustParsePrefix("10.0.0.78/16")}
	if err := s.b.Reconfigure(bad); err == nil {
		t.Error("one address is there twice")
	}
	bad = o
	bad.Bridge = "br0"
	if err := s.b.Reconfigure(bad); err == nil {
		t.Error("it cannot be in a bridge")
	}
	if _, err := s.a.Ping(within(t), netip.MustParseAddr("10.0.0.77"), 0); err != nil {
		t.Errorf("after a change that was refused: %v", err)
	}
}
