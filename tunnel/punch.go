package tunnel

import (
	"cmp"
	"math/rand/v2"
	"net/netip"
	"slices"
	"time"

	"github.com/vxmesh/vxmesh/nat"
	"github.com/vxmesh/vxmesh/nat/portmap"
	"github.com/vxmesh/vxmesh/tunnel/drop"
	"github.com/vxmesh/vxmesh/tunnel/session"
	"github.com/vxmesh/vxmesh/tunnel/wire"
)

// How peers find each other: what each knows of its own addresses, the calls by which they exchange
// that, and the relays in between. Package nat decides; this is its hands.

const (
	// maxTried is how many addresses a handshake is sent to at most.
	maxTried = 12
	// maxResults is of how many ways it is kept what became of the last handshakes: a peer that is not
	// called itself can come by many.
	maxResults = 4 * maxTried
	// openerTTL lets a datagram pass our own NAT and die before it reaches the other one; nestedTTL is for
	// when our own are two.
	openerTTL = 2
	nestedTTL = 3
	// restartEvery is how often everything is tried again at most when addresses change, and
	// restartRate how often in a second after restartBurst times: peers can say that they do.
	restartEvery = time.Second
	restartRate  = 0.2
	restartBurst = 5
	// probeRate bounds what is sent in a second to where peers may be, and probeBurst at once: whoever
	// says that a peer is somewhere may not make this node flood that.
	probeRate  = 64
	probeBurst = 192
	// callHold is how long after the first peer has told where this node is calls wait for another's word.
	callHold = 250 * time.Millisecond
	// localEvery is how often this machine's addresses are looked at, at most.
	localEvery = time.Second
	// touchedFor is how long an address that something was sent to is no stranger; there are
	// maxTouched of them at most.
	touchedFor = 10 * time.Minute
	maxTouched = 4096
)

// A call is what the mesh keeps about the calls between it and a peer.
type call struct {
	number   uint64 // of ours that is out
	answered uint64 // the peer's that was answered last

	invited time.Duration // when it was last given addresses to try, until that is judged; 0 for not

	waiting *meshEvent    // the peer's last, nil when none waits for this node to know more of itself
	due     time.Duration // when it is answered at the latest
}

// outside is what is known of this node as others see it.
type outside struct {
	observer  nat.Observer
	reachable bool                             // somebody got through that nothing had been sent to
	touched   map[netip.AddrPort]time.Duration // where something was sent unasked; with port 0, to any
	restarted time.Duration                    // when everything was last tried again
	due       bool                             // and it is to be once more
	restarts  bucket                           // of restartRate
	probes    bucket                           // of probeRate
	mapped    portmap.Mapping                  // what the router opened; the zero value for nothing
	opened    opened                           // what is known of that
	local     []netip.Prefix                   // of this machine
	looked    time.Duration                    // when that was so
}

// touch notes that something is sent to an address that has not proven to be a peer's.
func (m *mesh) touch(w nat.Way) {
	if !w.Direct() {
		return
	}
	now, o := m.n.now(), &m.outside
	if o.touched == nil {
		o.touched = make(map[netip.AddrPort]time.Duration)
	}
	if len(o.touched)+1 >= maxTouched {
		for a, at := range o.touched {
			if now-at > touchedFor {
				delete(o.touched, a)
			}
		}
		if len(o.touched)+1 >= maxTouched {
			clear(o.touched) // some node looks more reachable than it is, which costs others a few datagrams
		}
	}
	at := unmapped(w.Addr)
	o.touched[at], o.touched[netip.AddrPortFrom(at.Addr(), 0)] = now, now
	o.observer.Sent(now, w.Socket, w.Addr)
}

// unasked notes that a peer got through by a way: if nothing was sent there before, everybody can.
func (m *mesh) unasked(now time.Duration, w nat.Way) {
	m.cameIn(now, w)
	o := &m.outside
	if !w.Direct() || o.reachable {
		return
	}
	from := w.Addr.Addr().Unmap()
	if at, sent := o.touched[netip.AddrPortFrom(from, 0)]; sent && now-at < touchedFor || m.near(from) {
		return
	}
	o.reachable = true
	m.serveRelay()
	m.n.log.Info("this node can be reached by others unasked", "from", w.Addr)
}

