package tunnel

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/vxmesh/vxmesh/tunnel/roster"
	"github.com/vxmesh/vxmesh/tunnel/session"
)

// A Registrar lets nodes with an invitation into the network. The node calls it from one goroutine
// at a time, with no lock held: it may wait for disks.
type Registrar interface {
	// Open reports whether there is an invitation that somebody may still use.
	Open(now time.Time) bool
	// Redeem judges a redemption whose proofs are right, and issues the certificate. An error that
	// is a [*roster.Refusal] is told to the joiner. taken reports whether another member than the
	// one with the key has a name.
	Redeem(
		now time.Time, r *roster.Redeem, key roster.SessionKey, taken func(name string) bool,
	) (*roster.Certificate, error)
	// Delegate makes an admin of the node with the key.
	Delegate(roster.SignKey) (roster.Delegation, error)
	// Network is the network's name.
	Network() string
}

// A door is where nodes come in that have an invitation and no certificate yet. They talk to it in
// sessions of their own, whose handshake needs nothing but what is in an invitation. It answers
// only while there are invitations.
type door struct {
	endpoint *session.Endpoint
	open     atomic.Bool
	looked   time.Duration
	joiners  map[*session.Peer]*peer
	requests chan redemption
}

const (
	// joinerStay is how long a joiner may take, and joinerLinger how long it may ask again what it was
	// answered; maxJoiners is how many there are at once.
	joinerStay   = time.Minute
	joinerLinger = 5 * time.Second
	maxJoiners   = 64
	// doorEvery is how often it is asked whether there are invitations.
	doorEvery = time.Second
)

// A redemption waits for the registrar.
type redemption struct {
	joiner *peer
	t      *session.Transport
	redeem *roster.Redeem
}

func (d *door) init() {
	d.joiners = make(map[*session.Peer]*peer)
	d.requests = make(chan redemption, maxJoiners)
}

// let makes a joiner of a node that nobody knows. It reports whether there was room.
func (d *door) let(now time.Duration, m *mesh, key session.PublicKey) bool {
	if len(d.joiners) >= maxJoiners {
		return false
	}
	s, err := d.endpoint.Add(key)
	if err != nil {
		return false
	}
	p := newPeer(m.n, PeerOptions{Name: "joiner", Key: key}, s)
	p.arrived, p.leaves = now, now+joinerStay
	d.joiners[s] = p
	m.bySession[s] = p
	return true
}

// expire sends joiners away that took too long, and looks whether there are invitations.
func (d *door) expire(now time.Duration, c *membership) {
	for s, p := range d.joiners {
		if now >= p.leaves {
			d.endpoint.Remove(s)
			delete(d.joiners, s)
			delete(c.m.bySession, s)
			c.m.publishTable()
		}
	}
	if c.Registrar == nil || d.looked != 0 && now-d.looked < doorEvery {
		return
	}
	d.looked = now
	d.open.Store(!c.roster.Revoked(c.self) && c.Registrar.Open(c.Wall()))
}

// redeem passes a redemption to the registrar, if its proofs are right.
func (d *door) redeem(c *membership, e *meshEvent) {
	r, err := roster.ParseRedeem(e.data)
	if err != nil || d.joiners[e.peer.session] != e.peer || e.peer.asking || c.Registrar == nil {
		return
	}
	key := roster.SessionKey(e.peer.key)
	if r.Verify(c.Anchor.ID(), e.t.Binding(), key) != nil {
		refusal := &roster.Refusal{Reason: roster.RefusedUnknown}
		d.answer(e.peer, e.t, roster.AppendRefusal(nil, refusal))
		return
	}
	select {
	case d.requests <- redemption{e.peer, e.t, r}:
		e.peer.asking = true
	default: // the joiner asks again
	}
}

// serve has the registrar judge redemptions, one after the other, until ctx ends.
func (c *membership) serve(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case r := <-c.door.requests:
			c.judge(r)
		}
	}
}

// judge asks the registrar and tells the joiner.
func (c *membership) judge(r redemption) {
	m, key := c.m, roster.SessionKey(r.joiner.key)
	m.mu.Lock()
	wrong, revoked := c.roster.Clock(c.Wall()), c.roster.Revoked(r.redeem.Sign.Node())
	registrar := c.Registrar
	m.mu.Unlock()
	var cert *roster.Certificate
	err := error(&roster.Refusal{Reason: roster.RefusedClock})
	if revoked {
		err = &roster.Refusal{
			Reason: roster.RefusedRevoked, Text: "these keys were removed from the network: vxmesh leave, then join anew",
		}
	} else if wrong == nil {
		cert, err = registrar.Redeem(c.Wall(), r.redeem, key, func(name string) bool {
			m.mu.Lock()
			defer m.mu.Unlock()
			other := c.roster.Named(name)
			return other != nil && other.Certificate.Sign != r.redeem.Sign
		})
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	r.joiner.asking, c.issueError = false, ""
	r.joiner.leaves = min(r.joiner.leaves, m.n.now()+joinerLinger) // others may be waiting outside
	if err != nil {
		refusal, told := errors.AsType[*roster.Refusal](err)
		if !told {
			refusal = &roster.Refusal{Reason: roster.RefusedNotNow}
		}
		if refusal.Reason == roster.RefusedNotNow {
			c.issueError = err.Error()
		}
		m.n.log.Warn("invitation not redeemed", "name", r.redeem.Name, "err", err)
		c.door.answer(r.joiner, r.t, roster.AppendRefusal(nil, refusal))
		return
	}
	m.n.log.Info("invitation redeemed", "name", cert.Name, "id", cert.Node())
	c.welcome(r, cert)
}

// welcome gives a joiner all that it needs to be a member, and tells the others of it.
func (c *membership) welcome(r redemption, cert *roster.Certificate) {
	delegation, err := c.delegation(cert)
	if err != nil {
		c.m.n.log.Error("new admin not made", "name", cert.Name, "err", err)
	}
	g := roster.Grant{
		Delegation: delegation,
		Anchor:     c.Anchor, Number: c.Number, Secret: c.Secret, NetworkName: c.Registrar.Network(),
		Certificate: cert.Raw,
	}
	if list := c.roster.Secrets(); len(list) > 0 && c.roster.SecretNumber() >= c.Number {
		g.Number, g.Secret = c.roster.SecretNumber(), list[0]
	}
	items := []roster.Item{{Kind: roster.ItemCertificate, Raw: c.own().Raw}}
	if c.record != nil {
		items = append(items, roster.Item{Kind: roster.ItemRecord, Raw: c.record.Raw})
	}
	for _, message := range roster.ItemMessages(items, gossipLen) {
		c.door.answer(r.joiner, r.t, message)
	}
	c.door.answer(r.joiner, r.t, roster.AppendGrant(nil, &g)) // last: with it the joiner has all
	c.take(roster.Item{Kind: roster.ItemCertificate, Raw: cert.Raw}, nil)
}

// delegation is what makes an admin of a node whose certificate says that it is one; nil for others.
func (c *membership) delegation(cert *roster.Certificate) (*roster.Delegation, error) {
	if !cert.Rights.Admin {
		return nil, nil
	}
	d, err := c.Registrar.Delegate(cert.Sign)
	return &d, err
}

// answer sends a message to a joiner, where it was last heard.
func (d *door) answer(p *peer, t *session.Transport, message []byte) {
	p.tell(t, message)
}
