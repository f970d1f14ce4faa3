package screen

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/vxmesh/vxmesh/ui/mirror"
	"github.com/vxmesh/vxmesh/ui/view"
)

// An overview answers whether all is well, and says what is wrong and what helps.
type overview struct {
	cursor string // the peer's name
	top    int
	shown  []*mirror.Peer
}

func newOverview() *overview { return &overview{} }

func (o *overview) typing() bool       { return false }
func (o *overview) paste(*UI, string)  {}
func (o *overview) badge(u *UI) string { return attention(u) }

// attention is "▲ 2" when there is something that is not well.
func attention(u *UI) string {
	n := 0
	for _, p := range u.Net.Problems() {
		if p.Severity != mirror.Note {
			n++
		}
	}
	if n == 0 {
		return ""
	}
	return fmt.Sprintf("▲ %d", n)
}

func (o *overview) commands() []*Command {
	list := []*Command{
		{ID: "overview.open", Keys: []string{"enter"}, Name: "open the peer", Short: "open", Run: o.open},
		{ID: "overview.why", Keys: []string{"x"}, Name: "why it is relayed, degraded, down", Short: "why", Run: o.onPeer(why), CLI: o.cli("vxmesh why ")},
		{ID: "overview.ping", Keys: []string{"P"}, Name: "ping by all ways", Short: "ping", Run: o.onPeer(pingPaths), CLI: o.cli("vxmesh ping --paths ")},
	}
	for _, c := range list {
		c.Page = Overview
	}
	return list
}

func (o *overview) open(u *UI) Effect {
	if o.cursor != "" {
		u.showPeer(o.cursor)
	}
	return nil
}

// peerShower is the page that shows one peer.
type peerShower interface{ showPeer(u *UI, name string) }

// showPeer goes to a peer on the page of peers.
func (u *UI) showPeer(name string) {
	if p, ok := u.bodies[Peers].(peerShower); ok {
		u.Show(Peers)
		p.showPeer(u, name)
	}
}

func (o *overview) onPeer(do func(string) Effect) func(*UI) Effect {
	return func(*UI) Effect {
		if o.cursor == "" {
			return nil
		}
		return do(o.cursor)
	}
}

func (o *overview) cli(prefix string) func(*UI) string {
	return func(*UI) string {
		if o.cursor == "" {
			return ""
		}
		return prefix + quoted(o.cursor)
	}
}

func (o *overview) key(_ *UI, k Key) (Effect, bool) {
	to, ok := walk(k.Name, o.index(), shortPage, len(o.shown))
	if ok && len(o.shown) > 0 {
		o.goTo(to)
	}
	return nil, ok
}

func (o *overview) index() int {
	return max(0, slices.IndexFunc(o.shown, func(p *mirror.Peer) bool { return p.Name == o.cursor }))
}

func (o *overview) goTo(i int) { o.cursor = o.shown[max(0, min(i, len(o.shown)-1))].Name }

func (o *overview) click(u *UI, c Click) Effect {
	if r, ok := c.Zone.(row); ok && r.list == any(o) && r.i < len(o.shown) {
		if c.Wheel != 0 {
			o.goTo(o.index() + c.Wheel)
			return nil
		}
		o.goTo(r.i)
		if c.Double {
			return o.open(u)
		}
	}
	return nil
}

func (o *overview) draw(u *UI, a view.Area) {
	o.update(u)
	_, h := a.Size()
	switch {
	case u.compact():
		o.drawCompact(u, a)
	case u.roomy():
		o.drawRoomy(u, a)
	default:
		node, rest := a.SplitTop(5)
		o.drawNode(u, node)
		problems := u.Net.Problems()
		below := min(2+max(1, min(3, len(problems))), 5)
		events := min(3, max(0, h-5-below-4))
		peers, rest := rest.SplitTop(h - 5 - below - events)
		o.drawPeers(u, view.Box(peers, view.BoxOptions{Title: "Peers", Right: "2"}))
		attentionBox, rest := rest.SplitTop(below)
		drawAttention(u, attentionBox, problems)
		drawEvents(u, rest)
	}
}

// update takes in the peers there are now, in the order of the list of peers.
func (o *overview) update(u *UI) {
	o.shown = append(o.shown[:0], u.Net.Peers...)
	slices.SortStableFunc(o.shown, func(a, b *mirror.Peer) int { return cmp.Compare(sortRank(a), sortRank(b)) })
	if len(o.shown) == 0 {
		o.cursor = ""
	} else if u.Net.Peer(o.cursor) == nil {
		o.cursor = o.shown[0].Name
	}
}

// sortRank puts what is reached before what is not.
func sortRank(p *mirror.Peer) int { return int(p.State) }

