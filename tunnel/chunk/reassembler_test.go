package chunk_test

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/vxmesh/vxmesh/tunnel/chunk"
	"github.com/vxmesh/vxmesh/tunnel/drop"
	"github.com/vxmesh/vxmesh/tunnel/wire"
)

const index = 0x1234

func seeded() *rand.Rand { return rand.New(rand.NewPCG(7, 8)) }

// assorted is a message of one of all kinds, and its datagrams, of one of some sizes.
func assorted(t *testing.T, r *rand.Rand, i int) (*message, []datagram) {
	size := []int{61, 300, 1440}[i%3]
	m := newMessage(r, 5, kind(i)%kinds, size+r.IntN(3500), 1000)
	return m, m.datagrams(t, index, 77, size)
}

// Every order of the chunks gives the message, once, and when it is whole.
func TestReassemblerOrders(t *testing.T) {
	r := seeded()
	for i := range 1000 {
		m, ds := assorted(t, r, i)
		r.Shuffle(len(ds), func(i, j int) { ds[i], ds[j] = ds[j], ds[i] })
		p := newPeer(t, m)
		p.take(ds[:len(ds)-1]...)
		if m.whole != 0 || m.missing() == 0 {
			t.Fatal("delivered before it was whole")
		}
		p.take(ds[len(ds)-1])
		if m.whole != 1 || p.r.Open() != 0 {
			t.Fatalf("delivered %d times, %d messages open", m.whole, p.r.Open())
		}
	}
}

// Chunks that come together, in runs that begin anywhere, give the message like those that come one by one.
func TestReassemblerRuns(t *testing.T) {
	r := seeded()
	for i := range 1000 {
		m, left := assorted(t, r, i)
		p := newPeer(t, m)
		for len(left) > 0 {
			from := r.IntN(len(left))
			n, reason := p.tryRun(run(left[from:]))
			if reason != drop.None {
				t.Fatal(reason)
			}
			left = slices.Delete(left, from, from+n)
			if len(left) > 0 && m.whole != 0 {
				t.Fatal("delivered before it was whole")
			}
		}
		if m.whole != 1 || p.r.Open() != 0 {
			t.Fatalf("delivered %d times, %d messages open", m.whole, p.r.Open())
		}
	}
}

// run is the neighbours at the beginning of ds that may come together.
func run(ds []datagram) []datagram {
	n := 1
	for n < len(ds) && !ds[0].h.Last && !ds[n].h.Last && ds[n].h.Chunk == ds[n-1].h.Chunk+1 {
		n++
	}
	return ds[:n]
}

// A run gets a place up to what has one already, and to the end of message and buffer.
func TestPlaceRoom(t *testing.T) {
	const size, counter = 1000, 500
	at := func(chunk int, last bool) datagram {
		h := wire.Header{
			Index: index, VNI: 5, Counter: counter + uint64(chunk), Chunk: uint8(chunk), Last: last, Flags: wire.FlagOffload,
		}
		return datagram{h, make([]byte, size)}
	}
	for name, c := range map[string]struct {
		before            []datagram
		from, count, want int
	}{
		"nothing came":                 {nil, 3, 20, 20},
		"one alone":                    {nil, 3, 1, 1},
		"up to one that came":          {[]datagram{at(7, false)}, 3, 20, 4},
		"right before one":             {[]datagram{at(4, false)}, 3, 20, 1},
		"behind one":                   {[]datagram{at(2, false)}, 3, 20, 20},
		"up to the last":               {[]datagram{at(0, false), at(9, true)}, 3, 20, 6},
		"up to a last that came first": {[]datagram{at(9, true)}, 3, 20, 6},
		"up to the buffer's end":       {nil, 60, 20, 5},
	} {
		p := newPeer(t)
		p.take(c.before...)
		dst, reason := p.r.Place(at(c.from, false).h, size, c.count, 0)
		if reason != drop.None || cap(dst) != c.want*size {
			t.Errorf("%s: room for %d bytes, want %d; %s", name, cap(dst), c.want*size, reason)
		}
	}
}

