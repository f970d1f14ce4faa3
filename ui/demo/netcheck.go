package demo

import (
	"cmp"
	"context"
	"net/netip"
	"slices"
	"time"

	"github.com/vxmesh/vxmesh/tunnel/control"
)

// netcheckTakes is how long a test takes.
const netcheckTakes = 1200 * time.Millisecond

// netcheck is what [control.Backend] wants: the machine is at home, behind a NAT that gives every
// destination another port in a router that opens none, and has IPv6.
func (n *Network) netcheck(ctx context.Context) (out control.Netcheck, err error) {
	if err := sleep(ctx, netcheckTakes); err != nil {
		return out, err
	}
	n.locked(func() {
		out = control.Netcheck{
			Network: network, Node: true, UDP: control.Yes, Interface: "br0", STUN: control.STUNNotNeeded,
			IPv4: control.NetFamily{
				Addresses: control.List[string]{"192.168.1.10"}, UDP: control.Yes,
				Outside: control.List[string]{"198.51.100.7"}, Mapping: control.MappingVaries, Step: 2,
				Strangers: control.FilteringBlocked, Class: control.ClassEasy,
			},
			IPv6: control.NetFamily{
				Addresses: control.List[string]{"2001:db8:1::5"}, UDP: control.Yes,
				Outside: control.List[string]{"[2001:db8:1::5]:" + port}, Mapping: control.MappingNone, PortKept: true,
				Strangers: control.FilteringBlocked, Class: control.ClassEasy,
			},
			PortMapping: control.PortMapping{Tested: true},
		}
		for _, p := range n.peers {
			n.addNetPeer(p, &out)
		}
		slices.SortStableFunc(out.Reflectors, func(a, b control.Reflector) int {
			return cmp.Compare(a.RTTSeconds, b.RTTSeconds)
		})
	})
	return out, nil
}

// addNetPeer adds what a test says of a peer.
func (n *Network) addNetPeer(p *peer, out *control.Netcheck) {
	st := control.NetPeer{Name: p.name, State: p.state}
	if p.state == down {
		st.Because = p.sentence()
		out.Peers = append(out.Peers, st)
		return
	}
	w := &p.ways[p.way]
	st.RTTSeconds = rounded(p.rtt, 1e6)
	if w.relay != nil {
		st.Via, st.Because = w.relay.name, obstacles[p.reason]
		if p.state == relayed {
			st.Fix = "a port mapping here or there, or IPv6 at both"
		}
	} else {
		out.Reflectors = append(out.Reflectors, control.Reflector{
			Name: p.name, Address: w.addr, Sees: p.sees, Peer: true, RTTSeconds: st.RTTSeconds,
		})
	}
	out.Peers = append(out.Peers, st)
	if w.kind == control.CandidateLAN {
		a, _ := netip.ParseAddrPort(w.addr)
		out.LAN = append(out.LAN, control.LANPeer{Name: p.name, Address: a.Addr().String()})
	}
	if p.relay {
		out.Relays = append(out.Relays, control.Relay{Name: p.name, RTTSeconds: st.RTTSeconds, Users: n.users(p)})
	}
}

// users counts those whom a relay is needed for.
func (n *Network) users(relay *peer) (users int) {
	for _, p := range n.peers {
		if p.reachable() && p.ways[p.way].relay == relay {
			users++
		}
	}
	return users
}
