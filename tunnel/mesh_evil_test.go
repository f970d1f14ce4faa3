package tunnel_test

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/vxmesh/vxmesh/tundev"
	"github.com/vxmesh/vxmesh/tundev/ether"
	"github.com/vxmesh/vxmesh/tundev/offload"
	"github.com/vxmesh/vxmesh/tunnel/wire"
)

// An attack is one burst of what a peer with good keys and bad intentions sends.
type attack func(r *rogue, rnd *rand.Rand)

// attacks are by name; each burst stays within what a socket's buffer holds.
var attacks = map[string]attack{
	"messages that never end": func(r *rogue, _ *rand.Rand) {
		for range 20 {
			r.raw(r.chunk(r.reserve(128), 0, false, make([]byte, 60000)))
		}
	},
	"messages that never begin": func(r *rogue, _ *rand.Rand) {
		for range 20 {
			r.raw(r.chunk(r.reserve(128), 127, true, make([]byte, 60000)))
		}
	},
	"two ends": func(r *rogue, _ *rand.Rand) {
		base := r.reserve(10)
		for i := range uint8(5) {
			r.raw(r.chunk(base, i+1, true, make([]byte, 100+int(i))))
		}
		r.raw(r.chunk(base, 0, false, make([]byte, 200)))
	},
	"copies of headers that lie": func(r *rogue, rnd *rand.Rand) {
		for range 20 {
			base := r.reserve(2)
			tail := make([]byte, 1+rnd.IntN(50))
			tail[len(tail)-1] = byte(rnd.Uint32())
			last := wire.Header{VNI: 7, Counter: base + 1, Chunk: 1, Last: true}
			last.Flags = wire.FlagOffload | wire.FlagHeaders
			first := wire.Header{VNI: 7, Counter: base, Flags: wire.FlagOffload}
			r.raw(r.seal(last, tail), r.seal(first, pattern(rnd.Uint32(), 1+rnd.IntN(300))))
		}
	},
	"metadata that lies": func(r *rogue, rnd *rand.Rand) {
		for range 20 {
			h, f := tcpSuperFrame(station(1), station(9), rnd.Uint32(), 1000+rnd.IntN(2000))
			for range 1 + rnd.IntN(4) {
				f[12+rnd.IntN(42)] = byte(rnd.Uint32())
			}
			h.HdrLen, h.GSOSize = uint16(rnd.Uint32()), uint16(rnd.IntN(3)*rnd.IntN(2000))
			h.CsumStart, h.CsumOffset = uint16(rnd.IntN(80)), uint16(rnd.IntN(80))
			h.GSOType, h.Flags = byte(rnd.IntN(8)), byte(rnd.IntN(4))
			meta := make([]byte, 10)
			h.Put(meta)
			r.raw(r.seal(wire.Header{VNI: 7, Last: true, Flags: wire.FlagOffload}, append(meta, f...)))
		}
	},
	"chunks at random": func(r *rogue, rnd *rand.Rand) {
		base := r.reserve(64)
		for range 40 {
			i := uint8(rnd.IntN(16))
			r.raw(r.seal(wire.Header{
				VNI: uint32(rnd.IntN(9)), Counter: base + uint64(rnd.IntN(48)) + uint64(i), Chunk: i,
				Last: rnd.IntN(4) == 0, Flags: byte(rnd.IntN(5)),
			}, pattern(rnd.Uint32(), rnd.IntN(3000))))
		}
	},
	"counters out of this world": func(r *rogue, _ *rand.Rand) {
		r.raw(r.seal(wire.Header{VNI: 7, Counter: wire.MaxCounter, Last: true}, nil))
		r.raw(r.seal(wire.Header{VNI: 7, Counter: wire.MaxCounter - 5, Chunk: 127}, make([]byte, 9)))
		r.raw(r.frame(plainFrame(everybody, station(9), "too old now")))
	},
	"pings": func(r *rogue, _ *rand.Rand) {
		for i := range uint64(200) {
			r.raw(r.control(wire.Ping{Number: i}.Append(nil, 1200)))
		}
	},
	"control junk": func(r *rogue, rnd *rand.Rand) {
		for range 400 { // more than the mesh takes at a time
			r.raw(r.control(wire.Pong{Number: rnd.Uint64()}.Append(nil)))
			r.raw(r.control(pattern(rnd.Uint32(), rnd.IntN(40))))
			r.raw(r.control(append([]byte{byte(rnd.IntN(6))}, pattern(rnd.Uint32(), rnd.IntN(40))...)))
		}
	},
	"addresses of everybody": func(r *rogue, rnd *rand.Rand) {
		for range 200 {
			src := station(0x80 | rnd.IntN(0x80))
			src[4] = byte(rnd.Uint32())
			r.raw(r.frame(plainFrame(everybody, src, "hello")))
		}
	},
}

