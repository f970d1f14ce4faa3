package station

import (
	"net/netip"
	"slices"
	"time"

	"github.com/vxmesh/vxmesh/tundev/ether"
	"github.com/vxmesh/vxmesh/tundev/offload"
)

const (
	// An address is tried with three questions (RFC 5227, 2.1.1, for which a LAN of its day took
	// seconds), told of twice (2.3), and tried again a minute after another station was found to have it.
	probes        = 3
	probeEvery    = 250 * time.Millisecond
	announcements = 2
	announceEvery = 2 * time.Second
	tryAgain      = time.Minute
	defendEvery   = 10 * time.Second // RFC 5227, 2.4 (c)
)

// addressState says whether an own address may be used.
type addressState uint8

const (
	tentative addressState = iota // it is being asked who has it
	assigned                      // it is ours
	taken                         // another station has it
)

// An address is one of the station's own.
type address struct {
	prefix   netip.Prefix
	state    addressState
	next     time.Duration // probe, announcement or trial; never when there is none
	left     int           // of probes or announcements
	defended time.Duration
	rival    ether.MAC     // who has it or wants it, zero when nobody
	seen     time.Duration // of the rival
	told     bool
}

// A Conflict is an own address that another station uses as well.
type Conflict struct {
	Addr  netip.Addr
	Rival ether.MAC
	Lost  bool // we do not use it
}

// SetAddresses says which addresses the host has. New ones are tried first; packets from them wait
// meanwhile.
func (s *Station) SetAddresses(now time.Duration, prefixes []netip.Prefix) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var next []address
	var last []netip.Addr
	for _, p := range prefixes {
		if !p.IsValid() || !isHost(p.Addr()) || p.Addr().Is4In6() {
			continue
		}
		a := address{prefix: p, left: probes, next: now, defended: -defendEvery}
		if old := s.own(p.Addr()); old != nil {
			a = *old
			a.prefix = p
		}
		if slices.ContainsFunc(next, func(o address) bool { return o.prefix.Addr() == p.Addr() }) {
			continue
		}
		next = append(next, a)
		if p.Addr().Is4() && p.Bits() < 31 {
			last = append(last, lastOf(p))
		}
	}
	kept := slices.DeleteFunc(slices.Clone(s.routes), func(r Route) bool {
		return !r.Via.IsValid() && s.isNetwork(r.Prefix)
	})
	s.addresses = next
	s.broadcasts.Store(&last)
	s.setRoutes(kept)
	s.count()
	for i := range s.addresses {
		if n := s.table[s.addresses[i].prefix.Addr()]; n != nil {
			s.forget(n)
			delete(s.table, n.addr)
		}
	}
	s.reportSoon(now)
	s.before(now)
}

// isNetwork reports whether p is the network of an own address.
func (s *Station) isNetwork(p netip.Prefix) bool {
	return slices.ContainsFunc(s.addresses, func(a address) bool { return a.prefix.Masked() == p })
}

// Announce tells the segment once more which addresses are ours, as when the device was down.
func (s *Station) Announce(now time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range s.addresses {
		if a := &s.addresses[i]; a.state == assigned {
			a.left, a.next = announcements, now
		}
	}
	s.reportSoon(now)
	s.before(now)
}

// Conflicts gives the own addresses that another station uses or has used in the last minute.
func (s *Station) Conflicts(now time.Duration) (out []Conflict) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range s.addresses {
		a := &s.addresses[i]
		if !a.rival.IsZero() && (a.state != assigned || now-a.seen < tryAgain) {
			out = append(out, Conflict{a.prefix.Addr(), a.rival, a.state != assigned})
		}
	}
	return out
}

// NewConflicts gives those that it has not given before, for logs.
func (s *Station) NewConflicts() (out []Conflict) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range s.addresses {
		if a := &s.addresses[i]; !a.rival.IsZero() && !a.told {
			a.told = true
			out = append(out, Conflict{a.prefix.Addr(), a.rival, a.state != assigned})
		}
	}
	return out
}

