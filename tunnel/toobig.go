package tunnel

import (
	"time"

	"github.com/vxmesh/vxmesh/tundev/offload"
	"github.com/vxmesh/vxmesh/tunnel/drop"
	"github.com/vxmesh/vxmesh/tunnel/vxlan"
)

// The rate of ICMP errors to hosts of one segment, so that a flood of large packets is not answered
// by a flood of errors (RFC 1812, 4.3.2.8).
const (
	icmpBurst = 100
	icmpEvery = 5 * time.Millisecond
)

// An icmpLimiter is a bucket of permits that fills with time. One goroutine uses it.
type icmpLimiter struct {
	permits int
	last    time.Duration
	buf     []byte // where the answers are written
}

func newICMPLimiter() icmpLimiter {
	return icmpLimiter{permits: icmpBurst, buf: make([]byte, 0, vxlan.MaxTooBig)}
}

// allow takes a permit if there is one.
func (l *icmpLimiter) allow(now time.Duration) bool {
	if more := int((now - l.last) / icmpEvery); more > 0 {
		l.permits = min(icmpBurst, l.permits+more)
		l.last = now
	}
	if l.permits == 0 {
		return false
	}
	l.permits--
	return true
}

// tooBig tells the sender of a frame that the path to v carries mtu bytes only, through the port
// that the frame came from, as if the destination had said so. It reports whether that was the
// answer to give; the frame is then used up. Otherwise it may be sent, for the underlay to fragment.
func (e *egress) tooBig(v *vtep, p *parcel, mtu int) bool {
	reply, ok := vxlan.AppendTooBig(e.icmp.buf, p.frame, p.ip, mtu)
	if !ok {
		return false
	}
	e.s.dropTo(&v.party, p.frame, drop.TooBig, 1)
	if p.answered || !e.icmp.allow(e.s.node.now()) { // only answers cost a permit
		return true
	}
	p.answered = true
	e.s.tooBig.Add(1)
	if pr := e.s.leg.Load().peer(p.from); pr != nil {
		e.sealed.frame(pr, offload.Header{}, reply, 0, e.now)
	} else if j := e.s.jackAt(p.from); j != nil {
		j.write(offload.Header{}, [][]byte{reply})
	}
	return true
}
