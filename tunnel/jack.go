package tunnel

import (
	"errors"
	"slices"

	"github.com/vxmesh/vxmesh/tundev"
	"github.com/vxmesh/vxmesh/tundev/ether"
	"github.com/vxmesh/vxmesh/tundev/offload"
	"github.com/vxmesh/vxmesh/tunnel/bridge"
	"github.com/vxmesh/vxmesh/tunnel/drop"
)

// A jack is where a device is plugged into a segment on this machine: the segment's own device, or a
// guest's. Its fields are constant; any number of goroutines may write to it.
type jack struct {
	s     *segment
	dev   tundev.Device
	port  bridge.Port
	guest *Guest // nil for the segment's own device
}

// jackAt gives what is plugged in at a port, or nil.
func (s *segment) jackAt(p bridge.Port) *jack {
	if p == devicePort {
		return s.jack
	}
	return s.leg.Load().jack(p)
}

// plugged lists the jacks in the order of their ports.
func (l *leg) plugged() []*jack {
	return slices.DeleteFunc(slices.Clone(l.jacks), func(j *jack) bool { return j == nil })
}

// with gives a snapshot with one more jack, at the port that it has.
func (l *leg) with(j *jack) *leg {
	next := l.clone()
	next.sources = l.sources
	next.jacks = make([]*jack, max(len(l.jacks), int(j.port)+1))
	copy(next.jacks, l.jacks)
	next.jacks[j.port] = j
	return next
}

// unplugged gives a snapshot without a jack.
func (l *leg) unplugged(j *jack) *leg {
	next := l.clone()
	next.sources = l.sources
	next.jacks = slices.Clone(l.jacks)
	next.jacks[j.port] = nil
	return next
}

// gone reports whether nothing comes to the jack any more.
func (j *jack) gone() bool { return j.s.node.segment(j.s.vni) != j.s || j.s.jackAt(j.port) != j }

// takes reports whether the device takes a frame as unfinished as h says it is.
func (j *jack) takes(h offload.Header) bool { return takes(capsOf(j.dev.Offloads()), h) }

// write gives a frame, gathered from parts, to the device, and counts it when that does not take it.
func (j *jack) write(h offload.Header, parts [][]byte) {
	switch err := j.dev.WriteFrame(h, parts); {
	case err == nil:
		if j.guest != nil {
			j.guest.count(parts)
		}
	case errors.Is(err, tundev.ErrDown), errors.Is(err, tundev.ErrClosed):
		j.drop(parts[0], drop.DeviceDown)
	default:
		j.drop(parts[0], drop.DeviceFull)
	}
}

// writeFinished is write for a device that takes no partial checksums and so no super-frames.
func (j *jack) writeFinished(h offload.Header, parts [][]byte) {
	if offload.Complete(h, parts[0]) != nil {
		j.drop(parts[0], drop.Malformed)
		return
	}
	j.write(offload.Header{}, parts)
}

// drop counts a frame that did not cross between the device and the switch.
func (j *jack) drop(frame ether.Frame, reason drop.Reason) {
	if j.guest != nil {
		j.guest.drops.Add(reason, 1)
	}
	j.s.dropInner(frame, j.port, reason)
}
