package tunnel_test

import (
	"testing"
	"time"

	"github.com/vxmesh/vxmesh/tunnel/simnet"
)

// TestRelayedMTU has the path through a relay follow what the path to the relay carries, which is found
// out only later, and becomes less.
func TestRelayedMTU(t *testing.T) {
	simulate(t, 42, func(w *world) {
		pub, a, b := w.introduce(simnet.SymmetricRandom, simnet.SymmetricRandom)
		way := w.link(a.member, pub)
		way.Set(simnet.Conditions{Delay: 20 * time.Millisecond})
		start(pub, a.member, b.member)
		w.talk(a.member, b.member, 3*time.Second)
		w.within(10*time.Second, "the MTU is found", func() bool { return a.pathMTU(b.member) == 1500 })
		if !a.relayed(b.member) {
			t.Fatalf("%s", a.peer(b.member).State)
		}
		w.drained(a.member, b.member)
		w.wholeFrames(a.member, b.member)
		way.Set(simnet.Conditions{Delay: 20 * time.Millisecond, MTU: 1300, Refuses: true})
		w.within(30*time.Second, "less is found", func() bool {
			a.say(b.member, string(pattern(1, 1400)))
			return a.pathMTU(b.member) <= 1300
		})
		w.drained(a.member, b.member)
		w.wholeFrames(a.member, b.member)
	})
}

// drained lets what is on its way to members arrive, and forgets it.
func (w *world) drained(members ...*member) {
	w.pass(time.Second)
	for _, m := range members {
		m.bodies()
	}
}
