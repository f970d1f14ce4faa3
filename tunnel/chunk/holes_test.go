package chunk_test

import (
	"encoding/binary"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/vxmesh/vxmesh/tundev/offload"
	"github.com/vxmesh/vxmesh/tunnel/chunk"
	"github.com/vxmesh/vxmesh/tunnel/drop"
	"github.com/vxmesh/vxmesh/tunnel/wire"
)

// without gives the datagrams but those at the places named.
func without(ds []datagram, places ...int) (rest []datagram) {
	for i, d := range ds {
		if !slices.Contains(places, i) {
			rest = append(rest, d)
		}
	}
	return rest
}

func TestHolesTCP(t *testing.T) {
	for _, c := range []struct {
		name   string
		lost   []int
		frames int
	}{
		{"one in the middle", []int{5}, 2},
		{"two holes", []int{5, 9}, 3},
		{"the first: the copy stands in", []int{0}, 1},
		{"first and second", []int{0, 1}, 1},
		{"the last: it is not known how many there were", []int{20}, 1},
		{"all but one in the middle and the ends", []int{
			1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 12, 13, 14, 15, 16, 17, 18, 19,
		}, 3},
	} {
		for _, k := range []kind{tcp4, tcp6} {
			t.Run(c.name, func(t *testing.T) { testHoles(t, k, c.lost, c.frames) })
		}
	}
}

// testHoles loses chunks of a message of 21, and wants all the rest in so many frames.
func testHoles(t *testing.T, k kind, lost []int, frames int) {
	m := newMessage(seeded(), 5, k, 28780, 1448)
	ds := m.datagrams(t, index, 1000, 1440)
	if len(ds) != 21 {
		t.Fatalf("%d chunks", len(ds))
	}
	p := newPeer(t, m)
	p.take(without(ds, lost...)...)
	if len(p.order) != 0 {
		t.Fatal("delivered too early")
	}
	p.wait(chunk.Patience)
	want := m.absent(ds, func(d datagram) bool { return slices.Contains(lost, int(d.h.Chunk)) })
	if len(p.order) != frames || m.missing() != want || want == 0 {
		t.Fatalf("%d frames, %d bytes missing; want %d, %d", len(p.order), m.missing(), frames, want)
	}
	p.wait(chunk.Memory)
	if p.lost[drop.ChunkTimeout] != 1 || p.r.Open() != 0 {
		t.Errorf("lost %v, %d open", p.lost, p.r.Open())
	}
}

// Without the headers nothing can be made of the payload.
func TestHolesWithoutHeaders(t *testing.T) {
	m := newMessage(seeded(), 5, tcp4, 28780, 1448)
	ds := m.datagrams(t, index, 1000, 1440)
	p := newPeer(t, m)
	p.take(ds[1 : len(ds)-1]...)
	p.wait(chunk.Patience)
	if len(p.order) != 0 {
		t.Fatalf("%d frames", len(p.order))
	}
	p.take(ds[0])
	if len(p.order) != 1 || m.missing() == 0 {
		t.Fatalf("%d frames when the first chunk came late, %d missing", len(p.order), m.missing())
	}
}

// What comes late is delivered by itself, in whatever order, and then nothing was lost.
func TestHolesLate(t *testing.T) {
	r := seeded()
	for range 300 {
		m := newMessage(r, 5, kind(r.IntN(int(kinds))), 10000+r.IntN(40000), 1000+r.IntN(500))
		ds := m.datagrams(t, index, 1000, 500+r.IntN(1000))
		r.Shuffle(len(ds), func(i, j int) { ds[i], ds[j] = ds[j], ds[i] })
		late := 1 + r.IntN(len(ds)-1)
		p := newPeer(t, m)
		p.take(ds[late:]...)
		p.wait(chunk.Patience)
		p.take(ds[:late]...)
		if m.missing() != 0 || p.r.Open() != 0 || len(p.lost) != 0 {
			t.Fatalf("%d missing, %d open, lost %v", m.missing(), p.r.Open(), p.lost)
		}
	}
}

