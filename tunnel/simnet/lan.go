package simnet

import (
	"fmt"
	"net/netip"
	"slices"
)

// A lan is what reaches each other without a router: what is behind one NAT. The internet itself is
// one as well, but there a router lies between any two.
type lan struct {
	nat        *NAT // the way out; nil on the internet itself
	interfaces []*Interface
	nats       []*NAT // those whose outside is here
}

// inside is the LAN of a NAT, or the internet itself where n is nil.
func (i *Internet) inside(n *NAT) *lan {
	if n == nil {
		return &i.wide
	}
	return &n.inside
}

// find gives the host that has an address, or the NAT that it leads to: one whose own it is, or that
// routes to it.
func (l *lan) find(a netip.Addr) (*Host, *NAT) {
	for _, f := range l.interfaces {
		if slices.Contains(f.addrs, a) {
			return f.h, nil
		}
	}
	for _, n := range l.nats {
		if n.addr == a || n.routes(a) && n.inside.reaches(a) {
			return nil, n
		}
	}
	return nil, nil
}

// reaches reports whether an address is here, or behind a router that is.
func (l *lan) reaches(a netip.Addr) bool {
	h, n := l.find(a)
	return h != nil || n != nil
}

// mustBeFree panics where somebody that could be reached by an address has it. One LAN's private
// addresses may be another's as well.
func (l *lan) mustBeFree(a netip.Addr) {
	for a = a.Unmap(); ; l = l.nat.outside {
		if l.reaches(a) {
			panic(fmt.Sprintf("simnet: two hosts with the address %s", a))
		}
		if l.nat == nil || !l.nat.routes(a) {
			return
		}
	}
}

// someHost is the first host here or further inside, nil where there is none.
func (l *lan) someHost() *Host {
	if len(l.interfaces) > 0 {
		return l.interfaces[0].h
	}
	for _, n := range l.nats {
		if h := n.inside.someHost(); h != nil {
			return h
		}
	}
	return nil
}
