package chunk

import "github.com/vxmesh/vxmesh/tundev/offload"

// maxIdle bounds the messages that a pool keeps for later, 64 KB each.
const maxIdle = 16

// A Pool is the memory that the reassemblers of one goroutine share. The zero Pool is ready to use.
type Pool struct {
	idle []*message // blank; the last used is the next, because its memory is warm
	head [offload.MaxHeaders]byte
	part [2][]byte
}

// next is the message that take is going to give.
func (p *Pool) next() *message {
	if len(p.idle) == 0 {
		p.idle = append(p.idle, new(message))
	}
	return p.idle[len(p.idle)-1]
}

// take gives a blank message.
func (p *Pool) take() *message {
	m := p.next()
	p.idle = p.idle[:len(p.idle)-1]
	return m
}

// put takes a message back.
func (p *Pool) put(m *message) {
	if len(p.idle) < maxIdle {
		m.blank()
		p.idle = append(p.idle, m)
	}
}