func (o *overview) drawRoomy(u *UI, a view.Area) {
	w, h := a.Size()
	top, rest := a.SplitTop(10)
	half := w / 2
	node, chart := top.SplitLeft(half)
	drawThisNode(u, view.Box(node, view.BoxOptions{Title: "This node"}))
	drawTraffic(u, view.Box(chart, view.BoxOptions{Title: "Traffic, last 2 min", Right: "u units"}))
	problems := u.Net.Problems()
	below := 2 + max(1, min(5, len(problems)))
	events := max(4, min(7, h-10-below-8))
	middle, rest := rest.SplitTop(h - 10 - below - events)
	peers, segment := middle.SplitLeft(w - 40)
	o.drawPeers(u, view.Box(peers, view.BoxOptions{Title: "Peers", Right: "2"}))
	drawSegment(u, view.Box(segment, view.BoxOptions{Title: "Segment (layer 2)", Right: "3"}))
	attentionBox, rest := rest.SplitTop(below)
	drawAttention(u, attentionBox, problems)
	drawEvents(u, view.Box(rest, view.BoxOptions{Title: "Events", Right: "6 log"}))
}

// drawThisNode says what this machine is in the network.
func drawThisNode(u *UI, a view.Area) {
	s := &u.Net.Status
	lines := [][2]string{
		{"name", s.Node.Name},
		{"id", shortID(s.Node.ID)},
		{"listen", strings.Join(s.Listen, "  ")},
		{"state", strings.TrimSpace(string(s.State) + "  config " + choice(s.Config.ReloadSuccessful, "in force", "refused"))},
		{"uptime", view.Age(u.uptime()) + "   version " + s.Version},
		{"node", fmt.Sprintf("%s cpu  %s  %d goroutines", view.Percent(u.Net.Rates.CPU), view.Bytes(u.Net.Stats.Node.MemoryBytes), u.Net.Stats.Node.Goroutines)},
		{"drops", fmt.Sprintf("%s in 10 min", view.Count(float64(u.Net.DropsWithin(10*time.Minute).Total())))},
	}
	w, _ := a.Size()
	for i, l := range lines {
		a.Print(0, i, view.Dim, l[0])
		a.Print(10, i, view.Text, view.Truncate(l[1], w-10))
	}
}

// uptime is how long the node has run.
func (u *UI) uptime() time.Duration {
	since := time.Duration(0)
	if u.Link.State == Live && !u.statusAt().IsZero() {
		since = u.Now.Sub(u.statusAt())
	}
	return time.Duration(u.Net.Status.UptimeSeconds*float64(time.Second)) + max(0, since)
}

func (u *UI) statusAt() time.Time { return u.Net.StatusAt }

// shortID is the beginning of an id, in groups that people can compare.
func shortID(id string) string {
	if len(id) < 16 {
		return id
	}
	return id[:4] + "·" + id[4:8] + "·" + id[8:12] + "·" + id[12:16]
}

// lastSeconds is the end of a series of seconds.
func lastSeconds(v []float64, n int) []float64 { return v[max(0, len(v)-n):] }

func drawTraffic(u *UI, a view.Area) {
	w, _ := a.Size()
	past := u.Net.Traffic.Seconds
	rx, tx := lastOf(past.RxBytes, 2*time.Minute, time.Second), lastOf(past.TxBytes, 2*time.Minute, time.Second)
	x := a.Print(0, 0, view.Chart1, "↓ "+view.Rate(u.Net.Rates.RxBytes, u.Look.Bytes))
	x = a.Print(x+2, 0, view.Dim, "peak "+view.ShortRate(peak(rx), u.Look.Bytes))
	x = a.Print(max(x+2, w/2), 0, view.Chart2, "↑ "+view.Rate(u.Net.Rates.TxBytes, u.Look.Bytes))
	a.Print(x+2, 0, view.Dim, "peak "+view.ShortRate(peak(tx), u.Look.Bytes))
	view.AreaChart(a.Inset(0, 1, 0, 0), view.ChartOptions{Up: rx, Down: tx, Factor: u.factor()})
}

// factor is what bytes a second are shown in: bits, or bytes.
func (u *UI) factor() float64 {
	if u.Look.Bytes {
		return 1
	}
	return 8
}

func peak(v []float64) (top float64) {
	for _, x := range v {
		if x > top { // what is not known is not
			top = x
		}
	}
	return top
}

// drawNode is drawThisNode for a small window.
func (o *overview) drawNode(u *UI, a view.Area) {
	s := &u.Net.Status
	in := view.Box(a, view.BoxOptions{Title: "Node " + s.Node.Name})
	w, _ := in.Size()
	in.Print(0, 0, view.Text, view.Truncate(strings.Join(s.Listen, " "), w-36))
	in.PrintRight(0, view.Dim, fmt.Sprintf("up %s  cpu %s  %s",
		view.Age(u.uptime()), view.Percent(u.Net.Rates.CPU), view.Bytes(u.Net.Stats.Node.MemoryBytes)))
	past := u.Net.Traffic.Seconds
	half := w / 2
	x := in.Print(0, 1, view.Chart1, "↓ "+view.Rate(u.Net.Rates.RxBytes, u.Look.Bytes))
	in.Print(x+1, 1, view.Chart1, view.Spark(lastSeconds(past.RxBytes, 120), max(0, half-x-2), 0))
	x = in.Print(half, 1, view.Chart2, "↑ "+view.Rate(u.Net.Rates.TxBytes, u.Look.Bytes))
	in.Print(x+1, 1, view.Chart2, view.Spark(lastSeconds(past.TxBytes, 120), max(0, w-x-1), 0))
	macs, moved := 0, 0.0
	for _, seg := range s.Segments {
		macs += seg.FDBEntries
		moved += u.Net.Segment(seg.VNI).Moved
	}
	in.Print(0, 2, view.Dim, fmt.Sprintf("macs %d  moves %.1f/s  drops %s", macs, moved,
		view.Count(float64(u.Net.DropsWithin(10*time.Minute).Total()))))
}

