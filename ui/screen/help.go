package screen

import (
	"cmp"
	"strings"

	"github.com/vxmesh/vxmesh/ui/mirror"
	"github.com/vxmesh/vxmesh/ui/view"
)

// A help lists the keys of everywhere, of lists, and of each page; typing searches, enter runs.
type help struct {
	input input
	index int
	top   int
	found []helpLine
}

// A helpLine is a heading, a key that a list knows, or a command.
type helpLine struct {
	heading   string
	key, name string
	command   *Command
}

// listKeys are taken by every list.
var listKeys = []helpLine{
	{key: "↑↓ jk", name: "move"},
	{key: "g G", name: "first, last"},
	{key: "^d ^u", name: "half a page"},
	{key: "/", name: "filter"},
	{key: "< >", name: "sort by another column"},
	{key: "r", name: "reverse the order"},
	{key: "space", name: "mark"},
	{key: "^a", name: "mark all shown"},
	{key: "esc", name: "back; clear marks, filter"},
}

func (u *UI) openHelp() {
	h := &help{}
	h.search(u)
	u.open(h)
}

// search collects the lines in which all words are found.
func (h *help) search(u *UI) {
	words := strings.Fields(strings.ToLower(h.input.text()))
	h.found, h.index, h.top = nil, 0, 0
	section := func(title string, lines []helpLine) {
		var hits []helpLine
		for _, l := range lines {
			if matches(l.name+" "+l.key, words) {
				hits = append(hits, l)
			}
		}
		if len(hits) > 0 {
			h.found = append(append(h.found, helpLine{heading: title}), hits...)
		}
	}
	section(u.page.String(), u.helpLines(u.page))
	section("Lists", listKeys)
	section("Everywhere", u.helpLines(Everywhere))
	for p := range pages {
		if p != u.page {
			section(p.String(), u.helpLines(p))
		}
	}
}

func (u *UI) helpLines(p Page) (out []helpLine) {
	for _, c := range u.commands {
		if c.Page == p && len(c.Keys) > 0 {
			var keys []string
			for _, k := range c.Keys {
				keys = append(keys, u.keyName(k))
			}
			out = append(out, helpLine{key: strings.Join(keys, " "), name: c.Name, command: c})
		}
	}
	return out
}

func (h *help) draw(u *UI, screen view.Area) {
	sw, sh := screen.Size()
	a := window(screen, min(sw, 104), min(sh, 32), "Help — "+u.page.String(), "type to search  ⏎ run  esc close")
	w, ah := a.Size()
	legend := 4
	if ah < 14 {
		legend = 1 // the keys first
	}
	body, foot := a.SplitTop(max(1, ah-legend))
	columns := max(1, min(3, w/32))
	_, rows := body.Size()
	h.top = max(0, min(h.top, (len(h.found)-1)/max(1, rows)-columns+1))
	for i, l := range h.found {
		col, y := i/rows-h.top, i%rows
		if col < 0 || col >= columns {
			continue
		}
		cell := body.Sub(col*(w/columns), y, w/columns-1, 1)
		h.drawLine(cell, l, i == h.index && !h.input.empty())
	}
	x := foot.Print(0, 0, view.Dim, "search › ")
	h.input.draw(foot, x, 0, true)
	drawStates(foot, 1)
	foot.Print(0, 2, view.Dim, "Filter   word  mac:52:54  peer:nas  state:relayed  rtt>50  loss>1  /regex/  !not")
	foot.Print(0, 3, view.Dim, "Dialogs  y does it; n, esc and ⏎ do not. A window that is too small takes no keys.")
}

func (h *help) drawLine(a view.Area, l helpLine, chosen bool) {
	if l.heading != "" {
		a.Print(0, 0, view.Title, l.heading)
		return
	}
	a.Print(1, 0, view.Accent, view.Truncate(l.key, 8))
	w, _ := a.Size()
	a.Print(10, 0, view.Text, view.Truncate(l.name, w-10))
	if chosen {
		a.Style(0, 0, w, view.Selected)
	}
}

// drawStates is the legend of the states' marks.
func drawStates(a view.Area, y int) {
	x := a.Print(0, y, view.Dim, "States   ")
	for s := mirror.Direct; s <= mirror.Paused; s++ {
		x = a.Print(x, y, roleOf(s), mark(s))
		x = a.Print(x+1, y, view.Dim, s.String()) + 2
	}
}

func (h *help) key(u *UI, k Key) Effect {
	switch k.Name {
	case "esc":
		u.close()
	case "q", "?":
		if h.input.empty() {
			u.close()
			return nil
		}
		h.input.key(k)
		h.search(u)
	case "up", "down", "tab":
		h.step(map[string]int{"up": -1}[k.Name])
	case "pgdown", "ctrl+d":
		h.top++
	case "pgup", "ctrl+u":
		h.top = max(0, h.top-1)
	case "enter":
		return h.run(u)
	default:
		h.input.key(k)
		h.search(u)
		h.index = min(1, max(0, len(h.found)-1)) // the first below its heading
	}
	return nil
}

// step moves to the next line that can be run, down, or up for -1; without a search the columns move.
func (h *help) step(up int) {
	step := cmp.Or(up, 1)
	if h.input.empty() {
		h.top = max(0, h.top+step)
		return
	}
	for i := h.index + step; i >= 0 && i < len(h.found); i += step {
		if h.found[i].heading == "" {
			h.index = i
			return
		}
	}
}

func (h *help) run(u *UI) Effect {
	u.close()
	if h.index < len(h.found) && !h.input.empty() {
		if c := h.found[h.index].command; c != nil {
			if c.Page != Everywhere {
				u.Show(c.Page)
			}
			return c.Run(u)
		}
	}
	return nil
}

func (h *help) paste(u *UI, text string) {
	h.input.insert(text)
	h.search(u)
}

func (h *help) click(_ *UI, c Click) Effect {
	h.top = max(0, h.top+c.Wheel)
	return nil
}
