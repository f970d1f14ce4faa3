package offload

import (
	"encoding/binary"

	"github.com/vxmesh/vxmesh/tundev/ether"
)

const (
	// maxFlows bounds how many flows are merged at once. A batch of datagrams rarely holds more,
	// and the search through them is linear.
	maxFlows = 8
	// maxParts bounds the pieces of one super-frame: as many segments as 64 KB holds at a usual
	// MTU, with room, and well below what one writev takes.
	maxParts = 96
	// maxPacket is the largest IP packet its own length field can say.
	maxPacket = 65535
)

// A Sink takes one frame gathered from parts, which it must not keep.
type Sink func(h Header, parts [][]byte)

// A Coalescer merges the segments of a TCP or UDP flow that follow one another into super-frames,
// so that the kernel behind the device walks its stack once for many. It copies nothing: a
// super-frame is handed over as the first segment followed by the payloads of the rest, borrowed
// until Flush. Segments are merged only when cutting the result again would give the same frames
// back. It is used by one goroutine.
type Coalescer struct {
	sink  Sink
	tso   bool // the device takes TCP super-frames
	uso   bool // and UDP ones
	flows [maxFlows]flow
	used  int
	alone [1][]byte // the parts of a frame that is passed as it is
}

// A flow is a super-frame in the making.
type flow struct {
	first   ether.Frame // the first segment; its headers become the super-frame's
	h       Header      // its metadata, for when it stays alone
	seg     segment     // of the first segment
	nextSeq uint32      // TCP sequence number that continues it
	nextID  uint16      // IPv4 identification that continues it
	size    int         // bytes so far
	closed  bool        // a shorter segment or a push has ended it
	push    bool        // a merged segment carries PSH
	n       int
	parts   [maxParts][]byte
}

// NewCoalescer merges what the device takes (tso, uso) and gives everything to sink.
func NewCoalescer(tso, uso bool, sink Sink) *Coalescer {
	return &Coalescer{sink: sink, tso: tso, uso: uso}
}

// Add takes one plain frame, which must stay as it is until Flush. It may change its headers. A
// frame that cannot be merged goes to the sink at once, after the flow it belongs to.
func (c *Coalescer) Add(frame []byte) {
	seg, ok := parseSegment(frame)
	if !ok {
		c.pass(Header{}, frame)
		return
	}
	c.add(&seg, seg.header(), frame)
}

// AddPartial is Add for a frame of which the transport checksum is only the pseudo-header's sum, as
// h says, because whoever sent it vouches for its bytes. Its payload is not looked at. When it stays
// alone it goes to the sink with h; what h says beside the checksum keeps it alone.
func (c *Coalescer) AddPartial(h Header, frame []byte) {
	seg, ok := parseSegment(frame)
	if !ok {
		c.pass(h, frame)
		return
	}
	canonical := h
	canonical.HdrLen = 0 // a hint
	seg.alone = canonical != seg.header()
	c.add(&seg, h, frame)
}

// add merges a segment or begins a flow with it. Frames of both kinds merge with each other: one is
// verified and the other vouched for, and the super-frame's checksum is left to be finished.
func (c *Coalescer) add(seg *segment, h Header, frame ether.Frame) {
	for i := range c.used {
		f := &c.flows[i]
		if !f.sameFlow(seg, frame) {
			continue
		}
		if f.append(seg, frame) {
			return
		}
		c.emit(i)
		break
	}
	if !c.start(seg, h, frame) {
		c.pass(h, frame)
	}
}

// Flush gives everything that is still held to the sink, oldest flow first.
func (c *Coalescer) Flush() {
	for c.used > 0 {
		c.emit(0)
	}
}

// pass hands over one frame as it is.
func (c *Coalescer) pass(h Header, frame []byte) {
	c.alone[0] = frame
	c.sink(h, c.alone[:])
}

// start opens a flow with its first segment, when its kind is merged at all and its checksum is
// right: a super-frame gets a new checksum, which would hide a broken one.
func (c *Coalescer) start(seg *segment, h Header, frame ether.Frame) bool {
	if seg.udp && !c.uso || !seg.udp && !c.tso || !seg.mergeable(frame) || !seg.intact(frame) {
		return false
	}
	if c.used == maxFlows {
		c.emit(0)
	}
	f := &c.flows[c.used]
	c.used++
	f.first, f.h, f.seg, f.n = frame, h, *seg, 1
	f.size, f.closed, f.push = seg.ip.End, false, seg.pushes(frame)
	f.nextID = seg.ip.ID + 1
	if !seg.udp {
		f.nextSeq = binary.BigEndian.Uint32(frame[seg.ip.Transport+4:]) + uint32(seg.ip.End-seg.payload)
		f.closed = f.push
	}
	f.parts[0] = frame[:seg.ip.End]
	return true
}

// emit hands over flow i and closes the gap it leaves.
func (c *Coalescer) emit(i int) {
	f := &c.flows[i]
	if f.n == 1 {
		c.pass(f.h, f.first)
	} else {
		c.sink(f.finish(), f.parts[:f.n])
	}
	c.used--
	for ; i < c.used; i++ {
		c.flows[i].moveFrom(&c.flows[i+1])
	}
}

