package proxy

import (
	"context"
	"fmt"
	"net"
)

// Accept waits for one who comes to a place of a segment's stack, host:port or :port. Of UDP it is whom
// the first datagram is from; others are not heard.
func (p *Proxies) Accept(ctx context.Context, vni uint32, network, address string) (net.Conn, error) {
	stack := p.options.Stack(vni)
	if stack == nil {
		return nil, fmt.Errorf("vni %d: %w", vni, ErrNoStack)
	}
	c, err := acceptOn(ctx, stack, network, address)
	if err != nil && ctx.Err() != nil {
		err = ctx.Err()
	}
	return c, err
}

func acceptOn(ctx context.Context, stack Stack, network, address string) (net.Conn, error) {
	if network == "udp" {
		return acceptPacket(ctx, stack, address)
	}
	l, err := stack.Listen(network, address)
	if err != nil {
		return nil, err
	}
	defer func() { _ = l.Close() }()
	defer context.AfterFunc(ctx, func() { _ = l.Close() })()
	return l.Accept()
}

func acceptPacket(ctx context.Context, stack Stack, address string) (net.Conn, error) {
	s, err := stack.ListenPacket("udp", address)
	if err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { _ = s.Close() })
	defer stop()
	first := make([]byte, passSize)
	n, from, err := s.ReadFrom(first)
	if err != nil {
		_ = s.Close()
		return nil, err
	}
	return &packetConn{PacketConn: s, peer: from, first: first[:n]}, nil
}

// A packetConn is a UDP socket with one other end.
type packetConn struct {
	net.PacketConn
	peer  net.Addr
	first []byte // read already; nil once it was given out
}

// Read implements [io.Reader].
func (c *packetConn) Read(b []byte) (int, error) {
	if c.first != nil {
		n := copy(b, c.first)
		c.first = nil
		return n, nil
	}
	for {
		n, from, err := c.ReadFrom(b)
		if err != nil || from.String() == c.peer.String() {
			return n, err
		}
	}
}

// Write implements [io.Writer].
func (c *packetConn) Write(b []byte) (int, error) { return c.WriteTo(b, c.peer) }

// RemoteAddr implements [net.Conn].
func (c *packetConn) RemoteAddr() net.Addr { return c.peer }
