package screen

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/vxmesh/vxmesh/ui/view"
)

// attrKeys are the names of attributes in order.
func attrKeys(attrs map[string]any) []string { return slices.Sorted(maps.Keys(attrs)) }

// attrValue is an attribute as people write it; one with blanks is quoted.
func attrValue(v any) string {
	var s string
	switch v := v.(type) {
	case string:
		s = v
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64)
	case map[string]any, []any:
		b, err := json.Marshal(v)
		if err != nil {
			return fmt.Sprint(v)
		}
		return string(b)
	default:
		s = fmt.Sprint(v)
	}
	if s == "" || strings.ContainsAny(s, " \"=") {
		return strconv.Quote(s)
	}
	return s
}

// levelCell is a level: what matters is in capitals.
func levelCell(r logRow) view.Cell {
	switch r.Level {
	case "error":
		return view.Cell{Text: "ERROR", Role: view.Bad}
	case "warn":
		return view.Cell{Text: "WARN", Role: view.Warn}
	case "debug":
		return view.Cell{Text: "debug", Role: view.Dim}
	}
	return view.Cell{Text: r.Level, Role: view.Text}
}

func (p *logPage) draw(u *UI, a view.Area) {
	p.update(u)
	if last := u.Net.LastLog(); len(last) > 0 {
		p.seen = idOf(last[len(last)-1])
	}
	r, ok := p.selected()
	p.open = p.open && ok
	w, h := a.Size()
	switch {
	case p.open:
		p.drawRecord(u, a, r, ok)
	case u.compact():
		p.drawBar(u, a.Sub(1, 0, w-2, 1))
		p.drawRows(u, a.Inset(0, 1, 0, 0))
	case u.roomy() && w >= 140:
		rows, side := a.SplitRight(min(64, w/3))
		p.drawList(u, rows)
		p.drawRecord(u, side, r, ok)
	default:
		height := 5
		if h >= 30 {
			height = 10
		}
		parts := a.Rows(-1, height)
		p.drawList(u, parts[0])
		p.drawRecord(u, parts[1], r, ok)
	}
}

func (p *logPage) drawList(u *UI, a view.Area) {
	a = view.Box(a, view.BoxOptions{Title: "Log", Right: "n next   N previous"})
	bar, rows := a.SplitTop(1)
	if _, h := a.Size(); h >= 20 {
		rows = rows.Inset(0, 1, 0, 0)
	}
	p.drawBar(u, bar)
	p.drawRows(u, rows)
}

// drawBar says what is shown, and what is searched for.
func (p *logPage) drawBar(u *UI, a view.Area) {
	w, _ := a.Size()
	part := func(x int, name, value, command string) int {
		end := a.Print(x, 0, view.Dim, name)
		end = a.Print(end+1, 0, view.Text, view.Truncate(value, 12))
		for _, c := range u.commands {
			if c.ID == command {
				a.Sub(x, 0, end-x, 1).Zone(c)
			}
		}
		return end + choiceOf(w >= 100, 3, 2)
	}
	x := 0
	if w >= 60 || !p.search.open {
		x = part(x, choice(w < 60, "≥", "level ≥"), logLevels[p.least], "log.level")
	}
	if subsystem := p.subsystem; w >= 60 {
		if subsystem == "" {
			subsystem = "all"
		}
		x = part(x, "subsystem", subsystem, "log.subsystem")
	} else if subsystem != "" && !p.search.open {
		x = part(x, "", subsystem, "log.subsystem")
	}
	note, role := p.note(w), view.Dim
	if p.search.err != "" {
		note, role = p.search.err, view.Bad
	}
	if p.search.open || !p.search.empty() {
		x = a.Print(x, 0, view.Dim, "search › ")
		x = p.search.draw(a, x, 0, p.search.open) + 2
	}
	note = view.Truncate(note, w-x)
	a.Print(max(x, w-view.Width(note)), 0, role, note)
}

func choiceOf(is bool, yes, no int) int {
	if is {
		return yes
	}
	return no
}

// note is what is shown of what there is.
func (p *logPage) note(w int) string {
	var parts []string
	if !p.search.good.Empty() {
		parts = append(parts, fmt.Sprintf("%d match", p.found)+choice(p.only, " alone", ""))
	}
	if w >= 60 {
		parts = append(parts, "follow "+choice(p.follow, "on", "off"))
	}
	if w >= 60 || p.search.empty() {
		parts = append(parts, fmt.Sprintf("%d of %d kept", len(p.rows), p.kept))
	}
	return strings.Join(parts, " · ")
}

// logColumns is where the parts of a row begin; 0 = it is left out.
type logColumns struct {
	clock                  string // the format of the time
	level, part, peer, msg int
}

func columnsFor(w int) logColumns {
	switch {
	case w >= 100:
		return logColumns{"15:04:05.000", 16, 23, 33, 46}
	case w >= 60:
		return logColumns{time.TimeOnly, 11, 17, 26, 37}
	}
	return logColumns{time.TimeOnly, 11, 0, 0, 17}
}

// drawRows formats no more rows than are seen.
func (p *logPage) drawRows(u *UI, a view.Area) {
	w, h := a.Size()
	p.page = max(1, h)
	columns := columnsFor(w)
	if len(p.rows) == 0 {
		text := "nothing yet"
		if p.kept > 0 {
			text = "nothing of this level and subsystem: L and s change them"
		}
		a.Print(2, 0, view.Dim, view.Truncate(text, w-2))
		return
	}
	p.scroll(w-columns.msg, h)
	for i, y := p.top, 0; i < len(p.rows) && y < h; i++ {
		y += p.drawRow(u, a.Inset(0, y, 0, 0), columns, i)
	}
}

