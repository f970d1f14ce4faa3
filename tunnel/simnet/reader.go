package simnet

import (
	"github.com/vxmesh/vxmesh/tunnel/udp"
)

// readBatch is how many messages one Read gives at most.
const readBatch = 16

// spent is what the bytes of an earlier Read become, so that keeping them shows.
const spent = 0xdb

// A reader receives from one socket.
type reader struct {
	c         *Conn
	datagrams []udp.Datagram
}

// NewReader makes a reader, which only one goroutine may use. What an earlier Read returned is
// overwritten by the next.
func (c *Conn) NewReader() udp.Reader { return &reader{c: c} }

// Read returns what has arrived, borrowed until the next Read. With wait it waits for the first.
func (r *reader) Read(wait bool) ([]udp.Datagram, error) {
	for _, d := range r.datagrams {
		for i := range d.Data {
			d.Data[i] = spent
		}
	}
	r.datagrams = r.datagrams[:0]
	merges := r.c.h.merging()
	err := r.c.await(wait)
	defer r.c.mu.Unlock()
	if err != nil {
		return nil, err
	}
	for len(r.c.queue) > 0 && len(r.datagrams) < readBatch {
		n := 1
		if merges {
			n = mergeable(r.c.queue)
		}
		r.datagrams = append(r.datagrams, merge(r.c.queue[:n]))
		for _, p := range r.c.queue[:n] {
			r.c.queued -= p.room()
		}
		r.c.queue = r.c.queue[n:]
	}
	return r.datagrams, nil
}

// mergeable is how many packets at the front of a queue can become one message: those of one flow
// and length, and one shorter at the end.
func mergeable(queue []packet) int {
	first := queue[0]
	size, n := len(first.data), 1
	for n < len(queue) && n < udp.MaxSegments {
		p := queue[n]
		fits := len(p.data) > 0 && len(p.data) <= len(first.data) &&
			size+len(p.data) <= udp.MaxPayload
		if !fits || p.from != first.from || p.to != first.to || p.tos != first.tos {
			break
		}
		size += len(p.data)
		n++
		if len(p.data) < len(first.data) {
			break
		}
	}
	return n
}

// merge makes one message of packets.
func merge(packets []packet) udp.Datagram {
	first := packets[0]
	d := udp.Datagram{Data: first.data, From: first.from, TOS: first.tos}
	for _, p := range packets[1:] {
		d.SegmentSize = len(first.data)
		d.Data = append(d.Data, p.data...)
	}
	return d
}