// A datagram of UDP needs all its chunks: with 1000-byte datagrams in 700-byte chunks the loss of
// one chunk costs two or three of them.
func TestHolesUDP(t *testing.T) {
	for _, k := range []kind{udp4, udp6} {
		m := newMessage(seeded(), 5, k, 20000, 1000)
		ds := m.datagrams(t, index, 0, 700)
		p := newPeer(t, m)
		p.take(without(ds, 4)...)
		p.wait(chunk.Patience)
		// Chunk 4 holds bytes 2800-3500 of the message, payload 2748-3448 or 2728-3428.
		if m.missing() != 2 || len(p.order) != 2 {
			t.Errorf("%d datagrams missing in %d frames", m.missing(), len(p.order))
		}
		p.take(ds[4])
		if m.missing() != 0 || len(p.lost) != 0 {
			t.Errorf("%d missing at last, lost %v", m.missing(), p.lost)
		}
	}
}

// Frames that are not super-frames are all or nothing.
func TestHolesPlain(t *testing.T) {
	partial := newMessage(seeded(), 5, tcp4, 1400, 1448)
	partial.meta.GSOType, partial.meta.GSOSize = offload.GSONone, 0
	for _, m := range []*message{newMessage(seeded(), 5, plain, 1400, 0), partial} {
		ds := m.datagrams(t, index, 0, 500)
		p := newPeer(t, m)
		p.take(without(ds, 1)...)
		p.wait(chunk.Patience)
		p.wait(chunk.Memory)
		if len(p.order) != 0 || p.lost[drop.ChunkTimeout] != 1 {
			t.Errorf("%d frames, lost %v", len(p.order), p.lost)
		}
	}
}

// Only the copy of the headers is lost: nothing is.
func TestHolesCopyOnly(t *testing.T) {
	m := newMessage(seeded(), 5, tcp4, 3*1440-76, 1448)
	ds := m.datagrams(t, index, 0, 1440)
	h := ds[len(ds)-1]
	// Move what the last chunk has of the message to the others, as another sender may.
	data := m.data()
	ds = nil
	for i := range 3 {
		g := h.h
		g.Counter, g.Chunk, g.Last, g.Flags = uint64(i), uint8(i), false, wire.FlagOffload
		ds = append(ds, datagram{g, data[i*1440 : (i+1)*1440]})
	}
	p := newPeer(t, m)
	p.take(ds...)
	p.wait(chunk.Patience)
	p.wait(chunk.Memory)
	if m.missing() != 0 || len(p.order) != 1 || len(p.lost) != 0 {
		t.Errorf("%d missing in %d frames, lost %v", m.missing(), len(p.order), p.lost)
	}
}

// A hole is declared when something later is delivered, so that TCP sees the order it was sent in.
func TestHolesKeepOrder(t *testing.T) {
	r := seeded()
	a, b := newMessage(r, 1, tcp4, 20000, 1448), newMessage(r, 2, udp4, 20000, 1400)
	c := newMessage(r, 3, tcp4, 20000, 1448)
	p := newPeer(t, a, b, c)
	da, db := a.datagrams(t, index, 0, 1440), b.datagrams(t, index, 20, 1440)
	dc := c.datagrams(t, index, 40, 1440)
	p.take(without(db, 0)...) // b overtakes a
	p.take(without(da, 3)...)
	p.take(dc...)
	if want := []uint32{1, 1, 2, 3}; !slices.Equal(p.order, want) {
		t.Errorf("the order is %v, want %v", p.order, want)
	}
	p.take(da[3], db[0])
	if a.missing()+b.missing()+c.missing() != 0 {
		t.Error("late chunks were not delivered")
	}
}

// A hole is declared when the sender is well past it, even if nothing has been whole since.
func TestHolesReorder(t *testing.T) {
	r := seeded()
	a := newMessage(r, 1, tcp4, 20000, 1448)
	da := a.datagrams(t, index, 0, 1440)
	for _, c := range []struct {
		counter uint64
		frames  int
	}{
		{uint64(len(da)) - 1 + chunk.Reorder - 1, 0},
		{uint64(len(da)) - 1 + chunk.Reorder, 1},
	} {
		a.bytes, a.whole = make([]bool, 20000), 0
		b := newMessage(r, 2, tcp4, 20000, 1448)
		p := newPeer(t, a, b)
		p.take(da[1:]...)
		p.take(b.datagrams(t, index, c.counter, 1440)[0])
		if len(p.order) != c.frames {
			t.Errorf("a message that begins at %d: %d frames", c.counter, len(p.order))
		}
	}
}

