package tunnel_test

import (
	"bytes"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/vxmesh/vxmesh/tunnel/simnet"
	"github.com/vxmesh/vxmesh/tunnel/wire"
)

// TestAddressChanges moves either end to another address while both talk.
func TestAddressChanges(t *testing.T) {
	for name, first := range map[string]bool{"the first": true, "the second": false} {
		t.Run(name, func(t *testing.T) {
			simulate(t, 10, func(w *world) {
				m, other := w.pair()
				if !first {
					m, other = other, m
				}
				w.moves(m, other)
			})
		})
	}
}

// moves has m change its address.
func (w *world) moves(m, other *member) {
	w.t.Helper()
	const delay = 50 * time.Millisecond
	w.link(m, other).Set(simnet.Conditions{Delay: delay})
	start(m, other)
	w.talk(m, other, 3*time.Second)
	w.pass(5 * time.Second)
	handshakes := m.counts(other).Handshakes
	moved := netip.AddrPortFrom(netip.MustParseAddr("203.0.113.9"), m.addr.Port())
	m.host.SetAddr(m.addr.Addr(), moved.Addr())
	// Its first frame, our number there and back, and our first frame.
	took := w.talk(m, other, 10*time.Second)
	if limit := 4*delay + 30*time.Millisecond; took > limit {
		w.t.Errorf("back after %v, want %v", took, limit)
	}
	if got := other.remote(m); got != moved.String() {
		w.t.Errorf("%s sends to %s, want %s", other.name, got, moved)
	}
	if m.counts(other).Handshakes != handshakes {
		w.t.Error("it took a handshake")
	}
}

// TestBothMove changes both addresses at once: only the configured ones lead back, and neither is
// true any more until one end returns.
func TestBothMove(t *testing.T) {
	simulate(t, 11, func(w *world) {
		a, b := w.pair()
		start(a, b)
		w.talk(a, b, 3*time.Second)
		b.host.SetAddr(b.addr.Addr(), netip.MustParseAddr("203.0.113.9"))
		a.host.SetAddr(a.addr.Addr(), netip.MustParseAddr("203.0.113.8"))
		for range 30 {
			a.say(b, "lost")
			b.say(a, "lost")
			w.pass(time.Second)
		}
		a.bodies()
		b.bodies()
		a.host.SetAddr(netip.MustParseAddr("203.0.113.8"), a.addr.Addr())
		w.talk(a, b, 20*time.Second)
	})
}

// attacker is where somebody else is.
var attacker = netip.MustParseAddrPort("203.0.113.66:666")

// TestReplaysMoveNothing has an attacker send again what he saw, from his own address.
func TestReplaysMoveNothing(t *testing.T) {
	simulate(t, 12, func(w *world) {
		a, b := w.pair()
		start(a, b)
		w.talk(a, b, 3*time.Second)
		a.bodies()
		var seen [][]byte
		toAttacker := 0
		w.tapping(func(_, to netip.AddrPort, b []byte) bool {
			if to == attacker {
				toAttacker++
			} else if to == a.addr {
				seen = append(seen, bytes.Clone(b))
			}
			return true
		})
		for i := range 50 {
			b.say(a, fmt.Sprint(i))
			w.pass(100 * time.Millisecond)
			for _, b := range seen {
				w.net.Inject(attacker, a.addr, b)
			}
			w.pass(0)
		}
		w.pass(time.Second)
		if n := len(a.bodies()); n != 50 {
			t.Errorf("%d frames arrive", n)
		}
		if toAttacker != 0 {
			t.Errorf("%d datagrams go to the attacker", toAttacker)
		}
		if got := a.remote(b); got != b.addr.String() {
			t.Errorf("the path moved to %s", got)
		}
	})
}

