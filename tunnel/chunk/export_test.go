package chunk

// Open is how many messages are held.
func (r *Reassembler) Open() int { return r.n }

// Idle is how many blank messages the pool keeps.
func (p *Pool) Idle() int { return len(p.idle) }

// Bounds that tests need to know.
const (
	MaxOpen  = maxOpen
	MaxIdle  = maxIdle
	MaxData  = maxData
	Reorder  = reorder
	Patience = patience
	Memory   = memory
)
