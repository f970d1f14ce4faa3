package tunnel

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"github.com/vxmesh/vxmesh/tunnel/udp"
)

// queued are the datagrams of an outbox that is filled as a sealer fills it: each train of them lies behind the one
// before.
type queued struct {
	o     outbox
	arena []byte
	used  int
	sent  [][]byte // the datagrams, one by one
}

func newQueued() *queued {
	q := &queued{o: newOutbox(nil), arena: make([]byte, 1<<20)}
	r := rand.New(rand.NewPCG(1, 2))
	for i := range q.arena {
		q.arena[i] = byte(r.Uint32())
	}
	return q
}

// add queues count datagrams of size bytes, the last of which is short bytes shorter.
func (q *queued) add(count, size, short int, m udp.Message, to *party) {
	start := q.used
	q.used += count*size - short
	for at := start; at < q.used; at += size {
		q.sent = append(q.sent, q.arena[at:min(at+size, q.used)])
	}
	q.o.add(q.arena, start, q.used, size, &m, &way{to: to})
}

// check cuts the messages as the kernel does (udp(7), UDP_SEGMENT), and wants what was queued.
func (q *queued) check(t *testing.T, messages int) {
	t.Helper()
	var got [][]byte
	for i, m := range q.o.msgs {
		first, size := len(got), m.SegmentSize
		if size == 0 {
			size = len(m.Data)
		}
		for data := m.Data; len(data) > 0; data = data[min(size, len(data)):] {
			got = append(got, data[:min(size, len(data))])
		}
		if n := len(got) - first; n != q.o.ways[i].n || n > udp.MaxSegments || len(m.Data) > udp.MaxPayload {
			t.Fatalf("message %d has %d datagrams, %d by the books, and %d bytes", i, n, q.o.ways[i].n, len(m.Data))
		}
		if len(got[first]) != q.o.ways[i].size {
			t.Fatalf("message %d has datagrams of %d bytes, %d by the books", i, len(got[first]), q.o.ways[i].size)
		}
	}
	if len(q.o.msgs) != messages && messages > 0 {
		t.Errorf("%d messages, want %d", len(q.o.msgs), messages)
	}
	if len(got) != len(q.sent) {
		t.Fatalf("%d datagrams, want %d", len(got), len(q.sent))
	}
	for i := range got {
		if !bytes.Equal(got[i], q.sent[i]) {
			t.Fatalf("datagram %d has %d bytes, want %d", i, len(got[i]), len(q.sent[i]))
		}
	}
}

// TestOutboxFillsMessages puts datagrams of one size into as few messages as hold them.
func TestOutboxFillsMessages(t *testing.T) {
	a, b := new(party), new(party)
	for name, c := range map[string]struct {
		add      func(q *queued)
		messages int
	}{
		"two super-frames": {func(q *queued) {
			q.add(46, 1452, 0, udp.Message{}, a)
			q.add(46, 1452, 0, udp.Message{}, a)
		}, 3},
		"a shorter end closes": {func(q *queued) {
			q.add(3, 1452, 1, udp.Message{}, a)
			q.add(3, 1452, 0, udp.Message{}, a)
		}, 2},
		"a shorter one alone joins and closes": {func(q *queued) {
			q.add(3, 1452, 0, udp.Message{}, a)
			q.add(1, 100, 0, udp.Message{}, a)
			q.add(1, 100, 0, udp.Message{}, a)
		}, 2},
		"two shorter ones do not": {func(q *queued) {
			q.add(3, 1452, 0, udp.Message{}, a)
			q.add(2, 700, 0, udp.Message{}, a)
		}, 2},
		"a longer one does not": {func(q *queued) {
			q.add(3, 100, 0, udp.Message{}, a)
			q.add(1, 101, 0, udp.Message{}, a)
		}, 2},
		"another peer": {func(q *queued) {
			q.add(1, 100, 0, udp.Message{}, a)
			q.add(1, 100, 0, udp.Message{}, b)
		}, 2},
		"another TOS": {func(q *queued) {
			q.add(1, 100, 0, udp.Message{}, a)
			q.add(1, 100, 0, udp.Message{TOS: 3}, a)
		}, 2},
		"most segments": {func(q *queued) {
			for range udp.MaxSegments + 1 {
				q.add(1, 100, 0, udp.Message{}, a)
			}
		}, 2},
	} {
		t.Run(name, func(t *testing.T) {
			q := newQueued()
			c.add(q)
			q.check(t, c.messages)
		})
	}
}

// TestOutboxLosesNothing queues trains of all kinds.
func TestOutboxLosesNothing(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for range 300 {
		q := newQueued()
		sizes := []int{1 + r.IntN(1500), 1 + r.IntN(1500), 20000}
		for q.used < 1<<19 {
			size := sizes[r.IntN(len(sizes))]
			q.add(1+r.IntN(min(100, 1+1<<17/size)), size, r.IntN(2)*r.IntN(size), udp.Message{}, nil)
		}
		q.check(t, 0)
	}
}