// drawPeers lists the peers with how they are reached and what goes between.
func (o *overview) drawPeers(u *UI, a view.Area) {
	w, h := a.Size()
	cursor := o.index()
	o.top = max(0, min(max(cursor-h+1, min(o.top, cursor)), len(o.shown)-h))
	for i := o.top; i < min(len(o.shown), o.top+h); i++ {
		line := a.Sub(0, i-o.top, w, 1)
		o.drawPeer(u, line, o.shown[i])
		if o.shown[i].Name == o.cursor {
			line.Style(0, 0, w, view.Selected)
		}
		line.Zone(row{o, i})
	}
	if len(o.shown) == 0 && u.Net.Known {
		a.Print(0, 0, view.Dim, "no peers yet: a invites a machine")
	}
}

func (o *overview) drawPeer(u *UI, a view.Area, p *mirror.Peer) {
	w, _ := a.Size()
	a.Print(0, 0, roleOf(p.State), mark(p.State)+" "+p.State.String())
	a.Print(12, 0, view.Text, view.Middle(p.Name, 10))
	if !reached(p) {
		a.Print(23, 0, view.Dim, view.Truncate(o.absence(u, p), w-23))
		return
	}
	x := 23
	if w >= 74 {
		where := p.Path.Remote
		if p.Path.Via != "" {
			where = "via " + p.Path.Via
		}
		a.Print(x, 0, view.Text, view.Truncate(where, 20))
		x += 21
	}
	a.Print(x, 0, view.Dim, view.PadLeft(view.Millis(p.Path.RTTSeconds), 8))
	if x += 10; w >= x+29+8 && w < 74 {
		a.Print(x, 0, view.Dim, view.PadLeft(view.Percent(p.Path.LossRatio), 6))
		x += 8
	}
	a.Print(x, 0, view.Chart1, "↓ "+view.PadLeft(view.ShortRate(p.Rx, u.Look.Bytes), 8))
	a.Print(x+12, 0, view.Chart2, "↑ "+view.PadLeft(view.ShortRate(p.Tx, u.Look.Bytes), 8))
}

// absence is what is known of a peer that is not reached.
func (o *overview) absence(u *UI, p *mirror.Peer) string {
	text := "never seen"
	if !p.LastSeen.IsZero() {
		text = "last seen " + view.Age(u.Now.Sub(p.LastSeen)) + " ago"
	}
	if p.Cause != "" {
		text += ", " + mirror.Words(p.Cause)
	}
	return text
}

// drawCompact is one column: the peers, what is wrong, and the sums.
func (o *overview) drawCompact(u *UI, a view.Area) {
	w, h := a.Size()
	problems := u.Net.Problems()
	room := min(max(1, h/4), len(problems))
	list, rest := a.SplitTop(h - room - 1)
	lw, lh := list.Size()
	cursor := o.index()
	o.top = max(0, min(max(cursor-lh+1, min(o.top, cursor)), len(o.shown)-lh))
	for i := o.top; i < min(len(o.shown), o.top+lh); i++ {
		p, line := o.shown[i], list.Sub(0, i-o.top, lw, 1)
		line.Print(1, 0, roleOf(p.State), mark(p.State))
		line.Print(3, 0, view.Text, view.Middle(p.Name, 10))
		if reached(p) {
			line.Print(13, 0, view.Dim, view.PadLeft(view.Millis(p.Path.RTTSeconds), 8))
			line.Print(22, 0, view.Chart1, "↓ "+view.PadLeft(view.ShortRate(p.Rx, u.Look.Bytes), 8))
			line.Print(33, 0, view.Chart2, "↑ "+view.PadLeft(view.ShortRate(p.Tx, u.Look.Bytes), 8))
		} else {
			line.Print(14, 0, view.Dim, view.Truncate(o.absence(u, p), lw-14))
		}
		if p.Name == o.cursor {
			line.Style(0, 0, lw, view.Selected)
		}
		line.Zone(row{o, i})
	}
	for i := range room {
		drawProblem(rest.Sub(1, i, w-2, 1), problems[i])
	}
	x := rest.Print(1, room, view.Chart1, "↓ "+view.Rate(u.Net.Rates.RxBytes, u.Look.Bytes))
	rest.Print(x+2, room, view.Chart2, "↑ "+view.Rate(u.Net.Rates.TxBytes, u.Look.Bytes))
}

// reached reports whether a peer is reached, and by which way is known.
func reached(p *mirror.Peer) bool { return p.Reachable() && p.Path != nil }
