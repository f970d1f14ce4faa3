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
	// sameFlush is within which time others see us elsewhere because of the same thing that happened.
	sameFlush = 5 * time.Second
	// ahead is how many destinations a NAT may have had before one that we know of, and unsure how many of
	// them may have got their ports anew without our knowing.
	ahead  = 64
	unsure = 4
)

// An Observer keeps where others see this node: what the NATs between make of its address.
//
// Some NATs give each destination the port after the last one that they gave. To foresee the next one,
// the observer counts to how many destinations something was sent, and which of them saw us where.
type Observer struct {
	views []view
	sent  map[destination]mapping
	count map[uint8]uint32 // destinations, by socket
	flush map[uint8]flush  // the last, by socket
}

// A flush is when a NAT has forgotten what it had given, and by how much its ports went on before that.
type flush struct {
	at   time.Duration
	step int
	all  bool // of all destinations
}

// A destination is where one of our sockets sent something.
type destination struct {
	socket uint8
	to     netip.AddrPort
}

// A mapping is when a NAT chose our port for a destination.
type mapping struct {
	count uint32        // of destinations, this one included; 0 when it was given anew, and nobody knows when
	last  time.Duration // when something was sent there last
}

// A view is what one other node saw last.
type view struct {
	socket uint8 // of ours that it saw
	by     netip.AddrPort
	us     netip.AddrPort
	since  time.Duration
	at     time.Duration
	moved  time.Duration // when it last saw us elsewhere than before; 0 for never
	count  uint32        // when the NAT chose our port for it; 0 when that is not known
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

// moved notes that a NAT has chosen our port for one that sees us again. If it gave another address too, or
// has done so for a second one, it has forgotten all, and given new ones in another order than before.
func (o *Observer) moved(now time.Duration, v *view, us netip.AddrPort) {
	f, again := o.flush[v.socket]
	if !again || now-f.at >= sameFlush {
		f = flush{step: f.step}
		if step, _ := o.Step(now); step != 0 {
			f.step = step
		}
	}
	first := !slices.ContainsFunc(o.views, func(w view) bool {
		return w.socket == v.socket && w.us.Addr() == us.Addr()
	})
	v.us, v.count, v.moved = us, 0, now
	if !f.all && (first || f.at != 0) {
		f.all = true
		o.forgetCounts(now, v.socket)
	}
	f.at = now
	if o.flush == nil {
		o.flush = make(map[uint8]flush)
	}
	o.flush[v.socket] = f
	if o.recount(now, v); v.count == 0 {
		o.number(now, v, o.count[v.socket]+1)
	}
}

// number notes when a NAT chose our port for one that sees us.
func (o *Observer) number(now time.Duration, v *view, count uint32) {
	v.count = count
	o.count[v.socket] = max(o.count[v.socket], count)
	o.sent[destination{v.socket, v.by}] = mapping{count, now}
}

// forgetCounts is for when a NAT has forgotten everything but what it has just given anew.
func (o *Observer) forgetCounts(now time.Duration, socket uint8) {
	o.count[socket] += ahead
	for d, s := range o.sent {
		if d.socket == socket {
			o.sent[d] = mapping{0, s.last}
		}
	}
	for i := range o.views {
		v := &o.views[i]
		switch {
		case v.socket != socket:
		case v.count == 0 || v.moved == 0 || now-v.moved >= sameFlush:
			v.count = 0
		default:
			v.count += ahead
			o.sent[destination{socket, v.by}] = mapping{v.count, now}
		}
	}
}

// recount finds out when a NAT that counts chose our port for one that sees us: from the port itself, and
// that of another, unless it is the first.
func (o *Observer) recount(now time.Duration, v *view) {
	step := o.flush[v.socket].step
	i := slices.IndexFunc(o.views, func(w view) bool {
		return w.count != 0 && w.socket == v.socket && w.us.Addr() == v.us.Addr() && w.by != v.by
	})
	switch {
	case step == 0:
		return
	case i < 0:
		o.number(now, v, o.count[v.socket]+1)
		return
	}
	ports := int(v.us.Port()) - int(o.views[i].us.Port())
	count := int(o.views[i].count) + ports/step
	if ports%step == 0 && count > 0 && ports/step <= ahead {
		o.number(now, v, uint32(count))
	}
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
			moved = v.us != us
			switch {
			case moved && o.sent != nil:
				o.moved(now, v, us)
			case o.flush[socket].step != 0 && v.count == 0:
				o.recount(now, v)
			}
			v.us, v.at = us, now
			return moved
		}
	}
	if len(o.views) == maxReflectors {
		o.views = slices.Delete(o.views, 0, 1)
	}
	count := o.sent[destination{socket, by}].count
	o.views = append(o.views, view{socket: socket, by: by, us: us, since: now, at: now, count: count})
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

// Nested reports whether a router that says what its outer address is is behind another NAT, such as a
// carrier's: nobody outside sees us there. The zero address is of one that does not say.
func (o *Observer) Nested(now time.Duration, outer netip.Addr) bool {
	if !outer.Is4() || !public4(outer) {
		return outer.Is4()
	}
	seen := o.Addresses(now)
	isOuter := func(r Reflexive) bool { return r.Addr.Addr() == outer }
	isPublic := func(r Reflexive) bool { return r.Addr.Addr().Is4() && public4(r.Addr.Addr()) }
	return slices.ContainsFunc(seen, isPublic) && !slices.ContainsFunc(seen, isOuter)
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
		port := int(b.us.Port()) + step*(int(o.count[b.socket]-b.count)-o.unsure(now, b.socket))
		last = Reflexive{Addr: netip.AddrPortFrom(b.us.Addr(), uint16(port)), Socket: b.socket}
	}
	return step, last
}

// unsure is how many ports before the last one a NAT may have given to a destination since its last flush:
// there are some of which nobody knows.
func (o *Observer) unsure(now time.Duration, socket uint8) int {
	for d, s := range o.sent {
		if d.socket == socket && s.count == 0 && now-s.last < mappedFor {
			return unsure
		}
	}
	return 0
}

// Given is the address that a NAT which counts has given us towards a destination that something was
// sent to lately; false when there is none, or the NAT does not count.
func (o *Observer) Given(now time.Duration, socket uint8, to netip.AddrPort) (netip.AddrPort, bool) {
	step, last := o.Step(now)
	s, ok := o.sent[destination{socket, to}]
	if step == 0 || !ok || s.count == 0 || now-s.last >= mappedFor || last.Socket != socket {
		return netip.AddrPort{}, false
	}
	port := int(last.Addr.Port()) - step*(int(o.count[socket]-s.count)-o.unsure(now, socket))
	return netip.AddrPortFrom(last.Addr.Addr(), uint16(port)), true
}

// stepOf is by how much the port went on from one view to a later one, for each destination between.
func stepOf(a, b view) (int, bool) {
	ports, n := int(b.us.Port())-int(a.us.Port()), int(b.count-a.count)
	step := ports / n
	return step, ports != 0 && ports%n == 0 && step <= maxStep && step >= -maxStep
}
