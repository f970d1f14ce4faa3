//go:build linux && lab

// Several segments between the same two VTEPs, one socket at each end. Every tenant has the same
// address and the same MAC address at its end.
//
//	K: vx100 in kA 10.0.0.1                               M: vxm0 - br0 - [e0] mA 10.0.0.2
//	   vx200 in kB 10.0.0.1 ---- [u0] ---------- [u0] ----   vxm1 - br1 - [e0] mB 10.0.0.2
//	   vx16777215 in kC 10.0.0.1                             vxm2 - br2 - [e0] mC 10.0.0.2

package lab

import (
	"fmt"
	"strings"
	"testing"

	"github.com/vxmesh/vxmesh/lab/netns"
)

const (
	tenantK = "02:00:00:00:aa:01" // every tenant at K
	tenantM = "02:00:00:00:aa:02" // every tenant at M
)

var vnis = []int{100, 200, 16777215}

type tenants struct {
	k, m     *host
	node     *node
	atK, atM []*host // by index in vnis
}

func newTenants(t *testing.T, f family) *tenants {
	t.Helper()
	l := new(tenants)
	l.k, l.m = pair(t)
	segments := make([]segment, len(vnis))
	for i, vni := range vnis {
		l.atK = append(l.atK, newHost(t, fmt.Sprintf("kernel %d", vni)))
		l.atM = append(l.atM, newHost(t, fmt.Sprintf("node %d", vni)))

		vx := fmt.Sprintf("vx%d", vni)
		l.k.kernel(segment{
			vni: vni, device: vx, local: f.addr(1), remotes: []string{f.addr(2)}, mac: tenantK,
		}, 4789)
		l.k.run("ip link set %s netns %s name vx0", vx, l.atK[i].Path())
		l.atK[i].run("ip addr add 10.0.0.1/24 dev vx0")
		l.atK[i].run("ip link set vx0 up")

		br, port := fmt.Sprintf("br%d", i), fmt.Sprintf("p%d", i)
		l.m.run("ip link add %s type bridge", br)
		l.m.run("ip link set %s up", br)
		need(t, netns.Veth(l.m.NS, port, l.atM[i].NS, "e0"))
		l.m.run("ip link set %s master %s", port, br)
		l.atM[i].run("ip link set e0 address %s mtu %d", tenantM, 1500-f.overhead())
		l.atM[i].run("ip addr add 10.0.0.2/24 dev e0")
		segments[i] = segment{
			vni: vni, bridge: br, local: f.addr(2), remotes: []string{f.addr(1)},
		}
	}
	l.node = join(l.m, segments...)
	return l
}

// TestSegmentsAreApart is ping, flood and unicast of vxlan_bridge_1q (cases 23 to 25, 27) and row
// I8: overlapping addresses and equal MAC addresses never meet.
func TestSegmentsAreApart(t *testing.T) {
	t.Parallel()
	for _, f := range []family{v4, v6} {
		t.Run(f.String(), func(t *testing.T) {
			t.Parallel()
			l := newTenants(t, f)
			for i := range vnis {
				l.atK[i].ping("10.0.0.2", 56)
				l.atM[i].ping("10.0.0.1", 1500-f.overhead()-28, "-M do")
				tcp(t, l.atM[i], l.atK[i], "10.0.0.1", 1<<18)
			}
			l.expectApart(t)
		})
	}
}

// expectApart sends the same frames in every segment and wants each only where it belongs.
func (l *tenants) expectApart(t *testing.T) {
	t.Helper()
	var seen []*netns.Sniffer
	for i := range vnis {
		seen = append(seen, l.atK[i].sniff("vx0", received(senderMAC)))
	}
	for i := range vnis {
		sender := l.atM[i].sender("e0")
		for _, dst := range []string{broadcast, unknownMAC, tenantK} {
			need(t, sender.Send(eth(dst, senderMAC, 0x88b5, []byte{byte(i)})))
		}
	}
	for i, s := range seen {
		packets, err := s.Wait(3, patience)
		need(t, err)
		if len(packets) != 3 {
			t.Errorf("VNI %d got %d frames, want 3", vnis[i], len(packets))
		}
		for _, p := range packets {
			if p.Data[14] != byte(i) {
				t.Errorf("VNI %d got a frame of VNI %d", vnis[i], vnis[p.Data[14]])
			}
		}
	}
}

