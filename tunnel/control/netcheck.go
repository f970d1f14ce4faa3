package control

import (
	"context"
	"net/http"
	"time"
)

// SchemaNetcheck is what [Netcheck] says in its schema field.
const SchemaNetcheck = "vxmesh.netcheck/1"

// Netcheck is the answer to GET /v1/netcheck: how this machine is connected to the others, as a test
// has just found out, and what the node knows of it. It takes up to 3 seconds.
type Netcheck struct {
	Schema  string `json:"schema"`
	Network string `json:"network"`
	Node    bool   `json:"node"` // whether a node runs; without one only the test's part is filled

	UDP         Finding     `json:"udp"` // whether datagrams get out, and answers back in
	IPv4        NetFamily   `json:"ipv4"`
	IPv6        NetFamily   `json:"ipv6"`
	Interface   string      `json:"interface"` // that the default route leaves by, "" when there is none
	PortMapping PortMapping `json:"port_mapping"`

	LAN        List[LANPeer]   `json:"lan"`        // peers on networks of this machine
	Reflectors List[Reflector] `json:"reflectors"` // who says where this machine is
	STUN       STUNUse         `json:"stun"`       // whether the config's servers were asked as well
	Relaying   bool            `json:"relaying"`   // this node passes on what others send each other
	Relays     List[Relay]     `json:"relays"`     // peers that do, the nearest first
	Peers      List[NetPeer]   `json:"peers"`
	LeftOut    List[string]    `json:"left_out"` // what could not be found out, in sentences
}

// A Finding is what became of a test.
type Finding string

// The findings.
const (
	Yes     Finding = "yes"
	No      Finding = "no"
	Unknown Finding = "unknown" // it could not be tested
)

// A NetFamily is how this machine is connected by one family of addresses.
type NetFamily struct {
	Addresses List[string] `json:"addresses"` // of its interfaces
	UDP       Finding      `json:"udp"`
	Reason    string       `json:"reason"`  // why nothing could be sent, else ""
	Outside   List[string] `json:"outside"` // where others see it, with the port as far as that is the node's
	Mapping   NetMapping   `json:"mapping"`
	PortKept  bool         `json:"port_kept"` // the NAT leaves the port as it is
	Step      int          `json:"step"`      // from one destination's port to the next one's; 0 when it does not count
	Strangers NetFiltering `json:"strangers"`
	Class     NetClass     `json:"class"`
}

// A NetMapping says what the way out does to the source of datagrams.
type NetMapping string

// The mappings.
const (
	MappingUnknown     NetMapping = "unknown"
	MappingNone        NetMapping = "none"        // no NAT
	MappingIndependent NetMapping = "independent" // one address and port, whoever is sent to
	MappingVaries      NetMapping = "varies"      // another for each destination
)

// A NetFiltering says which datagrams come in from those that nothing was sent to.
type NetFiltering string

// The filterings.
const (
	FilteringUnknown NetFiltering = "unknown"
	FilteringOpen    NetFiltering = "open"    // everybody's
	FilteringAddress NetFiltering = "address" // those of addresses that something was sent to, from any port
	FilteringBlocked NetFiltering = "blocked" // nobody's
)

// A NetClass says with whom a machine gets a direct way.
type NetClass string

// The classes.
const (
	ClassUnknown NetClass = "unknown"
	ClassOpen    NetClass = "open" // with everybody
	ClassEasy    NetClass = "easy" // with all but those whose NAT gives ports at random
	ClassHard    NetClass = "hard" // only with those whom strangers reach
)

// PortMapping is what the router does about ports.
type PortMapping struct {
	Tested   bool      `json:"tested"`
	PCP      bool      `json:"pcp"`
	NATPMP   bool      `json:"nat_pmp"`
	UPnP     bool      `json:"upnp"`
	External string    `json:"external"`         // the router's outer address, "" when it does not say
	Protocol string    `json:"protocol"`         // by which the node got its port; "" when it has none
	Mapped   string    `json:"mapped"`           // address:port that leads to the node
	Until    time.Time `json:"until,omitzero"`   // absent for a port that stays open
	Verified bool      `json:"inbound_verified"` // somebody got in that nothing had been sent to
}

// A LANPeer is a peer on a network of this machine.
type LANPeer struct {
	Name    string `json:"name"`
	Address string `json:"address"`
}

// A Reflector told where it sees this machine.
type Reflector struct {
	Name       string  `json:"name"`    // of the peer, or the server's address
	Address    string  `json:"address"` // that was asked
	Sees       string  `json:"sees"`    // address:port
	Peer       bool    `json:"peer"`
	RTTSeconds float64 `json:"rtt_seconds"`
}

// A STUNUse says whether the config's STUN servers were asked.
type STUNUse string

// The uses.
const (
	STUNOff       STUNUse = "off" // the config names none
	STUNNotNeeded STUNUse = "not_needed"
	STUNAsked     STUNUse = "asked"
)

// A Relay is a peer that passes on what others send each other.
type Relay struct {
	Name       string  `json:"name"`
	RTTSeconds float64 `json:"rtt_seconds"`
	Users      int     `json:"users"` // how many peers this node reaches through it
}

// A NetPeer is how a peer is reached, and why not directly.
type NetPeer struct {
	Name       string    `json:"name"`
	State      PeerState `json:"state"`
	Via        string    `json:"via"` // the relay, or ""
	RTTSeconds float64   `json:"rtt_seconds"`
	Because    string    `json:"because"` // the end of a sentence; "" when it is reached directly
	Fix        string    `json:"fix"`     // what would make the way direct, the end of a sentence, or ""
}

// Netcheck has the node test how it is connected.
func (c Client) Netcheck(ctx context.Context) (Netcheck, error) {
	return call[Netcheck](ctx, c, http.MethodGet, "/v1/netcheck", nil)
}

func (s *server) netcheck(w http.ResponseWriter, r *http.Request) {
	n, err := s.b.Netcheck(r.Context())
	if err != nil {
		writeError(w, err)
		return
	}
	n.Schema = SchemaNetcheck
	writeJSON(w, n)
}
