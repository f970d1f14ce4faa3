package tunnel

import (
	"time"

	"github.com/vxmesh/vxmesh/tundev/ether"
	"github.com/vxmesh/vxmesh/tunnel/bridge"
	"github.com/vxmesh/vxmesh/tunnel/control"
	"github.com/vxmesh/vxmesh/tunnel/drop"
)

// outcomeDrops are the outcomes of learning that a frame does not survive, as in the Linux driver.
var outcomeDrops = map[bridge.Outcome]drop.Reason{
	bridge.Pinned:  drop.StaticConflict,
	bridge.Invalid: drop.SourceInvalid,
}

// learn notes the source of a frame and says whether the frame may go on.
func (s *segment) learn(p bridge.Port, vlan uint16, src ether.MAC, now time.Duration) drop.Reason {
	outcome, was := s.sw.Learn(p, vlan, src, now)
	if outcome == bridge.Refreshed || outcome == bridge.Off {
		return drop.None
	}
	return s.learned(outcome, was, vlan, src)
}

// learned tells about everything that is not the rule.
func (s *segment) learned(o bridge.Outcome, was bridge.Port, vlan uint16, src ether.MAC) drop.Reason {
	switch o {
	case bridge.Added:
		s.publishEntry(control.EventFDBLearned, vlan, src, nil)
	case bridge.Moved:
		from := s.portName(was)
		s.publishEntry(control.EventFDBMoved, vlan, src, &from)
	case bridge.TableFull, bridge.PortFull:
		s.limited.Add(1) // the keeper tells, once a second at most
	}
	return outcomeDrops[o]
}

// publishEntry tells about an entry of the FDB as it is now, and where it was before.
func (s *segment) publishEntry(t control.EventType, vlan uint16, mac ether.MAC, from *control.FDBPort) {
	if !s.node.followed() {
		return
	}
	if e, ok := s.sw.Get(vlan, mac, s.node.now()); ok {
		entry := s.fdbEntry(e)
		s.node.publish(control.Event{Type: t, VNI: s.vni, Entry: &entry, From: from})
	}
}

// publishLimits tells how many sources were not learned since the last time.
func (s *segment) publishLimits() {
	if n := s.limited.Swap(0); n > 0 {
		s.node.publish(control.Event{
			Type: control.EventFDBLimit, VNI: s.vni, Count: n,
			Reason: "max_entries or max_per_port reached",
		})
	}
}
