package screen

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/vxmesh/vxmesh/tunnel/control"
	"github.com/vxmesh/vxmesh/ui/mirror"
	"github.com/vxmesh/vxmesh/ui/view"
)

// A peerDetail tells everything of one peer. The node is asked for the ways to it when it is opened, and
// again when it has come into other circumstances.
type peerDetail struct {
	open, zoom bool
	of         string // whose it is
	top        int    // the first line that is shown
	over       int    // how many do not fit

	net      *mirror.Mirror
	answers  map[string]answer
	asked    time.Time // the question that is open
	inFlight bool
}

// An answer is what the node said of the ways to a peer, or why it did not.
type answer struct {
	of  string // the circumstances
	why control.Why
	err string
	at  time.Time
}

const (
	answersKept = 64
	askAgain    = 35 * time.Second // a question that nobody answered for so long is asked again
)

// circumstances are what an answer depends on.
func circumstances(v *mirror.Peer) string {
	return fmt.Sprint(v.Peer.State, v.State, v.Reason, v.Since.Unix(), peerKind(v), peerEndpoint(v))
}

// asks implements [asker].
func (p *peersPage) asks(u *UI) Effect {
	if !p.detail.open || u.Link.State != Live {
		return nil
	}
	v, ok := p.selected(u)
	if !ok {
		return nil
	}
	d, name, of := &p.detail, v.Name, circumstances(v)
	if known, ok := d.answer(u, name); ok && known.of == of || d.inFlight && u.Now.Sub(d.asked) < askAgain {
		return nil
	}
	d.asked, d.inFlight = u.Now, true
	take := func(u *UI, a answer) Effect {
		d.inFlight = false
		a.of, a.at = of, u.Now
		d.keep(u, name, a)
		return u.Asks() // the cursor may be elsewhere by now
	}
	return Do{
		What: "why " + name, CLI: "vxmesh why " + quoted(name), Quiet: true,
		Run:  func(ctx context.Context, c control.Client) (any, error) { return c.Why(ctx, name) },
		Then: func(u *UI, result any) Effect { return take(u, answer{why: result.(control.Why)}) },
		Fail: func(u *UI, err error) Effect { return take(u, answer{err: err.Error()}) },
	}
}

// keep remembers an answer, with the network that it is of.
func (d *peerDetail) keep(u *UI, name string, a answer) {
	if d.net != u.Net || len(d.answers) >= answersKept {
		d.net, d.answers = u.Net, make(map[string]answer)
	}
	d.answers[name] = a
	u.Net.Generation++
}

func (d *peerDetail) answer(u *UI, name string) (answer, bool) {
	if d.net != u.Net {
		return answer{}, false
	}
	a, ok := d.answers[name]
	return a, ok
}

// key takes esc while the details are open.
func (d *peerDetail) key(k Key) bool {
	switch {
	case !d.open:
		return false
	case k.Name == "esc" && d.zoom:
		d.zoom = false
	case k.Name == "esc":
		d.open = false
	default:
		return false
	}
	return true
}

// scroll is a command that moves the details by some lines.
func (d *peerDetail) scroll(lines int) func(*UI) Effect {
	return func(*UI) Effect {
		d.top = max(0, min(d.top+lines, d.over))
		return nil
	}
}

// pending is what stands for an answer that has not come.
func pending(u *UI) textLine {
	if u.Link.State != Live {
		return textLine{view.Dim, "not known: the node does not answer"}
	}
	return textLine{view.Dim, "◌ asking the node"}
}

// A block is a part of the details: some lines below each other.
type block struct {
	h    int
	draw func(a view.Area)
}

// stack draws blocks below each other from line top on.
func stack(a view.Area, top int, blocks []block) {
	w, _ := a.Size()
	y := -top
	for _, b := range blocks {
		b.draw(a.Sub(0, y, w, b.h))
		y += b.h
	}
}

// height is how many lines blocks take.
func height(blocks ...block) (h int) {
	for _, b := range blocks {
		h += b.h
	}
	return h
}

func linesBlock(lines ...textLine) block {
	return block{len(lines), func(a view.Area) {
		w, _ := a.Size()
		for i, l := range lines {
			a.Print(0, i, l.role, view.Truncate(l.text, w))
		}
	}}
}

