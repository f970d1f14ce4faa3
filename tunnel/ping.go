package tunnel

import (
	"context"
	"math/rand/v2"
	"net/netip"
	"time"

	"github.com/vxmesh/vxmesh/tunnel/control"
	"github.com/vxmesh/vxmesh/tunnel/session"
	"github.com/vxmesh/vxmesh/tunnel/wire"
)

// pingLife is how long an answer is waited for.
const pingLife = control.MaxPingTimeout

// A pingWhy says what a ping is to find out.
type pingWhy uint8

const (
	pingAlive pingWhy = iota // whether the peer is there
	pingRoam                 // whether it is there, at another address
	pingProbe                // whether a datagram of that size arrives
	pingUser                 // what a person asks
)

// A ping is a number that a peer is to send back.
type ping struct {
	sock  *socket
	to    netip.AddrPort
	why   pingWhy
	size  int    // bytes of the message; 0 for the shortest
	probe uint64 // the number of the search's probe
	group uint64 // those sent together to choose between addresses

	at    time.Duration
	t     *session.Transport
	sent  uint64                   // datagrams of t before this one
	reply chan<- control.PingReply // of pingUser
}

// pings are those that wait for an answer, by their number.
type pings map[uint64]*ping

// expire forgets those that nobody will answer any more.
func (ps pings) expire(now time.Duration) {
	for number, q := range ps {
		if now-q.at > pingLife {
			delete(ps, number)
		}
	}
}

// dropGroup forgets the others of a group.
func (ps pings) dropGroup(group uint64) {
	for number, q := range ps {
		if q.group == group {
			delete(ps, number)
		}
	}
}

// ping sends a ping. Its number is a secret until it arrives.
func (m *mesh) ping(now time.Duration, p *peer, t *session.Transport, q *ping) error {
	number := rand.Uint64()
	sent, err := p.sendControl(t, q.sock, q.to, wire.Ping{Number: number}.Append(nil, q.size))
	if err != nil {
		return err
	}
	q.at, q.t, q.sent = now, t, sent
	p.pings[number] = q // the answer waits for the caller's lock
	return nil
}

// pong takes in an answer. Only one that comes from where the ping went proves a path.
func (m *mesh) pong(now time.Duration, p *peer, from netip.AddrPort, a wire.Pong) {
	q := p.pings[a.Number]
	if q == nil || q.to != from {
		return
	}
	delete(p.pings, a.Number)
	if q.why == pingRoam {
		m.setPath(now, p, q.sock, from)
	}
	if q.group != 0 { // the first of the two has decided
		p.pings.dropGroup(q.group)
	}
	if q.reply != nil {
		q.reply <- control.PingReply{
			Peer: p.name, Remote: from.String(), RTTSeconds: (now - q.at).Seconds(), MTU: p.mtu(),
		}
	}
	if pa := p.path; pa != nil && pa.remote == from {
		m.measure(now, p, q, a)
	}
}

// measure learns from an answer that came over the path.
func (m *mesh) measure(now time.Duration, p *peer, q *ping, a wire.Pong) {
	pa := p.path
	pa.unanswered, pa.observed = 0, a.Observed
	if rtt := now - q.at; pa.rtt == 0 {
		pa.rtt = rtt
	} else {
		pa.rtt += (rtt - pa.rtt) / 8 // RFC 6298, 2.3
	}
	if pa.t == q.t && q.sent > pa.sent && a.Received >= pa.received {
		lost := 1 - float64(a.Received-pa.received)/float64(q.sent-pa.sent)
		pa.loss += (min(max(lost, 0), 1) - pa.loss) / 8
	}
	if pa.t != q.t || q.sent > pa.sent {
		pa.t, pa.sent, pa.received = q.t, q.sent, a.Received
	}
	if q.why == pingProbe {
		before := pa.search.Size()
		pa.search.Answered(now, q.probe)
		m.resized(p, before)
	}
}

// mtu is the size of the packets that the path carries, 0 without one.
func (p *peer) mtu() int {
	if p.path == nil {
		return 0
	}
	return p.path.search.Size()
}

// Ping sends a sealed echo to a peer and waits for the answer, or the end of ctx. Anybody may call
// it at any time.
func (n *Node) Ping(ctx context.Context, r control.PingRequest) (control.PingReply, error) {
	reply := make(chan control.PingReply, 1)
	if err := n.mesh.pingFor(r, reply); err != nil {
		return control.PingReply{}, err
	}
	select {
	case a := <-reply:
		return a, nil
	case <-ctx.Done():
		return control.PingReply{}, ctx.Err()
	}
}

// pingFor sends a person's ping.
func (m *mesh) pingFor(r control.PingRequest, reply chan<- control.PingReply) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	p, err := m.find(r.Peer)
	if err != nil {
		return err
	}
	t := p.session.Current()
	if t == nil || p.path == nil {
		p.want()
		return control.Errorf(control.CodeTimeout, "%s is down: %s", p.name, p.sentence())
	}
	q := &ping{sock: p.path.sock, to: p.path.remote, why: pingUser, reply: reply}
	if r.Size > 0 {
		q.size = r.Size - headersOf(q.to.Addr()) - wire.Overhead
	}
	if err := m.ping(m.n.now(), p, t, q); err != nil {
		return control.Errorf(control.CodeFailed, "ping %s: %v", p.name, err)
	}
	return nil
}
