//go:build linux && lab

// Paths that carry less than the segment's frames, and say so or not.
//
//	A [u0] --1500-- R1 --narrow-- R2 --1500-- [u0] B
//	192.0.2.2                        198.51.100.2
//	2001:db8:1::2                   2001:db8:3::2
//
// The devices of the segment keep their MTU, 1500 or 9000, whatever lies between.

package lab

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/vxmesh/vxmesh/lab/netns"
)

// A narrowLab is the drawing, up, with MTU 1500 everywhere until it is squeezed.
type narrowLab struct {
	a, b   *node
	r1, r2 *host
}

func newNarrowLab(t *testing.T, f family, mtu int) *narrowLab {
	t.Helper()
	ha, r1, r2, hb := newRoutedPath(t, "A", "B")
	l := &narrowLab{a: newSealed(ha, overlay(1)), b: newSealed(hb, overlay(2)), r1: r1, r2: r2}
	for _, n := range []*node{l.a, l.b} {
		n.setMTU(mtu)
	}
	addrA, addrB := "192.0.2.2:%d", "198.51.100.2:%d"
	if f == v6 {
		addrA, addrB = "[2001:db8:1::2]:%d", "[2001:db8:3::2]:%d"
	}
	l.a.knows(l.b, fmt.Sprintf(addrB, meshPort))
	l.b.knows(l.a, fmt.Sprintf(addrA, meshPort))
	return l
}

// setMTU changes the MTU of the node's first segment, in its file.
func (n *node) setMTU(mtu int) {
	n.t.Helper()
	n.segments[0].mtu = mtu
	n.rewrite()
}

// squeeze makes the link in the middle carry no more than mtu.
func (l *narrowLab) squeeze(mtu int) {
	l.r1.run("ip link set dev r mtu %d", mtu)
	l.r2.run("ip link set dev r mtu %d", mtu)
}

// silence keeps the routers from saying what was too big.
func (l *narrowLab) silence() {
	for _, r := range []*host{l.r1, l.r2} {
		r.nft(`table inet hole {
			chain out {
				type filter hook output priority filter
				icmp type destination-unreachable drop
				icmpv6 type packet-too-big drop
			}
		}`)
	}
}

// TestNarrowPath: full frames cross whatever the path carries, and the host need not know.
func TestNarrowPath(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		underlay     family
		narrow, mtu  int
		silent       bool
		least, exact int // of what is found
	}{
		{v4, 1280, 1500, false, 1264, 1280},
		{v4, 1280, 1500, true, 1264, 1280},
		{v6, 1280, 1500, false, 1264, 1280},
		{v4, 1400, 1500, true, 1384, 1400},
		{v6, 1400, 1500, true, 1384, 1400},
		{v4, 576, 1500, false, 560, 576},
		{v4, 576, 1500, true, 560, 576},
		{v4, 1280, 9000, false, 1264, 1280},
		{v4, 1500, 9000, false, 1500, 1500},
		{v6, 1280, 9000, true, 1264, 1280},
	} {
		name := fmt.Sprintf("%s %d below %d", c.underlay, c.narrow, c.mtu)
		if c.silent {
			name += " in silence"
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := newNarrowLab(t, c.underlay, c.mtu)
			l.squeeze(c.narrow)
			if c.silent {
				l.silence()
			}
			joinAll(l.a, l.b)
			if mtu := l.a.mtu("vxm0"); mtu != c.mtu {
				t.Errorf("MTU %d of the device, want %d", mtu, c.mtu)
			}
			l.a.waitMTU("b", c.least, c.exact)
			l.b.waitMTU("a", c.least, c.exact)
			exchange(t, l.a.host, l.b.host)
			tcp(t, l.a.host, l.b.host, "10.0.0.2", 8<<20)
			tcp(t, l.b.host, l.a.host, "fd42::1", 8<<20)
			udpSegments(t, l.a.host, l.b.host, "10.0.0.2", 10, 1300)
		})
	}
}

// TestPathWidens: a path that carries more than it did is asked for more, also when routers have told the kernel
// how little it was and a node looks at its links anew meanwhile.
func TestPathWidens(t *testing.T) {
	t.Parallel()
	for _, f := range []family{v4, v6} {
		t.Run(f.String(), func(t *testing.T) {
			t.Parallel()
			l := newNarrowLab(t, f, 1500)
			l.squeeze(1320)
			joinAll(l.a, l.b)
			l.a.waitMTU("b", 1304, 1320)
			far := map[family]string{v4: "198.51.100.2", v6: "2001:db8:3::2"}[f]
			if out := l.a.run("ip route get %s", far); !strings.Contains(out, "mtu 1320") {
				t.Fatalf("no router has said anything: %s", out)
			}
			changes := func() int { return strings.Count(l.a.proc.Output(), "this machine's network changed") }
			before := changes()
			l.a.run("ip address add 203.0.113.9/32 dev u0")
			eventually(t, func() error {
				if changes() == before {
					return errors.New("the node has not looked again")
				}
				return nil
			})
			l.squeeze(1500)
			need(t, netns.Eventually(time.Minute, func() error { // it asks after 10 s, 50 s, ..., and then every 10 min
				if p, err := l.a.peer("b"); err != nil || p.Path == nil || p.Path.MTU != 1500 {
					return fmt.Errorf("path %+v, %v", p.Path, err)
				}
				return nil
			}))
		})
	}
}

