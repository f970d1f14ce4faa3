package controltest

import (
	"time"

	"github.com/vxmesh/vxmesh/tunnel/control"
)

// Netcheck is a node at home: behind a NAT of the common kind, whose router opened its port, with a peer
// that is relayed and one that is down.
func Netcheck() control.Netcheck {
	return control.Netcheck{
		Network: "home", Node: true, UDP: control.Yes, Interface: "eth0",
		IPv4: control.NetFamily{
			Addresses: []string{"192.168.1.10"}, UDP: control.Yes, Outside: []string{"198.51.100.21:31877"},
			Mapping: control.MappingIndependent, PortKept: true, Strangers: control.FilteringBlocked,
			Class: control.ClassEasy,
		},
		IPv6: control.NetFamily{
			Addresses: []string{"2001:db8:1::5"}, UDP: control.Yes, Outside: []string{"[2001:db8:1::5]:31877"},
			Mapping: control.MappingNone, PortKept: true, Strangers: control.FilteringBlocked,
			Class: control.ClassEasy,
		},
		PortMapping: control.PortMapping{
			Tested: true, PCP: true, NATPMP: true, External: "198.51.100.21", Protocol: "pcp",
			Mapped: "198.51.100.21:31877", Until: Start.Add(2 * time.Hour), Verified: true,
		},
		LAN: []control.LANPeer{{Name: "nas", Address: "192.168.1.9"}},
		Reflectors: []control.Reflector{
			{
				Name: "vps1", Address: "192.0.2.30:42420", Sees: "198.51.100.21:31877", Peer: true, RTTSeconds: 0.011,
			},
			{
				Name: "pi4", Address: "192.0.2.31:42420", Sees: "198.51.100.21:31877", Peer: true, RTTSeconds: 0.019,
			},
		},
		STUN:   control.STUNNotNeeded,
		Relays: []control.Relay{{Name: "vps1", RTTSeconds: 0.011, Users: 1}, {Name: "vps2", RTTSeconds: 0.038}},
		Peers: []control.NetPeer{
			{Name: "nas", State: control.PeerDirect, RTTSeconds: 0.0004},
			{
				Name: "office", State: control.PeerRelayed, Via: "vps1", RTTSeconds: 0.031,
				Because: "the NATs of both give every destination another port",
				Fix:     "a port mapping here or there, or IPv6 at both",
			},
			{Name: "pi", State: control.PeerDown, Because: "nothing answers at its addresses"},
		},
	}
}

// SetNetcheck changes what the node says of how it is connected.
func (n *Node) SetNetcheck(c control.Netcheck) { n.locked(func() { n.netcheck = c }) }
