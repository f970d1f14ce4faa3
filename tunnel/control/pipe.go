package control

import (
	"context"
	"fmt"
	"net"
	"sync"
)

// A Pipe is a listener for clients within this process, where a node has no socket; a [Client] whose
// Dial is [Pipe.Dial] reaches it. Make one with [NewPipe].
type Pipe struct {
	conns  chan net.Conn
	close  sync.Once
	closed chan struct{}
}

var _ net.Listener = (*Pipe)(nil)

// NewPipe makes a listener that takes connections until it is closed.
func NewPipe() *Pipe { return &Pipe{conns: make(chan net.Conn), closed: make(chan struct{})} }

// Accept implements [net.Listener].
func (p *Pipe) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

// Close implements [net.Listener].
func (p *Pipe) Close() error {
	p.close.Do(func() { close(p.closed) })
	return nil
}

// Addr implements [net.Listener].
func (p *Pipe) Addr() net.Addr { return pipeAddr{} }

// Dial connects, which takes until the server accepts, ctx ends, or the pipe is closed.
func (p *Pipe) Dial(ctx context.Context) (net.Conn, error) {
	ours, theirs := net.Pipe()
	select {
	case p.conns <- theirs:
		return ours, nil
	case <-p.closed:
		return nil, AsError(fmt.Errorf("%w: the simulation has ended", ErrNoNode))
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

type pipeAddr struct{}

// Network implements [net.Addr].
func (pipeAddr) Network() string { return "pipe" }

// String implements [net.Addr].
func (pipeAddr) String() string { return "this process" }
