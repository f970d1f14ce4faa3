package tunnel_test

import (
	"fmt"
	"net/netip"
	"sync/atomic"
	"testing"
	"time"

	"github.com/vxmesh/vxmesh/tunnel"
	"github.com/vxmesh/vxmesh/tunnel/control"
	"github.com/vxmesh/vxmesh/tunnel/roster"
	"github.com/vxmesh/vxmesh/tunnel/simnet"
)

// entriesBehind counts what is learned behind a peer.
func (m *member) entriesBehind(other *member) (n int) {
	for _, e := range m.FDB(control.FDBFilter{}).Entries {
		if e.Port.Name == other.name {
			n++
		}
	}
	return n
}

// wantState holds that m sees another in a state, for a reason.
func (m *member) wantState(other *member, state control.PeerState, reason string) {
	m.w.t.Helper()
	if p := m.peer(other); p.State != state || p.Reason != reason {
		m.w.t.Errorf("%s: %s is %s %q, want %s %q", m.name, other.name, p.State, p.Reason, state, reason)
	}
}

// TestPause ends everything with one peer of two, and resuming brings it back at once.
func TestPause(t *testing.T) {
	simulate(t, 401, func(w *world) {
		a, b, c := w.add(), w.add(), w.add()
		a.knows(b, c)
		b.knows(a)
		c.knows(a)
		a.options.Segments[0].Static = []tunnel.StaticEntry{{MAC: station(77), Peer: b.name}}
		start(a, b, c)
		w.talk(a, b, 3*time.Second)
		w.talk(a, c, 3*time.Second)
		told, stop := a.follow()
		defer stop()
		p, err := a.PausePeer(b.name)
		if err != nil || p.State != control.PeerDown || p.Reason != "paused" || p.Path != nil {
			t.Fatalf("%+v, %v", p, err)
		}
		if !told(control.EventPeerState) {
			t.Error("nobody is told")
		}
		if n := a.entriesBehind(b); n != 0 {
			t.Errorf("%d entries are left", n)
		}
		w.pass(time.Second)
		b.wantState(a, control.PeerDown, "left")
		toB := w.countTo(b)
		before := a.counts(b)
		for range 120 { // b calls all the time, with all that it has
			a.say(b, "to b")
			a.inject(bare, plainFrame(everybody, station(a.i), "to all"))
			b.say(a, "from b")
			w.pass(time.Second)
		}
		a.wantState(b, control.PeerDown, "paused")
		if got := a.counts(b); got.Handshakes != before.Handshakes || got.RxFrames != before.RxFrames ||
			got.TxFrames != before.TxFrames {
			t.Errorf("counted %+v, before %+v", got, before)
		}
		if n := *toB; n != 0 {
			t.Errorf("%d datagrams go to b", n)
		}
		w.talk(a, c, time.Second) // who has nothing to do with it
		if why, err := a.Why(b.name); err != nil || len(why.Fixes) != 1 || why.Fixes[0] != "vxmesh peer resume m2" {
			t.Errorf("%+v, %v", why, err)
		}
		if _, err := a.ReconnectPeer(b.name); control.AsError(err).Code != control.CodeConflict {
			t.Errorf("reconnect: %v", err)
		}
		if _, err := a.PausePeer(b.name); err != nil {
			t.Errorf("again: %v", err)
		}
		if _, err := a.ResumePeer(b.name); err != nil {
			t.Fatal(err)
		}
		w.talk(a, b, time.Second)
		a.wantState(b, control.PeerDirect, "")
		if n := a.entriesBehind(b); n != 2 { // what was learned, and what the config pins
			t.Errorf("%d entries are back", n)
		}
		if p, err := a.ResumePeer(b.name); err != nil || p.State != control.PeerDirect {
			t.Errorf("resumed again: %+v, %v", p, err)
		}
		a.knowsNo(t, "m22", b.name)
	})
}

