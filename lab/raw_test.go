//go:build linux && lab

package lab

import (
	"net"
	"net/netip"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// A rawSocket sends datagrams that no well-behaved VTEP would, from a VTEP's address.
type rawSocket struct {
	t    testing.TB
	conn *net.UDPConn
}

// rawSocket opens one from a local address, "" for any, to a remote one.
func (h *host) rawSocket(local, remote string) *rawSocket {
	h.t.Helper()
	s := &rawSocket{t: h.t}
	need(h.t, h.Do(func() (err error) {
		s.conn, err = net.DialUDP("udp", &net.UDPAddr{IP: net.ParseIP(local)},
			net.UDPAddrFromAddrPort(netip.MustParseAddrPort(remote)))
		return err
	}))
	h.t.Cleanup(func() { s.conn.Close() })
	return s
}

func (s *rawSocket) send(b []byte) {
	s.t.Helper()
	need(s.t, s.conn.SetWriteDeadline(time.Now().Add(patience)))
	_, err := s.conn.Write(b)
	need(s.t, err)
}

// option sets an option of the socket, such as the outer TOS.
func (s *rawSocket) option(level, name, value int) {
	s.t.Helper()
	raw, err := s.conn.SyscallConn()
	need(s.t, err)
	var optErr error
	need(s.t, raw.Control(func(fd uintptr) {
		optErr = unix.SetsockoptInt(int(fd), level, name, value)
	}))
	need(s.t, optErr)
}

// tos sets the outer TOS or traffic class.
func (s *rawSocket) tos(f family, tos byte) {
	s.t.Helper()
	if f == v6 {
		s.option(unix.IPPROTO_IPV6, unix.IPV6_TCLASS, int(tos))
		return
	}
	s.option(unix.IPPROTO_IP, unix.IP_TOS, int(tos))
}