// scroll moves the first row as little as shows the one with the cursor.
func (p *logPage) scroll(width, h int) {
	p.top = max(0, min(p.top, p.index))
	lines := 0
	for i := p.index; i >= p.top; i-- {
		lines += p.height(i, width)
		if lines > h {
			p.top = min(i+1, p.index)
			return
		}
	}
	for p.top > 0 { // no room is left empty below the last
		rest := 0
		for i := p.top - 1; i < len(p.rows) && rest <= h; i++ {
			rest += p.height(i, width)
		}
		if rest > h {
			return
		}
		p.top--
	}
}

// height is how many lines a row takes.
func (p *logPage) height(i, width int) int {
	if !p.wrap {
		return 1
	}
	return max(1, len(view.Wrap(p.rows[i].line(), max(8, width))))
}

// line is the message with its attributes but for those that have a column.
func (r logRow) line() string {
	if text := attrText(r.others()); text != "" {
		return r.Msg + "  " + text
	}
	return r.Msg
}

// others are the attributes without the peer, which has a column.
func (r logRow) others() map[string]any {
	if _, there := r.Attrs["peer"]; !there {
		return r.Attrs
	}
	rest := maps.Clone(r.Attrs)
	delete(rest, "peer")
	return rest
}

// drawRow returns how many lines it took.
func (p *logPage) drawRow(u *UI, a view.Area, c logColumns, i int) int {
	r := p.rows[i]
	w, _ := a.Size()
	level := levelCell(r)
	a.Print(2, 0, view.Dim, view.Truncate(p.time(u, r, c.clock), c.level-3))
	a.Print(c.level, 0, level.Role, view.Truncate(level.Text, 5))
	if c.part > 0 {
		a.Print(c.part, 0, view.Dim, view.Truncate(r.subsystem, c.peer-c.part-1))
		a.Print(c.peer, 0, view.Text, view.Middle(orNone(r.peer), c.msg-c.peer-2))
	}
	lines := 1
	if room := max(0, w-c.msg); p.wrap {
		text := view.Wrap(r.line(), max(8, room))
		lines = max(1, len(text))
		for y, l := range text {
			a.Print(c.msg, y, view.Text, l)
		}
	} else {
		x := a.Print(c.msg, 0, view.Text, view.Truncate(r.Msg, room))
		a.Print(x+2, 0, view.Dim, view.Truncate(attrText(r.others()), w-x-2))
	}
	if r.hit {
		a.Print(1, 0, view.Accent, "•")
	}
	if i == p.index {
		a.Print(0, 0, view.Accent, "▌")
		for y := range lines {
			a.Style(0, y, w, view.Selected)
		}
	}
	a.Sub(0, 0, w, lines).Zone(row{p, i})
	return lines
}

// time is that of a record; of one of another day the day.
func (p *logPage) time(u *UI, r logRow, format string) string {
	t := r.Time.In(u.Now.Location())
	if t.YearDay() == u.Now.YearDay() && t.Year() == u.Now.Year() {
		return t.Format(format)
	}
	if format == time.TimeOnly {
		return t.Format("Jan _2")
	}
	return t.Format("Jan _2 15:04")
}

// drawRecord shows all of a record.
func (p *logPage) drawRecord(u *UI, a view.Area, r logRow, ok bool) {
	o := view.BoxOptions{Title: "Record", Right: "⏎ whole   y copy", Focused: p.open}
	if p.open {
		o.Right = "esc close   y copy"
	}
	a = view.Box(a, o)
	w, h := a.Size()
	if !ok {
		a.Print(0, 0, view.Dim, "no record is chosen")
		return
	}
	y := 0
	if h >= 6 {
		level := levelCell(r)
		x := a.Print(0, 0, view.Dim, r.Time.In(u.Now.Location()).Format("2006-01-02 15:04:05.000"))
		x = a.Print(x+2, 0, level.Role, view.Truncate(level.Text, 8))
		x = a.Print(x+2, 0, view.Text, view.Truncate(r.subsystem, 16))
		a.Print(x+2, 0, view.Text, view.Truncate(r.peer, max(0, w-x-2)))
		y = 1
	}
	for _, l := range view.Wrap(r.Msg, w) {
		a.Print(0, y, view.Title, l)
		y++
	}
	if p.open {
		drawAttrs(a, r, y+1)
		return
	}
	for _, l := range view.Wrap(attrText(r.Attrs), w) {
		a.Print(0, y, view.Text, l)
		y++
	}
}

// drawAttrs has a line for each attribute, or as many as its value takes.
func drawAttrs(a view.Area, r logRow, y int) {
	w, _ := a.Size()
	names := attrKeys(r.Attrs)
	left := 0
	for _, k := range names {
		left = max(left, min(view.Width(k), 24, w/3))
	}
	for _, k := range names {
		a.Print(0, y, view.Dim, view.Truncate(k, left))
		for _, l := range view.Wrap(attrValue(r.Attrs[k]), max(1, w-left-2)) {
			a.Print(left+2, y, view.Text, l)
			y++
		}
	}
}
