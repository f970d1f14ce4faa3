package tunnel

import (
	"bytes"
	"context"
	"log/slog"
	"math/rand/v2"
	"net/netip"
	"time"

	"github.com/vxmesh/vxmesh/tundev/ether"
	"github.com/vxmesh/vxmesh/tunnel/control"
	"github.com/vxmesh/vxmesh/tunnel/pmtu"
	"github.com/vxmesh/vxmesh/tunnel/session"
	"github.com/vxmesh/vxmesh/tunnel/udp"
	"github.com/vxmesh/vxmesh/tunnel/wire"
)

const (
	// quietAfter is how long a peer may say nothing while we send before it is asked.
	quietAfter = 500 * time.Millisecond
	// askEvery is how often it is asked then.
	askEvery = 250 * time.Millisecond
	// suspectAfter is after how many unanswered questions a new session is tried: the other side may
	// have started anew and know nothing of this one.
	suspectAfter = 2
	// deadAfter is how long it may be silent altogether.
	deadAfter = 5 * time.Second
	// keepaliveSlack is the part of its keepalive that one end of a pair waits longer.
	keepaliveSlack = 8
	// roamEvery is how often a peer's new addresses are looked at.
	roamEvery = 200 * time.Millisecond
)

// A path is an address of a peer from which a number of our own came back.
type path struct {
	sock   *socket
	remote netip.AddrPort
	source netip.Addr // our own address on the way there, as far as the routes tell
	search *pmtu.Search
	since  time.Time

	asked      time.Duration // when it was pinged last
	unanswered int           // pings since it was heard
	rtt        time.Duration // smoothed; 0 before the first answer
	loss       float64       // of what we sent, smoothed
	observed   netip.AddrPort
	sent       uint64 // datagrams of t up to the ping that was answered last
	received   uint64 // and how many of them the peer has taken
	t          *session.Transport
}

// headersOf is what a datagram costs before its UDP payload.
func headersOf(a netip.Addr) int {
	if a.Is6() {
		return ether.IPv6HeaderLen + ether.UDPHeaderLen
	}
	return ether.IPv4HeaderLen + ether.UDPHeaderLen
}

// payload is how many bytes of plaintext fit a datagram on the path.
func (p *path) payload() int {
	return p.search.Size() - headersOf(p.remote.Addr()) - wire.Overhead
}

// setPath makes an address the one that frames are sent to.
func (m *mesh) setPath(now time.Duration, p *peer, sock *socket, remote netip.AddrPort) {
	if p.path != nil && p.path.remote == remote && p.path.sock == sock {
		p.path.unanswered = 0
		return
	}
	link, source := m.n.underlay(remote)
	p.path = &path{
		sock: sock, remote: remote, source: source, since: m.n.wall(),
		search: pmtu.New(remote.Addr().Is6(), link), asked: now,
	}
	m.n.log.Log(context.Background(), p.level(), "path", "peer", p.name, "remote", remote)
	m.publish(p)
}

// underlay is the MTU of the link that datagrams to a peer leave by, and their source.
func (n *Node) underlay(to netip.AddrPort) (mtu int, source netip.Addr) {
	r := n.routes.to(to, &PlainOptions{}, self{})
	if r.mtu == 0 {
		return defaultMTU, r.source
	}
	return r.mtu + overhead(to.Addr()), r.source
}

// loops says why a peer's address must not be used, as the end of a sentence: it leads into the
// overlay itself. "" when nothing speaks against it.
func (n *Node) loops(to netip.AddrPort) string {
	own := n.self(n.segmentList())
	if r := n.routes.to(to, &PlainOptions{}, own); r.state == control.VTEPLoop {
		return r.reason
	}
	return ""
}

// refreshLinks looks again how large packets may be on the links that the paths begin with. Our own
// address may be another too, which the peers learn from the next datagram: they get one now.
func (m *mesh) refreshLinks(now time.Duration) {
	m.relink.Store(false)
	m.relinked = now
	for _, p := range m.peers {
		pa, t := p.path, p.session.Current()
		if pa == nil {
			continue
		}
		before := pa.search.Size()
		link, source := m.n.underlay(pa.remote)
		pa.source = source
		pa.search.SetCeiling(now, link)
		m.resized(p, before)
		if t != nil && m.ping(now, p, t, &ping{sock: pa.sock, to: pa.remote, why: pingAlive}) == nil {
			pa.asked = now
		}
	}
}

// pathDeadline is when the path may need something.
func (m *mesh) pathDeadline(p *peer) time.Duration {
	if p.path == nil || p.session.Current() == nil { // watch has nothing to ask with
		return pmtu.Never
	}
	next := p.path.search.Deadline()
	if p.path.unanswered > 0 {
		next = min(next, p.path.asked+askEvery)
	}
	return next // keepalives have time until the mesh looks anyway
}

