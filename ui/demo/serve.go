package demo

import (
	"context"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/vxmesh/vxmesh/tunnel/control"
)

// Start runs a simulated network until ctx ends, and gives the client that reaches its node.
func Start(ctx context.Context, seed uint64) control.Client {
	return New(seed, time.Now).Serve(ctx)
}

// Serve answers for the network's node and takes a step every second until ctx ends, after which nobody
// answers and no goroutine is left.
func (n *Network) Serve(ctx context.Context) control.Client {
	l := &pipes{conns: make(chan net.Conn), closed: make(chan struct{})}
	go func() { _ = control.Serve(ctx, l, n.Backend()) }() // its listener cannot break
	go n.run(ctx)
	return control.Client{Dial: l.dial}
}

func (n *Network) run(ctx context.Context) {
	tick := time.NewTicker(second)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			n.Step()
		}
	}
}

// pipes is a listener within the process.
type pipes struct {
	conns  chan net.Conn
	close  sync.Once
	closed chan struct{}
}

// Accept implements [net.Listener].
func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

// Close implements [net.Listener].
func (p *pipes) Close() error {
	p.close.Do(func() { close(p.closed) })
	return nil
}

// Addr implements [net.Listener].
func (p *pipes) Addr() net.Addr { return pipeAddr{} }

func (p *pipes) dial(ctx context.Context) (net.Conn, error) {
	ours, theirs := net.Pipe()
	select {
	case p.conns <- theirs:
		return ours, nil
	case <-p.closed:
		return nil, control.AsError(fmt.Errorf("%w: the simulation has ended", control.ErrNoNode))
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

type pipeAddr struct{}

// Network implements [net.Addr].
func (pipeAddr) Network() string { return "pipe" }

// String implements [net.Addr].
func (pipeAddr) String() string { return "demo" }
