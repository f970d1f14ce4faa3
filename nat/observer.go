package nat

import (
	"cmp"
	"net/netip"
	"slices"
	"time"
)

const (
	// observedFor is how long what somebody saw of us counts.
	observedFor = 90 * time.Second
	// maxReflectors bounds whose views are kept, maxSent the destinations that are counted.
	maxReflectors = 32
	maxSent       = 2048
	// mappedFor is how long a NAT keeps a port for a destination that does not answer, at least (Linux: 30 s).
	mappedFor = 28 * time.Second
)

// An Observer keeps where others see this node: what the NATs between make of its address.
//
// Some NATs give each destination the port after the last one that they gave. To foresee the next one,
// the observer counts to how many destinations something was sent, and which of them saw us where.
type Observer struct {
	views []view
	sent  map[destination]mapping
	count map[uint8]uint32 // destinations, by socket
}

// A destination is where one of our sockets sent something.
type destination struct {
	socket uint8
	to     netip.AddrPort
}

// A mapping is when a NAT chose our port for a destination.
type mapping struct {
	count uint32        // of destinations, this one included
	last  time.Duration // when something was sent there last
}

// A view is what one other node saw last.
type view struct {
	socket uint8 // of ours that it saw
	by     netip.AddrPort
	us     netip.AddrPort
	since  time.Duration
	at     time.Duration
	count  uint32 // when the NAT chose our port for it; 0 when that is not known
}

// Sent notes that a socket sends something to an address.
func (o *Observer) Sent(now time.Duration, socket uint8, to netip.AddrPort) {
	d := destination{socket, to}
	if s, ok := o.sent[d]; ok && (now-s.last < mappedFor || o.seenBy(socket, to)) {
		o.sent[d] = mapping{s.count, now}
		return
	}
	if len(o.sent) >= maxSent || o.sent == nil { // counting starts anew, with nothing known
		o.sent, o.count = make(map[destination]mapping), make(map[uint8]uint32)
		for i := range o.views {
			o.views[i].count = 0
		}
	}
	o.count[socket]++
	o.sent[d] = mapping{o.count[socket], now}
}

// seenBy reports whether a destination has told where it sees us, so that it is kept open.
func (o *Observer) seenBy(socket uint8, by netip.AddrPort) bool {
	return slices.ContainsFunc(o.views, func(v view) bool { return v.by == by && v.socket == socket })
}

// Saw notes where a node saw one of our sockets. It reports whether we are elsewhere than it saw
// before: something between has changed.
func (o *Observer) Saw(now time.Duration, socket uint8, by, us netip.AddrPort) (moved bool) {
	if !Usable(us) {
		return false
	}
	for i := range o.views {
		v := &o.views[i]
		if v.by == by && v.socket == socket {
			if moved = v.us != us; moved && o.sent != nil { // the NAT has chosen a port again
				o.count[socket]++
				o.sent[destination{socket, by}] = mapping{o.count[socket], now}
				v.count = o.count[socket]
			}
			v.us, v.at = us, now
			return moved
		}
	}
	if len(o.views) == maxReflectors {
		o.views = slices.Delete(o.views, 0, 1)
	}
	o.views = append(o.views, view{socket, by, us, now, now, o.sent[destination{socket, by}].count})
	return false
}

// Reflectors is how many others see us, and since when the first of them does.
func (o *Observer) Reflectors(now time.Duration) (n int, since time.Duration) {
	o.Addresses(now) // drops what is too old
	for i, v := range o.views {
		if i == 0 || v.since < since {
			since = v.since
		}
	}
	return len(o.views), since
}

// Forget drops all views, after a change of our own addresses.
func (o *Observer) Forget() { *o = Observer{} }

// A Reflexive is an address of ours as others see it.
type Reflexive struct {
	Addr   netip.AddrPort
	Socket uint8
	Agreed bool // by two others at different addresses
}

// Addresses are where we are seen, those that more agree on first, at most four.
func (o *Observer) Addresses(now time.Duration) (out []Reflexive) {
	o.views = slices.DeleteFunc(o.views, func(v view) bool { return now-v.at > observedFor })
	for _, v := range o.views {
		i := slices.IndexFunc(out, func(r Reflexive) bool { return r.Addr == v.us && r.Socket == v.socket })
		if i < 0 {
			out = append(out, Reflexive{Addr: v.us, Socket: v.socket, Agreed: o.agreed(v)})
		}
	}
	slices.SortStableFunc(out, func(a, b Reflexive) int { return cmpBool(a.Agreed, b.Agreed) })
	return out[:min(len(out), 4)]
}

// agreed reports whether another, at another address, saw the same.
func (o *Observer) agreed(v view) bool {
	return slices.ContainsFunc(o.views, func(w view) bool {
		return w.us == v.us && w.socket == v.socket && w.by.Addr() != v.by.Addr()
	})
}

// Varies reports whether different others see a socket at different ports of an address, so that what
// one saw is none for another.
func (o *Observer) Varies(now time.Duration) bool {
	type at struct {
		socket uint8
		addr   netip.Addr
	}
	seen := make(map[at]uint16)
	for _, r := range o.Addresses(now) {
		key := at{r.Socket, r.Addr.Addr()}
		if port, ok := seen[key]; ok && port != r.Addr.Port() {
			return true
		}
		seen[key] = r.Addr.Port()
	}
	return false
}

// Step is by how much the ports of the NAT between go on from one destination to the next, and the
// address that it gave last; 0 when it does not count, or that is not known.
func (o *Observer) Step(now time.Duration) (step int, last Reflexive) {
	o.Addresses(now) // drops what is too old
	counted := slices.DeleteFunc(slices.Clone(o.views), func(v view) bool { return v.count == 0 })
	slices.SortFunc(counted, func(a, b view) int {
		return cmp.Or(cmp.Compare(a.socket, b.socket), a.us.Addr().Compare(b.us.Addr()), cmp.Compare(a.count, b.count))
	})
	for i := 1; i < len(counted); i++ {
		a, b := counted[i-1], counted[i]
		if a.socket != b.socket || a.us.Addr() != b.us.Addr() || a.count == b.count {
			continue
		}
		s, ok := stepOf(a, b)
		if !ok || step != 0 && s != step {
			return 0, Reflexive{}
		}
		step = s
		port := int(b.us.Port()) + step*int(o.count[b.socket]-b.count)
		last = Reflexive{Addr: netip.AddrPortFrom(b.us.Addr(), uint16(port)), Socket: b.socket}
	}
	return step, last
}

// Given is the address that a NAT which counts has given us towards a destination that something was
// sent to lately; false when there is none, or the NAT does not count.
func (o *Observer) Given(now time.Duration, socket uint8, to netip.AddrPort) (netip.AddrPort, bool) {
	step, last := o.Step(now)
	s, ok := o.sent[destination{socket, to}]
	if step == 0 || !ok || now-s.last >= mappedFor || last.Socket != socket {
		return netip.AddrPort{}, false
	}
	port := int(last.Addr.Port()) - step*int(o.count[socket]-s.count)
	return netip.AddrPortFrom(last.Addr.Addr(), uint16(port)), true
}

// stepOf is by how much the port went on from one view to a later one, for each destination between.
func stepOf(a, b view) (int, bool) {
	ports, n := int(b.us.Port())-int(a.us.Port()), int(b.count-a.count)
	step := ports / n
	return step, ports != 0 && ports%n == 0 && step <= maxStep && step >= -maxStep
}
