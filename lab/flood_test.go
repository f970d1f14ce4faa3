//go:build linux && lab

// One VTEP with two hosts behind it, and two remote ones.
//
//	w1 [e0]--+ br0                                  +--[u0] K1 vx0
//	         +------ vxm0 M [u0]------ switch ------+
//	w2 [e0]--+                                      +--[u0] K2 vx0
//
// Frames from w1 are counted at w2, K1 and K2: "10/10/10" is ten at each.

package lab

import (
	"fmt"
	"testing"

	"github.com/vxmesh/vxmesh/lab/netns"
)

// A floodLab is the drawing, with sniffers where frames are counted.
type floodLab struct {
	t         *testing.T
	k1, k2, m *host
	w1, w2    *host
	sender    *netns.Sender
	at        [3]*netns.Sniffer // w2, K1, K2
}

// newFloodLab builds it over one underlay, M with further remotes in its list that are not there.
func newFloodLab(t *testing.T, f family, s segment, dead ...string) (*floodLab, *node) {
	t.Helper()
	hosts := star(t, "K1", "K2", "M")
	l := &floodLab{t: t, k1: hosts[0], k2: hosts[1], m: hosts[2]}
	for _, h := range hosts {
		h.quiet() // the devices to come: u0 is there
	}
	behind := l.m.bridge("w1", "w2")
	l.w1, l.w2 = behind[0], behind[1]
	for i, k := range hosts[:2] {
		// Both know the other too, as in a full mesh.
		k.kernel(segment{local: f.addr(i + 1), remotes: []string{f.addr(3), f.addr(2 - i)}}, 4789)
	}
	s.bridge, s.local = "br0", f.addr(3)
	s.remotes = append([]string{f.addr(1)}, append(dead, f.addr(2))...)
	n := join(l.m, s)
	l.sender = l.w1.sender("e0")
	for i, p := range []struct {
		h      *host
		device string
	}{{l.w2, "e0"}, {l.k1, "vx0"}, {l.k2, "vx0"}} {
		// One sniffer for both, because two need not see things in the same order.
		l.at[i] = p.h.sniff(p.device, received(senderMAC, markerMAC))
	}
	return l, n
}

// expect sends ten frames to a MAC address and wants exactly these counts at w2, K1 and K2. A
// marker that is flooded behind them shows when all that was to come has come.
func (l *floodLab) expect(what, dst string, want [3]int) {
	l.t.Helper()
	for _, s := range l.at {
		s.Reset()
	}
	for i := range 10 {
		payload := datagram(1000, 2000, fmt.Append(nil, what, i))
		frame := ip{src: "10.0.0.11", dst: "10.0.0.99"}.frame(dst, senderMAC, payload)
		need(l.t, l.sender.Send(frame))
	}
	need(l.t, l.sender.Send(eth(broadcast, markerMAC, 0x88b5, []byte("marker"))))
	var got [3]int
	for i, s := range l.at {
		eventually(l.t, func() (err error) {
			got[i], err = beforeMarker(s)
			return err
		})
	}
	if got != want {
		l.t.Errorf("%s: counted %v at w2, K1, K2, want %v", what, got, want)
	}
}

// beforeMarker counts the frames up to the marker.
func beforeMarker(s *netns.Sniffer) (int, error) {
	isMarker := source(markerMAC)
	for i, p := range s.Packets() {
		if isMarker(p) {
			return i, nil
		}
	}
	return 0, fmt.Errorf("no marker behind %d frames", s.Count())
}

// TestFlood is flood and "flood, unresolved FDB entry" (cases 2, 3 and their IPv6 form): a dead
// remote takes nothing from the others and adds nothing.
func TestFlood(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name     string
		underlay family
		dead     []string
	}{
		{"v4", v4, nil},
		{"v6", v6, nil},
		{"v4 unresolved remote", v4, []string{"192.0.2.99"}},
		{"v6 unresolved remote", v6, []string{"2001:db8::99"}},
		{"v4 unreachable remote", v4, []string{"198.51.100.1"}},
		{"v6 unreachable remote", v6, []string{"2001:db8:dead::1"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			l, _ := newFloodLab(t, c.underlay, segment{}, c.dead...)
			l.expect("unknown unicast", unknownMAC, [3]int{10, 10, 10})
			l.expect("broadcast", broadcast, [3]int{10, 10, 10})
			l.expect("multicast", "01:00:5e:01:01:01", [3]int{10, 10, 10})
		})
	}
}

// TestFloodRejected is case 3 with a remote whose host answers that nothing listens there.
func TestFloodRejected(t *testing.T) {
	t.Parallel()
	l, _ := newFloodLab(t, v4, segment{}, v4.addr(1)+":4790")
	l.expect("unknown unicast", unknownMAC, [3]int{10, 10, 10})
	l.expect("broadcast", broadcast, [3]int{10, 10, 10})
}

