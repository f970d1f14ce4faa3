package tunnel_test

import (
	"encoding/binary"
	"math/rand/v2"
	"net/netip"
	"runtime"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/vxmesh/vxmesh/tundev/ether"
	"github.com/vxmesh/vxmesh/tunnel/session"
	"github.com/vxmesh/vxmesh/tunnel/udp"
	"github.com/vxmesh/vxmesh/tunnel/wire"
)

// A rogue is a peer that a member trusts and that sends whatever the test wants. It answers pings,
// so that its path is a good one.
type rogue struct {
	w    *world
	of   *member // as whom it speaks
	to   *member
	conn udp.Conn
	ep   *session.Endpoint
	peer *session.Peer

	mu       sync.Mutex // guards the rest
	t        *session.Transport
	counter  uint64
	frames   []string // that came
	told     [][]byte // control messages but pings
	deaf     bool     // answers nothing
	received int      // datagrams
}

// rogue makes a member that victim knows already speak for itself. It is in session with victim.
func (w *world) rogue(of, victim *member) *rogue {
	w.t.Helper()
	conn, err := of.host.Listen(of.addr, udp.Options{Buffer: 4 << 20})
	if err != nil {
		w.t.Fatal(err)
	}
	var seed [32]byte
	binary.BigEndian.PutUint64(seed[:], w.seed)
	r := &rogue{w: w, of: of, to: victim, conn: conn}
	r.ep = session.New(session.Options{
		Key: nodeKey(of.i), ID: [32]byte{byte(of.i)}, Epoch: 1, Hardware: true,
		Caps: session.CapCsum | session.CapTSO | session.CapUSO, Rand: rand.NewChaCha8(seed),
	})
	if r.peer, err = r.ep.Add(victim.options.Mesh.Key.Public()); err != nil {
		w.t.Fatal(err)
	}
	go r.run()
	r.call()
	w.within(time.Second, "the rogue has a session", func() bool { return r.transport() != nil })
	w.pass(3 * time.Second) // the path's MTU is found, and no more probes come
	return r
}

// call begins a handshake.
func (r *rogue) call() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.raw(r.peer.Initiate(time.Since(r.w.origin)))
}

// raw sends datagrams as they are.
func (r *rogue) raw(datagrams ...[]byte) { r.rawTOS(0, datagrams...) }

func (r *rogue) rawTOS(tos uint8, datagrams ...[]byte) {
	msgs := make([]udp.Message, len(datagrams))
	for i, d := range datagrams {
		msgs[i] = udp.Message{To: r.to.addr, Data: d, TTL: 64, TOS: tos}
	}
	r.conn.Write(msgs, udp.Mode{})
}

func (r *rogue) transport() *session.Transport {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.t
}

// run receives until the internet ends.
func (r *rogue) run() { receiveAll(r.conn, r.receive) }

// receiveAll hands on every datagram that comes, until the internet ends.
func receiveAll(conn udp.Conn, take func(from netip.AddrPort, b []byte)) {
	reader := conn.NewReader()
	for {
		batch, err := reader.Read(true)
		if err != nil {
			return
		}
		for _, dg := range batch {
			for _, b := range segments(dg) {
				take(dg.From, b)
			}
		}
	}
}

// segments are the datagrams that a message was merged of.
func segments(dg udp.Datagram) [][]byte {
	if dg.SegmentSize == 0 {
		return [][]byte{dg.Data}
	}
	return slices.Collect(slices.Chunk(dg.Data, dg.SegmentSize))
}

func (r *rogue) receive(from netip.AddrPort, b []byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.received++; r.deaf {
		return
	}
	if wire.KindOf(b) != wire.Data {
		res := r.ep.Receive(time.Since(r.w.origin), from, b)
		if res.Reply != nil {
			r.raw(res.Reply)
		}
		if res.New != nil {
			r.t, r.counter = res.New, 0
			r.raw(r.sealLocked(wire.Header{Last: true}, wire.Ping{Number: 1}.Append(nil, 0)))
		}
		return
	}
	if r.t == nil || wire.Index(b) != r.t.Index() {
		return
	}
	h := wire.ParseHeader(b)
	plain, _ := r.t.Open(nil, b)
	switch {
	case h.VNI != 0:
		r.frames = append(r.frames, string(plain[min(ether.HeaderLen, len(plain)):]))
	case wire.TypeOf(plain) == wire.TypePing:
		pong := wire.Pong{Number: wire.ParsePing(plain).Number, Observed: from}
		r.raw(r.sealLocked(wire.Header{Last: true}, pong.Append(nil)))
	case len(plain) > 0:
		r.told = append(r.told, plain)
	}
}

// seal makes a datagram. Counter and index are the next and the right ones unless h has others.
func (r *rogue) seal(h wire.Header, plain []byte) []byte {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.sealLocked(h, plain)
}

func (r *rogue) sealLocked(h wire.Header, plain []byte) []byte {
	if h.Index == 0 {
		h.Index = r.t.RemoteIndex()
	}
	if h.Counter == 0 {
		h.Counter = r.counter
		r.counter++
	}
	b := make([]byte, wire.Overhead+len(plain))
	h.Put(b)
	r.t.Seal(b, plain)
	return b
}

// reserve skips n counters and gives the first.
func (r *rogue) reserve(n uint64) uint64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.counter += n
	return r.counter - n
}

// frame makes the datagram of a frame of segment 7 that fits one.
func (r *rogue) frame(f []byte) []byte { return r.seal(wire.Header{VNI: 7, Last: true}, f) }

// control makes the datagram of a control message.
func (r *rogue) control(plain []byte) []byte { return r.seal(wire.Header{Last: true}, plain) }

// chunk makes chunk i of the message whose first counter is base.
func (r *rogue) chunk(base uint64, i uint8, last bool, plain []byte) []byte {
	return r.seal(wire.Header{VNI: 7, Counter: base + uint64(i), Chunk: i, Last: last}, plain)
}

// heard is how many datagrams came so far, when all is done that is to be done now.
func (r *rogue) heard() int {
	synctest.Wait()
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.received
}

// TestSessionBeforeItsAnswer has the first frame of a session come as soon as the answer to its
// handshake has left: the session must be known by then.
func TestSessionBeforeItsAnswer(t *testing.T) {
	simulate(t, 29, func(w *world) {
		a, of := w.add(), w.add()
		a.knows(of).calledBy(of)
		start(a)
		r := w.rogue(of, a)
		r.mu.Lock()
		r.deaf = true
		r.mu.Unlock()
		w.tapping(func(from, to netip.AddrPort, b []byte) bool {
			if to == of.addr && wire.KindOf(b) == wire.Handshake2 {
				r.mu.Lock()
				r.t, r.counter = r.ep.Receive(time.Since(w.origin), from, b).New, 0
				r.mu.Unlock()
				w.net.Inject(of.addr, a.addr, r.frame(plainFrame(everybody, station(of.i), "quick")))
				for range 1000 { // let the receiving loop go first; time cannot pass now
					runtime.Gosched()
				}
			}
			return true
		})
		r.call()
		w.pass(time.Second)
		if got := a.bodies(); !slices.Equal(got, []string{"quick"}) {
			t.Errorf("heard %q", got)
		}
	})
}
