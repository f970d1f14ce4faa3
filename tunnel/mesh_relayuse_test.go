package tunnel_test

import (
	"testing"
	"time"

	"github.com/vxmesh/vxmesh/tunnel"
	"github.com/vxmesh/vxmesh/tunnel/simnet"
)

// TestNoRelay has a node want nobody between: nothing reaches it through a relay, until a reload lets it.
func TestNoRelay(t *testing.T) {
	simulate(t, 43, func(w *world) {
		pub, a, b := w.introduce(simnet.SymmetricRandom, simnet.SymmetricRandom)
		b.options.Relay = tunnel.RelayOptions{}
		start(pub, a.member, b.member)
		for range 20 {
			a.say(b.member, "x")
			b.say(a.member, "y")
			w.pass(500 * time.Millisecond)
		}
		if got := append(a.bodies(), b.bodies()...); len(got) > 0 {
			t.Errorf("%d frames arrive", len(got))
		}
		b.options.Relay = tunnel.RelayOptions{Use: true}
		if err := b.Apply(b.options); err != nil {
			t.Fatal(err)
		}
		w.talk(a.member, b.member, 5*time.Second)
	})
}
