package tunnel_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/vxmesh/vxmesh/tunnel"
	"github.com/vxmesh/vxmesh/tunnel/simnet"
)

// forgets has the member's config name a peer no more, while it runs.
func (m *member) forgets(other *member) {
	m.options.Mesh.Peers = slices.DeleteFunc(m.options.Mesh.Peers, func(o tunnel.PeerOptions) bool {
		return o.Name == other.name
	})
	m.apply(true)
}

// TestRelayGone has two that are reached through one of two relays go on through the other, however the
// first one goes.
func TestRelayGone(t *testing.T) {
	for name, goes := range map[string]func(relay, a, b *member){
		"killed":          func(relay, _, _ *member) { relay.kill() },
		"stopped":         func(relay, _, _ *member) { relay.stop() },
		"removed at one":  func(relay, a, _ *member) { a.forgets(relay) },
		"removed at both": func(relay, a, b *member) { a.forgets(relay); b.forgets(relay) },
		"removes one":     func(relay, _, b *member) { relay.forgets(b) },
	} {
		t.Run(name, func(t *testing.T) {
			simulate(t, 77, func(w *world) {
				first, second := w.add().finds(), w.add().finds()
				a, b := w.site(simnet.SymmetricRandom).member, w.site(simnet.SymmetricRandom).member
				acquaint(first, a, b)
				for _, m := range []*member{a, b} {
					m.knows(second)
					m.options.Mesh.Peers[len(m.options.Mesh.Peers)-1].Relay = true
					second.knows(m)
					second.calledBy(m)
				}
				start(first, second, a, b)
				w.chat(a, b, 8*time.Second)
				relay := first
				if a.peer(b).Path.Via == second.name {
					relay = second
				}
				goes(relay, a, b)
				if last := w.chat(a, b, 30*time.Second); last > 3*time.Second || !a.relayed(b) {
					t.Errorf("words get lost for %v", last)
				}
			})
		})
	}
}

// chat has two say something every 100 ms, and says when a word was lost last.
func (w *world) chat(a, b *member, d time.Duration) (last time.Duration) {
	began := time.Now()
	for i := 0; time.Since(began) < d; i++ {
		word := fmt.Sprintf("%d at %v", i, time.Since(w.origin))
		a.say(b, word)
		b.say(a, word)
		w.pass(100 * time.Millisecond)
		if !slices.Contains(a.bodies(), word) || !slices.Contains(b.bodies(), word) {
			last = time.Since(began)
		}
	}
	return last
}
