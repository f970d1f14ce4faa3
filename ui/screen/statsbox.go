package screen

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strconv"
	"time"

	"github.com/vxmesh/vxmesh/tunnel/control"
	"github.com/vxmesh/vxmesh/ui/mirror"
	"github.com/vxmesh/vxmesh/ui/view"
)

// drawThroughput is the chart, and numbers of the same window beside it.
func (p *statsPage) drawThroughput(u *UI, a view.Area) {
	right := "w window   v peer/all   l " + choice(p.log, "linear", "log") + "   u units"
	if u.w < 100 {
		right = "w v l u"
	}
	a = view.Box(a, view.BoxOptions{Title: p.title(), Right: right})
	w, h := a.Size()
	shown := p.past(u)
	chart, side := a.SplitRight(min(27, w/3))
	marks := p.marks()
	if cw, _ := chart.Size(); cw < 50 {
		marks = []string{marks[0], marks[2], marks[4]}
	}
	view.AreaChart(chart, view.ChartOptions{
		Up: shown.rx, Down: shown.tx, Factor: u.factor(), X: marks, Log: p.log,
	})
	upper, lower := side.Inset(2, 0, 0, 0).SplitTop(max(4, h/2+1))
	rx, tx := u.Net.Rates.RxBytes, u.Net.Rates.TxBytes
	if v := p.peer(); v != nil {
		rx, tx = v.Rx, v.Tx
	}
	drawNumbers(u, upper, "↓ rx", view.Chart1, rx, shown.rx, shown.step)
	drawNumbers(u, lower, "↑ tx", view.Chart2, tx, shown.tx, shown.step)
}

// drawNumbers tells what a series comes to.
func drawNumbers(u *UI, a view.Area, title string, role view.Role, now float64, values []float64, step time.Duration) {
	known := mirror.Sort(values)
	sum := 0.0
	for _, v := range known {
		sum += v
	}
	a.Print(0, 0, role, title)
	lines := []fact{
		plainFact("now", view.Rate(now, u.Look.Bytes)),
		plainFact("avg", view.Rate(sum/float64(len(known)), u.Look.Bytes)),
		plainFact("p95", view.Rate(mirror.Quantile(known, 0.95), u.Look.Bytes)),
		plainFact("sum", view.Bytes(sum*step.Seconds())),
	}
	for y, l := range lines {
		a.Print(6, y, view.Dim, l.name)
		a.Print(11, y, view.Text, l.value[0].Text)
	}
}

func (p *statsPage) drawTalkers(u *UI, a view.Area) {
	a = view.Box(a, view.BoxOptions{Title: "Top talkers", Right: p.talkers.sorting()})
	w, _ := a.Size()
	p.bar = max(6, min(w-40, 40))
	p.talkers.fields[2].Min, p.talkers.fields[2].Max = p.bar, p.bar
	p.talkers.draw(u, a)
}

// drawLatency has a row for each of the talkers, beside it.
func (p *statsPage) drawLatency(u *UI, a view.Area, narrow bool) {
	window := min(statsWindows[p.window].d, peerPast)
	a = view.Box(a, view.BoxOptions{Title: "Latency, ms", Right: view.Age(window)})
	if p.talkers.filter.open || !p.talkers.filter.empty() {
		a = a.Inset(0, 1, 0, 0) // its rows stay beside those of the talkers
	}
	w, _ := a.Size()
	spark := max(6, min(w-48, 24))
	if narrow {
		spark = 6
	}
	number := func(title string, priority int) view.Column {
		return view.Column{Title: title, Min: 5, Right: true, Priority: priority}
	}
	view.Table(a, view.TableOptions{
		Columns: []view.Column{
			{Title: "peer", Min: 8, Max: 24, Middle: true},
			number("min", 2), number("avg", 3), number("p95", 6),
			number("max", 1),
			{Title: "loss", Min: 6, Right: true, Priority: 5},
			{Title: "", Min: spark, Max: spark, Priority: 4},
		},
		Rows: len(p.talkers.rows), Top: p.talkers.top, Cursor: -1, Sort: -1,
		Row:  func(i int) []view.Cell { return latency(p.talkers.rows[i], window, spark) },
		Zone: func(i int) any { return row{&p.talkers, i} },
	})
}

