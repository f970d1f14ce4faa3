package tunnel

import (
	"bytes"
	"cmp"
	"context"
	"log/slog"
	"net/netip"
	"time"

	"github.com/vxmesh/vxmesh/nat"
	"github.com/vxmesh/vxmesh/tundev/ether"
	"github.com/vxmesh/vxmesh/tunnel/control"
	"github.com/vxmesh/vxmesh/tunnel/pmtu"
	"github.com/vxmesh/vxmesh/tunnel/session"
	"github.com/vxmesh/vxmesh/tunnel/udp"
	"github.com/vxmesh/vxmesh/tunnel/wire"
)

const (
	// suspectAfter is after how many unanswered questions a new session is tried: the other side may
	// have started anew and know nothing of this one.
	suspectAfter = 2
	// deadAfter is how long it may be silent altogether.
	deadAfter = 5 * time.Second
	// keepaliveSlack is the part of its keepalive that one end of a pair waits longer.
	keepaliveSlack = 8
	// roamEvery is how often a peer's new addresses are looked at.
	roamEvery = 200 * time.Millisecond
	// relinkEvery is how often the links are looked at: changes come in several steps.
	relinkEvery = 250 * time.Millisecond
	// maxPaths is of how many ways to a peer it is remembered what they carry.
	maxPaths = 8
)

// A path is a way to a peer by which a number of our own came back.
type path struct {
	way     nat.Way
	headers int        // bytes of each datagram before its own header
	source  netip.Addr // our own address on the way there, as far as the routes tell
	search  *pmtu.Search
	since   time.Time

	loss     float64 // of what we sent, smoothed
	observed netip.AddrPort
	sent     uint64 // datagrams of t up to the ping that was answered last
	received uint64 // and how many of them the peer has taken
	t        *session.Transport
}

// headersOf is what a datagram costs before its UDP payload.
func headersOf(a netip.Addr) int {
	if a.Is6() {
		return ether.IPv6HeaderLen + ether.UDPHeaderLen
	}
	return ether.IPv4HeaderLen + ether.UDPHeaderLen
}

// relayHeaders is the same for what a relay passes on: it may do so over IPv6.
const relayHeaders = ether.IPv6HeaderLen + ether.UDPHeaderLen + wire.RelayOverhead

// payload is how many bytes of plaintext fit a datagram on the path.
func (p *path) payload() int { return p.search.Size() - p.headers - wire.Overhead }

// adopt makes the way that the peer's agent chose the one that frames take.
func (m *mesh) adopt(now time.Duration, p *peer) {
	w, ok := p.agent.Active()
	switch {
	case !ok && p.path == nil, ok && p.path != nil && p.path.way == w:
		return
	case !ok:
		p.path = nil
	default:
		m.setPath(p, w)
	}
	m.publish(p)
	m.judge(now, p)
}

// setPath makes a way the one that frames take.
func (m *mesh) setPath(p *peer, w nat.Way) {
	pa := p.paths[w]
	if pa == nil {
		pa = m.newPath(w)
		if len(p.paths) >= maxPaths {
			clear(p.paths)
		}
		p.paths[w] = pa
	}
	pa.since = m.n.wall()
	p.path = pa
	m.n.log.Log(context.Background(), p.level(), "path", "peer", p.name, "remote", m.name(w))
}

func (m *mesh) newPath(w nat.Way) *path {
	pa := &path{way: w}
	link := m.refreshLink(pa)
	pa.search = pmtu.New(w.Direct() && w.Addr.Addr().Is6(), link)
	return pa
}

// refreshLink looks what the link that a path begins with is like, and gives its MTU. That of a relayed
// path is what the path to the relay carries.
func (m *mesh) refreshLink(pa *path) (mtu int) {
	if pa.way.Direct() {
		pa.headers = headersOf(pa.way.Addr.Addr())
		mtu, pa.source = m.n.underlay(pa.way.Addr)
		return mtu
	}
	pa.headers = relayHeaders
	if r := m.tagged(pa.way.Relay); r != nil && r.path != nil {
		return r.path.search.Size()
	}
	return defaultMTU
}

// underlay is the MTU of the link that datagrams to a peer leave by, and their source. What ICMP errors taught the
// kernel does not count: anybody can send them, and a path that got better would never be asked for more.
func (n *Node) underlay(to netip.AddrPort) (mtu int, source netip.Addr) {
	r := n.routes.to(to, &PlainOptions{}, self{})
	return cmp.Or(r.link, defaultMTU), r.source
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
	m.outside.looked = 0
	for _, p := range m.peers {
		if pa := p.path; pa != nil {
			before := pa.search.Size()
			pa.search.SetCeiling(now, m.refreshLink(pa))
			m.resized(p, before)
		}
		p.agent.Ask(now)
	}
	m.wake()
}

// pathDeadline is when the path may need something.
func (m *mesh) pathDeadline(now time.Duration, p *peer) time.Duration {
	if p.session.Current() == nil { // watch has nothing to ask with
		return pmtu.Never
	}
	next := p.agent.Deadline(now)
	if p.path != nil {
		next = min(next, p.path.search.Deadline())
	}
	return next
}

// keepalive is how long the way to the peer may be quiet: a ping of its own and the answer count as
// well. Of two that were quiet for the same time the one with the greater key waits longer, so that one
// ping and its answer keep both ends of a path open.
func (p *peer) keepalive() time.Duration {
	k, own := p.options.Keepalive, p.n.options.Mesh.Key.Public()
	if bytes.Compare(own[:], p.key[:]) > 0 {
		k += k / keepaliveSlack
	}
	return k
}

// watch looks for better ways to a peer and asks it whether it is there, keeps an idle path open, and
// finds how large its datagrams may be.
func (m *mesh) watch(now time.Duration, p *peer) {
	t := p.session.Current()
	p.pings.expire(now)
	if t == nil {
		return
	}
	p.agent.Note(
		time.Duration(p.sentAt.Load()), time.Duration(p.toldAt.Load()), time.Duration(p.heardOn.Load()),
	)
	m.doubtRelay(now, p)
	m.steps(now, p, t, p.agent.Tick(now))
	m.adopt(now, p)
	if p.path == nil {
		return
	}
	if p.agent.Doubtful() >= suspectAfter {
		p.session.Urge(now)
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
			to: pa.way, why: pingProbe, probe: number, size: size - pa.headers - wire.Overhead,
		})
		if !udp.IsTooBig(err) {
			break
		}
		if link := m.refreshLink(pa); link < size {
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
	for _, other := range m.peers { // what it relays takes the same way
		if pa := other.path; pa != nil && pa.way.Relay == p.tag() {
			was := pa.search.Size()
			pa.search.SetCeiling(m.n.now(), size)
			m.resized(other, was)
		}
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
	case p.agent.Doubtful() >= suspectAfter && now-heard >= deadAfter:
		m.setState(p, control.PeerDown, "no_answer")
	case pa.way.Direct():
		m.setState(p, control.PeerDirect, "")
	case p.agent.Punching():
		m.setState(p, control.PeerPunching, "")
	default:
		m.setState(p, control.PeerRelayed, m.hindrance(p))
	}
}

// whyDown says why there is no session.
func (p *peer) whyDown() string {
	switch {
	case p.paused:
		return "paused"
	case p.reason == "left", p.reason == "no_common_cipher":
		return p.reason // until it comes back
	case len(p.endpoints) == 0 && p.lookup != "":
		return "name_unresolved"
	case len(p.endpoints) == 0 && !p.agent.Known():
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
	if was != state && !(was.Relayed() && state.Relayed()) {
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
