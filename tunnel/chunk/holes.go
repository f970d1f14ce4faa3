package chunk

import "github.com/vxmesh/vxmesh/tundev/offload"

// flush delivers what has come of a super-frame and was not delivered yet: of TCP the runs of
// payload, of UDP the datagrams that are whole. Frames of other kinds are all or nothing. It is ok
// when the headers are known and do not lie.
func (r *Reassembler) flush(m *message) (ok bool) {
	if !m.readHeaders() || !m.coherent() {
		return false
	}
	for a, b := m.got.run(0); a < b; a, b = m.got.run(b) {
		from, to := m.payload(a, b)
		// What was delivered before lies within a run of what has come now.
		for c, d := m.done.run(a); c < min(b, d); c, d = m.done.run(d) {
			if x, y := m.payload(c, d); x < y {
				r.deliverRun(m, from, x)
				from = y
			}
		}
		r.deliverRun(m, from, to)
	}
	m.done = m.got
	return true
}

// deliverRun delivers the payload from one offset to before another behind headers of its own.
func (r *Reassembler) deliverRun(m *message, from, to int) {
	if from >= to {
		return
	}
	p := r.pool
	base := offload.HeaderLen + m.super.Headers()
	h, head := m.super.Run(p.head[:], from, to)
	p.part[0], p.part[1] = head, m.buf[base+from:base+to]
	r.to.Deliver(m.vni, h, p.part[:], m.ce)
}

// payload is which part of the payload the chunks a to before b hold, in whole pieces of what
// cannot be delivered in parts. It is empty when to is not above from.
func (m *message) payload(a, b int) (from, to int) {
	base, total, unit := offload.HeaderLen+m.super.Headers(), m.super.Payload(), m.super.Unit()
	from = max(a*m.size-base, 0)
	from = (from + unit - 1) / unit * unit
	if to = b*m.size - base; to >= total {
		return from, total
	}
	return from, to / unit * unit
}

// readHeaders finds the headers of a super-frame, at its beginning or in the copy at its end.
func (m *message) readHeaders() bool {
	if m.known || !m.offload || m.size == 0 {
		return m.known
	}
	if first, end := m.got.run(0); first == 0 {
		m.known = m.parse(m.buf[:min(end*m.size, maxMessage)])
	}
	if !m.known && m.copied > 0 && m.length() > 0 {
		m.known = m.parse(m.buf[m.length():][:m.copied-1])
	}
	return m.known
}

// parse reads metadata and headers.
func (m *message) parse(b []byte) bool {
	return len(b) >= offload.HeaderLen &&
		m.super.Parse(offload.ParseHeader(b), b[offload.HeaderLen:])
}

// coherent reports whether the headers are known and the packet ends where the message does, as far
// as that is known.
func (m *message) coherent() bool {
	return m.known && (m.last == 0 || offload.HeaderLen+m.super.Len() == m.length())
}
