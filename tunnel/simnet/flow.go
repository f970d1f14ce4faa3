package simnet

import (
	"net/netip"
	"slices"
	"time"
)

// A flow is what a NAT remembers of an inside and a peer:
//
//	inside  ---- seen        outside  ---- peer
//	       (the inside sees)        (the outside sees)
type flow struct {
	inside, outside netip.AddrPort // one and the same where nothing is translated
	peer, seen      netip.AddrPort // differ only where the peer came in by two ports

	born, until time.Time
	fromPeer    bool // it began with a packet from outside
	answered    bool // there were packets in both directions
	opened      bool // there was one from inside
	broken      bool // what is sent on it is lost
}

// stray reports whether the flow is one of the router itself: it belongs to nobody.
func (f *flow) stray() bool { return !f.inside.IsValid() }

// settled is how old a flow must be to live long.
const settled = 2 * time.Second

// touch notes a packet of a flow.
func (n *NAT) touch(f *flow, fromPeer bool) {
	now := time.Now()
	f.answered = f.answered || fromPeer != f.fromPeer
	f.opened = f.opened || !fromPeer
	f.until = now.Add(n.unanswered)
	if f.answered && now.Sub(f.born) > settled {
		f.until = now.Add(n.stream)
	}
}

// expire forgets what nobody has used.
func (n *NAT) expire() {
	now := time.Now()
	n.flows = slices.DeleteFunc(n.flows, func(f *flow) bool { return !now.Before(f.until) })
}

// add remembers a flow.
func (n *NAT) add(f *flow) *flow {
	f.born = time.Now()
	n.flows = append(n.flows, f)
	return f
}

// latest is the youngest flow of a kind, or nil.
func (n *NAT) latest(is func(f *flow) bool) *flow {
	for _, f := range slices.Backward(n.flows) {
		if is(f) {
			return f
		}
	}
	return nil
}

// incoming is the flow of a packet from a peer, or nil.
func (n *NAT) incoming(outside, peer netip.AddrPort) *flow {
	return n.latest(func(f *flow) bool { return f.outside == outside && f.peer == peer })
}

// outgoing is the flow of a packet to a peer, or nil.
func (n *NAT) outgoing(inside, seen netip.AddrPort) *flow {
	return n.latest(func(f *flow) bool { return f.inside == inside && f.seen == seen })
}
