package screen

import (
	"fmt"
	"slices"
	"time"

	"github.com/vxmesh/vxmesh/ui/view"
)

// resortEvery is how often rows may change places by themselves: they are not to jump while they are
// being read.
const resortEvery = 5 * time.Second

// A field is a column of a list of T.
type field[T any] struct {
	view.Column
	name    string // as the sort is told: "rtt"
	compare func(a, b T) int
	cell    func(u *UI, v T) view.Cell
}

// A list shows rows that can be sorted, filtered, marked and walked through. A row is known by its id:
// the cursor stays with it wherever it goes.
type list[T any] struct {
	fields []field[T]
	id     func(T) string
	record func(*UI, T) view.Record
	keys   []string // that filters may name

	sort    int
	reverse bool
	filter  filterLine
	marked  map[string]bool

	rows   []T // what is shown, in order
	total  int
	cursor string // the id; "" = the first
	index  int
	top    int
	page   int // rows that fit

	order    map[string]int // of the last sort
	sortedAt time.Time
	resort   bool
}

// A filterLine is the filter of a list, and the line it is typed in.
type filterLine struct {
	input
	open bool
	good view.Filter // the last that made sense
	err  string
}

func (f *filterLine) parse(keys []string) {
	parsed, err := view.ParseFilter(f.text())
	if err == nil {
		err = parsed.Check(keys)
	}
	f.err = ""
	if err != nil {
		f.err = err.Error()
		return
	}
	f.good = parsed
}

// setFilter filters as if the text had been typed.
func (l *list[T]) setFilter(text string) {
	l.filter.set(text)
	l.filter.parse(l.keys)
}

// update takes in all rows there are now.
func (l *list[T]) update(u *UI, all []T) {
	l.total = len(all)
	l.rows = l.rows[:0]
	for _, v := range all {
		if l.filter.good.Empty() || l.filter.good.Match(l.record(u, v)) {
			l.rows = append(l.rows, v)
		}
	}
	l.arrange(u.Now)
	l.index = min(l.index, max(0, len(l.rows)-1))
	if i := l.find(l.cursor); i >= 0 {
		l.index = i
	} else if len(l.rows) > 0 {
		l.cursor = l.id(l.rows[l.index])
	}
}

// arrange sorts anew when it is time or was asked for; else everything keeps its place, and what is new
// comes where it belongs.
func (l *list[T]) arrange(now time.Time) {
	compare := l.fields[l.sort].compare
	if compare == nil {
		return
	}
	byField := func(a, b T) int {
		c := compare(a, b)
		if l.reverse {
			c = -c
		}
		if c == 0 {
			return cmpStrings(l.id(a), l.id(b))
		}
		return c
	}
	l.keepPlaces(byField)
	if l.resort || l.order == nil || now.Sub(l.sortedAt) >= resortEvery {
		slices.SortFunc(l.rows, byField)
		l.sortedAt, l.resort = now, false
		l.order = make(map[string]int, len(l.rows))
		for i, v := range l.rows {
			l.order[l.id(v)] = i
		}
	}
}

// keepPlaces puts the rows where they were and what is new among them. It takes a time that grows with
// the rows alone, and what is sorted already is sorted again as fast.
func (l *list[T]) keepPlaces(byField func(a, b T) int) {
	places := make([]int, len(l.order)) // 1 + the index of the row that has it
	var fresh []T
	for i, v := range l.rows {
		if place, known := l.order[l.id(v)]; known && places[place] == 0 {
			places[place] = i + 1
		} else {
			fresh = append(fresh, v)
		}
	}
	slices.SortFunc(fresh, byField)
	out := make([]T, 0, len(l.rows))
	for _, i := range places {
		if i == 0 {
			continue
		}
		for len(fresh) > 0 && byField(fresh[0], l.rows[i-1]) < 0 {
			out, fresh = append(out, fresh[0]), fresh[1:]
		}
		out = append(out, l.rows[i-1])
	}
	l.rows = append(out, fresh...)
}

func cmpStrings(a, b string) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

func (l *list[T]) find(id string) int {
	return slices.IndexFunc(l.rows, func(v T) bool { return l.id(v) == id })
}

// selected is the row under the cursor.
func (l *list[T]) selected() (v T, ok bool) {
	if l.index < len(l.rows) {
		return l.rows[l.index], true
	}
	return v, false
}

// chosen are the marked rows that are shown, or the one under the cursor when none is.
func (l *list[T]) chosen() (out []T) {
	for _, v := range l.rows {
		if l.marked[l.id(v)] {
			out = append(out, v)
		}
	}
	if v, ok := l.selected(); ok && len(out) == 0 {
		out = append(out, v)
	}
	return out
}

func (l *list[T]) goTo(i int) {
	l.index = max(0, min(i, len(l.rows)-1))
	if l.index < len(l.rows) {
		l.cursor = l.id(l.rows[l.index])
	}
}

// key takes the keys of every list; it reports whether it was one.
func (l *list[T]) key(k Key) bool {
	if l.filter.open {
		l.filterKey(k)
		return true
	}
	if to, ok := walk(k.Name, l.index, l.page, len(l.rows)); ok {
		l.goTo(to)
		return true
	}
	switch k.Name {
	case "/":
		l.filter.open = true
	case "esc":
		return l.clear()
	case "<", ">":
		l.sortBy(k.Name == ">")
	case "r":
		l.reverse, l.resort = !l.reverse, true
	case "space":
		l.mark()
	case "ctrl+a":
		l.markAll()
	default:
		return false
	}
	return true
}

