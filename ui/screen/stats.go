package screen

import (
	"cmp"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/vxmesh/vxmesh/tunnel/control"
	"github.com/vxmesh/vxmesh/ui/mirror"
	"github.com/vxmesh/vxmesh/ui/view"
)

// A statsPage shows how much goes through, to whom, how fast, and what is lost.
type statsPage struct {
	talkers list[*mirror.Peer]
	window  int  // of statsWindows
	one     bool // the chart shows the peer under the cursor, not all
	log     bool // the chart's scale is logarithmic
	top     float64
	bar     int // columns of a talker's bar

	zero   *control.Stats // what counters count from; nil: the node's start
	zeroAt time.Time
	net    *mirror.Mirror // whose counters zero are
}

// A statsWindow is how far back the page looks.
type statsWindow struct {
	d     time.Duration
	name  string
	marks []string // of the time axis
}

var statsWindows = []statsWindow{
	{time.Minute, "1 min", []string{"-1m", "-45s", "-30s", "-15s", "now"}},
	{10 * time.Minute, "10 min", []string{"-10m", "-7m30", "-5m", "-2m30", "now"}},
	{time.Hour, "1 h", []string{"-1h", "-45m", "-30m", "-15m", "now"}},
}

// peerStep is how far apart the values of a peer's past are, and peerPast how far they go back.
const (
	peerStep = 5 * time.Second
	peerPast = 10 * time.Minute
)

func newStats() *statsPage {
	p := &statsPage{window: 1, bar: 10}
	p.talkers = list[*mirror.Peer]{
		fields: p.fields(), sort: 1, reverse: true,
		id:     func(v *mirror.Peer) string { return v.Name },
		record: func(_ *UI, v *mirror.Peer) view.Record { return talker{v} },
		keys:   []string{"name", "state", "rx", "tx"},
	}
	return p
}

func (p *statsPage) fields() []field[*mirror.Peer] {
	return []field[*mirror.Peer]{
		{
			view.Column{Title: "peer", Min: 10, Max: 24, Middle: true},
			"name",
			func(a, b *mirror.Peer) int { return cmp.Compare(a.Name, b.Name) },
			func(_ *UI, v *mirror.Peer) view.Cell {
				return view.Cell{Text: mark(v.State) + " " + v.Name, Role: roleOf(v.State)}
			},
		},
		{
			view.Column{Title: "↓ rx", Min: 9, Right: true, Priority: 4},
			"rx",
			func(a, b *mirror.Peer) int { return cmp.Compare(a.Rx, b.Rx) },
			func(u *UI, v *mirror.Peer) view.Cell { return view.Cell{Text: u.shortRate(v.Rx, v)} },
		},
		{
			view.Column{Title: "", Min: p.bar, Max: p.bar, Priority: 1},
			"", nil,
			func(_ *UI, v *mirror.Peer) view.Cell {
				return view.Cell{Text: view.Bar((v.Rx+v.Tx)/p.top, p.bar), Role: view.Chart1}
			},
		},
		{
			view.Column{Title: "↑ tx", Min: 9, Right: true, Priority: 3},
			"tx",
			func(a, b *mirror.Peer) int { return cmp.Compare(a.Tx, b.Tx) },
			func(u *UI, v *mirror.Peer) view.Cell { return view.Cell{Text: u.shortRate(v.Tx, v)} },
		},
	}
}

// shortRate is a rate of a peer; of one that is not reached there is none.
func (u *UI) shortRate(bytes float64, v *mirror.Peer) string {
	if !v.Reachable() {
		return "-"
	}
	return view.ShortRate(bytes, u.Look.Bytes)
}

// A talker is a peer as filters look at it.
type talker struct{ p *mirror.Peer }

// Text implements [view.Record].
func (t talker) Text() string { return t.p.Name + " " + t.p.State.String() }

// Field implements [view.Record].
func (t talker) Field(key string) (text string, number float64, ok bool) {
	switch key {
	case "name":
		return t.p.Name, math.NaN(), true
	case "state":
		return t.p.State.String(), math.NaN(), true
	case "rx":
		return "", t.p.Rx, true
	case "tx":
		return "", t.p.Tx, true
	}
	return "", 0, false
}

// update takes in what there is now.
func (p *statsPage) update(u *UI) {
	if p.net != u.Net || p.zero != nil && wentBack(*p.zero, u.Net.Stats) {
		p.net, p.zero = u.Net, nil // another network, or another process
	}
	p.top = 0
	for _, v := range u.Net.Peers {
		p.top = max(p.top, v.Rx+v.Tx)
	}
	p.talkers.update(u, u.Net.Peers)
}

