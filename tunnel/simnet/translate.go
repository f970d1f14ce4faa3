package simnet

import (
	"hash/fnv"
	"net/netip"
	"time"
)

// Where the outside ports of some kinds begin, and how many there are.
const (
	firstSequential, sequentialPorts = 40000, 8192
	firstHashed, hashedPorts         = 20000, 20000 // the first a multiple of the second
	firstRandom, randomPorts         = 1024, 1<<16 - 1024
)

// routes reports whether a NAT leaves an inside address as it is.
func (n *NAT) routes(a netip.Addr) bool {
	return a.Is6() && !a.IsLinkLocalUnicast() || a.Is4() && n.kind.routes()
}

// cut reports whether it forwards nothing.
func (n *NAT) cut() bool { return n.kind == Blocked || time.Now().Before(n.back) }

// out is what the NAT makes of a packet from inside, if it lets it pass. One whose TTL ends here
// leaves no trace.
func (n *NAT) out(p packet) (packet, bool) {
	n.expire()
	if n.cut() || !p.hop() {
		return p, false
	}
	if n.kind == Open {
		return p, true
	}
	f := n.outgoing(p.from, p.to)
	if f == nil {
		f = &flow{inside: p.from, outside: p.from, peer: p.to, seen: p.to}
		switch {
		case n.routes(p.from.Addr()):
		case n.stuck:
			f.broken = true
		case !n.addr.IsValid() || p.from.Addr().Is6(): // there is no way out
			return p, false
		default:
			f.outside = n.outsidePort(p.from, p.to)
		}
		n.add(f)
	}
	n.touch(f, false)
	p.from, p.to = f.outside, f.peer
	return p, !f.broken
}

// outsidePort chooses the outside port of a new flow. No two flows with one peer have the same.
func (n *NAT) outsidePort(inside, peer netip.AddrPort) netip.AddrPort {
	port := inside.Port()
	switch n.kind {
	case PortHash:
		port = hashed(inside)
	case SymmetricSequential:
		port = firstSequential + n.sequence%sequentialPorts
		n.sequence++
	case SymmetricRandom:
		port = n.randomPort()
	default:
		// What the inside port has towards others, it shall have here.
		ours := func(f *flow) bool { return f.inside == inside && !f.fromPeer }
		if f := n.latest(ours); f != nil {
			port = f.outside.Port()
		}
	}
	for n.incoming(netip.AddrPortFrom(n.addr, port), peer) != nil {
		port = n.randomPort()
	}
	return netip.AddrPortFrom(n.addr, port)
}

func (n *NAT) randomPort() uint16 { return firstRandom + uint16(n.rnd.IntN(randomPorts)) }

// hashed is a port that depends on an inside address and port, and is not that port.
func hashed(inside netip.AddrPort) uint16 {
	h := fnv.New32a()
	_, _ = h.Write([]byte(inside.String()))
	shift := 1 + h.Sum32()%(hashedPorts-1)
	return firstHashed + uint16((uint32(inside.Port())+shift)%hashedPorts)
}

// in is what the NAT makes of a packet from outside, if it lets it pass.
func (n *NAT) in(p packet) (packet, bool) {
	n.expire()
	own := p.to.Addr() == n.addr
	if n.cut() {
		return p, false
	}
	if !own && n.kind == Open {
		return p, p.hop()
	}
	f := n.incoming(p.to, p.from)
	if f == nil && own {
		f = n.accept(p)
	}
	if f == nil {
		return p, false
	}
	n.touch(f, true)
	p.to, p.from = f.inside, f.seen
	return p, !f.stray() && p.hop()
}

// accept makes a flow of a packet to the outside address that belongs to none, where the NAT lets it
// in or takes it for its own; else it gives nil.
func (n *NAT) accept(p packet) *flow {
	f := &flow{outside: p.to, peer: p.from, seen: p.from, fromPeer: true}
	f.inside = n.forwards[p.to.Port()]
	if open := n.opening(p); open != nil && !f.inside.IsValid() {
		f.inside = open.inside
	}
	switch {
	case f.stray() && n.kind != PortRestrictedStrays, !f.stray() && p.ttl <= 1:
		return nil
	case f.stray():
		return n.add(f)
	}
	// An answer of the inside must go out by the port that the peer came in by.
	for n.outgoing(f.inside, f.seen) != nil {
		f.seen = netip.AddrPortFrom(p.from.Addr(), n.randomPort())
	}
	return n.add(f)
}

// opening is the flow that opened an outside port for a stranger as well, or nil.
func (n *NAT) opening(p packet) *flow {
	return n.latest(func(f *flow) bool {
		return f.opened && f.outside == p.to &&
			(n.kind == FullCone || n.kind == AddressRestricted && f.peer.Addr() == p.from.Addr())
	})
}

// turn is what the NAT makes of a packet from inside to its own outside address: it goes out and in
// again, which is one hop.
func (n *NAT) turn(p packet) (packet, bool) {
	if !n.hairpin {
		return p, false
	}
	p, passes := n.out(p)
	if !passes {
		return p, false
	}
	p.ttl++
	return n.in(p)
}

// expected is the host that a packet to the NAT is most likely for, so that its link can be told
// before it arrives; nil where nobody is inside.
func (n *NAT) expected(to netip.AddrPort) *Host {
	if f := n.latest(func(f *flow) bool { return f.outside == to && !f.stray() }); f != nil {
		to = f.inside
	} else if inside, ok := n.forwards[to.Port()]; ok && to.Addr() == n.addr {
		to = inside
	}
	h, down := n.inside.find(to.Addr())
	switch {
	case h != nil:
		return h
	case down != nil:
		return down.expected(to)
	}
	return n.inside.someHost()
}
