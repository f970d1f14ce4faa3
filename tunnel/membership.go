package tunnel

import (
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"net/netip"
	"slices"
	"time"

	"github.com/vxmesh/vxmesh/tunnel/control"
	"github.com/vxmesh/vxmesh/tunnel/roster"
	"github.com/vxmesh/vxmesh/tunnel/session"
)

// MembershipOptions is what makes a node a member of a network, whose members it knows by their
// certificates.
type MembershipOptions struct {
	Anchor      roster.Anchor
	Certificate *roster.Certificate // this node's, as it was last
	Sign        ed25519.PrivateKey  // its hash is the node's id
	Number      uint64              // of Secret
	Secret      [32]byte            // the network's, until the roster has a newer one
	Items       []roster.Item       // the roster as it was kept last
	Seeds       []Seed
	Built       time.Time // of this program: an earlier time of day cannot be

	// Addresses gives what others may reach this node at; it is asked again when links change.
	Addresses func() []netip.AddrPort
	// Host says which host of the network's pool this node was in a segment, 0 for none yet, and
	// KeepHost remembers it. Both may wait for the disk.
	Host     func(vni uint32) int
	KeepHost func(vni uint32, n int) error
	// Keep stores the roster. It may take its time; one goroutine calls it, and nobody at once again.
	Keep func([]roster.Item) error
	// Revoked is told when this node is no member any more. It must not wait for the node.
	Revoked func(*roster.Revocation)

	Registrar Registrar         // who lets invited nodes in; nil: not this node
	Authority *roster.Authority // renews certificates; nil: this node is no admin
	Wall      func() time.Time  // the time of day; nil is the system's
	Loopback  bool              // endpoints on loopback are real ones, as in tests
}

// A Seed is where a member was reached before anybody told.
type Seed struct {
	Key       session.PublicKey
	Endpoints []netip.AddrPort
}

// memberKeepalive keeps the way to a member open through the NATs between: most forget after 30 s
// at the earliest (RFC 4787, 4.3, asks for two minutes).
const memberKeepalive = 25 * time.Second

// A membership is what the mesh keeps as a member of a network.
type membership struct {
	MembershipOptions
	m        *mesh
	roster   *roster.Roster
	endpoint *session.Endpoint
	self     roster.NodeID
	counter  uint32 // of our own records
	record   *roster.Record

	door   door
	gossip gossip
	revoke *roster.Revocation // our own; nil while we are a member

	clockWrong string // why the time of day cannot be right; "" when it may be
	keepError  string
	issueError string                      // why nobody can be let in; "" when the last was
	dirty      chan struct{}               // the roster is to be kept
	stale      bool                        // the peers are not those of the roster
	settled    time.Duration               // when they were made so last
	renewed    time.Duration               // when certificates were looked at last
	said       time.Time                   // when our record was signed last
	names      map[roster.NodeID]string    // of the members that people were told of
	lifeSigns  map[roster.NodeID]time.Time // the time of day when a member said something new of itself last
}

// newMembership reads the roster that was kept. What of it is no longer good is left out.
func newMembership(m *mesh, o MembershipOptions) *membership {
	if o.Wall == nil {
		o.Wall = time.Now
	}
	c := &membership{
		MembershipOptions: o, m: m, dirty: make(chan struct{}, 1),
		self: sha256.Sum256(o.Sign.Public().(ed25519.PublicKey)), lifeSigns: make(map[roster.NodeID]time.Time),
	}
	c.roster = roster.New(roster.Options{
		Anchor: o.Anchor, Self: c.self, AllowLoopback: o.Loopback, Built: o.Built,
	})
	now := c.Wall()
	own := roster.Item{Kind: roster.ItemCertificate, Raw: o.Certificate.Raw}
	for _, err := range c.roster.Restore(now, append([]roster.Item{own}, o.Items...)) {
		m.n.log.Debug("kept item not taken", "err", err)
	}
	c.names = make(map[roster.NodeID]string)
	for _, r := range c.roster.Members() {
		c.names[r.ID] = r.Name
	}
	if r := c.roster.Member(c.self); r != nil && r.Record != nil {
		c.record = r.Record
	}
	mo := m.n.options.Mesh
	c.endpoint = session.New(session.Options{
		Key: mo.Key, ID: c.self, Network: o.Anchor.ID(), Secrets: c.secrets(), Epoch: mo.Epoch,
		Ciphers: mo.Ciphers, Hardware: session.HardwareAES(), Taken: m.taken,
		Certificate: func() []byte { return c.own().Raw },
		Head:        func() []byte { h := c.roster.Head(); return h[:] },
	})
	c.door.endpoint = session.New(session.Options{
		Key: mo.Key, ID: c.self, Network: o.Anchor.ID(), Epoch: mo.Epoch,
		Secrets: [][32]byte{roster.DoorSecret(o.Anchor.ID(), roster.SessionKey(mo.Key.Public()))},
		Ciphers: mo.Ciphers, Hardware: session.HardwareAES(), Taken: m.taken,
	})
	c.door.init()
	return c
}

