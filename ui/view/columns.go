package view

import (
	"cmp"
	"math"
	"slices"
)

const (
	growStep  = 4 // columns grow by this many, lest they do so with every digit
	leastCell = 4 // a cell is not cut to less where others can be
)

// A tableLayout has the width of every column, 0 for those that are not shown, and the gap between.
type tableLayout struct {
	widths []int
	gap    int
}

// each calls f for every column that is shown, with where it starts.
func (l tableLayout) each(f func(column, x, width int)) {
	x := 0
	for i, w := range l.widths {
		if w > 0 {
			f(i, x, w)
			x += w + l.gap
		}
	}
}

// total is the width of all columns with gaps between them.
func (l tableLayout) total() int {
	n := 0
	for _, w := range l.widths {
		if w > 0 {
			n += w + l.gap
		}
	}
	return max(n-l.gap, 0)
}

// layout fits columns into w. Which are shown follows from what they reserve, never from the rows;
// only then the contents say who gets the rest.
func (o TableOptions) layout(w int, rows [][]Cell) tableLayout {
	l := tableLayout{make([]int, len(o.Columns)), 2}
	for i := range o.Columns {
		l.widths[i] = o.reserved(i)
	}
	for l.total() > w {
		if l.gap = 1; l.total() <= w || !o.drop(l) {
			break
		}
	}
	l.squeeze(w)
	if l.gap = 2; l.total() > w {
		l.gap = 1
	}
	o.grow(l, w, rows)
	o.flex(l, w)
	return l
}

// reserved is what column i has at least: its title, sorted or not, and its Min.
func (o TableOptions) reserved(i int) int {
	return max(o.Columns[i].Min, Width(o.title(i)), 1)
}

// drop hides the column with the lowest priority, of several the last.
func (o TableOptions) drop(l tableLayout) bool {
	lowest := -1
	for i, c := range o.Columns {
		if l.widths[i] > 0 && c.Priority > 0 &&
			(lowest < 0 || c.Priority <= o.Columns[lowest].Priority) {
			lowest = i
		}
	}
	if lowest < 0 {
		return false
	}
	l.widths[lowest] = 0
	return true
}

// squeeze takes from the widest column while those that never go are too wide.
func (l tableLayout) squeeze(w int) {
	for over := l.total() - w; over > 0 && len(l.widths) > 0; over-- {
		widest := 0
		for i, n := range l.widths {
			if n > l.widths[widest] {
				widest = i
			}
		}
		if l.widths[widest] <= leastCell {
			return
		}
		l.widths[widest]--
	}
}

// grow gives columns what their visible cells need: those first that are not made to be cut, and of
// these the ones that would go last.
func (o TableOptions) grow(l tableLayout, w int, rows [][]Cell) {
	free := w - l.total()
	for _, i := range o.byPriority() {
		if l.widths[i] == 0 {
			continue
		}
		need := 0
		for _, cells := range rows {
			if i < len(cells) {
				need = max(need, Width(cells[i].Text)-l.widths[i])
			}
		}
		need = (need + growStep - 1) / growStep * growStep
		n := max(min(need, free, o.room(l, i)), 0)
		l.widths[i], free = l.widths[i]+n, free-n
	}
}

// room is how much column i may grow.
func (o TableOptions) room(l tableLayout, i int) int {
	if o.Columns[i].Max > 0 {
		return o.Columns[i].Max - l.widths[i]
	}
	return MaxWidth
}

// byPriority returns the columns in the order in which they get room.
func (o TableOptions) byPriority() []int {
	order := make([]int, len(o.Columns))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(x, y int) int {
		return cmp.Or(cmp.Compare(bit(o.elastic(x)), bit(o.elastic(y))), cmp.Compare(o.rank(x), o.rank(y)))
	})
	return order
}

func (o TableOptions) elastic(i int) bool { return o.Columns[i].Flex || o.Columns[i].Middle }

func (o TableOptions) rank(i int) int {
	if p := o.Columns[i].Priority; p > 0 {
		return -p
	}
	return math.MinInt
}

// flex shares what is left among the columns that take it.
func (o TableOptions) flex(l tableLayout, w int) {
	for free := w - l.total(); free > 0; {
		before := free
		for i, c := range o.Columns {
			if c.Flex && l.widths[i] > 0 && free > 0 && o.room(l, i) > 0 {
				l.widths[i]++
				free--
			}
		}
		if free == before {
			return
		}
	}
}
