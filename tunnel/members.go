package tunnel

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/vxmesh/vxmesh/tundev"
	"github.com/vxmesh/vxmesh/tunnel/roster"
	"github.com/vxmesh/vxmesh/tunnel/session"
	"github.com/vxmesh/vxmesh/tunnel/udp"
)

// Who the peers are: from the config, changed by Apply, and the members of the network.

// add makes everybody listed a peer, and changes those who are. It opens the mesh with the first.
func (m *mesh) add(list []PeerOptions) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if (len(list) > 0 || m.n.options.Mesh.Membership != nil) && m.endpoint == nil {
		if err := m.open(); err != nil {
			return err
		}
	}
	m.listed = list
	for _, o := range list {
		if p := m.withKey(o.Key); p != nil && p.member != nil {
			continue // what the config says of a member is added to what it says of itself
		}
		if err := m.put(o); err != nil {
			return err
		}
	}
	m.wake()
	return m.reconcile()
}

// prepare adds and changes peers; back undoes it, also after an error.
func (m *mesh) prepare(list []PeerOptions) (back func(), err error) {
	m.mu.Lock()
	before := m.listed
	m.mu.Unlock()
	back = func() {
		m.keep(before)
		if err := m.add(before); err != nil {
			m.n.log.Error("peers not changed back", "err", err)
		}
	}
	return back, m.add(list)
}

// put makes o a peer, or what there is of it like o.
func (m *mesh) put(o PeerOptions) error {
	if p := m.withKey(o.Key); p != nil {
		if p.name != o.Name {
			return fmt.Errorf("peer %s is to be called %s: that needs a restart", p.name, o.Name)
		}
		p.configure(o)
		return nil
	}
	s, err := m.realm(o.member).Add(o.Key)
	if err != nil {
		return fmt.Errorf("peer %s: %w", o.Name, err)
	}
	p := newPeer(m.n, o, s)
	p.configure(o)
	m.peers = append(m.peers, p)
	m.bySession[s] = p
	if m.paused[o.Key] {
		m.halt(p)
	}
	m.publishScreen()
	m.publishTags()
	m.regroup = true
	return nil
}

// accept makes a member a peer, whatever peer there was with its key before.
func (m *mesh) accept(o PeerOptions) error {
	m.drop(func(p *peer) bool { return p.key == o.Key && (p.member == nil || p.name != o.Name) })
	return m.put(o)
}

// withKey gives the peer with a key, or nil.
func (m *mesh) withKey(key session.PublicKey) *peer {
	for _, p := range m.peers {
		if p.key == key {
			return p
		}
	}
	return nil
}

// realm is the endpoint that a member, or a peer that is none, talks to.
func (m *mesh) realm(member *roster.Member) *session.Endpoint {
	if member != nil {
		return m.club.endpoint
	}
	return m.endpoint
}

// configure changes the options of a peer.
func (p *peer) configure(o PeerOptions) {
	if !slices.Equal(p.options.Endpoints, o.Endpoints) {
		p.endpoints, p.lookup = o.addresses(), "" // names follow
		if p.session.Current() == nil {
			p.session.Urge(p.n.now())
		}
	}
	p.options = o
	p.member = o.member
	p.limitSources()
	p.session.Keep(o.Keepalive > 0)
	p.agent.SetKeepalive(p.keepalive())
	p.offer()
}

// reconcile makes the live members peers, and nobody else beside those that the config lists. A
// listed one that is a member is both: one peer, in the network's realm.
func (m *mesh) reconcile() error {
	if m.club == nil {
		return nil
	}
	wanted := make(map[session.PublicKey]PeerOptions)
	for _, r := range m.club.members() {
		o := m.club.options(r)
		wanted[o.Key] = o
	}
	m.drop(func(p *peer) bool {
		o, ok := wanted[p.key]
		return ok != (p.member != nil) || ok && o.Name != p.name
	})
	for _, o := range m.listed {
		if _, member := wanted[o.Key]; !member {
			wanted[o.Key] = o
		}
	}
	var failed error
	inOrder := func(a, b PeerOptions) int { return strings.Compare(a.Name, b.Name) }
	for _, o := range slices.SortedFunc(maps.Values(wanted), inOrder) {
		if err := m.put(o); err != nil {
			failed = err
		}
	}
	return failed
}

// keep removes every peer that is neither listed nor a member.
func (m *mesh) keep(list []PeerOptions) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.drop(func(p *peer) bool {
		return p.member == nil && !slices.ContainsFunc(list, func(o PeerOptions) bool { return o.Key == p.key })
	})
}

// drop removes peers.
func (m *mesh) drop(gone func(*peer) bool) {
	before := len(m.peers)
	m.peers = slices.DeleteFunc(m.peers, func(p *peer) bool {
		if !gone(p) {
			return false
		}
		m.close(p)
		m.realm(p.member).Remove(p.session)
		delete(m.bySession, p.session)
		return true
	})
	if len(m.peers) != before {
		m.regroup = true
		m.publishTable()
		m.publishScreen()
		m.publishTags()
		m.nearest.list = nil
		m.wake() // some may have been reached through them
	}
}

