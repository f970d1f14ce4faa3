//go:build linux && lab

// Ends that differ: in IP version, in port, in what they are, and in being on one machine.
//
//	K1 vx0 192.0.2.1, port 4789 ----+
//	                                +---- switch ---- M vxm0 192.0.2.3, 2001:db8::3
//	K2 vx0 2001:db8::2, port 8472 --+

package lab

import (
	"fmt"
	"net"
	"testing"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// TestBothFamiliesAndPorts is "mix of metadata and traditional devices" (case 44) in our terms:
// one segment with a remote over IPv4 on one port and another over IPv6 on the other port.
func TestBothFamiliesAndPorts(t *testing.T) {
	t.Parallel()
	hosts := star(t, "K1", "K2", "M")
	k1, k2, m := hosts[0], hosts[1], hosts[2]
	k1.kernel(segment{
		local: v4.addr(1), remotes: []string{v4.addr(3)}, addresses: []string{"10.0.0.1/24"},
	}, 4789)
	k2.kernel(segment{
		local: v6.addr(2), remotes: []string{v6.at(3, 8472)},
		addresses: []string{"10.0.0.2/24"},
	}, 8472)
	n := joinPorts(m, `[":4789", ":8472"]`, segment{
		remotes:   []string{v4.addr(1), v6.at(2, 8472)},
		addresses: []string{"10.0.0.3/24"},
	})
	for _, k := range []*host{k1, k2} {
		k.ping("10.0.0.3", 56)
		tcp(t, k, m, "10.0.0.3", 1<<20)
	}
	m.ping("10.0.0.1", 56)
	m.ping("10.0.0.2", 56)
	tcp(t, m, k1, "10.0.0.1", 1<<20)
	tcp(t, m, k2, "10.0.0.2", 1<<20)
	n.expectEntry(k1.mac("vx0"), v4.addr(1))
	n.expectEntry(k2.mac("vx0"), v6.at(2, 8472))
	if got, want := m.mtu("vxm0"), 1500-v6.overhead(); got != want {
		t.Errorf("MTU %d, want %d: the larger overhead counts", got, want)
	}
}

// TestTwoNodes: the program at both ends.
func TestTwoNodes(t *testing.T) {
	t.Parallel()
	for _, f := range []family{v4, v6} {
		t.Run(f.String(), func(t *testing.T) {
			t.Parallel()
			a, b := pair(t)
			for i, h := range []*host{a, b} {
				join(h, segment{
					local: f.addr(i + 1), remotes: []string{f.addr(2 - i)},
					addresses: []string{
						fmt.Sprintf("10.0.0.%d/24", i+1), fmt.Sprintf("fd42::%d/64", i+1),
					},
				})
			}
			exchange(t, a, b)
			tcp(t, a, b, "10.0.0.2", 32<<20)
			tcp(t, b, a, "fd42::1", 32<<20)
			udpSegments(t, a, b, "10.0.0.2", 10, 1300)
		})
	}
}

// TestSameMachine is test_vxlan_nolocalbypass (case 53) and row I20: a kernel device and the node
// in one namespace, on two ports, talk once the kernel is told not to take the short cut.
func TestSameMachine(t *testing.T) {
	t.Parallel()
	m := newQuietHost(t, "M")
	m.run("ip link add u0 type bridge")
	m.run("ip link set dev u0 up")
	m.run("ip addr add 192.0.2.1/32 dev u0")
	m.run("ip addr add 192.0.2.2/32 dev u0")
	m.kernel(segment{local: "192.0.2.1", remotes: []string{"192.0.2.2:4790"}}, 4789)
	need(t, m.Do(func() error { return noLocalBypass("vx0") }))
	joinPort(m, 4790, segment{local: "192.0.2.2", remotes: []string{"192.0.2.1:4789"}})

	atKernel, atNode := m.sniff("vx0", received(senderMAC)), m.sniff("vxm0", received(markerMAC))
	need(t, m.sender("vxm0").Send(hello(senderMAC)))
	_, err := atKernel.Wait(1, patience)
	need(t, err)
	need(t, m.sender("vx0").Send(hello(markerMAC)))
	_, err = atNode.Wait(1, patience)
	need(t, err)
}

// noLocalBypass sets a vxlan option that the ip command may be too old for: IFLA_VXLAN_LOCALBYPASS
// (linux/if_link.h, since Linux 6.5).
func noLocalBypass(device string) error {
	const localBypass = 31
	dev, err := net.InterfaceByName(device)
	if err != nil {
		return err
	}
	request := nl.NewNetlinkRequest(unix.RTM_NEWLINK, unix.NLM_F_ACK)
	message := nl.NewIfInfomsg(unix.AF_UNSPEC)
	message.Index = int32(dev.Index)
	info := nl.NewRtAttr(unix.IFLA_LINKINFO, nil)
	info.AddRtAttr(nl.IFLA_INFO_KIND, []byte("vxlan"))
	info.AddRtAttr(nl.IFLA_INFO_DATA, nil).AddRtAttr(localBypass, []byte{0})
	request.AddData(message)
	request.AddData(info)
	if _, err := request.Execute(unix.NETLINK_ROUTE, 0); err != nil {
		return fmt.Errorf("set nolocalbypass on %s: %w", device, err)
	}
	return nil
}
