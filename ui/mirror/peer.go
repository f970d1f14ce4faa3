package mirror

import (
	"math"
	"slices"
	"time"

	"github.com/vxmesh/vxmesh/tunnel/control"
)

// A State says how a peer is doing, as people are told it.
type State uint8

// The states, the best first.
const (
	Direct State = iota
	Relayed
	Degraded   // reached, but badly: see [Peer.Cause]
	Connecting // for less than [connectingFor]
	Down
	Failed // refused: another try will not help
	Paused
)

// String is the state as filters and scripts spell it.
func (s State) String() string {
	return [...]string{"direct", "relayed", "degraded", "connecting", "down", "error", "paused"}[s]
}

// When a peer counts as degraded, and when no longer: both ends of the wait keep it from flapping.
const (
	lossLimit     = 0.03
	rttFactor     = 3
	rttFloor      = 0.005 // seconds: what is faster than this is never slow
	degradedAfter = 30 * time.Second
	clearAfter    = 60 * time.Second
	connectingFor = 15 * time.Second
)

// refusals are the reasons of a node that time alone does not mend.
var refusals = []string{
	"revoked", "key_mismatch", "vni_mismatch", "version", "not_listed", "certificate_expired", "no_certificate",
}

// A Peer is another machine of the network with its recent past. Lists are oldest first, a value for
// each five seconds; NaN stands for none.
type Peer struct {
	control.Peer
	State          State
	Cause          string    // of a State that is not well; "" else
	Rx, Tx         float64   // bytes a second
	StateSince     time.Time // of State
	RxPast, TxPast []float64
	RTTPast        []float64 // seconds
	LossPast       []float64 // 0 to 1
	Changes        []Change  // of State, the last few

	wasRx, wasTx   uint64
	measuredAt     time.Time
	stepAt         time.Time
	badSince, okAt time.Time
	bad            string
	degraded       bool
}

// A Change is a peer that came into another state.
type Change struct {
	At time.Time
	To State
}

const changesKept = 8

func newPeer() *Peer { return new(Peer) }

func (p *Peer) set(now control.Peer, at time.Time) {
	p.Peer = now
	p.judge(at)
}

// count takes in the counters alone; what the way is like is not known then.
func (p *Peer) count(s control.PeerStats, at time.Time) {
	p.RxBytes, p.TxBytes, p.RxFrames, p.TxFrames = s.RxBytes, s.TxBytes, s.RxFrames, s.TxFrames
	if s.RxBytes != p.wasRx && !p.measuredAt.IsZero() {
		p.LastSeen = at
	}
	p.measure(at, false)
}

// measure makes rates of the counters and a step of the past. Of the way there is one only where it was
// measured, too.
func (p *Peer) measure(at time.Time, way bool) {
	if elapsed := at.Sub(p.measuredAt).Seconds(); !p.measuredAt.IsZero() && elapsed > 0.05 {
		p.Rx = perSecond(p.wasRx, p.RxBytes, elapsed)
		p.Tx = perSecond(p.wasTx, p.TxBytes, elapsed)
	}
	p.wasRx, p.wasTx, p.measuredAt = p.RxBytes, p.TxBytes, at
	rtt, loss := math.NaN(), math.NaN()
	if way && p.Path != nil && p.Reachable() {
		rtt, loss = p.Path.RTTSeconds, p.Path.LossRatio
	}
	if step := at.Truncate(peerStep); step != p.stepAt {
		p.stepAt = step
		p.push(p.Rx, p.Tx, rtt, loss)
	} else if n := len(p.RxPast); n > 0 {
		p.RxPast[n-1], p.TxPast[n-1] = max(p.RxPast[n-1], p.Rx), max(p.TxPast[n-1], p.Tx)
		p.RTTPast[n-1], p.LossPast[n-1] = rtt, loss
	}
	p.judge(at)
}

func (p *Peer) push(rx, tx, rtt, loss float64) {
	for _, v := range []struct {
		to *[]float64
		v  float64
	}{{&p.RxPast, rx}, {&p.TxPast, tx}, {&p.RTTPast, rtt}, {&p.LossPast, loss}} {
		*v.to = append((*v.to)[max(0, len(*v.to)-peerSteps+1):], v.v)
	}
}

