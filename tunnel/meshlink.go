package tunnel

import (
	"errors"
	"net"
	"os"
	"time"

	"github.com/vxmesh/vxmesh/nat"
	"github.com/vxmesh/vxmesh/tundev"
	"github.com/vxmesh/vxmesh/tundev/ether"
	"github.com/vxmesh/vxmesh/tundev/offload"
	"github.com/vxmesh/vxmesh/tunnel/chunk"
	"github.com/vxmesh/vxmesh/tunnel/drop"
	"github.com/vxmesh/vxmesh/tunnel/udp"
	"github.com/vxmesh/vxmesh/tunnel/vxlan"
	"github.com/vxmesh/vxmesh/tunnel/wire"
)

// A meshlink carries the datagrams of peers from one mesh socket into their segments:
//
//	socket -> kind, session -> open, put together -> ingress
//
// One goroutine owns it. What is not a frame goes to the mesh, except a ping, which is answered at
// once.
type meshlink struct {
	pulse
	n      *Node
	sock   *socket
	number uint8 // of the socket
	reader udp.Reader
	in     ingress
	way    nat.Way    // by which the datagram at hand came
	source nat.Tag    // of whom the relay says that it is, if it came through one
	pass   *forwarder // nil until there is something to pass on

	genuine  *inbound             // whose datagrams of this message were authentic
	genuines uint64               // and how many
	table    *map[uint32]*inbound // the mesh's, as of the datagram before
	last     *inbound             // that datagram's: most often it is the next one's too
	pool     chunk.Pool
	parts    map[*peer]*reception
	lastPart *reception   // of the chunk before
	waiting  []*reception // those with messages that are not whole yet
	deadline time.Time    // the socket's; zero when it has none
	scratch  []byte       // a frame put together from what came of it
}

func newMeshlink(n *Node, sock *socket, number uint8) *meshlink {
	return &meshlink{
		n: n, sock: sock, number: number, reader: sock.NewReader(), in: newIngress(n),
		parts: make(map[*peer]*reception),
	}
}

// carry takes the datagrams that have arrived into their segments.
func (l *meshlink) carry(wait bool) error {
	datagrams, err := l.reader.Read(wait)
	l.begin()
	defer l.end()
	l.in.now = l.n.tick()
	switch {
	case errors.Is(err, net.ErrClosed):
		return errEnded
	case errors.Is(err, os.ErrDeadlineExceeded):
		l.deadline = time.Time{}
		_ = l.sock.SetReadDeadline(l.deadline) // closed: the next Read tells
	case err != nil: // an ICMP error that the kernel reports here; nothing is lost by going on
		l.n.log.Debug("receive", "socket", l.sock.LocalAddr(), "err", err)
		return nil
	}
	for i := range datagrams {
		l.split(&datagrams[i])
	}
	l.expire()
	if l.pass != nil {
		l.pass.flush()
	}
	l.in.flush()
	return nil
}

func (l *meshlink) endpoint() any { return l.sock.Conn }

// split takes a message apart again that the kernel merged.
func (l *meshlink) split(dg *udp.Datagram) {
	size := dg.SegmentSize
	if size == 0 {
		size = max(len(dg.Data), 1)
	}
	l.sock.rx.add((len(dg.Data)+size-1)/size, len(dg.Data))
	l.n.noteReceived(dg, l.sock, size)
	l.way = nat.Way{Socket: l.number, Addr: dg.From}
	runs := true
	for data := dg.Data; len(data) > 0; {
		n := 0
		if runs {
			n, runs = l.run(data, size, dg)
		}
		if n > 0 {
			data = data[n*size:]
			continue
		}
		n = min(size, len(data))
		l.receive(data[:n:n], dg)
		data = data[n:]
	}
	l.settle()
}

