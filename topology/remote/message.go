package remote

import (
	"net/netip"
	"time"

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

// A PingRequest asks for one ICMP echo from a node's host.
type PingRequest struct {
	From    string        `json:"from"`
	To      string        `json:"to"` // an address in a segment, or a node
	Size    int           `json:"size"`
	Timeout time.Duration `json:"timeout"`
}

// A PingReply is its answer.
type PingReply struct {
	Addr netip.Addr    `json:"addr"` // that was pinged
	RTT  time.Duration `json:"rtt"`
}

// MaxPingTimeout is how long a ping waits at most, and MaxPingSize how much it carries, in bytes.
const (
	MaxPingTimeout = time.Minute
	MaxPingSize    = 8000
)

// Check says what makes the request impossible.
func (r PingRequest) Check() error {
	switch {
	case r.Timeout <= 0 || r.Timeout > MaxPingTimeout:
		return control.Errorf(control.CodeUsage, "a timeout is more than 0 and at most %v, not %v", MaxPingTimeout, r.Timeout)
	case r.Size < 0 || r.Size > MaxPingSize:
		return control.Errorf(control.CodeUsage, "a size is 0 to %d bytes, not %d", MaxPingSize, r.Size)
	}
	return nil
}

// A ChangeRequest has something happen to a site or a node.
type ChangeRequest struct {
	Name string `json:"name"`
	topology.Change
}
