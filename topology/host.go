package topology

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"runtime/debug"
	"time"

	"github.com/vxmesh/vxmesh/tundev"
	"github.com/vxmesh/vxmesh/tunnel"
	"github.com/vxmesh/vxmesh/tunnel/capture"
	"github.com/vxmesh/vxmesh/tunnel/control"
	"github.com/vxmesh/vxmesh/tunnel/simnet"
)

// A Host is a machine of a [World]: its node, and what it has in segments.
type Host struct {
	Name string
	Node *tunnel.Node

	// Constant.
	w      *World
	plan   *Node
	net    *simnet.Host
	logs   *control.LogBuffer
	log    *slog.Logger
	events control.Hub

	devices []*device // since New
}

// Log is the node's log, for those who have something to say beside it.
func (h *Host) Log() *slog.Logger { return h.log }

// Addresses are those of the host's devices.
func (h *Host) Addresses() (all []netip.Prefix) {
	for _, d := range h.plan.Devices {
		all = append(all, d.Addresses...)
	}
	return all
}

// Underlay are the addresses that the machine itself has.
func (h *Host) Underlay() []netip.Addr { return h.net.Addrs() }

// AddressOf is an address that the other host has in a segment that this one is in as well.
func (h *Host) AddressOf(other *Host) (netip.Addr, error) {
	for _, d := range other.plan.Devices {
		if h.plan.in(d.VNI) {
			return d.Addresses[0].Addr(), nil
		}
	}
	return netip.Addr{}, control.Errorf(control.CodeNotFound, "%s and %s are in no segment together", h.Name, other.Name)
}

// Ping sends one ICMP echo of size bytes payload through the segment whose network has the address, and
// waits for the answer until ctx ends.
func (h *Host) Ping(ctx context.Context, to netip.Addr, size int) (time.Duration, error) {
	d, err := h.deviceFor(to)
	if err != nil {
		return 0, err
	}
	return d.Ping(ctx, to, size)
}

// open makes a device of the host.
func (h *Host) open(o tundev.Options) (tundev.Device, error) {
	s, err := h.w.options.Open(o)
	if err != nil {
		return nil, err
	}
	d := &device{Stack: s, h: h, vni: h.plan.Devices[len(h.devices)].VNI}
	h.devices = append(h.devices, d)
	return d, nil
}

// Backend is the node as clients of its control API see it.
func (h *Host) Backend() control.Backend {
	n := h.Node
	return control.Backend{
		Status: h.status, Peers: n.Peers, FDB: n.FDB, Stats: h.stats,
		Ping: n.Ping, PingPaths: n.PingPaths, Why: n.Why, Netcheck: n.Netcheck,
		Members:   func() control.Members { return control.Members{Name: h.w.plan.Name} },
		Publish:   func(control.Publish) error { return noMembers() },
		PausePeer: n.PausePeer, ResumePeer: n.ResumePeer, ReconnectPeer: n.ReconnectPeer,
		Invitations: func() (control.Invitations, error) { return control.Invitations{}, noMembers() },
		Invite: func(context.Context, control.InviteRequest) (control.InviteResult, error) {
			return control.InviteResult{}, noMembers()
		},
		RevokeInvitation: func(string) (control.Invitations, error) { return control.Invitations{}, noMembers() },
		RemoveMember: func(context.Context, control.RemoveRequest) (control.Removed, error) {
			return control.Removed{}, noMembers()
		},
		RenameMember: func(context.Context, control.RenameRequest) (control.Renamed, error) {
			return control.Renamed{}, noMembers()
		},
		AddFDB: n.AddFDB, DelFDB: n.DelFDB, FlushFDB: n.FlushFDB,
		Reload: func(context.Context) (control.ReloadResult, error) {
			return control.ReloadResult{}, control.Errorf(control.CodeFailed, "a simulated node has no config file to read again")
		},
		PingOverlay: h.pingOverlay, DialOverlay: h.dialOverlay,
		Capture: n.Capture, Stacks: debug.Stack, Packets: h.packets,
		Panicked: func(v any) string { return fmt.Sprintf("panic: %v", v) },
		Events:   &h.events, Log: h.logs,
	}
}

// packets are the headers of the node's last packets.
func (h *Host) packets(text bool) []byte {
	list, _ := h.Node.Packets()
	if text {
		return capture.Text(list)
	}
	return capture.File(list)
}

// noMembers refuses what only a network with members has: here everybody is listed.
func noMembers() error {
	return control.Errorf(control.CodePermission, "a simulated network has no admins: its nodes are those of its plan")
}

// status adds to the engine's what a daemon would.
func (h *Host) status() control.Status {
	st := h.Node.Status()
	st.Version = h.w.options.Version
	st.Config = control.ConfigStatus{LoadedAt: h.w.began, ReloadSuccessful: true}
	return st
}

// stats adds to the engine's what a daemon would: the process is that of all hosts.
func (h *Host) stats() control.Stats {
	st := h.Node.Stats()
	st.Node = h.w.options.Process()
	return st
}

// Events are the node's.
func (h *Host) Events() *control.Hub { return &h.events }
