package chunk_test

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/vxmesh/vxmesh/tundev/ether"
	"github.com/vxmesh/vxmesh/tundev/offload"
	"github.com/vxmesh/vxmesh/tunnel/chunk"
	"github.com/vxmesh/vxmesh/tunnel/drop"
	"github.com/vxmesh/vxmesh/tunnel/wire"
)

// TCP flags.
const (
	fin, psh, ack, cwr = 1, 8, 16, 128
)

// A datagram is one as it leaves a session: authentic, and opened.
type datagram struct {
	h     wire.Header
	plain []byte
}

// A message is one that was sent, and what has come of it. Its VNI is its own, so that what is
// delivered tells what it belongs to.
type message struct {
	vni     uint32
	meta    offload.Header
	frame   []byte
	headers int            // bytes of the frame before a super-frame's payload
	cuts    int            // the number of frames a super-frame stands for
	frames  map[string]int // how many of each are to be delivered still
	left    int            // and in all
	bytes   []bool         // which bytes of TCP payload have been delivered
	whole   int            // how often all of it was delivered at once
	ce      bool
}

// A kind of message.
type kind uint8

const (
	tcp4 kind = iota
	tcp6
	udp4
	udp6
	plain // a frame without metadata
	kinds
)

// newMessage makes a message with n bytes of random payload, to be cut every size bytes.
func newMessage(r *rand.Rand, vni uint32, k kind, n, size int) *message {
	m := &message{vni: vni}
	f := []byte{2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 0x08, 0x00}
	payload := make([]byte, n)
	for i := range payload {
		payload[i] = byte(r.Uint32())
	}
	if k == plain {
		f[12], f[13] = 0x88, 0xb5
		m.frame = append(f, payload...)
		return m
	}
	udp, v6 := k == udp4 || k == udp6, k == tcp6 || k == udp6
	t := transport(udp, n)
	at := len(f) + ether.IPv4HeaderLen
	if v6 {
		f[12], f[13] = 0x86, 0xdd
		at = len(f) + ether.IPv6HeaderLen
	}
	f = append(f, ip(v6, udp, len(t)+n)...)
	m.headers = at + len(t)
	m.frame = slices.Concat(f, t, payload)
	parsed, _ := ether.ParseIP(m.frame)
	m.meta = offload.Header{
		Flags: offload.NeedsCsum, HdrLen: uint16(m.headers), GSOSize: uint16(size), CsumStart: uint16(at),
	}
	proto := uint8(ether.ProtoTCP)
	switch {
	case udp:
		proto, m.meta.CsumOffset, m.meta.GSOType = ether.ProtoUDP, 6, offload.GSOUDPL4
	case v6:
		m.meta.CsumOffset, m.meta.GSOType = 16, offload.GSOTCPv6|offload.GSOECN
	default:
		m.meta.CsumOffset, m.meta.GSOType = 16, offload.GSOTCPv4|offload.GSOECN
	}
	sum := parsed.PseudoSum(m.frame, proto, len(t)+n)
	binary.BigEndian.PutUint16(m.frame[at+int(m.meta.CsumOffset):], sum)
	if !udp {
		m.bytes = make([]bool, n)
	}
	m.frames = make(map[string]int)
	for _, c := range cut(m.meta, m.frame) {
		m.frames[string(c)]++
		m.cuts++
	}
	m.left = m.cuts
	return m
}

// ip is an IP header for n bytes behind it.
func ip(v6, udp bool, n int) []byte {
	proto := byte(ether.ProtoTCP)
	if udp {
		proto = ether.ProtoUDP
	}
	if v6 {
		h := append(make([]byte, 0, 40), 0x60, 0, 0, 0, byte(n>>8), byte(n), proto, 64)
		for host := range byte(2) {
			h = append(h, 0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, host+1)
		}
		return h
	}
	n += ether.IPv4HeaderLen
	h := []byte{
		0x45, 0, byte(n >> 8), byte(n), 0xff, 0xf0, 0x40, 0, 64, proto, 0, 0,
		192, 0, 2, 1, 198, 51, 100, 1,
	}
	ether.PutIPv4Checksum(h)
	return h
}

// transport is a TCP header with timestamps whose sequence number is about to wrap, or a UDP header
// for n bytes.
func transport(udp bool, n int) []byte {
	if udp {
		return []byte{0x03, 0xe8, 0x13, 0x89, byte((n + 8) >> 8), byte(n + 8), 0, 0}
	}
	return []byte{
		0x03, 0xe8, 0x13, 0x89, 0xff, 0xff, 0xf0, 0, 0, 0, 0, 1, 8 << 4, ack | psh | fin | cwr,
		1, 0, 0, 0, 0, 0, 1, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 2,
	}
}

