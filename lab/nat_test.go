//go:build linux && lab

// Nodes behind NATs, and one that everybody reaches, which introduces them and relays:
//
//	A vxm0 10.0.0.1 - NAT ---+
//	                         +--- internet --- pub
//	B vxm0 10.0.0.2 - NAT ---+
//
// Nobody asks a public STUN server: pub sees where A and B are.

package lab

import (
	"fmt"
	"net/netip"
	"strconv"
	"testing"
	"time"

	"github.com/vxmesh/vxmesh/lab/natlab"
)

// at gives a host of a network with NATs as one of the cases'.
func at(t testing.TB, h *natlab.Host) *host { return &host{NS: h.NS, t: t} }

// A natPair is the drawing.
type natPair struct {
	internet *natlab.Internet
	sites    [2]*natlab.Site
	pub      *node // relays
	nodes    [2]*node
}

// newNATPair builds the drawing, with the public nodes up and the others not started.
func newNATPair(t testing.TB, x, y string) *natPair {
	t.Helper()
	i := natlab.New(t)
	p := &natPair{internet: i}
	for k, kind := range []string{x, y} {
		p.sites[k] = i.Site(kind)
		n := newSealed(at(t, p.sites[k].Host()), overlay(k+1))
		n.name = [...]string{"a", "b"}[k]
		n.sealed = "" // the port is derived from the key
		p.nodes[k] = n
	}
	p.pub = p.public("pub")
	p.public("second") // the other to see where they are
	for k, n := range p.nodes {
		n.knows(p.nodes[1-k])
	}
	return p
}

// public adds a node that everybody reaches and that relays.
func (p *natPair) public(name string) *node {
	h := p.internet.Public(name)
	n := newSealed(at(p.nodes[0].t, h))
	n.segments = []segment{{noPlain: true, kind: "none"}}
	port := func(a netip.Addr) string { return netip.AddrPortFrom(a, meshPort).String() }
	for _, other := range p.nodes {
		n.knows(other)
		other.peers = append(other.peers, peering{
			name: name, key: n.key(), endpoints: []string{port(h.Inside), port(h.Inside6)}, relay: true,
		})
		other.rewrite()
	}
	n.start()
	n.waitUp()
	return n
}

// start starts both nodes and waits until they reach pub.
func (p *natPair) start() {
	for _, n := range p.nodes {
		n.start()
	}
	for _, n := range p.nodes {
		n.waitUp()
		n.waitPeer("pub", "direct", "")
		n.waitPeer("second", "direct", "")
	}
}

// ping sends single pings until one is answered, and says how long that took.
func (n *node) firstPing(to string) time.Duration {
	n.t.Helper()
	begin := time.Now()
	eventually(n.t, func() error {
		_, err := n.Run("ping -n -c 1 -W 0.2 " + to)
		return err
	})
	return time.Since(begin)
}

// waitDirect waits until both nodes reach each other directly, and says how long that took.
func (p *natPair) waitDirect() time.Duration {
	begin := time.Now()
	defer p.explain()
	p.nodes[0].waitPeer("b", "direct", "")
	p.nodes[1].waitPeer("a", "direct", "")
	return time.Since(begin)
}

// explain has a case that failed say why the two do not reach each other.
func (p *natPair) explain() {
	for k, n := range p.nodes {
		if n.t.Failed() {
			out, _ := n.ctl("why", [...]string{"b", "a"}[k])
			n.t.Log(out)
		}
	}
}

// relayedPair are the pairs of kinds that no punch joins, but for which a relay does.
func relayedPair(x, y string) bool {
	filters := map[string]bool{"fw": true, "port": true, "portrej": true, "porthash": true, "symseq": true, "symrand": true}
	return filters[x] && y == "symrand" || filters[y] && x == "symrand"
}

// TestNATPairs has nodes behind all kinds of NATs find each other.
func TestNATPairs(t *testing.T) {
	kinds := []string{"open", "fw", "fullcone", "addr", "port", "portrej", "porthash", "symseq", "symrand"}
	for k, x := range kinds {
		for _, y := range kinds[k:] {
			t.Run(x+"-"+y, func(t *testing.T) {
				t.Parallel()
				begin := time.Now()
				p := newNATPair(t, x, y)
				p.start()
				up := time.Since(begin)
				first := p.nodes[0].firstPing("10.0.0.2")
				if relayedPair(x, y) {
					p.nodes[0].waitRelayed("b")
					p.nodes[1].waitRelayed("a")
					t.Logf("up %v, first ping %v, relayed", up, first)
					return
				}
				t.Logf("up %v, first ping %v, direct %v", up, first, p.waitDirect())
			})
		}
	}
}

// waitRelayed waits until a peer is passed on by another.
func (n *node) waitRelayed(name string) {
	n.t.Helper()
	eventually(n.t, func() error {
		p, err := n.peer(name)
		if err != nil {
			return err
		}
		if p.State != "relayed" && p.State != "punching" || p.Path == nil || p.Path.Via == "" {
			return fmt.Errorf("%s: peer %s is %s %s", n.name, name, p.State, strconv.Quote(p.Reason))
		}
		return nil
	})
}