// serveRelay decides whether this node passes on what others send each other.
func (m *mesh) serveRelay() {
	o := m.relayOpts
	m.relays.Store(o.Serve || o.Auto && m.outside.reachable)
	if m.club != nil {
		m.club.gossip.clock = 0 // the record says so
	}
	m.wake()
}

// near reports whether an address is on a network of our own.
func (m *mesh) near(a netip.Addr) bool {
	return a.IsLinkLocalUnicast() || slices.ContainsFunc(m.local(), func(p netip.Prefix) bool { return p.Contains(a) })
}

// local are the addresses of this machine that may be offered, with the prefixes of their networks.
func (m *mesh) local() []netip.Prefix {
	o, now := &m.outside, m.n.now()
	if f := m.n.options.Mesh.Local; f != nil && (o.looked == 0 || now-o.looked >= localEvery) {
		o.local, o.looked = f(), now
	}
	return o.local
}

// blocked says why nothing may be sent by a way, as the end of a sentence; "" when something may.
func (m *mesh) blocked(w nat.Way) string {
	if !w.Direct() {
		return ""
	}
	return m.n.loops(w.Addr)
}

// offer tells the peer's agent where the config and its record say that it is.
func (p *peer) offer() {
	m := p.n.mesh
	local := m.local()
	var list []nat.Candidate
	for _, a := range p.endpoints {
		w, ok := m.wayTo(p.n.scoped(a))
		if !ok {
			continue
		}
		k := nat.KindStatic
		if p.member != nil {
			k = nat.KindOf(a.Addr(), local)
		}
		list = append(list, nat.Candidate{Way: w, Kind: k})
	}
	p.agent.Offer(p.n.now(), nat.FromConfig, list)
}

// relayers lists the peers that pass on for others and are reached directly, the nearest first.
func (m *mesh) relayers(now time.Duration) []*peer {
	if now-m.nearest.at < time.Second && m.nearest.list != nil {
		return m.nearest.list
	}
	list := make([]*peer, 0)
	for _, p := range m.peers {
		if snd := p.send.Load(); snd != nil && snd.direct() && p.offersRelay() {
			list = append(list, p)
		}
	}
	slices.SortStableFunc(list, func(a, b *peer) int { return cmp.Compare(a.rtt(), b.rtt()) })
	m.nearest.at, m.nearest.list = now, list
	return list
}

// offersRelay reports whether the peer passes on for others.
func (p *peer) offersRelay() bool {
	return p.options.Relay || p.member != nil && p.member.Record != nil && p.member.Record.Relay
}

// offerRelays tells the peer's agent who could pass on what is for it.
func (m *mesh) offerRelays(now time.Duration, p *peer) {
	var list []nat.Candidate
	for _, r := range m.relayers(now) {
		if m.relayOpts.Use && r != p && len(list) < nat.MaxRelays {
			list = append(list, nat.Candidate{Way: nat.Way{Relay: r.tag()}, Kind: nat.KindRelay})
		}
	}
	p.agent.Offer(now, nat.FromRelays, list)
}

// steps does what the peer's agent wants.
func (m *mesh) steps(now time.Duration, p *peer, t *session.Transport, steps []nat.Step) {
	var message []byte
	for _, s := range steps {
		switch s.Do {
		case nat.Ping:
			if s.Probe && !m.outside.probes.take(now, probeRate, probeBurst) {
				continue // as if it had been lost
			}
			m.touch(s.Way)
			_ = m.ping(now, p, t, &ping{to: s.Way, why: pingWay, number: s.Number}) // the agent sees to it
		case nat.Opener:
			if !m.outside.probes.take(now, probeRate, probeBurst) {
				continue
			}
			m.touch(s.Way)
			_ = m.transmitTTL(s.Way, p.tag(), wire.AppendOpener(nil), m.openerTTL(now, s.Way))
		case nat.Call:
			if message == nil {
				p.call.number = rand.Uint64()
				message = m.ownCall(now, p, p.call.number).Append(nil, wire.TypeCall)
			}
			_, _ = p.sendControl(t, s.Way, message) // it calls again
		}
	}
}

