package tunnel

import (
	"sync"
	"time"

	"github.com/vxmesh/vxmesh/tundev/ether"
	"github.com/vxmesh/vxmesh/tundev/offload"
	"github.com/vxmesh/vxmesh/tunnel/drop"
)

const (
	// heldMost is how many frames wait for a peer's session, so that the first ARP request or SYN
	// need not be sent again a second later.
	heldMost = 8
	// heldLen is the longest of them, and heldFor how long they wait.
	heldLen = 2048
	heldFor = 3 * time.Second
)

// held are the latest frames to a peer that has no session yet.
type held struct {
	mu     sync.Mutex
	frames []heldFrame
}

// A heldFrame is a copy of a frame.
type heldFrame struct {
	s     *segment
	meta  offload.Header
	frame ether.Frame
	tos   uint8
	at    time.Duration
}

// hold keeps a frame until the peer has a session. The oldest gives way when there are too many.
func (z *sealer) hold(pr *peer, meta offload.Header, frame ether.Frame, tos uint8, now time.Duration) {
	if len(frame) > heldLen {
		z.s.dropTo(&pr.party, frame, drop.NoSession, 1)
		return
	}
	h := &pr.held
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.frames) == heldMost {
		h.frames[0].drop(pr)
		h.frames = append(h.frames[:0], h.frames[1:]...)
	}
	h.frames = append(h.frames, heldFrame{z.s, meta, append(ether.Frame(nil), frame...), tos, now})
}

func (f *heldFrame) drop(pr *peer) { f.s.dropTo(&pr.party, f.frame, drop.NoSession, 1) }

// release sends what waited for the peer, if it can be sent now.
func (m *mesh) release(p *peer) {
	if p.send.Load() == nil {
		return
	}
	frames := p.held.take()
	if len(frames) == 0 {
		return
	}
	now, outs := m.n.now(), make(map[*segment]*egress)
	for _, f := range frames {
		if now-f.at > heldFor || m.n.segment(f.s.vni) != f.s {
			f.drop(p)
			continue
		}
		e := outs[f.s]
		if e == nil {
			e = newEgress(f.s)
			e.now, outs[f.s] = now, e
		}
		if !e.sealed.frame(p, f.meta, f.frame, f.tos, now) { // it takes finished ones only
			parcel := parcel{frame: f.frame, from: devicePort, meta: f.meta}
			if e.finish(&parcel) {
				e.sealFinished(p, &parcel, f.tos)
			}
		}
	}
	for _, e := range outs {
		e.flush()
	}
}

// expireHeld drops what has waited too long.
func (p *peer) expireHeld(now time.Duration) {
	h := &p.held
	h.mu.Lock()
	defer h.mu.Unlock()
	for len(h.frames) > 0 && now-h.frames[0].at > heldFor {
		h.frames[0].drop(p)
		h.frames = append(h.frames[:0], h.frames[1:]...)
	}
}

// take gives everything that is held.
func (h *held) take() []heldFrame {
	h.mu.Lock()
	defer h.mu.Unlock()
	out := h.frames
	h.frames = nil
	return out
}