func (p *Peer) setHistory(h control.PeerSeries, at time.Time) {
	n := min(len(h.RxBytesPerSecond), len(h.TxBytesPerSecond), len(h.RTTSeconds), len(h.LossRatio))
	p.RxPast, p.TxPast, p.RTTPast, p.LossPast = nil, nil, nil, nil
	for i := range n {
		rtt, loss := h.RTTSeconds[i], h.LossRatio[i]
		if rtt < 0 {
			rtt, loss = math.NaN(), math.NaN()
		}
		p.push(h.RxBytesPerSecond[i], h.TxBytesPerSecond[i], rtt, loss)
	}
	if n > 0 { // until two readings of the counters make a rate
		p.Rx, p.Tx = h.RxBytesPerSecond[n-1], h.TxBytesPerSecond[n-1]
	}
	p.stepAt = at.Truncate(peerStep)
	p.judge(at)
}

// judge finds the state that people are told.
func (p *Peer) judge(at time.Time) {
	state, cause := p.plain(at)
	if state == Direct || state == Relayed {
		if bad := p.badness(at); bad != "" {
			state, cause = Degraded, bad
		}
	} else {
		p.badSince, p.degraded = time.Time{}, false
	}
	if state != p.State || p.StateSince.IsZero() {
		if !p.StateSince.IsZero() {
			p.Changes = append(p.Changes[max(0, len(p.Changes)-changesKept+1):], Change{at, state})
		}
		p.StateSince = at
		if state != Degraded && !p.Since.IsZero() {
			p.StateSince = p.Since
		}
	}
	p.State, p.Cause = state, cause
}

// plain is the state as the node says it.
func (p *Peer) plain(at time.Time) (State, string) {
	switch p.Peer.State {
	case control.PeerDirect:
		return Direct, ""
	case control.PeerRelayed, control.PeerPunching:
		return Relayed, p.Reason
	}
	switch {
	case p.Reason == "paused":
		return Paused, ""
	case slices.Contains(refusals, p.Reason):
		return Failed, p.Reason
	case p.LastSeen.IsZero() && at.Sub(p.Since) < connectingFor:
		return Connecting, p.Reason
	}
	return Down, p.Reason
}

// badness says what is wrong with the way to a peer that is reached; "" when nothing has been for long
// enough.
func (p *Peer) badness(at time.Time) string {
	bad := p.wrong()
	if bad != "" {
		p.bad, p.okAt = bad, time.Time{}
		if p.badSince.IsZero() {
			p.badSince = at
		}
		p.degraded = p.degraded || at.Sub(p.badSince) >= degradedAfter
	} else {
		if p.okAt.IsZero() {
			p.okAt = at
		}
		if !p.degraded || at.Sub(p.okAt) >= clearAfter {
			p.degraded, p.badSince = false, time.Time{}
		}
	}
	if p.degraded {
		return p.bad
	}
	return ""
}

// wrong is what is out of bounds at this moment: "loss" or "rtt".
func (p *Peer) wrong() string {
	if p.Path == nil {
		return ""
	}
	if p.Path.LossRatio > lossLimit {
		return "loss"
	}
	known := slices.DeleteFunc(slices.Clone(p.RTTPast), math.IsNaN)
	if len(known) < 24 { // two minutes: before that nobody knows what is usual
		return ""
	}
	last := Sort(known[len(known)-6:])
	if slow := Quantile(last, 0.5); slow > rttFloor && slow > rttFactor*Quantile(Sort(known), 0.5) {
		return "rtt"
	}
	return ""
}

// Sort gives the values in order, without those that are none; v stays as it is.
func Sort(v []float64) []float64 {
	known := slices.DeleteFunc(slices.Clone(v), math.IsNaN)
	slices.Sort(known)
	return known
}

// Quantile is the value below which the share q of sorted values lies; NaN of none.
func Quantile(sorted []float64, q float64) float64 {
	if len(sorted) == 0 {
		return math.NaN()
	}
	return sorted[min(len(sorted)-1, int(q*float64(len(sorted))))]
}
