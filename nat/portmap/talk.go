package portmap

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"time"

	"golang.org/x/net/ipv4"
)

// plan is when a question is put, from the beginning of a talk on. Routers are near, so an answer
// that is not there after a quarter of a second is lost, or the router is busy.
var plan = [...]time.Duration{0, 250 * time.Millisecond, 500 * time.Millisecond, time.Second}

// datagramLimit is more than any answer has: 1100 bytes in PCP, one packet in SSDP.
const datagramLimit = 2048

// A datagram is something to send.
type datagram struct {
	to   netip.AddrPort
	data []byte
}

// A talk is a short exchange of datagrams that decides without a socket or a clock.
type talk interface {
	// due is what is to be sent now, at a time of the plan or because take said so.
	due() []datagram
	// take is given what came in.
	take(b []byte, from netip.AddrPort) verdict
}

// A verdict says how a talk goes on.
type verdict int

const (
	goOn  verdict = iota // nothing new
	again                // something is due at once
	done                 // nothing more is expected
)

// converse leads a talk from a socket of its own until it is done or the time is over, which is no
// error. A socket for each keeps late answers of one talk out of the next.
func (m *Mapper) converse(ctx context.Context, local netip.Addr, limit time.Duration, t talk) error {
	conn, err := m.opts.ListenPacket(ctx, "udp4", netip.AddrPortFrom(local, 0).String())
	if err != nil {
		return fmt.Errorf("open a socket to the router: %w", err)
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	start := time.Now()
	for i := 0; i < len(plan) && plan[i] < limit; i++ {
		until := start.Add(limit)
		if i+1 < len(plan) {
			until = start.Add(min(plan[i+1], limit))
		}
		over, err := turn(conn, until, t)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if over || err != nil {
			return err
		}
	}
	return nil
}

// turn sends what is due and listens until the next turn.
func turn(conn net.PacketConn, until time.Time, t talk) (over bool, err error) {
	send(conn, t.due())
	if err := conn.SetReadDeadline(until); err != nil {
		return false, fmt.Errorf("listen to the router: %w", err)
	}
	buf := make([]byte, datagramLimit)
	for {
		n, from, err := conn.ReadFrom(buf)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return false, nil
		}
		if err != nil {
			return false, fmt.Errorf("listen to the router: %w", err)
		}
		udp, ok := from.(*net.UDPAddr)
		if !ok {
			continue
		}
		a := udp.AddrPort()
		switch t.take(buf[:n], netip.AddrPortFrom(a.Addr().Unmap(), a.Port())) {
		case done:
			return true, nil
		case again:
			send(conn, t.due())
		}
	}
}

// send leaves errors to the next turn: a route that is not there yet may be in a moment.
func send(conn net.PacketConn, due []datagram) {
	for _, d := range due {
		_, _ = conn.WriteTo(d.data, net.UDPAddrFromAddrPort(d.to))
	}
}

// listenPacket opens the socket of a talk in the ordinary way. Its multicasts leave by the device
// that has its address; Linux sees to that by itself, others have to be told.
func listenPacket(ctx context.Context, network, address string) (net.PacketConn, error) {
	conn, err := new(net.ListenConfig).ListenPacket(ctx, network, address)
	if err != nil {
		return nil, err
	}
	if dev := deviceOf(conn.LocalAddr()); dev != nil {
		_ = ipv4.NewPacketConn(conn).SetMulticastInterface(dev) // unicast goes out all the same
	}
	return conn, nil
}

// deviceOf finds the device with the address of a socket.
func deviceOf(local net.Addr) *net.Interface {
	udp, ok := local.(*net.UDPAddr)
	if !ok {
		return nil
	}
	devices, err := net.Interfaces()
	if err != nil {
		return nil
	}
	for _, dev := range devices {
		addrs, _ := dev.Addrs()
		for _, a := range addrs {
			if prefix, ok := a.(*net.IPNet); ok && prefix.IP.Equal(udp.IP) {
				return &dev
			}
		}
	}
	return nil
}
