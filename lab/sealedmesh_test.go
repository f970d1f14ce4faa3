//go:build linux && lab

// Three nodes, each a peer of both others unless a case says otherwise.
//
//	A vxm0 10.0.0.1 [u0] 192.0.2.1 ----+
//	B vxm0 10.0.0.2 [u0] 192.0.2.2 ----+---- switch
//	C vxm0 10.0.0.3 [u0] 192.0.2.3 ----+

package lab

import (
	"errors"
	"fmt"
	"testing"

	"github.com/vxmesh/vxmesh/lab/netns"
)

// newSealedMesh is the drawing with nobody started, over hosts that say nothing by themselves in
// the segment.
func newSealedMesh(t *testing.T, f family) (nodes []*node) {
	t.Helper()
	for i, h := range star(t, "A", "B", "C") {
		h.quiet()
		s := overlay(i + 1)
		s.addresses = s.addresses[:1]
		nodes = append(nodes, newSealed(h, s))
	}
	for i, n := range nodes {
		for j, other := range nodes {
			if i != j {
				n.knows(other, meshAt(f, j+1))
			}
		}
	}
	return nodes
}

// forget takes a peer out of the node's file.
func (n *node) forget(name string) {
	n.t.Helper()
	kept := n.peers[:0]
	for _, p := range n.peers {
		if p.name != name {
			kept = append(kept, p)
		}
	}
	n.peers = kept
	n.rewrite()
}

// flooded sends ten broadcasts from one node and counts what arrives at others. A marker behind
// them shows when all that was to come has come.
func flooded(t *testing.T, from *node, to ...*node) (got []int) {
	t.Helper()
	var at []*netns.Sniffer
	for _, n := range to {
		at = append(at, n.sniff("vxm0", received(senderMAC, markerMAC)))
	}
	sender := from.sender("vxm0")
	for i := range 10 {
		need(t, sender.Send(eth(broadcast, senderMAC, 0x88b5, fmt.Append(nil, "frame", i))))
	}
	need(t, sender.Send(eth(broadcast, markerMAC, 0x88b5, []byte("marker"))))
	for _, s := range at {
		var n int
		eventually(t, func() (err error) {
			n, err = beforeMarker(s)
			return err
		})
		got = append(got, n)
		s.Close()
	}
	return got
}

// TestSealedMesh: everybody reaches everybody, and a broadcast comes once to each.
func TestSealedMesh(t *testing.T) {
	t.Parallel()
	for _, f := range []family{v4, v6} {
		t.Run(f.String(), func(t *testing.T) {
			t.Parallel()
			nodes := newSealedMesh(t, f)
			joinAll(nodes...)
			for i, from := range nodes {
				others := []*node{nodes[(i+1)%3], nodes[(i+2)%3]}
				if got := flooded(t, from, others...); got[0] != 10 || got[1] != 10 {
					t.Errorf("of 10 broadcasts of %s %v arrived", from.name, got)
				}
				for j := range nodes {
					if i != j {
						from.ping(fmt.Sprintf("10.0.0.%d", j+1), 1472, "-M do")
					}
				}
			}
			tcp(t, nodes[0].host, nodes[1].host, "10.0.0.2", 8<<20)
			tcp(t, nodes[1].host, nodes[2].host, "10.0.0.3", 8<<20)
			for i, n := range nodes {
				for j, other := range nodes {
					if i != j {
						n.expectEntry(other.mac("vxm0"), other.name)
					}
				}
			}
		})
	}
}

