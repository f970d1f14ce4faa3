package topology_test

import (
	"context"
	"net/netip"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/vxmesh/vxmesh/topology"
	"github.com/vxmesh/vxmesh/tunnel/control"
	"github.com/vxmesh/vxmesh/tunnel/simnet"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience is how long a test waits for what has to come.
const patience = 20 * time.Second

// homes is two hosts behind NATs, and a relay:
//
//	a 192.168.1.10 - NAT 198.51.100.1 --+-- relay 192.0.2.1
//	b 192.168.2.10 - NAT 198.51.100.2 --+
func homes(x, y simnet.NATKind) topology.Plan {
	host := func(name, site string, n byte) topology.Node {
		return topology.Node{
			Name: name, Site: site, Addresses: []netip.Addr{netip.AddrFrom4([4]byte{192, 168, n, 10})},
			Devices: []topology.Device{{VNI: 77, Addresses: []netip.Prefix{netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 77, 0, n}), 24)}}},
		}
	}
	return topology.Plan{
		Name: "homes", Seed: 1,
		Sites: []topology.Site{
			{Name: "left", NAT: x, Address: netip.MustParseAddr("198.51.100.1")},
			{Name: "right", NAT: y, Address: netip.MustParseAddr("198.51.100.2")},
		},
		Nodes: []topology.Node{
			{Name: "relay", Addresses: []netip.Addr{netip.MustParseAddr("192.0.2.1")}, Relay: true, STUN: true},
			host("a", "left", 1), host("b", "right", 2),
		},
	}
}

