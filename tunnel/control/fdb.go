package control

import "github.com/vxmesh/vxmesh/tundev/ether"

// The schema fields of [FDB] and [FDBResult].
const (
	SchemaFDB       = "vxmesh.fdb/1"
	SchemaFDBResult = "vxmesh.fdb_result/1"
)

// FDB is the answer to GET /v1/fdb: the forwarding databases of all segments asked for.
type FDB struct {
	Schema  string         `json:"schema"`
	Entries List[FDBEntry] `json:"entries"`
}

// An FDBEntry says behind which port of a segment an address is.
type FDBEntry struct {
	VNI        uint32    `json:"vni"`
	VLAN       uint16    `json:"vlan"` // 0 when untagged
	MAC        ether.MAC `json:"mac"`
	Port       FDBPort   `json:"port"`
	Kind       EntryKind `json:"kind"`
	AgeSeconds float64   `json:"age_seconds"` // since the last frame from it
	Moves      uint64    `json:"moves"`       // from one port to another
}

// An FDBPort is a port of a segment.
type FDBPort struct {
	Kind PortKind `json:"kind"`
	Name string   `json:"name"` // of the device, peer or guest; a VTEP's address, :port when not the default
}

// A PortKind says what is behind a port.
type PortKind string

// The kinds of port.
const (
	PortDevice PortKind = "device"
	PortPeer   PortKind = "peer"
	PortVTEP   PortKind = "vtep"
	PortGuest  PortKind = "guest"
)

// An EntryKind says how an entry came into the table.
type EntryKind string

// The kinds of entry. Only learned ones age and are flushed.
const (
	EntryLocal   EntryKind = "local" // the device's own address
	EntryLearned EntryKind = "learned"
	EntryStatic  EntryKind = "static"
)

// An FDBFilter selects entries; the zero value selects all.
type FDBFilter struct {
	VNI uint32 // 0 = every segment
}

// FDBAdd is the body of POST /v1/fdb/add: a static entry, kept until the node stops. It replaces a
// learned entry of the same address; a static one on another port is a conflict.
type FDBAdd struct {
	VNI  uint32    `json:"vni"` // 0 = the only segment
	VLAN uint16    `json:"vlan"`
	MAC  ether.MAC `json:"mac"`
	Port string    `json:"port"` // "device", a peer's name, or a VTEP's address[:port]
}

// FDBDel is the body of POST /v1/fdb/del: one entry, static or learned.
type FDBDel struct {
	VNI  uint32    `json:"vni"` // 0 = the only segment
	VLAN uint16    `json:"vlan"`
	MAC  ether.MAC `json:"mac"`
	Port string    `json:"port"` // "" = whichever port it is on
}

// FDBFlush is the body of POST /v1/fdb/flush. It removes the learned entries for which all the
// given fields hold; at least one of Port, VLAN, MAC and All has to be given.
type FDBFlush struct {
	VNI  uint32     `json:"vni"`  // 0 = every segment
	VLAN *uint16    `json:"vlan"` // nil = any; 0 = untagged
	MAC  *ether.MAC `json:"mac"`  // nil = any
	Port string     `json:"port"` // "" = any
	All  bool       `json:"all"`  // every learned entry; alone or with VNI
}

// FDBResult is the answer to a change of the FDB.
type FDBResult struct {
	Schema  string `json:"schema"`
	VNI     uint32 `json:"vni"`     // where it happened; 0 = in every segment
	Added   int    `json:"added"`   // entries
	Removed int    `json:"removed"` // entries
}
