package bridge

import (
	"time"

	"github.com/vxmesh/vxmesh/tundev/ether"
)

// A Verdict says what happens to a frame.
type Verdict uint8

// The verdicts.
const (
	Unicast  Verdict = iota // it leaves by one port
	Flood                   // nobody knows, or it is for many: it leaves by every port of FloodPorts
	SamePort                // its destination is behind the port it came from: it is dropped
	Horizon                 // its destination is behind a port of the same group: it is dropped
)

// Lookup decides where a frame that came in on from goes. The port is the one that dst is behind,
// [NoPort] with [Flood]. An entry that has aged out is unknown at that very instant, whether or
// not [Switch.Expire] has run, and looking an address up does not keep it. Group addresses are
// looked up like others, for they may have static entries.
//
// It may be called concurrently with everything, takes no lock and does not allocate.
func (s *Switch) Lookup(from Port, vlan uint16, dst ether.MAC, now time.Duration) (Port, Verdict) {
	_, v, seen := s.get(newKey(vlan, dst))
	if !v.valid(s.options.Load(), seen, now) {
		return NoPort, Flood
	}
	verdict := s.ports.Load().verdict(from, v.port())
	if verdict == Flood {
		return NoPort, Flood
	}
	return v.port(), verdict
}

// FloodPorts lists the ports that a frame from from is flooded to, in ascending order: those
// added with flood that are neither from itself nor of its group. The slice is shared and must
// not be changed; it stays as it is when ports come and go. FloodPorts does not allocate.
func (s *Switch) FloodPorts(from Port) []Port {
	ps := *s.ports.Load()
	if int64(from) >= int64(len(ps)) {
		return nil
	}
	return ps[from].flood
}
