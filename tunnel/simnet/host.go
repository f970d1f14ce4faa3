package simnet

import (
	"fmt"
	"net/netip"
	"os"
	"slices"
	"syscall"

	"github.com/vxmesh/vxmesh/tunnel/udp"
)

// What a host has when nothing else is said.
const (
	defaultMTU    = 1500
	defaultTTL    = 64
	defaultBuffer = 212992 // bytes; what Linux gives a socket
	firstPort     = 49152  // of those that are given out (RFC 6335, 6)
)

// A Host is a machine with addresses and sockets.
type Host struct {
	i  *Internet
	id int

	// Guarded by the Internet's lock.
	interfaces []*Interface
	lastIndex  int // of an interface
	mtu        int
	merges     bool
	conns      []*Conn
	nextPort   uint16
}

// Listen opens a socket as [udp.Listen] does. The unspecified address stands for all addresses of
// its family that the host has at the time.
func (h *Host) Listen(local netip.AddrPort, o udp.Options) (udp.Conn, error) {
	h.i.mu.Lock()
	defer h.i.mu.Unlock()
	local = netip.AddrPortFrom(local.Addr().Unmap(), local.Port())
	if !local.Addr().IsUnspecified() && !h.has(local.Addr()) {
		return nil, listenError(local, syscall.EADDRNOTAVAIL)
	}
	if local.Port() == 0 {
		local = h.freePort(local)
	}
	if h.taken(local) {
		return nil, listenError(local, syscall.EADDRINUSE)
	}
	c := newConn(h, local, o)
	h.conns = append(h.conns, c)
	return c, nil
}

// listenError says what the system would.
func listenError(local netip.AddrPort, errno syscall.Errno) error {
	return fmt.Errorf("listen on %s: %w", local, os.NewSyscallError("bind", errno))
}

// freePort gives an address a port that no socket has.
func (h *Host) freePort(local netip.AddrPort) netip.AddrPort {
	for {
		local = netip.AddrPortFrom(local.Addr(), h.nextPort)
		h.nextPort = max(h.nextPort+1, firstPort)
		if !h.taken(local) {
			return local
		}
	}
}

// taken reports whether a socket has the address, or one that overlaps it.
func (h *Host) taken(local netip.AddrPort) bool {
	return slices.ContainsFunc(h.conns, func(c *Conn) bool {
		return c.local.Port() == local.Port() && c.Is6() == local.Addr().Is6() &&
			(c.local.Addr() == local.Addr() || c.local.Addr().IsUnspecified() ||
				local.Addr().IsUnspecified())
	})
}

// lookup finds the socket for a datagram to one of the host's addresses, or nil.
func (h *Host) lookup(to netip.AddrPort) *Conn {
	for _, c := range h.conns {
		if c.local.Port() == to.Port() && c.Is6() == to.Addr().Is6() &&
			(c.local.Addr() == to.Addr() || c.local.Addr().IsUnspecified()) {
			return c
		}
	}
	return nil
}

// SetMTU changes the MTU of the host's own interface, 1500 bytes at first: larger packets that may
// not be fragmented are refused with EMSGSIZE.
func (h *Host) SetMTU(mtu int) {
	h.i.mu.Lock()
	defer h.i.mu.Unlock()
	h.mtu = mtu
}

// SetMerge says whether the host's sockets merge datagrams that wait, as UDP GRO does. They do at
// first.
func (h *Host) SetMerge(on bool) {
	h.i.mu.Lock()
	defer h.i.mu.Unlock()
	h.merges = on
}

// merging is what SetMerge said.
func (h *Host) merging() bool {
	h.i.mu.Lock()
	defer h.i.mu.Unlock()
	return h.merges
}

// outgoing is what the host decides about a packet of n bytes payload from a socket bound to local:
// with which address it leaves, and into which LAN.
func (h *Host) outgoing(local netip.Addr, m *udp.Message, n int, df bool) (
	src netip.Addr, at *lan, size int, err error,
) {
	h.i.mu.Lock()
	defer h.i.mu.Unlock()
	if src, at, err = h.route(local, m); err != nil {
		return src, nil, 0, err
	}
	size = n + header4
	if local.Is6() {
		size = n + header6
	}
	if n > udp.MaxPayload || df && size > h.mtu {
		return src, nil, 0, syscall.EMSGSIZE
	}
	return src, at, size, nil
}

// Lengths of the IP and UDP headers, in bytes.
const (
	header4 = 20 + 8
	header6 = 40 + 8
)
