package demo

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/vxmesh/vxmesh/tunnel/control"
)

// Like a node: three pings by each way, so far apart.
const (
	pathsPings = 3
	pathsEvery = 150 * time.Millisecond
)

// sleep lets a time pass that an answer takes; an error is that of ctx.
func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func duration(seconds float64) time.Duration { return time.Duration(seconds * float64(time.Second)) }

// chance is a number from 0 to 1 that is another whenever something is asked. The caller holds mu.
func (n *Network) chance(p *peer) float64 {
	n.asked++
	return n.noise(p.salt+20+uint64(n.asked), n.step)
}

// reached gives the peer of a name if something can be sent to it.
func (n *Network) reached(name string) (*peer, error) {
	p, err := n.find(name)
	if err == nil && !p.reachable() {
		err = control.Errorf(control.CodeTimeout, "%s is down: %s", p.name, p.sentence())
	}
	return p, err
}

// ping is what [control.Backend] wants. Echoes get lost as often as anything else, and those that are too
// large for the path always.
func (n *Network) ping(ctx context.Context, r control.PingRequest) (out control.PingReply, err error) {
	var lost bool
	n.locked(func() {
		var p *peer
		if p, err = n.reached(r.Peer); err != nil {
			return
		}
		lost = n.chance(p) < p.loss || r.Size > p.mtu
		out = control.PingReply{
			Peer: p.name, Remote: p.ways[p.way].name(), MTU: p.mtu,
			RTTSeconds: rounded(p.rtt*(0.95+0.15*n.chance(p)), 1e6),
		}
	})
	switch {
	case err != nil:
	case lost:
		<-ctx.Done()
		err = ctx.Err()
	default:
		err = sleep(ctx, duration(out.RTTSeconds))
	}
	if err != nil {
		return control.PingReply{}, err
	}
	return out, nil
}

// pingPaths is what [control.Backend] wants. It takes as long as the slowest answer, and as all pings when a
// way does not answer, for which a node would wait in vain.
func (n *Network) pingPaths(ctx context.Context, r control.PingRequest) (out control.PingPaths, err error) {
	var wait time.Duration
	n.locked(func() {
		var p *peer
		if p, err = n.reached(r.Peer); err != nil {
			return
		}
		out.Peer = p.name
		for i := range p.ways {
			w := &p.ways[i]
			path := control.PingPath{
				Address: w.name(), Kind: w.kind, InUse: i == p.way, Answered: n.answers(p, i) && r.Size <= p.mtu,
			}
			took := pathsPings * pathsEvery
			if path.Answered {
				path.RTTSeconds = rounded(n.rtt(p, i)*(0.97+0.1*n.chance(p)), 1e6)
				took = duration(path.RTTSeconds)
			}
			wait = max(wait, took)
			out.Paths = append(out.Paths, path)
		}
		slices.SortStableFunc(out.Paths, func(a, b control.PingPath) int { return cmp.Compare(rank(a), rank(b)) })
	})
	if err == nil {
		_ = sleep(ctx, wait) // at its end that is what has come back
	}
	return out, err
}

// rank orders paths: the one in use first, then the fastest.
func rank(p control.PingPath) float64 {
	switch {
	case p.InUse:
		return -1
	case !p.Answered:
		return 10
	}
	return p.RTTSeconds
}

// answers reports whether a peer can be reached by one of its ways.
func (n *Network) answers(p *peer, i int) bool {
	w := &p.ways[i]
	return p.reachable() && (i == p.way || w.answers && (w.relay == nil || w.relay.reachable()))
}

// rtt is how long an echo takes by one of a peer's ways.
func (n *Network) rtt(p *peer, i int) float64 {
	if i == p.way {
		return p.rtt
	}
	return p.ways[i].rtt
}