// When there is no more room, the oldest message makes it: first of those that were given up.
func TestHolesMakeRoom(t *testing.T) {
	r := seeded()
	var sent []*message
	var ds [][]datagram
	for i := range chunk.MaxOpen + 2 {
		m := newMessage(r, uint32(i+1), tcp4, 20000, 1448)
		sent, ds = append(sent, m), append(ds, m.datagrams(t, index, uint64(i*20), 1440))
	}
	p := newPeer(t, sent...)
	p.take(ds[0][0])
	p.wait(time.Millisecond)
	p.take(ds[1][0])
	p.wait(chunk.Patience - 1)
	if len(p.order) != 1 { // 0 is given up and keeps its place
		t.Fatalf("%d frames", len(p.order))
	}
	// From 5 on, they begin far behind the end of what came of the first ones.
	for _, d := range ds[2:chunk.MaxOpen] {
		p.take(d[0])
	}
	if p.lost[drop.ChunkTimeout] != 0 || p.r.Open() != chunk.MaxOpen {
		t.Fatalf("lost %v, %d open", p.lost, p.r.Open())
	}
	p.take(ds[chunk.MaxOpen][0])
	if p.lost[drop.ChunkTimeout] != 1 || p.r.Open() != chunk.MaxOpen {
		t.Fatalf("lost %v, %d open", p.lost, p.r.Open())
	}
	if reason := p.tryTake(ds[0][1], false); reason != drop.ChunkTimeout {
		t.Errorf("what comes of the one that made room: %s", reason)
	}
	if reason := p.tryTake(ds[1][1], false); reason != drop.None {
		t.Errorf("what comes of another: %s", reason)
	}
}

// One that is still arriving stays before one that was given up, even if it is older.
func TestHolesMakeRoomKindly(t *testing.T) {
	r := seeded()
	p := newPeer(t)
	var ds [][]datagram
	for i := range chunk.MaxOpen + 1 {
		m := newMessage(r, uint32(i+1), tcp4, 20000, 1448)
		p.sent[m.vni] = m
		session := uint32(index)
		if i == 0 {
			session++
		}
		ds = append(ds, m.datagrams(t, session, uint64(i*20), 1440))
	}
	p.take(ds[0][0], ds[1][0])
	p.wait(chunk.Patience / 2)
	p.take(ds[0][1])
	p.wait(chunk.Patience / 2)
	for _, d := range ds[2:] {
		p.take(d[0])
	}
	p.take(ds[0][2:]...)
	if p.sent[1].whole != 1 || p.lost[drop.ChunkTimeout] != 1 {
		t.Errorf("the one that was arriving was delivered %d times, lost %v", p.sent[1].whole, p.lost)
	}
}

// Headers that lie make a message all or nothing; they never make something else of its bytes.
func TestHolesLyingHeaders(t *testing.T) {
	put := binary.LittleEndian.PutUint16
	for name, lie := range map[string]func(data []byte){
		"no segment size":          func(d []byte) { put(d[4:], 0) },
		"complete checksum":        func(d []byte) { d[0] = 0 },
		"kind that nobody knows":   func(d []byte) { d[1] = 77 },
		"the other IP":             func(d []byte) { d[1] = offload.GSOTCPv6 },
		"UDP":                      func(d []byte) { d[1] = offload.GSOUDPL4 },
		"checksum elsewhere":       func(d []byte) { put(d[8:], 15) },
		"transport within IP":      func(d []byte) { put(d[6:], 20) },
		"transport beyond the end": func(d []byte) { put(d[6:], 65535) },
		"data offset of 4":         func(d []byte) { d[10+34+12] = 1 << 4 },
		"EtherType":                func(d []byte) { d[10+12] = 0x42 },
		"IP version":               func(d []byte) { d[10+14] = 0x65 },
		"IP header length":         func(d []byte) { d[10+14] = 0x44 },
		"a fragment":               func(d []byte) { d[10+14+7] = 1 },
		"shorter than the message": func(d []byte) { d[10+14+3]-- },
		"longer than the message":  func(d []byte) { d[10+14+3]++ },
		"shorter than its headers": func(d []byte) { d[10+14+2], d[10+14+3] = 0, 40 },
		"another protocol":         func(d []byte) { d[10+14+9] = 47 },
	} {
		t.Run(name, func(t *testing.T) {
			m := newMessage(seeded(), 5, tcp4, 20000, 1448)
			ds := m.datagrams(t, index, 0, 1440)
			lie(ds[0].plain)
			last := ds[len(ds)-1].plain
			lie(last[len(last)-1-int(last[len(last)-1]):])
			p := newPeer(t, m)
			p.take(without(ds, 3)...)
			p.wait(chunk.Patience)
			p.wait(chunk.Memory)
			if len(p.order) != 0 || p.lost[drop.ChunkTimeout] != 1 {
				t.Errorf("%d frames, lost %v", len(p.order), p.lost)
			}
		})
	}
}

