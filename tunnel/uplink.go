package tunnel

import (
	"errors"
	"time"

	"github.com/vxmesh/vxmesh/tundev"
	"github.com/vxmesh/vxmesh/tundev/ether"
	"github.com/vxmesh/vxmesh/tundev/offload"
	"github.com/vxmesh/vxmesh/tunnel/bridge"
	"github.com/vxmesh/vxmesh/tunnel/drop"
)

// An uplink carries frames from one segment's device, or a guest's, to peers, VTEPs, and what else is
// plugged in:
//
//	device -> switch -> egress
//
// One goroutine owns it.
type uplink struct {
	pulse
	*jack
	out *egress
}

func newUplink(j *jack) *uplink { return &uplink{jack: j, out: newEgress(j.s)} }

// carry reads until the device has nothing more or the batch is full, and sends the batch.
func (u *uplink) carry(wait bool) error {
	n, h, err := u.dev.ReadFrame(u.out.room(), wait)
	u.begin()
	defer u.end()
	u.out.now = u.s.node.tick()
	for ; err == nil; n, h, err = u.dev.ReadFrame(u.out.room(), false) {
		u.forward(n, h)
		if u.out.full() {
			break
		}
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

func (u *uplink) endpoint() any { return u.dev }

// forward asks the switch who gets the frame of n bytes that was read last, and queues it.
func (u *uplink) forward(n int, h offload.Header) {
	s, now := u.s, u.out.now
	p := parcel{frame: u.out.room()[:n], from: u.port, meta: h}
	if u.guest != nil {
		u.guest.rx.add(1, n)
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
