package tunnel

import (
	"context"
	"maps"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/vxmesh/vxmesh/nat"
	"github.com/vxmesh/vxmesh/tunnel/drop"
	"github.com/vxmesh/vxmesh/tunnel/session"
	"github.com/vxmesh/vxmesh/tunnel/wire"
)

const (
	// meshEvery is how often the mesh looks after its peers while there is traffic, and meshIdle
	// how often otherwise.
	meshEvery = 250 * time.Millisecond
	meshIdle  = time.Second
	// meshRest is how long it rests in between at least.
	meshRest = 5 * time.Millisecond
	// meshBacklog bounds what waits for the mesh; more is dropped, and comes again.
	meshBacklog = 1024
)

// A mesh is everything about peers that is slow: handshakes, paths, keepalives, names. It
// publishes what the loops need as snapshots: each peer's [sender], and the table of sessions.
type mesh struct {
	n         *Node
	ready     chan struct{} // closed when the sockets are open
	woken     chan struct{}
	turns     atomic.Uint64 // of run
	events    chan meshEvent
	table     atomic.Pointer[map[uint32]*inbound] // sessions that receive, by our index
	tags      atomic.Pointer[map[nat.Tag]*peer]   // the peers, as relays call them
	opened    atomic.Pointer[[]*socket]           // the sockets, by their numbers
	relays    atomic.Bool                         // this node passes on what others send each other
	useRelays atomic.Bool                         // others may do so for it
	desk      relayDesk
	reflector reflector
	relink    atomic.Bool // the links of the underlay may be others than before

	screener atomic.Pointer[[]*session.Endpoint] // the endpoints, for the loops
	listens  atomic.Pointer[[]netip.AddrPort]    // where the sockets are bound

	mu        sync.Mutex        // taken after those of the node and the segments
	sockets   []*socket         // opened with the first peer
	started   int               // how many of them have a loop
	endpoint  *session.Endpoint // of peers that the config lists
	club      *membership       // nil: of no network with members
	listed    []PeerOptions     // as configured
	peers     []*peer           // those that are not members, and all members
	regroup   bool              // the segments have to learn of other peers
	bySession map[*session.Peer]*peer
	paused    map[session.PublicKey]bool // the keys of the peers that are
	twin      twin                       // another machine that uses our own key
	relayOpts RelayOptions
	outside   outside
	ports     ports
	nearest   nearest
	relinked  time.Duration // when the links were looked at last
	planned   time.Duration // when all peers are looked after next, at the latest
}

// nearest are the peers that relay, as they were a moment ago.
type nearest struct {
	at   time.Duration
	list []*peer
}

// An inbound is a session as the receiving side needs it.
type inbound struct {
	t    *session.Transport
	peer *peer
}

// A meshEvent is what a meshlink leaves to the mesh. Data is a copy.
type meshEvent struct {
	peer *peer // nil for a handshake
	t    *session.Transport
	sock *socket        // that it came to
	from netip.AddrPort // where the datagram came from: the relay, if it came through one

	way    nat.Way
	source nat.Tag // of whom the relay says that it is, if it came through one

	stun bool   // data is what a STUN server says
	data []byte // of a handshake, or the control message; empty when the way is the news
}

func newMesh(n *Node) *mesh {
	m := &mesh{
		n: n, woken: make(chan struct{}, 1), ready: make(chan struct{}), events: make(chan meshEvent, meshBacklog),
		bySession: make(map[*session.Peer]*peer), paused: make(map[session.PublicKey]bool),
	}
	m.setRelay(n.options.Relay)
	m.table.Store(&map[uint32]*inbound{})
	m.screener.Store(&[]*session.Endpoint{})
	m.tags.Store(&map[nat.Tag]*peer{})
	return m
}

// wake makes the mesh look soon. It never blocks; anybody may call it.
func (m *mesh) wake() {
	select {
	case m.woken <- struct{}{}:
	default:
	}
}

// linksChanged makes the mesh look again how large packets may be. Anybody may call it.
func (m *mesh) linksChanged() {
	m.relink.Store(true)
	m.wake()
}

// post leaves an event to the mesh. It reports false when too many wait.
func (m *mesh) post(e meshEvent) bool {
	select {
	case m.events <- e:
		return true
	default:
		return false
	}
}

// run looks after the peers until ctx ends, and then says goodbye to them.
func (m *mesh) run(ctx context.Context) error {
	m.wake() // no timer that is due at once: many of those crash the race detector in a synctest bubble
	timer := time.NewTimer(meshIdle)
	defer timer.Stop()
	for ; ; m.turns.Add(1) {
		select {
		case <-ctx.Done():
			return nil
		case e := <-m.events:
			m.mu.Lock()
			m.handle(&e)
			m.mu.Unlock()
			m.n.regroup()
			continue // timers have a time of their own
		case <-m.woken:
		case <-timer.C:
		}
		m.mu.Lock()
		next := m.tick(m.n.now())
		deaf := m.ports.due
		m.mu.Unlock()
		m.n.regroup()
		if deaf {
			m.n.rebind()
		}
		timer.Reset(next)
	}
}

// handle does what an event asks for. The caller holds mu.
func (m *mesh) handle(e *meshEvent) {
	now, p := m.n.now(), e.peer
	switch {
	case e.stun:
		m.reflected(now, e)
	case p == nil:
		p = m.handshake(now, e)
	case !m.knows(p): // removed since
	case len(e.data) == 0:
		m.cameIn(now, e.way)
		p.agent.Heard(now, e.way)
	default:
		m.control(now, e)
	}
	m.follow(now, p)
}