// TestRouteMTU: the MTU that somebody gave a route is kept to, though the link carries more.
func TestRouteMTU(t *testing.T) {
	t.Parallel()
	l := newNarrowLab(t, v4, 1500)
	l.a.run("ip route replace 198.51.100.0/24 via 192.0.2.1 mtu 1400")
	joinAll(l.a, l.b)
	l.b.waitMTU("a", 1500, 1500)
	l.a.waitMTU("b", 1384, 1400)
}

// TestNarrowLink: the link that a node itself is on carries little.
func TestNarrowLink(t *testing.T) {
	t.Parallel()
	for _, mtu := range []int{1280, 1500, 768} {
		t.Run(fmt.Sprint(mtu), func(t *testing.T) {
			t.Parallel()
			a, b := newSealedPair(t, v4)
			a.run("ip link set dev u0 mtu %d", mtu)
			b.run("ip link set dev u0 mtu %d", mtu)
			joinAll(a, b)
			a.waitMTU("b", mtu-16, mtu)
			a.ping("10.0.0.2", 1472, "-M do")
			tcp(t, a.host, b.host, "10.0.0.2", 8<<20)
			tcp(t, b.host, a.host, "10.0.0.1", 8<<20)
			// A link that gets worse is noticed when something does not fit.
			a.run("ip link set dev u0 mtu %d", mtu*3/4)
			b.run("ip link set dev u0 mtu %d", mtu*3/4)
			eventually(t, func() error { return a.canPingFull("10.0.0.2") })
			tcp(t, a.host, b.host, "10.0.0.2", 8<<20)
			// One that gets better is noticed by itself.
			a.run("ip link set dev u0 mtu %d", mtu+100)
			b.run("ip link set dev u0 mtu %d", mtu+100)
			a.waitMTU("b", mtu+84, mtu+100)
			b.waitMTU("a", mtu+84, mtu+100)
		})
	}
}

// TestBlackHole: in the middle of a stream the path begins to swallow large packets, and nobody
// says so. The stream goes on within ten seconds.
func TestBlackHole(t *testing.T) {
	t.Parallel()
	for _, f := range []family{v4, v6} {
		t.Run(f.String(), func(t *testing.T) {
			t.Parallel()
			l := newNarrowLab(t, f, 1500)
			l.silence()
			joinAll(l.a, l.b)
			l.a.waitMTU("b", 1500, 1500)
			m := newMeter(t, l.a.host, l.b.host, "10.0.0.2")
			m.flow(8 << 20)
			l.squeeze(1320)
			took := m.flow(8 << 20)
			t.Logf("8 MiB took %v from the beginning of the hole", took)
			if took > 10*time.Second {
				t.Errorf("the stream went on after %v, want it within 10s", took)
			}
			l.a.waitMTU("b", 1280, 1320)
			// The way back carried nothing large so far; its turn to find out is now.
			eventually(t, func() error { return l.a.canPingFull("10.0.0.2") })
			l.b.waitMTU("a", 1280, 1320)
		})
	}
}

// canPingFull is [host.canPing] with a packet of 1500 bytes.
func (h *host) canPingFull(to string) error {
	_, err := h.Run("ping -n -q -c 1 -W 1 -M do -s 1472 " + to)
	return err
}

// A meter counts what arrives of a stream that never ends.
type meter struct {
	t       testing.TB
	arrived atomic.Int64
}

// newMeter starts the stream; it ends with the case.
func newMeter(t *testing.T, from, to *host, addr string) *meter {
	t.Helper()
	m := &meter{t: t}
	var l net.Listener
	need(t, to.Do(func() (err error) {
		l, err = net.Listen("tcp", net.JoinHostPort(addr, "0"))
		return err
	}))
	var c net.Conn
	need(t, from.Do(func() (err error) {
		c, err = net.DialTimeout("tcp", l.Addr().String(), patience)
		return err
	}))
	far, err := l.Accept()
	need(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	context.AfterFunc(ctx, func() { l.Close(); c.Close(); far.Close() })
	var streams sync.WaitGroup
	streams.Go(func() { pour(c) })
	streams.Go(func() { m.count(far) })
	t.Cleanup(func() { cancel(); streams.Wait() })
	return m
}

func (m *meter) count(c net.Conn) {
	b := make([]byte, 256<<10)
	for {
		n, err := c.Read(b)
		if err != nil {
			return
		}
		m.arrived.Add(int64(n))
	}
}

// flow waits until so many bytes more have arrived and says how long that took.
func (m *meter) flow(bytes int64) time.Duration {
	m.t.Helper()
	start, before := time.Now(), m.arrived.Load()
	eventually(m.t, func() error {
		if got := m.arrived.Load() - before; got < bytes {
			return fmt.Errorf("%d bytes arrived, want %d", got, bytes)
		}
		return nil
	})
	return time.Since(start)
}