// TestSameMACInEverySegment is unicast per VLAN (case 25) as the FDB shows it.
func TestSameMACInEverySegment(t *testing.T) {
	t.Parallel()
	l := newTenants(t, v4)
	want := make(map[string]bool)
	for i, vni := range vnis {
		l.atK[i].ping("10.0.0.2", 56)
		want[fmt.Sprintf("%d 0 %s vtep 192.0.2.1 learned", vni, tenantK)] = true
		want[fmt.Sprintf("%d 0 %s device  learned", vni, tenantM)] = true
	}
	for _, e := range l.node.fdb() {
		e.Port.Name = strings.TrimPrefix(e.Port.Name, fmt.Sprintf("vxm%d", index(e.VNI)))
		delete(want, e.String())
	}
	for e := range want {
		t.Errorf("missing in the FDB: %s", e)
	}
}

// index is the position of a VNI in vnis.
func index(vni int) int {
	for i, v := range vnis {
		if v == vni {
			return i
		}
	}
	return -1
}

// TestUnknownVNI is "datapath default remote" of test_vxlan_vnifiltering as far as it is about
// what must not pass (case 40): dropped, counted, and nobody sees it.
func TestUnknownVNI(t *testing.T) {
	t.Parallel()
	l := newTenants(t, v4)
	var seen []*netns.Sniffer
	for i := range vnis {
		seen = append(seen, l.atM[i].sniff("e0", received(senderMAC)))
	}
	plain := l.k.rawSocket("192.0.2.1", "192.0.2.2:4789")
	hello := eth(broadcast, senderMAC, 0x88b5, []byte("hello"))
	for _, vni := range []uint32{0, 99, 101, 16777214} {
		plain.send(vxlan(vni, hello))
	}
	l.node.waitDrops("vni_unknown", 4)
	for i, vni := range vnis {
		plain.send(vxlan(uint32(vni), hello))
		_, err := seen[i].Wait(1, patience)
		need(t, err)
		if got := seen[i].Count(); got != 1 {
			t.Errorf("VNI %d got %d frames, want 1", vni, got)
		}
	}
}

// TestKernelExternal is row I9: a kernel device that takes VNI and remote from its routes.
func TestKernelExternal(t *testing.T) {
	t.Parallel()
	k, m := quietPair(t)
	k.run("ip link add vxe type vxlan external dstport 4789")
	k.run("ip addr add 10.0.0.1/24 dev vxe")
	k.run("ip link set vxe mtu 1450 up")
	join(m, segment{addresses: []string{"10.0.0.2/24"}, remotes: []string{"192.0.2.1"}})
	k.run("ip route add 10.0.0.2/32 encap ip id 100 dst 192.0.2.2 dev vxe")
	// A broadcast has no route to take VNI and remote from, so both are told.
	k.run("ip neigh add 10.0.0.2 lladdr %s dev vxe", m.mac("vxm0"))
	m.run("ip neigh add 10.0.0.1 lladdr %s dev vxm0", k.mac("vxe"))
	k.ping("10.0.0.2", 56)
	m.ping("10.0.0.1", 1450-28, "-M do")
	tcp(t, k, m, "10.0.0.2", 1<<20)
	tcp(t, m, k, "10.0.0.1", 1<<20)
}

// TestKernelVNIFilter is "datapath per-VNI remote" of test_vxlan_vnifiltering (case 41) and row
// I10: the kernel's own counters say what it took for its VNI.
func TestKernelVNIFilter(t *testing.T) {
	t.Parallel()
	k, m := quietPair(t)
	k.run("ip link add vxf type vxlan external vnifilter dstport 4789 local 192.0.2.1 dev u0")
	k.run("bridge vni add dev vxf vni 100 remote 192.0.2.2")
	k.run("ip link set vxf up")
	join(m,
		segment{vni: 100, remotes: []string{"192.0.2.1"}},
		segment{vni: 200, remotes: []string{"192.0.2.1"}})
	seen := k.sniff("vxf", received(senderMAC))
	for i, device := range []string{"vxm1", "vxm0"} { // VNI 200 first, so 100 ends the count
		sender := m.sender(device)
		for range 10 {
			need(t, sender.Send(eth(broadcast, senderMAC, 0x88b5, []byte{byte(i)})))
		}
	}
	_, err := seen.Wait(10, patience)
	need(t, err)
	if got := seen.Count(); got != 10 {
		t.Errorf("the kernel took %d frames, want the 10 of VNI 100", got)
	}
	counted := strings.Join(strings.Fields(k.run("bridge -s vni show dev vxf")), " ")
	if !strings.Contains(counted, "100") || !strings.Contains(counted, "pkts 10") {
		t.Errorf("per-VNI counters: %s", counted)
	}
}
