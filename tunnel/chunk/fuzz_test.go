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

// A script reads what happens from the fuzzer's bytes; after its end they are zero.
type script []byte

func (s *script) next(n int) int {
	if len(*s) == 0 {
		return 0
	}
	v := int((*s)[0])
	*s = (*s)[1:]
	return v % n
}

// A game is one script being played. The model is [peer], which knows every byte that was sent and
// that it may be delivered once, and the chunks that were taken.
type game struct {
	p      *peer
	s      script
	honest []*message
	fly    [][]datagram // of each honest message what has not come
	count  []int        // how many it has
	taken  []int        // how many of them have been taken
	liar   uint64       // counters that the liar has used, in a session of its own
}

// FuzzReassembler plays chunks of honest messages in any order, forged datagrams, and a liar who has
// a key of its own.
func FuzzReassembler(f *testing.F) {
	f.Add(uint64(1), []byte{0, 0, 0, 1, 0, 2, 0, 0})
	f.Add(uint64(2), []byte{0, 1, 0, 0, 3, 200, 0, 0, 0, 0, 3, 255, 0, 0})
	f.Add(uint64(3), []byte{1, 2, 5, 1, 9, 2, 0, 0, 130, 4, 9, 2, 1, 1, 7, 3, 9, 9, 0, 0})
	f.Add(uint64(4), []byte{2, 0, 1, 131, 9, 2, 0, 1, 3, 9, 2, 0, 3, 130, 0, 2, 0, 3, 2, 7})
	f.Add(uint64(5), []byte{5, 0, 1, 5, 1, 0, 0, 2, 3, 5, 2, 2, 5, 0, 0, 5, 1, 0, 3, 255, 5, 2, 0})
	f.Fuzz(func(t *testing.T, seed uint64, bytes []byte) {
		g := newGame(t, rand.New(rand.NewPCG(seed, 0)), bytes)
		for len(g.s) > 0 {
			switch g.s.next(6) {
			case 0, 4:
				g.arrive()
			case 5:
				g.arriveTogether()
			case 1:
				g.forge()
			case 2:
				g.lie()
			case 3:
				g.p.wait(time.Duration(g.s.next(256)) * time.Millisecond / 2)
			}
		}
		g.p.wait(chunk.Patience)
		g.p.wait(chunk.Memory)
		g.check(t)
	})
}

func newGame(t *testing.T, r *rand.Rand, bytes []byte) *game {
	g := &game{p: newPeer(t), s: bytes}
	g.p.lenient = true
	counter := uint64(r.IntN(100))
	for i := range 4 {
		m := newMessage(r, uint32(i+1), kind(r.IntN(int(kinds))), 1+r.IntN(3000), 1+r.IntN(1000))
		size := 64 + r.IntN(1000)
		ds := m.datagrams(t, index, counter, size)
		counter += uint64(len(ds))
		if len(ds) == 1 {
			continue
		}
		g.p.sent[m.vni] = m
		g.honest, g.fly = append(g.honest, m), append(g.fly, ds)
		g.count, g.taken = append(g.count, len(ds)), append(g.taken, 0)
	}
	return g
}

// arrive lets one chunk arrive that has not come yet.
func (g *game) arrive() {
	if len(g.fly) == 0 {
		return
	}
	i := g.s.next(len(g.fly))
	if len(g.fly[i]) == 0 {
		return
	}
	k := g.s.next(len(g.fly[i]))
	d := g.fly[i][k]
	g.fly[i] = append(g.fly[i][:k:k], g.fly[i][k+1:]...)
	switch reason := g.p.tryTake(d, false); reason {
	case drop.None:
		g.taken[i]++
	case drop.Malformed:
		g.p.t.Fatalf("chunk %d of message %d is refused", d.h.Chunk, d.h.VNI)
	}
}

// arriveTogether lets a chunk arrive, and with it those of its neighbours that have not come yet and are as long.
func (g *game) arriveTogether() {
	if len(g.fly) == 0 {
		return
	}
	i := g.s.next(len(g.fly))
	fly := g.fly[i]
	if len(fly) == 0 {
		return
	}
	from := g.s.next(len(fly))
	n, reason := g.p.tryRun(run(fly[from:]))
	switch reason {
	case drop.None:
		g.taken[i] += n
	case drop.Malformed:
		g.p.t.Fatalf("chunk %d of message %d is refused", fly[from].h.Chunk, fly[from].h.VNI)
	default:
		n = 1
	}
	g.fly[i] = slices.Delete(slices.Clone(fly), from, from+n)
}

// forge puts an unauthentic datagram where one that has not come may belong.
func (g *game) forge() {
	if len(g.fly) == 0 {
		return
	}
	i := g.s.next(len(g.fly))
	if len(g.fly[i]) == 0 {
		return
	}
	d := g.fly[i][g.s.next(len(g.fly[i]))]
	chunk := uint8(d.h.Counter - d.h.Message())
	d.h.Chunk, d.h.Last = chunk, g.s.next(2) == 0
	g.p.forge(d.h, len(d.plain)+g.s.next(40)-20)
}

// lie lets an authentic datagram of the other session arrive that says anything.
func (g *game) lie() {
	h := wire.Header{
		Index: index + 1, VNI: 1000 + uint32(g.s.next(2)), Counter: g.liar,
		Chunk: uint8(g.s.next(128)), Last: g.s.next(2) == 0, Flags: uint8(g.s.next(5)),
	}
	g.liar += 1 + uint64(g.s.next(3))*uint64(g.s.next(128))
	plain := make([]byte, g.s.next(256)*g.s.next(256))
	for i := range min(len(plain), 64) {
		plain[i] = byte(g.s.next(256))
	}
	if len(plain) > 0 {
		plain[len(plain)-1] = byte(g.s.next(256))
	}
	if h.Last && h.Chunk == 0 {
		return // never comes here
	}
	g.p.tryTake(datagram{h, plain}, false)
}

// check compares what was delivered with what was taken.
func (g *game) check(t *testing.T) {
	if g.p.r.Open() != 0 {
		t.Fatalf("%d messages are open at the end", g.p.r.Open())
	}
	for i, m := range g.honest {
		if g.taken[i] < g.count[i] || g.liar > 0 {
			continue // the liar may have made the reassembler forget
		}
		if m.missing() != 0 {
			t.Fatalf("message %d has all its chunks, and %d missing", m.vni, m.missing())
		}
	}
}