// TestMeshToMeshDoesNotPass: B and C know A but not each other. A does not carry between them,
// broadcast or not, because in a mesh each reaches the others itself.
func TestMeshToMeshDoesNotPass(t *testing.T) {
	t.Parallel()
	nodes := newSealedMesh(t, v4)
	a, b, c := nodes[0], nodes[1], nodes[2]
	b.forget("c")
	c.forget("b")
	joinAll(nodes...)
	b.ping("10.0.0.1", 56)
	c.ping("10.0.0.1", 56)

	seen := c.sniff("vxm0", received(senderMAC, markerMAC))
	if got := flooded(t, b, a); got[0] != 10 {
		t.Errorf("of 10 broadcasts of b %d arrived at a", got[0])
	}
	need(t, b.sender("vxm0").Send(eth(c.mac("vxm0"), senderMAC, 0x88b5, []byte("to C"))))
	a.expectEntry(c.mac("vxm0"), "c")
	eventually(t, func() error {
		if n := a.drops("split_horizon"); n == 0 {
			return fmt.Errorf("%d frames were dropped for split_horizon", n)
		}
		return nil
	})
	// A frame of A's own arrives behind everything that A could have passed on.
	need(t, a.sender("vxm0").Send(eth(broadcast, markerMAC, 0x88b5, []byte("marker"))))
	eventually(t, func() error {
		packets := seen.Packets()
		if len(packets) == 0 {
			return errors.New("the marker has not come to C")
		}
		if string(packets[0].Data[14:20]) != "marker" {
			t.Fatalf("a frame of B came to C through A: %q", packets[0].Data[14:])
		}
		return nil
	})
}

// TestMembers: a segment is for the peers that it lists, and frames of others for it are dropped.
func TestMembers(t *testing.T) {
	t.Parallel()
	nodes := newSealedMesh(t, v4)
	a, b, c := nodes[0], nodes[1], nodes[2]
	a.segments[0].peers = `["b"]`
	a.rewrite()
	joinAll(nodes...)
	b.ping("10.0.0.1", 56)
	b.ping("10.0.0.3", 56)
	if c.canPing("10.0.0.1") == nil {
		t.Error("A answers C in a segment that is for B alone")
	}
	if n := a.drops("not_member") + a.meshDrops("not_member"); n == 0 {
		t.Error("no drop for not_member is counted")
	}
	if got := flooded(t, a, b); got[0] != 10 {
		t.Errorf("of 10 broadcasts of a %d arrived at b", got[0])
	}
	if e, ok := a.lookup(c.mac("vxm0")); ok {
		t.Errorf("A learned from C: %v", e)
	}
	// The list is changed while everything runs.
	a.segments[0].peers = `["b", "c"]`
	a.rewrite()
	a.mustCtl("reload")
	eventually(t, func() error { return c.canPing("10.0.0.1") })
	b.ping("10.0.0.1", 56)
}

// TestNoMembers: a segment for VTEPs alone takes no part in the mesh.
func TestNoMembers(t *testing.T) {
	t.Parallel()
	nodes := newSealedMesh(t, v4)
	a, b := nodes[0], nodes[1]
	a.segments[0].peers, a.segments[0].noPlain = `"none"`, false
	a.segments[0].remotes = []string{"192.0.2.99"}
	a.rewrite()
	joinAll(a, b, nodes[2])
	if b.canPing("10.0.0.1") == nil {
		t.Error("A answers a peer in a segment that is for VTEPs alone")
	}
	if n := a.drops("not_member") + a.meshDrops("not_member"); n == 0 {
		t.Error("no drop for not_member is counted")
	}
	b.ping("10.0.0.3", 56)
}

// TestPeerAddedAndRemoved: the file of a running node changes.
func TestPeerAddedAndRemoved(t *testing.T) {
	t.Parallel()
	nodes := newSealedMesh(t, v4)
	a, b, c := nodes[0], nodes[1], nodes[2]
	known := a.peers[1]
	a.forget("c")
	for _, n := range nodes {
		n.start()
	}
	a.waitPeer("b", "direct", "")
	c.waitPeer("b", "direct", "")
	c.waitPeer("a", "down", "no_answer")
	stop := load(t, a.host, b.host)
	a.peers = append(a.peers, known)
	a.rewrite()
	a.mustCtl("reload")
	c.waitPeer("a", "direct", "")
	c.ping("10.0.0.1", 56)
	a.forget("c")
	a.mustCtl("reload")
	c.waitPeer("a", "down", "left")
	if _, ok := a.lookup(c.mac("vxm0")); ok {
		t.Error("a station of a peer that was removed is still in the FDB")
	}
	stop()
	b.ping("10.0.0.1", 56)
}
