package proxy

import (
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"syscall"
	"time"
)

// serveSOCKS does what the client of one connection asks for.
func (s *service) serveSOCKS(j *job, c net.Conn) {
	defer context.AfterFunc(j.ctx, func() { _ = c.Close() })()
	_ = c.SetDeadline(time.Now().Add(s.p.options.limits.handshake))
	if err := readGreeting(c); err != nil {
		if errors.Is(err, errMethod) {
			_, _ = c.Write([]byte{socksVersion, methodUnaccepted})
		}
		return
	}
	if _, err := c.Write([]byte{socksVersion, methodNone}); err != nil {
		return
	}
	command, to, err := readRequest(c)
	_ = c.SetDeadline(time.Time{})
	switch {
	case errors.Is(err, errAddressType):
		s.answer(c, replyAddressType, nil)
	case errors.Is(err, errName):
		s.answer(c, replyFailed, nil)
	case err != nil:
	case command == commandConnect:
		s.connect(j, c, to)
	case command == commandAssociate:
		s.associate(j, c)
	default:
		s.answer(c, replyCommand, nil)
	}
}

// answer tells the client what came of its request; at is the address that serves it.
func (s *service) answer(c net.Conn, code replyCode, at net.Addr) bool {
	if code != replySucceeded {
		s.failed.Add(1)
	}
	_ = c.SetWriteDeadline(time.Now().Add(s.p.options.limits.handshake))
	_, err := c.Write(appendReply(nil, code, addrPortOf(at)))
	_ = c.SetWriteDeadline(time.Time{})
	return err == nil
}

// addrPortOf gives an address's numbers, where it has some.
func addrPortOf(a net.Addr) netip.AddrPort {
	if a == nil {
		return netip.AddrPort{}
	}
	at, _ := netip.ParseAddrPort(a.String())
	return at
}

// connect serves CONNECT.
func (s *service) connect(j *job, c net.Conn, to string) {
	other, err := s.p.Dial(j.ctx, j.VNI, "tcp", to)
	if err != nil {
		s.answer(c, replyFor(err), nil)
		return
	}
	if !s.answer(c, replySucceeded, other.LocalAddr()) {
		_ = other.Close()
		return
	}
	s.join(j.ctx, c, other)
}

// replyFor says in the protocol's words why a connection could not be made.
func replyFor(err error) replyCode {
	switch {
	case errors.Is(err, ErrUnknownName), isTimeout(err), errors.Is(err, syscall.EHOSTUNREACH):
		return replyHostUnreachable
	case errors.Is(err, syscall.ENETUNREACH):
		return replyNetworkUnreachable
	case errors.Is(err, syscall.ECONNREFUSED):
		return replyRefused
	}
	return replyFailed
}

// associate serves UDP ASSOCIATE: a socket beside the connection, for the client alone, as long as the
// connection lives (section 7).
func (s *service) associate(j *job, c net.Conn) {
	local, client := addrPortOf(c.LocalAddr()).Addr(), addrPortOf(c.RemoteAddr()).Addr()
	socket, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(local, 0)))
	if err != nil {
		s.answer(c, replyFailed, nil)
		return
	}
	defer func() { _ = socket.Close() }()
	if !s.answer(c, replySucceeded, socket.LocalAddr()) {
		return
	}
	ctx, cancel := context.WithCancel(j.ctx)
	defer cancel()
	a := association{
		s: s, j: j, client: netip.AddrPortFrom(client, 0), socket: socket,
		flows: &flows{s: s, ctx: ctx, byKey: map[string]*flow{}},
	}
	s.p.tasks.Go(a.run)
	_, _ = io.Copy(io.Discard, c) // until the client, or serveSOCKS, closes it
}

// An association is what one client sends by UDP.
type association struct {
	s      *service
	j      *job
	client netip.AddrPort // the port is 0 until its first datagram
	socket *net.UDPConn
	flows  *flows
}

// run passes datagrams on until the socket is closed.
func (a *association) run() {
	buf := make([]byte, passSize)
	for {
		n, from, err := a.socket.ReadFromUDPAddrPort(buf)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		from = netip.AddrPortFrom(from.Addr().Unmap(), from.Port())
		if err != nil || !a.isClient(from) {
			continue
		}
		if to, payload, err := parseDatagram(buf[:n]); err == nil {
			a.send(to, payload)
		}
	}
}

// isClient reports whether a datagram is from who asked for the association.
func (a *association) isClient(from netip.AddrPort) bool {
	if a.client.Port() == 0 && from.Addr() == a.client.Addr().Unmap() {
		a.client = from
	}
	return from == a.client
}

// send passes a datagram on, and what comes back for it.
func (a *association) send(to string, payload []byte) {
	s, client := a.s, a.client
	s.tx.Add(uint64(len(payload)))
	var from netip.AddrPort
	a.flows.send(to, payload,
		func() (net.Conn, error) {
			c, err := s.p.Dial(a.j.ctx, a.j.VNI, "udp", to)
			if err != nil {
				s.failed.Add(1)
				return nil, err
			}
			from = addrPortOf(c.RemoteAddr())
			return c, nil
		},
		func(b []byte) error {
			s.rx.Add(uint64(len(b)))
			_, err := a.socket.WriteToUDPAddrPort(appendDatagram(nil, from, b), client)
			return err
		})
}
