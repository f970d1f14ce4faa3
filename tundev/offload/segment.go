package offload

import (
	"encoding/binary"

	"github.com/vxmesh/vxmesh/tundev/ether"
)

// A segment is one frame's headers as the coalescer needs them.
type segment struct {
	ip      ether.IP
	udp     bool
	payload int  // offset of the payload
	partial bool // the checksum field holds only the pseudo-header's sum
	alone   bool // its metadata says what a super-frame could not
}

// parseSegment finds the TCP or UDP segment of a frame. It leaves alone, by not being ok, whatever
// has no plain transport header behind a plain IP header: fragments, IPv4 options, IPv6 extension
// headers, other protocols, and packets whose lengths lie.
func parseSegment(frame ether.Frame) (seg segment, ok bool) {
	if !frame.Valid() {
		return seg, false
	}
	ip, ok := ether.ParseIP(frame)
	if !ok || ip.Version == 0 || ip.Fragment {
		return seg, false
	}
	if ip.Version == 4 && ip.Transport-ip.Offset != ether.IPv4HeaderLen {
		return seg, false
	}
	seg.ip = ip
	switch ip.Proto {
	case ether.ProtoTCP:
		if ip.End-ip.Transport < ether.TCPHeaderLen {
			return seg, false
		}
		seg.payload = ip.Transport + int(frame[ip.Transport+12]>>4)*4
		ok = seg.payload >= ip.Transport+ether.TCPHeaderLen && seg.payload <= ip.End
	case ether.ProtoUDP:
		seg.udp, seg.payload = true, ip.Transport+ether.UDPHeaderLen
		ok = seg.payload <= ip.End &&
			int(binary.BigEndian.Uint16(frame[ip.Transport+4:])) == ip.End-ip.Transport
	default:
		ok = false
	}
	if ok {
		seg.partial = seg.field(frame) == seg.pseudo(frame)
	}
	return seg, ok
}

// field is the transport checksum as it stands in the frame.
func (s *segment) field(frame ether.Frame) uint16 {
	if s.udp {
		return binary.BigEndian.Uint16(frame[s.ip.Transport+udpChecksum:])
	}
	return binary.BigEndian.Uint16(frame[s.ip.Transport+tcpChecksum:])
}

func (s *segment) pseudo(frame ether.Frame) uint16 {
	return s.ip.PseudoSum(frame, s.ip.Proto, s.ip.End-s.ip.Transport)
}

// header is the metadata of the frame on its own. A kernel that tunnels over a link with checksum
// offload, as between namespaces, sends the inner checksum unfinished and nothing in the datagram
// says so; the field then holds the pseudo-header's sum. A finished checksum looks the same once
// in 65,536 packets, and finishing it again gives the same value, so saying "partial" is safe.
func (s *segment) header() Header {
	if !s.partial {
		return Header{}
	}
	h := Header{Flags: NeedsCsum, CsumStart: uint16(s.ip.Transport), CsumOffset: tcpChecksum}
	if s.udp {
		h.CsumOffset = udpChecksum
	}
	return h
}

// mergeable reports whether a super-frame can hold this segment: data that needs no header of its
// own. UDP without a checksum would get one, and a kernel need not find the headers behind a VLAN
// tag, so these stay as they are.
func (s *segment) mergeable(frame ether.Frame) bool {
	if s.alone || s.payload >= s.ip.End || s.ip.Offset != ether.HeaderLen {
		return false
	}
	if s.udp {
		return s.field(frame) != 0
	}
	return frame[s.ip.Transport+13]&^flagPSH == flagACK
}

func (s *segment) pushes(frame ether.Frame) bool {
	return !s.udp && frame[s.ip.Transport+13]&flagPSH != 0
}

// intact verifies the checksums, or finds that the transport's is not there to verify yet. The
// IPv4 header's is part of it, because a super-frame gets a new one of those too.
func (s *segment) intact(frame ether.Frame) bool {
	if s.ip.Version == 4 && ether.Sum(frame[s.ip.Offset:s.ip.Transport]) != 0xffff {
		return false
	}
	return s.partial ||
		ether.AddSum(s.pseudo(frame), ether.Sum(frame[s.ip.Transport:s.ip.End])) == 0xffff
}
