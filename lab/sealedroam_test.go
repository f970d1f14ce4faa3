//go:build linux && lab

// A node whose address changes while it talks.
//
//	A vxm0 10.0.0.1 [u0] 192.0.2.1 ====== sealed ====== 192.0.2.2 [u0] B vxm0 10.0.0.2
//
// or behind a router that rewrites addresses and ports:
//
//	A [u0] 198.51.100.2 ----- [left] R [right] 192.0.2.1 ----- 192.0.2.2 [u0] B
//
// What is measured here is a time, so these cases do not run beside others.

package lab

import (
	"fmt"
	"testing"
	"time"

	"github.com/vishvananda/netlink"

	"github.com/vxmesh/vxmesh/lab/netns"
)

// moved is how soon traffic has to flow again after a node has another address.
const moved = time.Second

// TestAddressChange: A moves to another address and back, without a word to anybody.
func TestAddressChange(t *testing.T) {
	for _, f := range []family{v4, v6} {
		t.Run(f.String(), func(t *testing.T) {
			a, b := joinSealedPair(t, f)
			a.sysctl("net.ipv4.conf.u0.promote_secondaries", "1")
			ab, ba := a.beat(b.host, "10.0.0.2"), b.beat(a.host, "10.0.0.1")
			ab.steady()
			ba.steady()
			for _, number := range []int{9, 1} {
				a.run("ip addr add %s dev u0 %s", f.prefix(number), f.noDAD())
				a.run("ip addr del %s dev u0", f.prefix(10-number))
				start := time.Now()
				ab.within(start, moved)
				ba.within(start, moved)
				eventually(t, func() error { return b.expectRemote("a", meshAt(f, number)) })
			}
			tcp(t, a.host, b.host, "10.0.0.2", 4<<20)
			tcp(t, b.host, a.host, "10.0.0.1", 4<<20)
		})
	}
}

// prefix is the underlay address number i with its length.
func (f family) prefix(i int) string {
	if f == v6 {
		return f.addr(i) + "/64"
	}
	return f.addr(i) + "/24"
}

// noDAD is the option of `ip addr add` that makes an address work at once.
func (f family) noDAD() string {
	if f == v6 {
		return "nodad"
	}
	return ""
}

// expectRemote wants the path to a peer to lead to an address.
func (n *node) expectRemote(peer, remote string) error {
	p, err := n.peer(peer)
	if err != nil {
		return err
	}
	if p.Path == nil || p.Path.Remote != remote {
		return fmt.Errorf("%s: path %+v, want it to %s", n.name, p.Path, remote)
	}
	return nil
}

// TestStreamSurvivesAddressChange: a TCP stream goes on from A's new address.
func TestStreamSurvivesAddressChange(t *testing.T) {
	a, b := joinSealedPair(t, v4)
	a.sysctl("net.ipv4.conf.u0.promote_secondaries", "1")
	load(t, a.host, b.host)
	b.busy(1000)
	a.run("ip addr add 192.0.2.9/24 dev u0")
	a.run("ip addr del 192.0.2.1/24 dev u0")
	start := time.Now()
	b.busy(1000)
	if took := time.Since(start); took > 3*moved {
		t.Errorf("a thousand frames took %v after the change", took)
	}
	need(t, b.expectRemote("a", meshAt(v4, 9)))
}

// newRebinding is the second drawing, up.
func newRebinding(t *testing.T) (a, b *node, r *host) {
	t.Helper()
	ha, r, hb := newHost(t, "A"), newHost(t, "R"), newHost(t, "B")
	need(t, netns.Veth(ha.NS, "u0", r.NS, "left"))
	need(t, netns.Veth(r.NS, "right", hb.NS, "u0"))
	ha.run("ip addr add 198.51.100.2/24 dev u0")
	r.run("ip addr add 198.51.100.1/24 dev left")
	r.run("ip addr add 192.0.2.1/24 dev right")
	hb.run("ip addr add 192.0.2.2/24 dev u0")
	ha.run("ip route add default via 198.51.100.1")
	r.sysctl("net.ipv4.ip_forward", "1")
	r.nft(`table ip nat {
		chain post {
			type nat hook postrouting priority srcnat
			oifname "right" masquerade random,fully-random
		}
	}`)
	a, b = newSealed(ha, overlay(1)), newSealed(hb, overlay(2))
	a.knows(b, meshAt(v4, 2))
	b.knows(a)
	joinAll(a, b)
	return a, b, r
}

// nft loads rules.
func (h *host) nft(rules string) {
	h.t.Helper()
	_, err := h.RunArgs("nft", rules)
	need(h.t, err)
}

// TestRebinding: the router forgets its mappings again and again, and A turns up at another port
// each time.
func TestRebinding(t *testing.T) {
	a, b, r := newRebinding(t)
	ab, ba := a.beat(b.host, "10.0.0.2"), b.beat(a.host, "10.0.0.1")
	ab.steady()
	ba.steady()
	ports := make(map[string]bool)
	for range 5 {
		need(t, r.Do(func() error { return netlink.ConntrackTableFlush(netlink.ConntrackTable) }))
		start := time.Now()
		ab.within(start, moved)
		ba.within(start, moved)
		p, err := b.peer("a")
		need(t, err)
		if p.Path != nil {
			ports[p.Path.Remote] = true
		}
	}
	if len(ports) < 3 {
		t.Errorf("A was seen at %v only: the router does not do what the case is about", ports)
	}
	tcp(t, b.host, a.host, "10.0.0.1", 4<<20)
}

// TestSilentNodeMoves changes the address of one of two nodes while frames go one way only: to it or
// from it. Nothing but the node itself can tell the other.
func TestSilentNodeMoves(t *testing.T) {
	for i, mover := range []string{"the one who listens", "the one who talks"} {
		t.Run(mover, func(t *testing.T) {
			a, b := newSealedPair(t, v4)
			for _, n := range []*node{a, b} {
				n.quiet()
				n.segments[0].addresses = n.segments[0].addresses[:1]
				n.rewrite()
			}
			joinAll(a, b)
			for _, n := range []*node{a, b} {
				n.sysctl("net.ipv4.conf.u0.promote_secondaries", "1")
				n.sysctl("net.ipv4.neigh.vxm0.base_reachable_time_ms", "3600000")
			}
			a.ping("10.0.0.2", 56)
			b.ping("10.0.0.1", 56)
			b.run("ip neigh replace 10.0.0.1 lladdr %s dev vxm0 nud permanent", a.mac("vxm0"))
			talk := b.beat(a.host, "10.0.0.1")
			talk.steady()
			n := []*node{a, b}[i]
			n.run("ip addr add %s dev u0", v4.prefix(9))
			n.run("ip addr del %s dev u0", v4.prefix(i+1))
			talk.within(time.Now(), moved)
		})
	}
}