var gap = linesBlock(textLine{})

// The least width for two boxes beside each other, and what a box takes of its own.
const (
	twoBoxes  = 100
	boxWidth  = 4
	boxHeight = 2
)

// drawDetail tells of the peer under the cursor, in one box or in two beside each other.
func (p *peersPage) drawDetail(u *UI, a view.Area) {
	d := &p.detail
	v, ok := p.list.selected()
	if !ok {
		view.Box(a, view.BoxOptions{Title: "no peer", Right: "esc close"})
		return
	}
	if d.of != v.Name {
		d.of, d.top = v.Name, 0
	}
	w, h := a.Size()
	name := view.Middle(v.Name, max(8, min(40, w-30)))
	title := fmt.Sprintf("%s  %s %s %s", name, mark(v.State), v.State, since(u, v))
	areas, columns := []view.Area{a}, [][]block{p.one(u, v, w-boxWidth, h-boxHeight)}
	options := []view.BoxOptions{{Title: title, Focused: d.zoom}, {}}
	if w >= twoBoxes {
		areas = a.Cols(-1, -1)
		columns = p.two(u, v, w/2-boxWidth, h-boxHeight)
		options[1] = view.BoxOptions{Title: "Ways to " + view.Middle(v.Name, 24), Focused: d.zoom}
		options[1].Right = d.askedAt(u, v)
	}
	d.over = 0
	for _, blocks := range columns {
		d.over = max(d.over, height(blocks...)-h+boxHeight)
	}
	d.top = min(d.top, d.over)
	options[0].Right = d.hints(w)
	for i, blocks := range columns {
		stack(view.Box(areas[i], options[i]), d.top, blocks)
	}
	a.Zone(d)
}

// hints are the keys that do something in details of this width.
func (d *peerDetail) hints(w int) string {
	var keys []string
	if d.over > 0 {
		keys = append(keys, "J K scroll")
	}
	if w >= 60 && !d.zoom {
		keys = append(keys, "z zoom")
	}
	if w >= 60 || d.over == 0 {
		keys = append(keys, choice(d.zoom, "esc back", "esc close"))
	}
	return strings.Join(keys, "  ")
}

func (d *peerDetail) askedAt(u *UI, v *mirror.Peer) string {
	if a, ok := d.answer(u, v.Name); ok {
		return "asked " + clock(u, a.at)
	}
	return ""
}

// The heights between which a chart is of use.
const (
	chartLow  = 6
	chartHigh = 16
)

// two tells all of it in two columns.
func (p *peersPage) two(u *UI, v *mirror.Peer, w, h int) [][]block {
	ways, past := p.ways(u, v), history(u, v, w)
	chart := min(max(h-height(ways, past, gap, gap), chartLow), chartHigh)
	return [][]block{
		{p.facts(u, v, w), gap, p.reason(u, v, w)},
		{ways, gap, roundTrips(v, chart), gap, past},
	}
}

// one tells all of it in one column: where that is low, what matters most comes first, and densely.
func (p *peersPage) one(u *UI, v *mirror.Peer, w, h int) []block {
	ways, why, past, facts := p.ways(u, v), p.reason(u, v, w), history(u, v, w), p.facts(u, v, w)
	if rest := h - height(facts, why, ways, past) - 4; rest >= chartLow {
		return []block{facts, gap, why, gap, ways, gap, roundTrips(v, min(rest, chartHigh)), gap, past}
	}
	return []block{p.summary(u, v, w), ways, why, gap, facts, gap, roundTrips(v, chartLow), gap, past}
}

// since is how long a peer has been in its state.
func since(u *UI, v *mirror.Peer) string {
	if v.StateSince.IsZero() {
		return ""
	}
	return view.Age(u.Now.Sub(v.StateSince))
}

