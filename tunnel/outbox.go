package tunnel

import (
	"github.com/vxmesh/vxmesh/tunnel/udp"
)

// outboxLen is how many messages wait at most before they are sent. Each holds up to
// [udp.MaxSegments] datagrams.
const outboxLen = 64

// An outbox collects datagrams of one loop and sends them with few system calls: neighbours in an
// arena that go to one place with the same outer header become one message, and messages for one
// socket one write.
type outbox struct {
	msgs []udp.Message
	ways []way                    // of each message
	sent func(*udp.Message, *way) // told of each message that was written
}

// A way is what a message's datagrams have in common besides their header.
type way struct {
	sock *socket
	to   *party
	mode udp.Mode
	end  int // where in the arena the message ends
	size int // length of its first datagram
	n    int // datagrams
}

func newOutbox(sent func(*udp.Message, *way)) outbox {
	return outbox{
		msgs: make([]udp.Message, 0, 2*outboxLen), ways: make([]way, 0, 2*outboxLen), sent: sent,
	}
}

// full reports whether it is time to flush. There is still room for one flooded frame.
func (o *outbox) full() bool { return len(o.msgs) >= outboxLen }

// mostOf is how many datagrams of size bytes one message holds.
func mostOf(size int) int { return max(1, min(udp.MaxSegments, udp.MaxPayload/size)) }

// add queues arena[start:end], datagrams of size bytes (the last may be shorter), with the outer
// header that m has and the way w.
func (o *outbox) add(arena []byte, start, end, size int, m *udp.Message, w *way) {
	most := mostOf(size) * size
	for at := start; at < end; at += most {
		o.push(arena, at, min(at+most, end), size, m, w)
	}
}

// push queues one message, as part of the last one if it can be.
func (o *outbox) push(arena []byte, start, end, size int, m *udp.Message, w *way) {
	first, n := min(size, end-start), (end-start+size-1)/size
	if i := len(o.msgs) - 1; i >= 0 && o.continues(i, start, end, first, n, m, w) {
		q, last := &o.msgs[i], &o.ways[i]
		q.Data = arena[start-len(q.Data) : end]
		q.SegmentSize = last.size
		last.end, last.n = end, last.n+n
		return
	}
	next := *m
	next.Data = arena[start:end]
	if n > 1 {
		next.SegmentSize = first
	}
	o.msgs = append(o.msgs, next)
	o.ways = append(o.ways, way{sock: w.sock, to: w.to, mode: w.mode, end: end, size: first, n: n})
}

// continues reports whether n datagrams in arena[start:end] can join message i: they lie behind it
// and all its datagrams have the size of the new ones' first, which alone may be shorter.
func (o *outbox) continues(i, start, end, first, n int, m *udp.Message, w *way) bool {
	q, last := &o.msgs[i], &o.ways[i]
	return last.end == start && last.to == w.to && last.sock == w.sock && last.mode == w.mode &&
		q.To == m.To && q.TTL == m.TTL && q.TOS == m.TOS &&
		len(q.Data) == last.n*last.size && // the last one is whole
		(first == last.size || (n == 1 && first < last.size)) &&
		last.n+n <= udp.MaxSegments && len(q.Data)+end-start <= udp.MaxPayload
}

// flush sends everything, a write for each run of messages with one socket and mode.
func (o *outbox) flush() {
	for i := 0; i < len(o.msgs); {
		j := i + 1
		for j < len(o.msgs) && o.ways[j].sock == o.ways[i].sock && o.ways[j].mode == o.ways[i].mode {
			j++
		}
		o.ways[i].sock.Write(o.msgs[i:j], o.ways[i].mode)
		for ; i < j; i++ {
			o.sent(&o.msgs[i], &o.ways[i])
		}
	}
	clear(o.msgs)
	clear(o.ways)
	o.msgs, o.ways = o.msgs[:0], o.ways[:0]
}
