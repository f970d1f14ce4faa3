package demo

import (
	"log/slog"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/vxmesh/vxmesh/tunnel/control"
)

// A way may lead to a peer.
type way struct {
	addr    string // address:port, "" through a relay
	via     string // the relay's name in the beginning
	relay   *peer
	kind    control.CandidateKind
	rtt     float64 // seconds
	answers bool    // when it is not in use
	silent  string  // what became of the last try when it does not answer
}

// A phase is how a peer is from a step on.
type phase struct {
	from   int
	state  control.PeerState
	reason string
	way    int // that is in use
	loss   float64
	slow   float64 // by how much the round trip is longer; 0: it is not
	mtu    int
}

// A load is how much a peer sends or gets as a rule.
type load struct {
	bytes float64 // in a second
	frame float64 // bytes of one
}

// A peer is another machine of the network, and its certificate.
type peer struct {
	name, id            string
	address             string // in the segment
	endpoints           []string
	sees                string // where it sees this node
	admin, bridge, weak bool   // weak: without instructions for AES
	relay               bool   // it passes on what others send each other

	ways   []way
	plan   []phase
	period int // after which the plan begins again; 0: it does not
	born   int // the step from which the plan counts

	paused   bool
	waking   int // the step from which it is there again
	punching int // the step until which a direct way is looked for
	gone     bool

	state           control.PeerState
	reason          string
	since, lastSeen time.Time
	way, mtu        int
	rtt, loss       float64
	handshake       int // the step of the last
	handshakes      uint64

	salt   uint64
	rx, tx load
	in     wave
	out    wave
	traffic
	drops control.Counts
}

// addPeer makes a peer one of the network, as its plan says that it was before everything.
func (n *Network) addPeer(p *peer) {
	p.id = n.id(p.name)
	p.salt, p.in, p.out = saltOf(p.name), n.wave(p.name+" in"), n.wave(p.name+" out")
	p.drops, p.waking, p.punching = control.Counts{}, -past, -past
	for i := range p.ways {
		p.ways[i].relay, _ = n.find(p.ways[i].via)
	}
	first := p.plan[0]
	p.state, p.reason, p.way, p.mtu = first.state, first.reason, first.way, first.mtu
	p.since, p.handshake = n.loaded.Add(2*second), first.from-int(119*n.noise(p.salt, 0))
	n.peers = append(n.peers, p)
	switch {
	case p.state != down:
		p.rtt, p.loss, p.handshakes = p.ways[p.way].rtt, first.loss, uint64(uptime/(120*second))
		p.addTraffic(0.7 * uptime.Seconds())
	case p.born != 0:
		p.since = n.wall()
	default:
		p.lastSeen = n.start.Add(-2*time.Hour - 14*time.Minute)
		p.since, p.handshakes = p.lastSeen.Add(45*second), 22
		p.addTraffic(2400)
	}
	for i, c := range p.count {
		n.total.count[i] += c
	}
}

// addTraffic counts what passed in so many seconds before.
func (p *peer) addTraffic(seconds float64) {
	p.count = p.flow(seconds, seconds)
}

// flow is what passes in a second of so much traffic.
func (p *peer) flow(in, out float64) (f flow) {
	f[rxBytes], f[txBytes] = uint64(p.rx.bytes*in), uint64(p.tx.bytes*out)
	f[rxFrames], f[txFrames] = uint64(p.rx.bytes*in/p.rx.frame+0.5), uint64(p.tx.bytes*out/p.tx.frame+0.5)
	f[rxDatagrams], f[txDatagrams] = f[rxFrames], f[txFrames]
	return f
}

// find gives the peer of a name.
func (n *Network) find(name string) (*peer, error) {
	var known []string
	for _, p := range n.peers {
		if p.name == name {
			return p, nil
		}
		known = append(known, p.name)
	}
	return nil, control.NoPeer(name, known)
}

// phase is where a peer's plan is in a step.
func (p *peer) phase(step int) phase {
	step -= p.born
	if p.period > 0 && step >= p.period {
		step %= p.period
	}
	i, exact := slices.BinarySearchFunc(p.plan, step, func(f phase, step int) int { return f.from - step })
	if !exact {
		i = max(i-1, 0)
	}
	return p.plan[i]
}

// want is how a peer is to be now.
func (n *Network) want(p *peer) phase {
	f := p.phase(n.step)
	switch {
	case p.paused:
		return phase{state: down, reason: "paused"}
	case n.step < p.waking:
		return phase{state: down, reason: "no_answer"}
	case n.step < p.punching && f.state == relayed:
		f.state, f.reason = punching, ""
	}
	if r := p.ways[f.way].relay; f.state != down && r != nil && !r.reachable() {
		return phase{state: down, reason: "no_answer"}
	}
	if f.state == down && f.reason == "no_answer" && p.reason == "left" {
		f.reason = p.reason // until it comes back
	}
	return f
}

func (p *peer) reachable() bool { return p.state != down && !p.gone }

