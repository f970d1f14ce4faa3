package control

import (
	"time"

	"github.com/vxmesh/vxmesh/tundev/ether"
)

// SchemaStatus is what [Status] says in its schema field.
const SchemaStatus = "vxmesh.status/1"

// A State says how a node or one of its segments is doing.
type State string

// The states. Degraded means up, with at least one warning or one port that is not.
const (
	StateStarting State = "starting"
	StateUp       State = "up"
	StateDegraded State = "degraded"
)

// Status is the answer to GET /v1/status: what this node is and how it is doing.
type Status struct {
	Schema        string              `json:"schema"`
	Network       string              `json:"network"`
	State         State               `json:"state"`
	Version       string              `json:"version"`
	PID           int                 `json:"pid"`
	Node          Node                `json:"node"`
	Listen        List[string]        `json:"listen"` // "udp [::]:4789"
	UptimeSeconds float64             `json:"uptime_seconds"`
	Config        ConfigStatus        `json:"config"`
	Segments      List[SegmentStatus] `json:"segments"`
	Peers         List[Peer]          `json:"peers"`
	Warnings      List[Warning]       `json:"warnings"`
}

// A Node names this machine in its network.
type Node struct {
	Name string `json:"name"`
	ID   string `json:"id"` // hexadecimal; "" as long as the node has no key
}

// ConfigStatus says which file runs and whether the last reload was taken.
type ConfigStatus struct {
	File             string    `json:"file"`
	LoadedAt         time.Time `json:"loaded_at"`         // when what runs was read
	ReloadSuccessful bool      `json:"reload_successful"` // true before the first reload
	ReloadError      string    `json:"reload_error"`      // of the last reload; "" when it was taken
}

// SegmentStatus is one segment: its device and the VTEPs it sends to.
type SegmentStatus struct {
	VNI        uint32      `json:"vni"`
	State      State       `json:"state"`
	Device     Device      `json:"device"`
	FDBEntries int         `json:"fdb_entries"`
	VTEPs      List[VTEP]  `json:"vteps"`
	Guests     List[Guest] `json:"guests"`
}

// A Device is this machine's Ethernet port into a segment.
type Device struct {
	Name      string       `json:"name"`
	Kind      string       `json:"kind"`  // "tap", "tun", "userspace" or "none"
	State     string       `json:"state"` // "up", or "down": gone or set down, and being made again
	MTU       int          `json:"mtu"`   // bytes of IP packet
	MAC       ether.MAC    `json:"mac"`
	Bridge    string       `json:"bridge"`    // "" when it is in none
	Addresses List[string] `json:"addresses"` // "10.42.0.11/24"
}

// A VTEP is a plain RFC 7348 endpoint, or the multicast group that stands for several.
type VTEP struct {
	Remote string    `json:"remote"` // address, with :port when not the default
	Kind   VTEPKind  `json:"kind"`
	State  VTEPState `json:"state"`
	Reason string    `json:"reason"` // a sentence when State is not "ok", else ""
	MTU    int       `json:"mtu"`    // bytes of inner IP packet the path carries; 0 when not known
}

// A VTEPKind says how a VTEP came into the segment.
type VTEPKind string

// The kinds of VTEP.
const (
	VTEPRemote  VTEPKind = "remote"  // named in the config
	VTEPGroup   VTEPKind = "group"   // the multicast group of the segment
	VTEPPinned  VTEPKind = "pinned"  // not named in the config, but an address is pinned to it
	VTEPLearned VTEPKind = "learned" // an unlisted source, where learn_new_vteps allows it
)

// A VTEPState says whether frames are sent to a VTEP.
type VTEPState string

// The states of a VTEP.
const (
	VTEPOK          VTEPState = "ok"
	VTEPUnreachable VTEPState = "unreachable" // the underlay answered that it is not there
	VTEPLoop        VTEPState = "loop"        // routed into the segment's own device
	VTEPNoRoute     VTEPState = "no_route"
)

// A Warning is something that works less well than it could, and what to do about it.
type Warning struct {
	Code    string `json:"code"`    // snake_case, stable
	Message string `json:"message"` // a sentence
	Fix     string `json:"fix"`     // a command or a sentence; "" when there is none
}
