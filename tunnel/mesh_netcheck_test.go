package tunnel_test

import (
	"context"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vxmesh/vxmesh/tunnel"
	"github.com/vxmesh/vxmesh/tunnel/control"
	"github.com/vxmesh/vxmesh/tunnel/simnet"
)

// netcheck is what the member finds out within 3 seconds.
func (m *member) netcheck() control.Netcheck {
	m.w.t.Helper()
	begin := time.Now()
	out, err := m.Netcheck(m.w.t.Context())
	if err != nil || time.Since(begin) > 3*time.Second {
		m.w.t.Errorf("netcheck: %v after %v", err, time.Since(begin))
	}
	return out
}

// TestNetcheckClasses has a node with two public peers say what NAT it is behind.
func TestNetcheckClasses(t *testing.T) {
	for _, tt := range []struct {
		kind    simnet.NATKind
		mapping control.NetMapping
		kept    bool
		class   control.NetClass
	}{
		{simnet.Firewall, control.MappingNone, true, control.ClassEasy},
		{simnet.FullCone, control.MappingIndependent, true, control.ClassEasy}, // who gets in was not tested
		{simnet.PortRestricted, control.MappingIndependent, true, control.ClassEasy},
		{simnet.PortHash, control.MappingIndependent, false, control.ClassEasy},
		{simnet.SymmetricSequential, control.MappingVaries, false, control.ClassEasy},
		{simnet.SymmetricRandom, control.MappingVaries, false, control.ClassHard},
	} {
		t.Run(tt.kind.String(), func(t *testing.T) {
			simulate(t, 50, func(w *world) {
				pub, a, b := w.introduce(tt.kind, simnet.SymmetricRandom)
				start(pub, a.member, b.member)
				w.talk(a.member, b.member, 3*time.Second)
				w.pass(10 * time.Second)
				if tt.kind == simnet.SymmetricRandom {
					w.within(5*time.Second, "nothing more is tried", func() bool {
						return a.peer(b.member).State == control.PeerRelayed
					})
				}
				n := a.netcheck()
				f := n.IPv4
				if n.UDP != control.Yes || !n.Node || f.Mapping != tt.mapping || f.PortKept != tt.kept || f.Class != tt.class {
					t.Errorf("%+v", n)
				}
				if (tt.kind == simnet.SymmetricSequential) != (f.Step == 1) {
					t.Errorf("step %d", f.Step)
				}
				if want := a.nat.Addr().String(); tt.mapping != control.MappingNone &&
					(len(f.Outside) == 0 || !strings.HasPrefix(f.Outside[0], want)) {
					t.Errorf("outside %v, want %s", f.Outside, want)
				}
				if len(n.Reflectors) < 2 || n.STUN != control.STUNOff || len(n.Relays) != 1 || n.Relays[0].Name != pub.name {
					t.Errorf("%+v", n)
				}
				if tt.kind == simnet.SymmetricRandom {
					wantRelayed(t, n, pub, b.member)
				}
			})
		})
	}
}

// wantRelayed wants the reason why a peer is reached through pub.
func wantRelayed(t *testing.T, n control.Netcheck, pub, to *member) {
	t.Helper()
	i := slices.IndexFunc(n.Peers, func(p control.NetPeer) bool { return p.Name == to.name })
	if i < 0 || n.Peers[i].Via != pub.name || n.Relays[0].Users != 1 ||
		!strings.Contains(n.Peers[i].Because, "another port") || !strings.Contains(n.Peers[i].Fix, "IPv6") {
		t.Errorf("peers %+v, relays %+v", n.Peers, n.Relays)
	}
}

// TestNetcheckBlocked has a node find out that nothing gets out, and one that knows nobody that it cannot.
func TestNetcheckBlocked(t *testing.T) {
	simulate(t, 51, func(w *world) {
		pub, a, b := w.introduce(simnet.Blocked, simnet.Open)
		start(pub, a.member, b.member)
		w.pass(3 * time.Second)
		if n := a.netcheck(); n.UDP != control.No || n.IPv4.UDP != control.No || n.IPv4.Class != control.ClassUnknown {
			t.Errorf("%+v", n)
		}
		lone := w.add().finds()
		start(lone)
		if n := lone.netcheck(); n.UDP != control.Unknown || len(n.LeftOut) != 1 {
			t.Errorf("%+v", n)
		}
	})
}

// TestNetcheckReachable has strangers get in at a public node, which its peers' calls show.
func TestNetcheckReachable(t *testing.T) {
	simulate(t, 52, func(w *world) {
		pub, a, b := w.introduce(simnet.PortRestricted, simnet.PortRestricted)
		start(pub, a.member, b.member)
		w.talk(a.member, b.member, 3*time.Second)
		w.pass(3 * time.Second)
		n := pub.netcheck()
		if f := n.IPv4; f.Strangers != control.FilteringOpen || f.Class != control.ClassOpen || !n.Relaying {
			t.Errorf("%+v", n)
		}
	})
}

// TestNetcheckAlone tests without a node: from the node's port if it is free.
func TestNetcheckAlone(t *testing.T) {
	simulate(t, 53, func(w *world) {
		pub, a, b := w.introduce(simnet.PortRestricted, simnet.PortRestricted)
		start(pub)
		_ = b
		n := tunnel.Netcheck(w.t.Context(), a.options)
		outside := netip.AddrPortFrom(a.nat.Addr(), a.addr.Port()).String()
		if n.Node || n.UDP != control.Yes || n.IPv4.Mapping != control.MappingIndependent || len(n.LeftOut) != 1 ||
			!slices.Contains(n.IPv4.Outside, outside) {
			t.Errorf("want %s: %+v", outside, n)
		}
		start(a.member)
		n = tunnel.Netcheck(w.t.Context(), a.options)
		if n.UDP != control.Yes || len(n.LeftOut) != 2 || !slices.Contains(n.IPv4.Outside, a.nat.Addr().String()) {
			t.Errorf("%+v", n)
		}
	})
}

// pingPaths pings every way to a peer for a second.
func (m *member) pingPaths(r control.PingRequest) (control.PingPaths, error) {
	ctx, cancel := context.WithTimeout(m.w.t.Context(), time.Second)
	defer cancel()
	return m.PingPaths(ctx, r)
}

// TestPingPaths pings every way, of which one is lost.
func TestPingPaths(t *testing.T) {
	simulate(t, 54, func(w *world) {
		pub, a, b := w.introduce(simnet.PortRestricted, simnet.PortRestricted)
		start(pub, a.member, b.member)
		w.talk(a.member, b.member, 3*time.Second)
		w.pass(10 * time.Second)
		r, err := a.pingPaths(control.PingRequest{Peer: b.name})
		if err != nil || r.Peer != b.name || len(r.Paths) < 2 {
			t.Fatalf("%+v, %v", r, err)
		}
		if first := r.Paths[0]; !first.InUse || !first.Answered {
			t.Errorf("%+v", r)
		}
		via := slices.IndexFunc(r.Paths, func(p control.PingPath) bool { return p.Address == "via "+pub.name })
		if via < 0 || !r.Paths[via].Answered || r.Paths[via].Kind != control.CandidateRelay {
			t.Errorf("%+v", r)
		}
		w.silence(pub, true)
		r, err = a.pingPaths(control.PingRequest{Peer: b.name})
		if err != nil || !r.Paths[0].Answered || r.Paths[via].Answered {
			t.Errorf("%+v, %v", r, err)
		}
		if _, err := a.pingPaths(control.PingRequest{Peer: "x"}); control.AsError(err).Code != control.CodeNotFound {
			t.Errorf("%v", err)
		}
	})
}
