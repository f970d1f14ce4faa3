package station

import (
	"net/netip"
	"time"

	"github.com/vxmesh/vxmesh/tundev/ether"
	"github.com/vxmesh/vxmesh/tundev/offload"
)

const (
	// maxNeighbours bounds the table, and maxPassive how many of it may be hosts that only asked for us.
	maxNeighbours = 1024
	maxPassive    = 256
	// maxWaiting is how many packets wait for one neighbour; the oldest goes first (RFC 4861, 7.2.2).
	maxWaiting = 3

	asks         = 3                // unanswered questions after which a neighbour is not there
	askEvery     = time.Second      // between them (RFC 4861, 10)
	reachableFor = 30 * time.Second // after an answer (RFC 4861, 10)
	failedFor    = 3 * time.Second  // not asked again
	doubtEvery   = time.Second      // between two questions that a claim causes
)

// A state says what is known of a neighbour (RFC 4861, 7.3.2, without the delay).
type state uint8

const (
	incomplete state = iota // everybody is being asked
	reachable               // it answered not long ago
	stale                   // known, and to be asked when it is used
	probing                 // used, while it itself is being asked
	failed                  // nobody answered
)

// A neighbour is a host of the segment.
type neighbour struct {
	addr    netip.Addr
	mac     ether.MAC // not in incomplete and failed
	state   state
	until   time.Duration // the end of the state, or the next question
	asked   int           // questions without an answer
	passive bool          // nothing was ever sent there
	touched time.Duration // last wanted or heard
	doubted time.Duration // when another last claimed the address
	waiting []parcel
}

// want gives the neighbour to send to, which is asked for if it has to be; nil when the table is full.
func (s *Station) want(now time.Duration, a netip.Addr) *neighbour {
	n := s.table[a]
	if n == nil {
		if n = s.add(now, a); n == nil {
			return nil
		}
		s.seek(now, n)
	}
	n.touched, n.passive = now, false
	switch {
	case n.state == reachable && now >= n.until, n.state == stale:
		n.state, n.asked, n.until = probing, 0, now
		s.retry(now, n)
	case n.state == failed && now >= n.until:
		s.seek(now, n)
	}
	return n
}

// add makes an entry, in the place of the one that is missed least if it has to be. Those that are
// just being asked for stay, so that a flood of destinations cannot keep each other from an answer.
func (s *Station) add(now time.Duration, a netip.Addr) *neighbour {
	if len(s.table) >= maxNeighbours && !s.evict(func(n *neighbour) bool { return n.state != incomplete }) {
		return nil
	}
	n := &neighbour{addr: a, touched: now, doubted: -doubtEvery}
	s.table[a] = n
	return n
}

// evict removes the entry that was touched longest ago, of those that may go; failed ones go first.
func (s *Station) evict(may func(*neighbour) bool) bool {
	var oldest *neighbour
	for _, n := range s.table {
		if may(n) && (oldest == nil || n.before(oldest)) {
			oldest = n
		}
	}
	if oldest == nil {
		return false
	}
	delete(s.table, oldest.addr)
	return true
}

func (n *neighbour) before(o *neighbour) bool {
	if (n.state == failed) != (o.state == failed) {
		return n.state == failed
	}
	return n.touched < o.touched
}

// seek begins to ask everybody.
func (s *Station) seek(now time.Duration, n *neighbour) {
	n.state, n.asked, n.until = incomplete, 0, now
	s.retry(now, n)
}

// retry asks for the neighbour if that is due, or gives up.
func (s *Station) retry(now time.Duration, n *neighbour) {
	if n.state != incomplete && n.state != probing {
		return
	}
	switch {
	case now < n.until:
	case n.asked < asks:
		n.asked++
		n.until = now + askEvery
		s.ask(n)
	case n.state == probing: // it moved, or it is gone
		n.state, n.asked, n.until = incomplete, 1, now+askEvery
		s.ask(n)
	default:
		n.state, n.until = failed, now+failedFor
		for range n.waiting {
			s.counts.drop(Unresolved)
		}
		s.forget(n)
		return
	}
	s.before(n.until)
}

