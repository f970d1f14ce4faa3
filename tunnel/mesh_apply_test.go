package tunnel_test

import (
	"slices"
	"testing"
	"time"

	"github.com/vxmesh/vxmesh/tunnel"
	"github.com/vxmesh/vxmesh/tunnel/control"
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