// The last chunk waits for the first that tells the size, and may overlap its place then.
func TestReassemblerLastFirst(t *testing.T) {
	m := newMessage(seeded(), 5, plain, chunk.MaxData-14, 0)
	m.frame = m.frame[:chunk.MaxData-10]
	ds := m.datagrams(t, index, 0, 40000)
	p := newPeer(t, m)
	p.take(ds[1], ds[0])
	if m.whole != 1 {
		t.Error("not delivered")
	}
}

func TestReassemblerCongestion(t *testing.T) {
	for at := range 3 {
		m := newMessage(seeded(), 5, tcp4, 3000, 1000)
		p := newPeer(t, m)
		for i, d := range m.datagrams(t, index, 0, 1440) {
			p.tryTake(d, i == at)
		}
		if !m.ce || m.whole != 1 {
			t.Errorf("congestion met by chunk %d was forgotten", at)
		}
	}
}

// Two sessions of one peer, as after a rekey, use the same counters.
func TestReassemblerSessions(t *testing.T) {
	r := seeded()
	a, b := newMessage(r, 5, tcp4, 3000, 1000), newMessage(r, 6, tcp4, 3000, 1000)
	p := newPeer(t, a, b)
	x, y := a.datagrams(t, index, 0, 1440), b.datagrams(t, index+1, 0, 1440)
	for i := range x {
		p.take(x[i], y[i])
	}
	if a.whole != 1 || b.whole != 1 {
		t.Errorf("delivered %d and %d times", a.whole, b.whole)
	}
}

// Counters of one session say nothing about another.
func TestReassemblerSessionsAreApart(t *testing.T) {
	r := seeded()
	a, b := newMessage(r, 5, tcp4, 20000, 1448), newMessage(r, 6, tcp4, 20000, 1448)
	c, d := newMessage(r, 7, tcp4, 20000, 1448), newMessage(r, 8, tcp4, 20000, 1448)
	p := newPeer(t, a, b, c, d)
	p.take(a.datagrams(t, index, 90, 1440)[:10]...) // ends at 99
	p.take(b.datagrams(t, index+1, 95, 1440)[0])    // seems to end at 95
	p.take(c.datagrams(t, index, 99+63, 1440)[0])   // near enough to a, not to b
	p.take(d.datagrams(t, index+1, 95+63, 1440)...) // gives up b
	if want := []uint32{6, 8}; !slices.Equal(p.order, want) {
		t.Errorf("delivered %v, want %v", p.order, want)
	}
}

// The very first message of a session has none before it to give up.
func TestReassemblerFirst(t *testing.T) {
	r := seeded()
	a, b := newMessage(r, 5, tcp4, 20000, 1448), newMessage(r, 6, tcp4, 20000, 1448)
	da, db := a.datagrams(t, index, 0, 1440), b.datagrams(t, index, 20, 1440)
	p := newPeer(t, a, b)
	p.take(db[:9]...)
	p.take(da...)
	if want := []uint32{5}; !slices.Equal(p.order, want) || a.whole != 1 {
		t.Errorf("delivered %v, want %v", p.order, want)
	}
}

// Of two that are forgotten at once, neither can begin again.
func TestReassemblerForgetsForGood(t *testing.T) {
	r := seeded()
	a, b := newMessage(r, 5, tcp4, 20000, 1448), newMessage(r, 6, tcp4, 20000, 1448)
	da, db := a.datagrams(t, index, 0, 1440), b.datagrams(t, index, 20, 1440)
	p := newPeer(t, a, b)
	p.take(db[0], da[0])
	p.wait(chunk.Patience)
	p.wait(chunk.Memory)
	for _, d := range []datagram{da[1], db[1]} {
		if reason := p.tryTake(d, false); reason != drop.ChunkTimeout {
			t.Errorf("message %d: %s", d.h.VNI, reason)
		}
	}
}