// TestSplitHorizon: what one remote floods goes to the hosts, and never on to another remote.
func TestSplitHorizon(t *testing.T) {
	t.Parallel()
	l, _ := newFloodLab(t, v4, segment{})
	const station = "02:00:00:00:03:01"
	atW1, atK2 := l.w1.sniff("e0", received(station)), l.k2.sniff("vx0", received(station, markerMAC))
	fromK1 := l.k1.sender("vx0")
	for range 10 {
		need(t, fromK1.Send(eth(broadcast, station, 0x88b5, []byte("from K1"))))
	}
	_, err := atW1.Wait(10, patience)
	need(t, err)
	// What M would send on is on its way before this marker. K1 floods to K2 by itself: ten is
	// right, twenty would be a loop.
	need(t, l.sender.Send(eth(broadcast, markerMAC, 0x88b5, []byte("marker"))))
	eventually(t, func() error {
		got, err := beforeMarker(atK2)
		if err == nil && got != 10 {
			t.Errorf("K2 saw %d frames of K1, want 10", got)
		}
		return err
	})
}

// TestStaticUnicast is local MAC unicast, remote MAC 1 unicast and remote MAC 2 unicast (cases 4
// to 6), with entries made by command.
func TestStaticUnicast(t *testing.T) {
	t.Parallel()
	for _, f := range []family{v4, v6} {
		t.Run(f.String(), func(t *testing.T) {
			t.Parallel()
			l, n := newFloodLab(t, f, segment{})
			const here, at1, at2 = "02:00:00:00:01:00", "02:00:00:00:01:01", "02:00:00:00:01:02"
			n.mustCtl("fdb", "add", here, "device")
			n.mustCtl("fdb", "add", at1, f.addr(1))
			n.mustCtl("fdb", "add", at2, f.addr(2))
			// The bridge in M knows none of these and asks everybody; the node knows better.
			l.expect("local", here, [3]int{10, 0, 0})
			l.expect("K1", at1, [3]int{10, 10, 0})
			l.expect("K2", at2, [3]int{10, 0, 10})
			n.waitDrops("same_port", 10)

			n.mustCtl("fdb", "del", at1, f.addr(1))
			l.expect("K1 after its entry is gone", at1, [3]int{10, 10, 10})
		})
	}
}

// TestLearnedUnicast is flood before learning, learned entry, show and deletion (cases 19, 20).
func TestLearnedUnicast(t *testing.T) {
	t.Parallel()
	l, n := newFloodLab(t, v4, segment{})
	const station = "02:00:00:00:03:01"
	l.expect("before learning", station, [3]int{10, 10, 10})

	need(t, l.k1.sender("vx0").Send(eth(broadcast, station, 0x88b5, []byte("hello"))))
	eventually(t, func() error {
		e, ok := n.lookup(station)
		if !ok || e.String() != "100 0 "+station+" vtep 192.0.2.1 learned" {
			return fmt.Errorf("entry %v", e)
		}
		return nil
	})
	l.expect("learned", station, [3]int{0, 10, 0})

	n.mustCtl("fdb", "del", station, "192.0.2.1")
	if e, ok := n.lookup(station); ok {
		t.Errorf("still there after deletion: %v", e)
	}
	// The bridge in M has its own entry, so only the remote ones are asked again.
	l.expect("deleted", station, [3]int{0, 10, 10})
}

// TestLearningOff is learning toggling (case 22): nothing is learned, everything is flooded.
func TestLearningOff(t *testing.T) {
	t.Parallel()
	l, n := newFloodLab(t, v4, segment{noLearning: true})
	const station = "02:00:00:00:03:01"
	atW1 := l.w1.sniff("e0", received(station))
	need(t, l.k1.sender("vx0").Send(eth(broadcast, station, 0x88b5, []byte("hello"))))
	_, err := atW1.Wait(1, patience)
	need(t, err)
	l.expect("learning off", station, [3]int{0, 10, 10})
	if e, ok := n.lookup(station); ok {
		t.Errorf("learned although learning is off: %v", e)
	}
}

// TestFloodOff: with flood = false only static entries are sent to.
func TestFloodOff(t *testing.T) {
	t.Parallel()
	const station = "02:00:00:00:01:01"
	l, n := newFloodLab(t, v4, segment{
		noFlood: true, static: []string{`{ mac = "` + station + `", vtep = "192.0.2.1" }`},
	})
	atW2, atK1, atK2 := l.at[0], l.at[1], l.at[2]
	send := func(dst string) {
		for range 10 {
			need(t, l.sender.Send(eth(dst, senderMAC, 0x88b5, []byte("no flood"))))
		}
	}
	send(broadcast)
	send(unknownMAC)
	send(station)
	_, err := atK1.Wait(10, patience)
	need(t, err)
	n.waitDrops("no_port", 20)
	if got := [3]int{atW2.Count(), atK1.Count(), atK2.Count()}; got != [3]int{30, 10, 0} {
		t.Errorf("counted %v at w2, K1, K2, want [30 10 0]", got)
	}
}
