package tunnel

import (
	"maps"
	"slices"
	"time"

	"github.com/vxmesh/vxmesh/tunnel/roster"
)

// aliveEvery is how often a node says its record anew that needs a new certificate: so an admin hears that
// it lives which has no session with it.
const aliveEvery = 24 * time.Hour

// renew issues new certificates to members whose own grow old, where this node may. Who was not heard of
// since then may be gone for good: its certificate ends.
func (c *membership) renew() {
	if c.Authority == nil || c.revoke != nil || c.roster.Revoked(c.self) {
		return
	}
	wall, list := c.Wall(), c.roster.Members()
	c.forgetSigns(list)
	alive := c.alive()
	for _, r := range list {
		due := r.Certificate.NotBefore.Add(roster.RenewAfter)
		if wall.Before(due) || !alive[r.ID] && c.lifeSigns[r.ID].Before(due) || c.settleName(r, list) {
			continue
		}
		if c.certify(r, wall, wall.Add(roster.CertificateLife)) {
			c.m.n.log.Info("certificate renewed", "member", r.Name)
		}
	}
}

// alive are the members with whom there is a session, and this node.
func (c *membership) alive() map[roster.NodeID]bool {
	ids := map[roster.NodeID]bool{c.self: true}
	for _, p := range c.reachable() {
		ids[p.member.ID] = true
	}
	return ids
}

// forgetSigns forgets when others were heard of than these.
func (c *membership) forgetSigns(list []*roster.Member) {
	if len(c.lifeSigns) <= len(list) {
		return
	}
	ids := make(map[roster.NodeID]bool, len(list))
	for _, r := range list {
		ids[r.ID] = true
	}
	maps.DeleteFunc(c.lifeSigns, func(id roster.NodeID, _ time.Time) bool { return !ids[id] })
}

// settleName sees to it that a member keeps its name when its certificate is not older any more than those
// of others that have the same: it puts the names that these go by into theirs, which are as good as
// before otherwise. It reports whether there were any. The member's turn comes when all have heard.
func (c *membership) settleName(r *roster.Member, list []*roster.Member) (settled bool) {
	if r.Name != r.Certificate.Name {
		return false // it is one of the others itself
	}
	for _, o := range list {
		if o.ID != r.ID && o.Certificate.Name == r.Name {
			settled = c.certify(o, o.Certificate.NotBefore.Add(time.Second), o.Certificate.NotAfter) || settled
		}
	}
	return settled
}

// certify issues a certificate that takes the place of a member's, with the name that it goes by.
func (c *membership) certify(r *roster.Member, from, until time.Time) bool {
	next := *r.Certificate
	next.Name, next.NotBefore, next.NotAfter = r.LastingName(), from, until
	cert, err := c.Authority.Certify(next)
	if err != nil {
		c.m.n.log.Error("certificate not issued", "member", r.Name, "err", err)
		return false
	}
	c.take(cert.Item(), nil)
	return true
}

// refreshRecord says anew where this node is, if that is not what its record says, or if somebody has to
// hear that it lives.
func (c *membership) refreshRecord() {
	wall, r := c.Wall(), roster.Record{
		Node: c.self, Endpoints: c.endpoints(), Overlay: c.m.n.overlay(),
		Reachable: c.m.outside.reachable, Relay: c.m.relays.Load(),
	}
	if c.record != nil && slices.Equal(c.record.Endpoints, r.Endpoints) &&
		c.record.Reachable == r.Reachable && c.record.Relay == r.Relay &&
		slices.Equal(c.record.Overlay, r.Overlay) && c.counter > 0 &&
		(wall.Sub(c.said) < aliveEvery || wall.Sub(c.own().NotBefore) < roster.RenewAfter) {
		return
	}
	c.counter++
	c.said = wall
	r.Sequence = uint64(c.m.n.options.Mesh.Epoch)<<32 | uint64(c.counter)
	signed, err := r.Sign(c.Anchor.ID(), c.Sign)
	if err != nil {
		c.m.n.log.Error("own record not made", "err", err)
		return
	}
	c.record = signed
	c.take(roster.Item{Kind: roster.ItemRecord, Raw: signed.Raw}, nil)
}
