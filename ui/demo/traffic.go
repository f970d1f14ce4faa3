package demo

import (
	"maps"

	"github.com/vxmesh/vxmesh/tunnel/control"
	"github.com/vxmesh/vxmesh/tunnel/drop"
)

// A flow is how much there was of each of these.
type flow [6]uint64

const (
	rxBytes = iota
	txBytes
	rxFrames
	txFrames
	rxDatagrams
	txDatagrams
)

// A traffic is what was counted until the last step, and what the second after it brings. Whoever looks in
// between sees a part of that, so that rates are smooth at any pace.
type traffic struct {
	count, rate flow
}

func (t *traffic) now(part float64) (f flow) {
	for i := range f {
		f[i] = t.count[i] + uint64(float64(t.rate[i])*part)
	}
	return f
}

func (t *traffic) pass(next flow) {
	for i := range t.rate {
		t.count[i] += t.rate[i]
	}
	t.rate = next
}

// extras are what is counted of the node beside its traffic.
type extras struct {
	flooded, tooBig      uint64
	learned, moved, aged uint64
	drops, socket        control.Counts
	cpu, cpuRate         float64
	stillFlooded         float64 // with what is not a whole frame yet
}

// carry lets a second's traffic pass, and says what the next one brings.
func (n *Network) carry() {
	var sum flow
	for _, p := range n.peers {
		var f flow
		if p.reachable() {
			f = p.flow(n.height(p.in, n.step)*(1-3*p.loss), n.height(p.out, n.step)*(1-p.loss))
			if n.step%5 == 0 {
				f[rxDatagrams]++
				f[txDatagrams]++
			}
		}
		p.pass(f)
		for i := range sum {
			sum[i] += f[i]
		}
		n.lose(p)
	}
	n.total.pass(sum)
	x := &n.extra
	x.cpu += x.cpuRate
	x.cpuRate = 0.0028 + float64(sum[rxBytes]+sum[txBytes])*0.5e-9
	x.stillFlooded += 0.6 + 1.2*n.smooth(saltOf("flooded"), n.step, 11)
	x.flooded = uint64(x.stillFlooded)
	n.loseAtLarge()
}

// happens counts a drop in a step with a chance.
func (n *Network) happens(counts control.Counts, r drop.Reason, salt uint64, chance float64) bool {
	at := n.noise(salt^saltOf(r.String()), n.step)
	if at >= chance {
		return false
	}
	counts[r.String()] += 1 + uint64(at*7919)%3
	return true
}

// lose drops some of what comes from and goes to a peer.
func (n *Network) lose(p *peer) {
	if !p.reachable() {
		if !p.paused && n.happens(p.drops, drop.NoSession, p.salt, 0.03) {
			n.extra.drops[drop.NoSession.String()]++
		}
		return
	}
	n.happens(p.drops, drop.ChunkTimeout, p.salt, 9*p.loss)
	n.happens(p.drops, drop.Replay, p.salt, 0.001+0.5*p.loss)
	if p.mtu < 1400 && n.happens(p.drops, drop.TooBig, p.salt, 0.2) {
		n.extra.drops[drop.TooBig.String()]++
		n.extra.tooBig++
	}
}

// loseAtLarge drops what has nothing to do with a peer.
func (n *Network) loseAtLarge() {
	x := &n.extra
	n.happens(x.drops, drop.OwnMAC, 1, 0.004)
	n.happens(x.drops, drop.NoPort, 1, 0.012)
	n.happens(x.drops, drop.SamePort, 1, 0.05)
	n.happens(x.socket, drop.Junk, 1, 0.02)
	n.happens(x.socket, drop.Auth, 1, 0.003)
	n.happens(x.socket, drop.RateLimit, 1, 0.004)
}

func cloned(c control.Counts) control.Counts { return maps.Clone(c) }

// measured is what the recorder wants to know of peers. The caller holds mu.
func (n *Network) measured() (out control.Peers) {
	for _, p := range n.peers {
		m := control.Peer{Name: p.name, RxBytes: p.count[rxBytes], TxBytes: p.count[txBytes]}
		if p.reachable() {
			m.Path = p.path()
		}
		out.Peers = append(out.Peers, m)
	}
	return out
}

// totals is what the recorder wants to know of the rest. The caller holds mu, and nothing is kept of it.
func (n *Network) totals() control.Stats {
	c := n.total.count
	out := control.Stats{
		Segments: []control.SegmentStats{{
			RxBytes: c[rxBytes], TxBytes: c[txBytes], RxFrames: c[rxFrames], TxFrames: c[txFrames], Drops: n.extra.drops,
		}},
		Sockets: []control.SocketStats{{Drops: n.extra.socket}},
	}
	for _, p := range n.peers {
		out.Peers = append(out.Peers, control.PeerStats{Drops: p.drops})
	}
	return out
}

// overhead is what a datagram has around a frame: IP, UDP, our header and the seal.
const overhead = 20 + 8 + 16 + 16

// stats is what [control.Backend] wants.
func (n *Network) stats() (out control.Stats) {
	n.locked(func() {
		part, x := n.since(), &n.extra
		c := n.total.now(part)
		out.Segments = append(out.Segments, control.SegmentStats{
			VNI: vni, RxFrames: c[rxFrames], TxFrames: c[txFrames], RxBytes: c[rxBytes], TxBytes: c[txBytes],
			FloodedFrames: x.flooded, Drops: cloned(x.drops), ICMPTooBig: x.tooBig,
			FDB: control.FDBStats{
				Entries: uint64(len(n.entries)), Learned: x.learned, Moved: x.moved, Aged: x.aged,
			},
		})
		for _, p := range n.peers {
			out.Peers = append(out.Peers, p.stats(part))
		}
		out.Sockets = append(out.Sockets, control.SocketStats{
			Listen: listens, RxDatagrams: c[rxDatagrams], TxDatagrams: c[txDatagrams],
			RxBytes: c[rxBytes] + overhead*c[rxDatagrams], TxBytes: c[txBytes] + overhead*c[txDatagrams],
			Drops: cloned(x.socket),
		})
		out.Node = control.NodeStats{
			CPUSeconds:  rounded(x.cpu+x.cpuRate*part, 1e4),
			MemoryBytes: uint64(21e6 + 3e6*n.smooth(saltOf("memory"), n.step, 40)), Goroutines: 26 + len(n.peers),
		}
	})
	return out
}

func (p *peer) stats(part float64) control.PeerStats {
	c := p.now(part)
	return control.PeerStats{
		Name: p.name, RxFrames: c[rxFrames], TxFrames: c[txFrames], RxBytes: c[rxBytes], TxBytes: c[txBytes],
		RxDatagrams: c[rxDatagrams], TxDatagrams: c[txDatagrams], Handshakes: p.handshakes, Drops: cloned(p.drops),
	}
}
