//go:build linux && lab

// A remote that is routed into the segment's own device: a tunnel in itself.
//
//	M vxm0 10.0.0.2/24 [u0] 192.0.2.2 ----------- 192.0.2.1 [u0] K vx0 10.0.0.1
//	route 203.0.113.9 dev vxm0

package lab

import (
	"fmt"
	"testing"
)

// TestRemoteInsideSegment: the configuration alone shows it.
func TestRemoteInsideSegment(t *testing.T) {
	t.Parallel()
	vxmeshOnly(t)
	_, m := pair(t)
	n := newNode(m, 4789, segment{
		addresses: []string{"10.0.0.2/24"}, remotes: []string{"10.0.0.9"},
	})
	expectWords(t, n.refused(exitConfig), "lab.toml:", "10.0.0.9")
}

// TestRemoteRoutedIntoDevice: a route makes it so later; the node sees it, says it, sends nothing
// there, and goes on with the others.
func TestRemoteRoutedIntoDevice(t *testing.T) {
	t.Parallel()
	vxmeshOnly(t)
	k, m := pair(t)
	k.kernel(segment{
		local: "192.0.2.1", remotes: []string{"192.0.2.2"}, addresses: []string{"10.0.0.1/24"},
	}, 4789)
	n := join(m, segment{
		addresses: []string{"10.0.0.2/24"}, remotes: []string{"192.0.2.1", "203.0.113.9"},
	})
	m.run("ip route add 203.0.113.9/32 dev vxm0")
	n.expectVTEP("203.0.113.9", "loop")
	inside := m.sniff("vxm0", func(p packet) bool { _, ok := parseOuter(p.Data); return ok })
	m.run("ip neigh flush all")
	m.ping("10.0.0.1", 56) // begins with a broadcast
	k.ping("10.0.0.2", 56)
	if got := inside.Count(); got != 0 {
		t.Errorf("%d datagrams of the tunnel are inside the tunnel", got)
	}
	if n.drops("loop") == 0 {
		t.Error("no drop is counted for the remote in the loop")
	}
	m.run("ip route del 203.0.113.9/32 dev vxm0")
	m.run("ip route add 203.0.113.9/32 via 192.0.2.1")
	n.expectVTEP("203.0.113.9", "ok")
}

// expectVTEP waits for the state of a remote.
func (n *node) expectVTEP(remote, state string) {
	n.t.Helper()
	eventually(n.t, func() error {
		for _, v := range n.status().Segments[0].VTEPs {
			if v.Remote == remote && v.State == state {
				return nil
			}
		}
		return fmt.Errorf("VTEPs %+v, want %s in state %s", n.status().Segments[0].VTEPs, remote,
			state)
	})
}
