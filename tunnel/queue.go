package tunnel

import (
	"github.com/vxmesh/vxmesh/tunnel/bridge"
	"github.com/vxmesh/vxmesh/tunnel/drop"
	"github.com/vxmesh/vxmesh/tunnel/udp"
	"github.com/vxmesh/vxmesh/tunnel/vxlan"
)

// queueLen is how many messages wait at most before they are sent. Each holds up to
// [udp.MaxSegments] datagrams.
const queueLen = 64

// A queue collects the datagrams of one uplink and sends them with few system calls: neighbours in
// the arena that go to one place with the same outer header become one message, and messages for
// one socket one write.
type queue struct {
	s    *segment
	msgs []udp.Message
	ways []way // of each message

	// The frame being queued: its outer header and the VTEPs that get it.
	ttl, tos uint8
	mode     udp.Mode
	hash     uint32
	leg      *leg
	to       []*vtep
	one      [1]bridge.Port
}

// A way is what a message's datagrams have in common besides their header.
type way struct {
	sock *socket
	v    *vtep
	mode udp.Mode
	end  int // where in the arena the message ends
	size int // length of its first datagram
	n    int // datagrams
}

func newQueue(s *segment) queue {
	return queue{s: s, msgs: make([]udp.Message, 0, 2*queueLen), ways: make([]way, 0, 2*queueLen)}
}

// full reports whether it is time to flush. There is still room for one flooded frame.
func (q *queue) full() bool { return len(q.msgs) >= queueLen }

// target begins a new frame: what its datagrams look like outside.
func (q *queue) target(l *leg, p *parcel) {
	o := &l.options
	q.leg, q.to = l, q.to[:0]
	q.ttl, q.tos, q.mode.DF = o.Outer.For(p.ip)
	q.mode.NoChecksum = o.NoChecksum
	q.hash = vxlan.FlowHash(p.frame, p.ip, q.s.node.hashSeed)
}

// add makes v one of the frame's targets.
func (q *queue) add(v *vtep) { q.to = append(q.to, v) }

// targets is how many VTEPs get the frame.
func (q *queue) targets() int { return len(q.to) }

// send queues arena[start:end], datagrams of size bytes (the last may be shorter), for each target.
func (q *queue) send(arena []byte, start, end, size int) {
	for _, v := range q.to {
		sock := q.s.node.sockets.sender(v.remote.Addr(), q.leg.options.FixedPort, q.hash)
		if sock == nil {
			q.s.dropTo(v, nil, drop.SendError, uint64((end-start+size-1)/size))
			continue
		}
		most := max(1, min(udp.MaxSegments, udp.MaxPayload/size)) * size
		for at := start; at < end; at += most {
			q.push(arena, at, min(at+most, end), size, way{sock: sock, v: v, mode: q.mode})
		}
	}
}

// push queues one message, as part of the last one if it can be.
func (q *queue) push(arena []byte, start, end, size int, w way) {
	w.end, w.size, w.n = end, min(size, end-start), (end-start+size-1)/size
	if i := len(q.msgs) - 1; i >= 0 && q.continues(i, start, &w) {
		m, last := &q.msgs[i], &q.ways[i]
		m.Data = arena[start-len(m.Data) : end]
		m.SegmentSize = last.size
		last.end, last.n = end, last.n+w.n
		return
	}
	m := udp.Message{
		To: w.v.remote, IfIndex: w.v.path.Load().ifIndex,
		Data: arena[start:end], TTL: q.ttl, TOS: q.tos,
	}
	if local := q.leg.options.Local; local.Is4() == w.v.remote.Addr().Is4() {
		m.From = local // a VTEP of the other family, learned or added by hand, gets the system's choice
	}
	if w.n > 1 {
		m.SegmentSize = w.size
	}
	q.msgs, q.ways = append(q.msgs, m), append(q.ways, w)
}

// continues reports whether datagrams that begin at start can join message i: they lie behind it
// and all its datagrams have the size of the new ones' first, which alone may be shorter.
func (q *queue) continues(i, start int, w *way) bool {
	m, last := &q.msgs[i], &q.ways[i]
	return last.end == start && last.v == w.v && last.sock == w.sock && last.mode == w.mode &&
		m.TTL == q.ttl && m.TOS == q.tos &&
		len(m.Data) == last.n*last.size && // the last one is whole
		(w.size == last.size || (w.n == 1 && w.size < last.size)) &&
		last.n+w.n <= udp.MaxSegments && len(m.Data)+w.end-start <= udp.MaxPayload
}

// flush sends everything, a write for each run of messages with one socket and mode, and counts
// what became of it.
func (q *queue) flush() {
	for i := 0; i < len(q.msgs); {
		j := i + 1
		for j < len(q.msgs) && q.ways[j].sock == q.ways[i].sock && q.ways[j].mode == q.ways[i].mode {
			j++
		}
		q.ways[i].sock.Write(q.msgs[i:j], q.ways[i].mode)
		for ; i < j; i++ {
			q.account(&q.msgs[i], &q.ways[i])
		}
	}
	clear(q.msgs)
	clear(q.ways)
	q.msgs, q.ways = q.msgs[:0], q.ways[:0]
}

// account counts a message that was written.
func (q *queue) account(m *udp.Message, w *way) {
	sent := w.n - m.Failed
	bytes := len(m.Data) - w.n*vxlan.HeaderLen
	if m.Failed > 0 {
		bytes -= m.Failed * (w.size - vxlan.HeaderLen)
		reason := drop.SendError
		if udp.IsTooBig(m.Err) {
			reason = drop.TooBig
			q.s.node.keeper.wake() // the path's MTU is smaller than it was
		}
		q.s.dropTo(w.v, nil, reason, uint64(m.Failed))
	}
	q.s.tx.add(sent, max(bytes, 0))
	w.v.tx.add(sent, max(bytes, 0))
	w.sock.tx.add(sent, max(bytes, 0)+sent*vxlan.HeaderLen)
	q.s.captureOuterSent(m, w)
}
