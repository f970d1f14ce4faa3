package simnet

import (
	"cmp"
	"errors"
	"net"
	"net/netip"
	"os"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/vxmesh/vxmesh/tunnel/udp"
)

// errFamily refuses a message whose addresses the socket cannot have on the wire.
var errFamily = errors.New("the address is not of the socket's family")

// A Conn is a socket of a [Host].
type Conn struct {
	h      *Host
	local  netip.AddrPort
	buffer int // bytes that may wait

	mu       sync.Mutex // the rest
	arrival  sync.Cond  // of packets, of the deadline, or of the end
	queue    []packet
	queued   int // bytes
	lost     uint64
	deadline time.Time
	alarm    *time.Timer
	closed   bool
}

var _ udp.Conn = (*Conn)(nil)

func newConn(h *Host, local netip.AddrPort, o udp.Options) *Conn {
	c := &Conn{h: h, local: local, buffer: defaultBuffer}
	c.arrival.L = &c.mu
	switch {
	case o.SendOnly:
		c.buffer = 0
	case o.Buffer > 0:
		c.buffer = o.Buffer
	}
	return c
}

// LocalAddr is the address the socket is bound to, with the port it really has.
func (c *Conn) LocalAddr() netip.AddrPort { return c.local }

// Is6 reports whether the socket speaks IPv6.
func (c *Conn) Is6() bool { return c.local.Addr().Is6() }

// Lost is how many datagrams found the buffer full.
func (c *Conn) Lost() uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.lost
}

// SetReadDeadline makes every Read that waits at t give [os.ErrDeadlineExceeded]; the zero Time
// lets it wait for ever.
func (c *Conn) SetReadDeadline(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return net.ErrClosed
	}
	c.deadline = t
	if c.alarm != nil {
		c.alarm.Stop()
	}
	c.arrival.Broadcast()
	if wait := time.Until(t); !t.IsZero() && wait > 0 {
		c.alarm = time.AfterFunc(wait, c.wake)
	}
	return nil
}

// wake lets every Read look again.
func (c *Conn) wake() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.arrival.Broadcast()
}

// Close wakes every Read, which then returns [net.ErrClosed].
func (c *Conn) Close() error {
	c.h.i.mu.Lock()
	defer c.h.i.mu.Unlock()
	if !c.close() {
		return net.ErrClosed
	}
	return nil
}

// close ends the socket, once. The caller holds the Internet's lock.
func (c *Conn) close() bool {
	c.h.conns = slices.DeleteFunc(c.h.conns, func(other *Conn) bool { return other == c })
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return false
	}
	c.closed, c.queue = true, nil
	if c.alarm != nil {
		c.alarm.Stop()
	}
	c.arrival.Broadcast()
	return true
}

// Write sends msgs in order, as [udp.Socket.Write] does.
func (c *Conn) Write(msgs []udp.Message, mode udp.Mode) {
	for i := range msgs {
		m := &msgs[i]
		switch {
		case c.isClosed():
			refuse(m, m.Datagrams(), net.ErrClosed)
		case m.To.Addr().Is4() == c.Is6() || m.From.IsValid() && m.From.Is4() == c.Is6():
			refuse(m, m.Datagrams(), errFamily)
		case m.Datagrams() > udp.MaxSegments || m.SegmentSize != 0 && len(m.Data) > udp.MaxPayload:
			refuse(m, m.Datagrams(), syscall.EINVAL)
		default:
			c.send(m, mode)
		}
	}
}

func (c *Conn) isClosed() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.closed
}

// send sends the datagrams of a message.
func (c *Conn) send(m *udp.Message, mode udp.Mode) {
	data, segment := m.Data, m.SegmentSize
	if segment == 0 {
		segment = len(data)
	}
	for range m.Datagrams() {
		n := min(segment, len(data))
		if err := c.sendOne(m, data[:n], mode); err != nil {
			refuse(m, 1, err)
		}
		data = data[n:]
	}
}

// sendOne sends one datagram.
func (c *Conn) sendOne(m *udp.Message, data []byte, mode udp.Mode) error {
	src, at, size, err := c.h.outgoing(c.local.Addr(), m, len(data), mode.DF)
	if err != nil {
		return err
	}
	p := packet{
		from: netip.AddrPortFrom(src, c.local.Port()), to: m.To, data: slices.Clone(data),
		tos: m.TOS, ttl: cmp.Or(m.TTL, defaultTTL), size: size, whole: mode.DF, sender: c.h, at: at,
	}
	if c.h.i.send(p) {
		return syscall.EMSGSIZE
	}
	return nil
}

// refuse notes that n datagrams of a message were not sent.
func refuse(m *udp.Message, n int, err error) { m.Failed, m.Err = m.Failed+n, err }

// hasRoom reports whether there is room for a packet, and counts it as lost where there is none. Nobody
// takes room away before the caller, who holds the Internet's lock, does.
func (c *Conn) hasRoom(p packet) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.queued+p.room() > c.buffer {
		c.lost++
		return false
	}
	return true
}

// receive takes a packet from the wire. From then on its bytes are the reader's.
func (c *Conn) receive(p packet) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.queue = append(c.queue, p)
	c.queued += p.room()
	c.arrival.Broadcast()
}

// await takes the lock, which it leaves to the caller to give back whatever it returns, and with wait
// waits for packets.
func (c *Conn) await(wait bool) error {
	c.mu.Lock()
	for {
		switch {
		case c.closed:
			return net.ErrClosed
		case !c.deadline.IsZero() && !time.Now().Before(c.deadline):
			return os.ErrDeadlineExceeded
		case len(c.queue) > 0 || !wait:
			return nil
		}
		c.arrival.Wait()
	}
}
