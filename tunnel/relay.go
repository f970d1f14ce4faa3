package tunnel

import (
	"slices"
	"sync"
	"time"

	"github.com/vxmesh/vxmesh/nat"
	"github.com/vxmesh/vxmesh/tunnel/drop"
	"github.com/vxmesh/vxmesh/tunnel/udp"
	"github.com/vxmesh/vxmesh/tunnel/wire"
)

// What a node does for others: it passes on, one hop, what is sealed for somebody else it knows.

const (
	// relayArena holds datagrams that wait to be passed on.
	relayArena = 256 << 10
	// maxPairs is for how many pairs of nodes this one relays at once, and pairIdle how long after its
	// last datagram a pair counts; maxPairsEach is how many peers one may send to so.
	maxPairs     = 128
	maxPairsEach = 64
	pairIdle     = time.Minute
	// refusalRate bounds how often in a second a peer is told that something was not passed on, and
	// refusalBurst at once: it may go on sending for as long as it knows no other way.
	refusalRate  = 50
	refusalBurst = 64
	// limitedRate is the same for that there is more to pass on than may be: as often as a way is asked that
	// does not answer.
	limitedRate = 4
	// limitedFor is how long after a relay has said so it counts as one with too much to pass on, and how
	// long it may say so while nothing comes of a peer behind it.
	limitedFor = 10 * time.Second
)

// RelayOptions say what a node passes on for others.
type RelayOptions struct {
	Serve bool   // it does
	Auto  bool   // it does once somebody has reached it that it had sent nothing to
	Limit uint64 // bits in a second, in all; 0 for no limit
	Use   bool   // others may pass on for it
}

// A relayDesk decides what is passed on. Meshlinks share it.
type relayDesk struct {
	limit float64 // bytes in a second; 0 for no limit

	mu     sync.Mutex
	tokens float64
	filled time.Duration
	swept  time.Duration
	pairs  map[[2]*peer]time.Duration // when each was last relayed for
}

// setRelay changes what is passed on, and for whom. The caller holds the mesh's lock, or is the only one to
// know it.
func (m *mesh) setRelay(o RelayOptions) {
	m.relayOpts = o
	m.useRelays.Store(o.Use)
	m.desk.mu.Lock()
	m.desk.limit = float64(o.Limit) / 8
	m.desk.mu.Unlock()
	m.serveRelay()
}

// updateRelay is setRelay of a node that runs.
func (m *mesh) updateRelay(o RelayOptions) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.setRelay(o)
}

// take takes n bytes to pass on from one peer to another, or says why not: 0 for nothing.
func (d *relayDesk) take(now time.Duration, from, to *peer, n int) wire.Cause {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.limit > 0 {
		d.tokens = min(d.limit/4, d.tokens+d.limit*(now-d.filled).Seconds()) // a quarter of a second at once
		d.filled = now
		if d.tokens < float64(n) {
			return wire.CauseLimit
		}
	}
	pair := [2]*peer{from, to}
	if _, known := d.pairs[pair]; !known && !d.room(now, from) {
		return wire.CauseRefused // another relay may have room
	}
	d.pairs[pair] = now
	d.tokens -= float64(n)
	return 0
}

// room makes room for another pair, if there is any to be had. No sender may take all of it.
func (d *relayDesk) room(now time.Duration, from *peer) bool {
	if d.pairs == nil {
		d.pairs = make(map[[2]*peer]time.Duration)
	}
	own := 0
	for pair := range d.pairs {
		if pair[0] == from {
			own++
		}
	}
	if own < maxPairsEach && len(d.pairs) < 2*maxPairs { // each has two directions
		return true
	}
	if now-d.swept < time.Second {
		return false
	}
	d.swept = now
	for pair, last := range d.pairs {
		if now-last <= pairIdle {
			continue
		}
		delete(d.pairs, pair)
		if pair[0] == from {
			own--
		}
	}
	return own < maxPairsEach && len(d.pairs) < 2*maxPairs
}

// tells reports whether a peer may be told now that something was not passed on, and why.
func (d *relayDesk) tells(now time.Duration, p *peer, cause wire.Cause) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if cause == wire.CauseLimit {
		return p.limits.take(now, limitedRate, limitedRate)
	}
	return p.refusals.take(now, refusalRate, refusalBurst)
}

// A forwarder passes datagrams on for one meshlink.
type forwarder struct {
	n     *Node
	arena []byte
	used  int
	out   outbox
}

func newForwarder(n *Node) *forwarder {
	f := &forwarder{n: n, arena: make([]byte, relayArena)}
	f.out = newOutbox(f.account)
	return f
}

// pass seals a datagram for its receiver and queues it.
func (f *forwarder) pass(from, to *peer, snd *sender, datagram []byte, tos uint8) drop.Reason {
	size := wire.RelayOverhead + len(datagram)
	if size > len(f.arena) {
		return drop.TooBig
	}
	if len(f.arena)-f.used < size || f.out.full() {
		f.flush()
	}
	counter, ok := snd.t.Reserve(1)
	if !ok {
		to.want()
		return drop.NoSession
	}
	dg := f.arena[f.used : f.used+size]
	wire.Header{Index: snd.t.RemoteIndex(), Counter: counter, Last: true}.Put(dg)
	plain := dg[wire.HeaderLen : size-wire.TagLen]
	wire.PutRelay(plain, wire.TypeRelayed, from.tag())
	copy(plain[wire.RelayLen:], datagram)
	snd.t.Seal(dg, plain)
	to.txDatagrams.Add(1)
	m := udp.Message{To: snd.to, TTL: meshTTL, TOS: tos}
	w := way{sock: snd.sock, to: &to.party, mode: meshMode}
	f.out.add(f.arena, f.used, f.used+size, size, &m, &w)
	f.used += size
	return drop.None
}