// own gives an own address, nil when it is not one.
func (s *Station) own(a netip.Addr) *address {
	for i := range s.addresses {
		if s.addresses[i].prefix.Addr() == a {
			return &s.addresses[i]
		}
	}
	return nil
}

// answersFor reports whether the station may say that it has an address.
func (s *Station) answersFor(a netip.Addr) bool {
	o := s.own(a)
	return o != nil && o.state == assigned
}

// count notes how many addresses may not be used.
func (s *Station) count() {
	s.unsettled = 0
	for i := range s.addresses {
		if s.addresses[i].state != assigned {
			s.unsettled++
		}
	}
}

// sourceFor gives the own address to ask for a neighbour from: one of its network, or any of its
// family; for IPv6 the link-local one comes before those of other networks.
func (s *Station) sourceFor(a netip.Addr) (src netip.Addr, ok bool) {
	for i := range s.addresses {
		o := &s.addresses[i]
		own := o.prefix.Addr()
		switch {
		case o.state != assigned || own.Is4() != a.Is4():
		case o.prefix.Contains(a):
			return own, true
		case !ok || own.IsLinkLocalUnicast():
			src, ok = own, true
		}
	}
	return src, ok
}

// settle does what is due for an own address.
func (s *Station) settle(now time.Duration, a *address) {
	if now < a.next {
		s.before(a.next)
		return
	}
	switch {
	case a.state == taken:
		a.state, a.left = tentative, probes
		fallthrough
	case a.state == tentative && a.left > 0:
		a.left--
		a.next = now + probeEvery
		s.probe(a.prefix.Addr())
	case a.state == tentative:
		a.state, a.left, a.next = assigned, announcements, now
		a.rival, a.told = ether.MAC{}, false
		s.count()
		s.releaseHeld(now)
		s.reportSoon(now)
		fallthrough
	default:
		a.left--
		a.next = now + announceEvery
		s.announce(a.prefix.Addr())
		if a.left <= 0 {
			a.next = never
		}
	}
	s.before(a.next)
}

// releaseHeld sends what waited for its source, or lets it wait on.
func (s *Station) releaseHeld(now time.Duration) {
	held := s.held
	s.held = nil
	for _, p := range held {
		src, dst, _ := packetAddrs(p.frame[ether.HeaderLen:])
		if s.usable(src, p.h, p.frame) && s.send(now, dst, p.h, p.frame) {
			s.emit(p.h, p.frame)
		}
	}
}

// probe asks who has an address, without saying that we do.
func (s *Station) probe(a netip.Addr) {
	if a.Is4() {
		s.emit(offload.Header{}, arpRequest(ether.MAC{}, s.mac, netip.IPv4Unspecified(), a))
	} else {
		s.emit(offload.Header{}, solicitation(ether.MAC{}, s.mac, netip.IPv6Unspecified(), a))
	}
}

// announce tells everybody that an address is ours (RFC 5227, 2.3; RFC 4861, 7.2.6).
func (s *Station) announce(a netip.Addr) {
	if a.Is4() {
		s.emit(offload.Header{}, arpRequest(ether.MAC{}, s.mac, a, a))
	} else {
		s.emit(offload.Header{}, advertisement(groupMAC(allNodes), s.mac, a, allNodes, a))
	}
}

// contest takes that another station uses, or is about to use, the own address a. While we try it we
// give way (RFC 5227, 2.1.1; RFC 4862, 5.4.3); once it is ours we defend it, not too often.
func (s *Station) contest(now time.Duration, a *address, rival ether.MAC) {
	if a.rival != rival {
		a.told = false
	}
	a.rival, a.seen = rival, now
	switch {
	case a.state == tentative:
		a.state, a.next = taken, now+tryAgain
		s.count()
		s.releaseHeld(now)
	case a.state == assigned && now-a.defended >= defendEvery:
		a.defended = now
		s.announce(a.prefix.Addr())
	}
	s.before(min(a.next, now+tryAgain))
}
