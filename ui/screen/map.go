package screen

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/vxmesh/vxmesh/ui/mirror"
	"github.com/vxmesh/vxmesh/ui/view"
)

// A netMap draws this node, its peers and the links between them: a whole line to a peer that is reached
// directly, a broken one to a peer behind the relay that passes its datagrams on, none to one that is
// not reached.
//
//	       ┌── 0.4 ms  ↓ 412 Mb/s ──● nas
//	● pve1─┼── 11.9 ms ↓ 21 kb/s ───● vps-fra
//	       │                        └╌╌ 41.0 ms ╌╌◐ lab-rack
//	       └                         ○ laptop
type netMap struct {
	cursor string
	top    int
	rows   []mapRow
}

// A mapRow is a peer on the map.
type mapRow struct {
	peer   *mirror.Peer
	behind bool // a relay: the row belongs to the one above that is not
	last   bool // of those behind it
	more   bool // rows of peers that are not behind one come below
}

// shortPage is how many rows a page is to the keys of a list that does not fill the screen.
const shortPage = 10

func newMap() *netMap { return &netMap{} }

func (m *netMap) typing() bool      { return false }
func (m *netMap) paste(*UI, string) {}
func (m *netMap) badge(*UI) string  { return "" }

func (m *netMap) commands() []*Command {
	list := []*Command{
		{ID: "map.open", Keys: []string{"enter"}, Name: "open the peer", Short: "open", Run: func(u *UI) Effect {
			if m.cursor != "" {
				u.showPeer(m.cursor)
			}
			return nil
		}},
		{ID: "map.why", Keys: []string{"x"}, Name: "why it is reached so", Short: "why", Run: m.onPeer(why), CLI: m.cli("vxmesh why ")},
		{ID: "map.ping", Keys: []string{"P"}, Name: "ping by all ways", Short: "ping", Run: m.onPeer(pingPaths), CLI: m.cli("vxmesh ping --paths ")},
	}
	for _, c := range list {
		c.Page = Map
	}
	return list
}

func (m *netMap) onPeer(do func(string) Effect) func(*UI) Effect {
	return func(*UI) Effect {
		if m.cursor == "" {
			return nil
		}
		return do(m.cursor)
	}
}

func (m *netMap) cli(prefix string) func(*UI) string {
	return func(*UI) string {
		if m.cursor == "" {
			return ""
		}
		return prefix + quoted(m.cursor)
	}
}

func (m *netMap) key(_ *UI, k Key) (Effect, bool) {
	to, ok := walk(k.Name, m.index(), shortPage, len(m.rows))
	if ok && len(m.rows) > 0 {
		m.goTo(to)
	}
	return nil, ok
}

func (m *netMap) index() int {
	return max(0, slices.IndexFunc(m.rows, func(r mapRow) bool { return r.peer.Name == m.cursor }))
}

func (m *netMap) goTo(i int) { m.cursor = m.rows[max(0, min(i, len(m.rows)-1))].peer.Name }

func (m *netMap) click(u *UI, c Click) Effect {
	r, ok := c.Zone.(row)
	if !ok || r.list != any(m) || r.i >= len(m.rows) {
		return nil
	}
	if c.Wheel != 0 {
		m.goTo(m.index() + c.Wheel)
		return nil
	}
	m.goTo(r.i)
	if c.Double {
		u.showPeer(m.cursor)
	}
	return nil
}

// arrange puts every peer into a row: those reached directly by their names, each followed by those
// behind it, and then those that are not reached.
func (m *netMap) arrange(peers []*mirror.Peer) {
	behind := make(map[string][]*mirror.Peer)
	var first []*mirror.Peer
	known := make(map[string]bool, len(peers))
	for _, p := range peers {
		known[p.Name] = p.Reachable() && (p.Path == nil || p.Path.Via == "")
	}
	for _, p := range peers {
		if p.Path != nil && p.Reachable() && p.Path.Via != "" && known[p.Path.Via] {
			behind[p.Path.Via] = append(behind[p.Path.Via], p)
		} else {
			first = append(first, p)
		}
	}
	slices.SortStableFunc(first, func(a, b *mirror.Peer) int {
		return cmp.Compare(mapRank(a), mapRank(b))
	})
	m.rows = m.rows[:0]
	for i, p := range first {
		more := i < len(first)-1
		m.rows = append(m.rows, mapRow{peer: p, more: more})
		for j, q := range behind[p.Name] {
			m.rows = append(m.rows, mapRow{peer: q, behind: true, last: j == len(behind[p.Name])-1, more: more})
		}
	}
	if len(m.rows) == 0 {
		m.cursor = ""
	} else if m.rows[m.index()].peer.Name != m.cursor {
		m.cursor = m.rows[0].peer.Name
	}
}

func mapRank(p *mirror.Peer) int {
	if p.Reachable() {
		return 0
	}
	return 1
}

