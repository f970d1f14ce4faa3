package demo

import (
	"context"
	"log/slog"
	"runtime/debug"
	"sync"
	"time"

	"github.com/vxmesh/vxmesh/tundev/ether"
	"github.com/vxmesh/vxmesh/tunnel/control"
)

const (
	second  = time.Second
	network = "home"
	self    = "pve1"
	vni     = 4242
	device  = "vxm0"
	file    = "/etc/vxmesh/home.toml"
	version = "v0.1.0"
	port    = "42420"

	// uptime is for how long the node has been running when the simulation starts.
	uptime = 3*24*time.Hour + 4*time.Hour + 11*time.Minute
	// past is how many steps have been taken before: as far as a node's memory goes back.
	past = 3600
)

var (
	ownMAC     = ether.MAC{0xfe, 0x1c, 0x9a, 0x40, 0x5d, 0x22}
	ownAddress = "10.42.0.11/24"
	// ownEndpoints are where this node may be reached, in the order of their bytes.
	ownEndpoints = []string{"192.168.1.10:" + port, "[2001:db8:1::5]:" + port}
)

// A Network is a simulated one, as one of its nodes sees it. Make one with [New]. All methods may be called
// concurrently.
type Network struct {
	seed     uint64
	clock    func() time.Time
	start    time.Time
	events   control.Hub
	log      *control.LogBuffer
	recorder *control.Recorder

	mu      sync.Mutex
	step    int       // the number of the last one; negative in the past
	at      time.Time // when it was taken
	peers   []*peer
	hosts   []*host
	entries []*entry // by VLAN and MAC
	total   traffic  // of all peers, those that were removed too
	extra   extras

	invitations []*invitation
	secret      uint64 // the number of the network's
	loaded      time.Time
	asked       int // how many pings and tests have been asked for
}

// New makes the network of a seed. It has a past of an hour, and stands still until [Network.Step].
func New(seed uint64, now func() time.Time) *Network {
	n := newNetwork(seed, now)
	n.home()
	n.live(past)
	return n
}

func newNetwork(seed uint64, now func() time.Time) *Network {
	n := &Network{
		seed: seed, clock: now, start: now(), log: control.NewLogBuffer(slog.LevelDebug), secret: 1,
	}
	n.loaded = n.start.Add(-uptime)
	n.extra = extras{drops: control.Counts{}, socket: control.Counts{}, cpu: 0.011 * uptime.Seconds()}
	n.recorder = control.NewRecorder(n.totals, n.measured)
	n.putEntry(&entry{mac: ownMAC, kind: control.EntryLocal})
	return n
}

// live takes the steps of the past.
func (n *Network) live(steps int) {
	n.step, n.at = -steps, n.loaded
	n.note(slog.LevelInfo, "up", "network", network, "control", "/run/vxmesh/home.sock")
	for ; n.step < 0; n.advance() {
		n.at = n.start.Add(time.Duration(n.step) * second)
	}
	n.at = n.start
	n.recorder.Record(n.at)
}

// Step lets a second pass.
func (n *Network) Step() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.step++
	n.at = n.clock()
	n.advanceTo()
}

// advance is one step of the past.
func (n *Network) advance() {
	n.advanceTo()
	n.step++
}

// advanceTo does what happens in this step. The caller holds mu.
func (n *Network) advanceTo() {
	n.admit()
	for _, p := range n.peers {
		n.follow(p)
	}
	for _, h := range n.hosts {
		n.talk(h)
	}
	n.age()
	n.carry()
	n.remark()
	n.recorder.Record(n.at)
}

// wall is the time. The caller holds mu.
func (n *Network) wall() time.Time {
	if n.step < 0 {
		return n.at
	}
	return n.clock()
}

// since is how much of the second after the last step has passed: 0 to 1. The caller holds mu.
func (n *Network) since() float64 {
	return min(max(n.wall().Sub(n.at).Seconds(), 0), 1)
}

// tell publishes an event. The caller holds mu, so that events are in order.
func (n *Network) tell(e control.Event) {
	e.Time = n.wall()
	n.events.Publish(e)
}

// note writes a record to the log, as [slog.Logger.Log] does.
func (n *Network) note(level slog.Level, msg string, attrs ...any) {
	r := slog.NewRecord(n.wall(), level, msg, 0)
	r.Add(attrs...)
	_ = n.log.Handle(context.Background(), r) // it never fails
}

// locked runs do while nothing changes.
func (n *Network) locked(do func()) {
	n.mu.Lock()
	defer n.mu.Unlock()
	do()
}

// Backend is what a server of the network's node needs.
func (n *Network) Backend() control.Backend {
	return control.Backend{
		Status: n.status, Peers: n.listPeers, FDB: n.fdb, Stats: n.stats, History: n.recorder.History,
		Ping: n.ping, PingPaths: n.pingPaths, Why: n.why, Netcheck: n.netcheck,
		PingOverlay: n.pingOverlay, DialOverlay: n.dialOverlay,
		Members: n.members, Publish: n.publish,
		PausePeer: n.pausePeer, ResumePeer: n.resumePeer, ReconnectPeer: n.reconnectPeer,
		Invitations: n.listInvitations, Invite: n.invite, RevokeInvitation: n.revokeInvitation,
		RemoveMember: n.removeMember, RenameMember: n.renameMember,
		AddFDB: n.addFDB, DelFDB: n.delFDB, FlushFDB: n.flushFDB,
		Reload: n.reload, Capture: n.capture,
		Stacks: debug.Stack, Packets: func(bool) []byte { return nil }, Panicked: panicked,
		Events: &n.events, Log: n.log,
	}
}
