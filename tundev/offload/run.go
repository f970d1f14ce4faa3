package offload

import (
	"encoding/binary"

	"github.com/vxmesh/vxmesh/tundev/ether"
)

// MaxHeaders is the most bytes of headers a [Super] can have.
const MaxHeaders = maxHeaders

// A Super is a super-frame as its headers describe it. It makes frames of parts of the payload, for
// when not all of it is there. It keeps a copy of the headers; one goroutine uses it.
type Super struct {
	ip      ether.IP
	h       Header
	udp     bool
	headers int              // bytes of headers before the payload
	end     int              // length of the whole frame
	head    [MaxHeaders]byte // the headers
}

// Parse reads the headers of a super-frame from its metadata and the first bytes of its frame. It
// trusts neither, and is not ok when they are not those of a TCP or UDP super-frame, when they
// contradict each other, or when b does not hold all headers.
func (s *Super) Parse(h Header, b []byte) (ok bool) {
	s.h = h
	kind := h.GSOType &^ GSOECN
	s.udp = kind == GSOUDPL4
	if h.GSOSize == 0 || h.Flags&NeedsCsum == 0 || !s.parseIP(b) || !s.parseTransport(b) {
		return false
	}
	version := s.ip.Version
	if kind == GSOTCPv4 && version != 4 || kind == GSOTCPv6 && version != 6 ||
		kind != GSOTCPv4 && kind != GSOTCPv6 && !s.udp {
		return false
	}
	copy(s.head[:], b[:s.headers])
	return true
}

// parseIP reads the IP header, whose packet is longer than b. The transport header begins where the
// checksum's range does, because IPv6 extension headers may stand before it.
func (s *Super) parseIP(b ether.Frame) bool {
	if !b.Valid() {
		return false
	}
	etherType, off := b.Payload()
	h := b[off:]
	s.ip = ether.IP{Offset: off, Transport: int(s.h.CsumStart)}
	switch etherType {
	case ether.TypeIPv4:
		if len(h) < ether.IPv4HeaderLen || h[0]>>4 != 4 || h[0]&0x0f < 5 ||
			binary.BigEndian.Uint16(h[6:])&0x3fff != 0 { // a fragment
			return false
		}
		s.ip.Version, s.ip.ID = 4, binary.BigEndian.Uint16(h[4:])
		s.end = off + int(binary.BigEndian.Uint16(h[2:]))
		return h[9] == s.proto() && s.ip.Transport == off+int(h[0]&0x0f)*4
	case ether.TypeIPv6:
		if len(h) < ether.IPv6HeaderLen || h[0]>>4 != 6 {
			return false
		}
		s.ip.Version = 6
		s.end = off + ether.IPv6HeaderLen + int(binary.BigEndian.Uint16(h[4:]))
		return s.ip.Transport >= off+ether.IPv6HeaderLen
	}
	return false
}

// parseTransport reads the transport header.
func (s *Super) parseTransport(b []byte) bool {
	at, field := s.ip.Transport, udpChecksum
	s.headers = at + ether.UDPHeaderLen
	if !s.udp {
		if at+ether.TCPHeaderLen > len(b) {
			return false
		}
		field = tcpChecksum
		s.headers = at + int(b[at+12]>>4)*4
		if s.headers < at+ether.TCPHeaderLen {
			return false
		}
	}
	return int(s.h.CsumOffset) == field && s.headers <= min(len(b), MaxHeaders) && s.headers < s.end
}

func (s *Super) proto() uint8 {
	if s.udp {
		return ether.ProtoUDP
	}
	return ether.ProtoTCP
}

// Headers is the number of bytes before the payload.
func (s *Super) Headers() int { return s.headers }

// Payload is the number of bytes behind the headers.
func (s *Super) Payload() int { return s.end - s.headers }

// Len is the length of the whole frame.
func (s *Super) Len() int { return s.end }

// Unit is what a part of the payload that is delivered by itself must be a multiple of, the end
// excepted: a datagram of UDP, and a byte of TCP.
func (s *Super) Unit() int {
	if s.udp {
		return int(s.h.GSOSize)
	}
	return 1
}

// Run makes a frame of payload[from:to], which must be of whole units and not empty: it writes the
// headers to dst, of at least Headers bytes, and gives them with the metadata. The frame is a
// super-frame if it is longer than a segment; its checksum is only the pseudo-header's sum.
func (s *Super) Run(dst []byte, from, to int) (Header, []byte) {
	dst = dst[:s.headers]
	copy(dst, s.head[:])
	s.putIP(dst, from, to)
	s.putTransport(dst, from, to)
	h := Header{Flags: NeedsCsum, CsumStart: s.h.CsumStart, CsumOffset: s.h.CsumOffset}
	if to-from > int(s.h.GSOSize) {
		h.GSOType, h.GSOSize, h.HdrLen = s.h.GSOType, s.h.GSOSize, uint16(s.headers)
		if from > 0 {
			h.GSOType &^= GSOECN
		}
	}
	return h, dst
}

// putIP gives the run its own length and, on IPv4, the identification of the first segment that
// begins in it.
func (s *Super) putIP(dst []byte, from, to int) {
	h := dst[s.ip.Offset:]
	packet := s.headers + to - from - s.ip.Offset
	if s.ip.Version == 6 {
		binary.BigEndian.PutUint16(h[4:], uint16(packet-ether.IPv6HeaderLen))
		return
	}
	size := int(s.h.GSOSize)
	binary.BigEndian.PutUint16(h[2:], uint16(packet))
	binary.BigEndian.PutUint16(h[4:], s.ip.ID+uint16((from+size-1)/size))
	ether.PutIPv4Checksum(h)
}

func (s *Super) putTransport(dst []byte, from, to int) {
	t := dst[s.ip.Transport:]
	length := len(t) + to - from
	if s.udp {
		binary.BigEndian.PutUint16(t[4:], uint16(length))
	} else {
		binary.BigEndian.PutUint32(t[4:], binary.BigEndian.Uint32(t[4:])+uint32(from))
		if to < s.Payload() {
			t[13] &^= flagFIN | flagPSH
		}
		if s.h.GSOType&GSOECN != 0 && from > 0 {
			t[13] &^= flagCWR
		}
	}
	sum := s.ip.PseudoSum(dst, s.proto(), length)
	binary.BigEndian.PutUint16(t[s.h.CsumOffset:], sum)
}
