package capture

import (
	"bytes"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/vxmesh/vxmesh/tunnel/drop"
)

// Kept is how many packets a [Recorder] keeps each way.
const Kept = 1024

// headLen is how many bytes are noted of a frame: the headers of TCP over IPv6 behind two VLAN tags, with
// options.
const headLen = 96

// A Recorder keeps the headers of the last packets each way, for who looks into what went wrong. The
// zero value is ready; it must not be copied.
//
// Any number of goroutines may use it at once. To note a packet costs a copy of its first bytes; it
// does not allocate and does not wait: a packet that meets another one which goes the same way, or a
// reader, is counted and not kept.
type Recorder struct {
	now            atomic.Int64 // the time of what is noted
	sent, received ring
}

// A ring holds the last packets one way.
type ring struct {
	missed atomic.Uint64

	mu    sync.Mutex
	next  uint64 // packets so far
	slots [Kept]slot
}

// A slot is a packet as it is noted.
type slot struct {
	at       int64 // in ns, by the clock of [Recorder.Tick]
	port     string
	src, dst netip.AddrPort // of a datagram
	length   uint32         // of the whole packet
	vni      uint32
	count    uint16
	point    Point
	drop     drop.Reason
	kept     uint8 // bytes in head
	head     [headLen]byte
}

// Tick tells the time, by any clock. A loop does so once for each batch.
func (r *Recorder) Tick(now time.Duration) { r.now.Store(int64(now)) }

// Note keeps the beginning of p in place of the oldest packet. The time is that of the last Tick, not
// p's, and the decision is left out.
func (r *Recorder) Note(p *Packet) {
	way := &r.sent
	if p.In {
		way = &r.received
	}
	if !way.mu.TryLock() {
		way.missed.Add(1)
		return
	}
	s := &way.slots[way.next%Kept]
	way.next++
	s.at, s.port, s.vni, s.point, s.drop = r.now.Load(), p.Port, p.VNI, p.Point, p.Drop
	s.src, s.dst, s.length, s.count = p.Src, p.Dst, uint32(p.length()), uint16(p.Count)
	most := headLen
	if p.Point == Outer {
		most = outerKept
	}
	s.kept = uint8(copy(s.head[:most], p.Data))
	way.mu.Unlock()
}

// Packets gives what is kept, oldest first, cut behind the headers, and how many packets were missed.
// It is now by the clock of Tick when it is wall by that of people.
func (r *Recorder) Packets(now time.Duration, wall time.Time) (list []Packet, missed uint64) {
	for _, way := range []*ring{&r.sent, &r.received} {
		for _, s := range way.last() {
			p := s.packet()
			p.In, p.Time = way == &r.received, wall.Add(time.Duration(s.at)-now)
			list = append(list, p)
		}
		missed += way.missed.Load()
	}
	slices.SortStableFunc(list, func(a, b Packet) int { return a.Time.Compare(b.Time) })
	return list, missed
}

// last gives copies of what the ring holds, oldest first.
func (w *ring) last() []slot {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.next <= Kept {
		return slices.Clone(w.slots[:w.next])
	}
	at := w.next % Kept
	return slices.Concat(w.slots[at:], w.slots[:at])
}

// packet is what was noted, without payload.
func (s *slot) packet() Packet {
	data := s.head[:s.kept]
	if s.point != Outer {
		data = data[:HeadersLen(data)]
	}
	return Packet{
		Point: s.point, Data: slices.Clone(data), Length: int(s.length), Count: int(s.count),
		Src: unmapped(s.src), Dst: unmapped(s.dst), VNI: s.vni, Port: s.port, Drop: s.drop,
	}
}

// unmapped is an address as people write it, also when a socket of the other family gave it.
func unmapped(a netip.AddrPort) netip.AddrPort { return netip.AddrPortFrom(a.Addr().Unmap(), a.Port()) }

// File is a pcapng file of packets, which need not be whole.
func File(packets []Packet) []byte {
	b := appendHeader(nil, pointFaces, 0)
	for i := range packets {
		b = appendPacket(b, &packets[i], int(packets[i].Point), 0)
	}
	return b
}

// Text is a line for each of packets, as [Packet.String] has it.
func Text(packets []Packet) []byte {
	var lines bytes.Buffer
	for i := range packets {
		_, _ = fmt.Fprintln(&lines, &packets[i]) // a buffer takes all
	}
	return lines.Bytes()
}
