package tunnel

import (
	"sync/atomic"

	"github.com/vxmesh/vxmesh/tunnel/drop"
)

// A party is whom frames are exchanged with, a VTEP or a peer, and what came of it.
type party struct {
	name   string
	rx, tx traffic
	drops  drop.Counters
}

// traffic counts frames one way.
type traffic struct{ frames, bytes atomic.Uint64 }

func (t *traffic) add(frames, bytes int) {
	t.frames.Add(uint64(frames))
	t.bytes.Add(uint64(bytes))
}
