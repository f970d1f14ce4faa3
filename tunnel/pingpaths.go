package tunnel

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/vxmesh/vxmesh/nat"
	"github.com/vxmesh/vxmesh/tunnel/control"
	"github.com/vxmesh/vxmesh/tunnel/session"
	"github.com/vxmesh/vxmesh/tunnel/wire"
)

// A way that loses some is not one that is none, and the first ping to an address may only open the NAT
// here: each is pinged more than once.
const (
	pathsPings = 3
	pathsEvery = 150 * time.Millisecond
)

// PingPaths sends sealed echoes by every way to a peer, and waits for the answers, or the end of ctx, which
// is no error. Anybody may call it at any time.
func (n *Node) PingPaths(ctx context.Context, r control.PingRequest) (control.PingPaths, error) {
	e := echoes{m: n.mesh, request: r}
	if err := e.begin(); err != nil {
		return control.PingPaths{}, err
	}
	tick := time.NewTicker(pathsEvery)
	defer tick.Stop()
	for rounds := 1; e.missing > 0; {
		select {
		case a := <-e.replies:
			e.answered(a)
		case <-tick.C:
			if rounds < pathsPings {
				rounds++
				e.send()
			}
		case <-ctx.Done():
			return e.out, nil
		}
	}
	return e.out, nil
}

// echoes are those of one [Node.PingPaths].
type echoes struct {
	m       *mesh
	request control.PingRequest
	out     control.PingPaths
	ways    []nat.Way // of the paths
	replies chan echo
	missing int // how many paths may still answer
}

// begin finds the ways and pings each.
func (e *echoes) begin() error {
	m := e.m
	m.mu.Lock()
	p, err := m.find(e.request.Peer)
	switch {
	case err != nil:
	case p.session.Current() == nil:
		p.want()
		err = control.Errorf(control.CodeTimeout, "%s is down: %s", p.name, p.sentence())
	default:
		e.out.Peer = p.name
		for _, c := range p.agent.Candidates(m.n.now()) {
			e.ways = append(e.ways, c.Way)
			e.out.Paths = append(e.out.Paths, control.PingPath{
				Address: m.name(c.Way), Kind: control.CandidateKind(c.Kind.String()),
				InUse: c.Active && p.state != control.PeerDown, Reason: m.blocked(c.Way),
			})
		}
	}
	m.mu.Unlock()
	e.replies = make(chan echo, pathsPings*len(e.ways)) // nobody waits to write to it
	e.missing = len(e.ways)
	if err == nil {
		e.send()
	}
	return err
}

// send pings the ways that have not answered.
func (e *echoes) send() {
	m := e.m
	m.mu.Lock()
	defer m.mu.Unlock()
	p, err := m.find(e.out.Peer)
	if err != nil { // removed since
		e.missing = 0
		return
	}
	e.missing = 0
	for i, w := range e.ways {
		path := &e.out.Paths[i]
		if path.Answered || m.blocked(w) != "" {
			continue
		}
		path.Reason = ""
		if err := e.ping(p, p.session.Current(), w); err != nil {
			path.Reason = err.Error()
			continue
		}
		e.missing++
	}
}

func (e *echoes) ping(p *peer, t *session.Transport, w nat.Way) error {
	m := e.m
	q := &ping{to: w, why: pingUser, reply: e.replies}
	switch {
	case t == nil:
		return fmt.Errorf("%s", p.sentence())
	case e.request.Size > 0 && w.Direct():
		q.size = e.request.Size - headersOf(w.Addr.Addr()) - wire.Overhead
	case e.request.Size > 0:
		q.size = e.request.Size - relayHeaders - wire.Overhead
	}
	m.touch(w)
	return m.ping(m.n.now(), p, t, q)
}

// answered notes what came back. A way that answered twice was as fast as the faster of the two.
func (e *echoes) answered(a echo) {
	i := slices.Index(e.ways, a.way) // two of them may read the same: an address by either of two sockets
	if i < 0 {
		return
	}
	p := &e.out.Paths[i]
	if p.Answered {
		p.RTTSeconds = min(p.RTTSeconds, a.RTTSeconds)
		return
	}
	p.Answered, p.RTTSeconds = true, a.RTTSeconds
	e.missing--
}
