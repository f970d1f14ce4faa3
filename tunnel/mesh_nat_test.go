package tunnel_test

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/vxmesh/vxmesh/tunnel"
	"github.com/vxmesh/vxmesh/tunnel/control"
	"github.com/vxmesh/vxmesh/tunnel/simnet"
)

// Nodes behind NATs, and one that everybody reaches:
//
//	a 192.168.1.10 - NAT 198.51.100.1 --+-- pub 192.0.2.1
//	b 192.168.2.10 - NAT 198.51.100.2 --+

// A site is a member behind a NAT of its own.
type site struct {
	*member
	nat *simnet.NAT
}

// finds has the member look for ways as it does in the field.
func (m *member) finds() *member {
	m.options.Relay = tunnel.RelayOptions{Use: true, Auto: true}
	m.options.Mesh.Local = func() (out []netip.Prefix) {
		for _, f := range m.host.Interfaces() {
			for _, a := range f.Addrs() {
				out = append(out, netip.PrefixFrom(a, 24))
			}
		}
		return out
	}
	return m
}

// site makes a member behind a NAT. It does not run yet.
func (w *world) site(kind simnet.NATKind) *site {
	i := byte(len(w.members) + 1)
	outside, inside := netip.AddrFrom4([4]byte{198, 51, 100, i}), netip.AddrFrom4([4]byte{192, 168, i, 10})
	if kind == simnet.Open || kind == simnet.Firewall {
		outside, inside = netip.AddrFrom4([4]byte{203, 0, 113, i}), netip.AddrFrom4([4]byte{198, 51, 100, i})
	}
	nat := w.net.NAT(kind, outside)
	host := nat.Host(inside)
	m := w.addOn(host, netip.AddrPortFrom(inside, uint16(20000+int(i))))
	m.finds()
	return &site{m, nat}
}

// introduce makes a pub that relays, and two sites that know it and each other's keys alone, and another
// public node, so that two see where they are.
func (w *world) introduce(a, b simnet.NATKind) (pub *member, x, y *site) {
	pub, second := w.add().finds(), w.add().finds()
	x, y = w.site(a), w.site(b)
	acquaint(pub, x.member, y.member)
	for _, s := range []*site{x, y} {
		s.knows(second)
		second.knows(s.member)
		second.calledBy(s.member)
	}
	second.start()
	return pub, x, y
}

// acquaint has members know each other's keys, and where pub is, which relays.
func acquaint(pub *member, members ...*member) {
	pub.knows(members...)
	for i, m := range members {
		pub.calledBy(m)
		m.knows(pub)
		m.options.Mesh.Peers[0].Relay = true
		for j, other := range members {
			if i != j {
				m.knows(other)
				p := &m.options.Mesh.Peers[len(m.options.Mesh.Peers)-1]
				p.Endpoints = nil
			}
		}
	}
}

// directly reports whether two members both have a direct way to each other.
func directly(a, b *member) bool {
	return a.peer(b).State == control.PeerDirect && b.peer(a).State == control.PeerDirect
}

// relayed reports whether a peer is passed on.
func (m *member) relayed(to *member) bool { return m.peer(to).State.Relayed() }

// TestRelayed has two nodes that cannot reach each other talk through one that both reach.
func TestRelayed(t *testing.T) {
	simulate(t, 40, func(w *world) {
		pub, a, b := w.introduce(simnet.SymmetricRandom, simnet.SymmetricRandom)
		start(pub, a.member, b.member)
		took := w.talk(a.member, b.member, 3*time.Second)
		t.Logf("first word after %v", took)
		w.pass(10 * time.Second)
		if !a.relayed(b.member) || !b.relayed(a.member) {
			t.Errorf("%s and %s", a.peer(b.member).State, b.peer(a.member).State)
		}
		if p := a.peer(b.member).Path; p == nil || p.Kind != "relay" || p.Via != pub.name {
			t.Errorf("path %+v", p)
		}
		w.wholeFrames(a.member, b.member)
	})
}

// TestPunch tries every pair of NATs.
func TestPunch(t *testing.T) {
	kinds := []simnet.NATKind{
		simnet.Open, simnet.Firewall, simnet.FullCone, simnet.AddressRestricted,
		simnet.PortRestricted, simnet.PortRestrictedStrays, simnet.PortHash,
		simnet.SymmetricSequential, simnet.SymmetricRandom,
	}
	for i, x := range kinds {
		for _, y := range kinds[i:] {
			t.Run(fmt.Sprintf("%s-%s", x, y), func(t *testing.T) {
				simulate(t, 41, func(w *world) {
					pub, a, b := w.introduce(x, y)
					start(pub, a.member, b.member)
					first := w.talk(a.member, b.member, 3*time.Second)
					if y == simnet.SymmetricRandom && x != simnet.Open && x != simnet.FullCone &&
						x != simnet.AddressRestricted {
						w.pass(time.Minute)
						if !a.relayed(b.member) || !b.relayed(a.member) {
							t.Errorf("%s and %s", a.peer(b.member).State, b.peer(a.member).State)
						}
						return
					}
					direct := w.within(10*time.Second, "a direct way is found", func() bool {
						a.say(b.member, "x")
						return directly(a.member, b.member)
					})
					t.Logf("first word after %v, direct %v later", first, direct)
				})
			})
		}
	}
}
