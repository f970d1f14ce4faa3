package station

import (
	"encoding/binary"
	"net/netip"
	"slices"
	"time"

	"github.com/vxmesh/vxmesh/tundev/ether"
	"github.com/vxmesh/vxmesh/tundev/offload"
)

const (
	// A change of the groups is told twice, so that one lost report does not matter (RFC 3810, 9.1).
	reports     = 2
	reportEvery = time.Second

	maxDelay   = 10 * time.Second // of an answer to a query, whatever it asks for
	maxRecords = 64               // groups in one report, 20 bytes each

	changeToExclude = 4 // a record that joins a group (RFC 3810, 5.2.12)
	modeIsExclude   = 2 // a record that is in it
)

// allRouters is where reports go (RFC 3810, 5.2.14).
var allRouters = netip.AddrFrom16([16]byte{0: 0xff, 1: 2, 15: 0x16})

// A listener is what is left to tell of the groups that the station is in: those of its own addresses. The
// groups that programs join are the host's own, whose reports pass as any packet does, IGMP's too.
type listener struct {
	due    time.Duration // never when there is nothing
	left   int           // reports of a change
	answer bool          // the report answers a query
	v1     bool          // of the old kind (RFC 2710)
	only   netip.Addr    // the group that was asked for; not valid for all
}

// groups are the solicited-node groups of the own addresses.
func (s *Station) groups() (out []netip.Addr) {
	for i := range s.addresses {
		if a := s.addresses[i].prefix.Addr(); a.Is6() {
			if g := solicitedNode(a); !slices.Contains(out, g) {
				out = append(out, g)
			}
		}
	}
	return out
}

// reportSoon has the groups told because they may have changed.
func (s *Station) reportSoon(now time.Duration) {
	s.listener = listener{due: now, left: reports}
	s.before(now)
}

// report tells the groups if that is due.
func (s *Station) report(now time.Duration) {
	l := &s.listener
	if now < l.due {
		s.before(l.due)
		return
	}
	groups, record := s.groups(), byte(changeToExclude)
	if l.answer {
		record = modeIsExclude
		groups = slices.DeleteFunc(groups, func(g netip.Addr) bool { return l.only.IsValid() && g != l.only })
	}
	s.tellGroups(groups, record)
	l.left--
	l.answer, l.due = false, now+reportEvery
	if l.left <= 0 {
		l.due = never
	}
	s.before(l.due)
}

// tellGroups sends reports. Before there is a link-local address they come from nobody (RFC 3810, 5.2.13).
func (s *Station) tellGroups(groups []netip.Addr, record byte) {
	src := netip.IPv6Unspecified()
	for i := range s.addresses {
		if a := &s.addresses[i]; a.state == assigned && a.prefix.Addr().Is6() && a.prefix.Addr().IsLinkLocalUnicast() {
			src = a.prefix.Addr()
			break
		}
	}
	if s.listener.v1 {
		for _, g := range groups {
			s.emit(offload.Header{}, reportV1(s.mac, src, g))
		}
		return
	}
	for part := range slices.Chunk(groups, maxRecords) {
		s.emit(offload.Header{}, reportV2(s.mac, src, part, record))
	}
}

// newMLD begins a frame of MLD: with a hop limit of 1 and the router alert (RFC 2711) in a hop-by-hop header.
func newMLD(own ether.MAC, src, dst netip.Addr) (f []byte, at int) {
	f = newICMP(groupMAC(dst), own, src, dst, 0, 1)
	f = append(f, ether.ProtoICMPv6, 0, 5, 2, 0, 0, 1, 0)
	return f, len(f)
}

func reportV1(own ether.MAC, src, group netip.Addr) []byte {
	f, at := newMLD(own, src, group)
	g := group.As16()
	f = append(append(f, typeReportV1, 0, 0, 0, 0, 0, 0, 0), g[:]...)
	return finishICMP(f, at)
}

func reportV2(own ether.MAC, src netip.Addr, groups []netip.Addr, record byte) []byte {
	f, at := newMLD(own, src, allRouters)
	f = append(f, typeReportV2, 0, 0, 0, 0, 0)
	f = binary.BigEndian.AppendUint16(f, uint16(len(groups)))
	for _, group := range groups {
		g := group.As16()
		f = append(append(f, record, 0, 0, 0), g[:]...)
	}
	return finishICMP(f, at)
}

// A query asks who is in which group (RFC 3810, 5.1).
type query struct {
	v1    bool
	delay time.Duration // in which answers are to be spread
	group netip.Addr    // not valid for all
}

// parseQuery reads a query and holds it to the rules of RFC 3810, 5.1 and 6.2.
func parseQuery(p []byte) (q query, ok bool) {
	m, ok := message(p)
	if !ok || len(m) < 24 || p[7] != 1 || len(m) > 24 && len(m) < 28 {
		return q, false
	}
	src, dst := netip.AddrFrom16([16]byte(p[8:])), netip.AddrFrom16([16]byte(p[24:]))
	if !src.IsLinkLocalUnicast() || !dst.IsMulticast() {
		return q, false
	}
	q.v1 = len(m) == 24
	code := binary.BigEndian.Uint16(m[4:])
	q.delay = time.Duration(code) * time.Millisecond
	if !q.v1 && code >= 32768 { // a floating-point number (5.1.3)
		q.delay = time.Duration(int(code&0xfff|0x1000)<<(code>>12&7+3)) * time.Millisecond
	}
	q.delay = min(q.delay, maxDelay)
	if g := netip.AddrFrom16([16]byte(m[8:])); !g.IsUnspecified() {
		q.group = g
	}
	return q, true
}

// handleQuery plans the answer to a query, unless one that says as much is planned before.
func (s *Station) handleQuery(now time.Duration, p []byte) {
	q, ok := parseQuery(p)
	groups := s.groups()
	switch {
	case !ok:
		s.counts.drop(Discovery)
		return
	case len(groups) == 0 || q.group.IsValid() && !slices.Contains(groups, q.group):
		return
	}
	l := &s.listener
	due := now + time.Duration(s.chance.Int64N(int64(q.delay)+1))
	if l.due != never { // a second question is answered for all groups, with the earlier answer
		l.due, l.only, l.v1 = min(l.due, due), netip.Addr{}, q.v1
		s.before(l.due)
		return
	}
	*l = listener{due: due, left: 1, answer: true, v1: q.v1, only: q.group}
	s.before(due)
}