// update takes what a reload may change of a membership: this node's certificate, its power to issue,
// and items that it has signed meanwhile. Without a membership, or with that of another node or network,
// nothing changes.
func (m *mesh) update(o *MembershipOptions) {
	m.mu.Lock()
	defer m.mu.Unlock()
	c := m.club
	if c == nil || o == nil || o.Anchor != c.Anchor || o.Certificate.Node() != c.self {
		return
	}
	if o.Authority != nil { // what an admin has signed is taken back by a revocation alone
		c.Authority, c.Registrar, c.door.looked, c.renewed = o.Authority, o.Registrar, 0, 0
	}
	var changes []roster.Change
	for _, it := range append([]roster.Item{o.Certificate.Item()}, o.Items...) {
		change, err := c.roster.Add(c.Wall(), it)
		if err != nil {
			m.n.log.Debug("item not taken", "kind", it.Kind, "err", err)
		}
		changes = append(changes, change)
	}
	c.apply(changes, nil)
	m.publishScreen()
	m.wake()
}

// TakeMembership takes what changed of a membership, as [Node.Apply] does. Anybody may call it.
func (n *Node) TakeMembership(o *MembershipOptions) { n.mesh.update(o) }

// own is this node's newest certificate.
func (c *membership) own() *roster.Certificate {
	if me := c.roster.Member(c.self); me != nil && me.Certificate.Newer(c.Certificate) {
		return me.Certificate
	}
	return c.Certificate
}

// secrets are those of the network, newest first: the roster's, and the one we were given.
func (c *membership) secrets() [][32]byte {
	list := c.roster.Secrets()
	if !slices.Contains(list, c.Secret) {
		if c.Number > c.roster.SecretNumber() {
			return append([][32]byte{c.Secret}, list...)
		}
		list = append(list, c.Secret)
	}
	return list[:min(len(list), session.MaxSecrets)]
}

// members lists the other members that are to be peers.
func (c *membership) members() []*roster.Member {
	if c.revoke != nil {
		return nil
	}
	return slices.DeleteFunc(c.roster.Members(), func(r *roster.Member) bool { return r.ID == c.self })
}

// options says what kind of peer a member is: where it may be found by its own record, by those that
// the config names for its key, and by where it was found before.
func (c *membership) options(r *roster.Member) PeerOptions {
	o := PeerOptions{
		Name: r.Name, Key: session.PublicKey(r.Certificate.Session), Keepalive: memberKeepalive, member: r,
	}
	for _, static := range c.m.listed {
		if static.Key == o.Key {
			o.Name, o.Keepalive = static.Name, static.Keepalive
			o.Endpoints = slices.Clone(static.Endpoints)
		}
	}
	add := func(list []netip.AddrPort) {
		for _, a := range list {
			if s := a.String(); !slices.Contains(o.Endpoints, s) {
				o.Endpoints = append(o.Endpoints, s)
			}
		}
	}
	if r.Record != nil {
		add(r.Record.Endpoints)
	}
	for _, s := range c.Seeds {
		if s.Key == o.Key {
			add(s.Endpoints)
		}
	}
	return o
}

// admit makes a node a peer that showed a member's certificate in a handshake. It reports whether
// there is such a peer now.
func (c *membership) admit(claim *session.Claim) bool {
	shown := roster.Item{Kind: roster.ItemCertificate, Raw: claim.Certificate}
	change, _ := c.roster.Add(c.Wall(), shown) // Admit says what is wrong with it
	r, err := c.roster.Admit(
		c.Wall(), roster.SessionKey(claim.Key), roster.NodeID(claim.ID), claim.Certificate,
	)
	if err == nil && c.revoke == nil && r.ID != c.self {
		err = c.m.accept(c.options(r))
	}
	if err != nil {
		c.m.n.log.Debug("not admitted", "key", claim.Key, "err", err)
	}
	c.apply([]roster.Change{change}, c.m.withKey(claim.Key))
	return err == nil && c.endpoint.Peer(claim.Key) != nil
}

// changed has the roster kept, and the handshakes use what is newest of it.
func (c *membership) changed() {
	c.endpoint.SetSecrets(c.secrets())
	select {
	case c.dirty <- struct{}{}:
	default:
	}
}

// keepPause is how long the roster changes before it is kept again.
const keepPause = 2 * time.Second

// keepAgain is how soon keeping it is tried again after that failed.
const keepAgain = time.Minute

// keep stores the roster after changes, and once more at the end.
func (c *membership) keep(ctx context.Context) error {
	if c.Keep == nil {
		return nil
	}
	timer, due := time.NewTimer(time.Hour), false
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			c.store()
			return nil
		case <-c.dirty:
			if !due { // later changes do not put it off
				due = true
				timer.Reset(keepPause)
			}
		case <-timer.C:
			if due = !c.store(); due {
				timer.Reset(keepAgain)
			}
		}
	}
}

