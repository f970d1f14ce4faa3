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
	i.depart(&p)
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
		i.end(&p, Nobody, nil, nil)
		return false
	case p.to.Addr() == n.addr:
		p, turned := n.turn(p)
		if !turned {
			i.stopped(&p, n)
			return false
		}
		p.passed(n, true)
		return i.ascend(p, after)
	}
	p, passes := n.out(p)
	if !passes {
		i.stopped(&p, n)
		return false
	}
	p.passed(n, false)
	p.at = n.outside
	copies, tooBig := i.carry(n.outward, p)
	for _, c := range copies {
		tooBig = i.ascend(c.packet, after+c.after) || tooBig
	}
	return tooBig
}

// cross takes a packet over the link to a host, nil where nobody knows for which it is.
func (i *Internet) cross(to *Host, p packet, after time.Duration) (tooBig bool) {
	if p.at.nat == nil && !p.hop() {
		i.end(&p, Expired, nil, nil)
		return false
	}
	if to == nil {
		i.arrive(p, after)
		return false
	}
	copies, tooBig := i.carry(i.direction(p.sender, to), p)
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
			member.member, member.data, member.trip = f.h, slices.Clone(p.data), p.trip.fork()
			i.cross(f.h, member, 0)
		}
	}
}

// carry is [direction.carry]; what does not arrive has come to its end.
func (i *Internet) carry(d *direction, p packet) (arrive []copied, tooBig bool) {
	before := d.counts.TooBig
	arrive, tooBig = d.carry(p)
	if len(arrive) == 0 {
		how := Lost
		if d.counts.TooBig > before {
			how = TooBig
		}
		i.end(&p, how, nil, nil)
	}
	return arrive, tooBig
}

// hand gives a packet to the socket of a host that it is for, where there is one with room.
func (i *Internet) hand(h *Host, p packet) {
	c := h.lookup(p.to)
	switch {
	case c == nil:
		i.end(&p, Nobody, h, nil)
	case !c.hasRoom(p):
		i.end(&p, Overflow, h, nil)
	default:
		i.end(&p, Arrived, h, nil)
		c.receive(p)
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
		i.hand(h, p)
		return
	}
	if n == nil {
		i.end(&p, Nobody, nil, nil)
		return
	}
	p, passes := n.in(p)
	if !passes {
		i.stopped(&p, n)
		return
	}
	p.passed(n, true)
	p.at = &n.inside
	copies, _ := i.carry(n.inward, p)
	for _, c := range copies {
		i.arrive(c.packet, c.after)
	}
}
