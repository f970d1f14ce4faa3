package tunnel

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/vxmesh/vxmesh/nat"
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
	pingWay                  // whether a way leads to it, as its agent wants to know
	pingProbe                // whether a datagram of that size arrives
	pingUser                 // what a person asks
)

// A ping is a number that a peer is to send back.
type ping struct {
	to     nat.Way
	why    pingWhy
	size   int    // bytes of the message; 0 for the shortest
	probe  uint64 // the number of the search's probe
	number uint32 // the agent's

	at    time.Duration
	t     *session.Transport
	sent  uint64      // datagrams of t before this one
	reply chan<- echo // of pingUser
}

// An echo is the answer to a person's ping, and the way that both went.
type echo struct {
	control.PingReply
	way nat.Way
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

// ping sends a ping. Its number is a secret until it arrives.
func (m *mesh) ping(now time.Duration, p *peer, t *session.Transport, q *ping) error {
	number := rand.Uint64()
	sent, err := p.sendControl(t, q.to, wire.Ping{Number: number}.Append(nil, q.size))
	if err != nil {
		return err
	}
	q.at, q.t, q.sent = now, t, sent
	p.pings[number] = q // the answer waits for the caller's lock
	return nil
}

// pong takes in an answer. Only one that comes by the way that the ping went proves it.
func (m *mesh) pong(now time.Duration, p *peer, w nat.Way, a wire.Pong) {
	q := p.pings[a.Number]
	if q == nil {
		return
	}
	if q.to != w { // the right one may come yet
		p.agent.Strayed(now, q.to)
		return
	}
	delete(p.pings, a.Number)
	p.agent.Pong(now, now-q.at, w, q.number)
	m.observed(now, w, a.Observed)
	m.adopt(now, p)
	if q.reply != nil {
		q.reply <- echo{control.PingReply{
			Peer: p.name, Remote: m.name(w), RTTSeconds: (now - q.at).Seconds(), MTU: p.mtu(),
		}, w}
	}
	if pa := p.path; pa != nil && pa.way == w {
		m.measure(now, p, q, a)
	}
}

// measure learns from an answer that came over the path.
func (m *mesh) measure(now time.Duration, p *peer, q *ping, a wire.Pong) {
	pa := p.path
	pa.observed = a.Observed
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

// rtt is the round trip to the peer, 0 without a path.
func (p *peer) rtt() time.Duration { return p.agent.RTT() }

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
	reply := make(chan echo, 1)
	if err := n.mesh.pingFor(r, reply); err != nil {
		return control.PingReply{}, err
	}
	select {
	case a := <-reply:
		return a.PingReply, nil
	case <-ctx.Done():
		return control.PingReply{}, ctx.Err()
	}
}

// pingFor sends a person's ping.
func (m *mesh) pingFor(r control.PingRequest, reply chan<- echo) error {
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
	q := &ping{to: p.path.way, why: pingUser, reply: reply}
	if r.Size > 0 {
		q.size = r.Size - p.path.headers - wire.Overhead
	}
	if err := m.ping(m.n.now(), p, t, q); err != nil {
		return control.Errorf(control.CodeFailed, "ping %s: %v", p.name, err)
	}
	return nil
}
