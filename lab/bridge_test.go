//go:build linux && lab

// A host behind a bridge at each end: what a stretched segment is for.
//
//	A [e0] --- br0 - vx0 K [u0] 192.0.2.1 ------ 192.0.2.2 [u0] M vxm0 - br0 --- [e0] B
//	10.0.0.1, fd42::1                                               10.0.0.2, fd42::2

package lab

import (
	"fmt"
	"strings"
	"testing"
)

// TestBridgedHosts is ping between hosts behind bridges (case 1, with swapped roles) and row I5,
// with streams and full-size datagrams.
func TestBridgedHosts(t *testing.T) {
	t.Parallel()
	for _, f := range []family{v4, v6} {
		t.Run(f.String(), func(t *testing.T) {
			t.Parallel()
			k, m := pair(t)
			a, b := k.bridge("A")[0], m.bridge("B")[0]
			for i, h := range []*host{a, b} {
				h.run("ip link set dev e0 mtu %d", 1500-f.overhead())
				h.run("ip addr add 10.0.0.%d/24 dev e0", i+1)
				h.run("ip addr add fd42::%d/64 dev e0 nodad", i+1)
			}
			k.kernel(segment{
				bridge: "br0", local: f.addr(1), remotes: []string{f.addr(2)},
			}, 4789)
			n := join(m, segment{bridge: "br0", local: f.addr(2), remotes: []string{f.addr(1)}})
			for _, way := range []struct {
				from, to *host
				v4, v6   string
			}{{a, b, "10.0.0.2", "fd42::2"}, {b, a, "10.0.0.1", "fd42::1"}} {
				way.from.ping(way.v4, 1500-f.overhead()-28, "-M do")
				way.from.ping(way.v6, 1500-f.overhead()-48, "-M do")
				tcp(t, way.from, way.to, way.v4, 8<<20)
				tcp(t, way.from, way.to, way.v6, 8<<20)
				udp(t, way.from, way.to, way.v4, 1500-f.overhead()-28)
			}
			if n.proc == nil {
				return
			}
			n.expectEntry(a.mac("e0"), f.addr(1))
			n.expectEntry(b.mac("e0"), "device")
		})
	}
}

// TestBridgeKeepsItsMTU: hosts with the usual 1500 behind bridges that know nothing of a tunnel. The
// bridges keep their MTU, what does not fit is answered, and streams find their way.
func TestBridgeKeepsItsMTU(t *testing.T) {
	t.Parallel()
	for _, f := range []family{v4, v6} {
		t.Run(f.String(), func(t *testing.T) {
			t.Parallel()
			left, right := pair(t)
			var ends []*host
			for i, h := range []*host{left, right} {
				end := h.bridge("AB"[i : i+1])[0]
				end.run("ip addr add 10.0.0.%d/24 dev e0", i+1)
				end.run("ip addr add fd42::%d/64 dev e0 nodad", i+1)
				ends = append(ends, end)
				join(h, segment{
					bridge: "br0", local: f.addr(i + 1), remotes: []string{f.addr(2 - i)},
				})
				if link := h.run("ip link show dev br0"); !strings.Contains(link, "mtu 1500") {
					t.Errorf("the bridge has another mtu: %s", link)
				}
			}
			tcp(t, ends[0], ends[1], "10.0.0.2", 8<<20)
			tcp(t, ends[1], ends[0], "fd42::1", 8<<20)
			ends[0].ping("10.0.0.2", 1500-f.overhead()-28, "-M do")
		})
	}
}

// TestTaggedHosts: the same stations on two VLANs of one segment are two entries, because a
// bridge in front may keep them apart (cases 25 and 27).
func TestTaggedHosts(t *testing.T) {
	t.Parallel()
	const station = "02:00:00:00:03:01"
	l, n := newFloodLab(t, v4, segment{})
	for vlan, k := range map[uint16]*host{10: l.k1, 20: l.k2} {
		need(t, k.sender("vx0").Send(tagged(hello(station), 0x8100, vlan)))
	}
	eventually(t, func() error {
		behind := make(map[int]string)
		for _, e := range n.fdb() {
			if e.MAC == station {
				behind[e.VLAN] = e.Port.Name
			}
		}
		if behind[10] != "192.0.2.1" || behind[20] != "192.0.2.2" || len(behind) != 2 {
			return fmt.Errorf("by VLAN: %v", behind)
		}
		return nil
	})
}