// follow has a peer be what its plan says.
func (n *Network) follow(p *peer) {
	f := n.want(p)
	n.setState(p, f)
	if p.state == down {
		return
	}
	rtt := p.ways[p.way].rtt * max(f.slow, 1)
	rtt *= 0.9 + 0.2*n.smooth(p.salt+8, n.step, 17) + 0.08*(n.noise(p.salt+9, n.step)-0.5)
	p.rtt += (rtt - p.rtt) / 8
	p.loss += (f.loss*(0.8+0.4*n.noise(p.salt+10, n.step)) - p.loss) / 12
	p.lastSeen = n.at
	if n.step-p.handshake >= 120 {
		p.handshake = n.step
		p.handshakes++
	}
	if was := p.mtu; was != f.mtu {
		p.mtu = f.mtu
		n.note(slog.LevelInfo, "path mtu", "peer", p.name, "mtu", p.mtu, "was", was)
		n.tellPeer(control.EventPeerMTU, p, "")
	}
}

// setState tells everybody when a peer is in another state, or reached by another way.
func (n *Network) setState(p *peer, f phase) {
	moved := f.state != down && (p.state == down || f.way != p.way)
	if p.state == f.state && p.reason == f.reason && !moved {
		return
	}
	was := p.state
	p.state, p.reason = f.state, f.reason
	if moved {
		p.way, p.mtu, p.rtt, p.loss = f.way, f.mtu, p.ways[f.way].rtt, f.loss
		n.note(slog.LevelInfo, "path", "peer", p.name, "remote", p.ways[p.way].name())
	}
	if was == down && moved {
		p.handshake = n.step
		p.handshakes++
	}
	if was != p.state && !(was.Relayed() && p.state.Relayed()) {
		p.since = n.wall()
		n.note(slog.LevelInfo, "peer "+string(p.state), "peer", p.name, "reason", p.reason)
	}
	n.tellPeer(control.EventPeerState, p, p.reason)
}

func (n *Network) tellPeer(t control.EventType, p *peer, reason string) {
	st := n.peer(p)
	n.tell(control.Event{Type: t, Peer: &st, Reason: reason})
}

// name is how a way is called.
func (w *way) name() string {
	if w.relay != nil {
		return "via " + w.relay.name
	}
	return w.addr
}

// peer is a peer as clients see it.
func (n *Network) peer(p *peer) control.Peer {
	c := p.now(n.since())
	st := control.Peer{
		Name: p.name, ID: p.id, State: p.state, Reason: p.reason, Since: p.since, LastSeen: p.lastSeen,
		RxBytes: c[rxBytes], TxBytes: c[txBytes], RxFrames: c[rxFrames], TxFrames: c[txFrames],
		Drops: cloned(p.drops),
	}
	if p.lastSeen.IsZero() {
		st.ID = ""
	}
	if p.state == down {
		return st
	}
	st.Cipher = "aes-256-gcm"
	if p.weak {
		st.Cipher = "chacha20-poly1305"
	}
	st.HandshakeAgeSeconds = rounded(float64(n.step-p.handshake)+n.since(), 1e3)
	st.Path = p.path()
	return st
}

// path is the way that is in use.
func (p *peer) path() *control.Path {
	w := &p.ways[p.way]
	out := &control.Path{
		Kind: "udp4", Remote: w.addr, RTTSeconds: rounded(p.rtt, 1e6), LossRatio: rounded(p.loss, 1e4), MTU: p.mtu,
	}
	switch {
	case w.relay != nil:
		out.Kind, out.Via = "relay", w.relay.name
	case strings.HasPrefix(w.addr, "["):
		out.Kind = "udp6"
	}
	return out
}

func rounded(v, parts float64) float64 { return math.Round(v*parts) / parts }

func (n *Network) listPeers() (out control.Peers) {
	n.locked(func() { out.Peers = n.peerList() })
	return out
}

func (n *Network) peerList() (out control.List[control.Peer]) {
	for _, p := range n.peers {
		out = append(out, n.peer(p))
	}
	return out
}

// pausePeer is what [control.Backend] wants.
func (n *Network) pausePeer(name string) (control.Peer, error) {
	return n.changePeer(name, func(p *peer) error {
		if !p.paused {
			p.paused = true
			n.note(slog.LevelInfo, "peer paused", "peer", p.name)
		}
		n.forget(func(e *entry) bool { return e.at == p && e.kind == control.EntryLearned })
		return nil
	})
}

// resumePeer is what [control.Backend] wants.
func (n *Network) resumePeer(name string) (control.Peer, error) {
	return n.changePeer(name, func(p *peer) error {
		if p.paused {
			p.paused, p.waking = false, n.step+2
			n.note(slog.LevelInfo, "peer resumed", "peer", p.name)
		}
		return nil
	})
}

// reconnectPeer is what [control.Backend] wants.
func (n *Network) reconnectPeer(name string) (control.Peer, error) {
	return n.changePeer(name, func(p *peer) error {
		if p.paused {
			e := control.Errorf(control.CodeConflict, "%s is paused", p.name)
			e.Fix = []string{"vxmesh peer resume " + p.name}
			return e
		}
		n.note(slog.LevelInfo, "peer is looked for anew", "peer", p.name)
		if p.punching = n.step + 4; p.state != down {
			p.handshake = n.step
			p.handshakes++
		}
		return nil
	})
}

// changePeer does something to the peer of a name, and says how that is then.
func (n *Network) changePeer(name string, do func(*peer) error) (st control.Peer, err error) {
	n.locked(func() {
		var p *peer
		if p, err = n.find(name); err != nil {
			return
		}
		if err = do(p); err == nil {
			n.setState(p, n.want(p))
			st = n.peer(p)
		}
	})
	return st, err
}
