package station

import (
	"encoding/binary"
	"net/netip"
	"time"

	"github.com/vxmesh/vxmesh/tundev/ether"
	"github.com/vxmesh/vxmesh/tundev/offload"
)

// Types of ICMPv6 messages (RFC 4861, 4; RFC 3810, 5; RFC 2710, 3).
const (
	typeQuery    = 130
	typeSolicit  = 135
	typeAdvert   = 136
	typeRedirect = 137
	typeReportV1 = 131
	typeReportV2 = 143
)

const (
	optSource = 1 // the sender's MAC
	optTarget = 2 // the target's MAC

	flagRouter, flagSolicited, flagOverride = 0x80, 0x40, 0x20

	discoveryHops = 255 // of packets that no router has passed on (RFC 4861, 3.1)
)

// allNodes is the group that every IPv6 host is in.
var allNodes = netip.AddrFrom16([16]byte{0: 0xff, 1: 2, 15: 1})

// solicitedNode is the group that hosts with an address like a are in (RFC 4291, 2.7.1).
func solicitedNode(a netip.Addr) netip.Addr {
	b := a.As16()
	return netip.AddrFrom16([16]byte{0: 0xff, 1: 2, 11: 1, 12: 0xff, 13: b[13], 14: b[14], 15: b[15]})
}

// A discovery is a neighbour solicitation or advertisement (RFC 4861, 4.3 and 4.4), as an IPv6 packet:
//
//	0..39        40    41  42..43    44     45..47  48..63  64    65  66..71
//	IPv6 header  type  0   checksum  flags  0       target  option 1  MAC
type discovery struct {
	kind     byte
	flags    byte
	src, dst netip.Addr
	target   netip.Addr
	mac      ether.MAC // of the option, zero when there is none
}

// parseDiscovery reads a message and holds it to the rules of RFC 4861, 7.1.
func parseDiscovery(p []byte) (d discovery, ok bool) {
	m, ok := message(p)
	if !ok || len(m) < 24 || p[6] != ether.ProtoICMPv6 || p[7] != discoveryHops || m[1] != 0 {
		return d, false
	}
	d = discovery{
		kind: m[0], src: netip.AddrFrom16([16]byte(p[8:])), dst: netip.AddrFrom16([16]byte(p[24:])),
		target: netip.AddrFrom16([16]byte(m[8:])),
	}
	want := byte(optSource)
	if d.kind == typeAdvert {
		d.flags, want = m[4]&(flagRouter|flagSolicited|flagOverride), optTarget
	}
	if d.mac, ok = macOption(m[24:], want); !ok || d.target.IsMulticast() || d.src.IsMulticast() {
		return d, false
	}
	return d, d.obeys()
}

// obeys reports whether the parts of a message fit each other.
func (d *discovery) obeys() bool {
	switch d.kind {
	case typeSolicit:
		if d.src.IsUnspecified() { // somebody tries an address
			return d.mac.IsZero() && d.dst == solicitedNode(d.target)
		}
		return true
	case typeAdvert:
		return !d.src.IsUnspecified() && (d.flags&flagSolicited == 0 || !d.dst.IsMulticast())
	}
	return false
}

// macOption finds the MAC in the options of a message (RFC 4861, 4.6). It is not ok when their lengths lie
// or the MAC stands there twice.
func macOption(b []byte, want byte) (mac ether.MAC, ok bool) {
	seen := false
	for len(b) > 0 {
		if len(b) < 8 {
			return mac, false
		}
		n := 8 * int(b[1])
		if n == 0 || n > len(b) {
			return mac, false
		}
		if b[0] == want {
			if n != 8 || seen {
				return mac, false
			}
			seen, mac = true, ether.MAC(b[2:8])
		}
		b = b[n:]
	}
	return mac, true
}

// frame is the message on its way to a station.
func (d discovery) frame(dst, own ether.MAC) []byte {
	f := newICMP(dst, own, d.src, d.dst, ether.ProtoICMPv6, discoveryHops)
	target := d.target.As16()
	f = append(f, d.kind, 0, 0, 0, d.flags, 0, 0, 0)
	f = append(f, target[:]...)
	if !d.mac.IsZero() {
		option := byte(optSource)
		if d.kind == typeAdvert {
			option = optTarget
		}
		f = append(append(f, option, 1), d.mac[:]...)
	}
	return finishICMP(f, ether.HeaderLen+ether.IPv6HeaderLen)
}

