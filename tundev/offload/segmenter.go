package offload

import (
	"encoding/binary"
	"errors"

	"github.com/vxmesh/vxmesh/tundev/ether"
)

// ErrHeader says that a frame's offload metadata does not fit its bytes.
var ErrHeader = errors.New("offload metadata does not fit the frame")

// TCP flags (RFC 9293, 3.1).
const (
	flagFIN = 0x01
	flagPSH = 0x08
	flagACK = 0x10
	flagCWR = 0x80
)

// Offsets of the checksum in the transport headers.
const (
	tcpChecksum = 16
	udpChecksum = 6
)

// Complete finishes the checksum that the kernel left partial: the field holds the
// pseudo-header's sum, and everything from h.CsumStart on is added to it. The frame must not be a
// super-frame.
func Complete(h Header, frame []byte) error {
	if h.Flags&NeedsCsum == 0 {
		return nil
	}
	start, field := int(h.CsumStart), int(h.CsumStart)+int(h.CsumOffset)
	if start > len(frame) || field+2 > len(frame) {
		return ErrHeader
	}
	putChecksum(frame[field:], ether.Sum(frame[start:]), h.CsumOffset == udpChecksum)
	return nil
}

// putChecksum writes the complement of sum. UDP sends a computed zero as all ones, because zero
// means "no checksum" there (RFC 768).
func putChecksum(field []byte, sum uint16, udp bool) {
	if sum = ^sum; sum == 0 && udp {
		sum = 0xffff
	}
	binary.BigEndian.PutUint16(field, sum)
}

// maxHeaders is room for all headers of a segment: two VLAN tags, IPv4 and TCP with all options,
// or IPv6 with as many extension headers as anybody sends.
const maxHeaders = 256

// A Segmenter cuts one super-frame into frames with complete headers and checksums, as a NIC with
// TSO or USO would. It is used by one goroutine; the zero value is ready for Start.
type Segmenter struct {
	frame   ether.Frame
	ip      ether.IP
	udp     bool
	cwr     bool             // ECN: CWR belongs to the first segment only
	headers int              // bytes of headers before the payload
	size    int              // payload bytes of each segment but the last
	index   int              // of the segment that Next gives
	head    [maxHeaders]byte // the headers as they were, for those that are cut in place
}

// Start makes the segmenter cut frame, whose payload must stay as it is until it has been cut.
func (s *Segmenter) Start(h Header, frame []byte) error {
	s.frame, s.size, s.index = frame, int(h.GSOSize), 0
	s.udp, s.cwr = false, h.GSOType&GSOECN != 0
	if !s.frame.Valid() || s.size == 0 || h.Flags&NeedsCsum == 0 {
		return ErrHeader
	}
	ip, ok := ether.ParseIP(s.frame)
	if !ok || ip.Version == 0 || int(h.CsumStart) < ip.Transport {
		return ErrHeader
	}
	// Extension headers may stand between the two; where the transport begins the kernel says.
	s.ip, s.ip.Transport = ip, int(h.CsumStart)
	switch h.GSOType &^ GSOECN {
	case GSOUDPL4:
		s.udp, s.headers = true, s.ip.Transport+ether.UDPHeaderLen
	case GSOTCPv4, GSOTCPv6:
		if s.ip.Transport+ether.TCPHeaderLen > len(frame) {
			return ErrHeader
		}
		s.headers = s.ip.Transport + int(frame[s.ip.Transport+12]>>4)*4
		if s.headers < s.ip.Transport+ether.TCPHeaderLen {
			return ErrHeader
		}
	default:
		return ErrHeader
	}
	if s.headers >= len(frame) || s.headers > maxHeaders {
		return ErrHeader
	}
	copy(s.head[:], frame[:s.headers])
	return nil
}

// Len is the length of every segment but the last, which is not longer.
func (s *Segmenter) Len() int { return s.headers + min(s.size, len(s.frame)-s.headers) }

// Count is the number of segments.
func (s *Segmenter) Count() int { return (len(s.frame) - s.headers + s.size - 1) / s.size }

// PacketLen is the length of the largest segment's IP packet: what has to fit the path's MTU.
func (s *Segmenter) PacketLen() int { return s.Len() - s.ip.Offset }

// Next writes the next segment to dst, which must hold Len bytes, and returns its length; 0 after
// the last one.
func (s *Segmenter) Next(dst []byte) int {
	if s.index == s.Count() {
		return 0
	}
	s.index++
	return s.Put(dst, s.index-1)
}

// Put writes segment i to dst, which must hold Len bytes, and returns its length. dst may overlap
// the frame where no payload lies that is still to be cut: segments written from the last to the
// first, each further behind the frame's beginning than its payload, are cut in place.
func (s *Segmenter) Put(dst []byte, i int) int {
	from := s.headers + i*s.size
	payload := s.frame[from:min(from+s.size, len(s.frame))]
	n := s.headers + len(payload)
	dst = dst[:n]
	copy(dst[s.headers:], payload) // before the headers, which may lie where it was
	copy(dst, s.head[:s.headers])
	s.fixIP(dst, i)
	if s.udp {
		s.fixUDP(dst)
	} else {
		s.fixTCP(dst, i)
	}
	return n
}

// fixIP gives the segment its own length and, on IPv4, identification and header checksum.
func (s *Segmenter) fixIP(dst []byte, i int) {
	h := dst[s.ip.Offset:]
	if s.ip.Version == 6 {
		binary.BigEndian.PutUint16(h[4:], uint16(len(h)-ether.IPv6HeaderLen))
		return
	}
	binary.BigEndian.PutUint16(h[2:], uint16(len(h)))
	binary.BigEndian.PutUint16(h[4:], s.ip.ID+uint16(i))
	ether.PutIPv4Checksum(h)
}

func (s *Segmenter) fixUDP(dst []byte) {
	h := dst[s.ip.Transport:]
	binary.BigEndian.PutUint16(h[4:], uint16(len(h)))
	s.checksum(dst, h[udpChecksum:udpChecksum+2], ether.ProtoUDP)
}

func (s *Segmenter) fixTCP(dst []byte, i int) {
	h := dst[s.ip.Transport:]
	seq := binary.BigEndian.Uint32(h[4:])
	binary.BigEndian.PutUint32(h[4:], seq+uint32(i*s.size))
	if i < s.Count()-1 {
		h[13] &^= flagFIN | flagPSH
	}
	if s.cwr && i > 0 {
		h[13] &^= flagCWR
	}
	s.checksum(dst, h[tcpChecksum:tcpChecksum+2], ether.ProtoTCP)
}

// checksum computes the transport checksum of the segment in dst; field lies within it.
func (s *Segmenter) checksum(dst, field []byte, proto uint8) {
	field[0], field[1] = 0, 0
	transport := dst[s.ip.Transport:]
	sum := ether.AddSum(s.ip.PseudoSum(dst, proto, len(transport)), ether.Sum(transport))
	putChecksum(field, sum, s.udp)
}
