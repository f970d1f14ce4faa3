package tunnel

import (
	"errors"
	"net/netip"
	"slices"
	"time"

	"github.com/vxmesh/vxmesh/tunnel/control"
	"github.com/vxmesh/vxmesh/tunnel/session"
	"github.com/vxmesh/vxmesh/tunnel/wire"
)

var errWornOut = errors.New("the session's keys are used up")

// initiate sends a handshake to every address that the peer might be at. The first that answers
// is taken: copies of one message are one attempt to the other side.
func (m *mesh) initiate(now time.Duration, p *peer) {
	p.tried = p.tried[:0]
	if p.path != nil {
		p.tried = append(p.tried, p.path.remote)
	}
	for _, a := range p.endpoints {
		a = m.n.scoped(a)
		if !slices.Contains(p.tried, a) {
			p.tried = append(p.tried, a)
		}
	}
	m.setCaps()
	msg := p.session.Initiate(now)
	if msg == nil {
		return
	}
	clear(p.results)
	for _, to := range p.tried {
		p.results[to.String()] = m.try(to, msg)
	}
}

// try sends a handshake to an address and says what became of it.
func (m *mesh) try(to netip.AddrPort, msg []byte) result {
	sock := m.sender(to.Addr())
	if sock == nil {
		return result{control.CandidateNoRoute, "listen.mesh has no address of its family"}
	}
	if why := m.n.loops(to); why != "" {
		return result{control.CandidateNoRoute, why}
	}
	if err := transmit(sock, to, msg); err != nil {
		return result{control.CandidateNoRoute, err.Error()}
	}
	return result{control.CandidateTrying, "no answer yet"}
}

// handshake takes in a handshake datagram, and says whose it was; nil when that is not known.
func (m *mesh) handshake(now time.Duration, e *meshEvent) *peer {
	ep := m.endpointOf(e.data)
	if ep == nil { // it was closed since
		return nil
	}
	m.setCaps()
	r := ep.Receive(now, e.from, e.data)
	if r.Event == session.UnknownPeer && m.admit(now, ep, r.Claim) {
		r = ep.ReceiveAgain(now, e.from, e.data)
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
	if r.Reply != nil {
		_ = transmit(e.sock, e.from, r.Reply) // the other side tries again
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
		p.answered = answered{r.New, e.sock, e.from} // proven when the peer uses the session
		return p
	}
	p.heard.Store(int64(now))
	m.established(now, p, e.sock, e.from, slices.Contains(p.tried, e.from))
	return p
}

// established makes a session that is ready the one that frames take. proven says that our own
// handshake came back from the address it was sent to.
func (m *mesh) established(now time.Duration, p *peer, sock *socket, from netip.AddrPort, proven bool) {
	if proven {
		m.setPath(now, p, sock, from)
	}
	if p.member != nil {
		m.club.greet(now, p)
	}
	m.publish(p)
	if slices.Contains(p.tried, from) { // others are many where the peer calls
		p.results[from.String()] = result{control.CandidateReachable, "it answered a handshake"}
	}
	if t := p.session.Current(); t != nil {
		if t.Initiator() || p.state != control.PeerDirect { // the answering side waits for a first datagram
			m.ping(now, p, t, &ping{sock: sock, to: from, why: pingAlive})
		}
		p.tellConflict(now, t, sock, from)
	}
	m.judge(now, p)
}

// confirm notes that the peer uses the session that t answered its handshake with: what we sent to
// its address came back. Meshlinks call it for the first datagram of a session.
func (m *mesh) confirm(in *inbound, sock *socket, from netip.AddrPort) {
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
	m.established(now, p, sock, from, p.answered == answered{in.t, sock, from})
}

// answered is where the last answer to a peer's handshake was sent, and the session it offered.
type answered struct {
	t    *session.Transport
	sock *socket
	to   netip.AddrPort
}

// notice deals with what a handshake told besides.
func (m *mesh) notice(now time.Duration, e *meshEvent, p *peer, event session.Event) {
	switch event {
	case session.OwnKey:
		m.foundTwin(now, e.from)
	case session.NoCommonCipher:
		if p != nil {
			p.results[e.from.String()] = result{control.CandidateReachable, "it takes none of our ciphers"}
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
		m.pong(now, e.peer, e.from, wire.ParsePong(e.data))
	case wire.TypeClose:
		e.peer.session.Close(e.t)
		m.publishTable()
		if e.peer.session.Current() != nil { // it has come back since
			return
		}
		e.peer.path = nil
		m.publish(e.peer)
		m.setState(e.peer, control.PeerDown, "left")
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
