// Package controltest is a node made of fixed answers behind a real control socket, for tests of
// the API's clients.
//
// A [Node] may be used by any number of goroutines.
package controltest

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/vxmesh/vxmesh/tundev/ether"
	"github.com/vxmesh/vxmesh/tunnel/control"
)

// Start is the time from which the node's answers count.
var Start = time.Date(2026, 11, 22, 8, 0, 0, 0, time.UTC)

// A Node answers with the values of [Status], [FDB] and [Stats], remembers what it was asked to
// change, and refuses changes with the error of [Node.Refuse]. Make one with [New].
type Node struct {
	Events *control.Hub
	Log    *control.LogBuffer

	mu       sync.Mutex
	status   control.Status
	refusal  error
	requests []any
	reloads  control.ReloadResult
	members  control.Members
	netcheck control.Netcheck
	invited  control.Invitations
}

// New gives a node of network "home" that is up.
func New() *Node {
	return &Node{
		Events: &control.Hub{}, Log: control.NewLogBuffer(slog.LevelDebug), status: Status(),
		members: Members(), netcheck: Netcheck(), invited: Invitations(),
		reloads: control.ReloadResult{Network: "home"},
	}
}

// Refuse makes every change from now on end with err; nil lets them succeed again.
func (n *Node) Refuse(err error) { n.locked(func() { n.refusal = err }) }

// SetStatus changes what the node says of itself.
func (n *Node) SetStatus(s control.Status) { n.locked(func() { n.status = s }) }

// SetChanges sets what a reload says it did.
func (n *Node) SetChanges(c ...control.Change) { n.locked(func() { n.reloads.Changes = c }) }

// SetMembers changes who belongs to the network.
func (n *Node) SetMembers(m control.Members) { n.locked(func() { n.members = m }) }

// Requests gives the changes asked for so far, in order.
func (n *Node) Requests() (r []any) {
	n.locked(func() { r = append(r, n.requests...) })
	return r
}

// Backend is what a server of this node needs.
func (n *Node) Backend() control.Backend {
	return control.Backend{
		Status: func() (s control.Status) {
			n.locked(func() { s = n.status })
			return s
		},
		Peers: func() (p control.Peers) {
			n.locked(func() { p.Peers = n.status.Peers })
			return p
		},
		Ping: n.ping,
		Why:  n.why,
		Netcheck: func(context.Context) (c control.Netcheck, err error) {
			n.locked(func() { c, err = n.netcheck, n.refusal })
			return c, err
		},
		PingPaths: n.pingPaths, PingOverlay: n.pingOverlay, DialOverlay: n.dialOverlay,
		Members: func() (m control.Members) {
			n.locked(func() { m = n.members })
			return m
		},
		Publish: func(r control.Publish) error {
			_, err := n.change(r, 0, 0)
			return err
		},
		PausePeer:     n.changePeer("pause", control.PeerDown, "paused"),
		ResumePeer:    n.changePeer("resume", control.PeerDown, "no_answer"),
		ReconnectPeer: n.changePeer("reconnect", "", ""),
		Invitations: func() (l control.Invitations, err error) {
			n.locked(func() { l, err = n.invited, n.refusal })
			return l, err
		},
		Invite: n.invite, RevokeInvitation: n.revoke, RemoveMember: n.remove, RenameMember: n.rename,
		FDB:      FDB,
		Stats:    Stats,
		AddFDB:   func(r control.FDBAdd) (control.FDBResult, error) { return n.change(r, 1, 0) },
		DelFDB:   func(r control.FDBDel) (control.FDBResult, error) { return n.change(r, 0, 1) },
		FlushFDB: func(r control.FDBFlush) (control.FDBResult, error) { return n.change(r, 0, 3) },
		Reload: func(context.Context) (r control.ReloadResult, err error) {
			n.locked(func() { r, err = n.reloads, n.refusal })
			return r, err
		},
		Capture: n.capture,
		Stacks:  func() []byte { return []byte("goroutine 1 [running]:\n") },
		Packets: func(text bool) []byte {
			if text {
				return []byte("12:00:00.000000 inner   > a packet\n")
			}
			return []byte("pcapng")
		},
		Panicked: func(v any) string { return fmt.Sprintf("crash report of %v: a.tar.gz", v) },
		Events:   n.Events,
		Log:      n.Log,
	}
}

// Serve answers on a socket named like the network in a new directory until the test ends, and
// gives the socket's path.
func (n *Node) Serve(t testing.TB) string {
	t.Helper()
	return n.ServeAt(t, filepath.Join(t.TempDir(), n.Backend().Status().Network+".sock"))
}

// ServeAt is [Node.Serve] on a socket of the test's choosing.
func (n *Node) ServeAt(t testing.TB, path string) string {
	t.Helper()
	l, err := control.Listen(path, "")
	if err != nil {
		t.Fatal(err)
	}
	Run(t, l, n.Backend(), control.Serve)
	return path
}

// Run runs serve on l until the test ends and fails the test when it ends with an error. The
// function it gives ends it before.
func Run(
	t testing.TB, l net.Listener, b control.Backend,
	serve func(context.Context, net.Listener, control.Backend) error,
) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- serve(ctx, l, b) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("serve: %v", err)
		}
	})
	t.Cleanup(stop)
	return stop
}

func (n *Node) locked(do func()) {
	n.mu.Lock()
	defer n.mu.Unlock()
	do()
}

