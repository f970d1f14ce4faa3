package main

import (
	"fmt"
	"net/netip"
	"runtime/debug"
	"slices"
	"time"

	"github.com/vxmesh/vxmesh/config"
	"github.com/vxmesh/vxmesh/identity"
	"github.com/vxmesh/vxmesh/membership"
	"github.com/vxmesh/vxmesh/tunnel"
	"github.com/vxmesh/vxmesh/tunnel/control"
	"github.com/vxmesh/vxmesh/tunnel/roster"
	"github.com/vxmesh/vxmesh/tunnel/session"
)

// memberOptions is what the engine needs of a node that is a member of a network.
func memberOptions(cfg *config.Config, id *nodeIdentity) *tunnel.MembershipOptions {
	m := id.member
	o := &tunnel.MembershipOptions{
		Anchor: m.Anchor(), Certificate: m.Certificate(), Sign: m.SignKey(), Keep: m.SaveItems, Built: buildTime(),
		Addresses: func() []netip.AddrPort { return ownEndpoints(cfg, id.Identity, roster.MaxEndpoints) },
		Host:      hostOf(stateDir(cfg)), KeepHost: func(vni uint32, n int) error { return keepHost(stateDir(cfg), vni, n) },
	}
	o.Number, o.Secret = m.Secret()
	o.Items, _ = m.Items() // what cannot be read will be heard again
	o.Items = append(o.Items, id.signed...)
	for _, s := range m.Seeds() {
		o.Seeds = append(o.Seeds, tunnel.Seed{Key: session.PublicKey(s.Session), Endpoints: s.Endpoints})
	}
	if a, admin := m.Authority(); admin {
		o.Authority, o.Registrar = &a, registrar{m}
	}
	return o
}

// A registrar is a member that lets invited nodes in.
type registrar struct{ *membership.Member }

// Open is as [tunnel.Registrar] says.
func (r registrar) Open(now time.Time) bool { return r.OpenInvitations(now) }

// Network is the network's name.
func (r registrar) Network() string { return r.Name() }

// buildTime is when this program's sources were committed; the zero time when that is not known.
func buildTime() time.Time {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return time.Time{}
	}
	i := slices.IndexFunc(info.Settings, func(s debug.BuildSetting) bool { return s.Key == "vcs.time" })
	if i < 0 {
		return time.Time{}
	}
	at, _ := time.Parse(time.RFC3339, info.Settings[i].Value)
	return at
}

// members lists who belongs to the network.
func (d *daemon) members() control.Members {
	if d.id.member == nil {
		return control.Members{}
	}
	return membersOf(d.id.member, d.id.Identity, d.node.Roster())
}

// membersOf lists members as clients see them, by name. The node with the identity is this one.
func membersOf(of *membership.Member, self identity.Identity, list []*roster.Member) control.Members {
	out := control.Members{
		Schema: control.SchemaMembers, Network: of.Anchor().ID().String(), Name: of.Name(),
	}
	for _, m := range list {
		out.Members = append(out.Members, memberOf(m, self))
	}
	slices.SortFunc(out.Members, func(a, b control.Member) int { return compareNames(a.Name, b.Name) })
	return out
}

func memberOf(m *roster.Member, self identity.Identity) control.Member {
	c := m.Certificate
	out := control.Member{
		Name: m.Name, ID: m.ID.String(), Key: session.PublicKey(c.Session).String(), Admin: m.Admin,
		Self: m.ID == roster.NodeID(self.ID()), MayBridge: c.Rights.Bridge, MACLimit: c.Rights.MACs,
		Segments: c.Rights.Segments, Issuer: c.Issuer.Node().String(),
		NotBefore: c.NotBefore.UTC(), NotAfter: c.NotAfter.UTC(), Certificate: c.Raw,
	}
	if m.Record != nil {
		out.Sequence = m.Record.Sequence
		for _, e := range m.Record.Endpoints {
			out.Endpoints = append(out.Endpoints, e.String())
		}
		for _, a := range m.Record.Overlay {
			out.Addresses = append(out.Addresses, a.Prefix.String())
		}
	}
	return out
}

// rightsWarnings say what the config asks for that the certificate does not allow: the other members
// would drop it. The caller holds mu.
func (d *daemon) rightsWarnings() (out []control.Warning) {
	if d.id.member == nil {
		return nil
	}
	rights := d.id.member.Certificate().Rights
	warn := func(vni uint32, what string) {
		out = append(out, control.Warning{
			Code: "no_right", Message: fmt.Sprintf("vni %d: this node's certificate does not let it %s; the others drop it", vni, what),
			Fix: "ask an admin for an invitation with that right, then: vxmesh leave, vxmesh join",
		})
	}
	for _, s := range d.cfg.Segments {
		if s.VXLAN == nil && !rights.Allows(s.VNI) {
			warn(s.VNI, "be in this segment")
		} else if s.Device.Bridge != "" && !rights.Bridge {
			warn(s.VNI, "send for the machines behind bridge "+s.Device.Bridge)
		}
	}
	return out
}

// publish takes items of a client in.
func (d *daemon) publish(p control.Publish) error {
	items := make([]roster.Item, len(p.Items))
	for i, it := range p.Items {
		items[i] = roster.Item{Kind: roster.ItemKind(it.Kind), Raw: it.Raw}
	}
	if err := d.node.Publish(items); err != nil {
		return err
	}
	d.noticeLeave(items)
	d.noticeOwn(items)
	return nil
}

// noticeOwn takes notice of a certificate of this node's own among what a client has published: it may
// be an admin's, by a command that has put the rest of what makes one into the state directory.
func (d *daemon) noticeOwn(items []roster.Item) {
	for _, it := range items {
		if it.Kind != roster.ItemCertificate {
			continue
		}
		if c, err := roster.ParseCertificate(it.Raw); err == nil && c.Node() == roster.NodeID(d.id.ID()) {
			d.retakeMembership()
			return
		}
	}
}

// retakeMembership has the node go by what is in the state directory now.
func (d *daemon) retakeMembership() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if _, err := d.id.reload(); err != nil {
		d.log.Error("membership not read again", "err", err)
		return
	}
	d.logRenewal()
	d.node.TakeMembership(memberOptions(d.cfg, d.id))
}

// logRenewal says what became of this node's own certificate that had expired.
func (d *daemon) logRenewal() {
	switch n := len(d.id.signed); {
	case d.id.failed != nil:
		d.log.Error("own certificate not renewed", "err", d.id.failed)
	case n > 0:
		d.log.Info("own certificate renewed, which had expired", "others", n-1)
	}
}

// compareNames orders names as people expect.
func compareNames(a, b string) int {
	if a < b {
		return -1
	}
	if a > b {
		return 1
	}
	return 0
}