// flush sends what is queued.
func (f *forwarder) flush() {
	if f.used > 0 {
		f.out.flush()
		f.used = 0
	}
}

// account counts a message that was written.
func (f *forwarder) account(m *udp.Message, w *way) {
	if m.Failed > 0 {
		w.to.drops.Add(failure(m), uint64(m.Failed))
	}
	sent := w.n - m.Failed
	w.sock.tx.add(sent, max(len(m.Data)-m.Failed*w.size, 0))
	f.n.captureSent(m, w, 0)
}

// relay passes a datagram on that a peer wants to be passed on, or says why not.
func (l *meshlink) relay(in *inbound, plain []byte, tos uint8) {
	tag, datagram := wire.ParseRelay(plain)
	if !l.way.Direct() || !relayable(datagram) { // one hop, and only what is ours
		in.peer.dropPeer(drop.Malformed)
		return
	}
	m := l.n.mesh
	to, cause := m.tagged(tag), wire.Cause(0)
	var snd *sender
	if to != nil {
		snd = to.send.Load()
	}
	switch {
	case !m.relays.Load(), m.tagged(in.peer.tag()) != in.peer: // a guest, or one of two with a tag
		cause = wire.CauseRefused
	case snd == nil || !snd.direct() || snd.t.Expired(l.in.now) || to == in.peer:
		cause = wire.CauseUnknown
	default:
		cause = m.desk.take(l.in.now, in.peer, to, len(datagram))
	}
	if cause != 0 {
		in.peer.dropPeer(drop.NotRelayed)
		if !m.desk.tells(l.in.now, in.peer, cause) {
			return
		}
		answer := wire.Unreached{Node: tag, Cause: cause}.Append(nil)
		_, _ = in.peer.sendControl(in.t, l.way, answer) // it finds out by itself
		return
	}
	if l.pass == nil {
		l.pass = newForwarder(l.n)
	}
	if reason := l.pass.pass(in.peer, to, snd, datagram, tos); reason != drop.None {
		in.peer.dropPeer(reason)
	}
}

// relayable reports whether a datagram is one that nodes send each other.
func relayable(datagram []byte) bool {
	switch wire.KindOf(datagram) {
	case wire.Data, wire.Handshake1, wire.Handshake2, wire.Cookie:
		return true
	}
	return false
}

// relayed takes in a datagram that a relay passed on, as if it had come by itself.
func (l *meshlink) relayed(in *inbound, plain []byte, dg *udp.Datagram) {
	source, datagram := wire.ParseRelay(plain)
	if !l.way.Direct() || !relayable(datagram) {
		in.peer.dropPeer(drop.Malformed)
		return
	}
	// A guest passes nothing on, and nobody does for who does not want it.
	if m := l.n.mesh; !m.useRelays.Load() || m.tagged(in.peer.tag()) != in.peer {
		in.peer.dropPeer(drop.NotRelayed)
		return
	}
	l.settle() // the relay's own, which came by another way
	direct := l.way
	l.way, l.source = nat.Way{Relay: in.peer.tag()}, source
	l.receive(datagram, dg)
	l.settle()
	l.way, l.source = direct, nat.Tag{}
}

// unreached notes that a relay does not pass on what is for a peer.
func (m *mesh) unreached(now time.Duration, relay *peer, u wire.Unreached) {
	p := m.tagged(u.Node)
	if p == nil || p == relay {
		return
	}
	w := nat.Way{Relay: relay.tag()}
	if u.Cause == wire.CauseLimit {
		m.limited(now, relay, p)
		return
	}
	tried := slices.Contains(p.tried, w)
	if k := &p.knock; tried && u.Cause == wire.CauseUnknown && p.session.Current() == nil && k.left > 0 {
		k.by, k.at = w, now+knockEvery
		k.left--
		m.wake()
		return
	}
	p.agent.Refused(now, w)
	m.adopt(now, p)
}

// limited notes that a relay has more to pass on than it may. It drops as a full queue would, which is no
// reason to look for another: the questions that it dropped say nothing of it, unless the peer has not been heard
// for long.
func (m *mesh) limited(now time.Duration, relay, p *peer) {
	l := &relay.limited
	if l.last == 0 || now-l.last >= limitedFor {
		l.since = now
	}
	l.last = now
	heard := max(l.since, time.Duration(p.heardOn.Load()))
	if pa := p.path; pa != nil && pa.way.Relay == relay.tag() && now-heard < limitedFor {
		p.agent.Strayed(now, pa.way)
	}
}

// A limited is since when a relay says that it has more to pass on than it may, and when it did so last; 0 for
// never.
type limited struct{ since, last time.Duration }

// doubtRelay gives up the way in use when it leads through a relay that cannot be reached any more: nothing
// is sent that could show it by staying unanswered.
func (m *mesh) doubtRelay(now time.Duration, p *peer) {
	pa := p.path
	if pa == nil || pa.way.Direct() || p.agent.Doubtful() >= suspectAfter {
		return
	}
	if r, _ := m.relayed(pa.way.Relay); r == nil || r == p {
		p.agent.Refused(now, pa.way)
	}
}
