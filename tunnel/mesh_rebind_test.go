package tunnel_test

import (
	"testing"
	"time"

	"github.com/vxmesh/vxmesh/tunnel/simnet"
)

// TestStuckNAT has a NAT keep a flow wrong that began while it was starting: nothing comes back until it
// is sent from another port.
func TestStuckNAT(t *testing.T) {
	simulate(t, 50, func(w *world) {
		pub, a, b := w.introduce(simnet.PortRestricted, simnet.FullCone)
		a.options.Mesh.Rebind = true
		start(pub, a.member, b.member)
		w.talk(a.member, b.member, 3*time.Second)
		w.pass(time.Minute)
		a.nat.Flush()
		a.nat.SetStuck(true)
		a.inject(bare, plainFrame(everybody, station(a.i), "into the void")) // every flow begins now
		w.pass(2 * time.Second)
		a.nat.SetStuck(false)
		took := w.talk(a.member, b.member, 25*time.Second)
		t.Logf("back after %v", took)
	})
}

// TestDeafNode has all that a node knows be gone for a night: it tries other ports, ever more seldom, and
// listens where it is known to be all the time.
func TestDeafNode(t *testing.T) {
	simulate(t, 51, func(w *world) {
		a, b := w.pair()
		a.finds()
		a.options.Mesh.Rebind = true
		a.calledBy(b)
		start(a, b)
		w.talk(a, b, 3*time.Second)
		b.kill()
		a.say(b, "are you there")
		w.pass(8 * time.Hour)
		if n := len(a.Status().Listen); n > 2 {
			t.Errorf("%d sockets", n)
		}
		b.restart()
		w.talk(a, b, 5*time.Second)
	})
}
