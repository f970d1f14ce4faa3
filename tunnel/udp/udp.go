// Package udp is a UDP socket that moves many datagrams with one system call.
//
// On Linux a [Reader] takes what has arrived with recvmmsg and UDP GRO, and [Socket.Write] sends
// with sendmmsg and UDP GSO, falling back to single datagrams where the kernel refuses; other
// systems move one datagram per call behind the same names. Neither side allocates. One goroutine
// may use a Reader; any number may call Write.
package udp

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"syscall"
	"time"
)

// Limits of one message with several segments (UDP_MAX_SEGMENTS, and the largest UDP payload that
// IPv4 can carry).
const (
	MaxSegments = 64
	MaxPayload  = 65507
)

// MaxDatagram is the most that one received message can hold: merged datagrams, or a super-frame
// that a virtual link delivered whole, stay within 64 KB.
const MaxDatagram = 1 << 16

// A Mode is what can only be said for a whole socket, not with each datagram. Writes that change
// it cost a system call, so senders keep datagrams of one mode together.
type Mode struct {
	DF         bool // forbid fragmentation; datagrams beyond the path's MTU fail with EMSGSIZE
	Probe      bool // with DF: ignore what is known of the path's MTU (RFC 8899, 4.6.1)
	NoChecksum bool // leave the UDP checksum zero (RFC 7348, 4.1.2; RFC 6935 on IPv6)
}

// A Datagram is one received message. Data is borrowed until the next Read.
type Datagram struct {
	Data        []byte
	SegmentSize int            // of what a merging kernel put together: the length of each but the last; or 0
	From        netip.AddrPort // link-local with a zone: on Linux the index of the interface
	TOS         uint8          // outer traffic class, DSCP and ECN
}

// A Message is one datagram to send, or several of SegmentSize bytes (the last may be shorter)
// that lie one after another in Data, to the same place.
type Message struct {
	To          netip.AddrPort
	From        netip.Addr // source address; the zero Addr lets the kernel choose
	IfIndex     int        // interface to leave by; 0 lets the kernel choose
	Data        []byte
	SegmentSize int // 0 for a single datagram
	TTL, TOS    uint8

	// Set by Write: how many datagrams were refused, and why the last of them.
	Failed int
	Err    error
}

// Datagrams is how many datagrams the message stands for.
func (m *Message) Datagrams() int {
	if m.SegmentSize == 0 {
		return 1
	}
	return (len(m.Data) + m.SegmentSize - 1) / m.SegmentSize
}

// fail notes that n datagrams of the message were refused.
func (m *Message) fail(n int, err error) { m.Failed, m.Err = m.Failed+n, err }

// Options of a socket. The zero Options are those of a receiving socket.
type Options struct {
	SendOnly bool // nothing is ever read: keep the receive buffer small
	Buffer   int  // bytes asked for the socket buffers; 0 leaves the system's
}

// A Conn is a UDP socket of one address family as the tunnel uses it: a [Socket], or what stands for
// one in a network that exists in memory only.
type Conn interface {
	// NewReader makes a reader, which only one goroutine may use.
	NewReader() Reader
	// Write sends msgs in order. Any number of goroutines may write; see [Socket.Write].
	Write(msgs []Message, mode Mode)
	// SetReadDeadline makes a Read after t give [os.ErrDeadlineExceeded]; the zero Time lets it wait
	// for ever. Whoever reads sets it.
	SetReadDeadline(t time.Time) error
	// LocalAddr is the address the socket is bound to, with the port it really has.
	LocalAddr() netip.AddrPort
	// Is6 reports whether the socket speaks IPv6.
	Is6() bool
	// Lost is how many datagrams were dropped because nobody read them in time.
	Lost() uint64
	// Close wakes every Read and Write, which then return [net.ErrClosed].
	Close() error
}

// A Reader receives from one socket into buffers of its own.
type Reader interface {
	// Read returns what has arrived, borrowed until the next Read. With wait it waits for the first,
	// without there may be none. After Close it returns [net.ErrClosed]; other errors pass.
	Read(wait bool) ([]Datagram, error)
}

var _ Conn = (*Socket)(nil)

// A Socket is one bound UDP socket of one address family.
type Socket struct {
	handle
	local netip.AddrPort
	v6    bool

	mu   sync.Mutex // guards tx: one writer at a time
	mode Mode
	tx   transmitter
}

// Listen binds a socket to local, whose address decides the family: the unspecified IPv6 address
// means IPv6 only, so that both families can have a socket of their own. Port 0 takes a free one.
func Listen(local netip.AddrPort, o Options) (*Socket, error) {
	s := &Socket{v6: local.Addr().Is6() && !local.Addr().Is4In6()}
	network := "udp4"
	if s.v6 {
		network = "udp6"
	}
	lc := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) error {
		return setOptions(c, s.v6, o)
	}}
	pc, err := lc.ListenPacket(context.Background(), network, local.String())
	if err != nil {
		return nil, fmt.Errorf("listen on %s: %w", local, unwrapListen(err))
	}
	s.local = pc.LocalAddr().(*net.UDPAddr).AddrPort()
	if s.handle, err = newHandle(pc.(*net.UDPConn)); err != nil {
		return nil, fmt.Errorf("listen on %s: %w", local, err)
	}
	s.tx.init(s)
	return s, nil
}

// unwrapListen leaves out the network and address that [net.OpError] repeats.
func unwrapListen(err error) error {
	if op, ok := err.(*net.OpError); ok {
		return op.Err
	}
	return err
}

// LocalAddr is the address the socket is bound to, with the port it really has.
func (s *Socket) LocalAddr() netip.AddrPort { return s.local }

// Is6 reports whether the socket speaks IPv6.
func (s *Socket) Is6() bool { return s.v6 }

// Write sends msgs in order, in the given mode. Each message says itself what of it was refused; a
// message that fails does not keep the others back. Write waits while the socket's buffer is
// full.
func (s *Socket) Write(msgs []Message, mode Mode) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if mode != s.mode {
		if err := s.setMode(mode); err != nil {
			for i := range msgs {
				msgs[i].fail(msgs[i].Datagrams(), err)
			}
			return
		}
		s.mode = mode
	}
	for len(msgs) > 0 {
		n := 0
		for n < len(msgs) && s.speaks(&msgs[n]) {
			n++
		}
		s.tx.send(msgs[:n])
		if n < len(msgs) {
			msgs[n].fail(msgs[n].Datagrams(), errFamily)
			n++
		}
		msgs = msgs[n:]
	}
}

// errFamily refuses a message whose addresses the socket cannot have on the wire.
var errFamily = errors.New("the address is not of the socket's family")

// speaks reports whether the message's addresses are of the socket's family.
func (s *Socket) speaks(m *Message) bool {
	return m.To.Addr().Is4() != s.v6 && (!m.From.IsValid() || m.From.Is4() != s.v6)
}