// knowsNo wants no change of a peer that there is not, and the one that was probably meant to be named.
func (m *member) knowsNo(t *testing.T, name, near string) {
	t.Helper()
	for _, do := range []func(string) (control.Peer, error){m.PausePeer, m.ResumePeer, m.ReconnectPeer} {
		_, err := do(name)
		want := fmt.Sprintf("there is no peer %q; did you mean %q?", name, near)
		if e := control.AsError(err); e == nil || e.Code != control.CodeNotFound || e.Message != want {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}

// countTo counts the datagrams to a member from now on.
func (w *world) countTo(m *member) *int {
	n := new(int)
	w.tapping(func(_, to netip.AddrPort, _ []byte) bool {
		if to == m.addr {
			*n++
		}
		return true
	})
	return n
}

// TestPauseRests has nothing look after a peer that is paused more often than after one that is idle.
func TestPauseRests(t *testing.T) {
	simulate(t, 406, func(w *world) {
		a, b := w.pair()
		var looks atomic.Int64
		now := a.options.Now
		a.options.Now = func() time.Duration {
			looks.Add(1)
			return now()
		}
		start(a, b)
		w.up(3 * time.Second)
		w.pass(time.Minute)
		idle := func() int64 {
			before := looks.Load()
			w.pass(10 * time.Minute)
			return looks.Load() - before
		}
		up := idle()
		if _, err := a.PausePeer(b.name); err != nil {
			t.Fatal(err)
		}
		a.options.Mesh.Peers[0].Keepalive = 10 * time.Second
		a.apply(true) // which has the session be kept
		if paused := idle(); paused > 2*up {
			t.Errorf("it looks at the clock %d times, %d times before", paused, up)
		}
	})
}

// TestPauseEndsWithTheNode and not before: a new config keeps it.
func TestPauseEndsWithTheNode(t *testing.T) {
	simulate(t, 402, func(w *world) {
		a, b := w.pair()
		start(a, b)
		w.up(3 * time.Second)
		if _, err := a.PausePeer(b.name); err != nil {
			t.Fatal(err)
		}
		a.options.Mesh.Peers[0].Keepalive = 10 * time.Second
		a.apply(true)
		w.pass(10 * time.Second)
		a.wantState(b, control.PeerDown, "paused")
		a.stop()
		a.restart()
		w.talk(a, b, 30*time.Second)
	})
}

// TestPauseOfAFellow, whom its certificate lets in wherever it calls from, outlasts its new name.
func TestPauseOfAFellow(t *testing.T) {
	simulateGuild(t, 403, 2, func(g *guild) {
		a, b := g.fellows[0], g.fellows[1]
		g.allMeet()
		begin(a, b)
		g.full(10 * time.Second)
		if _, err := a.PausePeer(b.name); err != nil {
			t.Fatal(err)
		}
		g.pass(time.Minute)
		a.wantState(b.member, control.PeerDown, "paused")
		named := *b.o.Certificate
		named.Name, named.NotBefore, named.NotAfter = "other", g.wall(), g.wall().Add(roster.CertificateLife)
		cert, err := g.authority.Certify(named)
		if err != nil {
			t.Fatal(err)
		}
		told, stop := a.follow()
		defer stop()
		a.publish(cert.Item())
		if !told(control.EventMember) {
			t.Error("nobody is told of the name")
		}
		g.pass(time.Minute)
		if p := a.Peers().Peers[0]; p.Name != "other" || p.Reason != "paused" {
			t.Errorf("%+v", p)
		}
		if _, err := a.ResumePeer("other"); err != nil {
			t.Fatal(err)
		}
		g.within(5*time.Second, "it is back", func() bool { return a.Peers().Peers[0].State == control.PeerDirect })
	})
}

// TestReconnectIsHarmless when all is well: there is a new session, and not a frame is lost.
func TestReconnectIsHarmless(t *testing.T) {
	simulate(t, 404, func(w *world) {
		a, b := w.pair()
		w.link(a, b).Set(simnet.Conditions{Delay: 20 * time.Millisecond})
		start(a, b)
		w.talk(a, b, 3*time.Second)
		w.pass(5 * time.Second)
		handshakes := a.counts(b).Handshakes
		a.bodies()
		b.bodies()
		for i := range 100 {
			if i == 50 {
				if p, err := a.ReconnectPeer(b.name); err != nil || p.State != control.PeerDirect {
					t.Fatalf("%+v, %v", p, err)
				}
			}
			a.say(b, "x")
			b.say(a, "y")
			w.pass(10 * time.Millisecond)
		}
		w.pass(time.Second)
		if there, here := len(b.bodies()), len(a.bodies()); there != 100 || here != 100 {
			t.Errorf("%d and %d frames of 100 arrive", there, here)
		}
		if got := a.counts(b).Handshakes; got != handshakes+1 {
			t.Errorf("%d new handshakes", got-handshakes)
		}
		a.wantState(b, control.PeerDirect, "")
	})
}

// TestReconnectFindsAgain a peer that was silent for so long that it is seldom called.
func TestReconnectFindsAgain(t *testing.T) {
	simulate(t, 405, func(w *world) {
		a, b := w.pair()
		a.options.Mesh.Peers[0].Keepalive = 0 // it calls only when there is something to send
		b.calledBy(a)
		start(a, b)
		w.talk(a, b, 3*time.Second)
		b.kill()
		a.say(b, "is anybody there?")
		w.pass(10 * time.Minute)
		a.wantState(b, control.PeerDown, "no_answer")
		b.restart()
		w.pass(time.Second)
		if a.peer(b).State != control.PeerDown {
			t.Fatal("it has called by itself")
		}
		if _, err := a.ReconnectPeer(b.name); err != nil {
			t.Fatal(err)
		}
		took := w.within(3*time.Second, "it is up", func() bool { return a.peer(b).State == control.PeerDirect })
		if took > 500*time.Millisecond {
			t.Errorf("up after %v", took)
		}
	})
}
