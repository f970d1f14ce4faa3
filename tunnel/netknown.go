package tunnel

import (
	"net/netip"
	"slices"

	"github.com/vxmesh/vxmesh/nat"
	"github.com/vxmesh/vxmesh/tunnel/control"
)

// What a node adds to a netcheck: what it knows without asking.

// askable tells a netcheck whom to ask.
func (m *mesh) askable(c *netcheck) {
	m.mu.Lock()
	defer m.mu.Unlock()
	c.local = m.local()
	for _, p := range m.peers {
		c.member(p.name, p.endpoints...)
		if pa := p.path; pa != nil && pa.way.Direct() {
			c.member(p.name, pa.way.Addr)
		}
	}
	if servers := m.reflector.servers.Load(); servers != nil {
		for _, a := range *servers {
			c.server(a.String(), []netip.AddrPort{a})
		}
	}
}

// addNetcheck adds what the node knows.
func (m *mesh) addNetcheck(c *netcheck, out *control.Netcheck) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.addFamily(&out.IPv4, false)
	m.addFamily(&out.IPv6, true)
	out.UDP = overall(out.IPv4, out.IPv6)
	for _, p := range m.peers {
		m.addNetPeer(p, out)
		if pa := p.path; pa != nil && pa.way.Direct() && pa.observed.IsValid() && p.state != control.PeerDown {
			m.addReflector(p, out)
		}
	}
	out.Relaying = m.relays.Load()
	for _, r := range m.relayers(m.n.now()) {
		out.Relays = append(out.Relays, m.relayStatus(r))
	}
	if a := m.outside.mapped; a.External.IsValid() {
		pm := &out.PortMapping
		pm.Protocol, pm.Mapped, pm.Until = a.Protocol, a.External.String(), a.Expires
		pm.Verified = m.outside.verified()
	}
}

// addFamily adds what others see of the mesh's own sockets.
func (m *mesh) addFamily(f *control.NetFamily, v6 bool) {
	now, o := m.n.now(), &m.outside
	seen := slices.DeleteFunc(o.observer.Addresses(now), func(r nat.Reflexive) bool {
		return r.Addr.Addr().Is6() != v6
	})
	for _, p := range m.peers {
		if snd := p.send.Load(); snd != nil && snd.direct() && p.state == control.PeerDirect &&
			snd.to.Addr().Is6() == v6 && !m.near(snd.to.Addr()) {
			f.UDP = control.Yes
		}
	}
	if f.Mapping == control.MappingUnknown {
		f.Mapping = mappingOf(seen, f.Addresses)
	}
	if step, last := o.observer.Step(now); step != 0 && last.Addr.Addr().Is6() == v6 {
		f.Step = step
	}
	m.addOutside(f, seen)
	if o.reachable && len(seen) > 0 && !m.twoFamilies() {
		f.Strangers = control.FilteringOpen
	}
	f.Class = classOf(*f)
}

// twoFamilies reports whether others see this node at addresses of both, so that it is not known by which
// of them strangers came in.
func (m *mesh) twoFamilies() bool {
	var four, six bool
	for _, r := range m.outside.observer.Addresses(m.n.now()) {
		four, six = four || !r.Addr.Addr().Is6(), six || r.Addr.Addr().Is6()
	}
	return four && six
}

// mappingOf is what the NAT does, from where others see the mesh's sockets.
func mappingOf(seen []nat.Reflexive, own []string) control.NetMapping {
	out := control.MappingUnknown
	for i, r := range seen {
		for _, s := range seen[:i] {
			if s.Socket == r.Socket && s.Addr.Addr() == r.Addr.Addr() {
				return control.MappingVaries
			}
		}
		switch {
		case slices.Contains(own, r.Addr.Addr().String()):
			out = control.MappingNone
		case r.Agreed:
			out = control.MappingIndependent
		}
	}
	return out
}

// addOutside puts where others see the mesh's sockets in the place of where they see the test's.
func (m *mesh) addOutside(f *control.NetFamily, seen []nat.Reflexive) {
	if len(seen) == 0 {
		return
	}
	f.Outside = nil
	for _, r := range seen {
		text := r.Addr.String()
		if f.Mapping == control.MappingVaries { // the port is another for everybody
			text = r.Addr.Addr().String()
		}
		f.Outside = addNew(f.Outside, text)
	}
}

// addReflector adds a peer that sees this node, if the test has not.
func (m *mesh) addReflector(p *peer, out *control.Netcheck) {
	if !slices.ContainsFunc(out.Reflectors, func(r control.Reflector) bool { return r.Name == p.name }) {
		out.Reflectors = append(out.Reflectors, control.Reflector{
			Name: p.name, Address: p.path.way.Addr.String(), Sees: p.path.observed.String(), Peer: true,
			RTTSeconds: p.rtt().Seconds(),
		})
	}
}

func (m *mesh) relayStatus(r *peer) control.Relay {
	st := control.Relay{Name: r.name, RTTSeconds: r.rtt().Seconds()}
	for _, p := range m.peers {
		if pa := p.path; pa != nil && pa.way.Relay == r.tag() && p.state != control.PeerDown {
			st.Users++
		}
	}
	return st
}

// addNetPeer says how a peer is reached, and where it is on a network of ours.
func (m *mesh) addNetPeer(p *peer, out *control.Netcheck) {
	st := control.NetPeer{Name: p.name, State: p.state}
	if pa := m.status(p).Path; pa != nil {
		st.Via, st.RTTSeconds = pa.Via, pa.RTTSeconds
	}
	switch {
	case p.state == control.PeerDown:
		st.Because = p.sentence()
	case p.state.Relayed():
		st.Because = m.obstacle(p)
		if p.state == control.PeerRelayed && !m.proven(p) {
			st.Fix = "a port mapping here or there, or IPv6 at both"
		}
	}
	out.Peers = append(out.Peers, st)
	for _, s := range p.agent.Candidates(m.n.now()) {
		if s.Kind == nat.KindLAN && s.State == nat.Valid {
			out.LAN = append(out.LAN, control.LANPeer{Name: p.name, Address: s.Addr.Addr().String()})
			return
		}
	}
}

// proven reports whether there is a direct way to the peer that works, if badly.
func (m *mesh) proven(p *peer) bool {
	return slices.ContainsFunc(p.agent.Candidates(m.n.now()), func(s nat.Status) bool {
		return s.Direct() && s.State == nat.Valid
	})
}