// ask asks the neighbour, or everybody. Without an address to ask from it is only tried again.
func (s *Station) ask(n *neighbour) {
	src, ok := s.sourceFor(n.addr)
	if !ok {
		return
	}
	to := ether.MAC{}
	if n.state == probing {
		to = n.mac
	}
	if n.addr.Is4() {
		s.emit(offload.Header{}, arpRequest(to, s.mac, src, n.addr))
	} else {
		s.emit(offload.Header{}, solicitation(to, s.mac, src, n.addr))
	}
}

// wait keeps a copy of a frame until its neighbour is found.
func (s *Station) wait(n *neighbour, h offload.Header, frame []byte) {
	if len(n.waiting) == maxWaiting {
		s.waiting -= len(n.waiting[0].frame)
		n.waiting = append(n.waiting[:0], n.waiting[1:]...)
		s.counts.drop(Unresolved)
	}
	if s.waiting+len(frame) > maxWaitingBytes {
		s.counts.drop(Unresolved)
		return
	}
	s.waiting += len(frame)
	n.waiting = append(n.waiting, parcel{h, append([]byte(nil), frame...)})
}

// forget lets go of the packets that wait.
func (s *Station) forget(n *neighbour) {
	for _, p := range n.waiting {
		s.waiting -= len(p.frame)
	}
	n.waiting = nil
}

// found notes the answer of a neighbour that was asked.
func (s *Station) found(now time.Duration, n *neighbour, mac ether.MAC) {
	n.mac, n.state, n.until, n.touched = mac, reachable, now+reachableFor, now
	s.release(n)
}

// release sends what waited.
func (s *Station) release(n *neighbour) {
	waited := n.waiting
	s.forget(n)
	for _, p := range waited {
		copy(p.frame, n.mac[:])
		s.emit(p.h, p.frame)
	}
}

// answered takes an answer: mac says that it has the address a. Only one that was asked is believed.
func (s *Station) answered(now time.Duration, a netip.Addr, mac ether.MAC) {
	n := s.table[a]
	switch {
	case n == nil:
		s.counts.drop(Unasked)
	case n.state == incomplete:
		s.found(now, n, mac)
	case n.state == probing && mac == n.mac:
		s.found(now, n, mac)
	default:
		s.claimed(now, a, mac)
	}
}

// met takes what a host says of itself while it asks for one of our addresses: we are about to answer.
func (s *Station) met(now time.Duration, a netip.Addr, mac ether.MAC) {
	if !s.onLink(a) {
		return
	}
	n := s.table[a]
	if n == nil {
		if n = s.addPassive(now, a); n == nil {
			return
		}
	} else if n.state != incomplete && n.state != failed {
		s.claimed(now, a, mac)
		return
	}
	n.mac, n.state, n.touched = mac, stale, now
	s.release(n)
}

// addPassive makes an entry for a host that nothing is to be sent to yet. Such entries only replace each
// other.
func (s *Station) addPassive(now time.Duration, a netip.Addr) *neighbour {
	passive := 0
	for _, n := range s.table {
		if n.passive {
			passive++
		}
	}
	if passive >= maxPassive || len(s.table) >= maxNeighbours {
		if !s.evict(func(n *neighbour) bool { return n.passive }) {
			return nil
		}
	}
	n := s.add(now, a)
	n.passive = true
	return n
}

// claimed takes that somebody says unasked that the address a is at mac. When that is news, whom we know
// is asked whether it is still there; when it is not, everybody is.
func (s *Station) claimed(now time.Duration, a netip.Addr, mac ether.MAC) {
	n := s.table[a]
	if n == nil || n.mac == mac && n.state != incomplete && n.state != failed {
		return // nobody we know, or nothing new
	}
	s.counts.drop(Unasked)
	if n.state != reachable && n.state != stale || now-n.doubted < doubtEvery {
		return
	}
	n.doubted = now
	n.state, n.asked, n.until = probing, 1, now // one question less: somebody is in a hurry
	s.retry(now, n)
}
