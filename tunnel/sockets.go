package tunnel

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"syscall"

	"github.com/vxmesh/vxmesh/tunnel/drop"
	"github.com/vxmesh/vxmesh/tunnel/udp"
)

const (
	// poolSize is how many source ports the flows of a segment spread over.
	poolSize = 16
	// The ports the pool is taken from (RFC 7348, 5; RFC 6335, 6).
	poolFirst, poolLast = 49152, 65535
	// socketBuffer is asked for both ways; a burst of 64 KB messages must fit.
	socketBuffer = 4 << 20
)

// A listenFunc opens a socket.
type listenFunc func(netip.AddrPort, udp.Options) (udp.Conn, error)

// listenUDP is the [listenFunc] of the real network.
func listenUDP(a netip.AddrPort, o udp.Options) (udp.Conn, error) { return udp.Listen(a, o) }

// A socket is a UDP socket and what went through it.
type socket struct {
	udp.Conn
	rx, tx traffic
	drops  drop.Counters // of datagrams that belong to no segment
}

// sockets are those of the plain leg: some that listen, and for each family a pool to send from
// whose source ports tell flows apart. Nothing changes after they are opened.
type sockets struct {
	open      listenFunc
	port      uint16 // the first that is listened on
	listening []*socket
	pool4     []*socket
	pool6     []*socket
}

// openSockets opens the listening sockets and the pools.
func openSockets(open listenFunc, listen []netip.AddrPort) (*sockets, error) {
	ss := &sockets{open: open}
	err := ss.listen(listen)
	for i := 0; err == nil && i < len(ss.listening); i++ {
		err = ss.openPool(ss.listening[i].Is6())
	}
	if err != nil {
		ss.close()
		return nil, err
	}
	return ss, nil
}

// listen opens a socket for each address.
func (ss *sockets) listen(addrs []netip.AddrPort) error {
	for _, a := range addrs {
		s, err := ss.open(a, udp.Options{Buffer: socketBuffer})
		if err != nil {
			if a.Addr() == netip.IPv6Unspecified() && noIPv6(err) && len(addrs) > 1 {
				continue // a host without IPv6 still has the other family
			}
			return err
		}
		ss.listening = append(ss.listening, &socket{Conn: s})
		if ss.port == 0 {
			ss.port = s.LocalAddr().Port()
		}
	}
	return nil
}

// noIPv6 reports whether a socket could not be had because the host has no IPv6.
func noIPv6(err error) bool {
	return errors.Is(err, syscall.EAFNOSUPPORT) || errors.Is(err, syscall.EADDRNOTAVAIL)
}

// pool is where the sockets of a family to send from are.
func (ss *sockets) pool(v6 bool) *[]*socket {
	if v6 {
		return &ss.pool6
	}
	return &ss.pool4
}

// openPool binds sockets of a family to random free ports of the dynamic range, if it has none.
func (ss *sockets) openPool(v6 bool) error {
	addr := netip.IPv4Unspecified()
	if v6 {
		addr = netip.IPv6Unspecified()
	}
	pool := ss.pool(v6)
	for tries := 0; len(*pool) < poolSize; tries++ {
		port := uint16(poolFirst + rand.IntN(poolLast-poolFirst+1))
		s, err := ss.open(netip.AddrPortFrom(addr, port),
			udp.Options{SendOnly: true, Buffer: socketBuffer})
		switch {
		case err == nil:
			*pool = append(*pool, &socket{Conn: s})
		case !errors.Is(err, syscall.EADDRINUSE) || tries > 20*poolSize:
			return fmt.Errorf("open sockets to send from: %w", err)
		}
	}
	return nil
}

// sender chooses the socket for a flow to a remote, nil when its family is not listened on.
func (ss *sockets) sender(to netip.Addr, fixed bool, hash uint32) *socket {
	if fixed {
		return ss.first(to.Is6())
	}
	pool := *ss.pool(to.Is6())
	if len(pool) == 0 {
		return nil
	}
	return pool[uint64(hash)*uint64(len(pool))>>32]
}

// first gives the first listening socket of a family, or nil.
func (ss *sockets) first(v6 bool) *socket { return firstOf(ss.listening, v6) }

// firstOf gives the first socket of a family in a list, or nil.
func firstOf(list []*socket, v6 bool) *socket {
	for _, s := range list {
		if s.Is6() == v6 {
			return s
		}
	}
	return nil
}

// addrs lists where the listening sockets are bound.
func (ss *sockets) addrs() []netip.AddrPort {
	addrs := make([]netip.AddrPort, len(ss.listening))
	for i, s := range ss.listening {
		addrs[i] = s.LocalAddr()
	}
	return addrs
}

// has reports whether remotes of a's family can be sent to.
func (ss *sockets) has(a netip.Addr) bool { return ss.first(a.Is6()) != nil }

// close closes all, which ends the loops that read from them.
func (ss *sockets) close() {
	for _, list := range [][]*socket{ss.listening, ss.pool4, ss.pool6} {
		for _, s := range list {
			s.Close()
		}
	}
}