// What an authentic peer may claim and what not, with message 10 half there.
func TestPlaceRefuses(t *testing.T) {
	const size, counter = 1000, 500
	h := func(chunk uint8, last bool, flags uint8) wire.Header {
		return wire.Header{
			Index: index, VNI: 5, Counter: counter + uint64(chunk), Chunk: chunk, Last: last, Flags: flags,
		}
	}
	const off, heads = wire.FlagOffload, wire.FlagHeaders
	type claim struct {
		h wire.Header
		n int
	}
	first, last := claim{h(0, false, off), size}, claim{h(4, true, off), 10}
	other := h(1, false, off)
	other.VNI = 6
	control := h(1, false, 0)
	control.VNI = 0
	early := wire.Header{Index: index, VNI: 5, Counter: 3, Chunk: 4}
	for _, c := range []struct {
		name   string
		before []claim
		claim  claim
		reason drop.Reason
	}{
		{"first chunk", nil, first, drop.None},
		{"last chunk first", nil, last, drop.None},
		{"no bytes", nil, claim{h(0, false, off), 0}, drop.Malformed},
		{"no bytes at the end", []claim{first}, claim{h(4, true, off), 0}, drop.Malformed},
		{"a control message in chunks", nil, claim{control, size}, drop.Malformed},
		{"flags that mean nothing yet", nil, claim{h(0, false, 4), size}, drop.Malformed},
		{"a copy that is not last", nil, claim{h(0, false, heads), size}, drop.Malformed},
		{"a message of one chunk", nil, claim{h(0, true, 0), size}, drop.Malformed},
		{"a message before the first counter", nil, claim{early, size}, drop.Malformed},
		{"beyond the buffer", nil, claim{h(127, false, off), size}, drop.Malformed},
		{"longer than the buffer", nil, claim{h(0, false, off), chunk.MaxData + 300}, drop.Malformed},
		{"last, longer than the buffer", nil, claim{h(1, true, off), chunk.MaxData + 300}, drop.Malformed},
		{"another segment", []claim{first}, claim{other, size}, drop.Malformed},
		{"no metadata suddenly", []claim{first}, claim{h(1, false, 0), size}, drop.Malformed},
		{"another size", []claim{first}, claim{h(1, false, off), size - 1}, drop.Malformed},
		{"last is longer", []claim{first}, claim{h(4, true, off), size + 1}, drop.Malformed},
		{"last is as long", []claim{first}, claim{h(4, true, off), size}, drop.None},
		{"last ends beyond the buffer", []claim{first}, claim{h(66, true, off), size}, drop.Malformed},
		{"two lasts", []claim{first, last}, claim{h(3, true, off), 10}, drop.Malformed},
		{"two lasts, the second behind", []claim{first, last}, claim{h(5, true, off), 10}, drop.Malformed},
		{"beyond the last", []claim{first, last}, claim{h(5, false, off), size}, drop.Malformed},
		{"beyond the last, size unknown", []claim{last}, claim{h(5, false, off), size}, drop.Malformed},
		{"shorter than the last", []claim{last}, claim{h(0, false, off), 9}, drop.Malformed},
		{"last before one that came", []claim{first, {h(6, false, off), size}}, last, drop.Malformed},
		{"a size that puts the last beyond", []claim{last}, claim{h(0, false, off), 16500}, drop.Malformed},
		{"a chunk that came", []claim{first}, first, drop.Malformed},
		{"between", []claim{first, last}, claim{h(3, false, off), size}, drop.None},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := newPeer(t)
			for _, b := range c.before {
				p.take(datagram{b.h, make([]byte, b.n)})
			}
			if _, reason := p.r.Place(c.claim.h, c.claim.n, 1, 0); reason != c.reason {
				t.Errorf("reason is %s, want %s", reason, c.reason)
			}
		})
	}
}

