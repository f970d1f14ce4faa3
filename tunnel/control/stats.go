package control

// SchemaStats is what [Stats] says in its schema field.
const SchemaStats = "vxmesh.stats/1"

// Stats is the answer to GET /v1/stats. All numbers count from the node's start and never go back,
// except the gauges that say so.
type Stats struct {
	Schema   string             `json:"schema"`
	Segments List[SegmentStats] `json:"segments"`
	VTEPs    List[VTEPStats]    `json:"vteps"`
	Guests   List[GuestStats]   `json:"guests"`
	Peers    List[PeerStats]    `json:"peers"`
	Sockets  List[SocketStats]  `json:"sockets"`
	Proxies  List[ProxyStats]   `json:"proxies"`
	Node     NodeStats          `json:"node"`
}

// NodeStats is what the process takes.
type NodeStats struct {
	CPUSeconds  float64 `json:"cpu_seconds"`  // of all its threads, user and system; 0 when not known
	MemoryBytes uint64  `json:"memory_bytes"` // a gauge: held by the Go runtime, less what it gave back
	Goroutines  int     `json:"goroutines"`   // a gauge
}

// SegmentStats counts the frames of one segment. Rx is what came in from VTEPs and peers, Tx is
// what went out to them, once per copy; bytes are those of the inner frame.
type SegmentStats struct {
	VNI           uint32   `json:"vni"`
	RxFrames      uint64   `json:"rx_frames"`
	TxFrames      uint64   `json:"tx_frames"`
	RxBytes       uint64   `json:"rx_bytes"`
	TxBytes       uint64   `json:"tx_bytes"`
	FloodedFrames uint64   `json:"flooded_frames"` // frames that went to every port, once per frame
	Drops         Counts   `json:"drops"`
	FDB           FDBStats `json:"fdb"`
	ICMPTooBig    uint64   `json:"icmp_too_big"` // answers to hosts whose packets do not fit the path
}

// FDBStats counts what happened to a segment's FDB.
type FDBStats struct {
	Entries   uint64 `json:"entries"` // a gauge: entries now, of every kind
	Learned   uint64 `json:"learned"`
	Moved     uint64 `json:"moved"`
	Aged      uint64 `json:"aged"`
	TableFull uint64 `json:"table_full"` // addresses not learned because of max_entries
	PortFull  uint64 `json:"port_full"`  // addresses not learned because of max_per_port
}

// VTEPStats counts the frames from and to one VTEP of one segment.
type VTEPStats struct {
	VNI      uint32 `json:"vni"`
	Remote   string `json:"remote"` // as in [VTEP]
	RxFrames uint64 `json:"rx_frames"`
	TxFrames uint64 `json:"tx_frames"`
	RxBytes  uint64 `json:"rx_bytes"`
	TxBytes  uint64 `json:"tx_bytes"`
	Drops    Counts `json:"drops"`
}

// GuestStats counts the frames from (rx) and to one guest of one segment.
type GuestStats struct {
	VNI      uint32 `json:"vni"`
	Name     string `json:"name"`
	RxFrames uint64 `json:"rx_frames"`
	TxFrames uint64 `json:"tx_frames"`
	RxBytes  uint64 `json:"rx_bytes"`
	TxBytes  uint64 `json:"tx_bytes"`
	Drops    Counts `json:"drops"`
}

// PeerStats counts what came from and went to one peer in all segments. Frames are those of hosts,
// bytes those of the frames; a frame larger than a datagram takes several.
type PeerStats struct {
	Name        string `json:"name"`
	RxFrames    uint64 `json:"rx_frames"`
	TxFrames    uint64 `json:"tx_frames"`
	RxBytes     uint64 `json:"rx_bytes"`
	TxBytes     uint64 `json:"tx_bytes"`
	RxDatagrams uint64 `json:"rx_datagrams"` // of data and control, authentic ones alone
	TxDatagrams uint64 `json:"tx_datagrams"`
	Handshakes  uint64 `json:"handshakes"` // that came to an agreement
	Drops       Counts `json:"drops"`
}

// SocketStats counts the datagrams of one socket; its drops are those that belong to no segment.
type SocketStats struct {
	Listen      string `json:"listen"` // "udp [::]:4789"
	RxDatagrams uint64 `json:"rx_datagrams"`
	TxDatagrams uint64 `json:"tx_datagrams"`
	RxBytes     uint64 `json:"rx_bytes"`
	TxBytes     uint64 `json:"tx_bytes"`
	RxDrops     uint64 `json:"rx_drops"` // by the kernel, because the receive buffer was full
	Drops       Counts `json:"drops"`
}

// ProxyStats counts what a device in userspace offers: one line of [segments.userspace]. Connections
// are UDP conversations where it is UDP.
type ProxyStats struct {
	VNI      uint32 `json:"vni"`
	Kind     string `json:"kind"`     // "socks", "forward" or "publish"
	Protocol string `json:"protocol"` // "tcp" or "udp"
	Listen   string `json:"listen"`   // host:port here; of a publish ":22", a port of the device
	To       string `json:"to"`       // host:port; "" of socks
	Open     int    `json:"open"`     // a gauge: connections now
	Total    uint64 `json:"total"`    // connections so far
	Refused  uint64 `json:"refused"`  // for being too many
	Failed   uint64 `json:"failed"`   // whose other end was not reached
	RxBytes  uint64 `json:"rx_bytes"` // from the segment
	TxBytes  uint64 `json:"tx_bytes"` // into the segment
}