// newICMP begins a frame of an IPv6 packet whose first next header is next.
func newICMP(dst, own ether.MAC, src, to netip.Addr, next, hops byte) []byte {
	f := make([]byte, ether.HeaderLen+ether.IPv6HeaderLen, 128)
	putHeader(f, dst, own, true)
	ip := f[ether.HeaderLen:]
	ip[0], ip[6], ip[7] = 0x60, next, hops
	from, group := src.As16(), to.As16()
	copy(ip[8:], from[:])
	copy(ip[24:], group[:])
	return f
}

// finishICMP fills in the length and the checksum of the message that begins at at.
func finishICMP(f []byte, at int) []byte {
	ip := f[ether.HeaderLen:]
	binary.BigEndian.PutUint16(ip[4:], uint16(len(ip)-ether.IPv6HeaderLen))
	binary.BigEndian.PutUint16(f[at+2:], icmpSum(ip, f[at:]))
	return f
}

// solicitation asks for target: the station at to, or all hosts with such an address when that is zero.
// From nobody it is a trial of the address (RFC 4862, 5.4.2).
func solicitation(to, own ether.MAC, src, target netip.Addr) []byte {
	d := discovery{kind: typeSolicit, src: src, dst: target, target: target, mac: own}
	if src.IsUnspecified() {
		d.mac = ether.MAC{}
	}
	if to.IsZero() {
		d.dst = solicitedNode(target)
		to = groupMAC(d.dst)
	}
	return d.frame(to, own)
}

// advertisement says that target is ours; it is an answer unless it goes to a group.
func advertisement(to, own ether.MAC, src, dst, target netip.Addr) []byte {
	d := discovery{kind: typeAdvert, flags: flagOverride, src: src, dst: dst, target: target, mac: own}
	if !dst.IsMulticast() {
		d.flags |= flagSolicited
	}
	return d.frame(to, own)
}

// handleICMP takes a frame of neighbour discovery or a query.
func (s *Station) handleICMP(now time.Duration, frame ether.Frame, off int) {
	p := frame[off:]
	if len(p) < ether.IPv6HeaderLen {
		s.counts.drop(Malformed)
		return
	}
	if kind, _, _ := icmpOf(p); kind == typeQuery {
		s.handleQuery(now, p)
		return
	}
	d, ok := parseDiscovery(p)
	if !ok || !s.isStation(frame.Src()) || !d.mac.IsZero() && !s.isStation(d.mac) {
		s.counts.drop(Discovery) // redirects too: what they say nobody has asked for
		return
	}
	if d.kind == typeSolicit {
		s.solicited(now, d, frame.Src())
	} else {
		s.advertised(now, d, frame.Src())
	}
}

// solicited answers who asks for an own address.
func (s *Station) solicited(now time.Duration, d discovery, from ether.MAC) {
	own := s.own(d.target)
	switch {
	case s.own(d.src) != nil:
		s.contest(now, s.own(d.src), from)
		return
	case own == nil:
		if !d.mac.IsZero() {
			s.claimed(now, d.src, d.mac)
		}
		return
	case own.state != assigned:
		if d.src.IsUnspecified() {
			s.contest(now, own, from)
		}
		return
	case !s.replies.take(now):
		s.counts.drop(RateLimit)
		return
	}
	if d.src.IsUnspecified() {
		s.emit(offload.Header{}, advertisement(groupMAC(allNodes), s.mac, d.target, allNodes, d.target))
		return
	}
	to := from
	if !d.mac.IsZero() {
		to = d.mac
		s.met(now, d.src, d.mac)
	}
	s.emit(offload.Header{}, advertisement(to, s.mac, d.target, d.src, d.target))
}

// advertised takes what a host says of an address. An answer may leave the MAC out when it was asked
// directly.
func (s *Station) advertised(now time.Duration, d discovery, from ether.MAC) {
	if own := s.own(d.target); own != nil {
		s.contest(now, own, from)
		return
	}
	mac := d.mac
	if n := s.table[d.target]; mac.IsZero() && n != nil && from == n.mac {
		mac = from
	}
	switch {
	case mac.IsZero():
		s.counts.drop(Unasked)
	case d.flags&flagSolicited != 0 && s.answersFor(d.dst):
		s.answered(now, d.target, mac)
	default:
		s.claimed(now, d.target, mac)
	}
}