const firstSeq = 0xfffff000 // as transport has it

// cut gives the frames that one with metadata stands for, finished.
func cut(h offload.Header, frame []byte) (frames [][]byte) {
	if !h.IsSuper() {
		f := bytes.Clone(frame)
		if offload.Complete(h, f) != nil {
			return nil
		}
		return [][]byte{f}
	}
	var s offload.Segmenter
	if s.Start(h, frame) != nil {
		return nil
	}
	for range s.Count() {
		f := make([]byte, s.Len())
		frames = append(frames, f[:s.Next(f)])
	}
	return frames
}

// data is the message's bytes.
func (m *message) data() []byte {
	if m.meta == (offload.Header{}) {
		return m.frame
	}
	b := make([]byte, offload.HeaderLen, offload.HeaderLen+len(m.frame))
	m.meta.Put(b)
	return append(b, m.frame...)
}

// datagrams cuts the message for a path that holds size bytes, in session index from counter on.
func (m *message) datagrams(t testing.TB, index uint32, counter uint64, size int) (d []datagram) {
	t.Helper()
	data, h := m.data(), wire.Header{Index: index, VNI: m.vni, Counter: counter}
	repeat := 0
	if m.meta != (offload.Header{}) {
		h.Flags = wire.FlagOffload
		repeat = offload.HeaderLen + m.headers
	}
	plan, ok := chunk.NewPlan(len(data), repeat, size)
	if !ok {
		t.Fatalf("no plan for %d bytes in datagrams of %d", len(data), size)
	}
	for i := range plan.Count {
		h.Chunk, h.Counter, h.Last = uint8(i), counter+uint64(i), i == plan.Count-1
		from, to := plan.Range(i)
		plain := bytes.Clone(data[from:to])
		if h.Last && plan.Copy > 0 {
			h.Flags |= wire.FlagHeaders
			plain = append(append(plain, data[:plan.Copy-1]...), byte(plan.Copy-1))
		}
		d = append(d, datagram{h, plain})
	}
	return d
}

// A peer is a reassembler with all that was sent to it, and checks everything that comes out.
type peer struct {
	t        testing.TB
	r        *chunk.Reassembler
	now      time.Duration
	sent     map[uint32]*message
	order    []uint32 // of deliveries
	lost     map[drop.Reason]int
	lastMeta offload.Header
	lenient  bool // what belongs to nothing that was sent is a liar's
}

func newPeer(t testing.TB, sent ...*message) *peer {
	p := &peer{t: t, sent: make(map[uint32]*message), lost: make(map[drop.Reason]int)}
	p.r = chunk.NewReassembler(new(chunk.Pool), p)
	for _, m := range sent {
		p.sent[m.vni] = m
	}
	return p
}

// take lets datagrams arrive.
func (p *peer) take(ds ...datagram) {
	p.t.Helper()
	for _, d := range ds {
		if reason := p.tryTake(d, false); reason != drop.None {
			p.t.Fatalf("chunk %d of message %d has no place: %s", d.h.Chunk, d.h.VNI, reason)
		}
	}
}

// tryTake lets one arrive that may be refused.
func (p *peer) tryTake(d datagram, ce bool) drop.Reason {
	dst, reason := p.r.Place(d.h, len(d.plain), 1, p.now)
	if reason != drop.None {
		return reason
	}
	p.checkPlace(dst, d)
	copy(dst[:len(d.plain)], d.plain)
	p.r.Commit(d.h, len(d.plain), 1, ce, p.now)
	if n := p.r.Open(); n > chunk.MaxOpen {
		p.t.Fatalf("%d messages are open", n)
	}
	return drop.None
}

// tryRun lets neighbouring chunks of one length arrive together, and tells how many of them had a place.
func (p *peer) tryRun(ds []datagram) (int, drop.Reason) {
	n := len(ds[0].plain)
	dst, reason := p.r.Place(ds[0].h, n, len(ds), p.now)
	if reason != drop.None {
		return 0, reason
	}
	took := cap(dst) / n
	if len(dst) != 0 || cap(dst)%n != 0 || took < 1 || took > len(ds) {
		p.t.Fatalf("place for up to %d chunks of %d bytes has length %d, capacity %d", len(ds), n, len(dst), cap(dst))
	}
	for _, d := range ds[:took] {
		dst = append(dst, d.plain...)
	}
	p.r.Commit(ds[0].h, n, took, false, p.now)
	return took, drop.None
}

