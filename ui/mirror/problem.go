package mirror

import (
	"fmt"
	"slices"
	"time"

	"github.com/vxmesh/vxmesh/tunnel/control"
)

// A Severity orders problems.
type Severity uint8

// The severities, the gravest first.
const (
	Fault   Severity = iota // something does not work
	Warning                 // it works less well than it could
	Note                    // worth knowing
)

// A Problem is something that deserves attention, and what helps.
type Problem struct {
	Severity Severity
	Subject  string // the peer's name, or the part's
	Peer     bool   // Subject is a peer
	Text     string
	Fix      string // a command or a sentence; "" when there is none
}

// flapping is how many moves within flapWindow are more than a machine that moved.
const (
	flapping   = 3
	flapWindow = 10 * time.Minute
)

// Problems gives what deserves attention now, the gravest first.
func (m *Mirror) Problems() (out []Problem) {
	for _, w := range m.Status.Warnings {
		out = append(out, Problem{Warning, "node", false, w.Message, w.Fix})
	}
	for _, s := range m.Status.Segments {
		out = append(out, segmentProblems(s)...)
	}
	for _, p := range m.Peers {
		if problem, bad := p.Problem(m.Now); bad {
			out = append(out, problem)
		}
	}
	out = append(out, m.flaps()...)
	slices.SortStableFunc(out, func(a, b Problem) int { return int(a.Severity) - int(b.Severity) })
	return out
}

func segmentProblems(s control.SegmentStatus) (out []Problem) {
	if s.Device.State == "down" {
		out = append(out, Problem{Severity: Fault, Subject: s.Device.Name, Text: "the device is down"})
	}
	for _, v := range s.VTEPs {
		if v.State != control.VTEPOK {
			out = append(out, Problem{Severity: Warning, Subject: v.Remote, Text: v.Reason})
		}
	}
	return out
}

// Problem says what is not well with the peer, if anything.
func (p *Peer) Problem(now time.Time) (Problem, bool) {
	q := Problem{Severity: Warning, Subject: p.Name, Peer: true, Fix: "vxmesh why " + p.Name}
	switch p.State {
	case Failed:
		q.Severity, q.Text = Fault, "refused: "+Words(p.Cause)
	case Down:
		q.Text = "down"
		if !p.LastSeen.IsZero() {
			q.Text += ", last seen " + round(now.Sub(p.LastSeen)) + " ago"
		}
		if p.Cause != "" {
			q.Text += ": " + Words(p.Cause)
		}
	case Degraded:
		q.Text = p.degradation(now)
	case Relayed:
		q.Severity, q.Text = Note, "relayed"
		if p.Path != nil && p.Path.Via != "" {
			q.Text += " via " + p.Path.Via
		}
		if p.Cause != "" {
			q.Text += ": " + Words(p.Cause)
		}
	default:
		return q, false
	}
	return q, true
}

func (p *Peer) degradation(now time.Time) string {
	if p.Path == nil {
		return Words(p.Cause)
	}
	since := round(now.Sub(p.badSince))
	if p.Cause == "rtt" {
		return fmt.Sprintf("%.1f ms for %s, usually %.1f ms", p.Path.RTTSeconds*1000, since,
			Quantile(Sort(p.RTTPast), 0.5)*1000)
	}
	loss := p.Path.LossRatio
	if known := Sort(p.LossPast[max(0, len(p.LossPast)-6):]); loss == 0 && len(known) > 0 {
		loss = known[len(known)-1]
	}
	return fmt.Sprintf("%.1f %% loss for %s", loss*100, since)
}

func (m *Mirror) flaps() (out []Problem) {
	counted := make(map[Address]int)
	for _, move := range m.Moves {
		if m.Now.Sub(move.Time) > flapWindow {
			continue
		}
		if counted[move.Address]++; counted[move.Address] == flapping {
			out = append(out, Problem{
				Severity: Warning, Subject: move.MAC.String(),
				Text: fmt.Sprintf("moves between %s and %s: a loop, a migration or a copied address", move.From, move.To),
				Fix:  fmt.Sprintf("vxmesh fdb add %s %s", move.MAC, move.To),
			})
		}
	}
	return out
}

// Words makes a snake_case reason readable.
func Words(reason string) string {
	b := []byte(reason)
	for i := range b {
		if b[i] == '_' {
			b[i] = ' '
		}
	}
	return string(b)
}

func round(d time.Duration) string {
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%d s", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%d min", int(d.Minutes()))
	case d < 24*time.Hour:
		return fmt.Sprintf("%d h %02d min", int(d.Hours()), int(d.Minutes())%60)
	}
	return fmt.Sprintf("%d d %02d h", int(d.Hours())/24, int(d.Hours())%24)
}
