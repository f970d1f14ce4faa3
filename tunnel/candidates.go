package tunnel

import (
	"cmp"
	"net/netip"
	"slices"
	"time"

	"github.com/vxmesh/vxmesh/nat"
	"github.com/vxmesh/vxmesh/tunnel/roster"
	"github.com/vxmesh/vxmesh/tunnel/wire"
)

// What this node says of where it might be reached, and what it makes of what a peer says.

// candidates are where this node might be reached, the best first, and by how much the ports of a NAT go
// on that has not given it one towards p yet. A nil p is for anybody.
func (m *mesh) candidates(now time.Duration, p *peer) (out []wire.Candidate, step int) {
	seen, step := m.seenAt(now, p)
	for _, c := range slices.Concat(m.hosts(), m.mappedAt(), seen) {
		known := slices.ContainsFunc(out, func(o wire.Candidate) bool { return o.Addr == c.Addr })
		if !known && (nat.Usable(c.Addr) || m.loopback(c.Addr)) {
			out = append(out, c)
		}
	}
	slices.SortStableFunc(out, func(a, b wire.Candidate) int { return cmp.Compare(b.Kind, a.Kind) })
	return out, step
}

// hosts are the addresses of this machine that may be told, with the ports of the sockets.
func (m *mesh) hosts() (out []wire.Candidate) {
	for _, p := range m.local() {
		for _, s := range m.sockets {
			at := s.LocalAddr()
			if p.Addr().Is4() != s.Is6() && (at.Addr().IsUnspecified() || at.Addr() == p.Addr()) {
				kind := nat.KindOf(p.Addr(), nil)
				out = append(out, wire.Candidate{Kind: uint8(kind), Addr: netip.AddrPortFrom(p.Addr(), at.Port())})
			}
		}
	}
	return out
}

// seenAt are the addresses at which others see this node, or would.
func (m *mesh) seenAt(now time.Duration, p *peer) (out []wire.Candidate, step int) {
	o := &m.outside.observer
	step, last := o.Step(now)
	seen, varies := o.Addresses(now), o.Varies(now)
	if step != 0 {
		seen = []nat.Reflexive{last}
		if given := m.given(now, p); len(given) > 0 {
			seen, step = given, 0
		}
	}
	for _, r := range seen {
		out = append(out, wire.Candidate{Kind: uint8(nat.KindReflexive), Addr: r.Addr})
		if s := m.socket(r.Socket); varies && s != nil {
			at := netip.AddrPortFrom(r.Addr.Addr(), s.LocalAddr().Port())
			out = append(out, wire.Candidate{Kind: uint8(nat.KindForwarded), Addr: at})
		}
	}
	return out, step
}

// given are the addresses that a NAT which counts has given this node towards a peer, in attempts
// before this one.
func (m *mesh) given(now time.Duration, p *peer) (out []nat.Reflexive) {
	if p == nil {
		return nil
	}
	for _, c := range p.agent.Candidates(now) {
		if !c.Direct() || c.Kind == nat.KindHost || c.Kind == nat.KindLAN || len(out) == 4 {
			continue
		}
		if a, ok := m.outside.observer.Given(now, c.Socket, c.Addr); ok {
			out = append(out, nat.Reflexive{Addr: a, Socket: c.Socket})
		}
	}
	return out
}

// endpoints are where others may reach this node: at its own addresses, at the port that a router opened,
// and where two others see it.
func (c *membership) endpoints() (out []netip.AddrPort) {
	add := func(a netip.AddrPort) {
		if !slices.Contains(out, a) && len(out) < roster.MaxEndpoints {
			out = append(out, a)
		}
	}
	if c.Addresses != nil {
		out = c.Addresses()
	}
	if !c.m.outside.opened.refuted { // strangers need not try in vain what nobody gets through
		for _, a := range c.m.mappedAt() {
			add(a.Addr)
		}
	}
	seen := c.m.outside.observer.Addresses(c.m.n.now())
	for _, r := range seen {
		if r.Agreed {
			add(r.Addr)
		}
	}
	if len(seen) == 0 { // nobody is there to ask: it may be as before
		c.eachPublic(add)
	}
	slices.SortFunc(out, netip.AddrPort.Compare)
	return out
}

// eachPublic calls f with the public addresses of our last record.
func (c *membership) eachPublic(f func(netip.AddrPort)) {
	if c.record == nil {
		return
	}
	for _, a := range c.record.Endpoints {
		if nat.KindOf(a.Addr(), nil) != nat.KindHost {
			f(a)
		}
	}
}

// loopback reports whether an address is one that only a test can want.
func (m *mesh) loopback(a netip.AddrPort) bool {
	return m.club != nil && m.club.Loopback && a.Addr().IsLoopback() && a.Port() != 0
}

// theirs makes candidates of what a peer said of itself.
func (m *mesh) theirs(c wire.Call) (list []nat.Candidate) {
	own, _ := m.candidates(m.n.now(), nil)
	local := m.local()
	for _, a := range c.Candidates {
		k := nat.Kind(a.Kind)
		mine := slices.ContainsFunc(own, func(o wire.Candidate) bool { return o.Addr == a.Addr })
		if !k.Valid() || mine || !nat.Usable(a.Addr) && !m.loopback(a.Addr) {
			continue
		}
		w, ok := m.wayTo(a.Addr)
		if !ok || m.blocked(w) != "" {
			continue
		}
		if k != nat.KindReflexive && k != nat.KindForwarded {
			k = nat.KindOf(a.Addr.Addr(), local)
		}
		list = append(list, nat.Candidate{Way: w, Kind: k})
	}
	step, _ := m.outside.observer.Step(m.n.now())
	return nat.Predict(list, int(c.Step), step != 0)
}
