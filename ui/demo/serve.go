package demo

import (
	"context"
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
	l := control.NewPipe()
	go func() { _ = control.Serve(ctx, l, n.Backend()) }() // its listener cannot break
	go n.run(ctx)
	return control.Client{Dial: l.Dial}
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
