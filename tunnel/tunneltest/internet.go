// Package tunneltest is an internet in memory, on which whole nodes meet in a test.
//
// Use it where a node's sockets are given to it: [Host.Listen] makes them. An [Internet] loses,
// delays, doubles and spoils datagrams as its links are told, by chance that depends on its seed
// alone. It starts no goroutine, so it also runs inside a testing/synctest bubble, when it is made
// and used in there. Everything here may be used by any number of goroutines; what one sends to
// another does not depend on what others do meanwhile.
package tunneltest

import (
	"fmt"
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
	size     int  // in bytes on the wire, with IP and UDP header
	whole    bool // not to be fragmented
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
	hosts      []*Host
	directions map[[2]int]*direction
	flight     schedule
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

// Host adds a host with these addresses. It panics on an address that another host has.
func (i *Internet) Host(addrs ...netip.Addr) *Host {
	i.mu.Lock()
	defer i.mu.Unlock()
	h := &Host{i: i, id: len(i.hosts), mtu: defaultMTU, merges: true, nextPort: firstPort}
	for _, a := range addrs {
		i.mustBeFree(a)
		h.addrs = append(h.addrs, a.Unmap())
	}
	i.hosts = append(i.hosts, h)
	return h
}

func (i *Internet) mustBeFree(a netip.Addr) {
	if i.owner(a.Unmap()) != nil {
		panic(fmt.Sprintf("tunneltest: two hosts with the address %s", a))
	}
}

// Tap has f see every datagram that is sent, before the link does anything to it, and decide
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

// Inject has a datagram arrive at once that claims to come from anywhere. No link or tap sees it.
func (i *Internet) Inject(from, to netip.AddrPort, datagram []byte) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.deliver(packet{from: from, to: to, data: slices.Clone(datagram)})
}

// send puts a packet on the wire. What nobody answers for is lost without a word, as it would be on
// the real one. It reports whether the system of the sender refuses it, being larger than the path.
func (i *Internet) send(from *Host, p packet) (tooBig bool) {
	if !i.passes(p) {
		return false
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	to := i.owner(p.to.Addr())
	if to == nil {
		return false
	}
	d := i.direction(from, to)
	copies, tooBig := d.carry(p)
	for _, c := range copies {
		if c.after == 0 {
			i.deliver(c.packet)
			continue
		}
		i.flight.add(c.packet, c.after, &i.mu)
	}
	return tooBig
}

// deliver hands a packet to the socket it is for, where there is one.
func (i *Internet) deliver(p packet) {
	h := i.owner(p.to.Addr())
	if h == nil {
		return
	}
	if c := h.lookup(p.to); c != nil {
		c.receive(p)
	}
}

// owner is the host that has an address, or nil.
func (i *Internet) owner(a netip.Addr) *Host {
	for _, h := range i.hosts {
		if slices.Contains(h.addrs, a) {
			return h
		}
	}
	return nil
}

// direction is the way from one host to another.
func (i *Internet) direction(from, to *Host) *direction {
	key := [2]int{from.id, to.id}
	d := i.directions[key]
	if d == nil {
		// A source of chance of its own: what others send meanwhile must not change it.
		d = &direction{rnd: rand.New(rand.NewPCG(i.seed, uint64(from.id)<<32|uint64(to.id)))}
		i.directions[key] = d
	}
	return d
}
