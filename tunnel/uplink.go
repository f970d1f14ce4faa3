package tunnel

import (
	"errors"
	"time"

	"github.com/vxmesh/vxmesh/tundev"
	"github.com/vxmesh/vxmesh/tundev/ether"
	"github.com/vxmesh/vxmesh/tundev/offload"
	"github.com/vxmesh/vxmesh/tunnel/bridge"
	"github.com/vxmesh/vxmesh/tunnel/drop"
	"github.com/vxmesh/vxmesh/tunnel/vxlan"
)

// mostAhead is how many frames are read before the first of them is looked at: the kernel's half of the work and ours
// would drive each other's code out of the processor's caches with every frame.
const mostAhead = 64

// mostPasses is how often that is done before others get their turn, should none of the frames go anywhere.
const mostPasses = 16

// An uplink carries frames from one segment's device, or a guest's, to peers, VTEPs, and what else is
// plugged in:
//
//	device -> switch -> egress
//
// One goroutine owns it.
type uplink struct {
	pulse
	*jack
	out   *egress
	ahead []read // frames in the room of out
}

// A read is a frame as it was read.
type read struct {
	at, n int // where its room is, and its length
	meta  offload.Header
}

func newUplink(j *jack) *uplink {
	return &uplink{jack: j, out: newEgress(j.s), ahead: make([]read, 0, mostAhead)}
}

// carry reads until the device has nothing more or the batch is full, and sends the batch.
func (u *uplink) carry(wait bool) error {
	err := u.readAhead(wait)
	u.begin()
	defer u.end()
	u.out.now = u.s.node.tick()
	for pass := 1; ; pass++ {
		for i := range u.ahead {
			u.forward(&u.ahead[i])
		}
		u.out.rewind()
		if err != nil || u.out.full() || pass == mostPasses {
			break
		}
		err = u.readAhead(false)
	}
	u.out.flush()
	switch {
	case errors.Is(err, tundev.ErrWouldBlock):
		return nil
	case errors.Is(err, tundev.ErrClosed):
		return errEnded
	}
	return err
}

// readAhead reads frames one behind another, as those leave that need nothing but a header. A super-frame is the
// last: its pieces take the room behind it.
func (u *uplink) readAhead(wait bool) error {
	u.ahead = u.ahead[:0]
	for at, end := u.out.used, min(u.out.used+slotLen, u.out.lastRoom()); at <= end; wait = false {
		n, meta, err := u.dev.ReadFrame(u.out.room(at), wait)
		if err != nil {
			return err
		}
		u.ahead = append(u.ahead, read{at, n, meta})
		if meta.IsSuper() || len(u.ahead) == mostAhead {
			return nil
		}
		at += vxlan.HeaderLen + n
	}
	return nil
}

func (u *uplink) endpoint() any { return u.dev }

// forward asks the switch who gets a frame that was read, and queues it.
func (u *uplink) forward(r *read) {
	s, now := u.s, u.out.now
	if u.out.full() { // of those before it
		u.out.flush()
	}
	p := parcel{frame: u.out.hold(r.at, r.n), from: u.port, meta: r.meta}
	if u.guest != nil {
		u.guest.rx.add(1, r.n)
	}
	if !p.frame.Valid() {
		u.drop(p.frame, drop.Runt)
		return
	}
	p.ip, _ = ether.ParseIP(p.frame) // what is no sane IP packet crosses as it is
	if p.ip.Proto == ether.ProtoUDP && s.node.sent(p.frame, p.ip) {
		u.drop(p.frame, drop.Loop)
		return
	}
	vlan := p.frame.VLAN()
	if reason := s.learn(u.port, vlan, p.frame.Src(), now); reason != drop.None {
		u.drop(p.frame, reason)
		return
	}
	to, reason := u.ports(vlan, p.frame.Dst(), now)
	if reason != drop.None {
		u.drop(p.frame, reason)
		return
	}
	s.captureInner(p.frame, u.port, false)
	u.out.dispatch(&p, to)
}

// ports is where a frame from the jack goes.
func (u *uplink) ports(vlan uint16, dst ether.MAC, now time.Duration) ([]bridge.Port, drop.Reason) {
	port, verdict := u.s.sw.Lookup(u.port, vlan, dst, now)
	switch verdict {
	case bridge.Unicast:
		u.out.one[0] = port
		return u.out.one[:], drop.None
	case bridge.Flood:
		to := u.s.sw.FloodPorts(u.port)
		if len(to) == 0 {
			return nil, drop.NoPort
		}
		u.s.flooded.Add(1)
		return to, drop.None
	case bridge.SamePort:
		return nil, drop.SamePort
	}
	return nil, drop.SplitHorizon
}
