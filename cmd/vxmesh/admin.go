package main

import (
	"context"
	"time"

	"github.com/vxmesh/vxmesh/membership"
	"github.com/vxmesh/vxmesh/tunnel/control"
	"github.com/vxmesh/vxmesh/tunnel/roster"
)

// What an admin does through the control socket, with the code of the commands: `invite`, `peer remove`
// and `peer rename`. The node has the rights on its files that whoever asks may not have.

// asAdmin does something with the network on the disk, one client at a time. An error is as the command
// would print it.
func asAdmin[T any](d *daemon, do func(*home) (T, error)) (v T, err error) {
	d.admin.Lock()
	defer d.admin.Unlock()
	h, err := d.home()
	if err == nil {
		v, err = do(h)
	}
	if err != nil {
		return v, reportOf(err)
	}
	return v, nil
}

// home is the network on the disk.
func (d *daemon) home() (*home, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.id.member == nil {
		return nil, noKeyError(d.cfg)
	}
	return &home{path: d.path, cfg: d.cfg, id: d.id.Identity, member: d.id.member, node: d}, nil
}

// invitations lists the invitations made here.
func (d *daemon) invitations() (control.Invitations, error) {
	return asAdmin(d, func(h *home) (out control.Invitations, err error) {
		list, err := h.member.Invitations()
		if err != nil {
			return out, setupError(err)
		}
		return invitationsOf(h, list, time.Now()), nil
	})
}

// invite makes an invitation.
func (d *daemon) invite(_ context.Context, r control.InviteRequest) (control.InviteResult, error) {
	o := &membership.InviteOptions{
		Node: r.Name, TTL: invitationTTL, Uses: max(r.Uses, 1), Now: time.Now(),
		Rights: roster.Rights{Bridge: true, Admin: r.Admin},
	}
	if r.TTLSeconds != 0 {
		o.TTL = time.Duration(r.TTLSeconds * float64(time.Second))
	}
	if err := checkName(r.Name); r.Name != "" && err != nil {
		return control.InviteResult{}, err
	}
	return asAdmin(d, func(h *home) (out control.InviteResult, err error) {
		made, err := h.invite(o)
		if err != nil {
			return out, err
		}
		d.log.Info("invitation made", "id", made.ID, "for", r.Name, "uses", made.Uses, "until", made.Expires)
		return *made, nil
	})
}

// checkName refuses what no member can be called.
func checkName(name string) error {
	if err := roster.ValidName(name); err != nil {
		return control.Errorf(control.CodeUsage, "name %q: %v", name, err)
	}
	return nil
}

// revokeInvitation makes an invitation worthless.
func (d *daemon) revokeInvitation(id string) (control.Invitations, error) {
	return asAdmin(d, func(h *home) (control.Invitations, error) { return h.revoke(id) })
}

// removeMember puts a member out of the network.
func (d *daemon) removeMember(ctx context.Context, r control.RemoveRequest) (control.Removed, error) {
	return asAdmin(d, func(h *home) (out control.Removed, err error) {
		p, err := h.removal(ctx, nil, r.Name)
		if err != nil {
			return out, err
		}
		if err := p.run(ctx, nil, h); err != nil {
			return out, err
		}
		return p.Removed, nil
	})
}

// renameMember gives a member another name.
func (d *daemon) renameMember(ctx context.Context, r control.RenameRequest) (control.Renamed, error) {
	if err := checkName(r.New); err != nil {
		return control.Renamed{}, err
	}
	return asAdmin(d, func(h *home) (out control.Renamed, err error) {
		done, err := h.rename(ctx, nil, r.Name, r.New)
		if err != nil {
			return out, err
		}
		return *done, nil
	})
}

// stats adds to the engine's counters what the process takes.
func (d *daemon) stats() control.Stats {
	st := d.node.Stats()
	st.Node, st.Proxies = processStats(), d.proxyStats()
	return st
}
