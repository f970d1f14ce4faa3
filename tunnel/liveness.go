package tunnel

import (
	"sync"
	"sync/atomic"
	"time"
)

// vitalsEvery is how often the keeper looks whether the loops live. One that does a single piece of work
// for so long is stuck.
const vitalsEvery = 5 * time.Second

// A pulse tells a loop that is stuck in its work from one that waits, which may take as long as it likes.
// Only the loop's own goroutine writes it.
type pulse struct{ n atomic.Uint64 } // odd at work

func (p *pulse) begin()        { p.n.Store(p.n.Load() | 1) }
func (p *pulse) end()          { p.n.Store((p.n.Load() | 1) + 1) }
func (p *pulse) beats() *pulse { return p }

// vitals watch over the loops of a node. A loop that ends with an error ends the node, so what is left
// to be seen are those that do not go on.
type vitals struct {
	n *Node

	mu    sync.Mutex
	loops map[*pulse]uint64 // of goroutines with one source each: what the pulse was

	// Of the keeper.
	looked time.Duration
	asked  bool   // the loops below were woken then, and have turned since if they live
	mesh   uint64 // turns, when they were
	event  uint64
}

// watch keeps an eye on a source's pulse until forget is called.
func (v *vitals) watch(p *pulse) (forget func()) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.loops == nil {
		v.loops = make(map[*pulse]uint64)
	}
	v.loops[p] = p.n.Load()
	return func() {
		v.mu.Lock()
		defer v.mu.Unlock()
		delete(v.loops, p)
	}
}

// check tells the node's owner that all loops live, when it is time to and they do.
func (v *vitals) check() {
	tell, now := v.n.options.Alive, v.n.now()
	if tell == nil || v.asked && now-v.looked < vitalsEvery {
		return
	}
	v.looked = now
	if sources, turning := v.sources(), v.turning(); sources && turning {
		tell()
	}
}

// sources reports whether no source is at the same piece of work as when it was last looked at.
func (v *vitals) sources() bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	live := true
	for p, was := range v.loops {
		is := p.n.Load()
		if is%2 == 1 && is == was {
			live = false
		}
		v.loops[p] = is
	}
	return live
}

// turning reports whether the loops that can be woken have turned since that was last done, and wakes
// them.
func (v *vitals) turning() bool {
	loop := v.n.eventLoop()
	mesh, event := v.n.mesh.turns.Load(), loop.turned()
	live := !v.asked || mesh != v.mesh && (loop.idle() || event != v.event)
	v.asked, v.mesh, v.event = true, mesh, event
	v.n.mesh.wake()
	loop.wake()
	return live
}

// eventLoop gives the loop of Run; nil where there is none.
func (n *Node) eventLoop() *eventLoop {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.loop
}
