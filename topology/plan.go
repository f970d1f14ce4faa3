package topology

import (
	"net/netip"
	"time"

	"github.com/vxmesh/vxmesh/tunnel/simnet"
)

// A Plan is what there is. It must be valid: names are unique among sites and nodes, those that are
// referred to exist and do not go round in a circle, no two have an address that one of them could
// be reached by. Whoever reads it from a file checks.
type Plan struct {
	Name  string // of the network
	Seed  uint64 // of chance and of the keys
	Sites []Site
	Nodes []Node
	Links []Link
}

// A Site is a LAN behind a router, and its line.
type Site struct {
	Name    string
	NAT     simnet.NATKind
	Address netip.Addr // of the router, outside; the zero Addr for none
	Behind  string     // the site in whose LAN the router's outside is; "" for the internet itself
	Hairpin bool
	// Unanswered and Stream are how long the router remembers a flow one way and both ways; 0 for 30 s
	// and 120 s.
	Unanswered, Stream time.Duration
	Line               simnet.Conditions // in each direction
}

// A Node is a machine that runs vxmesh.
type Node struct {
	Name      string
	Site      string       // "" for the internet itself
	Addresses []netip.Addr // of its network card
	Relay     bool         // it passes on what others send each other
	STUN      bool         // others ask it where they are
	Devices   []Device
	Plain     *Plain // nil for none
}

// A Plain is what a node speaks plain VXLAN with, over this machine's own network.
type Plain struct {
	VNI            uint32
	Listen, Remote netip.AddrPort
}

// A Device is a host that the node has in a segment.
type Device struct {
	VNI       uint32
	MTU       int // 0 for what the tunnel takes
	Addresses []netip.Prefix
}

// A Link is the way between two nodes, beside what their sites' lines do.
type Link struct {
	Between [2]string
	Line    simnet.Conditions // in each direction
}

// reachable reports whether a node can be told to the others by its address: no NAT is in front of it.
func (p *Plan) reachable(n *Node) bool {
	for name := n.Site; name != ""; {
		s := p.site(name)
		if s.NAT != simnet.Open {
			return false
		}
		name = s.Behind
	}
	return true
}

func (p *Plan) site(name string) *Site {
	for i := range p.Sites {
		if p.Sites[i].Name == name {
			return &p.Sites[i]
		}
	}
	return nil
}
