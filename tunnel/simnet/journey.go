package simnet

import (
	"net/netip"
	"slices"
	"time"
)

// An End says how the way of a datagram ended.
type End uint8

// The ends.
const (
	Arrived  End = iota // at a socket
	Lost                // on a link
	Refused             // by the NAT of the last hop
	Expired             // its TTL did not suffice
	Nobody              // has that address, or a socket at that port
	Overflow            // the socket's buffer was full
	TooBig              // for the path, and not to be fragmented
)

// String gives the end as the end of a sentence.
func (e End) String() string {
	return [...]string{
		"arrived", "lost on the way", "not let in", "its TTL ended on the way", "nobody is there",
		"the buffer was full", "too big for the path",
	}[e]
}

// A Hop is the addresses of a datagram on one part of its way.
type Hop struct {
	NAT      *NAT // that made them so; nil where the datagram was sent
	Inside   bool // it is in the NAT's LAN now, else outside
	From, To netip.AddrPort
}

// A Journey is what became of one datagram. One that was doubled has two.
type Journey struct {
	From, To    *Host // To is nil for what did not arrive
	Sent, Ended time.Time
	Data        []byte // as it was at the end; borrowed
	Hops        []Hop  // the first as it was sent
	End         End
	By          *NAT // that refused it, or at which it expired; nil for none
}

// Watch has f told the journey of every datagram that is sent from now on, when it ends. f must
// neither keep a Journey nor call anything of the Internet; it is called for one at a time. A nil f
// ends that.
func (i *Internet) Watch(f func(*Journey)) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.watch = f
}

// depart begins the packet's journey, where somebody watches.
func (i *Internet) depart(p *packet) {
	if i.watch != nil {
		p.trip = &Journey{From: p.sender, Sent: time.Now(), Hops: []Hop{{From: p.from, To: p.to}}}
	}
}

// passed notes what a NAT made of the packet on its way out or in.
func (p *packet) passed(n *NAT, inside bool) {
	if p.trip != nil {
		p.trip.Hops = append(p.trip.Hops, Hop{n, inside, p.from, p.to})
	}
}

// end tells who watches how the packet's journey ended.
func (i *Internet) end(p *packet, how End, to *Host, by *NAT) {
	if p.trip == nil || i.watch == nil {
		return
	}
	t := p.trip
	t.To, t.By, t.End, t.Ended, t.Data = to, by, how, time.Now(), p.data
	i.watch(t)
}

// stopped ends the journey of what a NAT did not let pass.
func (i *Internet) stopped(p *packet, by *NAT) {
	how := Refused
	if p.ttl == 0 {
		how = Expired
	}
	i.end(p, how, nil, by)
}

// fork is the journey of a copy.
func (t *Journey) fork() *Journey {
	if t == nil {
		return nil
	}
	c := *t
	c.Hops = slices.Clone(t.Hops)
	return &c
}
