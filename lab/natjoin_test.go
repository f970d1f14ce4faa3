//go:build linux && lab

// Networks whose members are behind NATs, or on one LAN, with nobody's address in any file.

package lab

import (
	"fmt"
	"testing"
	"time"

	"github.com/vxmesh/vxmesh/lab/natlab"
)

// TestNATMembers has a network be founded on a public host, and two join it from behind NATs: they learn
// of each other from it, and reach each other directly, or where that cannot be through it.
func TestNATMembers(t *testing.T) {
	for _, kinds := range [][2]string{{"port", "port"}, {"symrand", "port"}} {
		t.Run(kinds[0]+"-"+kinds[1], func(t *testing.T) {
			t.Parallel()
			i := natlab.New(t)
			pub := newMember(at(t, i.Public("pub")), "pub")
			pub.found("--relay-only")
			pub.start()
			pub.waitUp()
			var nodes []*node
			for k, kind := range kinds {
				n := newMember(at(t, i.Site(kind).Host()), [...]string{"a", "b"}[k])
				n.enter(pub.invite("--name", n.name).Token)
				n.waitUp()
				nodes = append(nodes, n)
			}
			a, b := nodes[0], nodes[1]
			begin := time.Now()
			var to string
			eventually(t, func() (err error) {
				to, err = b.inside()
				return err
			})
			a.firstPing(to)
			t.Logf("the first ping took %v", time.Since(begin))
			if kinds[0] == "symrand" {
				a.waitRelayed("b")
				return
			}
			a.waitPeer("b", "direct", "")
			b.waitPeer("a", "direct", "")
		})
	}
}

// TestLANWithoutServer has two nodes on one network know nothing but each other's keys.
func TestLANWithoutServer(t *testing.T) {
	t.Parallel()
	ha, hb := newHost(t, "A"), newHost(t, "B")
	cable(ha, hb)
	a, b := newSealed(ha, overlay(1)), newSealed(hb, overlay(2))
	a.knows(b)
	b.knows(a)
	a.start()
	a.waitUp()
	begin := time.Now()
	b.start()
	b.waitPeer("a", "direct", "")
	a.waitPeer("b", "direct", "")
	took := time.Since(begin)
	t.Logf("direct %v after the start of the second", took)
	a.firstPing("10.0.0.2")
	if took > 2*soon {
		t.Errorf("it took %v", took)
	}
}

// TestNATMapped has a node behind a NAT be called at the port that its router opened for it: it knows no
// address of the caller, and the router lets nobody in unasked.
func TestNATMapped(t *testing.T) {
	for _, protocol := range []string{"pcp", "upnp"} {
		t.Run(protocol, func(t *testing.T) {
			t.Parallel()
			h, _, s := newHome(t, protocol)
			one, two := overlay(1), overlay(2)
			one.addresses, two.addresses = one.addresses[:1], two.addresses[:1] // there is no IPv6
			a, b := newSealed(h, one), newSealed(s, two)
			a.knows(b)
			b.knows(a, fmt.Sprintf("11.0.0.1:%d", meshPort))
			joinAll(a, b)
			a.firstPing("10.0.0.2")
		})
	}
}