// openerTTL is the TTL of an opener. Behind two NATs it has to pass both, but whoever is between them is
// behind one.
func (m *mesh) openerTTL(now time.Duration, w nat.Way) uint8 {
	outer := m.outside.mapped.External.Addr()
	if nat.KindOf(w.Addr.Addr(), nil) == nat.KindPublic4 && m.outside.observer.Nested(now, outer) {
		return nestedTTL
	}
	return openerTTL
}

// ownCall is what a call, or the answer to one, says of this node.
func (m *mesh) ownCall(now time.Duration, p *peer, number uint64) wire.Call {
	list, step := m.candidates(now, p)
	return wire.Call{Number: number, Step: int8(step), Candidates: list}
}

// called takes in a call, or the answer to one.
func (m *mesh) called(now time.Duration, e *meshEvent) {
	p := e.peer
	c, err := wire.ParseCall(e.data)
	if err != nil {
		p.dropPeer(drop.Malformed)
		return
	}
	if wire.TypeOf(e.data) == wire.TypeAnswer {
		if c.Number == p.call.number && p.agent.Awaits() { // to look at addresses costs something
			p.agent.Answered(now, m.theirs(c))
			m.invited(now, p, c)
		}
		return
	}
	if until := m.unsettled(now, p); until != 0 {
		p.call.waiting, p.call.due = e, until
		return
	}
	if c.Number == p.call.answered { // it came by another way before
		return
	}
	if !p.agent.Hears(now) {
		p.dropPeer(drop.RateLimit)
		return
	}
	steps, _ := p.agent.Called(now, p.rtt(), m.theirs(c))
	p.call.answered = c.Number
	m.invited(now, p, c)
	answer := m.ownCall(now, p, c.Number).Append(nil, wire.TypeAnswer) // as it is before the openers go out
	m.steps(now, p, e.t, steps)
	_, _ = p.sendControl(e.t, e.way, answer) // it calls again
}

// unsettled is until when calls wait, because only one peer has told where this node is, and another may:
// what a NAT does shows when two have. 0 for no longer.
func (m *mesh) unsettled(now time.Duration, p *peer) time.Duration {
	n, since := m.outside.observer.Reflectors(now)
	others := len(m.n.options.Mesh.STUN)
	for _, other := range m.peers {
		if other != p && len(other.endpoints) > 0 {
			others++
		}
	}
	if n < 2 && others >= 2 && now < since+callHold {
		return since + callHold
	}
	return 0
}

// answerLate answers a call that waited.
func (m *mesh) answerLate(now time.Duration, p *peer) {
	if e := p.call.waiting; e != nil && m.unsettled(now, p) == 0 {
		p.call.waiting = nil
		m.called(now, e)
	}
}

// observed notes where a peer sees this node. Is that elsewhere than before, everything is looked for
// anew.
func (m *mesh) observed(now time.Duration, w nat.Way, us netip.AddrPort) {
	if w.Direct() && m.outside.observer.Saw(now, w.Socket, w.Addr, us) {
		m.restart(now)
	}
}

// restart has the ways to all peers looked for again, after a change of where this node is: now, or as
// soon as it may be.
func (m *mesh) restart(now time.Duration) {
	m.outside.due = true
	m.restartDue(now)
}

// restartDue does what [mesh.restart] had to put off.
func (m *mesh) restartDue(now time.Duration) {
	o := &m.outside
	if !o.due || o.restarted != 0 && now-o.restarted < restartEvery ||
		!o.restarts.take(now, restartRate, restartBurst) {
		return
	}
	o.due, o.restarted = false, now
	for _, p := range m.peers {
		p.agent.Restart(now)
	}
	m.wake()
}