// TestRacerMovesNothing has an attacker's copies of all datagrams arrive before the originals do.
func TestRacerMovesNothing(t *testing.T) {
	simulate(t, 13, func(w *world) {
		a, b := w.pair()
		w.link(a, b).Set(simnet.Conditions{Delay: 20 * time.Millisecond})
		start(a, b)
		w.talk(a, b, 3*time.Second)
		w.pass(5 * time.Second)
		a.bodies()
		b.bodies()
		lured := 0
		w.tapping(func(_, to netip.AddrPort, b []byte) bool {
			switch {
			case to == attacker && wire.KindOf(b) == wire.Data && wire.ParseHeader(b).VNI != 0:
				lured++
			case to == a.addr:
				w.net.Inject(attacker, to, b)
			}
			return true
		})
		heardA, heardB := 0, 0
		for i := range 300 {
			a.say(b, fmt.Sprint(i))
			b.say(a, fmt.Sprint(i))
			w.pass(100 * time.Millisecond)
			heardA, heardB = heardA+len(a.bodies()), heardB+len(b.bodies())
		}
		w.pass(time.Second)
		heardA, heardB = heardA+len(a.bodies()), heardB+len(b.bodies())
		if heardA != 300 || heardB != 300 {
			t.Errorf("%d and %d of 300 frames arrive", heardA, heardB)
		}
		if lured != 0 {
			t.Errorf("%d frames go to the attacker", lured)
		}
		if got := a.remote(b); got != b.addr.String() {
			t.Errorf("the path moved to %s", got)
		}
		if mtu := a.peer(b).Path.MTU; mtu != 1500 {
			t.Errorf("the path's MTU fell to %d", mtu)
		}
	})
}

// TestPathMTU finds what a path carries.
func TestPathMTU(t *testing.T) {
	for mtu, want := range map[int][2]int{ // the least and the most that may be found
		576: {576, 576}, 1280: {1280, 1280}, 1400: {1400, 1400}, 1430: {1414, 1430}, 1500: {1500, 1500},
		9000: {1500, 1500},
	} {
		for _, refuses := range []bool{false, true} {
			t.Run(fmt.Sprint(mtu, refuses), func(t *testing.T) {
				simulate(t, 14, func(w *world) {
					a, b := w.pair()
					w.link(a, b).Set(simnet.Conditions{
						Delay: 10 * time.Millisecond, MTU: mtu, Refuses: refuses,
					})
					start(a, b)
					w.talk(a, b, 3*time.Second)
					took := w.within(15*time.Second, "the MTU is found", func() bool {
						return a.pathMTU(b) >= want[0] && b.pathMTU(a) >= want[0]
					})
					w.pass(10 * time.Second)
					if x, y := a.pathMTU(b), b.pathMTU(a); max(x, y) > want[1] {
						t.Errorf("found %d and %d", x, y)
					}
					t.Logf("after %v", took)
					w.wholeFrames(a, b)
				})
			})
		}
	}
}

func (m *member) pathMTU(other *member) int {
	if p := m.peer(other).Path; p != nil {
		return p.MTU
	}
	return 0
}

// wholeFrames wants frames of all sizes to cross.
func (w *world) wholeFrames(a, b *member) {
	w.t.Helper()
	for _, size := range []int{60, 1000, 1440, 1441, 1500, 1501, 9000, 9202} {
		body := string(pattern(uint32(size), size-1))
		a.say(b, body)
		w.pass(100 * time.Millisecond)
		if got := b.bodies(); len(got) != 1 || got[0] != body {
			w.t.Errorf("a frame of %d bytes does not cross: %d frames", size, len(got))
		}
	}
}

// TestBlackHole has larger packets vanish without a word.
func TestBlackHole(t *testing.T) {
	for _, narrow := range []int{1400, 1280, 700, 576} {
		t.Run(fmt.Sprint(narrow), func(t *testing.T) {
			simulate(t, 15, func(w *world) {
				a, b := w.pair()
				const delay = 10 * time.Millisecond
				w.link(a, b).Set(simnet.Conditions{Delay: delay})
				start(a, b)
				w.talk(a, b, 3*time.Second)
				w.pass(30 * time.Second)
				w.link(a, b).Set(simnet.Conditions{Delay: delay, MTU: narrow})
				began := time.Now()
				body := string(make([]byte, 1480))
				for b.bodies() == nil {
					a.say(b, body)
					w.pass(50 * time.Millisecond)
					if time.Since(began) > 10*time.Second {
						t.Fatalf("still in the black hole, mtu %d", a.pathMTU(b))
					}
				}
				t.Logf("left after %v", time.Since(began))
				w.pass(20 * time.Second)
				if got := a.pathMTU(b); got > narrow || got < narrow-16 {
					t.Errorf("the path's MTU is %d", got)
				}
				w.link(a, b).Set(simnet.Conditions{Delay: delay})
				t.Logf("wide again after %v", w.within(11*time.Minute, "wide again", func() bool {
					return a.pathMTU(b) == 1500
				}))
			})
		})
	}
}