func (p *peer) checkPlace(dst []byte, d datagram) {
	if len(dst) != 0 || cap(dst) != len(d.plain) {
		p.t.Fatalf("place for %d bytes has length %d, capacity %d", len(d.plain), len(dst), cap(dst))
	}
}

// forge lets a datagram arrive that is not authentic: opening it leaves zeros in its place.
func (p *peer) forge(h wire.Header, n int) {
	if dst, reason := p.r.Place(h, n, 1, p.now); reason == drop.None {
		p.checkPlace(dst, datagram{h, make([]byte, n)})
		clear(dst[:n])
	}
}

// wait lets time pass.
func (p *peer) wait(d time.Duration) {
	p.now += d
	p.r.Expire(p.now)
}

// Lost implements [chunk.Receiver].
func (p *peer) Lost(reason drop.Reason) { p.lost[reason]++ }

// Deliver implements [chunk.Receiver].
func (p *peer) Deliver(vni uint32, h offload.Header, parts [][]byte, ce bool) {
	m := p.sent[vni]
	if m == nil {
		if !p.lenient {
			p.t.Fatalf("frame of message %d, which nobody sent", vni)
		}
		return
	}
	p.order, p.lastMeta = append(p.order, vni), h
	m.ce = m.ce || ce
	frame := slices.Concat(parts...)
	if h == m.meta && bytes.Equal(frame, m.frame) {
		m.deliverWhole(p.t)
		return
	}
	if m.frames == nil {
		p.t.Fatalf("message %d came as something else", vni)
	}
	frames := cut(h, frame)
	if len(frames) == 0 {
		p.t.Fatalf("message %d: frame of %d bytes with %+v cannot be cut", vni, len(frame), h)
	}
	for _, f := range frames {
		m.deliver(p.t, f)
	}
}

func (m *message) deliverWhole(t testing.TB) {
	m.whole++
	if slices.Contains(m.bytes, true) || m.whole > 1 || m.left < m.cuts {
		t.Fatalf("message %d was delivered twice", m.vni)
	}
	for i := range m.bytes {
		m.bytes[i] = true
	}
	m.left = 0
}

// deliver checks a finished frame of a super-frame that came in parts.
func (m *message) deliver(t testing.TB, frame []byte) {
	ip, ok := ether.ParseIP(frame)
	if !ok || ip.End != len(frame) {
		t.Fatalf("message %d: frame of %d bytes is %+v", m.vni, len(frame), ip)
	}
	if ip.Version == 4 && ether.Sum(frame[ip.Offset:ip.Transport]) != 0xffff {
		t.Fatalf("message %d: IPv4 header checksum is wrong", m.vni)
	}
	sum := ip.PseudoSum(frame, ip.Proto, ip.End-ip.Transport)
	if ether.AddSum(sum, ether.Sum(frame[ip.Transport:])) != 0xffff {
		t.Fatalf("message %d: transport checksum is wrong", m.vni)
	}
	if m.bytes == nil { // UDP: exactly the datagrams that were sent
		if m.frames[string(frame)] == 0 || m.left == 0 {
			t.Fatalf("message %d: a datagram that was not sent, or twice", m.vni)
		}
		m.frames[string(frame)]--
		m.left--
		return
	}
	m.deliverTCP(t, frame, frame[ip.Transport:])
}

func (m *message) deliverTCP(t testing.TB, frame, segment []byte) {
	at := int(binary.BigEndian.Uint32(segment[4:]) - firstSeq)
	payload := frame[m.headers:]
	if at < 0 || at+len(payload) > len(m.bytes) {
		t.Fatalf("message %d: segment %d-%d of %d", m.vni, at, at+len(payload), len(m.bytes))
	}
	if !bytes.Equal(payload, m.frame[m.headers+at:][:len(payload)]) {
		t.Fatalf("message %d: bytes %d-%d are not what was sent", m.vni, at, at+len(payload))
	}
	want := byte(ack)
	if at == 0 {
		want |= cwr
	}
	if at+len(payload) == len(m.bytes) {
		want |= psh | fin
	}
	if segment[13] != want {
		t.Fatalf("message %d: flags %#x at %d, want %#x", m.vni, segment[13], at, want)
	}
	for i := range payload {
		if m.bytes[at+i] {
			t.Fatalf("message %d: byte %d was delivered twice", m.vni, at+i)
		}
		m.bytes[at+i] = true
	}
}

// missing is how many bytes of TCP payload, datagrams, or whole frames were not delivered.
func (m *message) missing() (n int) {
	switch {
	case m.bytes != nil:
		for _, there := range m.bytes {
			if !there {
				n++
			}
		}
		return n
	case m.frames != nil:
		return m.left
	}
	return 1 - m.whole
}