// receive tells one datagram, of message dg, from others by its first bytes.
func (l *meshlink) receive(data []byte, dg *udp.Datagram) {
	switch wire.KindOf(data) {
	case wire.Data:
		l.data(data, dg)
	case wire.Handshake1, wire.Handshake2, wire.Cookie:
		l.handshake(data, dg)
	case wire.Plain: // from a VTEP: that is what listen.vxlan is for
		l.dropDatagram(data, dg, nil, drop.NoSession)
	case wire.STUN:
		l.reflect(data, dg)
	case wire.Opener: // it has done its work on the way here
	default:
		l.dropDatagram(data, dg, nil, drop.Junk)
	}
}

// handshake leaves a handshake to the mesh, if its sender knows whom it talks to: everything else
// costs a hash, and gets no answer.
func (l *meshlink) handshake(data []byte, dg *udp.Datagram) {
	if reason := l.n.mesh.screen(data); reason != drop.None {
		l.dropDatagram(data, dg, nil, reason)
		return
	}
	e := l.event(dg)
	e.data = append([]byte(nil), data...)
	if !l.n.mesh.post(e) {
		l.dropDatagram(data, dg, nil, drop.RateLimit)
		return
	}
	l.n.captureOuter(data, dg.From, l.sock, 0, "", drop.None, true)
}

// session finds the session that a datagram is for.
func (l *meshlink) session(index uint32) *inbound {
	if table := l.n.mesh.table.Load(); table != l.table { // what was there may be no more
		l.table, l.last = table, nil
	}
	in := l.last
	if in == nil || in.t.Index() != index {
		in = (*l.table)[index]
	}
	if in == nil || in.t.Expired(l.in.now) {
		return nil
	}
	l.last = in
	return in
}

// data opens a datagram. A whole message is opened where it is, a chunk where it belongs.
func (l *meshlink) data(data []byte, dg *udp.Datagram) {
	if len(data) < wire.Overhead {
		l.dropDatagram(data, dg, nil, drop.Truncated)
		return
	}
	h := wire.ParseHeader(data)
	in := l.session(h.Index)
	if in == nil {
		l.dropDatagram(data, dg, nil, drop.NoSession)
		return
	}
	if l.n.tap.On() {
		l.n.captureOuter(data, dg.From, l.sock, h.VNI, in.peer.name, drop.None, true)
	}
	if !h.Last || h.Chunk != 0 {
		l.chunk(data, dg, h, in)
		return
	}
	plain, reason := in.t.Open(data[wire.HeaderLen:wire.HeaderLen], data)
	if reason != drop.None {
		l.dropDatagram(data, dg, in.peer, reason)
		return
	}
	l.authentic(in, 1)
	if h.Flags&^wire.FlagOffload != 0 || h.VNI == 0 && h.Flags != 0 {
		in.peer.dropPeer(drop.Malformed)
		return
	}
	if h.VNI == 0 {
		l.control(in, plain, dg)
		return
	}
	var meta offload.Header
	if h.Flags&wire.FlagOffload != 0 {
		if len(plain) < offload.HeaderLen {
			in.peer.dropPeer(drop.Malformed)
			return
		}
		meta, plain = offload.ParseHeader(plain), plain[offload.HeaderLen:]
	}
	l.accept(in.peer, h.VNI, meta, plain, dg.TOS, false)
}

// authentic notes that count datagrams of a peer were genuine. What follows from it is done once for all
// that came in one message.
func (l *meshlink) authentic(in *inbound, count int) {
	if in != l.genuine {
		l.settle()
		l.genuine = in
		if !in.t.Confirmed() {
			l.n.mesh.confirm(in, l.way)
		}
	}
	l.genuines += uint64(count)
}

// settle notes that genuine datagrams of a peer came, and by which way.
func (l *meshlink) settle() {
	if l.genuine == nil {
		return
	}
	p := l.genuine.peer
	p.rxDatagrams.Add(l.genuines)
	in := l.genuine
	l.genuine, l.genuines = nil, 0
	p.heard.Store(int64(l.in.now))
	snd := p.send.Load()
	if snd != nil && snd.way == l.way {
		p.heardOn.Store(int64(l.in.now))
		return
	}
	if last := p.roamed.Load(); l.in.now-time.Duration(last) >= roamEvery &&
		p.roamed.CompareAndSwap(last, int64(l.in.now)) {
		l.n.mesh.post(meshEvent{peer: p, t: in.t, way: l.way, source: l.source})
	}
}

