package tunnel

import (
	"fmt"
	"net/netip"
	"slices"

	"github.com/vxmesh/vxmesh/tunnel/session"
	"github.com/vxmesh/vxmesh/tunnel/udp"
)

// Who the peers are: from the config, and changed by Apply.

// add makes everybody listed a peer, and changes those who are. It opens the mesh with the first.
func (m *mesh) add(list []PeerOptions) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(list) > 0 && m.endpoint == nil {
		if err := m.open(); err != nil {
			return err
		}
	}
	for _, o := range list {
		if err := m.put(o); err != nil {
			return err
		}
	}
	m.wake()
	return nil
}

// prepare adds and changes peers; back undoes it, also after an error.
func (m *mesh) prepare(list []PeerOptions) (back func(), err error) {
	before := m.listed()
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
	for _, p := range m.peers {
		switch {
		case p.key == o.Key && p.name == o.Name:
			p.configure(o)
			return nil
		case p.key == o.Key:
			return fmt.Errorf("peer %s is to be called %s: that needs a restart", p.name, o.Name)
		}
	}
	s, err := m.endpoint.Add(o.Key)
	if err != nil {
		return fmt.Errorf("peer %s: %w", o.Name, err)
	}
	p := &peer{
		party: party{name: o.Name}, n: m.n, key: o.Key, session: s, pings: make(pings),
		results: make(map[string]result), state: "down", reason: "no_answer", since: m.n.wall(),
	}
	p.configure(o)
	m.peers = append(m.peers, p)
	m.bySession[s] = p
	return nil
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
	p.session.Keep(o.Keepalive > 0)
}

// keep removes every peer that is not listed.
func (m *mesh) keep(list []PeerOptions) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.peers = slices.DeleteFunc(m.peers, func(p *peer) bool {
		if slices.ContainsFunc(list, func(o PeerOptions) bool { return o.Key == p.key }) {
			return false
		}
		m.close(p)
		m.endpoint.Remove(p.session)
		delete(m.bySession, p.session)
		return true
	})
	m.publishTable()
}

// listed gives the options of all peers as they are.
func (m *mesh) listed() []PeerOptions {
	m.mu.Lock()
	defer m.mu.Unlock()
	out := make([]PeerOptions, len(m.peers))
	for i, p := range m.peers {
		out[i] = p.options
	}
	return out
}

// named gives the peers of the names.
func (m *mesh) named(names []string) (out []*peer) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, p := range m.peers {
		if slices.Contains(names, p.name) {
			out = append(out, p)
		}
	}
	return out
}

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
	addrs := make([]netip.AddrPort, len(m.sockets))
	for i, s := range m.sockets {
		addrs[i] = s.LocalAddr()
	}
	m.listens.Store(&addrs)
	m.endpoint = session.New(session.Options{
		Key: o.Key, ID: o.ID, Epoch: o.Epoch, Ciphers: o.Ciphers, Hardware: session.HardwareAES(),
	})
	m.screener.Store(m.endpoint)
	return nil
}

// caps is what all devices of the node take.
func (n *Node) caps() session.Caps {
	all := session.CapCsum | session.CapTSO | session.CapUSO
	for _, s := range n.segmentList() {
		o := s.dev.Offloads()
		if !o.Csum {
			all &^= session.CapCsum
		}
		if !o.TSO {
			all &^= session.CapTSO
		}
		if !o.USO {
			all &^= session.CapUSO
		}
	}
	return all
}

// start has the sockets read that nobody reads yet. The caller holds the node's mu.
func (m *mesh) start() {
	m.mu.Lock()
	defer m.mu.Unlock()
	for ; m.started < len(m.sockets); m.started++ {
		m.n.serve(newMeshlink(m.n, m.sockets[m.started]))
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
