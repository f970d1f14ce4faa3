package tunnel

import (
	"net/netip"
	"slices"
	"time"

	"github.com/vxmesh/vxmesh/nat"
	"github.com/vxmesh/vxmesh/nat/portmap"
	"github.com/vxmesh/vxmesh/tunnel/wire"
)

// What becomes of the port that a router opened. That it lets others in is only a promise, and some routers list
// and renew for weeks what they no longer forward. So it is verified by those who try it anyway: a call names it,
// and whoever takes the call pings it, from a place outside that nothing may have been sent to.

const (
	// tryFor is how long after a call was exchanged whoever took it has tried all addresses for sure.
	tryFor = 5 * time.Second
	// reopenEvery is how soon a port that nobody gets through is asked for anew, twice as late each time up to
	// reopenSlowest: it may be the other side that lets nothing out.
	reopenEvery   = time.Minute
	reopenSlowest = time.Hour
)

// opened is what is known of the port that a router opened.
type opened struct {
	reopen func() // deletes it and asks for it again; nil when nobody can

	proven  time.Duration // when somebody last came in from where nothing had been sent to; 0 for never
	refuted bool          // somebody has tried it since, and did not get through
	asked   time.Duration // when it was last asked for anew
	vainly  int           // times since it was another
}

// setOpened notes the port that the router gives, or that it gives none. Its word does not count for the next.
func (m *mesh) setOpened(a portmap.Mapping) {
	m.outside.mapped = a
	m.outside.opened = opened{reopen: m.outside.opened.reopen}
}

// mayReopen tells how the router is asked for the port anew.
func (m *mesh) mayReopen(f func()) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.outside.opened.reopen = f
}

// verified reports whether others get through the opened port, as far as that is known.
func (o *outside) verified() bool { return o.opened.proven != 0 && !o.opened.refuted }

// cameIn notes that a genuine datagram came by a way: over IPv4, from where nothing was sent to, only by the
// opened port.
func (m *mesh) cameIn(now time.Duration, w nat.Way) {
	o := &m.outside
	from := unmapped(w.Addr)
	if !o.mapped.External.IsValid() || !w.Direct() || from.Addr().Is6() || m.near(from.Addr()) {
		return
	}
	if at, sent := o.touched[from]; sent && now-at < touchedFor {
		return
	}
	if o.opened.refuted {
		o.opened.refuted, o.opened.vainly = false, 0
	}
	o.opened.proven = now
}

// invited notes that a peer has exchanged a call with us, and so tries the opened port, if it can: if others see
// it in IPv4, at another address than this node's.
func (m *mesh) invited(now time.Duration, p *peer, c wire.Call) {
	outer := m.outside.mapped.External.Addr()
	if p.call.invited != 0 || nat.KindOf(outer, nil) != nat.KindPublic4 {
		return
	}
	if slices.ContainsFunc(c.Candidates, func(a wire.Candidate) bool {
		at := a.Addr.Addr().Unmap()
		return nat.Kind(a.Kind) == nat.KindReflexive && nat.KindOf(at, nil) == nat.KindPublic4 && at != outer
	}) {
		p.call.invited = now
	}
}

// checkOpened looks what became of an invitation. Whoever still has no direct way did not get through: then the
// port is asked for anew.
func (m *mesh) checkOpened(now time.Duration, p *peer) {
	at, o := p.call.invited, &m.outside.opened
	if at == 0 || now-at < tryFor {
		return
	}
	p.call.invited = 0
	if !m.outside.mapped.External.IsValid() || o.proven >= at || !p.state.Relayed() || m.proven(p) {
		return
	}
	o.refuted = true
	m.reopen(now, p)
}

// reopen has the port asked for anew, unless that was tried lately.
func (m *mesh) reopen(now time.Duration, p *peer) {
	o := &m.outside.opened
	if o.reopen == nil || o.asked != 0 && now-o.asked < min(reopenEvery<<o.vainly, reopenSlowest) {
		return
	}
	if o.asked != 0 {
		o.vainly = min(o.vainly+1, 6)
	}
	o.asked = now
	m.n.log.Info("nobody gets through the opened port: it is asked for anew",
		"at", m.outside.mapped.External, "peer", p.name)
	o.reopen()
}

// unmapped is an address as IPv4 where it is one.
func unmapped(a netip.AddrPort) netip.AddrPort { return netip.AddrPortFrom(a.Addr().Unmap(), a.Port()) }