// Lies that only show when the message is complete.
func TestReassemblerLiars(t *testing.T) {
	const off, heads = wire.FlagOffload, wire.FlagHeaders
	for _, c := range []struct {
		name  string
		flags uint8
		first int
		last  []byte
	}{
		{"a copy longer than the last chunk", heads, 100, []byte{1, 2, 3, 4}},
		{"a copy longer than anything", heads, 100, []byte{255}},
		{"metadata cut short", off, 5, []byte{1, 2, 3}},
		{"metadata and no frame", off, 9, []byte{1}},
		{"a copy and no frame", off | heads, 9, []byte{1, 0}},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := newPeer(t)
			h := wire.Header{Index: index, VNI: 5, Counter: 9, Flags: c.flags &^ heads}
			p.take(datagram{h, make([]byte, c.first)})
			h.Counter, h.Chunk, h.Last, h.Flags = 10, 1, true, c.flags
			p.take(datagram{h, c.last})
			if p.lost[drop.Malformed] != 1 || p.r.Open() != 0 {
				t.Errorf("lost is %v, %d open", p.lost, p.r.Open())
			}
		})
	}
}

// Datagrams that nobody with the key has sent, wherever they claim to belong, change nothing.
func TestForgedHurtNothing(t *testing.T) {
	r := seeded()
	for range 300 {
		m := newMessage(r, 5, kind(r.IntN(int(kinds))), 3000+r.IntN(9000), 1000)
		n := newMessage(r, 6, tcp4, 3000+r.IntN(9000), 1000)
		ds := slices.Concat(m.datagrams(t, index, 10, 500), n.datagrams(t, index, 100, 700))
		r.Shuffle(len(ds), func(i, j int) { ds[i], ds[j] = ds[j], ds[i] })
		came := make(map[uint64]bool)
		p := newPeer(t, m, n)
		for _, d := range ds {
			for range 5 {
				h := ds[r.IntN(len(ds))].h
				size := len(d.plain)
				switch r.IntN(4) {
				case 0:
					h.Chunk, h.Last = uint8(r.IntN(128)), r.IntN(2) == 0
				case 1:
					h.Counter = uint64(r.IntN(200))
				case 2:
					size = r.IntN(65536)
				}
				if !came[h.Counter] { // what has been received is refused before
					p.forge(h, size)
				}
			}
			p.take(d)
			came[d.h.Counter] = true
		}
		if m.missing() != 0 || n.missing() != 0 {
			t.Fatalf("%d and %d missing", m.missing(), n.missing())
		}
	}
}

// A peer that begins messages and never ends them costs bounded memory, and those it does end come.
func TestReassemblerEndlessBeginnings(t *testing.T) {
	r := seeded()
	var pool chunk.Pool
	p := newPeer(t)
	p.r = chunk.NewReassembler(&pool, p)
	p.lenient = true
	const messages = 5000
	for i := range messages {
		h := wire.Header{Index: index, VNI: 1 + uint32(i), Counter: uint64(i)*128 + uint64(r.IntN(128))}
		h.Chunk = uint8(h.Counter % 128)
		h.Last = h.Chunk > 0 && r.IntN(2) == 0
		p.take(datagram{h, make([]byte, 500)})
		p.wait(time.Duration(r.IntN(int(time.Millisecond))))
	}
	if n := p.r.Open() + pool.Idle(); n > chunk.MaxOpen+1 {
		t.Errorf("%d buffers are in use", n)
	}
	whole := newMessage(r, 1<<20, tcp4, 30000, 1448)
	p.sent[whole.vni] = whole
	p.take(whole.datagrams(t, index, messages*128, 1440)...)
	if whole.whole != 1 {
		t.Error("a whole message was not delivered")
	}
	p.wait(chunk.Patience)
	p.wait(chunk.Memory)
	if p.lost[drop.ChunkTimeout] != messages || p.r.Open() != 0 {
		t.Errorf("lost %v of %d, %d open", p.lost, messages, p.r.Open())
	}
}