// moveFrom makes f the flow that g is, without copying unused parts.
func (f *flow) moveFrom(g *flow) {
	f.first, f.h, f.seg, f.nextSeq, f.nextID = g.first, g.h, g.seg, g.nextSeq, g.nextID
	f.size, f.closed, f.push, f.n = g.size, g.closed, g.push, g.n
	copy(f.parts[:g.n], g.parts[:g.n])
}

// sameFlow reports whether frame has the flow's addresses and ports.
func (f *flow) sameFlow(seg *segment, frame ether.Frame) bool {
	a, b := &f.seg, seg
	if a.udp != b.udp || a.ip.Version != b.ip.Version || a.ip.Transport != b.ip.Transport ||
		a.ip.Offset != b.ip.Offset {
		return false
	}
	src := a.ip.Offset + 12
	if a.ip.Version == 6 {
		src = a.ip.Offset + 8
	}
	// Addresses stand right before the transport header, ports at its beginning.
	return string(f.first[src:a.ip.Transport+4]) == string(frame[src:a.ip.Transport+4]) &&
		string(f.first[:a.ip.Offset]) == string(frame[:a.ip.Offset])
}

// append merges frame into the flow if cutting the result again would give it back.
func (f *flow) append(seg *segment, frame ether.Frame) bool {
	length, first := seg.ip.End-seg.payload, f.seg.ip.End-f.seg.payload
	if f.closed || f.n == maxParts || length > first || f.size+length > f.seg.ip.Offset+maxPacket {
		return false
	}
	if !seg.mergeable(frame) || !f.continues(seg, frame) || !seg.intact(frame) {
		return false
	}
	f.parts[f.n] = frame[seg.payload:seg.ip.End]
	f.n++
	f.size += length
	f.nextID++
	f.nextSeq += uint32(length)
	f.push = f.push || seg.pushes(frame)
	f.closed = length < first || f.push
	return true
}

// continues reports whether the headers that a super-frame has once are those of the flow so far.
func (f *flow) continues(seg *segment, frame ether.Frame) bool {
	if f.seg.payload != seg.payload || !f.sameIP(seg, frame) {
		return false
	}
	if seg.udp {
		return true
	}
	old, h := f.first[f.seg.ip.Transport:f.seg.payload], frame[seg.ip.Transport:seg.payload]
	return binary.BigEndian.Uint32(h[4:]) == f.nextSeq &&
		string(old[8:13]) == string(h[8:13]) && // acknowledgement, header length, AE
		string(old[14:16]) == string(h[14:16]) && // window: a sender may wait for it to open
		string(old[18:]) == string(h[18:]) // urgent pointer, options
}

// sameIP is continues for the IP header; addresses and protocol are known to be the same.
func (f *flow) sameIP(seg *segment, frame ether.Frame) bool {
	ip := seg.ip
	old, h := f.first[ip.Offset:ip.Transport], frame[ip.Offset:ip.Transport]
	if ip.Version == 6 {
		return string(old[:4]) == string(h[:4]) && old[7] == h[7] // class, flow label, hop limit
	}
	// Without DF the identification matters to whoever reassembles (RFC 6864, 4).
	return old[1] == h[1] && string(old[6:9]) == string(h[6:9]) && // TOS, flags, TTL
		(ip.DF || ip.ID == f.nextID)
}

// finish turns the first segment's headers into the super-frame's and says how to cut it.
func (f *flow) finish() Header {
	ip := f.seg.ip
	h := f.first[ip.Offset:]
	packet := f.size - ip.Offset
	if ip.Version == 4 {
		binary.BigEndian.PutUint16(h[2:], uint16(packet))
		ether.PutIPv4Checksum(h)
	} else {
		binary.BigEndian.PutUint16(h[4:], uint16(packet-ether.IPv6HeaderLen))
	}
	transport := f.first[ip.Transport:]
	out := f.seg.header()
	out.Flags = NeedsCsum
	out.HdrLen = uint16(f.seg.payload)
	out.GSOSize = uint16(f.seg.ip.End - f.seg.payload)
	proto, field := uint8(ether.ProtoTCP), tcpChecksum
	switch {
	case f.seg.udp:
		proto, field = ether.ProtoUDP, udpChecksum
		out.GSOType = GSOUDPL4
		binary.BigEndian.PutUint16(transport[4:], uint16(f.size-ip.Transport))
	case ip.Version == 4:
		out.GSOType = GSOTCPv4
	default:
		out.GSOType = GSOTCPv6
	}
	if f.push && !f.seg.udp {
		transport[13] |= flagPSH
	}
	out.CsumStart, out.CsumOffset = uint16(ip.Transport), uint16(field)
	sum := ip.PseudoSum(f.first, proto, f.size-ip.Transport)
	binary.BigEndian.PutUint16(transport[field:], sum)
	return out
}