// latency is how long the way to a peer took within a window.
func latency(v *mirror.Peer, window time.Duration, spark int) []view.Cell {
	past := lastOf(v.RTTPast, window, peerStep)
	known := mirror.Sort(past)
	lost := mirror.Sort(lastOf(v.LossPast, window, peerStep))
	ms := func(seconds float64) view.Cell {
		if math.IsNaN(seconds) {
			return view.Cell{Text: "-", Role: view.Dim}
		}
		return view.Cell{Text: strconv.FormatFloat(min(seconds*1000, 1e6), 'f', 1, 64), Role: warned(v, "rtt")}
	}
	lowest, highest := math.NaN(), math.NaN()
	if len(known) > 0 {
		lowest, highest = known[0], known[len(known)-1]
	}
	return []view.Cell{
		{Text: v.Name, Role: view.Text},
		ms(lowest), ms(mean(known)), ms(mirror.Quantile(known, 0.95)), ms(highest),
		{Text: view.Percent(mean(lost)), Role: warned(v, "loss")},
		{Text: steady(past, lowest, highest, spark), Role: view.Chart1},
	}
}

// steady draws how much values are above the lowest: what does not change much is a flat line.
func steady(values []float64, lowest, highest float64, width int) string {
	above := make([]float64, len(values))
	for i, v := range values {
		above[i] = v - lowest
	}
	return view.Spark(above, width, max(highest-lowest, lowest/2, 0.0005))
}

// mean is NaN of nothing.
func mean(values []float64) float64 {
	sum := 0.0
	for _, v := range values {
		sum += v
	}
	return sum / float64(len(values))
}

// drawFrames tells of frames: a second, on average, and in all.
func (p *statsPage) drawFrames(u *UI, a view.Area) {
	sum, since := p.counted(u)
	a = view.Box(a, view.BoxOptions{Title: "Frames", Right: since})
	w, h := a.Size()
	r := u.Net.Rates
	flooded := 0.0
	for _, s := range u.Net.Status.Segments {
		flooded += u.Net.Segment(s.VNI).Flooded
	}
	lines := [][3]string{
		{"a second", view.Count(r.RxFrames), view.Count(r.TxFrames)},
		{"avg size", average(r.RxBytes, r.RxFrames), average(r.TxBytes, r.TxFrames)},
		{"frames", view.Count(float64(sum.rxFrames)), view.Count(float64(sum.txFrames))},
		{"bytes", view.Bytes(sum.rxBytes), view.Bytes(sum.txBytes)},
		{"flooded", view.Count(flooded) + " /s", view.Count(float64(sum.flooded))},
		{"icmp", "too big", view.Count(float64(sum.tooBig))},
	}
	if h < 5 { // the lines that matter most, without a heading
		for y, l := range [][3]string{lines[0], lines[1], lines[3]} {
			a.Print(0, y, view.Dim, l[0])
			a.Print(10, y, view.Chart1, "↓ "+l[1])
			a.Print(22, y, view.Chart2, "↑ "+l[2])
		}
		return
	}
	column := min(14, (w-10)/2)
	print := func(y int, l [3]string, role view.Role) {
		a.Print(0, y, view.Dim, l[0])
		a.Sub(10, y, column, 1).PrintRight(0, role, l[1])
		a.Sub(10+column, y, column, 1).PrintRight(0, role, l[2])
	}
	print(0, [3]string{"", "↓ rx", "↑ tx"}, view.Title)
	for y, l := range lines {
		print(y+1, l, view.Text)
	}
}

func average(bytes, frames float64) string {
	if frames <= 0 {
		return "-"
	}
	return view.Bytes(bytes / frames)
}

// A dropLine is what was dropped for a reason: within the window, and since the counters began.
type dropLine struct {
	reason       string
	recent, ever uint64
}

func (p *statsPage) dropLines(u *UI) (out []dropLine) {
	recent := u.Net.DropsWithin(statsWindows[p.window].d)
	for reason, n := range p.drops(u) {
		if n > 0 || recent[reason] > 0 {
			out = append(out, dropLine{reason, recent[reason], n})
		}
	}
	slices.SortFunc(out, func(a, b dropLine) int {
		return cmp.Or(cmp.Compare(b.recent, a.recent), cmp.Compare(b.ever, a.ever), cmp.Compare(a.reason, b.reason))
	})
	return out
}

