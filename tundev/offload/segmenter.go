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

// A Segmenter cuts one super-frame into frames with complete headers and checksums, as a NIC with
// TSO or USO would. It holds no memory but the frame it was started on and is used by one
// goroutine; the zero value is ready for Start.
type Segmenter struct {
	frame   ether.Frame
	ip      ether.IP
	udp     bool
	cwr     bool // ECN: CWR belongs to the first segment only
	headers int  // bytes of headers before the payload
	size    int  // payload bytes of each segment but the last
	next    int  // offset of the next payload byte
	index   int  // of the next segment
}

// Start makes the segmenter cut frame, which must stay as it is until the last Next.
func (s *Segmenter) Start(h Header, frame []byte) error {
	*s = Segmenter{frame: frame, size: int(h.GSOSize), cwr: h.GSOType&GSOECN != 0}
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
	if s.headers >= len(frame) {
		return ErrHeader
	}
	s.next = s.headers
	return nil
}

// Len is the length of every segment but the last, which is not longer.
func (s *Segmenter) Len() int { return s.headers + min(s.size, len(s.frame)-s.headers) }

// Count is the number of segments that Next has still to give.
func (s *Segmenter) Count() int { return (len(s.frame) - s.next + s.size - 1) / s.size }

// PacketLen is the length of the largest segment's IP packet: what has to fit the path's MTU.
func (s *Segmenter) PacketLen() int { return s.Len() - s.ip.Offset }

// Next writes the next segment to dst, which must hold Len bytes, and returns its length; 0 after
// the last one.
func (s *Segmenter) Next(dst []byte) int {
	if s.next >= len(s.frame) {
		return 0
	}
	payload := s.frame[s.next:min(s.next+s.size, len(s.frame))]
	n := s.headers + len(payload)
	dst = dst[:n]
	copy(dst, s.frame[:s.headers])
	copy(dst[s.headers:], payload)
	last := s.next+len(payload) == len(s.frame)
	s.fixIP(dst)
	if s.udp {
		s.fixUDP(dst)
	} else {
		s.fixTCP(dst, last)
	}
	s.next += len(payload)
	s.index++
	return n
}

// fixIP gives the segment its own length and, on IPv4, identification and header checksum.
func (s *Segmenter) fixIP(dst []byte) {
	h := dst[s.ip.Offset:]
	if s.ip.Version == 6 {
		binary.BigEndian.PutUint16(h[4:], uint16(len(h)-ether.IPv6HeaderLen))
		return
	}
	binary.BigEndian.PutUint16(h[2:], uint16(len(h)))
	binary.BigEndian.PutUint16(h[4:], s.ip.ID+uint16(s.index))
	ether.PutIPv4Checksum(h)
}

func (s *Segmenter) fixUDP(dst []byte) {
	h := dst[s.ip.Transport:]
	binary.BigEndian.PutUint16(h[4:], uint16(len(h)))
	s.checksum(dst, h[udpChecksum:udpChecksum+2], ether.ProtoUDP)
}

func (s *Segmenter) fixTCP(dst []byte, last bool) {
	h := dst[s.ip.Transport:]
	seq := binary.BigEndian.Uint32(h[4:])
	binary.BigEndian.PutUint32(h[4:], seq+uint32(s.next-s.headers))
	if !last {
		h[13] &^= flagFIN | flagPSH
	}
	if s.cwr && s.index > 0 {
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