// control answers a ping where it came from, and leaves other control messages to the mesh.
func (l *meshlink) control(in *inbound, plain []byte, dg *udp.Datagram) {
	switch wire.TypeOf(plain) {
	case wire.TypePing:
		answer := wire.Pong{
			Number: wire.ParsePing(plain).Number, Observed: l.way.Addr, Received: in.t.Received(),
		}
		_, _ = in.peer.sendControl(in.t, l.way, answer.Append(nil)) // the peer asks again
	case wire.TypeRelay:
		l.relay(in, plain, dg.TOS)
	case wire.TypeRelayed:
		l.relayed(in, plain, dg)
	case wire.TypePong, wire.TypeClose, wire.TypeConflict, wire.TypeRedeem,
		wire.TypeUnreached, wire.TypeCall, wire.TypeAnswer,
		wire.TypeItems, wire.TypeSummary, wire.TypeDigest, wire.TypeWant:
		e := l.event(dg)
		e.peer, e.t = in.peer, in.t
		e.data = append([]byte(nil), plain...)
		if !l.n.mesh.post(e) {
			in.peer.dropPeer(drop.RateLimit)
		}
	default:
		in.peer.dropPeer(drop.Malformed)
	}
}

// event is what the mesh is told about the datagram at hand.
func (l *meshlink) event(dg *udp.Datagram) meshEvent {
	return meshEvent{sock: l.sock, from: dg.From, way: l.way, source: l.source}
}

// accept takes a frame into its segment. brief says that its bytes do not stay.
func (l *meshlink) accept(p *peer, vni uint32, meta offload.Header, frame ether.Frame, tos uint8,
	brief bool,
) {
	s := l.n.segment(vni)
	if s == nil {
		p.dropPeer(drop.VNIUnknown)
		return
	}
	port, member := s.leg.Load().members[p]
	if !member {
		s.dropFrom(&p.party, frame, drop.NotMember)
		return
	}
	ip, reason := vxlan.CheckInner(frame)
	if len(frame) > tundev.BufLen { // no device gives such a frame
		reason = drop.Malformed
	}
	if reason == drop.None && frame.Src() == s.mac {
		reason = drop.OwnMAC
	}
	if lim := p.sources.Load(); reason == drop.None && lim != nil && !lim.allows(vni, frame.Src(), l.in.now) {
		reason = drop.Rights
	}
	if reason != drop.None {
		s.dropFrom(&p.party, frame, reason)
		return
	}
	a := arrival{
		s: s, from: port, party: &p.party, frame: frame, meta: meta, ip: ip, tos: tos, brief: brief,
	}
	if reason = l.in.accept(&a); reason != drop.None {
		s.dropFrom(&p.party, frame, reason)
	}
}

// dropDatagram counts a datagram that does not become a frame, for its peer if that is known.
func (l *meshlink) dropDatagram(data []byte, dg *udp.Datagram, p *peer, reason drop.Reason) {
	name := ""
	if p != nil {
		p.dropPeer(reason)
		name = p.name
	} else {
		l.sock.drops.Add(reason, 1)
	}
	l.n.captureOuter(data, dg.From, l.sock, 0, name, reason, true)
}

// screen says what speaks against a handshake: its sender does not know our key, or nobody has
// asked. Meshlinks call it.
func (m *mesh) screen(data []byte) drop.Reason {
	reason := drop.Auth
	for _, e := range *m.screener.Load() {
		switch {
		case m.club != nil && e == m.club.door.endpoint && !m.club.door.open.Load():
		case !e.Screen(data):
		case e.Awaited(data):
			return drop.None
		default:
			reason = drop.NoSession
		}
	}
	return reason
}
