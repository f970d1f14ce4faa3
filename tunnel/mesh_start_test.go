package tunnel_test

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/vxmesh/vxmesh/tunnel/simnet"
	"github.com/vxmesh/vxmesh/tunnel/wire"
)

// TestBothStartAtOnce has both ends call each other over links that delay, reorder and lose.
func TestBothStartAtOnce(t *testing.T) {
	for seed := range uint64(100) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			simulate(t, seed, func(w *world) {
				a, b := w.pair()
				w.link(a, b).Set(simnet.Conditions{
					Delay:  time.Duration(seed%5) * 7 * time.Millisecond,
					Jitter: time.Duration(seed%3) * 20 * time.Millisecond,
					Loss:   float64(seed%4) * 0.05,
				})
				start(a, b)
				w.talk(a, b, 3*time.Second)
				w.pass(2 * time.Second) // what is on its way arrives
				w.oneSession(a, b)
			})
		})
	}
}

// oneSession wants everything to arrive over a perfect link, in one session that stays.
func (w *world) oneSession(a, b *member) {
	w.t.Helper()
	w.link(a, b).Set(simnet.Conditions{})
	w.pass(time.Second)
	a.bodies()
	b.bodies()
	sessions := w.sessions()
	handshakes := a.counts(b).Handshakes + b.counts(a).Handshakes
	for i := range 10 {
		a.say(b, fmt.Sprint("to b ", i))
		b.say(a, fmt.Sprint("to a ", i))
		w.pass(time.Second)
	}
	w.tapping(nil)
	if n, m := len(a.bodies()), len(b.bodies()); n != 10 || m != 10 {
		w.t.Errorf("%d and %d of 10 frames arrive over a perfect link", n, m)
	}
	if len(sessions) != 2 {
		w.t.Errorf("both ways together use %d indices: %v", len(sessions), sessions)
	}
	if after := a.counts(b).Handshakes + b.counts(a).Handshakes; after != handshakes {
		w.t.Errorf("%d handshakes more", after-handshakes)
	}
}

// An index is a session as one of its receivers knows it.
type index struct {
	to     netip.AddrPort
	number uint32
}

// sessions counts the datagrams of each session, from now on.
func (w *world) sessions() map[index]int {
	seen := make(map[index]int)
	w.tapping(func(_, to netip.AddrPort, datagram []byte) bool {
		if wire.KindOf(datagram) == wire.Data {
			seen[index{to, wire.Index(datagram)}]++
		}
		return true
	})
	return seen
}

// TestFullMesh starts twenty nodes at once that all know each other.
func TestFullMesh(t *testing.T) {
	simulate(t, 1, func(w *world) {
		const size = 20
		for range size {
			w.add()
		}
		for i, m := range w.members {
			for _, other := range w.members[i+1:] {
				m.knows(other)
				other.knows(m)
				w.link(m, other).Set(simnet.Conditions{Delay: 20 * time.Millisecond})
			}
		}
		start(w.members...)
		t.Logf("up after %v", w.up(5*time.Second))
		w.pass(time.Second)
		w.everybodyHears()
	})
}

// everybodyHears has each member say something to all, which all others get once.
func (w *world) everybodyHears() {
	w.t.Helper()
	for _, m := range w.members {
		m.inject(bare, plainFrame(everybody, station(m.i), m.name))
	}
	w.pass(100 * time.Millisecond)
	for _, m := range w.members {
		heard := m.bodies()
		slices.Sort(heard)
		var want []string
		for _, other := range w.members {
			if other != m {
				want = append(want, other.name)
			}
		}
		slices.Sort(want)
		if !slices.Equal(heard, want) {
			w.t.Errorf("%s hears %v", m.name, heard)
		}
	}
}

// TestRekeyUnderTraffic replaces keys for ten minutes and loses nothing by it.
func TestRekeyUnderTraffic(t *testing.T) {
	for name, c := range map[string]struct {
		conditions simnet.Conditions
		least      float64 // of the frames that arrive
	}{
		"perfect": {simnet.Conditions{}, 1},
		"distant": {simnet.Conditions{Delay: 80 * time.Millisecond, Jitter: 40 * time.Millisecond}, 1},
		"lossy":   {simnet.Conditions{Delay: 10 * time.Millisecond, Loss: 0.2}, 0.78},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			simulate(t, 2, func(w *world) {
				a, b := w.pair()
				start(a, b)
				w.up(3 * time.Second)
				w.link(a, b).Set(c.conditions)
				w.rekey(a, b, c.least)
			})
		})
	}
}

