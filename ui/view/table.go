package view

// A Column says how the cells of a table's column are laid out. Widths are in columns of the
// terminal.
type Column struct {
	Title    string
	Min      int  // reserved, also for what is not shown yet; the title always fits
	Max      int  // 0 is no limit
	Right    bool // aligned to the right
	Priority int  // the lowest goes first when there is no room; 0 never goes
	Middle   bool // cut in the middle rather than at the end
	Flex     bool // takes what is left over
}

// A Cell is a text and what it means.
type Cell struct {
	Text string
	Role Role
}

// TableOptions say what a [Table] shows.
type TableOptions struct {
	Columns []Column
	Rows    int                // how many there are
	Row     func(i int) []Cell // asked for visible rows only; a missing cell is empty
	Top     int                // the first visible row, which [Table] returned the last time
	Cursor  int                // the row with the cursor; -1 is none
	Blurred bool               // the cursor shows, but its row is not highlighted
	Sort    int                // the column that rows are sorted by; -1 is none
	Reverse bool               // they are sorted from the largest down

	Marked     func(i int) bool     // rows that are marked; nil is none
	Zone       func(i int) any      // mouse target of a row; nil is none
	HeaderZone func(column int) any // mouse target of a title; nil is none
	Empty      string               // shown where there are no rows
}

// gutter is the room for the cursor and the mark before each row.
const gutter = 2

// Table draws a header and the rows below it that are visible, and returns the first of them: it
// scrolls as little as shows the cursor. Which columns there are depends on the width alone, and
// columns grow in steps, so that nothing jumps when a number gets a digit more.
func Table(a Area, o TableOptions) (top int) {
	w, h := a.Size()
	visible := max(h-1, 0)
	top = o.top(visible)
	rows := make([][]Cell, 0, visible)
	for i := top; i < min(o.Rows, top+visible); i++ {
		rows = append(rows, o.Row(i))
	}
	l := o.layout(w-gutter, rows)
	l.header(a.Sub(gutter, 0, w-gutter, 1), o)
	for i, cells := range rows {
		o.row(a.Sub(0, 1+i, w, 1), top+i, l, cells)
	}
	if o.Rows <= 0 {
		a.Inset(gutter, 1, 0, 0).Print(0, 0, Dim, o.Empty)
	}
	return top
}

// top keeps the cursor visible and the table full.
func (o TableOptions) top(visible int) int {
	top := o.Top
	if cursor := min(o.Cursor, o.Rows-1); cursor >= 0 && visible > 0 {
		top = min(max(top, cursor-visible+1), cursor)
	}
	return max(min(top, o.Rows-visible), 0)
}

// row draws the cursor, the mark and the cells of row i.
//
//	▌•lab-rack  41.0 ms
func (o TableOptions) row(a Area, i int, l tableLayout, cells []Cell) {
	w, _ := a.Size()
	if o.Marked != nil && o.Marked(i) {
		a.Print(1, 0, Accent, "•")
	}
	l.each(func(c, x, width int) {
		if c < len(cells) {
			o.Columns[c].print(a.Sub(gutter+x, 0, width, 1), cells[c])
		}
	})
	if i == o.Cursor {
		a.Print(0, 0, Accent, "▌")
		if !o.Blurred {
			a.Style(0, 0, w, Selected)
		}
	}
	if o.Zone != nil {
		a.Zone(o.Zone(i))
	}
}

// print writes a cell into an area of one line.
func (c Column) print(a Area, v Cell) {
	w, _ := a.Size()
	cut := Truncate
	if c.Middle {
		cut = Middle
	}
	s := cut(v.Text, w)
	if c.Right {
		a.PrintRight(0, v.Role, s)
		return
	}
	a.Print(0, 0, v.Role, s)
}

func (l tableLayout) header(a Area, o TableOptions) {
	l.each(func(c, x, width int) {
		cell := a.Sub(x, 0, width, 1)
		o.Columns[c].print(cell, Cell{o.title(c), Title})
		if o.HeaderZone != nil {
			cell.Zone(o.HeaderZone(c))
		}
	})
}

// title has the direction in which the table is sorted by column c.
func (o TableOptions) title(c int) string {
	switch {
	case c != o.Sort:
		return o.Columns[c].Title
	case o.Reverse:
		return o.Columns[c].Title + " ▾"
	}
	return o.Columns[c].Title + " ▴"
}