func (n *Node) change(req any, added, removed int) (res control.FDBResult, err error) {
	n.locked(func() {
		n.requests = append(n.requests, req)
		err = n.refusal
	})
	if err != nil {
		return res, err
	}
	return control.FDBResult{VNI: 4242, Added: added, Removed: removed}, nil
}

// capture writes what it was asked for instead of pcapng, and waits for the client to leave.
func (n *Node) capture(ctx context.Context, w io.Writer, o control.CaptureOptions) error {
	var err error
	n.locked(func() { err = n.refusal })
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintf(w, "capture of %d, %d bytes", o.VNI, o.SnapLen); err != nil {
		return err
	}
	<-ctx.Done()
	return nil
}

// MAC is the address 52:54:00:1a:22:NN.
func MAC(last byte) ether.MAC { return ether.MAC{0x52, 0x54, 0x00, 0x1a, 0x22, last} }

// Status is a node with one segment, two VTEPs, one of them unreachable, a guest, and the peers of [Peers].
func Status() control.Status {
	return control.Status{
		Network: "home", State: control.StateDegraded, Version: "v0.1.0", PID: 4711,
		Node:          control.Node{Name: "pve1", ID: "7f3ac91408be51d2"},
		Listen:        []string{"udp [::]:4789"},
		UptimeSeconds: 273600.5,
		Config: control.ConfigStatus{
			File: "/etc/vxmesh/home.toml", LoadedAt: Start, ReloadSuccessful: true,
		},
		Segments: []control.SegmentStatus{{
			VNI: 4242, State: control.StateDegraded, FDBEntries: 4,
			Device: control.Device{
				Name: "vxm0", Kind: "tap", State: "up", MTU: 1450, MAC: MAC(0x0a),
				Bridge: "br0", Addresses: []string{"10.42.0.11/24"},
			},
			VTEPs: []control.VTEP{
				{Remote: "192.0.2.7", Kind: control.VTEPRemote, State: control.VTEPOK, MTU: 1450},
				{
					Remote: "[2001:db8::7]:8472", Kind: control.VTEPRemote,
					State: control.VTEPUnreachable, Reason: "port unreachable",
				},
			},
			Guests: []control.Guest{{
				Name: "curl", MAC: MAC(0x0b), JoinedAt: Start,
				Addresses: []string{"10.42.0.77/24"},
			}},
		}},
		Peers: Peers(),
		Warnings: []control.Warning{{
			Code: "vtep_unreachable", Message: "nobody listens at [2001:db8::7]:8472",
			Fix: "start the VTEP there or remove it from remotes",
		}},
	}
}

// FDB is entries of each kind and behind each kind of port, all of VNI 4242.
func FDB(f control.FDBFilter) control.FDB {
	if f.VNI != 0 && f.VNI != 4242 {
		return control.FDB{}
	}
	device := control.FDBPort{Kind: control.PortDevice, Name: "vxm0"}
	vtep := control.FDBPort{Kind: control.PortVTEP, Name: "192.0.2.7"}
	peer := control.FDBPort{Kind: control.PortPeer, Name: "nas"}
	return control.FDB{Entries: []control.FDBEntry{
		{VNI: 4242, MAC: MAC(0x0a), Port: device, Kind: control.EntryLocal},
		{
			VNI: 4242, VLAN: 20, MAC: MAC(0x01), Port: vtep, Kind: control.EntryLearned,
			AgeSeconds: 12.5, Moves: 2,
		},
		{VNI: 4242, MAC: MAC(0x02), Port: vtep, Kind: control.EntryStatic},
		{VNI: 4242, MAC: MAC(0x03), Port: peer, Kind: control.EntryLearned, AgeSeconds: 3},
	}}
}

// Stats is one segment, one VTEP, a guest, the peers of [Peers], one socket and one proxy.
func Stats() control.Stats {
	return control.Stats{
		Segments: []control.SegmentStats{{
			VNI: 4242, RxFrames: 1000, TxFrames: 2000, RxBytes: 1500000, TxBytes: 3000000,
			FloodedFrames: 12, Drops: control.Counts{"own_mac": 1, "too_big": 4}, ICMPTooBig: 4,
			FDB: control.FDBStats{Entries: 4, Learned: 5, Moved: 2, Aged: 4, PortFull: 6},
		}},
		VTEPs: []control.VTEPStats{{
			VNI: 4242, Remote: "192.0.2.7",
			RxFrames: 1000, TxFrames: 2000, RxBytes: 1500000, TxBytes: 3000000,
		}},
		Guests: []control.GuestStats{{
			VNI: 4242, Name: "curl", RxFrames: 20, TxFrames: 30, RxBytes: 2000, TxBytes: 30000,
		}},
		Peers: PeerStats(),
		Sockets: []control.SocketStats{{
			Listen: "udp [::]:4789", RxDatagrams: 1010, TxDatagrams: 2000,
			RxBytes: 1600000, TxBytes: 3100000, RxDrops: 3,
			Drops: control.Counts{"vni_unknown": 9},
		}},
		Proxies: []control.ProxyStats{{
			VNI: 4242, Kind: "forward", Protocol: "tcp", Listen: "127.0.0.1:8080", To: "nas:80",
			Open: 2, Total: 40, Refused: 1, Failed: 3, RxBytes: 900000, TxBytes: 5000,
		}},
		Node: control.NodeStats{CPUSeconds: 12.5, MemoryBytes: 18 << 20, Goroutines: 23},
	}
}
