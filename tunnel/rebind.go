package tunnel

import (
	"net/netip"
	"time"

	"github.com/vxmesh/vxmesh/tunnel/udp"
)

// A NAT that got a flow wrong, as one that was starting can, keeps it wrong for as long as something is
// sent: nothing comes back until it is sent from another port. So a node that hears nothing from anybody
// opens further sockets and sends from these. It keeps listening where its peers know it to be.

const (
	// deafAfter is how long nobody may be heard while something is sent, before another port is tried.
	deafAfter = 15 * time.Second
	// rebindEvery is how often that happens, and rebindSlowest after many times in vain.
	rebindEvery   = time.Minute
	rebindSlowest = 16 * time.Minute
)

// ports are what the mesh keeps about sockets beside those that it was opened with.
type ports struct {
	homes  int  // how many sockets it was opened with; the others follow these
	spare  bool // the others are sent from
	due    bool // others are to be opened
	last   time.Duration
	vainly int // times since somebody was heard
}

// checkDeaf notes whether this node hears anybody, and whether it should try other ports.
func (m *mesh) checkDeaf(now time.Duration) {
	s := &m.ports
	if !m.n.options.Mesh.Rebind || m.outside.reachable || len(m.local()) == 0 {
		return
	}
	var heard time.Duration
	calls := false
	for _, p := range m.peers {
		heard = max(heard, time.Duration(p.heard.Load()))
		calls = calls || p.agent.Doubtful() >= suspectAfter || p.session.Current() == nil && p.callable()
	}
	if heard > s.last {
		s.vainly = 0
	}
	pause := min(rebindEvery<<s.vainly, rebindSlowest)
	if calls && now-heard >= deafAfter && (s.last == 0 || now-s.last >= pause) {
		s.due = true
	}
}

// rebind opens other sockets, if the mesh wants them. The caller holds no lock.
func (n *Node) rebind() {
	n.mu.Lock()
	defer n.mu.Unlock()
	m := n.mesh
	m.mu.Lock()
	defer m.mu.Unlock()
	s := &m.ports
	if !s.due || n.running == nil {
		return
	}
	now := n.now()
	s.due, s.last, s.vainly = false, now, min(s.vainly+1, 8)
	for i := range s.homes {
		m.spare(i)
	}
	s.spare = true
	m.publishSockets()
	for _, p := range m.peers {
		p.offer()
		if p.session.Current() == nil {
			p.session.Urge(now)
		}
		p.agent.Restart(now)
	}
	n.log.Info("nobody is heard: sending from other ports", "listen", m.addrs())
}

// spare opens a socket beside the i-th, and closes the one that was there before.
func (m *mesh) spare(i int) {
	home := m.sockets[i]
	conn, err := m.n.options.ListenUDP(
		netip.AddrPortFrom(home.LocalAddr().Addr(), 0), udp.Options{Buffer: socketBuffer},
	)
	if err != nil {
		m.n.log.Debug("no other port", "err", err)
		return
	}
	sock, at := &socket{Conn: conn}, min(m.ports.homes+i, len(m.sockets)) // an earlier one may have failed
	if at < len(m.sockets) {
		_ = m.sockets[at].Close() // its loop ends
		m.sockets[at] = sock
	} else {
		m.sockets = append(m.sockets, sock)
	}
	m.started = len(m.sockets)
	m.n.serve(newMeshlink(m.n, sock, uint8(at)))
}
