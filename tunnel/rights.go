package tunnel

import (
	"sync"
	"time"

	"github.com/vxmesh/vxmesh/tundev/ether"
	"github.com/vxmesh/vxmesh/tunnel/roster"
)

// sourceIdle is for how long a source address that a peer used counts against its limit.
const sourceIdle = 5 * time.Minute

// sources are the source addresses that a member has used lately, in each segment: its certificate
// may limit how many. Any number of goroutines may use it.
type sources struct {
	max int

	mu   sync.Mutex
	seen map[station]time.Duration // when it was heard last
}

type station struct {
	vni uint32
	mac ether.MAC
}

// limitSources has the loops keep to what the peer's certificate says.
func (p *peer) limitSources() {
	limit := 0
	if p.member != nil {
		limit = maxSources(p.member.Certificate.Rights)
	}
	old := p.sources.Load()
	switch {
	case limit == 0:
		p.sources.Store(nil)
	case old == nil || old.max != limit:
		p.sources.Store(&sources{max: limit, seen: make(map[station]time.Duration)})
	}
}

// maxSources is from how many addresses a member may send in a segment; 0 for any number.
func maxSources(r roster.Rights) int {
	if !r.Bridge {
		return 1
	}
	return r.MACs
}

// allows reports whether the peer may send from an address in a segment, now.
func (l *sources) allows(vni uint32, mac ether.MAC, now time.Duration) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	key := station{vni, mac}
	if _, known := l.seen[key]; known || l.room(vni, now) {
		l.seen[key] = now
		return true
	}
	return false
}

// room reports whether there is room for one address more, after those that fell silent went.
func (l *sources) room(vni uint32, now time.Duration) bool {
	n := 0
	for s, heard := range l.seen {
		switch {
		case now-heard >= sourceIdle:
			delete(l.seen, s)
		case s.vni == vni:
			n++
		}
	}
	return n < l.max
}
