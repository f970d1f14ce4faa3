package tour

import (
	"fmt"
	"net/netip"
	"time"

	"github.com/vxmesh/vxmesh/topology"
	"github.com/vxmesh/vxmesh/tunnel/simnet"
)

// Who is there, and what the second host is pinged at.
const (
	Host1, Host2, Relay = "host1", "host2", "relay"
	VNI                 = 77
)

// Target is the address of the second host in the segment.
var Target = netip.MustParsePrefix("10.77.0.2/24")

// Plan is two homes behind NATs as most are, and a relay on the internet. With a kernel the second host is
// its, and the node beside it speaks plain VXLAN with it.
func Plan(seed uint64, kernel *topology.Plain) topology.Plan {
	home := func(n byte, delay time.Duration) topology.Site {
		return topology.Site{
			Name: fmt.Sprintf("home%d", n), NAT: simnet.PortRestricted,
			Address: netip.AddrFrom4([4]byte{198, 51, 100, n}),
			Line:    simnet.Conditions{Delay: delay, Jitter: time.Millisecond},
		}
	}
	host := func(name string, n byte) topology.Node {
		return topology.Node{
			Name: name, Site: fmt.Sprintf("home%d", n),
			Addresses: []netip.Addr{netip.AddrFrom4([4]byte{192, 168, n, 10})},
			Devices: []topology.Device{{
				VNI: VNI, Addresses: []netip.Prefix{netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 77, 0, n}), 24)},
			}},
		}
	}
	second := host(Host2, 2)
	if kernel != nil {
		second.Devices, second.Plain = nil, kernel
	}
	far := simnet.Conditions{Delay: relayDelay}
	return topology.Plan{
		Name: "demo", Seed: seed,
		Sites: []topology.Site{home(1, 6*time.Millisecond), home(2, 4*time.Millisecond)},
		Nodes: []topology.Node{
			host(Host1, 1),
			{Name: Relay, Addresses: []netip.Addr{netip.AddrFrom4([4]byte{192, 0, 2, 1})}, Relay: true, STUN: true},
			second,
		},
		Links: []topology.Link{
			{Between: [2]string{Host1, Relay}, Line: far},
			{Between: [2]string{Host2, Relay}, Line: far},
			{Between: [2]string{Host1, Host2}, Line: simnet.Conditions{Down: true}},
		},
	}
}

// relayDelay is how far away the relay is, so that the detour shows in round trips.
const relayDelay = 12 * time.Millisecond