// TestEvilPeer has a peer with good keys do what it can: the node lives, takes no memory that it
// does not give back, and the traffic of others passes.
func TestEvilPeer(t *testing.T) {
	for name, attack := range attacks {
		t.Run(name, func(t *testing.T) {
			simulate(t, 27, func(w *world) {
				a, b := w.pair()
				of := w.add()
				a.knows(of)
				a.calledBy(of)
				start(a, b)
				w.talk(a, b, 3*time.Second)
				r := w.rogue(of, a)
				before := heap()
				w.underAttack(r, attack, a, b)
				if grown := int64(heap()) - int64(before); grown > 8<<20 {
					t.Errorf("%d bytes more are in use", grown)
				}
				if lost := lostBy(a); lost > 0 {
					t.Errorf("the socket lost %d datagrams: the attack is too large for this test", lost)
				}
				t.Logf("%v", a.counts(of).Drops)
			})
		})
	}
}

// underAttack wants every frame between a and b to pass while the rogue does what it does.
func (w *world) underAttack(r *rogue, attack attack, a, b *member) {
	w.t.Helper()
	rnd := rand.New(rand.NewPCG(w.seed, 1))
	a.device.Frames()
	b.bodies()
	for i := range 100 {
		attack(r, rnd)
		word := fmt.Sprint(i)
		a.say(b, word)
		b.say(a, word)
		w.pass(50 * time.Millisecond)
		if !slices.Contains(a.bodies(), word) || !slices.Contains(b.bodies(), word) {
			w.t.Fatalf("frame %d does not come through", i)
		}
	}
	w.pass(10 * time.Second)
	a.bodies()
	w.talk(a, b, time.Second)
}

// TestOverlongFrames has a peer with good keys send messages longer than any frame, to a device that
// super-frames have to be cut for. Their segments are longer than any frame as well.
func TestOverlongFrames(t *testing.T) {
	const size = 32900 // of a chunk; two are less than a buffer holds
	for name, ends := range map[string]bool{"whole": true, "without an end": false} {
		t.Run(name, func(t *testing.T) {
			simulate(t, 30, func(w *world) {
				a, of := w.add(), w.add()
				a.knows(of).calledBy(of)
				a.plainDevice()
				start(a)
				r := w.rogue(of, a)
				m := make([]byte, 2*size)
				h, f := overlongFrame()
				h.Put(m)
				copy(m[offload.HeaderLen:], f)
				base := r.reserve(2)
				first := wire.Header{VNI: 7, Counter: base, Flags: wire.FlagOffload}
				second := first
				second.Counter, second.Chunk, second.Last = base+1, 1, ends
				r.raw(r.seal(first, m[:size]), r.seal(second, m[size:]))
				w.pass(time.Second)
				for _, f := range a.device.Frames() {
					if len(f.Bytes) > tundev.BufLen {
						t.Errorf("the device gets a frame of %d bytes", len(f.Bytes))
					}
				}
				r.raw(r.frame(plainFrame(everybody, station(of.i), "alive")))
				w.pass(time.Second)
				if got := a.bodies(); !slices.Contains(got, "alive") {
					t.Errorf("heard %q", got)
				}
			})
		})
	}
}

// overlongFrame is a UDP super-frame as long as IPv6 can say, whose first segment is nearly as long.
func overlongFrame() (offload.Header, []byte) {
	f := make([]byte, 14+40+65535)
	copy(f, plainFrame(station(1), station(2), ""))
	copy(f[12:], []byte{0x86, 0xdd, 0x60, 0, 0, 0, 0xff, 0xff, ether.ProtoUDP, 64})
	binary.BigEndian.PutUint16(f[58:], 65535)
	return offload.Header{
		Flags: offload.NeedsCsum, GSOType: offload.GSOUDPL4, GSOSize: 65510, CsumStart: 54, CsumOffset: 6,
	}, f
}

// heap is how many bytes are in use.
func heap() uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// lostBy is how many datagrams the member's sockets had no room for.
func lostBy(m *member) (n uint64) {
	for _, s := range m.Stats().Sockets {
		n += s.RxDrops
	}
	return n
}

// TestNewcomerDuringAnAttack lets a node join while another floods the one it joins.
func TestNewcomerDuringAnAttack(t *testing.T) {
	for _, name := range []string{"control junk", "pings", "messages that never end"} {
		t.Run(name, func(t *testing.T) {
			simulate(t, 28, func(w *world) {
				a, b := w.pair()
				of := w.add()
				a.knows(of)
				a.calledBy(of)
				start(a)
				r := w.rogue(of, a)
				rnd := rand.New(rand.NewPCG(w.seed, 1))
				start(b)
				w.within(5*time.Second, "the newcomer is up", func() bool {
					attacks[name](r, rnd)
					w.pass(0)
					return a.pathMTU(b) > 0 && b.pathMTU(a) > 0
				})
			})
		})
	}
}
