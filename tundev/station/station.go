package station

import (
	"encoding/binary"
	"math/rand/v2"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/vxmesh/vxmesh/tundev/ether"
	"github.com/vxmesh/vxmesh/tundev/offload"
)

const (
	// maxOut bounds the frames that wait for Next; what is more is dropped.
	maxOut = 512
	// maxHeld bounds the packets that wait until their source address may be used.
	maxHeld = 16
	// maxWaitingBytes bounds all packets that wait for a neighbour, together.
	maxWaitingBytes = 1 << 20

	// never is a time that does not come.
	never = time.Duration(1<<63 - 1)
)

// A Station is one host of an Ethernet segment.
type Station struct {
	mac ether.MAC // constant

	counts     counters
	pending    atomic.Int64                 // frames that wait for Next
	due        atomic.Int64                 // when Tick has something to do
	broadcasts atomic.Pointer[[]netip.Addr] // of the own networks
	mu         sync.Mutex                   // the rest
	addresses  []address
	unsettled  int // addresses that may not be used
	routes     []Route
	table      map[netip.Addr]*neighbour
	waiting    int // bytes of packets that wait in the table
	held       []parcel
	out        []parcel // from head on
	head       int
	replies    bucket
	listener   listener
	chance     *rand.Rand
}

// A parcel is a frame with what is left to do for it.
type parcel struct {
	h     offload.Header
	frame []byte
}

// New makes a station that has no addresses yet.
func New(mac ether.MAC) *Station {
	s := &Station{
		mac: mac, table: make(map[netip.Addr]*neighbour),
		// Chance only spreads answers in time, so it need not be secret.
		chance:  rand.New(rand.NewPCG(mac.Uint64(), 0)),
		replies: bucket{left: replyBurst},
	}
	s.listener.due = never
	s.due.Store(int64(never))
	s.broadcasts.Store(new([]netip.Addr))
	return s
}

