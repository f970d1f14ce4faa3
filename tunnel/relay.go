package tunnel

import (
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
	// last datagram a pair counts.
	maxPairs = 128
	pairIdle = time.Minute
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

// take reports whether n bytes may be passed on from one peer to another.
func (d *relayDesk) take(now time.Duration, from, to *peer, n int) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.limit > 0 {
		d.tokens = min(d.limit/4, d.tokens+d.limit*(now-d.filled).Seconds()) // a quarter of a second at once
		d.filled = now
		if d.tokens < float64(n) {
			return false
		}
	}
	pair := [2]*peer{from, to}
	if _, known := d.pairs[pair]; !known && !d.room(now) {
		return false
	}
	d.pairs[pair] = now
	d.tokens -= float64(n)
	return true
}

// room makes room for another pair, if there is any to be had.
func (d *relayDesk) room(now time.Duration) bool {
	if d.pairs == nil {
		d.pairs = make(map[[2]*peer]time.Duration)
	}
	if len(d.pairs) < 2*maxPairs { // each has two directions
		return true
	}
	if now-d.swept < time.Second {
		return false
	}
	d.swept = now
	for pair, last := range d.pairs {
		if now-last > pairIdle {
			delete(d.pairs, pair)
		}
	}
	return len(d.pairs) < 2*maxPairs
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
		reason := drop.SendError
		if udp.IsTooBig(m.Err) {
			reason = drop.TooBig
		}
		w.to.drops.Add(reason, uint64(m.Failed))
	}
	sent := w.n - m.Failed
	w.sock.tx.add(sent, max(len(m.Data)-m.Failed*w.size, 0))
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
	case !m.relays.Load():
		cause = wire.CauseRefused
	case snd == nil || !snd.direct() || snd.t.Expired(l.in.now) || to == in.peer:
		cause = wire.CauseUnknown
	case !m.desk.take(l.in.now, in.peer, to, len(datagram)):
		cause = wire.CauseLimit
	}
	if cause != 0 {
		in.peer.dropPeer(drop.NotRelayed)
		if cause == wire.CauseLimit { // as a full queue would: that is no reason to look for another relay
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
	if k := &p.knock; u.Cause == wire.CauseUnknown && p.session.Current() == nil && k.left > 0 {
		k.by, k.at = w, now+knockEvery
		k.left--
		m.wake()
		return
	}
	p.agent.Refused(now, w)
	m.adopt(now, p)
}
