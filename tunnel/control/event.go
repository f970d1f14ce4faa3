package control

import "time"

// SchemaEvents is what the first [Event] of a stream says in its schema field.
const SchemaEvents = "vxmesh.events/1"

// An EventType says what an [Event] tells and which of its fields are set.
type EventType string

// The types, with the fields that go with them.
const (
	EventSnapshot    EventType = "snapshot"     // Status, FDB, Stats, or what goes with the topics
	EventFDBLearned  EventType = "fdb_learned"  // VNI, Entry
	EventFDBMoved    EventType = "fdb_moved"    // VNI, Entry (as it is now), From if known
	EventFDBAged     EventType = "fdb_aged"     // VNI, Count
	EventFDBFlushed  EventType = "fdb_flushed"  // VNI (0 = all), Count
	EventFDBAdded    EventType = "fdb_added"    // VNI, Entry
	EventFDBDeleted  EventType = "fdb_deleted"  // VNI, Entry
	EventFDBLimit    EventType = "fdb_limit"    // VNI, Count since the last one, Reason
	EventVTEPAdded   EventType = "vtep_added"   // VNI, VTEP
	EventVTEPState   EventType = "vtep_state"   // VNI, VTEP
	EventPeerState   EventType = "peer_state"   // Peer, Reason of the change if there is one
	EventPeerMTU     EventType = "peer_mtu"     // Peer, whose path carries more or less than before
	EventDeviceState EventType = "device_state" // VNI, Device, Reason if it is down
	EventReload      EventType = "reload"       // Reload, or Reason when the file was refused
	EventWarning     EventType = "warning"      // Warning
	EventStats       EventType = "stats"        // Stats; by the clock, made by the server
	EventMember      EventType = "member"       // Name, Reason: "joined", "removed", "left" or "renamed"
	EventStatus      EventType = "status"       // Status, when it is another; with topic state
	EventPeers       EventType = "peers"        // Peers, by the clock; with topic peers
	EventLog         EventType = "log"          // Record; with topic log
)

// An Event is one line of GET /v1/events. Time and Type are always set, of the rest what Type says.
type Event struct {
	Schema  string        `json:"schema,omitempty"` // first line only
	Time    time.Time     `json:"time"`
	Type    EventType     `json:"type"`
	VNI     uint32        `json:"vni,omitempty"`
	Entry   *FDBEntry     `json:"entry,omitempty"`
	From    *FDBPort      `json:"from,omitempty"`
	Count   uint64        `json:"count,omitempty"`
	Reason  string        `json:"reason,omitempty"`
	Name    string        `json:"name,omitempty"`
	VTEP    *VTEP         `json:"vtep,omitempty"`
	Peer    *Peer         `json:"peer,omitempty"`
	Device  *Device       `json:"device,omitempty"`
	Reload  *ReloadResult `json:"reload,omitempty"`
	Warning *Warning      `json:"warning,omitempty"`
	Status  *Status       `json:"status,omitempty"`
	FDB     *FDB          `json:"fdb,omitempty"`
	Stats   *Stats        `json:"stats,omitempty"`
	Peers   *Peers        `json:"peers,omitempty"`
	History *History      `json:"history,omitempty"`
	Record  *LogRecord    `json:"record,omitempty"`

	Log List[LogRecord] `json:"log,omitzero"`
}
