package screen

import (
	"math"
	"strings"

	"github.com/vxmesh/vxmesh/tunnel/control"
	"github.com/vxmesh/vxmesh/ui/mirror"
	"github.com/vxmesh/vxmesh/ui/view"
)

// reason says why a peer is reached as it is, and what would help.
func (p *peersPage) reason(u *UI, v *mirror.Peer, w int) block {
	lines := []textLine{{view.Title, "why " + v.State.String()}}
	say := func(role view.Role, indent int, first, text string) {
		for i, l := range view.Wrap(text, max(8, w-indent)) {
			start := first
			if i > 0 {
				start = strings.Repeat(" ", indent)
			}
			lines = append(lines, textLine{role, start + l})
		}
	}
	problem, bad := v.Problem(u.Now)
	if bad && v.State == mirror.Degraded {
		say(view.Warn, 2, "  ", problem.Text)
	}
	a, known := p.detail.answer(u, v.Name)
	switch {
	case known && a.err != "":
		say(view.Bad, 2, "  ", a.err)
	case known:
		say(view.Text, 2, "  ", a.why.Summary)
		for _, fix := range a.why.Fixes {
			say(view.Text, 7, "  fix  ", fix)
		}
	case bad && v.State != mirror.Degraded:
		say(view.Text, 2, "  ", problem.Text)
	default:
		say(view.Dim, 2, "  ", pending(u).text)
	}
	return linesBlock(lines...)
}

// ways are the addresses at which a peer might be reached.
func (p *peersPage) ways(u *UI, v *mirror.Peer) block {
	a, known := p.detail.answer(u, v.Name)
	switch {
	case known && a.err != "":
		return linesBlock(textLine{view.Dim, "the ways to it are not known"})
	case !known:
		return linesBlock(pending(u))
	case len(a.why.Candidates) == 0:
		return linesBlock(textLine{view.Dim, "no address of it is known"})
	}
	list := a.why.Candidates
	return block{len(list) + 1, func(a view.Area) {
		view.Table(a, view.TableOptions{
			Columns: []view.Column{
				{Title: "KIND", Min: 9, Priority: 4},
				{Title: "REMOTE", Min: 12, Max: 47},
				{Title: "RTT", Min: 8, Right: true, Priority: 3},
				{Title: "STATE", Min: 9, Priority: 5},
				{Title: "LAST TRY", Min: 16, Priority: 1, Flex: true},
			},
			Rows: len(list), Cursor: -1, Sort: -1,
			Row:    func(i int) []view.Cell { return wayCells(list[i]) },
			Marked: func(i int) bool { return list[i].State == control.CandidateInUse },
		})
	}}
}

func wayCells(c control.Candidate) []view.Cell {
	rtt, role := "-", view.Text
	if c.RTTSeconds > 0 {
		rtt = view.Millis(c.RTTSeconds)
	}
	switch c.State {
	case control.CandidateInUse:
		role = view.Good
	case control.CandidateReachable, control.CandidateTrying:
	default:
		role = view.Dim
	}
	return []view.Cell{
		{Text: string(c.Kind), Role: role},
		{Text: c.Address, Role: role},
		{Text: rtt, Role: role},
		{Text: mirror.Words(string(c.State)), Role: role},
		{Text: orNone(c.LastResult), Role: view.Dim},
	}
}

// rttSteps are the steps of [mirror.Peer.RTTPast] in ten minutes.
const rttSteps = 120

// quantiles is "38.0/41.0/47.0/58.3 ms" of sorted values.
func quantiles(sorted []float64) string {
	if len(sorted) == 0 {
		return "-"
	}
	sum := 0.0
	for _, v := range sorted {
		sum += v
	}
	var parts []string
	for _, v := range []float64{
		sorted[0], sum / float64(len(sorted)), mirror.Quantile(sorted, 0.95), sorted[len(sorted)-1],
	} {
		parts = append(parts, strings.TrimSuffix(view.Millis(v), " ms"))
	}
	return strings.Join(parts, "/") + " ms"
}

// roundTrips is a chart of h lines of the last ten minutes.
func roundTrips(v *mirror.Peer, h int) block {
	past := make([]float64, max(0, rttSteps-len(v.RTTPast)), rttSteps)
	for i := range past {
		past[i] = math.NaN()
	}
	past = append(past, v.RTTPast...)
	sorted := mirror.Sort(past)
	if len(sorted) == 0 {
		return linesBlock(textLine{view.Title, "RTT, last 10 min"}, textLine{view.Dim, "nothing was measured"})
	}
	return block{h, func(a view.Area) {
		head, rest := a.SplitTop(1)
		w, _ := a.Size()
		x := head.Print(0, 0, view.Title, "RTT, last 10 min")
		if note := "min/avg/p95/max " + quantiles(sorted); x+2+view.Width(note) <= w {
			head.PrintRight(0, view.Dim, note)
		} else if x+2+view.Width(quantiles(sorted)) <= w {
			head.PrintRight(0, view.Dim, quantiles(sorted))
		}
		view.LineChart(rest, view.ChartOptions{Up: past, Factor: 1000, X: []string{"-10m", "-5m", "now"}})
	}}
}

// history is the states that a peer came into since the UI began.
func history(u *UI, v *mirror.Peer, w int) block {
	var parts []string
	for _, c := range v.Changes {
		parts = append(parts, clock(u, c.At)+" "+mark(c.To)+" "+c.To.String())
	}
	if len(parts) == 0 {
		parts = []string{clock(u, v.StateSince) + " " + mark(v.State) + " " + v.State.String()}
	}
	var lines []textLine
	for i, l := range joined(max(8, w-factWidth), parts) {
		lines = append(lines, textLine{view.Text, view.Pad(choice(i == 0, "history", ""), factWidth) + l})
	}
	return linesBlock(lines...)
}