// keepaliveAt is by when the peer is pinged if not something is sent to it and heard of it before: a
// ping of its own and the answer count as well. Of two that were quiet for the same time the one with the
// greater key waits longer, so that one ping and its answer keep both ends of a path open.
func (p *peer) keepaliveAt(own session.PublicKey) time.Duration {
	k := p.options.Keepalive
	if k == 0 {
		return pmtu.Never
	}
	if bytes.Compare(own[:], p.key[:]) > 0 {
		k += k / keepaliveSlack
	}
	quiet := min(p.heard.Load(), max(p.sentAt.Load(), p.toldAt.Load()))
	return max(time.Duration(quiet), p.path.asked) + k
}

// watch asks a peer that says nothing whether it is there, keeps an idle path open, and finds how
// large its datagrams may be.
func (m *mesh) watch(now time.Duration, p *peer) {
	t, pa := p.session.Current(), p.path
	p.pings.expire(now)
	if t == nil || pa == nil {
		return
	}
	heard, sent := time.Duration(p.heard.Load()), time.Duration(p.sentAt.Load())
	if heard >= pa.asked {
		pa.unanswered = 0
	}
	overdue := now-pa.asked >= askEvery
	if pa.unanswered >= suspectAfter && overdue {
		p.session.Urge(now)
	}
	silent := now-heard >= quietAfter && (sent > heard || pa.unanswered > 0)
	if silent && overdue || now+meshIdle > p.keepaliveAt(m.endpoint.Public()) {
		m.ping(now, p, t, &ping{sock: pa.sock, to: pa.remote, why: pingAlive})
		pa.asked = now
		pa.unanswered++
	}
	m.probe(now, p, t)
}

// probe sends the next probe of the path's MTU, if one is due.
func (m *mesh) probe(now time.Duration, p *peer, t *session.Transport) {
	pa := p.path
	if p.big.Swap(false) {
		pa.search.Traffic(now)
	}
	before := pa.search.Size()
	for {
		size, number, ok := pa.search.Next(now)
		if !ok {
			break
		}
		err := m.ping(now, p, t, &ping{
			sock: pa.sock, to: pa.remote, why: pingProbe, probe: number,
			size: size - headersOf(pa.remote.Addr()) - wire.Overhead,
		})
		if !udp.IsTooBig(err) {
			break
		}
		if link, _ := m.n.underlay(pa.remote); link < size {
			pa.search.SetCeiling(now, link)
		}
		pa.search.TooBig(now, size)
	}
	m.resized(p, before)
}

// resized tells that the path's MTU is another than before.
func (m *mesh) resized(p *peer, before int) {
	size := p.path.search.Size()
	if size == before {
		return
	}
	m.publish(p)
	m.n.log.Info("path mtu", "peer", p.name, "mtu", size, "was", before)
	m.publishPeer(control.EventPeerMTU, p, "")
}

// roam looks at an address that an authentic datagram came from and that is not the peer's path. It
// becomes the path if our number comes back from there and none from the old one before.
func (m *mesh) roam(now time.Duration, e *meshEvent) {
	p := e.peer
	if pa := p.path; pa != nil && pa.remote == e.from && pa.sock == e.sock {
		return
	}
	t := p.session.Current()
	if t == nil || m.n.loops(e.from) != "" {
		return
	}
	group := rand.Uint64()
	_ = m.ping(now, p, t, &ping{sock: e.sock, to: e.from, why: pingRoam, group: group})
	if pa := p.path; pa != nil {
		_ = m.ping(now, p, t, &ping{sock: pa.sock, to: pa.remote, why: pingAlive, group: group})
	}
}

// judge decides how the peer is doing.
func (m *mesh) judge(now time.Duration, p *peer) {
	heard := time.Duration(p.heard.Load())
	switch pa := p.path; {
	case p.session.Current() == nil:
		m.setState(p, control.PeerDown, p.whyDown())
	case pa == nil:
		m.setState(p, control.PeerDown, "no_path")
	case pa.unanswered >= suspectAfter && now-heard >= deadAfter:
		m.setState(p, control.PeerDown, "no_answer")
	default:
		m.setState(p, control.PeerDirect, "")
	}
}

// whyDown says why there is no session.
func (p *peer) whyDown() string {
	switch {
	case p.reason == "left", p.reason == "no_common_cipher":
		return p.reason // until it comes back
	case len(p.endpoints) == 0 && p.lookup != "":
		return "name_unresolved"
	case len(p.endpoints) == 0 && p.path == nil:
		return "no_endpoint"
	}
	return "no_answer"
}

// setState tells everybody when the state of a peer is another.
func (m *mesh) setState(p *peer, state control.PeerState, reason string) {
	if p.state == state && p.reason == reason {
		return
	}
	was := p.state
	p.state, p.reason = state, reason
	if was != state {
		p.since = m.n.wall()
		m.n.log.Log(context.Background(), p.level(), "peer "+string(state), "peer", p.name, "reason", reason)
	}
	if p.arrived == 0 {
		m.publishPeer(control.EventPeerState, p, reason)
	}
}

// level is how important the peer's changes of state are.
func (p *peer) level() slog.Level {
	if p.arrived > 0 { // a guest, who leaves soon
		return slog.LevelDebug
	}
	return slog.LevelInfo
}