// Outbound makes a frame of the IP packet that lies in frame behind room for an Ethernet header. It
// reports whether the frame can go now; if not, the packet is kept until its neighbour has been found,
// and comes by [Station.Next], or it was dropped. The offsets in h become those of the frame.
func (s *Station) Outbound(now time.Duration, h *offload.Header, frame []byte) bool {
	src, dst, ok := packetAddrs(frame[min(ether.HeaderLen, len(frame)):])
	if !ok {
		return s.counts.drop(Malformed)
	}
	if isOwnDiscovery(frame[ether.HeaderLen:]) {
		return s.counts.drop(Foreign)
	}
	putHeader(frame, ether.MAC{}, s.mac, dst.Is6())
	if h.Flags&offload.NeedsCsum != 0 {
		h.CsumStart += ether.HeaderLen
	}
	if h.HdrLen != 0 {
		h.HdrLen += ether.HeaderLen
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.unsettled > 0 && !s.usable(src, *h, frame) {
		return false
	}
	return s.send(now, dst, *h, frame)
}

// usable reports whether packets may come from src. They wait while it is being tried.
func (s *Station) usable(src netip.Addr, h offload.Header, frame []byte) bool {
	a := s.own(src)
	switch {
	case a == nil || a.state == assigned: // not ours at all: this host forwards
		return true
	case a.state == taken:
		return s.counts.drop(AddressTaken)
	case len(s.held) == maxHeld:
		return s.counts.drop(Unresolved)
	}
	s.held = append(s.held, parcel{h, append([]byte(nil), frame...)})
	return false
}

// send gives the frame to dst its destination, or keeps a copy until that is known.
func (s *Station) send(now time.Duration, dst netip.Addr, h offload.Header, frame []byte) bool {
	if mac, ok := s.group(dst); ok {
		copy(frame, mac[:])
		return true
	}
	hop, ok := s.nextHop(dst)
	if !ok {
		return s.counts.drop(NoRoute)
	}
	n := s.want(now, hop)
	if n == nil {
		return s.counts.drop(TableFull)
	}
	switch n.state {
	case failed:
		return s.counts.drop(Unresolved)
	case incomplete:
		s.wait(n, h, frame)
		return false
	}
	copy(frame, n.mac[:])
	return true
}

// Next gives the oldest frame that the station has to send by itself, copied to buf; ok is false when
// there is none.
func (s *Station) Next(buf []byte) (n int, h offload.Header, ok bool) {
	if s.pending.Load() == 0 {
		return 0, h, false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.head == len(s.out) {
		return 0, h, false
	}
	p := &s.out[s.head]
	n, h = copy(buf, p.frame), p.h
	*p = parcel{}
	s.head++
	if s.head == len(s.out) {
		s.out, s.head = s.out[:0], 0
	}
	s.pending.Store(int64(len(s.out) - s.head))
	return n, h, true
}

// Pending reports whether [Station.Next] has a frame.
func (s *Station) Pending() bool { return s.pending.Load() > 0 }

// Due is when [Station.Tick] has to be called next.
func (s *Station) Due() time.Duration { return time.Duration(s.due.Load()) }

// emit queues a frame for Next and owns it.
func (s *Station) emit(h offload.Header, frame []byte) {
	if len(s.out)-s.head == maxOut {
		s.counts.drop(RateLimit)
		return
	}
	if s.head > 0 && len(s.out) == cap(s.out) { // make room before what is left
		n := copy(s.out, s.out[s.head:])
		clear(s.out[n:])
		s.out, s.head = s.out[:n], 0
	}
	s.out = append(s.out, parcel{h, frame})
	s.pending.Store(int64(len(s.out) - s.head))
}

// Emit queues a frame that somebody else has made, such as a question of a test of an address.
func (s *Station) Emit(frame []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.emit(offload.Header{}, frame)
}

// Tick does what is due: it asks again, gives up, and tells what has to be told.
func (s *Station) Tick(now time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.Due() > now {
		return
	}
	s.due.Store(int64(never))
	for i := range s.addresses {
		s.settle(now, &s.addresses[i])
	}
	for _, n := range s.table {
		s.retry(now, n)
	}
	s.report(now)
}

// before has Tick called at t at the latest.
func (s *Station) before(t time.Duration) {
	if t < s.Due() {
		s.due.Store(int64(t))
	}
}

// packetAddrs gives the addresses of an IP packet.
func packetAddrs(p []byte) (src, dst netip.Addr, ok bool) {
	switch {
	case len(p) >= ether.IPv4HeaderLen && p[0]>>4 == 4:
		return netip.AddrFrom4([4]byte(p[12:])), netip.AddrFrom4([4]byte(p[16:])), true
	case len(p) >= ether.IPv6HeaderLen && p[0]>>4 == 6:
		return netip.AddrFrom16([16]byte(p[8:])), netip.AddrFrom16([16]byte(p[24:])), true
	}
	return src, dst, false
}

// isOwnDiscovery reports whether a packet of this machine's is of neighbour discovery. That is the
// station's business: the system knows no MAC to tell of.
func isOwnDiscovery(p []byte) bool {
	return p[0]>>4 == 6 && p[6] == ether.ProtoICMPv6 && len(p) > ether.IPv6HeaderLen &&
		p[ether.IPv6HeaderLen] >= typeSolicit && p[ether.IPv6HeaderLen] <= typeRedirect
}

// putHeader writes an Ethernet header (IEEE 802.3, 3.1.1).
func putHeader(frame []byte, dst, src ether.MAC, is6 bool) {
	copy(frame, dst[:])
	copy(frame[6:], src[:])
	etherType := uint16(ether.TypeIPv4)
	if is6 {
		etherType = ether.TypeIPv6
	}
	binary.BigEndian.PutUint16(frame[12:], etherType)
}

// The rate of answers, so that a flood of questions is not answered by a flood.
const (
	replyBurst = 200
	replyEvery = time.Millisecond
)

// A bucket of permits fills with time.
type bucket struct {
	left int
	last time.Duration
}

// take takes a permit if there is one.
func (b *bucket) take(now time.Duration) bool {
	if more := int((now - b.last) / replyEvery); more > 0 {
		b.left, b.last = min(replyBurst, b.left+more), now
	}
	if b.left == 0 {
		return false
	}
	b.left--
	return true
}
