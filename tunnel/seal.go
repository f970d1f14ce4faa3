package tunnel

import (
	"time"

	"github.com/vxmesh/vxmesh/tundev/ether"
	"github.com/vxmesh/vxmesh/tundev/offload"
	"github.com/vxmesh/vxmesh/tunnel/chunk"
	"github.com/vxmesh/vxmesh/tunnel/drop"
	"github.com/vxmesh/vxmesh/tunnel/udp"
	"github.com/vxmesh/vxmesh/tunnel/wire"
)

const (
	// maxMessage is the longest message: metadata, a frame, and the copy of its headers.
	maxMessage = offload.HeaderLen + slotLen + chunk.MaxCopy
	// maxSealed is the longest message as datagrams.
	maxSealed = maxMessage + wire.MaxChunks*(wire.Overhead+wire.RelayOverhead)
	// sealedLen holds what waits to be sent to peers: some super-frames, few enough to stay in the
	// cache until the kernel has copied them.
	sealedLen = 3 * maxSealed
)

// meshTTL is the outer TTL of everything between nodes.
const meshTTL = 64

// meshMode has the mesh find the MTU of its paths itself, instead of believing whoever sends ICMP
// errors (RFC 8899, 4.6.1).
var meshMode = udp.Mode{DF: true, Probe: true}

// A sealer makes sealed datagrams of one segment's frames and sends them. The datagrams of a
// message lie one after another, as UDP GSO wants them. One goroutine owns it.
type sealer struct {
	s     *segment
	arena []byte
	used  int
	out   outbox
}

func newSealer(s *segment) sealer {
	return sealer{s: s, arena: make([]byte, sealedLen), out: newOutbox(s.accountSealed)}
}

// full reports whether it is time to flush; the next message makes room for itself.
func (z *sealer) full() bool { return len(z.arena)-z.used < maxSealed || z.out.full() }

// flush sends what is queued.
func (z *sealer) flush() {
	if z.used > 0 {
		z.out.flush()
		z.used = 0
	}
}

// frame queues a frame for a peer. It reports false, and has done nothing, when the peer does not
// take the frame as unfinished as meta says it is.
func (z *sealer) frame(pr *peer, meta offload.Header, frame ether.Frame, tos uint8, now time.Duration,
) bool {
	snd := pr.send.Load()
	if snd == nil || snd.t.Expired(now) {
		z.hold(pr, meta, frame, tos, now)
		pr.want()
		return true
	}
	if !snd.takes(meta) {
		return false
	}
	m := message{meta: meta, frame: frame, vni: z.s.vni}
	if meta != (offload.Header{}) {
		m.flags, m.before = wire.FlagOffload, offload.HeaderLen
	}
	if reason := z.put(pr, snd, &m, tos, now); reason != drop.None {
		z.s.dropTo(&pr.party, frame, reason, 1)
		return true
	}
	z.s.tx.add(1, len(frame))
	pr.tx.add(1, len(frame))
	if pr.sentAt.Load() != int64(now) {
		pr.sentAt.Store(int64(now))
	}
	return true
}

// A message is what is cut into chunks: a frame behind its metadata.
type message struct {
	meta   offload.Header
	before int // bytes of metadata: 10 or none
	frame  []byte
	vni    uint32
	flags  uint8
}

// gather writes bytes from to to of the message to dst.
func (m *message) gather(dst []byte, from, to int) {
	if from < m.before {
		var meta [offload.HeaderLen]byte
		m.meta.Put(meta[:])
		n := copy(dst, meta[from:min(to, m.before)])
		dst, from = dst[n:], from+n
	}
	if from < to {
		copy(dst, m.frame[from-m.before:to-m.before])
	}
}

// headers is how many bytes of a super-frame's message are repeated behind it, so that the loss
// of the first chunk costs no more than that of another: metadata and all headers. 0 for others.
func (m *message) headers() int {
	if !m.meta.IsSuper() {
		return 0
	}
	n := int(m.meta.CsumStart) + ether.UDPHeaderLen
	if m.meta.GSOType&^offload.GSOECN != offload.GSOUDPL4 {
		at := int(m.meta.CsumStart) + 12 // TCP's data offset (RFC 9293, 3.1)
		if at >= len(m.frame) {
			return 0
		}
		n = int(m.meta.CsumStart) + int(m.frame[at]>>4)*4
	}
	if n >= len(m.frame) {
		return 0
	}
	return m.before + n
}

