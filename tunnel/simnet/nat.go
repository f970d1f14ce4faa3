package simnet

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"time"
)

// A NATKind says which outside ports a [NAT] gives, and whom it lets in. They behave as Linux's
// netfilter does with rules for each.
type NATKind uint8

// The kinds. Those that are not symmetric give an inside port the same outside port towards everybody
// (RFC 4787: endpoint-independent mapping): the inside port itself, unless it is taken towards that
// peer.
const (
	Open                 NATKind = iota // a router: inside addresses are public, and nothing is held back
	Firewall                            // a router: inside addresses are public; only answers come in
	FullCone                            // lets everybody in at a port that is open to somebody
	AddressRestricted                   // only from addresses that were sent to
	PortRestricted                      // only from addresses and ports that were sent to: most homes
	PortRestrictedStrays                // as that, but a stray packet takes the port for its sender away
	PortHash                            // as PortRestricted, with an outside port that is never the inside one
	SymmetricSequential                 // a port for each peer, each the last and one
	SymmetricRandom                     // a port for each peer, at random
	Blocked                             // no UDP at all
)

// String is the name that people know it by.
func (k NATKind) String() string {
	return [...]string{
		"open", "firewall", "full-cone", "address-restricted", "port-restricted", "port-restricted-strays",
		"port-hash", "symmetric-sequential", "symmetric-random", "blocked",
	}[k]
}

// MarshalText gives the name.
func (k NATKind) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// UnmarshalText reads it.
func (k *NATKind) UnmarshalText(text []byte) error {
	for *k = Open; *k <= Blocked; *k++ {
		if k.String() == string(text) {
			return nil
		}
	}
	return fmt.Errorf("there is no NAT of kind %q", text)
}

// routes reports whether the kind leaves IPv4 addresses as they are.
func (k NATKind) routes() bool { return k == Open || k == Firewall }

// A NAT is a router between a LAN and what is outside. It translates IPv4 as its kind says. IPv6 it
// never translates: all but Open let in only answers.
type NAT struct {
	i       *Internet
	outside *lan
	inside  lan

	// Guarded by the Internet's lock.
	outward, inward    *direction
	kind               NATKind
	addr               netip.Addr
	hairpin, stuck     bool
	back               time.Time // when it forwards again
	unanswered, stream time.Duration
	flows              []*flow // the oldest first
	forwards           map[uint16]netip.AddrPort
	sequence           uint16
	rnd                *rand.Rand
}

// NAT adds a NAT whose outside is on the internet itself and has an IPv4 address, or none with the
// zero Addr.
func (i *Internet) NAT(kind NATKind, outside netip.Addr) *NAT {
	return i.addNAT(&i.wide, kind, outside)
}

// NAT adds a NAT behind this one: a home behind its carrier.
func (n *NAT) NAT(kind NATKind, outside netip.Addr) *NAT { return n.i.addNAT(&n.inside, kind, outside) }

func (i *Internet) addNAT(l *lan, kind NATKind, outside netip.Addr) *NAT {
	i.mu.Lock()
	defer i.mu.Unlock()
	if outside.IsValid() {
		l.mustBeFree(outside)
	}
	i.nats++
	stream := 1<<63 | i.nats<<32 // apart from those of hosts
	n := &NAT{
		i: i, outside: l, kind: kind, addr: outside.Unmap(),
		outward: i.newDirection(stream), inward: i.newDirection(stream + 1),
		unanswered: 30 * time.Second, stream: 120 * time.Second,
		forwards: make(map[uint16]netip.AddrPort), rnd: rand.New(rand.NewPCG(i.seed, stream+2)),
	}
	n.inside.nat = n
	l.nats = append(l.nats, n)
	return n
}

// Host adds a host to the LAN behind the NAT. Its addresses only need to differ from others there,
// unless the NAT routes them. It panics on one that another host has.
func (n *NAT) Host(addrs ...netip.Addr) *Host {
	n.i.mu.Lock()
	defer n.i.mu.Unlock()
	return n.i.addHost(&n.inside, addrs)
}

// set changes something, from now on.
func (n *NAT) set(change func()) {
	n.i.mu.Lock()
	defer n.i.mu.Unlock()
	change()
}

// Addr is the outside address.
func (n *NAT) Addr() (a netip.Addr) { n.set(func() { a = n.addr }); return a }

// Kind is what the NAT is like.
func (n *NAT) Kind() (k NATKind) { n.set(func() { k = n.kind }); return k }

// Flows is how many pairs of an inside port and a peer it knows.
func (n *NAT) Flows() (count int) {
	n.set(func() {
		n.expire()
		count = len(n.flows)
	})
	return count
}

// SetKind makes it another NAT, which knows no flows yet.
func (n *NAT) SetKind(kind NATKind) { n.set(func() { n.kind, n.flows = kind, nil }) }

// SetAddr gives the NAT another outside address, which ends all flows; the zero Addr takes it away.
func (n *NAT) SetAddr(addr netip.Addr) {
	n.set(func() {
		if addr.IsValid() {
			n.outside.mustBeFree(addr)
		}
		n.addr, n.flows = addr.Unmap(), nil
	})
}

// SetHairpin says whether what is inside may use the outside address. It may not at first.
func (n *NAT) SetHairpin(on bool) { n.set(func() { n.hairpin = on }) }

// SetTimeouts says how long a flow lives after its last packet: one way only, 30 s at first, and when
// it has been both ways for over two seconds, 120 s at first.
func (n *NAT) SetTimeouts(unanswered, stream time.Duration) {
	n.set(func() { n.unanswered, n.stream = unanswered, stream })
}

// SetOut changes the conditions of what goes out through the NAT. They add to those of links.
func (n *NAT) SetOut(c Conditions) { n.set(func() { n.outward.Conditions = c }) }

// SetIn changes the conditions of what comes in through the NAT. Down makes it a one-way street.
func (n *NAT) SetIn(c Conditions) { n.set(func() { n.inward.Conditions = c }) }

// Forward has everybody let in at an outside port, to an inside address, as a port mapping does, until
// the zero AddrPort ends that.
func (n *NAT) Forward(port uint16, to netip.AddrPort) {
	n.set(func() {
		delete(n.forwards, port)
		if to.IsValid() {
			n.forwards[port] = to
		}
	})
}

// Flush forgets all flows.
func (n *NAT) Flush() { n.set(func() { n.flows = nil }) }

// Reboot forgets all flows, and forwards nothing for a time.
func (n *NAT) Reboot(d time.Duration) { n.set(func() { n.flows, n.back = nil, time.Now().Add(d) }) }

// SetStuck makes it a router that forwards before its NAT is up, or ends that. It forgets all flows;
// those that begin while it is stuck are not translated, so that they are lost as long as they last:
// until nobody has sent on them for a while.
func (n *NAT) SetStuck(on bool) {
	n.set(func() {
		n.stuck = on
		if on {
			n.flows = nil
		}
	})
}
