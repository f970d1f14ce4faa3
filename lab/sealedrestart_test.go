//go:build linux && lab

// Nodes that end, with a word or without, and come back.
//
//	A vxm0 10.0.0.1 [u0] 192.0.2.1 ====== sealed ====== 192.0.2.2 [u0] B vxm0 10.0.0.2
//
// What is measured here is a time, so these cases do not run beside others.

package lab

import (
	"fmt"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"
)

// back is how soon traffic has to flow again after the start of a node that was killed.
const back = 2 * time.Second

// kill ends the node as a power failure would.
func (n *node) kill() {
	n.t.Helper()
	need(n.t, n.proc.Signal(syscall.SIGKILL))
	<-n.proc.Done()
}

// TestKilledNode: either end is killed under traffic and started again, with the endpoint of the
// other in its file or not.
func TestKilledNode(t *testing.T) {
	for _, c := range []struct {
		name         string
		aToB, bToA   bool // who knows where the other is
		killA, killB bool
	}{
		{"both know, A killed", true, true, true, false},
		{"both know, B killed", true, true, false, true},
		{"A knows, A killed", true, false, true, false},
		{"A knows, B killed", true, false, false, true},
		{"both killed", true, true, true, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			a, b := newSealedPair(t, v4)
			if !c.aToB {
				a.peers[0].endpoints = nil
				a.rewrite()
			}
			if !c.bToA {
				b.peers[0].endpoints = nil
				b.rewrite()
			}
			joinAll(a, b)
			ab, ba := a.beat(b.host, "10.0.0.2"), b.beat(a.host, "10.0.0.1")
			ab.steady()
			ba.steady()
			var killed []*node
			if c.killA {
				killed = append(killed, a)
			}
			if c.killB {
				killed = append(killed, b)
			}
			for _, n := range killed {
				n.kill()
			}
			start := time.Now()
			for _, n := range killed {
				n.start()
			}
			ab.within(start, back)
			ba.within(start, back)
			tcp(t, a.host, b.host, "10.0.0.2", 4<<20)
			tcp(t, b.host, a.host, "10.0.0.1", 4<<20)
		})
	}
}

// TestKilledForLong: B is gone long enough for A to give it up, and the neighbours to forget it.
func TestKilledForLong(t *testing.T) {
	a, b := newSealedPair(t, v4)
	joinAll(a, b)
	ab, ba := a.beat(b.host, "10.0.0.2"), b.beat(a.host, "10.0.0.1")
	ab.steady()
	ba.steady()
	b.kill()
	a.waitPeer("b", "down", "no_answer")
	start := time.Now()
	b.start()
	ab.within(start, back)
	ba.within(start, back)
}

// TestGoodbye: a node that leaves says so, and is welcome again.
func TestGoodbye(t *testing.T) {
	a, b := newSealedPair(t, v4)
	joinAll(a, b)
	ab := a.beat(b.host, "10.0.0.2")
	ab.steady()
	for _, n := range []*node{b, a} {
		other, name := a, "b"
		if n == a {
			other, name = b, "a"
		}
		n.stop()
		start := time.Now()
		other.waitPeer(name, "down", "left")
		if took := time.Since(start); took > time.Second {
			t.Errorf("%s noticed after %v that %s left, want it at once", other.name, took, name)
		}
		expectWords(t, other.mustCtl("why", name), "goodbye", "start vxmesh there again")
		start = time.Now()
		n.start()
		ab.within(start, back)
		other.waitPeer(name, "direct", "")
	}
}

// TestBothAtOnce: a hundred times two nodes call each other at the same moment, five pairs at a
// time, and each time they agree on a session at once.
func TestBothAtOnce(t *testing.T) {
	const pairs, rounds, limit = 5, 20, 3 * time.Second
	type twoNodes struct{ a, b *node }
	var all []twoNodes
	for range pairs {
		a, b := newSealedPair(t, v4)
		all = append(all, twoNodes{a, b})
	}
	var worst time.Duration
	for round := range rounds {
		starts := make([]time.Time, pairs)
		for i, p := range all {
			starts[i] = time.Now()
			p.a.start()
			p.b.start()
		}
		took := make([]time.Duration, pairs)
		var group errgroup.Group
		for i, p := range all {
			group.Go(func() error {
				for p.a.canPing("10.0.0.2") != nil || p.b.canPing("10.0.0.1") != nil {
					if time.Since(starts[i]) > patience {
						return fmt.Errorf("round %d, pair %d: no ping", round, i)
					}
				}
				took[i] = time.Since(starts[i])
				return nil
			})
		}
		need(t, group.Wait())
		for i, p := range all {
			worst = max(worst, took[i])
			if took[i] > limit {
				t.Errorf("round %d, pair %d: the first ping after %v, want it within %v", round, i,
					took[i], limit)
			}
			p.a.kill()
			p.b.kill()
		}
	}
	t.Logf("the slowest of %d took %v", pairs*rounds, worst)
}
