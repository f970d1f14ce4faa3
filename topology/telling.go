package topology

import (
	"slices"
	"sync"
	"time"

	"github.com/vxmesh/vxmesh/topology/explain"
	"github.com/vxmesh/vxmesh/tundev/ether"
	"github.com/vxmesh/vxmesh/tunnel/simnet"
)

// recentFrames is how many frames are remembered at each host: those that datagrams under way may have
// in them.
const recentFrames = 64

// A memory is the frames that were at each host not long ago, to be sent or passed on. By them sealed
// datagrams are told apart: nobody but the nodes can open one.
type memory struct {
	mu    sync.Mutex
	hosts map[*Host][]remembered
}

type remembered struct {
	at     time.Time
	origin *Host
	frame  ether.Frame
}

// note remembers that a frame of origin is at a host.
func (m *memory) note(at *Host, origin *Host, f ether.Frame, when time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.hosts == nil {
		m.hosts = make(map[*Host][]remembered)
	}
	list := append(m.hosts[at], remembered{when, origin, slices.Clone(f)})
	m.hosts[at] = list[max(0, len(list)-recentFrames):]
}

// find is the youngest frame of a length that was at a host by then and is not the receiver's own.
func (m *memory) find(at, receiver *Host, length int, by time.Time) *remembered {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, r := range slices.Backward(m.hosts[at]) {
		if len(r.frame) == length && !r.at.After(by) && r.origin != receiver {
			return &r
		}
	}
	return nil
}

// Explain says what the datagram of a journey is, and the frame in it as far as one is known to be: nil
// for none.
func (w *World) Explain(j *simnet.Journey) (explain.Datagram, ether.Frame) {
	at, to := w.HostOf(j.From), w.HostOf(j.To)
	var found *remembered
	d := explain.Read(j.Data, func(length int) bool {
		found = w.sent.find(at, to, length, j.Sent)
		return found != nil
	})
	if d.Kind == explain.Direct {
		found = w.sent.find(at, to, d.Frame, j.Sent)
	}
	if found == nil {
		return d, nil
	}
	return d, found.frame
}

// passOn notes the frame that came to a relay.
func (w *World) passOn(j *simnet.Journey) {
	at := w.HostOf(j.To)
	if at == nil || j.End != simnet.Arrived {
		return
	}
	if d, frame := w.Explain(j); d.Kind == explain.Relayed && frame != nil {
		w.sent.note(at, w.HostOf(j.From), frame, j.Ended)
	}
}
