package tunnel

import (
	"context"
	"net/netip"
	"slices"
	"sync/atomic"
	"time"

	"github.com/vxmesh/vxmesh/nat"
	"github.com/vxmesh/vxmesh/nat/stun"
	"github.com/vxmesh/vxmesh/tunnel/drop"
	"github.com/vxmesh/vxmesh/tunnel/pmtu"
	"github.com/vxmesh/vxmesh/tunnel/udp"
)

// Where others see this node: peers say so in their answers to pings. As long as there are too few of
// them, STUN servers are asked (RFC 8489); and this node is one for anybody.

const (
	// enoughReflectors is how many peers at different addresses make STUN servers needless.
	enoughReflectors = 2
	// reflectEvery is how often servers are asked while there is traffic: NATs forget.
	reflectEvery = 25 * time.Second
	// answerLen is room for an answer to a question of anybody.
	answerLen = 64
)

// A reflector asks STUN servers, and answers.
type reflector struct {
	server  stun.Server
	servers atomic.Pointer[[]netip.AddrPort] // as their names resolve
	query   *stun.Query                      // the mesh's, under its lock; nil when none is under way
	next    time.Duration
}

// reflect answers a question of anybody, and leaves an answer to the mesh.
func (l *meshlink) reflect(data []byte, dg *udp.Datagram) {
	r := &l.n.mesh.reflector
	switch {
	case !l.way.Direct() || !stun.Is(data):
		l.dropDatagram(data, dg, nil, drop.Junk)
	case stun.IsRequest(data):
		var room [answerLen]byte
		switch answer, v := r.server.Answer(room[:0], l.in.now, data, dg.From); v {
		case stun.Refused:
			l.dropDatagram(data, dg, nil, drop.STUNRefused)
		case stun.Limited:
			l.dropDatagram(data, dg, nil, drop.STUNLimit)
		case stun.Answered:
			_ = l.n.mesh.transmit(l.way, nat.Tag{}, answer) // whoever asked asks again
		}
	case !r.asks(dg.From): // strangers must not fill what waits for the mesh
		l.dropDatagram(data, dg, nil, drop.Junk)
	default:
		e := l.event(dg)
		e.stun, e.data = true, slices.Clone(data)
		if !l.n.mesh.post(e) {
			l.dropDatagram(data, dg, nil, drop.RateLimit)
		}
	}
}

// asks reports whether an address is that of a server that is asked.
func (r *reflector) asks(a netip.AddrPort) bool {
	servers := r.servers.Load()
	return servers != nil && slices.Contains(*servers, netip.AddrPortFrom(a.Addr().Unmap(), a.Port()))
}

// reflected takes in an answer of a STUN server.
func (m *mesh) reflected(now time.Duration, e *meshEvent) {
	q := m.reflector.query
	if q == nil || !q.Take(now, e.data, e.from) {
		e.sock.drops.Add(drop.Junk, 1)
		return
	}
	for _, r := range q.Results() {
		if r.Server == e.from {
			m.observed(now, e.way, r.Mapped)
		}
	}
}

// ask asks the STUN servers, when it is time.
func (m *mesh) ask(now time.Duration) {
	r := &m.reflector
	servers := r.servers.Load()
	if r.query == nil && servers != nil && now >= r.next && m.needsReflectors(now) {
		r.query, r.next = stun.NewQuery(now, *servers), now+reflectEvery
	}
	if r.query == nil {
		return
	}
	for _, s := range r.query.Due(now) {
		if w, ok := m.wayTo(s.To); ok {
			m.touch(w)
			_ = m.transmit(w, nat.Tag{}, s.Data) // it is asked again
		}
	}
	if r.query.Done(now) {
		r.query = nil
	}
}

// askAt is when the questions under way need something; new ones have time until the mesh looks anyway.
func (m *mesh) askAt() time.Duration {
	if q := m.reflector.query; q != nil {
		return q.Deadline()
	}
	return pmtu.Never
}

// needsReflectors reports whether too few peers say where this node is, and somebody may want to know.
func (m *mesh) needsReflectors(now time.Duration) bool {
	var seen []netip.Addr
	busy := m.reflector.next == 0
	for _, p := range m.peers {
		busy = busy || now-time.Duration(p.sentAt.Load()) < reflectEvery
		if snd := p.send.Load(); snd != nil && snd.direct() && !m.near(snd.to.Addr()) &&
			!slices.Contains(seen, snd.to.Addr()) {
			seen = append(seen, snd.to.Addr())
		}
		if len(seen) >= enoughReflectors {
			return false
		}
	}
	return busy
}

// resolve looks up the names of the servers.
func (r *reflector) resolve(ctx context.Context, n *Node) error {
	names := n.options.Mesh.STUN
	if len(names) == 0 || n.mesh.addrs() == nil {
		return nil
	}
	found, err := n.options.Lookup(ctx, names)
	if len(found) > 0 {
		for i, a := range found {
			found[i] = netip.AddrPortFrom(a.Addr().Unmap(), a.Port())
		}
		r.servers.Store(&found)
		n.mesh.wake()
	}
	return err
}
