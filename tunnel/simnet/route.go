package simnet

import (
	"net/netip"
	"slices"
	"time"
)

// The way of a packet. Up to the LAN where its destination is, or a NAT that leads there, it goes at
// once, collecting delays. Then it takes as long as the NATs it has passed and the link say. Only at
// the end of that the NATs on the way down see it, each of which may delay it again:
//
//	sender - NAT - NAT ~~~~ link ~~~~ NAT ~~ NAT ~~ receiver
//	         ascend         cross        deliver

// Inject has a datagram arrive at once that claims to come from anywhere, on the internet itself. No
// link or tap sees it; a NAT that it is for does.
func (i *Internet) Inject(from, to netip.AddrPort, datagram []byte) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.deliver(packet{from: from, to: to, data: slices.Clone(datagram), ttl: defaultTTL, at: &i.wide})
}

// send puts a packet on the wire. What nobody answers for is lost without a word, as it would be on
// the real one. It reports whether the system of the sender refuses it, being larger than the path.
func (i *Internet) send(p packet) (tooBig bool) {
	if !i.passes(p) {
		return false
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	if p.to.Addr().IsMulticast() {
		i.multicast(p)
		return false
	}
	return i.ascend(p, 0)
}

// ascend takes a packet that is to take a time already from where it is to where its destination is.
func (i *Internet) ascend(p packet, after time.Duration) (tooBig bool) {
	n := p.at.nat
	h, down := p.at.find(p.to.Addr())
	switch {
	case h != nil:
		return i.cross(h, p, after)
	case down != nil:
		return i.cross(down.expected(p.to), p, after)
	case n == nil:
		return false
	case p.to.Addr() == n.addr:
		p, turned := n.turn(p)
		return turned && i.ascend(p, after)
	}
	p, passes := n.out(p)
	if !passes {
		return false
	}
	p.at = n.outside
	copies, tooBig := n.outward.carry(p)
	for _, c := range copies {
		tooBig = i.ascend(c.packet, after+c.after) || tooBig
	}
	return tooBig
}

// cross takes a packet over the link to a host, nil where nobody knows for which it is.
func (i *Internet) cross(to *Host, p packet, after time.Duration) (tooBig bool) {
	if p.at.nat == nil && !p.hop() {
		return false
	}
	if to == nil {
		i.arrive(p, after)
		return false
	}
	copies, tooBig := i.direction(p.sender, to).carry(p)
	for _, c := range copies {
		i.arrive(c.packet, after+c.after)
	}
	return tooBig
}

// multicast takes a packet to all others in the sender's LAN. Every socket on its port that is bound
// to all addresses has joined; the internet itself has no multicast.
func (i *Internet) multicast(p packet) {
	if p.at.nat == nil {
		return
	}
	for _, f := range p.at.interfaces {
		if f.h != p.sender {
			member := p
			member.member, member.data = f.h, slices.Clone(p.data)
			i.cross(f.h, member, 0)
		}
	}
}

// hop is a router that forwards the packet, unless its TTL is at an end.
func (p *packet) hop() bool {
	p.ttl = max(p.ttl, 1) - 1
	return p.ttl > 0
}

// arrive has a packet come after a time where it is going.
func (i *Internet) arrive(p packet, after time.Duration) {
	if after == 0 {
		i.deliver(p)
		return
	}
	i.flight.add(p, after, &i.mu)
}

// deliver hands a packet to the socket it is for, where there is one, or to the NAT that leads there.
func (i *Internet) deliver(p packet) {
	h, n := p.member, (*NAT)(nil)
	if h == nil {
		h, n = p.at.find(p.to.Addr())
	}
	if h != nil {
		if c := h.lookup(p.to); c != nil {
			c.receive(p)
		}
		return
	}
	if n == nil {
		return
	}
	p, passes := n.in(p)
	if !passes {
		return
	}
	p.at = &n.inside
	copies, _ := n.inward.carry(p)
	for _, c := range copies {
		i.arrive(c.packet, c.after)
	}
}
