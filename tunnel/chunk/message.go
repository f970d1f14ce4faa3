package chunk

import (
	"time"

	"github.com/vxmesh/vxmesh/tundev/offload"
	"github.com/vxmesh/vxmesh/tunnel/wire"
)

// A message is what has come of one message. Chunk i stands at i*size of the buffer, except a last
// chunk that comes before any other: it waits at the buffer's end until the size is known.
type message struct {
	id       uint64 // counter of chunk 0
	index    uint32 // of the session it came in: another has the same counters
	vni      uint32
	offload  bool // begins with metadata
	ce       bool // a chunk met congestion
	givenUp  bool // what was there has been delivered; the rest may still come
	deadline time.Duration

	size   int // of each chunk but the last; 0 while unknown
	last   int // index of the last chunk, which is never 0; 0 while unknown
	tail   int // length of the last chunk
	copied int // of it, what repeats the headers, with the byte that says how long that is
	end    int // index after the highest chunk that has come
	count  int // of chunks that have come
	got    set // the chunks that have come
	done   set // and what of them has been delivered

	known bool          // super is
	super offload.Super // a super-frame's headers

	buf [maxMessage]byte
}

// blank makes the message as good as new. Buffer and headers are written before they are read.
func (m *message) blank() {
	m.ce, m.givenUp, m.known = false, false, false
	m.size, m.last, m.tail, m.copied, m.end, m.count = 0, 0, 0, 0, 0, 0
	m.got, m.done = set{}, set{}
}

// begin names a blank message after its first chunk.
func (m *message) begin(h wire.Header) {
	m.id, m.index, m.vni = h.Message(), h.Index, h.VNI
	m.offload = h.Flags&wire.FlagOffload != 0
}

// fits reports whether a chunk of the same counters says the same of its message as the others.
func (m *message) fits(h wire.Header) bool {
	return m.vni == h.VNI && m.offload == (h.Flags&wire.FlagOffload != 0)
}

// place tells where the n bytes of a chunk belong, and not to ok when they contradict what has
// come. It promises that no byte of a chunk that has come lies there.
func (m *message) place(h wire.Header, n int) (at int, ok bool) {
	i := int(h.Chunk)
	switch {
	case h.Last:
		return m.placeLast(i, n)
	case m.size != 0:
		ok = n == m.size && !m.got.has(i) && (m.last == 0 || i < m.last)
	case m.last != 0: // the last one waits at the end, and keeps its place there
		ok = i < m.last && n >= m.tail && m.last*n+m.tail <= maxMessage
	default:
		ok = true
	}
	return i * n, ok && (i+1)*n <= maxMessage
}

func (m *message) placeLast(i, n int) (at int, ok bool) {
	switch {
	case m.last != 0 || i < m.end || n > maxMessage:
		return 0, false
	case m.size == 0:
		return maxMessage - n, true
	}
	return i * m.size, n <= m.size && i*m.size+n <= maxMessage
}

// room is how many chunks of n bytes, of the count from h's on, have a place: those before the first that has come,
// as the last one has when it is known where that is. h's own is known to have one.
func (m *message) room(h wire.Header, n, count int) int {
	i := int(h.Chunk)
	end := min(i+count, maxMessage/n, wire.MaxChunks)
	for k := i + 1; k < end; k++ {
		if m.got.has(k) {
			return k - i
		}
	}
	return max(end-i, 1)
}

// commit accounts chunks that stand where place has said.
func (m *message) commit(h wire.Header, n, count int) {
	i := int(h.Chunk)
	for k := range count {
		m.got.add(i + k)
	}
	m.count += count
	m.end = max(m.end, i+count)
	switch {
	case h.Last:
		m.last, m.tail = i, n
		if h.Flags&wire.FlagHeaders != 0 {
			m.copied = int(m.lastChunk()[n-1]) + 1
		}
	case m.size == 0:
		waiting := m.lastChunk()
		m.size = n
		copy(m.lastChunk(), waiting)
	}
}

// lastChunk is where the last chunk is, empty when it has not come.
func (m *message) lastChunk() []byte {
	if m.size == 0 {
		return m.buf[maxMessage-m.tail:]
	}
	return m.buf[m.last*m.size:][:m.tail]
}

// complete reports whether all chunks have come.
func (m *message) complete() bool { return m.last != 0 && m.count == m.last+1 }

// length is that of the message without the copy of its headers, when the last chunk and the size
// are known; 0 when the copy's length is a lie.
func (m *message) length() int {
	if m.copied > m.tail {
		return 0
	}
	return m.last*m.size + m.tail - m.copied
}

// whole gives the frame of a complete message; not ok when there is none in it.
func (m *message) whole() (h offload.Header, frame []byte, ok bool) {
	frame = m.buf[:m.length()]
	if !m.offload {
		return h, frame, len(frame) > 0
	}
	if len(frame) <= offload.HeaderLen {
		return h, nil, false
	}
	return offload.ParseHeader(frame), frame[offload.HeaderLen:], true
}

// enough reports whether the chunks that have come hold the whole frame: one that would hold
// nothing but the copy of the headers is not missed.
func (m *message) enough() bool {
	first, end := m.got.run(0)
	return m.coherent() && first == 0 && end*m.size >= offload.HeaderLen+m.super.Len()
}
