package tunnel

import (
	"maps"
	"time"

	"github.com/vxmesh/vxmesh/tunnel/bridge"
	"github.com/vxmesh/vxmesh/tunnel/control"
	"github.com/vxmesh/vxmesh/tunnel/session"
	"github.com/vxmesh/vxmesh/tunnel/wire"
)

// PausePeer ends the session with a peer and forgets the addresses behind it. Nothing is sent to it nor
// taken from it until [Node.ResumePeer]. Anybody may call it at any time.
func (n *Node) PausePeer(name string) (control.Peer, error) {
	p, st, err := n.mesh.changePeer(name, func(_ time.Duration, p *peer) error {
		n.mesh.pause(p)
		return nil
	})
	if err == nil {
		n.forgetEntries(p)
		n.regroup()
	}
	return st, err
}

// ResumePeer takes a pause back, if there is one. Anybody may call it at any time.
func (n *Node) ResumePeer(name string) (control.Peer, error) {
	_, st, err := n.mesh.changePeer(name, n.mesh.resume)
	n.regroup()
	return st, err
}

// ReconnectPeer has the ways to a peer looked for from the beginning, and makes a new session with it.
// What is up stays so until there is something better. Anybody may call it at any time.
func (n *Node) ReconnectPeer(name string) (control.Peer, error) {
	_, st, err := n.mesh.changePeer(name, n.mesh.reconnect)
	n.resolver.wake()
	return st, err
}

// changePeer does something to the peer of a name, and says how that is then.
func (m *mesh) changePeer(name string, do func(time.Duration, *peer) error) (*peer, control.Peer, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	p, err := m.find(name)
	if err != nil {
		return nil, control.Peer{}, err
	}
	now := m.n.now()
	if err := do(now, p); err != nil {
		return nil, control.Peer{}, err
	}
	m.look(now, p)
	m.wake()
	return p, m.status(p), nil
}

// pause has nothing more to do with a peer. The pause is one of its key: it outlasts a new name.
func (m *mesh) pause(p *peer) {
	if p.paused {
		return
	}
	maps.DeleteFunc(m.paused, func(key session.PublicKey, _ bool) bool { return m.withKey(key) == nil })
	m.paused[p.key] = true
	m.n.log.Info("peer paused", "peer", p.name)
	m.halt(p)
}

// halt ends the session with a peer that is paused. Its endpoint does not know it any more, so that it
// answers no handshake.
func (m *mesh) halt(p *peer) {
	p.paused = true
	if t := p.session.Current(); t != nil {
		p.tell(t, wire.AppendClose(nil)) // it finds out anyway
	}
	m.realm(p.member).Remove(p.session)
	delete(m.bySession, p.session)
	p.agent.Forget()
	p.path, p.knock, p.call.waiting = nil, knock{}, nil
	clear(p.paths)
	m.publish(p)
	m.publishTable()
	m.regroup = true
}

// resume makes a peer one again that was paused.
func (m *mesh) resume(now time.Duration, p *peer) error {
	if !p.paused {
		return nil
	}
	s, err := m.realm(p.member).Add(p.key)
	if err != nil {
		return err
	}
	p.paused, p.session, p.reason = false, s, "no_answer"
	m.bySession[s] = p
	delete(m.paused, p.key)
	s.Keep(p.options.Keepalive > 0)
	p.offer()
	s.Urge(now)
	m.regroup = true
	m.n.log.Info("peer resumed", "peer", p.name)
	return nil
}

// reconnect tries everything again. A way that answers carries on meanwhile, with all that was learned
// about it forgotten; one that is in doubt does not.
func (m *mesh) reconnect(now time.Duration, p *peer) error {
	if p.paused {
		e := control.Errorf(control.CodeConflict, "%s is paused", p.name)
		e.Fix = []string{"vxmesh peer resume " + p.name}
		return e
	}
	m.n.log.Info("peer is looked for anew", "peer", p.name)
	clear(p.paths)
	if pa := p.path; pa != nil && p.agent.Doubtful() == 0 {
		before := pa.search.Size()
		m.setPath(p, pa.way)
		m.publish(p)
		m.resized(p, before)
		p.agent.Restart(now)
	} else {
		p.agent.Forget()
		m.adopt(now, p)
	}
	p.offer()
	p.session.Urge(now)
	return nil
}

// forgetEntries removes what was learned behind a peer.
func (n *Node) forgetEntries(p *peer) {
	for _, s := range n.segmentList() {
		port, member := s.leg.Load().members[p]
		if !member {
			continue
		}
		if removed := s.sw.Flush(bridge.Filter{Port: port}); removed > 0 {
			n.publish(control.Event{Type: control.EventFDBFlushed, VNI: s.vni, Count: uint64(removed)})
		}
	}
}