// wentBack reports whether counters are smaller than they were, as those of a new process are.
func wentBack(was, now control.Stats) bool {
	a, b := sumsOf(was), sumsOf(now)
	return b.rxFrames < a.rxFrames || b.txFrames < a.txFrames || now.Node.CPUSeconds < was.Node.CPUSeconds
}

// A sums is what went through all segments.
type sums struct {
	rxBytes, txBytes, rxFrames, txFrames, flooded, tooBig uint64
}

func sumsOf(s control.Stats) (sum sums) {
	for _, seg := range s.Segments {
		sum.rxBytes += seg.RxBytes
		sum.txBytes += seg.TxBytes
		sum.rxFrames += seg.RxFrames
		sum.txFrames += seg.TxFrames
		sum.flooded += seg.FloodedFrames
		sum.tooBig += seg.ICMPTooBig
	}
	return sum
}

// counted gives the sums since the counters were zeroed, and says since when that is.
func (p *statsPage) counted(u *UI) (sum sums, since string) {
	sum = sumsOf(u.Net.Stats)
	if p.zero == nil {
		return sum, "since the start"
	}
	old := sumsOf(*p.zero)
	sum = sums{
		less(sum.rxBytes, old.rxBytes), less(sum.txBytes, old.txBytes), less(sum.rxFrames, old.rxFrames),
		less(sum.txFrames, old.txFrames), less(sum.flooded, old.flooded), less(sum.tooBig, old.tooBig),
	}
	return sum, "since " + clock(u, p.zeroAt)
}

func less(n, by uint64) uint64 { return n - min(n, by) }

// drops counts by reason since the counters were zeroed.
func (p *statsPage) drops(u *UI) control.Counts {
	now := mirror.Drops(u.Net.Stats)
	if p.zero == nil {
		return now
	}
	for reason, old := range mirror.Drops(*p.zero) {
		now[reason] = less(now[reason], old)
	}
	return now
}

// peer is the one whose traffic the chart shows; nil: all of it.
func (p *statsPage) peer() *mirror.Peer {
	if !p.one {
		return nil
	}
	v, _ := p.talkers.selected()
	return v
}

// A past is what the chart shows: as many values as the window has steps, NaN where nothing is known.
type past struct {
	rx, tx []float64 // bytes a second
	step   time.Duration
}

// past takes the window's part of what is remembered.
func (p *statsPage) past(u *UI) past {
	d := statsWindows[p.window].d
	if v := p.peer(); v != nil {
		d = min(d, peerPast)
		return past{lastOf(v.RxPast, d, peerStep), lastOf(v.TxPast, d, peerStep), peerStep}
	}
	s, step := u.Net.Traffic.Seconds, time.Second
	if d > 10*time.Minute {
		s, step = u.Net.Traffic.Decades, 10*time.Second
	}
	return past{lastOf(s.RxBytes, d, step), lastOf(s.TxBytes, d, step), step}
}

// lastOf is the end of a series, as long as d; what it does not go back to is NaN.
func lastOf(v []float64, d, step time.Duration) []float64 {
	n := int(d / step)
	out := make([]float64, 0, n)
	for range n - len(v) {
		out = append(out, math.NaN())
	}
	return append(out, v[max(0, len(v)-n):]...)
}

// windowName is the window of what is drawn: of a peer less is remembered.
func (p *statsPage) windowName() string {
	if p.peer() != nil && statsWindows[p.window].d > peerPast {
		return "10 min, no more is kept of a peer"
	}
	return statsWindows[p.window].name
}

func (p *statsPage) marks() []string {
	if p.peer() != nil && statsWindows[p.window].d > peerPast {
		return statsWindows[1].marks
	}
	return statsWindows[p.window].marks
}

