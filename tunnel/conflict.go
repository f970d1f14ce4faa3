package tunnel

import (
	"fmt"
	"net/netip"
	"time"

	"github.com/vxmesh/vxmesh/nat"
	"github.com/vxmesh/vxmesh/tunnel/control"
	"github.com/vxmesh/vxmesh/tunnel/session"
	"github.com/vxmesh/vxmesh/tunnel/wire"
)

// conflictWindow is how far apart two signs of a copied identity may be, and how long it is told.
const conflictWindow = 10 * time.Minute

// conflictTold is for how long after the last sign of it both machines are told.
const conflictTold = 10 * time.Second

// A conflict is what speaks for two machines with one peer's key. A machine that was restored from
// a backup has an older boot epoch once; two that take the session from each other do so again and
// again.
type conflict struct {
	backs int           // how often the epoch went back in the window
	first time.Duration // of those
	found time.Duration // when it was clear, 0 when it never was
	a, b  netip.AddrPort
}

// A twin is another machine that uses this node's own key.
type twin struct {
	addr  netip.AddrPort
	found time.Duration
}

// noticeBack notes that a peer's boot epoch went back. The second time there must be two of it.
func (m *mesh) noticeBack(now time.Duration, p *peer, from netip.AddrPort) {
	c := &p.conflict
	if now-c.first > conflictWindow {
		*c = conflict{first: now, found: c.found, a: c.a, b: c.b}
	}
	c.backs++
	other := c.a
	if p.path != nil && p.path.way.Direct() && p.path.way.Addr != from {
		other = p.path.way.Addr
	}
	if c.backs < 2 || !other.IsValid() || other == from {
		c.a = from
		return
	}
	news := c.found == 0 || now-c.found > conflictWindow
	c.a, c.b, c.found = other, from, now
	if news {
		m.n.log.Warn("two machines use the key of a peer", "peer", p.name, "at", c.a, "and", c.b)
		w := p.conflictWarning()
		m.n.publish(control.Event{Type: control.EventWarning, Warning: &w})
	}
}

// tellConflict tells a machine that has just agreed on a session about the other one with its key.
// They take the session from each other all the time, so each has its turn.
func (p *peer) tellConflict(now time.Duration, t *session.Transport, to nat.Way) {
	c := &p.conflict
	if c.found == 0 || now-c.found >= conflictTold {
		return
	}
	other := c.a
	if to.Addr == c.a {
		other = c.b
	}
	_, _ = p.sendControl(t, to, wire.Conflict{Other: other}.Append(nil)) // it has another turn
}

// foundTwin notes that another machine uses our own key.
func (m *mesh) foundTwin(now time.Duration, at netip.AddrPort) {
	news := m.twin.found == 0 || now-m.twin.found > conflictWindow
	m.twin = twin{addr: at, found: now}
	if news {
		w := m.twin.warning()
		m.n.log.Warn(w.Message)
		m.n.publish(control.Event{Type: control.EventWarning, Warning: &w})
	}
}

func (p *peer) conflictWarning() control.Warning {
	return control.Warning{
		Code: "duplicate_identity",
		Message: fmt.Sprintf("two machines use the key of %s: %s and %s; one was copied from the other",
			p.name, p.conflict.a, p.conflict.b),
		Fix: "on one of them: stop it, move its identity file away, and give its new key to its peers",
	}
}

func (t *twin) warning() control.Warning {
	return control.Warning{
		Code:    "duplicate_identity",
		Message: fmt.Sprintf("another machine uses this node's key: %s", t.addr),
		Fix:     "on one of the two: stop it, move its identity file away, and give its new key to its peers",
	}
}

// warnings are what the mesh has to say in status. The caller holds mu.
func (m *mesh) warnings(now time.Duration) (out []control.Warning) {
	if m.twin.found != 0 && now-m.twin.found < conflictWindow {
		out = append(out, m.twin.warning())
	}
	if m.club != nil {
		out = append(out, m.club.warnings()...)
	}
	for _, p := range m.peers {
		if c := p.conflict; c.found != 0 && now-c.found < conflictWindow {
			out = append(out, p.conflictWarning())
		}
		if p.lookup != "" {
			out = append(out, control.Warning{
				Code: "name_unresolved", Message: fmt.Sprintf("peer %s: %s", p.name, p.lookup),
				Fix: "mend its endpoints, or the name server: getent hosts NAME",
			})
		}
	}
	return out
}