// rekey has the two send frames for ten minutes.
func (w *world) rekey(a, b *member, least float64) {
	w.t.Helper()
	began := make(map[index]time.Duration)
	w.tapping(func(_, to netip.AddrPort, datagram []byte) bool {
		at := index{to, wire.Index(datagram)}
		if _, known := began[at]; !known && wire.KindOf(datagram) == wire.Data {
			began[at] = time.Since(w.origin)
		}
		return true
	})
	const frames = 12000 // one each 50 ms
	heard, longest := 0, 0
	for i, silent := 0, 0; i < frames; i++ {
		a.say(b, fmt.Sprint(i))
		b.say(a, fmt.Sprint(i))
		w.pass(50 * time.Millisecond)
		n := len(a.bodies()) + len(b.bodies())
		if heard += n; n > 0 {
			silent = 0
		}
		silent++
		longest = max(longest, silent)
	}
	w.pass(time.Second)
	heard += len(a.bodies()) + len(b.bodies())
	if share := float64(heard) / (2 * frames); share < least || share > 1 {
		w.t.Errorf("%d of %d frames arrive", heard, 2*frames)
	}
	if limit := 20 * 3; longest > limit { // three seconds
		w.t.Errorf("nothing arrived for %v", time.Duration(longest)*50*time.Millisecond)
	}
	if len(began) < 2*5 || len(began) > 2*8 {
		w.t.Errorf("%d sessions in ten minutes: %v", len(began)/2, began)
	}
	for m, other := range map[*member]*member{a: b, b: a} {
		if drops := m.counts(other).Drops; drops["no_session"]+drops["auth"]+drops["replay"] > 0 {
			w.t.Errorf("%s drops %v", m.name, drops)
		}
	}
}

// TestKillAndRestart has one end vanish without a goodbye and come back.
func TestKillAndRestart(t *testing.T) {
	for name, away := range map[string]time.Duration{
		"at once": 0, "a second": time.Second, "a minute": time.Minute, "ten minutes": 10 * time.Minute,
	} {
		for _, first := range []bool{true, false} { // which of the keys is the greater one's
			t.Run(fmt.Sprint(name, first), func(t *testing.T) {
				simulate(t, 3, func(w *world) {
					a, b := w.pair()
					if !first {
						a, b = b, a
					}
					start(a, b)
					w.up(3 * time.Second)
					w.talk(a, b, time.Second)
					b.kill()
					w.pass(away)
					b.restart()
					t.Logf("back after %v", w.talk(a, b, 2*time.Second))
				})
			})
		}
	}
}

// TestRestartOfTheCalled has an end come back that nobody can be told to call: only the other side
// knows an address.
func TestRestartOfTheCalled(t *testing.T) {
	for _, calledRestarts := range []bool{true, false} {
		t.Run(fmt.Sprint(calledRestarts), func(t *testing.T) {
			simulate(t, 4, func(w *world) {
				caller, called := w.pair()
				called.options.Mesh.Peers[0].Endpoints = nil
				start(caller, called)
				w.talk(caller, called, 3*time.Second)
				restarts := caller
				if calledRestarts {
					restarts = called
				}
				restarts.kill()
				restarts.restart()
				// Traffic one way or a keepalive is all that can tell the caller.
				t.Logf("back after %v", w.talk(caller, called, 2*time.Second))
			})
		})
	}
}

// TestSuspend has a machine sleep for longer than keys live, with all its sockets and timers.
func TestSuspend(t *testing.T) {
	for _, sleep := range []time.Duration{20 * time.Second, 200 * time.Second} {
		for _, hears := range []bool{true, false} { // whether its sockets go on to fill
			t.Run(fmt.Sprint(sleep, hears), func(t *testing.T) {
				simulate(t, 5, func(w *world) {
					a, b := w.pair()
					start(a, b)
					w.talk(a, b, 3*time.Second)
					b.freeze()
					w.silence(b, !hears)
					for end := time.Now().Add(sleep); time.Now().Before(end); {
						a.say(b, "are you there?")
						w.pass(time.Second)
						if a.bodies() != nil {
							t.Fatal("who sleeps talks")
						}
					}
					w.silence(b, false)
					b.thaw()
					t.Logf("back after %v", w.talk(a, b, 3*time.Second))
				})
			})
		}
	}
}

// TestStop says goodbye: the others know at once.
func TestStop(t *testing.T) {
	simulate(t, 6, func(w *world) {
		a, b := w.pair()
		start(a, b)
		w.talk(a, b, 3*time.Second)
		b.stop()
		synctest.Wait()
		if p := a.peer(b); p.State != "down" || p.Reason != "left" || p.Path != nil {
			t.Errorf("%+v", p)
		}
		b.restart()
		w.talk(a, b, time.Second)
	})
}
