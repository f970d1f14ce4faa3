package remote

import (
	"net/netip"

	"github.com/vxmesh/vxmesh/topology"
	"github.com/vxmesh/vxmesh/tunnel/control"
)

// A Lab is what runs.
type Lab struct {
	Name  string             `json:"name"`
	File  string             `json:"file"`
	PID   int                `json:"pid"`
	Seed  uint64             `json:"seed"`
	Nodes control.List[Node] `json:"nodes"`
	Sites control.List[Site] `json:"sites"`
}

// A Node is one of its machines.
type Node struct {
	Name      string                     `json:"name"`
	Site      string                     `json:"site"`      // "" on the internet itself
	Underlay  control.List[netip.Addr]   `json:"underlay"`  // of its network card
	Addresses control.List[netip.Prefix] `json:"addresses"` // in segments
	Socket    string                     `json:"socket"`    // of its control API
}

// A Site is one of its LANs.
type Site struct {
	Name    string     `json:"name"`
	NAT     string     `json:"nat"`     // its kind
	Address netip.Addr `json:"address"` // outside
	Behind  string     `json:"behind"`
	Flows   int        `json:"flows"` // that the router remembers
}

// A ChangeRequest has something happen to a site or a node.
type ChangeRequest struct {
	Name string `json:"name"`
	topology.Change
}
