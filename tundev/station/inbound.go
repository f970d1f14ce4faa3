package station

import (
	"encoding/binary"
	"net/netip"
	"slices"
	"time"

	"github.com/vxmesh/vxmesh/tundev/ether"
	"github.com/vxmesh/vxmesh/tundev/offload"
)

// A Verdict says what becomes of a frame that came in.
type Verdict uint8

// The verdicts, which may be joined.
const (
	Discard Verdict = 0         // it was counted
	Deliver Verdict = 1 << iota // its packet is the host's
	Control                     // it is for [Station.Handle]
)

// HeadLen is how much of the beginning of a frame [Station.Inbound] wants to see, in bytes, of a frame that
// has so many.
const HeadLen = ether.HeaderLen + ether.TagLen + ether.IPv6HeaderLen + 16

// Inbound says what becomes of a frame, of which head is the beginning, and where its IP packet begins.
// It takes no lock.
func (s *Station) Inbound(head ether.Frame) (offset int, v Verdict) {
	if !head.Valid() {
		s.counts.drop(Malformed)
		return 0, Discard
	}
	dst := head.Dst()
	etherType, offset := head.Payload()
	switch {
	case dst != s.mac && !dst.IsMulticast(), head.Src() == s.mac,
		offset > ether.HeaderLen+ether.TagLen, head.VLAN() != 0: // a priority tag is not a VLAN
		s.counts.drop(NotOurs)
		return 0, Discard
	case etherType == ether.TypeARP:
		return offset, Control
	case etherType != ether.TypeIPv4 && etherType != ether.TypeIPv6:
		s.counts.drop(NotIP)
		return 0, Discard
	}
	p := head[offset:]
	_, to, ok := packetAddrs(p)
	if !ok || to.Is6() != (etherType == ether.TypeIPv6) {
		s.counts.drop(Malformed)
		return 0, Discard
	}
	if dst.IsMulticast() && !to.IsMulticast() && !s.isBroadcast(to) {
		s.counts.drop(Group)
		return 0, Discard
	}
	if to.Is4() {
		return offset, Deliver
	}
	return offset, verdict6(p)
}

// isBroadcast reports whether an address is that of all hosts of an own network.
func (s *Station) isBroadcast(a netip.Addr) bool {
	return a == broadcastAddr || a.Is4() && slices.Contains(*s.broadcasts.Load(), a)
}

// verdict6 finds the ICMPv6 messages that are the station's business. Routers' messages and queries are the
// host's as well.
func verdict6(p []byte) Verdict {
	kind, _, ok := icmpOf(p)
	switch {
	case !ok:
		return Deliver
	case kind == typeSolicit, kind == typeAdvert, kind == typeRedirect:
		return Control
	case kind == typeQuery:
		return Deliver | Control
	}
	return Deliver
}

// icmpOf finds the ICMPv6 message of a packet, behind a hop-by-hop header if there is one: its type and
// where it begins.
func icmpOf(p []byte) (kind byte, at int, ok bool) {
	next, at := p[6], ether.IPv6HeaderLen
	if next == 0 && len(p) >= at+8 {
		next, at = p[at], at+8*(1+int(p[at+1]))
	}
	if next != ether.ProtoICMPv6 || len(p) <= at {
		return 0, 0, false
	}
	return p[at], at, true
}

// Handle takes a whole frame for which [Station.Inbound] said [Control], with all its checksums complete.
func (s *Station) Handle(now time.Duration, frame ether.Frame) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if etherType, off := frame.Payload(); etherType == ether.TypeARP {
		s.handleARP(now, frame, off)
	} else {
		s.handleICMP(now, frame, off)
	}
}

// Strip makes the metadata of a frame that of its packet, which begins at offset. It is not ok when the
// metadata points before the packet.
func Strip(h *offload.Header, offset int) (ok bool) {
	if h.Flags&offload.NeedsCsum != 0 {
		if int(h.CsumStart) < offset {
			return false
		}
		h.CsumStart -= uint16(offset)
	}
	h.HdrLen -= min(h.HdrLen, uint16(offset)) // a hint
	return true
}

// icmpSum is the checksum that an ICMPv6 message of a packet must have (RFC 4443, 2.3); its own field is
// counted as it is, so over a whole message the result is 0.
func icmpSum(p, message []byte) uint16 {
	sum := ether.AddSum(ether.Sum(p[8:40]), ether.AddSum(uint16(len(message)), ether.ProtoICMPv6))
	return ^ether.AddSum(sum, ether.Sum(message))
}

// message gives the ICMPv6 message of a packet that has its right length and checksum.
func message(p []byte) (m []byte, ok bool) {
	if len(p) < ether.IPv6HeaderLen {
		return nil, false
	}
	end := ether.IPv6HeaderLen + int(binary.BigEndian.Uint16(p[4:]))
	_, at, ok := icmpOf(p)
	if !ok || end > len(p) || at+4 > end {
		return nil, false
	}
	m = p[at:end]
	return m, icmpSum(p, m) == 0
}