func (p *statsPage) drawDrops(u *UI, a view.Area) {
	_, since := p.counted(u)
	a = view.Box(a, view.BoxOptions{Title: "Drops, last " + statsWindows[p.window].name, Right: since})
	w, h := a.Size()
	lines := p.dropLines(u)
	if len(lines) == 0 {
		a.Print(0, 0, view.Good, "nothing was dropped")
		return
	}
	for y, l := range lines {
		if y == h-1 && len(lines) > h {
			a.Print(0, y, view.Dim, fmt.Sprintf("and %d more reasons", len(lines)-y))
			break
		}
		role := view.Dim
		if l.recent > 0 {
			role = view.Text
		}
		name, left := dropper(u.Net.Stats, l.reason), max(4, w-16)
		if w >= 46 {
			left = 20
		} else {
			name = ""
		}
		a.Print(0, y, role, view.Truncate(mirror.Words(l.reason), left))
		a.Sub(left, y, 7, 1).PrintRight(0, role, view.Count(float64(l.recent)))
		a.Sub(left+7, y, 9, 1).PrintRight(0, view.Dim, view.Count(float64(l.ever)))
		a.Print(left+18, y, view.Dim, view.Truncate(name, w-left-18))
	}
}

// dropper is the part in which most was dropped for a reason.
func dropper(s control.Stats, reason string) (name string) {
	most := uint64(0)
	take := func(part string, drops control.Counts) {
		if n := drops[reason]; n > most {
			name, most = part, n
		}
	}
	for _, v := range s.Peers {
		take(v.Name, v.Drops)
	}
	for _, v := range s.VTEPs {
		take(v.Remote, v.Drops)
	}
	for _, v := range s.Segments {
		take("segment", v.Drops)
	}
	for _, v := range s.Sockets {
		take(v.Listen, v.Drops)
	}
	return name
}

func (p *statsPage) drawNode(u *UI, a view.Area) {
	a = view.Box(a, view.BoxOptions{Title: "Node"})
	w, h := a.Size()
	n := u.Net.Stats.Node
	cpu := fact{"cpu", []view.Cell{{Text: "-"}}}
	if n.CPUSeconds > 0 {
		cpu.value = []view.Cell{
			{Text: view.PadLeft(view.Percent(u.Net.Rates.CPU), 7) + "  "},
			{Text: view.Spark(u.Net.CPUPast, max(0, min(w-factWidth-10, 20)), max(0.05, peak(u.Net.CPUPast))), Role: view.Chart1},
		}
	}
	facts := []fact{
		cpu,
		plainFact("memory", view.PadLeft(view.Bytes(n.MemoryBytes), 7)+"   goroutines "+strconv.Itoa(n.Goroutines)),
		plainFact("uptime", view.Age(u.uptime())+"   version "+orNone(u.Net.Status.Version)),
	}
	for _, s := range u.Net.Stats.Sockets {
		role, note := view.Text, ""
		if s.RxDrops > 0 {
			role, note = view.Warn, "▲ "
		}
		facts = append(facts, fact{"socket", []view.Cell{
			{Text: s.Listen + "  "}, {Text: note + "drops " + view.Count(float64(s.RxDrops)), Role: role},
		}})
	}
	if len(facts) > h && h > 0 {
		left := len(facts) - h + 1
		facts = append(facts[:h-1:h-1], plainFact("", fmt.Sprintf("and %d more sockets", left)))
	}
	drawFacts(a, facts)
}

// drawCompact is the sums in two lines, and the talkers below them.
func (p *statsPage) drawCompact(u *UI, a view.Area) {
	w, _ := a.Size()
	shown := p.past(u)
	rx, tx := u.Net.Rates.RxBytes, u.Net.Rates.TxBytes
	if v := p.peer(); v != nil {
		rx, tx = v.Rx, v.Tx
	}
	for y, l := range []struct {
		mark   string
		role   view.Role
		now    float64
		values []float64
	}{{"↓", view.Chart1, rx, shown.rx}, {"↑", view.Chart2, tx, shown.tx}} {
		x := a.Print(1, y, l.role, l.mark+" "+view.PadLeft(view.Rate(l.now, u.Look.Bytes), 11))
		a.Print(x+2, y, l.role, view.Spark(l.values, max(0, w-x-3), 0))
	}
	x := a.Print(1, 2, view.Dim, view.Truncate(p.whose()+", "+p.windowName(), w/2+4))
	drops := u.Net.DropsWithin(statsWindows[p.window].d).Total()
	if text := "drops " + view.Count(float64(drops)) + " "; x+view.Width(text)+1 < w {
		a.PrintRight(2, view.Dim, text)
	}
	p.bar = max(6, min(w-38, 40))
	p.talkers.fields[2].Min, p.talkers.fields[2].Max = p.bar, p.bar
	p.talkers.draw(u, a.Inset(0, 4, 0, 0))
}
