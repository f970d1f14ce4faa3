// Package simnet is an internet in memory, on which whole nodes meet: in tests, in the demo and in
// the lab.
//
// Use it where a node's sockets are given to it: [Host.Listen] makes them. An [Internet] loses,
// delays, doubles and spoils datagrams as its links are told, by chance that depends on its seed
// alone. It starts no goroutine, so it also runs inside a testing/synctest bubble, when it is made
// and used in there. Everything here may be used by any number of goroutines; what one sends to
// another does not depend on what others do meanwhile.
//
// Hosts may stand behind a [NAT], which may stand behind another:
//
//	host ---+                                                      +--- host
//	host ---+-- NAT (home) --- NAT (carrier) --- router --- NAT ---+
//	    a LAN                                      |
//	                                             host, on the internet itself
//
// Every NAT and the router of the internet take one from the TTL of what they forward.
package simnet

import (
	"math/rand/v2"
	"net/netip"
	"slices"
	"sync"
)

// A packet is one datagram on its way.
type packet struct {
	from, to netip.AddrPort
	data     []byte
	tos      uint8
	ttl      uint8
	size     int  // in bytes on the wire, with IP and UDP header
	whole    bool // not to be fragmented

	sender *Host    // nil for what was injected
	trip   *Journey // nil where nobody watches
	at     *lan     // where it is
	member *Host    // of a multicast datagram: who shall hear this copy of it
}

// room is how many bytes of a socket's buffer the packet takes: systems count what they need to
// keep it as well.
func (p packet) room() int { return 256 + len(p.data) }

// An Internet is hosts that reach each other.
type Internet struct {
	seed uint64

	tapMu sync.Mutex // taken before mu, so that the tap sees one datagram at a time
	tap   func(from, to netip.AddrPort, datagram []byte) bool

	mu         sync.Mutex // the rest, and all that hosts and links have; taken before a Conn's
	wide       lan        // what is on the internet itself
	hosts      []*Host
	nats       uint64 // how many there are
	directions map[[2]int]*direction
	flight     schedule
	watch      func(*Journey)
}

// New makes an Internet without hosts. Equal seeds give equal chance.
func New(seed uint64) *Internet {
	i := &Internet{seed: seed, directions: make(map[[2]int]*direction)}
	i.flight.deliver = i.deliver
	return i
}

// Close closes all sockets. What is on its way is lost.
func (i *Internet) Close() {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.flight.stop()
	for _, h := range i.hosts {
		for _, c := range slices.Clone(h.conns) {
			c.close()
		}
	}
}

// Host adds a host with these addresses to the internet itself. It panics on an address that another
// host has.
func (i *Internet) Host(addrs ...netip.Addr) *Host {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.addHost(&i.wide, addrs)
}

func (i *Internet) addHost(l *lan, addrs []netip.Addr) *Host {
	h := &Host{i: i, id: len(i.hosts), mtu: defaultMTU, merges: true, nextPort: firstPort}
	h.attach(l, addrs)
	i.hosts = append(i.hosts, h)
	return h
}

// Tap has f see every datagram that is sent, before a NAT or the link does anything to it, and decide
// whether it goes on. f may change the bytes; it must neither keep them nor send, but it may
// [Internet.Inject]. It is called for one datagram at a time. A nil f ends that.
func (i *Internet) Tap(f func(from, to netip.AddrPort, datagram []byte) bool) {
	i.tapMu.Lock()
	defer i.tapMu.Unlock()
	i.tap = f
}

// passes shows a datagram to the tap.
func (i *Internet) passes(p packet) bool {
	i.tapMu.Lock()
	defer i.tapMu.Unlock()
	return i.tap == nil || i.tap(p.from, p.to, p.data)
}

// direction is the way from one host to another.
func (i *Internet) direction(from, to *Host) *direction {
	key := [2]int{from.id, to.id}
	d := i.directions[key]
	if d == nil {
		// A source of chance of its own: what others send meanwhile must not change it.
		d = i.newDirection(uint64(from.id)<<32 | uint64(to.id))
		i.directions[key] = d
	}
	return d
}

// newDirection makes a way with chance of its own.
func (i *Internet) newDirection(stream uint64) *direction {
	return &direction{rnd: rand.New(rand.NewPCG(i.seed, stream))}
}
