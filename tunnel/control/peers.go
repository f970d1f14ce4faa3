package control

import "time"

// SchemaPeers is what [Peers] says in its schema field.
const SchemaPeers = "vxmesh.peers/1"

// Peers is the answer to GET /v1/peers.
type Peers struct {
	Schema string     `json:"schema"`
	Peers  List[Peer] `json:"peers"`
}

// A PeerState says how frames reach a peer.
type PeerState string

// The states of a peer.
const (
	PeerDirect   PeerState = "direct"
	PeerRelayed  PeerState = "relayed"
	PeerPunching PeerState = "punching"
	PeerDown     PeerState = "down"
)

// Relayed reports whether another node passes on what is for the peer.
func (s PeerState) Relayed() bool { return s == PeerRelayed || s == PeerPunching }

// A Peer is another machine of the network.
type Peer struct {
	Name                string    `json:"name"`
	ID                  string    `json:"id"` // hexadecimal; "" until it has proven its key
	State               PeerState `json:"state"`
	Reason              string    `json:"reason"` // snake_case; why the state is not better
	Since               time.Time `json:"since"`
	Path                *Path     `json:"path"` // null while there is none
	Cipher              string    `json:"cipher"`
	HandshakeAgeSeconds float64   `json:"handshake_age_seconds"`
	LastSeen            time.Time `json:"last_seen,omitzero"` // absent before the first datagram
	RxBytes             uint64    `json:"rx_bytes"`
	TxBytes             uint64    `json:"tx_bytes"`
	RxFrames            uint64    `json:"rx_frames"`
	TxFrames            uint64    `json:"tx_frames"`
	Drops               Counts    `json:"drops"`
}

// Reachable reports whether frames get to the peer.
func (p Peer) Reachable() bool { return p.State == PeerDirect || p.State.Relayed() }

// A Path is the way to a peer that is in use.
type Path struct {
	Kind       string  `json:"kind"`   // "udp4", "udp6" or "relay"
	Remote     string  `json:"remote"` // address:port
	Via        string  `json:"via"`    // the relay's name, or ""
	RTTSeconds float64 `json:"rtt_seconds"`
	LossRatio  float64 `json:"loss_ratio"` // 0 to 1
	MTU        int     `json:"mtu"`        // bytes of outer IP packet that come through
}
