package offload_test

import (
	"encoding/binary"
	"math/rand/v2"
	"slices"

	"github.com/vxmesh/vxmesh/tundev/ether"
	"github.com/vxmesh/vxmesh/tundev/offload"
)

// TCP flags.
const (
	fin, syn, rst, psh, ack, urg, ece, cwr = 1, 2, 4, 8, 16, 32, 64, 128
)

// A packet is a TCP or UDP packet in words, and the model of everything here: what a segmenter has
// to give is what packets with parts of the payload look like.
type packet struct {
	v6, udp    bool
	tags       []uint16 // VLANs, outermost first
	host, flow uint8    // tell addresses and source ports apart

	tos, ttl  uint8
	flowLabel uint32
	id        uint16
	df        bool
	options   []byte // of IPv4, a multiple of 4
	extension []byte // IPv6 extension headers, the first byte of each filled in by frame

	seq, ack   uint32
	flags      uint8
	accurate   bool // the AE flag (RFC 9768), in byte 12
	window     uint16
	urgent     uint16
	tcpOptions []byte // a multiple of 4
	payload    []byte

	partial    bool // the checksum is the pseudo-header's only
	noChecksum bool // UDP
	padding    int
}

// checksum is RFC 1071 in its plainest form.
func checksum(parts ...[]byte) uint16 {
	var sum uint32
	for _, p := range parts {
		if len(p)%2 == 1 {
			p = append(slices.Clip(p), 0)
		}
		for i := 0; i < len(p); i += 2 {
			sum += uint32(binary.BigEndian.Uint16(p[i:]))
		}
	}
	for sum>>16 != 0 {
		sum = sum&0xffff + sum>>16
	}
	return ^uint16(sum)
}

func (p *packet) proto() byte {
	if p.udp {
		return ether.ProtoUDP
	}
	return ether.ProtoTCP
}

// frame builds the packet.
func (p *packet) frame() []byte {
	f := []byte{2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2}
	for _, vid := range p.tags {
		f = binary.BigEndian.AppendUint16(f, ether.TypeVLAN)
		f = binary.BigEndian.AppendUint16(f, vid)
	}
	transport := p.transport()
	ip, pseudo := p.ip(len(transport))
	if !p.noChecksum {
		at := p.checksumOffset()
		sum := checksum(pseudo, transport)
		if p.udp && sum == 0 {
			sum = 0xffff
		}
		if p.partial {
			sum = ^checksum(pseudo)
		}
		binary.BigEndian.PutUint16(transport[at:], sum)
	}
	if p.v6 {
		f = binary.BigEndian.AppendUint16(f, ether.TypeIPv6)
	} else {
		f = binary.BigEndian.AppendUint16(f, ether.TypeIPv4)
	}
	f = append(append(f, ip...), transport...)
	return append(f, make([]byte, p.padding)...)
}

func (p *packet) checksumOffset() int {
	if p.udp {
		return 6
	}
	return 16
}

// ip gives the IP header for n bytes behind it, and the pseudo-header.
func (p *packet) ip(n int) (h, pseudo []byte) {
	if p.v6 {
		next := p.proto()
		chain := slices.Clone(p.extension)
		if len(chain) > 0 {
			next, chain[0] = 60, p.proto() // one destination options header
		}
		h = binary.BigEndian.AppendUint32(nil, 6<<28|uint32(p.tos)<<20|p.flowLabel)
		h = binary.BigEndian.AppendUint16(h, uint16(len(chain)+n))
		h = append(h, next, p.ttl)
		src := []byte{0x20, 1, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, p.host}
		dst := []byte{0x20, 1, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 1}
		h = append(append(h, src...), dst...)
		pseudo = append(append([]byte(nil), src...), dst...)
		pseudo = binary.BigEndian.AppendUint32(pseudo, uint32(n))
		return append(h, chain...), append(pseudo, 0, 0, 0, p.proto())
	}
	headerLen := 20 + len(p.options)
	h = append(h, 0x40|byte(headerLen/4), p.tos)
	h = binary.BigEndian.AppendUint16(h, uint16(headerLen+n))
	h = binary.BigEndian.AppendUint16(h, p.id)
	h = append(h, 0, 0, p.ttl, p.proto(), 0, 0)
	if p.df {
		h[6] = 0x40
	}
	src, dst := []byte{192, 0, 2, p.host}, []byte{198, 51, 100, 1}
	h = append(append(append(h, src...), dst...), p.options...)
	binary.BigEndian.PutUint16(h[10:], checksum(h))
	pseudo = append(append(append(pseudo, src...), dst...), 0, p.proto())
	return h, binary.BigEndian.AppendUint16(pseudo, uint16(n))
}

// transport gives the TCP or UDP header, without checksum, and the payload.
func (p *packet) transport() []byte {
	t := binary.BigEndian.AppendUint16(nil, 1000+uint16(p.flow))
	t = binary.BigEndian.AppendUint16(t, 5001)
	if p.udp {
		t = binary.BigEndian.AppendUint16(t, uint16(8+len(p.payload)))
		return append(append(t, 0, 0), p.payload...)
	}
	t = binary.BigEndian.AppendUint32(t, p.seq)
	t = binary.BigEndian.AppendUint32(t, p.ack)
	offset := byte(20+len(p.tcpOptions)) / 4 << 4
	if p.accurate {
		offset |= 1
	}
	t = append(t, offset, p.flags)
	t = binary.BigEndian.AppendUint16(t, p.window)
	t = append(t, 0, 0)
	t = binary.BigEndian.AppendUint16(t, p.urgent)
	return append(append(t, p.tcpOptions...), p.payload...)
}

// headers is the length of everything before the payload, and where the transport header begins.
func (p *packet) headers() (length, start int) {
	start = 14 + 4*len(p.tags) + 20 + len(p.options)
	if p.v6 {
		start = 14 + 4*len(p.tags) + 40 + len(p.extension)
	}
	if p.udp {
		return start + 8, start
	}
	return start + 20 + len(p.tcpOptions), start
}

// header is the metadata a kernel gives with the packet as a super-frame.
func (p *packet) header(size int) offload.Header {
	length, start := p.headers()
	h := offload.Header{
		Flags: offload.NeedsCsum, HdrLen: uint16(length), GSOSize: uint16(size),
		CsumStart: uint16(start), CsumOffset: uint16(p.checksumOffset()),
	}
	switch {
	case p.udp:
		h.GSOType = offload.GSOUDPL4
	case p.v6:
		h.GSOType = offload.GSOTCPv6
	default:
		h.GSOType = offload.GSOTCPv4
	}
	return h
}

// cut is what a NIC makes of the packet: frames of size bytes of payload.
func (p *packet) cut(size int, isECN bool) (frames [][]byte) {
	for at := 0; at < len(p.payload); at += size {
		q := *p
		q.partial = false
		q.payload = p.payload[at:min(at+size, len(p.payload))]
		q.seq += uint32(at)
		q.id += uint16(at / size)
		if at+size < len(p.payload) {
			q.flags &^= fin | psh
		}
		if isECN && at > 0 {
			q.flags &^= cwr
		}
		frames = append(frames, q.frame())
	}
	return frames
}

// randomBytes makes n bytes.
func randomBytes(r *rand.Rand, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}
