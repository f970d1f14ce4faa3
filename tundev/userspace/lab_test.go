//go:build linux && lab

package userspace_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/vxmesh/vxmesh/lab/netns"
	"github.com/vxmesh/vxmesh/tundev"
	"github.com/vxmesh/vxmesh/tundev/ether"
	"github.com/vxmesh/vxmesh/tundev/offload"
	"github.com/vxmesh/vxmesh/tundev/userspace"
)

// A kernelPair is a device beside the kernel's own stack:
//
//	namespace K                                           this process
//	vxm0 (TAP) 10.0.0.2, fd00::2 --- a goroutine each --- a: 10.0.0.1, fd00::1
type kernelPair struct {
	k      *netns.NS
	kernel tundev.Device
	a      *userspace.Device
	supers [2]atomic.Int64 // that passed: to the kernel, from the kernel
}

func newKernelPair(t *testing.T, mtu int) *kernelPair {
	t.Helper()
	p := &kernelPair{a: open(t, macA, mtu, ofA)}
	var err error
	p.k, err = netns.New("K")
	need(t, err)
	t.Cleanup(func() { _ = p.k.Close() })
	need(t, p.k.Sysctl("net.ipv6.conf.default.accept_dad", "0"))
	need(t, p.k.Do(func() (err error) {
		p.kernel, err = tundev.Open(tundev.Options{Name: "vxm0", MAC: macB, MTU: mtu, Addresses: ofB})
		return err
	}))
	t.Cleanup(func() { _ = p.kernel.Close() })
	p.carry(t, p.a, p.kernel, &p.supers[0])
	p.carry(t, p.kernel, p.a, &p.supers[1])
	return p
}

func (p *kernelPair) carry(t *testing.T, from, to tundev.Device, supers *atomic.Int64) {
	t.Helper()
	go func() {
		buf := make([]byte, tundev.BufLen)
		for {
			n, h, err := from.ReadFrame(buf, true)
			if err != nil {
				return
			}
			if h.IsSuper() {
				supers.Add(1)
			}
			if h.GSOType == offload.GSOUDPL4 {
				t.Error("a super-frame of a kind that the device does not take")
			}
			_ = to.WriteFrame(h, [][]byte{buf[:n]})
		}
	}()
}

// run executes a command in K.
func (p *kernelPair) run(t *testing.T, format string, args ...any) {
	t.Helper()
	if out, err := p.k.Run(fmt.Sprintf(format, args...)); err != nil {
		t.Errorf("%v: %s", err, out)
	}
}

// TestLabKernel: pings, streams and datagrams cross both ways, as the kernel's stack has them.
func TestLabKernel(t *testing.T) {
	t.Parallel()
	for _, mtu := range []int{1500, 9000} {
		t.Run(fmt.Sprint(mtu), func(t *testing.T) {
			t.Parallel()
			p := newKernelPair(t, mtu)
			for i, own := range ofA {
				far := ofB[i].Addr()
				for _, size := range []int{56, mtu - 48, 20000} {
					if _, err := p.a.Ping(within(t), far, size); err != nil {
						t.Errorf("%d bytes: %v", size, err)
					}
					p.run(t, "ping -n -q -c 1 -W 5 -s %d %s", size, own.Addr())
				}
				p.streams(t, own.Addr(), far)
				p.datagrams(t, own.Addr(), far)
			}
			if out, in := p.supers[0].Load(), p.supers[1].Load(); out == 0 || in == 0 {
				t.Errorf("%d super-frames went to the kernel, %d came", out, in)
			}
			if d := p.a.Drops(); d["bad_checksum"]+d["malformed"] > 0 {
				t.Errorf("drops %v", d)
			}
		})
	}
}

// A dialer is one of the two stacks.
type dialer func(address string) (net.Conn, error)

