package tunnel_test

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/vxmesh/vxmesh/tunnel"
	"github.com/vxmesh/vxmesh/tunnel/control"
	"github.com/vxmesh/vxmesh/tunnel/udp"
)

// TestApplyPeers changes who the peers are while the node runs.
func TestApplyPeers(t *testing.T) {
	simulate(t, 23, func(w *world) {
		a, b := w.pair()
		c := w.add().knows(a)
		start(a, b, c)
		w.talk(a, b, 3*time.Second)
		w.pass(5 * time.Second)
		c.refused(a)

		a.knows(c)
		a.apply(true)
		w.talk(a, c, 3*time.Second)
		w.talk(a, b, time.Second)

		// The second is taken out: it loses its session at once, and gets no other.
		only := a.options
		only.Mesh.Peers, only.Segments = only.Mesh.Peers[1:], slices.Clone(only.Segments)
		only.Segments[0].Peers = only.Segments[0].Peers[1:]
		before := a.options
		a.options = only
		a.apply(true)
		w.pass(time.Second)
		if got := len(a.Peers().Peers); got != 1 {
			t.Fatalf("%d peers", got)
		}
		if p := b.peer(a); p.State != control.PeerDown {
			t.Errorf("who was removed is %s", p.State)
		}
		b.say(a, "still here?")
		w.pass(10 * time.Second)
		if got := a.bodies(); slices.Contains(got, "still here?") {
			t.Error("who was removed is heard")
		}
		w.talk(a, c, time.Second)

		a.options = before
		a.apply(true)
		w.talk(a, b, 5*time.Second)
	})
}

// apply reloads the member's options.
func (m *member) apply(ok bool) {
	m.w.t.Helper()
	if err := m.Apply(m.options); (err == nil) != ok {
		m.w.t.Fatalf("apply: %v", err)
	}
}

// refused wants the member not to be let in by another.
func (m *member) refused(by *member) {
	m.w.t.Helper()
	if p := m.peer(by); p.State != control.PeerDown {
		m.w.t.Errorf("%s is let in by %s", m.name, by.name)
	}
}

// TestApplyEndpoint corrects an address.
func TestApplyEndpoint(t *testing.T) {
	simulate(t, 24, func(w *world) {
		a, b := w.pair()
		b.options.Mesh.Peers = nil // b calls nobody, but knows a
		b.knowsWithout(a)
		a.options.Mesh.Peers[0].Endpoints = []string{"203.0.113.200:1"}
		start(a, b)
		w.pass(30 * time.Second)
		if p := a.peer(b); p.State != control.PeerDown || p.Reason != "no_answer" {
			t.Errorf("%+v", p)
		}
		changed := a.options
		changed.Mesh.Peers = slices.Clone(changed.Mesh.Peers)
		changed.Mesh.Peers[0].Endpoints = []string{b.addr.String()}
		a.options = changed
		a.apply(true)
		t.Logf("up after %v", w.talk(a, b, 3*time.Second))
	})
}

// knowsWithout makes another a peer without an address.
func (m *member) knowsWithout(other *member) {
	p := other.asPeer()
	p.Endpoints = nil
	m.options.Mesh.Peers = append(m.options.Mesh.Peers, p)
	m.options.Segments[0].Peers = []string{other.name}
}

// TestApplyFirstPeer makes a node that had VTEPs alone part of a mesh.
func TestApplyFirstPeer(t *testing.T) {
	simulate(t, 25, func(w *world) {
		v := w.switchbox(1)
		a, b := w.add(), w.add()
		a.bridges(v)
		b.knows(a)
		start(a, b)
		v.send(a, plainFrame(everybody, v.host(), "before"))
		w.pass(5 * time.Second)
		if got := a.bodies(); !slices.Equal(got, []string{"before"}) {
			t.Errorf("heard %q", got)
		}
		a.options.Segments = slices.Clone(a.options.Segments)
		a.knows(b)
		a.apply(true)
		w.talk(a, b, 6*time.Second)
		b.bodies()
		v.send(a, plainFrame(station(b.i), v.host(), "after"))
		w.pass(time.Second)
		if got := b.bodies(); !slices.Contains(got, "after") {
			t.Errorf("heard %q", got)
		}
	})
}

