//go:build linux && lab

// Two VTEPs that know no address of each other, only a multicast group.
//
//	K vx0 10.0.0.1            239.1.1.100 or ff05::100            M vxm0 10.0.0.2
//	  [u0] 192.0.2.1, 2001:db8::1 ----------- 192.0.2.2, 2001:db8::2 [u0]

package lab

import (
	"fmt"
	"strings"
	"testing"

	"github.com/vxmesh/vxmesh/lab/netns"
)

// groups are the multicast groups of the drawing, and how the kernel lists them.
var groups = []struct {
	underlay      family
	group         string
	file, listing string
}{
	{v4, "239.1.1.100", "/proc/net/igmp", "640101EF"},
	{v6, "ff05::100", "/proc/net/igmp6", "ff050000000000000000000000000100"},
}

// TestGroup is "datapath multicast group" of test_vxlan_vnifiltering (case 42), nomcroute of
// vxlan_bridge_1q_mc_ul (cases 34, 35) and rows I6 and I7.
func TestGroup(t *testing.T) {
	t.Parallel()
	for _, c := range groups {
		t.Run(c.underlay.String(), func(t *testing.T) {
			t.Parallel()
			k, m := pair(t)
			wire := k.sniff("u0", fromM)
			k.kernel(groupSegment(c.underlay, c.group, 1), 4789)
			n := join(m, groupSegment(c.underlay, c.group, 2))
			expectMember(m, c.file, c.listing)
			k.ping("10.0.0.2", 56)
			m.ping("10.0.0.1", 56)
			tcp(t, m, k, "10.0.0.1", 1<<20)
			expectDestinations(t, wire, c.underlay.addr(1), c.group)

			t.Log("the underlay goes down and comes back")
			m.run("ip link set u0 down")
			m.run("ip link set u0 up")
			expectReturn(t, k, m, c.underlay)
			expectMember(m, c.file, c.listing)

			t.Log("the underlay's device is removed and made again")
			m.run("ip link del u0")
			cable(k, m)
			if n.proc == nil {
				return // a kernel's vxlan device goes with the device below it, as K's did
			}
			k.kernel(groupSegment(c.underlay, c.group, 1), 4789)
			expectReturn(t, k, m, c.underlay)
			expectMember(m, c.file, c.listing)
		})
	}
}

// TestGroupInterface is ipv4_nomcroute and ipv6_nomcroute (case 34): ten frames on the interface
// that is configured, none on the other, whatever the routes say.
func TestGroupInterface(t *testing.T) {
	t.Parallel()
	for _, c := range groups {
		t.Run(c.underlay.String(), func(t *testing.T) {
			t.Parallel()
			k, m := pair(t)
			m.plainWire("u0") // or ten datagrams of one length are seen as one
			need(t, netns.Veth(k.NS, "u1", m.NS, "u1"))
			m.run("ip addr add 203.0.113.2/24 dev u1")
			m.run("ip -%d route add %s dev u1", c.underlay, c.group)
			join(m, groupSegment(c.underlay, c.group, 2))
			want := func(p packet) bool {
				o, ok := parseOuter(p.Data)
				return ok && o.dst.String() == c.group && source(senderMAC)(packet{Data: o.inner})
			}
			right, wrong := k.sniff("u0", want), k.sniff("u1", want)
			sender := m.sender("vxm0")
			for range 10 {
				need(t, sender.Send(hello(senderMAC)))
			}
			if _, err := right.Wait(10, patience); err != nil || wrong.Count() != 0 {
				t.Errorf("%d frames on u1, want 0; u0: %v", wrong.Count(), err)
			}
		})
	}
}

// TestSharedGroup is "datapath per-VNI multicast group" (case 43) the other way round: two segments
// in one group, apart by their VNI.
func TestSharedGroup(t *testing.T) {
	t.Parallel()
	for _, c := range groups {
		t.Run(c.underlay.String(), func(t *testing.T) {
			t.Parallel()
			k, m := pair(t)
			var segments []segment
			for i, vni := range []int{100, 200} {
				s := groupSegment(c.underlay, c.group, 2)
				s.vni, s.addresses = vni, nil
				segments = append(segments, s)
				s.local, s.device = c.underlay.addr(1), fmt.Sprintf("vx%d", i)
				k.kernel(s, 4789)
			}
			n := join(m, segments...)
			expectMember(m, c.file, c.listing)
			for i := range segments {
				at := [2]*netns.Sniffer{
					m.sniff("vxm0", received(senderMAC)), m.sniff("vxm1", received(senderMAC)),
				}
				need(t, k.sender(fmt.Sprintf("vx%d", i)).Send(hello(senderMAC)))
				_, err := at[i].Wait(1, patience)
				need(t, err)
				if got := at[1-i].Count(); got != 0 {
					t.Errorf("segment %d saw %d frames of segment %d", 1-i, got, i)
				}
			}
			if n.proc != nil && n.drops("vni_unknown") != 0 {
				t.Errorf("%d datagrams of an unknown VNI", n.drops("vni_unknown"))
			}
		})
	}
}

func groupSegment(f family, group string, i int) segment {
	return segment{
		group: group, iface: "u0", local: f.addr(i), learnVTEPs: true,
		addresses: []string{fmt.Sprintf("10.0.0.%d/24", i)},
	}
}

// expectMember wants the group among the memberships of a host.
func expectMember(h *host, file, listing string) {
	h.t.Helper()
	eventually(h.t, func() error {
		text, err := h.ReadFile(file)
		if err == nil && !strings.Contains(text, listing) {
			err = fmt.Errorf("%s is not in %s:\n%s", listing, file, text)
		}
		return err
	})
}

// expectDestinations wants broadcasts sent to the group and all else sent to the other VTEP.
func expectDestinations(t *testing.T, wire *netns.Sniffer, remote, group string) {
	t.Helper()
	counted := make(map[bool]int)
	for _, p := range wire.Packets() {
		o, _ := parseOuter(p.Data)
		toGroup := o.inner[0]&1 != 0
		want := remote
		if toGroup {
			want = group
		}
		if o.dst.String() != want {
			t.Errorf("frame to %x sent to %s, want %s", o.inner[:6], o.dst, want)
		}
		counted[toGroup]++
	}
	if counted[true] == 0 || counted[false] == 0 {
		t.Errorf("%d frames to the group and %d to %s", counted[true], counted[false], remote)
	}
}

// expectReturn puts back what the kernel takes from a device that goes down, and waits for the
// overlay.
func expectReturn(t *testing.T, k, m *host, f family) {
	t.Helper()
	m.run("ip addr replace %s/24 dev u0", v4.addr(2))
	m.run("ip addr replace %s/64 dev u0 nodad", v6.addr(2))
	m.run("ip neigh flush all")
	k.run("ip neigh flush all")
	eventually(t, func() error { return m.canPing("10.0.0.1") })
	eventually(t, func() error { return k.canPing("10.0.0.2") })
}
