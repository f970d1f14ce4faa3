package tunnel

import (
	"slices"
	"time"

	"github.com/vxmesh/vxmesh/nat"
	"github.com/vxmesh/vxmesh/tunnel/control"
	"github.com/vxmesh/vxmesh/tunnel/session"
	"github.com/vxmesh/vxmesh/tunnel/wire"
)

// initiate sends a handshake to every address that the peer might be at. The first that answers
// is taken: copies of one message are one attempt to the other side.
func (m *mesh) initiate(now time.Duration, p *peer) {
	p.tried = p.agent.Targets(now, maxTried)
	m.setCaps()
	msg := p.session.Initiate(now)
	if msg == nil {
		return
	}
	p.knock = knock{message: msg, left: knocks}
	clear(p.results)
	for _, to := range p.tried {
		p.results[to] = m.try(p, to, msg)
	}
}

const (
	// knockEvery is how soon a handshake goes out again that a relay could not pass on, knocks times.
	knockEvery = 100 * time.Millisecond
	knocks     = 5
)

// A knock is the handshake under way. A relay that has no session with the peer may have one in a
// moment: where nodes start together, waiting for the next handshake takes longer.
type knock struct {
	message []byte
	by      nat.Way       // the relay that could not pass it on
	at      time.Duration // when it goes out once more; 0 for not at all
	left    int
}

// knockAgain sends the handshake once more that a relay could not pass on.
func (m *mesh) knockAgain(now time.Duration, p *peer) {
	k := &p.knock
	if k.at == 0 || now < k.at {
		return
	}
	k.at = 0
	if p.session.Current() == nil {
		_ = m.transmit(k.by, p.tag(), k.message) // the next handshake is tried anyway
	}
}

// try sends a handshake to an address and says what became of it.
func (m *mesh) try(p *peer, to nat.Way, msg []byte) result {
	if why := m.blocked(to); why != "" {
		return result{control.CandidateNoRoute, why}
	}
	m.touch(to)
	if err := m.transmit(to, p.tag(), msg); err != nil {
		return result{control.CandidateNoRoute, err.Error()}
	}
	return result{control.CandidateTrying, "no answer yet"}
}

// sender is the tag of who sent a handshake.
func (e *meshEvent) sender(p *peer) nat.Tag {
	if p != nil {
		return p.tag()
	}
	return e.source
}

// handshake takes in a handshake datagram, and says whose it was; nil when that is not known.
func (m *mesh) handshake(now time.Duration, e *meshEvent) *peer {
	ep := m.endpointOf(e.data)
	if ep == nil { // it was closed since
		return nil
	}
	m.setCaps()
	r := ep.Receive(now, e.origin(), e.data)
	if r.Event == session.UnknownPeer && m.admit(now, ep, r.Claim) {
		r = ep.ReceiveAgain(now, e.origin(), e.data)
	}
	p := m.bySession[r.Peer] // nil for nobody
	if p != nil {
		p.dropPeer(r.Reason)
	} else {
		e.sock.drops.Add(r.Reason, 1)
	}
	if r.New != nil && p != nil {
		m.publishNew(p, r.New) // before the answer: what comes in the new session may be quick
	}
	if r.New != nil && p != nil && !r.New.Initiator() {
		m.unasked(now, e.way)
	}
	if r.Reply != nil {
		m.touch(e.way)
		_ = m.transmit(e.way, e.sender(p), r.Reply) // the other side tries again
	}
	m.notice(now, e, p, r.Event)
	if r.New == nil || p == nil {
		return p
	}
	p.handshakes++
	if m.club != nil {
		m.club.updated(p, p.session)
	}
	if !r.New.Initiator() {
		p.answered = answered{r.New, e.way} // proven when the peer uses the session
		return p
	}
	p.heard.Store(int64(now))
	m.established(now, p, e.way, slices.Contains(p.tried, e.way))
	return p
}

// established makes a session that is ready the one that frames take. proven says that our own
// handshake came back by the way it went.
func (m *mesh) established(now time.Duration, p *peer, w nat.Way, proven bool) {
	was := p.state
	if epoch := p.session.Epoch(); epoch != p.epoch { // what the ways were to another start of it says nothing
		p.epoch = epoch
		p.agent.Forget()
	}
	if !w.Direct() {
		p.agent.Hold(m.unsettled(now, p))
	}
	if proven {
		p.agent.Proven(now, w)
	}
	m.adopt(now, p)
	if p.member != nil {
		m.club.greet(now, p, was)
	}
	m.publish(p)
	if slices.Contains(p.tried, w) { // others are many where the peer calls
		p.results[w] = result{control.CandidateReachable, "it answered a handshake"}
	}
	if t := p.session.Current(); t != nil {
		if t.Initiator() || was != control.PeerDirect { // the answering side waits for a first datagram
			_ = m.ping(now, p, t, &ping{to: w, why: pingAlive})
		}
		if t.Initiator() {
			p.agent.Began(now)
		}
		p.tellConflict(now, t, w)
	}
	m.judge(now, p)
}

// confirm notes that the peer uses the session that t answered its handshake with: what we sent to
// its address came back. Meshlinks call it for the first datagram of a session.
func (m *mesh) confirm(in *inbound, w nat.Way) {
	m.mu.Lock()
	defer m.mu.Unlock()
	p := in.peer
	if !m.knows(p) || !p.session.Confirm(in.t) {
		return
	}
	now := m.n.now()
	if len(p.session.Expire(now)) > 0 {
		m.publishTable()
	}
	m.established(now, p, w, p.answered == answered{in.t, w})
}

// answered is where the last answer to a peer's handshake was sent, and the session it offered.
type answered struct {
	t  *session.Transport
	to nat.Way
}

// notice deals with what a handshake told besides.
func (m *mesh) notice(now time.Duration, e *meshEvent, p *peer, event session.Event) {
	switch event {
	case session.OwnKey:
		m.foundTwin(now, e.from)
	case session.NoCommonCipher:
		if p != nil {
			if len(p.results) >= maxResults {
				clear(p.results) // nothing is called that could do so
			}
			p.results[e.way] = result{control.CandidateReachable, "it takes none of our ciphers"}
			if p.session.Current() == nil {
				m.setState(p, control.PeerDown, "no_common_cipher")
			}
		}
	case session.EpochBack:
		if p != nil {
			m.noticeBack(now, p, e.from)
		}
	case session.UnknownPeer:
		m.n.log.Debug("handshake of a key that is no peer's", "from", e.from)
	}
}

// control takes in a control message that the meshlink left to us.
func (m *mesh) control(now time.Duration, e *meshEvent) {
	switch wire.TypeOf(e.data) {
	case wire.TypePong:
		m.pong(now, e.peer, e.way, wire.ParsePong(e.data))
	case wire.TypeClose:
		e.peer.session.Close(e.t)
		m.publishTable()
		if e.peer.session.Current() != nil { // it has come back since
			return
		}
		e.peer.agent.Forget()
		m.adopt(now, e.peer)
		m.setState(e.peer, control.PeerDown, "left")
	case wire.TypeCall, wire.TypeAnswer:
		m.called(now, e)
	case wire.TypeUnreached:
		m.unreached(now, e.peer, wire.ParseUnreached(e.data))
	case wire.TypeConflict:
		m.foundTwin(now, wire.ParseConflict(e.data).Other)
	case wire.TypeItems, wire.TypeSummary, wire.TypeDigest, wire.TypeWant:
		if m.club != nil {
			m.club.receive(now, e.peer, e.data)
		}
	case wire.TypeRedeem:
		if m.club != nil {
			m.club.door.redeem(m.club, e)
		}
	}
}
