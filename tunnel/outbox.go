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
// header that m has and the way w: first those that the last message has room for.
func (o *outbox) add(arena []byte, start, end, size int, m *udp.Message, w *way) {
	for start < end {
		if !o.continues(start, end, size, m, w) {
			o.msgs = append(o.msgs, *m)
			o.ways = append(o.ways, way{sock: w.sock, to: w.to, mode: w.mode, size: min(size, end-start)})
		}
		start = o.extend(arena, start, end)
	}
}

// continues reports whether datagrams in arena[start:end], of size bytes each, can join the last message: they lie
// behind it, and all its datagrams have their size, or there is one alone that is shorter.
func (o *outbox) continues(start, end, size int, m *udp.Message, w *way) bool {
	i := len(o.msgs) - 1
	if i < 0 {
		return false
	}
	q, last := &o.msgs[i], &o.ways[i]
	alone := end-start <= size
	return last.end == start && last.to == w.to && last.sock == w.sock && last.mode == w.mode &&
		q.To == m.To && q.TTL == m.TTL && q.TOS == m.TOS &&
		(size == last.size || alone && end-start < last.size) &&
		len(q.Data) == last.n*last.size && last.n < mostOf(last.size)
}

// extend moves as many of the datagrams in arena[start:end] to the last message as it holds, and tells where the others
// begin.
func (o *outbox) extend(arena []byte, start, end int) int {
	q, last := &o.msgs[len(o.msgs)-1], &o.ways[len(o.ways)-1]
	last.end = min(end, start+(mostOf(last.size)-last.n)*last.size)
	last.n += (last.end - start + last.size - 1) / last.size
	q.Data = arena[start-len(q.Data) : last.end]
	if last.n > 1 {
		q.SegmentSize = last.size
	}
	return last.end
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