// walk gives the row that a key leads to from a row of so many, with so many to a page, and whether it is
// a key that leads anywhere.
func walk(key string, from, page, rows int) (to int, ok bool) {
	page = max(1, page)
	switch key {
	case "up", "k":
		return from - 1, true
	case "down", "j":
		return from + 1, true
	case "pgup":
		return from - page, true
	case "pgdown":
		return from + page, true
	case "ctrl+u":
		return from - max(1, page/2), true
	case "ctrl+d":
		return from + max(1, page/2), true
	case "home", "g":
		return 0, true
	case "end", "G":
		return rows - 1, true
	}
	return from, false
}

// clear takes back the marks, then the filter; it reports whether there was one of them.
func (l *list[T]) clear() bool {
	switch {
	case len(l.marked) > 0:
		l.marked = nil
	case !l.filter.empty():
		l.setFilter("")
	default:
		return false
	}
	return true
}

func (l *list[T]) filterKey(k Key) {
	switch k.Name {
	case "enter", "down", "tab":
		l.filter.open = false
	case "esc":
		l.filter.open = false
		l.setFilter("")
	default:
		if l.filter.key(k) {
			l.filter.parse(l.keys)
		}
	}
}

// paste puts text into the filter that is being typed.
func (l *list[T]) paste(text string) {
	if l.filter.open {
		l.filter.insert(text)
		l.filter.parse(l.keys)
	}
}

func (l *list[T]) sortBy(next bool) {
	step := len(l.fields) - 1
	if next {
		step = 1
	}
	for range l.fields {
		l.sort = (l.sort + step) % len(l.fields)
		if l.fields[l.sort].compare != nil {
			break
		}
	}
	l.resort = true
}

func (l *list[T]) mark() {
	v, ok := l.selected()
	if !ok {
		return
	}
	if l.marked == nil {
		l.marked = make(map[string]bool)
	}
	if id := l.id(v); l.marked[id] {
		delete(l.marked, id)
	} else {
		l.marked[id] = true
	}
	l.goTo(l.index + 1)
}

func (l *list[T]) markAll() {
	l.marked = make(map[string]bool, len(l.rows))
	for _, v := range l.rows {
		l.marked[l.id(v)] = true
	}
}

// A row is the zone of a list's row.
type row struct {
	list any
	i    int
}

// A heading is the zone of a list's title of a column.
type heading struct {
	list   any
	column int
}

// clickHeading sorts by a column; by the one that it is sorted by already, the other way round.
func (l *list[T]) clickHeading(column int) {
	switch {
	case l.fields[column].compare == nil:
		return
	case l.sort == column:
		l.reverse = !l.reverse
	}
	l.sort, l.resort = column, true
}

// click moves the cursor to a row that was clicked on; it reports whether it was one of this list, and
// whether it is to be opened.
func (l *list[T]) click(c Click) (mine, open bool) {
	if c.Wheel != 0 {
		if r, ok := c.Zone.(row); ok && r.list == any(l) {
			l.goTo(l.index + 3*c.Wheel)
			return true, false
		}
		return false, false
	}
	if t, ok := c.Zone.(heading); ok && t.list == any(l) {
		l.clickHeading(t.column)
		return true, false
	}
	r, ok := c.Zone.(row)
	if !ok || r.list != any(l) {
		return false, false
	}
	l.goTo(r.i)
	return true, c.Double
}

// draw shows the rows, with the line of the filter above them when there is one.
func (l *list[T]) draw(u *UI, a view.Area) {
	if l.filter.open || !l.filter.empty() {
		line, rest := a.SplitTop(1)
		l.drawFilter(line)
		a = rest
	}
	columns := make([]view.Column, len(l.fields))
	for i := range l.fields {
		columns[i] = l.fields[i].Column
	}
	_, h := a.Size()
	l.page = max(1, h-1)
	l.top = view.Table(a, view.TableOptions{
		Columns: columns, Rows: len(l.rows), Top: l.top, Cursor: l.index, Sort: l.sort, Reverse: l.reverse,
		Row: func(i int) []view.Cell {
			cells := make([]view.Cell, len(l.fields))
			for j := range l.fields {
				cells[j] = l.fields[j].cell(u, l.rows[i])
			}
			return cells
		},
		Marked:     func(i int) bool { return l.marked[l.id(l.rows[i])] },
		Zone:       func(i int) any { return row{l, i} },
		HeaderZone: func(i int) any { return heading{l, i} },
	})
	if len(l.rows) == 0 && h > 2 {
		text := "nothing yet"
		if l.total > 0 {
			text = "nothing matches the filter: esc clears it"
		}
		a.Print(2, 1, view.Dim, text)
	}
}

func (l *list[T]) drawFilter(a view.Area) {
	x := a.Print(0, 0, view.Dim, "filter › ")
	x = l.filter.draw(a, x, 0, l.filter.open)
	note, role := fmt.Sprintf("%d → %d shown", l.total, len(l.rows)), view.Dim
	if l.filter.err != "" {
		note, role = l.filter.err, view.Bad
	}
	if w, _ := a.Size(); x+2+view.Width(note) < w {
		a.PrintRight(0, role, note)
	} else {
		a.Print(x+2, 0, role, note)
	}
}

// title is "Peers  6 of 9".
func (l *list[T]) title(name string) string {
	return fmt.Sprintf("%s  %d of %d", name, len(l.rows), l.total)
}

// sorting is "sort rtt ▴".
func (l *list[T]) sorting() string {
	arrow := "▴"
	if l.reverse {
		arrow = "▾"
	}
	return "sort " + l.fields[l.sort].name + " " + arrow
}