func TestReassemblerDeadline(t *testing.T) {
	m := newMessage(seeded(), 5, plain, 3000, 0)
	ds := m.datagrams(t, index, 0, 1440)
	p := newPeer(t, m)
	check := func(want time.Duration, wantOK bool) {
		t.Helper()
		if at, ok := p.r.Deadline(); ok != wantOK || at != want {
			t.Fatalf("deadline is %v, %v; want %v, %v", at, ok, want, wantOK)
		}
	}
	check(0, false)
	p.take(ds[0])
	check(chunk.Patience, true)
	p.wait(chunk.Patience / 2)
	p.take(ds[1])
	check(p.now+chunk.Patience, true) // from the last that came on
	p.wait(chunk.Patience - 1)
	check(p.now+1, true)
	p.wait(1)
	check(p.now+chunk.Memory, true) // given up, and not forgotten
	if p.lost[drop.ChunkTimeout] != 0 {
		t.Fatal("lost what can still come")
	}
	p.wait(chunk.Memory - 1)
	p.wait(1)
	check(0, false)
	if p.lost[drop.ChunkTimeout] != 1 {
		t.Fatalf("lost %v", p.lost)
	}
	if reason := p.tryTake(ds[2], false); reason != drop.ChunkTimeout {
		t.Errorf("what comes of a forgotten message: %s", reason)
	}
}

// What is past its time is refused even if nobody has called Expire.
func TestPlaceKnowsTheTime(t *testing.T) {
	m := newMessage(seeded(), 5, plain, 3000, 0)
	ds := m.datagrams(t, index, 0, 1440)
	p := newPeer(t, m)
	p.take(ds[0])
	p.wait(chunk.Patience)
	p.now += chunk.Memory
	if _, reason := p.r.Place(ds[1].h, len(ds[1].plain), 1, p.now); reason != drop.ChunkTimeout {
		t.Errorf("reason is %s", reason)
	}
}

// A message of a kind that is all or nothing can still become whole after it was given up.
func TestReassemblerLateIsWhole(t *testing.T) {
	m := newMessage(seeded(), 5, plain, 3000, 0)
	ds := m.datagrams(t, index, 0, 1440)
	p := newPeer(t, m)
	p.take(ds[0], ds[2])
	p.wait(chunk.Patience)
	p.wait(chunk.Memory / 2)
	p.take(ds[1])
	if m.whole != 1 || len(p.lost) != 0 {
		t.Errorf("delivered %d times, lost %v", m.whole, p.lost)
	}
}

func TestReassemblerClose(t *testing.T) {
	m := newMessage(seeded(), 5, tcp4, 30000, 1448)
	ds := m.datagrams(t, index, 0, 1440)
	p := newPeer(t, m)
	p.take(ds[:9]...)
	p.r.Close()
	if _, ok := p.r.Deadline(); ok || p.r.Open() != 0 || len(p.order) != 0 {
		t.Error("something is left")
	}
	p.take(ds...)
	if m.whole != 1 {
		t.Error("a closed reassembler cannot be used again")
	}
}

// A pool does not keep what a burst has needed.
func TestPoolShrinks(t *testing.T) {
	var pool chunk.Pool
	var peers []*peer
	for i := range 5 {
		p := newPeer(t)
		p.r = chunk.NewReassembler(&pool, p)
		for j := range chunk.MaxOpen {
			h := wire.Header{Index: index, VNI: 1, Counter: uint64(i*1000 + j*200)}
			p.take(datagram{h, make([]byte, 100)})
		}
		peers = append(peers, p)
	}
	for _, p := range peers {
		p.r.Close()
	}
	if n := pool.Idle(); n > chunk.MaxIdle {
		t.Errorf("%d idle", n)
	}
}