func (p *statsPage) draw(u *UI, a view.Area) {
	w, h := a.Size()
	p.update(u)
	switch {
	case u.compact():
		p.drawCompact(u, a)
	case u.roomy():
		middle := min(max(9, len(u.Net.Peers)+3), (h-10)/2-1)
		parts := a.Rows(-1, middle, 10)
		p.drawThroughput(u, parts[0])
		beside := parts[1].Cols(-1, -1)
		p.drawTalkers(u, beside[0])
		p.drawLatency(u, beside[1], false)
		below := parts[2].Cols(-1, -1, -1)
		p.drawFrames(u, below[0])
		p.drawDrops(u, below[1])
		p.drawNode(u, below[2])
	default:
		middle := min(max(7, len(u.Net.Peers)+3), 8)
		parts := a.Rows(-1, middle, 5)
		p.drawThroughput(u, parts[0])
		beside := parts[1].Cols(w/2, -1)
		p.drawTalkers(u, beside[0])
		p.drawLatency(u, beside[1], true)
		below := parts[2].Cols(w/2, -1)
		p.drawFrames(u, below[0])
		p.drawDrops(u, below[1])
	}
}

func (p *statsPage) badge(*UI) string { return "" }

func (p *statsPage) typing() bool { return p.talkers.filter.open }

func (p *statsPage) paste(_ *UI, text string) { p.talkers.paste(text) }

func (p *statsPage) key(u *UI, k Key) (Effect, bool) {
	if p.talkers.key(k) {
		return nil, true
	}
	if k.Name != "esc" {
		return nil, false
	}
	switch {
	case p.one:
		p.one = false
	case p.zero != nil:
		p.zero = nil
		u.Say(view.Text, "the counters are those since the node's start again")
	default:
		return nil, false
	}
	return nil, true
}

func (p *statsPage) click(_ *UI, c Click) Effect {
	if _, open := p.talkers.click(c); open {
		p.one = true
	}
	return nil
}

func (p *statsPage) commands() []*Command {
	do := func(f func(u *UI)) func(*UI) Effect {
		return func(u *UI) Effect { f(u); return nil }
	}
	list := []*Command{
		{ID: "stats.window", Keys: []string{"w"}, Name: "window: 1 min, 10 min, 1 h", Short: "window", Run: do(func(*UI) { p.window = (p.window + 1) % len(statsWindows) })},
		{ID: "stats.peer", Keys: []string{"v", "enter"}, Name: "one peer, all peers", Short: "peer/all", Run: do(func(*UI) { p.one = !p.one })},
		{ID: "stats.log", Keys: []string{"l"}, Name: "logarithmic scale", Short: "log scale", Run: do(func(*UI) { p.log = !p.log })},
		{ID: "stats.zero", Keys: []string{"0"}, Name: "count from now on", Short: "zero", Run: do(p.zeroNow), CLI: cli("vxmesh stats")},
	}
	for _, c := range list {
		c.Page = Stats
	}
	return list
}

func (p *statsPage) zeroNow(u *UI) {
	if !u.Net.Known {
		return
	}
	p.net = u.Net
	stats := u.Net.Stats
	p.zero, p.zeroAt = &stats, u.Now
	u.Say(view.Text, "the counters shown count from now on; esc shows those since the node's start")
}

func (p *statsPage) copies(u *UI) []menuItem {
	items := []menuItem{copied("c", "command", "vxmesh stats"), copied("j", "JSON", jsonOf(u.Net.Stats))}
	p.update(u)
	if v, ok := p.talkers.selected(); ok {
		items = append(items, copied("n", "peer", v.Name))
	}
	return items
}

// export gives what the chart shows.
func (p *statsPage) export(u *UI) (name string, rows [][]string) {
	p.update(u)
	shown := p.past(u)
	rows = [][]string{{"time", "rx_bytes_per_second", "tx_bytes_per_second"}}
	for i := range min(len(shown.rx), len(shown.tx)) {
		if math.IsNaN(shown.rx[i]) {
			continue
		}
		back := time.Duration(len(shown.rx)-1-i) * shown.step
		rows = append(rows, []string{
			u.Net.Now.Add(-back).UTC().Format(time.RFC3339), strconv.FormatFloat(shown.rx[i], 'f', 0, 64),
			strconv.FormatFloat(shown.tx[i], 'f', 0, 64),
		})
	}
	name = "stats"
	if v := p.peer(); v != nil {
		name += "-" + strings.Map(fileChar, v.Name)
	}
	return name, rows
}

// fileChar keeps of a name what every system takes for a file.
func fileChar(c rune) rune {
	if special(c) || c == ':' {
		return '_'
	}
	return c
}

// whose names what the chart shows.
func (p *statsPage) whose() string {
	if v := p.peer(); v != nil {
		return v.Name
	}
	return "all peers"
}

func (p *statsPage) title() string {
	return fmt.Sprintf("Throughput, %s, %s", view.Middle(p.whose(), 30), p.windowName())
}