// inSegment gives the peers that are in a segment: those it names, and members that may be.
func (m *mesh) inSegment(o *SegmentOptions) (out []*peer) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, p := range m.peers {
		if p.paused {
			continue
		}
		named := slices.Contains(o.Peers, p.name)
		if p.member == nil && named ||
			p.member != nil && (named || o.All) && p.member.Certificate.Rights.Allows(o.VNI) {
			out = append(out, p)
		}
	}
	return out
}

// admit makes a stranger a peer, if what it showed in a handshake with ep lets it be one: a member,
// or a guest at the door.
func (m *mesh) admit(now time.Duration, ep *session.Endpoint, claim *session.Claim) bool {
	switch {
	case m.club == nil:
		return false
	case m.paused[claim.Key]: // its endpoint would not take it, either, after a look at its certificate
		return false
	case ep == m.club.door.endpoint:
		return m.club.door.let(now, m, claim.Key)
	case ep == m.club.endpoint:
		return m.club.admit(claim)
	}
	return false
}

// endpointOf gives the endpoint that a handshake is for, or nil.
func (m *mesh) endpointOf(data []byte) *session.Endpoint {
	for _, e := range *m.screener.Load() {
		if e.Screen(data) && e.Awaited(data) {
			return e
		}
	}
	return nil
}

// publishScreen tells the loops which endpoints take handshakes.
func (m *mesh) publishScreen() {
	var list []*session.Endpoint
	if m.club != nil {
		list = append(list, m.club.endpoint)
	}
	if slices.ContainsFunc(m.peers, func(p *peer) bool { return p.member == nil }) {
		list = append(list, m.endpoint)
	}
	if m.club != nil && m.club.Registrar != nil {
		list = append(list, m.club.door.endpoint)
	}
	m.screener.Store(&list)
}

// setCaps has handshakes tell what the devices take.
func (m *mesh) setCaps() {
	caps := m.n.caps()
	m.endpoint.SetCaps(caps)
	if m.club != nil {
		m.club.endpoint.SetCaps(caps)
	}
}

// taken reports whether an index is that of a session, of whatever endpoint.
func (m *mesh) taken(index uint32) bool { return (*m.table.Load())[index] != nil }

// open opens the sockets and the session endpoint. The caller holds mu.
func (m *mesh) open() error {
	o := m.n.options.Mesh
	for _, a := range o.Listen {
		conn, err := m.n.options.ListenUDP(a, udp.Options{Buffer: socketBuffer})
		if err != nil {
			if a.Addr() == netip.IPv6Unspecified() && noIPv6(err) && len(o.Listen) > 1 {
				continue // a host without IPv6 still has the other family
			}
			m.shut()
			m.sockets = nil // another Apply may try again
			return err
		}
		m.sockets = append(m.sockets, &socket{Conn: conn})
	}
	m.ports.homes = len(m.sockets)
	m.publishSockets()
	close(m.ready)
	m.endpoint = session.New(session.Options{
		Key: o.Key, ID: o.ID, Epoch: o.Epoch, Ciphers: o.Ciphers, Hardware: session.HardwareAES(),
		Taken: m.taken,
	})
	if o.Membership != nil {
		m.club = newMembership(m, *o.Membership)
	}
	m.publishScreen()
	return nil
}

// caps is what all devices of the node take.
func (n *Node) caps() session.Caps {
	all := session.CapCsum | session.CapTSO | session.CapUSO
	for _, s := range n.segmentList() {
		all &= capsOf(s.dev.Offloads())
	}
	return all
}

// capsOf is what a device takes, in the words of handshakes.
func capsOf(o tundev.Offloads) (caps session.Caps) {
	if o.Csum {
		caps |= session.CapCsum
	}
	if o.TSO {
		caps |= session.CapTSO
	}
	if o.USO {
		caps |= session.CapUSO
	}
	return caps
}

// start has the sockets read that nobody reads yet. The caller holds the node's mu.
func (m *mesh) start() {
	m.mu.Lock()
	defer m.mu.Unlock()
	for ; m.started < len(m.sockets); m.started++ {
		m.n.serve(newMeshlink(m.n, m.sockets[m.started], uint8(m.started)))
	}
}

// addrs lists where the mesh listens. It takes no lock.
func (m *mesh) addrs() []netip.AddrPort {
	if list := m.listens.Load(); list != nil {
		return *list
	}
	return nil
}

// closeSockets ends the loops.
func (m *mesh) closeSockets() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.shut()
}

func (m *mesh) shut() {
	for _, s := range m.sockets {
		_ = s.Close()
	}
}