// put seals a message and queues its datagrams.
func (z *sealer) put(pr *peer, snd *sender, m *message, tos uint8, now time.Duration) drop.Reason {
	n := m.before + len(m.frame)
	plan, ok := chunk.NewPlan(n, m.headers(), snd.payload)
	if !ok {
		return drop.TooBig
	}
	each := snd.overhead()
	if len(z.arena)-z.used < plan.Total()+plan.Count*each {
		z.flush()
	}
	counter, ok := snd.t.Reserve(plan.Count)
	if !ok {
		pr.want()
		return drop.NoSession
	}
	outer, ok := snd.reserveOuter(plan.Count, now)
	if !ok {
		return drop.NoSession
	}
	start := z.used
	h := wire.Header{Index: snd.t.RemoteIndex(), VNI: m.vni, Counter: counter, Flags: m.flags}
	if snd.direct() {
		z.chunks(snd, m, &plan, h)
	} else {
		for i := range plan.Count {
			at := z.used
			z.used += wire.HeaderLen + wire.RelayLen
			z.chunk(snd, m, &plan, h, i)
			z.wrap(snd, at, outer+uint64(i))
		}
	}
	pr.txDatagrams.Add(uint64(plan.Count))
	if plan.Count > 1 || plan.Size == snd.payload {
		pr.noteBig()
	}
	out := udp.Message{To: snd.to, TTL: meshTTL, TOS: tos}
	w := way{sock: snd.sock, to: &pr.party, mode: meshMode}
	z.out.add(z.arena, start, z.used, plan.Len(0)+each, &out, &w)
	return drop.None
}

// reserveOuter takes counters of the session with the relay for n datagrams, if there is one. The way to
// it is watched as if something had been sent to itself.
func (s *sender) reserveOuter(n int, now time.Duration) (counter uint64, ok bool) {
	if s.direct() {
		return 0, true
	}
	if counter, ok = s.viaT.Reserve(n); !ok || s.viaT.Expired(now) {
		s.via.want()
		return 0, false
	}
	if s.via.sentAt.Load() != int64(now) {
		s.via.sentAt.Store(int64(now))
	}
	return counter, true
}

// chunks seals all chunks of a message. Those between the metadata and the last are nothing but parts of the frame.
func (z *sealer) chunks(snd *sender, m *message, plan *chunk.Plan, h wire.Header) {
	i, last := 0, plan.Count-1
	for ; i < last && i*plan.Size < m.before; i++ {
		z.chunk(snd, m, plan, h, i)
	}
	if i < last {
		z.run(snd, m, plan, h, i, last)
	}
	z.chunk(snd, m, plan, h, last)
}

// run seals the chunks from from on, up to to, which is not among them.
func (z *sealer) run(snd *sender, m *message, plan *chunk.Plan, h wire.Header, from, to int) {
	size := wire.Overhead + plan.Size
	run := z.arena[z.used : z.used+(to-from)*size]
	z.used += len(run)
	h.Chunk, h.Counter = uint8(from), h.Counter+uint64(from)
	for at := 0; at < len(run); at += size {
		h.Put(run[at:])
		h.Chunk, h.Counter = h.Chunk+1, h.Counter+1
	}
	at, _ := plan.Range(from)
	snd.t.SealRun(run, m.frame[at-m.before:], plan.Size)
}

// chunk seals chunk i of the message that h is the header of, behind those before it. Chunks that are not simply a part of
// the frame are put together where they are sealed.
func (z *sealer) chunk(snd *sender, m *message, plan *chunk.Plan, h wire.Header, i int) {
	h.Chunk, h.Counter, h.Last = uint8(i), h.Counter+uint64(i), i == plan.Count-1
	from, to := plan.Range(i)
	n, repeats := to-from, 0
	if h.Last && plan.Copy > 0 {
		repeats = plan.Copy
		h.Flags |= wire.FlagHeaders
	}
	dg := z.arena[z.used : z.used+wire.Overhead+n+repeats]
	z.used += len(dg)
	h.Put(dg)
	if from >= m.before && repeats == 0 {
		snd.t.Seal(dg, m.frame[from-m.before:to-m.before])
		return
	}
	plain := dg[wire.HeaderLen : wire.HeaderLen+n+repeats]
	m.gather(plain, from, to)
	if repeats > 0 {
		m.gather(plain[n:], 0, repeats-1)
		plain[len(plain)-1] = byte(repeats - 1)
	}
	snd.t.Seal(dg, plain)
}

// wrap seals the datagram that lies behind room at from once more, for the relay that passes it on.
func (z *sealer) wrap(snd *sender, from int, counter uint64) {
	z.used += wire.TagLen
	dg := z.arena[from:z.used]
	wire.Header{Index: snd.viaT.RemoteIndex(), Counter: counter, Last: true}.Put(dg)
	plain := dg[wire.HeaderLen : len(dg)-wire.TagLen]
	wire.PutRelay(plain, wire.TypeRelay, snd.tag)
	snd.viaT.Seal(dg, plain)
	snd.via.txDatagrams.Add(1)
}

// overhead is what each datagram has over what it carries.
func (s *sender) overhead() int {
	if s.direct() {
		return wire.Overhead
	}
	return wire.Overhead + wire.RelayOverhead
}

// accountSealed counts a message to a peer that was written. Its frames were counted before.
func (s *segment) accountSealed(m *udp.Message, w *way) {
	if m.Failed > 0 {
		reason := failure(m)
		if reason == drop.TooBig {
			s.node.mesh.linksChanged() // the link's MTU is smaller than it was
		}
		s.dropTo(w.to, nil, reason, uint64(m.Failed))
	}
	sent := w.n - m.Failed
	w.sock.tx.add(sent, max(len(m.Data)-m.Failed*w.size, 0))
	s.node.captureSent(m, w, s.vni)
}