// TestApplyKey has a peer come back with another key and the same name: what is pinned to it stays.
func TestApplyKey(t *testing.T) {
	simulate(t, 31, func(w *world) {
		a, b := w.pair()
		far := station(0x77)
		a.options.Segments[0].Static = []tunnel.StaticEntry{{MAC: far, Peer: b.name}}
		start(a, b)
		w.talk(a, b, 3*time.Second)

		b.stop()
		b.options.Mesh.Key = nodeKey(99)
		b.start()
		a.options.Mesh.Peers = []tunnel.PeerOptions{b.asPeer()}
		a.apply(true)
		w.talk(a, b, 5*time.Second)
		b.bodies()
		a.inject(bare, plainFrame(far, station(a.i), "pinned"))
		a.inject(bare, plainFrame(everybody, station(a.i), "everybody"))
		w.pass(5 * time.Second)
		if got := b.bodies(); !slices.Equal(got, []string{"pinned", "everybody"}) {
			t.Errorf("heard %q", got)
		}
		var pinned []control.FDBEntry
		for _, e := range a.FDB(control.FDBFilter{}).Entries {
			if e.Kind == control.EntryStatic {
				pinned = append(pinned, e)
			}
		}
		if len(pinned) != 1 || pinned[0].MAC != far || pinned[0].Port.Name != b.name {
			t.Errorf("pinned are %+v", pinned)
		}
	})
}

// TestApplyFirstPeerAgain takes the first peer after its port could not be had at first.
func TestApplyFirstPeerAgain(t *testing.T) {
	simulate(t, 32, func(w *world) {
		a, b := w.add(), w.add()
		b.knows(a)
		b.calledBy(a)
		other := netip.AddrPortFrom(a.addr.Addr(), a.addr.Port()+1)
		a.options.Mesh.Listen = append(a.options.Mesh.Listen, other)
		taken, err := a.host.Listen(other, udp.Options{})
		if err != nil {
			t.Fatal(err)
		}
		start(a, b)
		a.options.Segments = slices.Clone(a.options.Segments)
		a.knows(b)
		a.apply(false)
		w.pass(time.Second)
		if err := taken.Close(); err != nil {
			t.Fatal(err)
		}
		a.apply(true)
		w.talk(a, b, 6*time.Second)
	})
}

// TestApplyNameByAddress puts an address in place of a name that does not resolve: nothing is said
// of the name any more.
func TestApplyNameByAddress(t *testing.T) {
	simulate(t, 33, func(w *world) {
		a, b := w.pair()
		b.calledBy(a)
		a.options.Mesh.Peers[0].Endpoints = []string{"nas.example.net:42420"}
		a.options.Lookup = func(context.Context, []string) ([]netip.AddrPort, error) {
			return nil, errors.New("nas.example.net does not resolve")
		}
		start(a, b)
		w.pass(time.Minute)
		if got := a.Status().Warnings; len(got) != 1 || got[0].Code != "name_unresolved" {
			t.Fatalf("warnings %+v", got)
		}
		a.options.Mesh.Peers = []tunnel.PeerOptions{b.asPeer()}
		a.apply(true)
		t.Logf("up after %v", w.talk(a, b, time.Second))
		if got := a.Status().Warnings; len(got) > 0 {
			t.Errorf("warnings %+v", got)
		}
	})
}

// TestApplyRefused leaves everything as it was.
func TestApplyRefused(t *testing.T) {
	simulate(t, 26, func(w *world) {
		a, b := w.pair()
		c := w.add().knows(a)
		start(a, b, c)
		w.talk(a, b, 3*time.Second)
		before := a.counts(b).Handshakes
		wrong := a.options
		wrong.Mesh.Peers = []tunnel.PeerOptions{c.asPeer(), c.asPeer()}
		wrong.Mesh.Peers[1].Name = "another name for c"
		wrong.Segments = slices.Clone(wrong.Segments)
		wrong.Segments[0].Peers = []string{c.name}
		if err := a.Apply(wrong); err == nil {
			t.Fatal("two peers have one key")
		}
		w.pass(time.Second)
		if got := a.Peers().Peers; len(got) != 1 || got[0].Name != b.name {
			t.Errorf("peers are %+v", got)
		}
		c.refused(a)
		w.talk(a, b, 50*time.Millisecond)
		if after := a.counts(b).Handshakes; after != before {
			t.Error("the session was lost")
		}
	})
}