// summary is a peer in two lines.
func (p *peersPage) summary(u *UI, v *mirror.Peer, w int) block {
	known := mirror.Sort(v.RTTPast)
	first := []string{"id " + idText(v), "macs " + p.macsText(u, v)}
	n := min(max(w-34, 6), 20)
	usual := 2 * mirror.Quantile(known, 0.5) // in the middle of the scale
	spark := view.Spark(v.RTTPast[max(0, len(v.RTTPast)-n):], n, usual)
	second := []string{"rtt " + spark, quantiles(known), bytesText(v)}
	return linesBlock(textLine{view.Text, joined(w, first)[0]}, textLine{view.Text, joined(w, second)[0]})
}

// joined puts texts beside each other, and begins another line where one does not fit.
func joined(w int, texts []string) (lines []string) {
	for _, t := range texts {
		if last := len(lines) - 1; last >= 0 && view.Width(lines[last])+3+view.Width(t) <= w {
			lines[last] += "   " + t
		} else {
			lines = append(lines, t)
		}
	}
	return lines
}

func idText(v *mirror.Peer) string {
	if v.ID == "" {
		return "not proven yet"
	}
	return shortID(view.Clean(v.ID))
}

func bytesText(v *mirror.Peer) string {
	return "↓ " + view.Bytes(v.RxBytes) + "  ↑ " + view.Bytes(v.TxBytes)
}

// macsText is how many addresses are behind a peer, and in which VLANs.
func (p *peersPage) macsText(u *UI, v *mirror.Peer) string {
	if !u.Net.FDBKnown {
		return "-"
	}
	m := p.behind(v)
	var vlans []string
	for _, id := range m.vlans {
		vlans = append(vlans, choice(id == 0, "untagged", "vlan "+strconv.Itoa(int(id))))
	}
	return strings.TrimRight(strconv.Itoa(m.n)+"   "+strings.Join(vlans, ", "), " ")
}

// facts is what is known of a peer by itself.
func (p *peersPage) facts(u *UI, v *mirror.Peer, w int) block {
	shake, mtu := "-", "-"
	if v.Cipher != "" {
		shake = view.Age(time.Duration(v.HandshakeAgeSeconds*float64(time.Second))) + " ago   " + v.Cipher
	}
	way := orNone(strings.TrimSpace(peerKind(v) + "  " + peerEndpoint(v)))
	if path := peerPath(v); path != nil && path.MTU > 0 {
		mtu = fmt.Sprintf("path %d bytes", path.MTU)
	}
	seen := "never"
	if !v.LastSeen.IsZero() {
		seen = view.Age(u.Now.Sub(v.LastSeen)) + " ago"
	}
	list := []fact{
		plainFact("id", idText(v)),
		plainFact("path", way),
		plainFact("since", clock(u, v.StateSince)+" ("+since(u, v)+")   seen "+seen),
		plainFact("handshake", shake),
		{"now", []view.Cell{
			{Text: "↓ " + view.ShortRate(peerRx(v), u.Look.Bytes)},
			{Text: "  ↑ " + view.ShortRate(peerTx(v), u.Look.Bytes)},
			{Text: "   " + view.Millis(peerRTT(v)), Role: warned(v, "rtt")},
			{Text: "   loss " + view.Percent(peerLoss(v)), Role: warned(v, "loss")},
		}},
		plainFact("bytes", bytesText(v)),
		plainFact("frames", "↓ "+view.Count(float64(v.RxFrames))+"  ↑ "+view.Count(float64(v.TxFrames))),
		plainFact("macs", p.macsText(u, v)),
		plainFact("mtu", mtu),
	}
	for i, l := range view.Wrap(dropsText(v.Drops), max(8, w-factWidth)) {
		list = append(list, plainFact(choice(i == 0, "drops", ""), l))
	}
	return block{len(list), func(a view.Area) { drawFacts(a, list) }}
}

// dropsText lists the drops by reason, the most frequent first.
func dropsText(drops control.Counts) string {
	reasons := slices.SortedFunc(maps.Keys(drops), func(a, b string) int {
		return cmp.Or(cmp.Compare(drops[b], drops[a]), strings.Compare(a, b))
	})
	var parts []string
	for _, r := range reasons {
		parts = append(parts, view.Clean(mirror.Words(r))+" "+view.Count(float64(drops[r])))
	}
	if len(parts) == 0 {
		return "none"
	}
	return strings.Join(parts, ", ")
}
