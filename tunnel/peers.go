package tunnel

import (
	"encoding/hex"
	"time"

	"github.com/vxmesh/vxmesh/tunnel/control"
)

// Peers lists the other nodes. Anybody may call it at any time.
func (n *Node) Peers() control.Peers {
	n.mesh.mu.Lock()
	defer n.mesh.mu.Unlock()
	var out control.Peers
	for _, p := range n.mesh.peers {
		out.Peers = append(out.Peers, n.mesh.status(p))
	}
	return out
}

// addStatus adds what the mesh knows to a status.
func (m *mesh) addStatus(st *control.Status) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.sockets) > 0 {
		st.Node.ID = hex.EncodeToString(m.n.options.Mesh.ID[:])
	}
	for _, s := range m.sockets {
		st.Listen = append(st.Listen, s.name())
	}
	for _, p := range m.peers {
		st.Peers = append(st.Peers, m.status(p))
	}
	st.Warnings = append(st.Warnings, m.warnings(m.n.now())...)
}

// addStats adds the mesh's counters.
func (m *mesh) addStats(st *control.Stats) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, p := range m.peers {
		st.Peers = append(st.Peers, control.PeerStats{
			Name:     p.name,
			RxFrames: p.rx.frames.Load(), RxBytes: p.rx.bytes.Load(),
			TxFrames: p.tx.frames.Load(), TxBytes: p.tx.bytes.Load(),
			RxDatagrams: p.rxDatagrams.Load(), TxDatagrams: p.txDatagrams.Load(),
			Handshakes: p.handshakes, Drops: p.drops.Map(),
		})
	}
	for _, s := range m.sockets {
		st.Sockets = append(st.Sockets, s.stats())
	}
}

// status is the peer as clients see it. The caller holds mu.
func (m *mesh) status(p *peer) control.Peer {
	st := control.Peer{
		Name: p.name, State: p.state, Reason: p.reason, Since: p.since,
		RxBytes: p.rx.bytes.Load(), TxBytes: p.tx.bytes.Load(),
		RxFrames: p.rx.frames.Load(), TxFrames: p.tx.frames.Load(), Drops: p.drops.Map(),
	}
	if id := p.session.ID(); id != [32]byte{} {
		st.ID = hex.EncodeToString(id[:])
	}
	now, wall := m.n.now(), m.n.wall()
	if heard := time.Duration(p.heard.Load()); heard > 0 {
		st.LastSeen = wall.Add(heard - now)
	}
	if t := p.session.Current(); t != nil {
		st.Cipher, st.HandshakeAgeSeconds = t.Cipher().String(), (now - t.Created()).Seconds()
	}
	if p.path != nil && p.state != control.PeerDown {
		st.Path = m.pathStatus(p)
	}
	return st
}

// pathStatus is the way that is used, as clients see it.
func (m *mesh) pathStatus(p *peer) *control.Path {
	pa := p.path
	st := &control.Path{
		Kind: "udp4", RTTSeconds: p.rtt().Seconds(), LossRatio: pa.loss, MTU: pa.search.Size(),
	}
	if !pa.way.Direct() {
		st.Kind = "relay"
		if r := m.tagged(pa.way.Relay); r != nil {
			st.Via = r.name
		}
		return st
	}
	st.Remote = pa.way.Addr.String()
	if pa.way.Addr.Addr().Is6() {
		st.Kind = "udp6"
	}
	return st
}

// publishPeer tells everybody who follows about a peer. The caller holds mu.
func (m *mesh) publishPeer(t control.EventType, p *peer, reason string) {
	if m.n.followed() {
		st := m.status(p)
		m.n.publish(control.Event{Type: t, Peer: &st, Reason: reason})
	}
}

// find gives the peer of a name. The caller holds mu.
func (m *mesh) find(name string) (*peer, error) {
	var known []string
	for _, p := range m.peers {
		if p.name == name {
			return p, nil
		}
		known = append(known, p.name)
	}
	return nil, control.NoPeer(name, known)
}
