package chunk

import "github.com/vxmesh/vxmesh/tunnel/wire"

// minCopied is from how many chunks on one more is spent on the copy of the headers: the loss of
// the first of so many would cost more than the copy does.
const minCopied = 8

// A Plan says how a message crosses a path whose datagrams hold only so much. All chunks have equal
// length except the last, which is not longer, so that one system call can send them.
type Plan struct {
	Size  int // plaintext bytes of each chunk but the last
	Count int // chunks, at most [wire.MaxChunks]
	Copy  int // bytes at the end of the last chunk that repeat the headers, with their length; or 0
	n     int // bytes of the message
}

// NewPlan plans for a message of n bytes when a datagram holds max bytes of plaintext. The first
// headers bytes, everything before the payload, are worth sending twice; 0 says they are not. ok is
// false when there is no message or it needs more than [wire.MaxChunks].
func NewPlan(n, headers, max int) (p Plan, ok bool) {
	if n <= 0 || n > maxData || max <= 0 {
		return Plan{}, false
	}
	if n <= max {
		return Plan{Size: n, Count: 1, n: n}, true
	}
	p = Plan{Size: max, Count: (n + max - 1) / max, n: n}
	if p.Count > wire.MaxChunks {
		return Plan{}, false
	}
	if headers > 0 && headers < MaxCopy { // for headers longer than the message there is no room
		p.makeRoom(headers + 1)
	}
	return p, true
}

// makeRoom adds a copy of so many bytes when there is room or it is worth a chunk of its own, which makes the
// others shorter. Of many chunks the last gets as long as the others, if need be by a longer copy: then the next
// message's can be sent with them.
func (p *Plan) makeRoom(copied int) {
	count := p.Count
	if p.n+copied > count*p.Size {
		count++
	}
	size := (p.n + copied + count - 1) / count
	switch {
	case p.Count >= minCopied && count <= wire.MaxChunks && (count-1)*size <= p.n:
		p.Size, p.Count, p.Copy = size, count, copied
		if full := count*size - p.n; full <= min(MaxCopy, p.n) { // the last as long as the others
			p.Copy = full
		}
	case count == p.Count:
		p.Copy = copied
	}
}

// Range is the part of the message that chunk i carries, message[from:to]. On the last chunk it can
// be empty when there is a copy.
func (p Plan) Range(i int) (from, to int) {
	from = i * p.Size
	return from, min(from+p.Size, p.n)
}

// Len is the length of chunk i's plaintext, the copy included.
func (p Plan) Len(i int) int {
	from, to := p.Range(i)
	if i == p.Count-1 {
		return to - from + p.Copy
	}
	return to - from
}

// Total is the length of all plaintexts together.
func (p Plan) Total() int { return p.n + p.Copy }
