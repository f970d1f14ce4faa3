package station

import (
	"encoding/binary"
	"net/netip"
	"time"

	"github.com/vxmesh/vxmesh/tundev/ether"
	"github.com/vxmesh/vxmesh/tundev/offload"
)

const (
	arpLen  = 28
	opAsk   = 1
	opReply = 2
)

// An arp is an ARP message for IPv4 on Ethernet (RFC 826):
//
//	0..1      2..3        4        5        6..7  8..13  14..17  18..23  24..27
//	0 1       08 00       6        4        op    sender's       target's
//	Ethernet  IPv4        MAC len  IP len         MAC    IP      MAC     IP
type arp struct {
	op                   uint16
	senderMAC, targetMAC ether.MAC
	sender, target       netip.Addr
}

// parseARP reads a message; padding may follow it.
func parseARP(b []byte) (a arp, ok bool) {
	if len(b) < arpLen || [6]byte(b) != [6]byte{0, 1, 8, 0, 6, 4} {
		return a, false
	}
	a = arp{
		op:        binary.BigEndian.Uint16(b[6:]),
		senderMAC: ether.MAC(b[8:14]), sender: netip.AddrFrom4([4]byte(b[14:])),
		targetMAC: ether.MAC(b[18:24]), target: netip.AddrFrom4([4]byte(b[24:])),
	}
	return a, a.op == opAsk || a.op == opReply
}

// frame is the message on its way to a station.
func (a arp) frame(dst ether.MAC) []byte {
	f := make([]byte, 0, ether.HeaderLen+arpLen)
	f = append(append(f, dst[:]...), a.senderMAC[:]...)
	f = append(f, 8, 6, 0, 1, 8, 0, 6, 4)
	f = binary.BigEndian.AppendUint16(f, a.op)
	sender, target := a.sender.As4(), a.target.As4()
	f = append(append(f, a.senderMAC[:]...), sender[:]...)
	return append(append(f, a.targetMAC[:]...), target[:]...)
}

// arpRequest asks for target: the station at to, or everybody when that is zero.
func arpRequest(to, own ether.MAC, src, target netip.Addr) []byte {
	dst := to
	if to.IsZero() {
		dst = ether.Broadcast
	}
	return arp{op: opAsk, senderMAC: own, sender: src, targetMAC: to, target: target}.frame(dst)
}

// isStation reports whether a MAC can be another station's.
func (s *Station) isStation(m ether.MAC) bool { return !m.IsZero() && !m.IsMulticast() && m != s.mac }

// handleARP takes a frame of ARP.
func (s *Station) handleARP(now time.Duration, frame ether.Frame, off int) {
	a, ok := parseARP(frame[off:])
	if !ok || !s.isStation(a.senderMAC) || !a.sender.IsUnspecified() && !isHost(a.sender) {
		s.counts.drop(Discovery)
		return
	}
	if own := s.own(a.sender); own != nil { // RFC 5227, 2.4
		s.contest(now, own, a.senderMAC)
		return
	}
	if a.op == opAsk {
		if own := s.own(a.target); own != nil {
			s.askedARP(now, own, a)
			return
		}
	} else if frame.Dst() == s.mac && a.targetMAC == s.mac && s.answersFor(a.target) && !a.sender.IsUnspecified() {
		s.answered(now, a.sender, a.senderMAC)
		return
	}
	s.claimed(now, a.sender, a.senderMAC)
}

// askedARP answers who asks for an own address.
func (s *Station) askedARP(now time.Duration, own *address, a arp) {
	if own.state != assigned {
		if a.sender.IsUnspecified() { // it tries the address, too
			s.contest(now, own, a.senderMAC)
		}
		return
	}
	if !s.replies.take(now) {
		s.counts.drop(RateLimit)
		return
	}
	s.emit(offload.Header{}, arp{
		op: opReply, senderMAC: s.mac, sender: a.target, targetMAC: a.senderMAC, target: a.sender,
	}.frame(a.senderMAC))
	if !a.sender.IsUnspecified() {
		s.met(now, a.sender, a.senderMAC)
	}
}