// Thousands of messages over a path that loses, repeats and reorders: what can be delivered is.
func TestHolesRandom(t *testing.T) {
	for _, loss := range []float64{0, 0.01, 0.05, 0.2} {
		r := rand.New(rand.NewPCG(uint64(loss*1000), 3))
		p := newPeer(t)
		s := &stream{t: t, r: r, p: p, loss: loss}
		for range 300 {
			s.send(newMessage(r, uint32(len(p.sent)+1), kind(r.IntN(int(kinds))), 1+r.IntN(60000), 1400))
		}
		s.flush(0)
		p.wait(chunk.Patience)
		p.wait(chunk.Memory)
		s.check()
		if p.r.Open() != 0 || p.lost[drop.Malformed] != 0 {
			t.Errorf("%d open, lost %v", p.r.Open(), p.lost)
		}
	}
}

// A stream sends messages one after another over a bad path.
type stream struct {
	t       *testing.T
	r       *rand.Rand
	p       *peer
	loss    float64
	counter uint64
	fly     []datagram
	came    map[uint64]bool
	cutSize int
	parts   map[uint32][]datagram // of each message
}

func (s *stream) send(m *message) {
	if s.came == nil {
		s.came, s.parts, s.cutSize = make(map[uint64]bool), make(map[uint32][]datagram), 1440
	}
	s.p.sent[m.vni] = m
	ds := m.datagrams(s.t, index, s.counter, s.cutSize)
	s.counter += uint64(len(ds))
	if len(ds) == 1 { // never comes here
		m.deliverWhole(s.t)
		return
	}
	s.parts[m.vni] = ds
	for _, d := range ds {
		if s.r.Float64() < s.loss {
			continue
		}
		s.fly = append(s.fly, d)
		if s.r.IntN(50) == 0 {
			s.fly = append(s.fly, d)
		}
		if n := len(s.fly); n > 6 && s.r.IntN(20) == 0 {
			k := n - 1 - s.r.IntN(6)
			s.fly[n-1], s.fly[k] = s.fly[k], s.fly[n-1]
		}
	}
	s.flush(10)
}

// flush lets all arrive but the last few.
func (s *stream) flush(keep int) {
	for len(s.fly) > keep {
		d := s.fly[0]
		s.fly = s.fly[1:]
		if s.came[d.h.Counter] {
			continue // the replay window
		}
		s.came[d.h.Counter] = true
		s.p.take(d)
		s.p.wait(20 * time.Microsecond)
	}
}

// check compares what was delivered with what could be.
func (s *stream) check() {
	s.t.Helper()
	for vni, ds := range s.parts {
		m, n := s.p.sent[vni], 0
		for _, d := range ds {
			if s.came[d.h.Counter] {
				n++
			}
		}
		if n == len(ds) && m.missing() != 0 {
			s.t.Fatalf("message %d is all there, and %d missing", vni, m.missing())
		}
		if m.bytes == nil || n < 2 || !s.headed(ds) {
			continue
		}
		want := m.absent(ds, func(d datagram) bool { return !s.came[d.h.Counter] })
		if m.missing() != want {
			s.t.Fatalf("message %d: %d bytes missing, want %d", vni, m.missing(), want)
		}
	}
}

// headed reports whether the headers of a message came.
func (s *stream) headed(ds []datagram) bool {
	last := ds[len(ds)-1].h
	return s.came[ds[0].h.Counter] || s.came[last.Counter] && last.Flags&wire.FlagHeaders != 0
}

// absent is how many bytes of TCP payload are in the datagrams that were lost.
func (m *message) absent(ds []datagram, lost func(datagram) bool) (n int) {
	at, base := 0, offload.HeaderLen+m.headers
	for _, d := range ds {
		end := min(at+len(d.plain), base+len(m.bytes))
		if lost(d) {
			n += max(end-max(at, base), 0)
		}
		at += len(d.plain)
	}
	return n
}