// follow does what is due for the peer of an event: to look after all of them for each is too much
// where they are many.
func (m *mesh) follow(now time.Duration, p *peer) {
	if p == nil || p.arrived > 0 || !m.knows(p) { // joiners are nobody's business but the door's
		return
	}
	m.look(now, p)
	if now+m.rest(now, p) < m.planned {
		m.wake()
	}
}

// knows reports whether a peer is still one.
func (m *mesh) knows(p *peer) bool { return m.bySession[p.session] == p }

// tick does what is due and gives the time until something may be again. The caller holds mu.
func (m *mesh) tick(now time.Duration) time.Duration {
	next := meshIdle
	if m.relink.Load() {
		if rest := m.relinked + relinkEvery - now; rest > 0 {
			next = min(next, rest)
		} else {
			m.refreshLinks(now)
		}
	}
	if m.club != nil {
		m.club.look(now)
		next = min(next, max(m.club.deadline()-now, meshRest))
	}
	m.checkDeaf(now)
	m.restartDue(now)
	m.ask(now)
	next = min(next, max(m.askAt()-now, meshRest))
	for _, p := range m.peers {
		m.look(now, p)
		next = min(next, m.rest(now, p))
	}
	m.planned = now + next
	return next
}

// rest is how long the peer can be left alone.
func (m *mesh) rest(now time.Duration, p *peer) time.Duration {
	due := m.pathDeadline(now, p)
	if p.callable() {
		due = min(due, p.session.Deadline())
	}
	if p.call.waiting != nil {
		due = min(due, p.call.due)
	}
	if p.knock.at != 0 {
		due = min(due, p.knock.at)
	}
	if p.active(now) {
		due = min(due, now+meshEvery)
	}
	return max(due-now, meshRest)
}

// look does for one peer what is due.
func (m *mesh) look(now time.Duration, p *peer) {
	if len(p.session.Expire(now)) > 0 {
		m.publishTable()
	}
	if p.wanted.Swap(false) && p.session.Current() == nil {
		p.session.Urge(now)
	}
	p.expireHeld(now)
	if !p.agent.Settled(now) {
		m.offerRelays(now, p)
	}
	m.watch(now, p)
	m.knockAgain(now, p)
	m.answerLate(now, p)
	m.checkOpened(now, p)
	if p.callable() && p.session.Due(now) {
		m.initiate(now, p)
	}
	m.publish(p)
	m.release(p)
	m.judge(now, p)
}

// callable reports whether there is a way to call the peer by. One that goes nowhere must not
// begin a handshake: for as long as it waited for the answer, it would give none itself.
func (p *peer) callable() bool { return !p.paused && (p.path != nil || p.agent.Known()) }

// active reports whether the peer needs attention more often than once a second.
func (p *peer) active(now time.Duration) bool {
	asked := p.agent.Doubtful() > 0 && p.session.Current() != nil
	return asked || now-time.Duration(p.sentAt.Load()) < 3*time.Second
}

// publish gives the loops what they need to send to the peer now.
func (m *mesh) publish(p *peer) {
	old, next := p.send.Load(), m.senderTo(p)
	if old == nil && next == nil || old != nil && next != nil && *old == *next {
		return
	}
	p.send.Store(next)
	if (old == nil) != (next == nil) && p.offersRelay() {
		m.nearest.list = nil
		m.wake()
	}
	for _, other := range m.peers { // who is reached through it
		if pa := other.path; pa != nil && pa.way.Relay == p.tag() {
			m.publish(other)
		}
	}
}

// senderTo is what the loops need to send to a peer, nil when they cannot.
func (m *mesh) senderTo(p *peer) *sender {
	t, pa := p.session.Current(), p.path
	if t == nil || pa == nil || p.member != nil && m.club.gated(m.n.now(), p) {
		return nil
	}
	s := &sender{
		t: t, way: pa.way, to: pa.way.Addr, source: pa.source, payload: pa.payload(), caps: p.session.Caps(),
	}
	if pa.way.Direct() {
		s.sock = m.socket(pa.way.Socket)
		return s
	}
	r, via := m.relayed(pa.way.Relay)
	if r == nil || r == p {
		return nil
	}
	s.via, s.viaT, s.tag = r, via.t, p.tag()
	s.sock, s.to, s.source = via.sock, via.to, via.source
	return s
}

// publishTable gives the loops the sessions that receive.
func (m *mesh) publishTable() {
	next := make(map[uint32]*inbound, 2*len(m.bySession))
	for _, p := range m.bySession {
		for _, t := range p.session.Transports() {
			next[t.Index()] = &inbound{t: t, peer: p}
		}
	}
	m.table.Store(&next)
}

// publishNew adds a session to those that receive.
func (m *mesh) publishNew(p *peer, t *session.Transport) {
	next := maps.Clone(*m.table.Load())
	next[t.Index()] = &inbound{t: t, peer: p}
	m.table.Store(&next)
}

// goodbye tells every peer that this node leaves, so that they need not find out.
func (m *mesh) goodbye() {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, p := range m.peers {
		m.close(p)
	}
}

// close ends the sessions with a peer and tells it.
func (m *mesh) close(p *peer) {
	p.send.Store(nil)
	if t := p.session.Current(); t != nil && p.path != nil {
		p.tell(t, wire.AppendClose(nil)) // it finds out anyway
	}
}

// dropPeer counts a datagram of a peer that does not go on.
func (p *peer) dropPeer(reason drop.Reason) { p.drops.Add(reason, 1) }