func (m *netMap) draw(u *UI, a view.Area) {
	m.arrange(u.Net.Peers)
	if !u.compact() {
		a = view.Box(a, view.BoxOptions{
			Title: "Map of " + u.Net.Status.Network, Right: "── direct  ╌╌ relayed",
		})
	}
	w, h := a.Size()
	if len(m.rows) == 0 {
		a.Print(0, 0, view.Dim, "no peers yet: a invites a machine")
		return
	}
	step := 1
	if 2*len(m.rows) <= h && !u.compact() {
		step = 2
	}
	fits := max(1, h/step)
	cursor := m.index()
	m.top = max(0, min(max(cursor-fits+1, min(m.top, cursor)), len(m.rows)-fits))
	l := mapLayout(w, u.Net.Status.Node.Name)
	shown := m.rows[m.top:min(len(m.rows), m.top+fits)]
	for i, r := range shown {
		line := a.Sub(0, i*step, w, step)
		l.drawRow(u, line, r, m.top+i == 0, step)
		if r.peer.Name == m.cursor {
			l.mark(line, r, w)
		}
		line.Zone(row{m, m.top + i})
	}
	l.drawRoot(a, shown, m.top == 0, step)
	if rest := len(m.rows) - m.top - len(shown); rest > 0 {
		a.PrintRight(h-1, view.Dim, fmt.Sprintf("%d more ↓", rest))
	}
}

// A layout says where the columns of the map are.
type layout struct {
	name   string // of this node
	trunk  int    // column of the line that all links leave
	node   int    // column of the peers
	behind int    // column of those behind a relay
}

func mapLayout(w int, name string) layout {
	name = view.Middle(name, max(4, min(16, w/6)))
	trunk := min(view.Width(name)+4, w/4)
	node := max(trunk+4, min(trunk+42, w*45/100))
	return layout{name, trunk, node, min(node+26, max(node+6, w-22))}
}

// drawRow draws the link to a peer, and the peer.
func (l layout) drawRow(u *UI, a view.Area, r mapRow, first bool, step int) {
	w, _ := a.Size()
	p := r.peer
	if r.behind {
		if r.more {
			a.Print(l.trunk, 0, view.Dim, "│")
		}
		a.Print(l.node, 0, view.Relay, choice(r.last, "└", "├"))
		l.drawLink(u, a.Sub(l.node+1, 0, l.behind-l.node-1, 1), p, view.Relay, "╌")
		l.drawPeer(u, a.Sub(l.behind, 0, w-l.behind, 1), p)
	} else {
		a.Print(l.trunk, 0, view.Dim, fork(first, r.more, false))
		if p.Reachable() {
			glyph, role := "─", roleOf(p.State)
			if p.Peer.State.Relayed() {
				glyph = "╌"
			}
			l.drawLink(u, a.Sub(l.trunk+1, 0, l.node-l.trunk-1, 1), p, role, glyph)
		}
		l.drawPeer(u, a.Sub(l.node, 0, w-l.node, 1), p)
	}
	for y := 1; y < step; y++ {
		if r.more {
			a.Print(l.trunk, y, view.Dim, "│")
		}
		if r.behind && !r.last {
			a.Print(l.node, y, view.Relay, "│")
		}
	}
}

// drawLink draws a line with what is known of the way in the middle of it.
func (l layout) drawLink(u *UI, a view.Area, p *mirror.Peer, role view.Role, glyph string) {
	w, _ := a.Size()
	for x := range w {
		a.Print(x, 0, role, glyph)
	}
	if p.Path == nil {
		return
	}
	label := " " + view.Millis(p.Path.RTTSeconds) + " "
	if w >= 38 {
		label += " ↓ " + view.Rate(p.Rx, u.Look.Bytes) + "  ↑ " + view.Rate(p.Tx, u.Look.Bytes) + " "
	}
	if view.Width(label)+4 <= w {
		a.Print((w-view.Width(label))/2, 0, view.Text, label)
	}
}

// drawPeer draws a peer's mark and name, and its address or what is wrong where there is room.
func (l layout) drawPeer(u *UI, a view.Area, p *mirror.Peer) {
	w, _ := a.Size()
	x := a.Print(0, 0, roleOf(p.State), mark(p.State))
	x = a.Print(x+1, 0, view.Text, view.Middle(p.Name, max(3, min(20, w-3))))
	note := p.State.String()
	switch {
	case p.State == mirror.Direct && p.Path != nil:
		note = p.Path.Remote
	case p.State == mirror.Relayed && p.Path != nil && p.Path.Via != "":
		note = "via " + p.Path.Via
	case p.State == mirror.Down && !p.LastSeen.IsZero():
		note = "down, seen " + view.Age(u.Now.Sub(p.LastSeen)) + " ago"
	}
	if w-x-2 >= min(view.Width(note), 10) {
		a.Print(x+2, 0, view.Dim, view.Truncate(note, w-x-2))
	}
}

// mark shows the cursor.
func (l layout) mark(a view.Area, r mapRow, w int) {
	x := l.node
	if r.behind {
		x = l.behind
	}
	a.Style(x, 0, w-x, view.Selected)
}

// fork is where a link leaves the line of all links; root: this node's own link joins it there.
func fork(first, more, root bool) string {
	switch {
	case first && !more:
		return "─"
	case first:
		return choice(root, "┬", "┌")
	case more:
		return choice(root, "┼", "├")
	}
	return choice(root, "┴", "└")
}

// drawRoot draws this node in the middle of the links' height, and the link to the others'.
func (l layout) drawRoot(a view.Area, shown []mapRow, first bool, step int) {
	middle := (len(shown) - 1) / 2
	y := middle * step
	x := a.Print(0, y, view.Good, "●")
	x = a.Print(x+1, y, view.Title, l.name)
	for ; x < l.trunk; x++ {
		a.Print(x, y, view.Dim, "─")
	}
	corner := fork(first && middle == 0, shown[middle].more, true)
	if shown[middle].behind {
		corner = choice(shown[middle].more, "┤", "╯")
	}
	a.Print(l.trunk, y, view.Dim, corner)
}
