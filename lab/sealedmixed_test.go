//go:build linux && lab

// One segment with kernels on one side and the sealed mesh on the other.
//
//	K1 vx0 10.0.0.3 --+
//	                  +-- plain -- A vxm0 10.0.0.1 == sealed == B vxm0 - br0 --- [e0] C
//	K2 vx0 10.0.0.4 --+                                                      10.0.0.5, fd42::5
//
// A is 192.0.2.1, B 192.0.2.2, K1 192.0.2.3 and K2 192.0.2.4, all on one switch. Every device of
// the mesh has MTU 1500; what goes to the kernels has to fit 1450.

package lab

import (
	"fmt"
	"testing"
)

// A mixedLab is the drawing, up.
type mixedLab struct {
	k      []*host
	a, b   *node
	behind *host // C
}

func newMixedLab(t *testing.T) (l *mixedLab) {
	t.Helper()
	hosts := star(t, "A", "B", "K1", "K2")
	l = &mixedLab{k: hosts[2:]}
	for i, k := range l.k {
		// They do not know each other: one must not reach the other through A.
		k.kernel(segment{
			local: v4.addr(i + 3), remotes: []string{v4.addr(1)},
			addresses: []string{fmt.Sprintf("10.0.0.%d/24", i+3), fmt.Sprintf("fd42::%d/64", i+3)},
		}, 4789)
	}
	s := overlay(1)
	s.noPlain, s.mtu, s.remotes = false, 1500, []string{v4.addr(3), v4.addr(4)}
	l.a = newSealed(hosts[0], s)
	l.behind = hosts[1].bridge("C")[0]
	l.behind.run("ip addr add 10.0.0.5/24 dev e0")
	l.behind.run("ip addr add fd42::5/64 dev e0 nodad")
	l.b = newSealed(hosts[1], segment{noPlain: true, bridge: "br0"})
	l.a.knows(l.b, meshAt(v4, 2))
	l.b.knows(l.a)
	joinAll(l.a, l.b)
	return l
}

// TestMixedSegment: frames pass between kernels and the mesh both ways, and stations of both are
// in one FDB.
func TestMixedSegment(t *testing.T) {
	t.Parallel()
	l := newMixedLab(t)
	for i, k := range l.k {
		addr := fmt.Sprintf("10.0.0.%d", i+3)
		k.ping("10.0.0.5", 1422, "-M do")
		l.behind.ping(addr, 1422, "-M do")
		tcp(t, k, l.behind, "10.0.0.5", 8<<20)
		tcp(t, l.behind, k, addr, 8<<20)
		tcp(t, l.behind, k, fmt.Sprintf("fd42::%d", i+3), 4<<20)
		tcp(t, k, l.a.host, "10.0.0.1", 4<<20)
		l.a.expectEntry(k.mac("vx0"), v4.addr(i+3))
		l.b.expectEntry(k.mac("vx0"), "a")
	}
	l.behind.ping("10.0.0.1", 1472, "-M do")
	tcp(t, l.a.host, l.behind, "10.0.0.5", 8<<20)
	udpSegments(t, l.behind, l.k[0], "10.0.0.3", 10, 1300)
	udpSegments(t, l.k[0], l.behind, "10.0.0.5", 10, 1300)
	l.a.expectEntry(l.behind.mac("e0"), "b")
	l.b.expectEntry(l.behind.mac("e0"), "device")
}

// TestKernelsDoNotPass: the mesh hears both kernels, but they do not hear each other through A.
func TestKernelsDoNotPass(t *testing.T) {
	t.Parallel()
	l := newMixedLab(t)
	at1 := l.k[1].sniff("vx0", received(senderMAC, markerMAC))
	atC := l.behind.sniff("e0", received(senderMAC))
	need(t, l.k[0].sender("vx0").Send(hello(senderMAC)))
	_, err := atC.Wait(1, patience)
	need(t, err)
	need(t, l.behind.sender("e0").Send(hello(markerMAC)))
	packets, err := at1.Wait(1, patience)
	need(t, err)
	if len(packets) != 1 || !source(markerMAC)(packets[0]) {
		t.Errorf("%d frames at K2, the first %x: want the one of C alone", len(packets),
			packets[0].Data)
	}
	if n := atC.Count(); n != 1 {
		t.Errorf("the frame of K1 came %d times to C", n)
	}
	if l.k[0].canPing("10.0.0.4") == nil {
		t.Error("K1 reaches K2 through A")
	}
}

// TestTooBigBehindMesh: what fits the mesh but not the way to a kernel is answered by A, through the
// mesh, and the host behind B finds the size.
func TestTooBigBehindMesh(t *testing.T) {
	t.Parallel()
	l := newMixedLab(t)
	for _, c := range []struct {
		to        string
		ipAndICMP int
	}{{"10.0.0.3", 28}, {"fd42::3", 48}} {
		l.behind.ping(c.to, 56)
		eventually(t, func() error {
			if mtu := l.behind.pathMTU(c.to); mtu != 1450 {
				_, _ = l.behind.Run(fmt.Sprintf("ping -n -q -c 1 -W 1 -M do -s %d %s",
					mtu-c.ipAndICMP, c.to))
				return fmt.Errorf("path MTU %d, want 1450", mtu)
			}
			return nil
		})
		l.behind.ping(c.to, 1450-c.ipAndICMP, "-M do")
	}
}