// streams has 16 MB cross each way.
func (p *kernelPair) streams(t *testing.T, own, far netip.Addr) {
	t.Helper()
	dialA := func(address string) (net.Conn, error) { return p.a.DialContext(within(t), "tcp", address) }
	dialK := func(address string) (c net.Conn, err error) {
		err = p.k.Do(func() error { c, err = net.DialTimeout("tcp", address, soon); return err })
		return c, err
	}
	l, err := p.a.Listen("tcp", netip.AddrPortFrom(own, 7000).String())
	need(t, err)
	stream(t, "to the device", dialK, l)
	need(t, p.k.Do(func() (err error) {
		l, err = net.Listen("tcp", netip.AddrPortFrom(far, 7000).String())
		return err
	}))
	stream(t, "to the kernel", dialA, l)
	if _, err := dialK(netip.AddrPortFrom(own, 9).String()); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("where nobody listens: %v", err)
	}
}

func stream(t *testing.T, what string, dial dialer, l net.Listener) {
	t.Helper()
	defer func() { _ = l.Close() }()
	const size = 16 << 20
	sent := make(chan [32]byte, 1)
	go func() {
		hash := sha256.New()
		defer func() { sent <- [32]byte(hash.Sum(nil)) }()
		c, err := dial(l.Addr().String())
		if err != nil {
			t.Errorf("%s: %v", what, err)
			_ = l.Close()
			return
		}
		defer func() { _ = c.Close() }()
		_, _ = io.CopyN(io.MultiWriter(c, hash), rand.NewChaCha8([32]byte{1}), size)
	}()
	c, err := l.Accept()
	if err != nil {
		<-sent
		return
	}
	defer func() { _ = c.Close() }()
	_ = c.SetDeadline(time.Now().Add(2 * soon))
	hash := sha256.New()
	if n, err := io.Copy(hash, c); n != size || err != nil || [32]byte(hash.Sum(nil)) != <-sent {
		t.Errorf("%s: %d bytes came, or others: %v", what, n, err)
	}
}

// datagrams: one of each size crosses to the kernel, and comes back.
func (p *kernelPair) datagrams(t *testing.T, own, far netip.Addr) {
	t.Helper()
	var echo net.PacketConn
	need(t, p.k.Do(func() (err error) {
		echo, err = net.ListenPacket("udp", netip.AddrPortFrom(far, 7).String())
		return err
	}))
	defer func() { _ = echo.Close() }()
	c, err := p.a.DialContext(within(t), "udp", echo.LocalAddr().String())
	need(t, err)
	defer func() { _ = c.Close() }()
	_ = c.SetDeadline(time.Now().Add(soon))
	_ = echo.SetDeadline(time.Now().Add(soon))
	buf := make([]byte, 65536)
	for _, size := range []int{1, 1400, 8900, 40000} {
		_, err := c.Write(make([]byte, size))
		need(t, err)
		n, from, err := echo.ReadFrom(buf)
		need(t, err)
		if n != size || netip.MustParseAddrPort(from.String()).Addr() != own {
			t.Errorf("%d bytes came of %d, from %s", n, size, from)
		}
		_, err = echo.WriteTo(buf[:n], from)
		need(t, err)
		if n, err := c.Read(buf); n != size || err != nil {
			t.Errorf("%d bytes came back of %d: %v", n, size, err)
		}
	}
}

// TestLabNeighbourMoves: an address moves to another station, which says so; the device follows.
func TestLabNeighbourMoves(t *testing.T) {
	t.Parallel()
	p := newKernelPair(t, 1500)
	to := ofB[0].Addr()
	_, err := p.a.Ping(within(t), to, 56)
	need(t, err)
	p.run(t, "ip link add link vxm0 name mv0 type macvlan mode bridge")
	p.run(t, "ip link set mv0 up")
	p.run(t, "ip addr del %s dev vxm0", ofB[0])
	p.run(t, "ip addr add %s dev mv0", ofB[0])
	p.run(t, "sysctl -qw net.ipv4.conf.all.arp_ignore=1")
	s, err := p.k.Sender("mv0")
	need(t, err)
	defer s.Close()
	told := arp(ether.Broadcast, 1, to.String(), to.String())
	var mac ether.MAC
	need(t, p.k.Do(func() error {
		link, err := net.InterfaceByName("mv0")
		if err == nil {
			mac = ether.MAC(link.HardwareAddr)
		}
		return err
	}))
	copy(told[6:], mac[:])
	copy(told[22:], mac[:])
	need(t, s.Send(told))
	eventually(t, func() bool {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := p.a.Ping(ctx, to, 56)
		return err == nil
	})
}