// during runs a world while do looks at it.
func during(t *testing.T, p topology.Plan, do func(ctx context.Context, w *topology.World)) {
	t.Helper()
	w, err := topology.New(p, topology.Options{})
	if err != nil {
		t.Fatal(err)
	}
	err = w.RunWhile(t.Context(), func(ctx context.Context) error {
		do(ctx, w)
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

// becomes waits until a node reaches another in a way that is wanted.
func becomes(t *testing.T, w *topology.World, node, peer string, want func(control.PeerState) bool) {
	t.Helper()
	h := w.Host(node)
	events, stop := h.Events().Subscribe()
	defer stop()
	late := time.After(patience)
	for {
		for _, p := range h.Node.Peers().Peers {
			if p.Name == peer && want(p.State) {
				return
			}
		}
		select {
		case <-events:
		case <-late:
			t.Fatalf("%s reaches %s not as wanted: %+v", node, peer, h.Node.Peers().Peers)
		}
	}
}

func direct(s control.PeerState) bool { return s == control.PeerDirect }

// answers pings until there is an answer.
func answers(ctx context.Context, t *testing.T, from *topology.Host, to string) {
	t.Helper()
	var err error
	for range int(patience / time.Second) {
		limited, cancel := context.WithTimeout(ctx, time.Second)
		_, err = from.Ping(limited, netip.MustParseAddr(to), 56)
		if cancel(); err == nil {
			return
		}
	}
	t.Errorf("ping %s from %s: %v", to, from.Name, err)
}

// TestHomes: hosts behind NATs that can be punched reach each other directly, those behind others
// through the relay.
func TestHomes(t *testing.T) {
	for _, c := range []struct {
		x, y simnet.NATKind
		want func(control.PeerState) bool
	}{
		{simnet.PortRestricted, simnet.PortRestricted, direct},
		{simnet.FullCone, simnet.SymmetricRandom, direct},
		{simnet.SymmetricRandom, simnet.SymmetricRandom, control.PeerState.Relayed},
	} {
		t.Run(c.x.String()+" "+c.y.String(), func(t *testing.T) {
			t.Parallel()
			during(t, homes(c.x, c.y), func(ctx context.Context, w *topology.World) {
				becomes(t, w, "a", "b", c.want)
				answers(ctx, t, w.Host("a"), "10.77.0.2")
			})
		})
	}
}

// TestKinds: a network with every kind of NAT can be built, and a carrier's behind which others are.
func TestKinds(t *testing.T) {
	for k := simnet.Open; k <= simnet.Blocked; k++ {
		p := homes(k, simnet.FullCone)
		p.Sites = append(p.Sites, topology.Site{
			Name: "flat", NAT: k, Address: netip.MustParseAddr("100.64.0.1"), Behind: "carrier", Hairpin: true,
			Unanswered: time.Second, Stream: time.Minute,
		}, topology.Site{Name: "carrier", NAT: k, Address: netip.MustParseAddr("198.51.100.3")})
		w, err := topology.New(p, topology.Options{})
		if err != nil {
			t.Errorf("%s: %v", k, err)
			continue
		}
		w.Close()
	}
}

// TestChange: what happens to a site is felt, and what is impossible is refused and changes nothing.
func TestChange(t *testing.T) {
	t.Parallel()
	during(t, homes(simnet.PortRestricted, simnet.PortRestricted), func(ctx context.Context, w *topology.World) {
		becomes(t, w, "a", "b", direct)
		router, kind := w.Router("left"), simnet.SymmetricRandom
		addr, yes, no, loss := netip.MustParseAddr("198.51.100.9"), true, false, 0.1
		for name, c := range map[string]topology.Change{
			"lift":  {Down: &yes},
			"a":     {Flush: true},
			"left":  {Address: ptr(netip.MustParseAddr("198.51.100.2")), Flush: true},
			"right": {Address: ptr(netip.MustParseAddr("192.0.2.1"))},
			"relay": {Loss: ptr(1.5)},
			"b":     {Delay: ptr(-time.Second)},
		} {
			if err := w.Change(name, c); err == nil {
				t.Errorf("%s: %s was taken", name, c)
			}
		}
		if router.Flows() == 0 || router.Addr() != netip.MustParseAddr("198.51.100.1") {
			t.Error("a change that was refused has happened")
		}
		change(t, w, "left", topology.Change{NAT: &kind, Address: &addr, Loss: &loss})
		if router.Kind() != kind || router.Addr() != addr {
			t.Errorf("the router is %s at %s", router.Kind(), router.Addr())
		}
		change(t, w, "left", topology.Change{Loss: ptr(0.0), NAT: ptr(simnet.PortRestricted), Flush: true})
		becomes(t, w, "a", "b", direct)
		change(t, w, "b", topology.Change{Down: &yes})
		limited, cancel := context.WithTimeout(ctx, 300*time.Millisecond)
		defer cancel()
		if rtt, err := w.Host("a").Ping(limited, netip.MustParseAddr("10.77.0.2"), 0); err == nil {
			t.Errorf("b is down, and answers after %v", rtt)
		}
		change(t, w, "b", topology.Change{Down: &no})
		answers(ctx, t, w.Host("a"), "10.77.0.2")
	})
}

func ptr[T any](v T) *T { return &v }

func change(t *testing.T, w *topology.World, name string, c topology.Change) {
	t.Helper()
	if err := w.Change(name, c); err != nil {
		t.Errorf("%s: %v", name, err)
	}
	if c.String() == "" {
		t.Errorf("%s: %+v is not told", name, c)
	}
}

// TestStopped: a world ends in the middle of what it does, and one that never ran leaves nothing.
func TestStopped(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	w, err := topology.New(homes(simnet.Open, simnet.Firewall), topology.Options{})
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	if err := w.Run(ctx); err != nil {
		t.Error(err)
	}
}

// TestPingNowhere: a ping to where the host has no device, and to a node in no common segment.
func TestPingNowhere(t *testing.T) {
	w, err := topology.New(homes(simnet.Open, simnet.Open), topology.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	if _, err := w.Host("a").Ping(t.Context(), netip.MustParseAddr("10.78.0.1"), 0); control.AsError(err).Code != control.CodeNotFound {
		t.Errorf("got %v", err)
	}
	if _, err := w.Host("a").AddressOf(w.Host("relay")); control.AsError(err).Code != control.CodeNotFound {
		t.Errorf("got %v", err)
	}
	if _, err := w.NeedHost("realy"); err == nil || !strings.Contains(err.Error(), `did you mean "relay"?`) {
		t.Errorf("got %v", err)
	}
}