// store keeps the roster and reports whether that worked.
func (c *membership) store() bool {
	c.m.mu.Lock()
	items := c.roster.Items()
	c.m.mu.Unlock()
	err := c.Keep(items)
	c.m.mu.Lock()
	defer c.m.mu.Unlock()
	c.keepError = ""
	if err != nil {
		c.keepError = err.Error()
		c.m.n.log.Error("members not kept", "err", err)
	}
	return err == nil
}

const (
	// settleEvery is how often new members become peers at most: each time costs a look at all.
	settleEvery = 50 * time.Millisecond
	// clockEvery and renewPeriod are between two looks at what changes slowly.
	clockEvery  = 10 * time.Second
	renewPeriod = time.Minute
)

// look does what is due. The caller holds the mesh's lock.
func (c *membership) look(now time.Duration) {
	c.door.expire(now, c)
	c.round(now)
	if c.stale && now-c.settled >= settleEvery {
		c.settleMembers()
	}
	if now-c.gossip.clock < clockEvery && c.gossip.clock != 0 {
		return
	}
	c.gossip.clock = now
	c.refreshRecord()
	was := c.clockWrong
	c.clockWrong = ""
	if err := c.roster.Clock(c.Wall()); err != nil {
		c.clockWrong = err.Error()
	}
	if c.clockWrong != was && c.clockWrong != "" {
		c.m.n.log.Warn("the time of day cannot be right: no new members", "why", c.clockWrong)
	}
	if c.clockWrong == "" && (c.renewed == 0 || now-c.renewed >= renewPeriod) {
		c.renewed = now
		c.renew()
		c.settleMembers() // some certificates' time may be up
	}
}

// take adds an item and tells others when it is news. from is who told us, nil for ourselves.
func (c *membership) take(it roster.Item, from *peer) {
	change, err := c.roster.Add(c.Wall(), it)
	if err != nil {
		c.m.n.log.Debug("item not taken", "kind", it.Kind, "err", err)
		return
	}
	c.apply([]roster.Change{change}, from)
}

// apply does what changes of the roster ask for.
func (c *membership) apply(changes []roster.Change, from *peer) {
	fresh, now, revoked := false, false, false
	for _, ch := range changes {
		if !ch.Fresh {
			continue
		}
		fresh, c.stale = true, true
		c.spread(ch, from)
		if ch.Kind == roster.ItemRecord {
			c.lifeSigns[ch.Node] = c.Wall()
		}
		if ch.Kind == roster.ItemCertificate {
			c.tellMember(ch.Node)
		}
		now = now || urgent(ch)
		if ch.Kind == roster.ItemRevocation {
			revoked = true
			c.tellRevoked(ch)
		}
	}
	if !fresh {
		return
	}
	c.changed()
	if now { // before the sessions of whom it is about have ended
		c.flush(true)
	}
	if revoked {
		c.settleMembers()
	}
	c.m.wake()
}

// settleMembers makes the members peers as the roster has them now.
func (c *membership) settleMembers() {
	c.stale, c.settled = false, c.m.n.now()
	if err := c.m.reconcile(); err != nil {
		c.m.n.log.Error("members not taken", "err", err)
	}
}

// tellRevoked tells people that a member is none any more.
func (c *membership) tellRevoked(ch roster.Change) {
	if !c.roster.Revoked(ch.Node) {
		return
	}
	c.tellGone(ch)
	if ch.Node != c.self {
		c.m.n.log.Info("member removed", "id", ch.Node)
		return
	}
	if c.revoke == nil {
		c.revoke, _ = roster.ParseRevocation(ch.Item.Raw)
		c.m.n.log.Warn("this node is no member of the network any more")
		w := revokedWarning()
		c.m.n.publish(control.Event{Type: control.EventWarning, Warning: &w})
		if c.Revoked != nil && c.revoke != nil {
			c.Revoked(c.revoke)
		}
	}
}

// Publish takes signed items in and tells the network, as if a member had. Anybody may call it.
func (n *Node) Publish(items []roster.Item) error {
	m := n.mesh
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.club == nil {
		return control.Errorf(control.CodeFailed, "this node is no member of a network with a key")
	}
	var changes []roster.Change
	var failed error
	for _, it := range items {
		change, err := m.club.roster.Add(m.club.Wall(), it)
		if err != nil && failed == nil {
			failed = control.Errorf(control.CodeFailed, "not taken: %v", err)
		}
		changes = append(changes, change)
	}
	m.club.apply(changes, nil)
	m.club.flush(true)
	return failed
}

// Roster lists the live members, this node too. Anybody may call it.
func (n *Node) Roster() []*roster.Member {
	m := n.mesh
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.club == nil {
		return nil
	}
	return m.club.roster.Members()
}
