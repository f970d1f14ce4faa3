package tunnel_test

import (
	"testing"
	"time"

	"github.com/vxmesh/vxmesh/tunnel/simnet"
)

// TestStraysAgain has a router that strangers' datagrams confuse get another address, while its node talks: words
// go on by the relay, and the direct way is back as soon as such routers on both sides have forgotten, which takes
// half a minute of silence.
func TestStraysAgain(t *testing.T) {
	for other, limit := range map[simnet.NATKind]time.Duration{
		simnet.PortRestrictedStrays: 50 * time.Second,
		simnet.PortRestricted:       5 * time.Second,
		simnet.PortHash:             5 * time.Second,
	} {
		t.Run(other.String(), func(t *testing.T) {
			simulate(t, 70, func(w *world) {
				pub, a, b := w.introduce(simnet.PortRestrictedStrays, other)
				start(pub, a.member, b.member)
				w.talk(a.member, b.member, 3*time.Second)
				w.within(10*time.Second, "a direct way is found", func() bool {
					a.say(b.member, "x")
					return directly(a.member, b.member)
				})
				w.chat(a.member, b.member, 20*time.Second)
				a.nat.SetAddr(memberAddr(200).Addr())
				if lost := w.chat(a.member, b.member, 4*time.Second); lost > 3*time.Second {
					t.Errorf("words get lost for %v", lost)
				}
				w.within(limit-4*time.Second, "a direct way is found again", func() bool {
					a.say(b.member, "x")
					b.say(a.member, "x")
					return directly(a.member, b.member)
				})
			})
		})
	}
}
