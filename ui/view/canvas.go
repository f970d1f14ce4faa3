// Package view draws: cells, text, boxes, tables, charts and the filter language of the terminal UI.
//
// Use it for everything that reaches the terminal. Drawing code says what a cell means (a [Role])
// and uses the full set of glyphs; how that looks, with which colours and whether in ASCII alone,
// is decided when a [Canvas] is rendered. Whatever is printed is cleaned on its way into a cell, so
// a hostile name can neither move the cursor nor make a line wider than the canvas.
//
// Nothing here may be called concurrently on one Canvas; functions without a Canvas may.
package view

import "fmt"

// What a terminal may ask for; more is clamped, since sizes come from outside.
const (
	MaxWidth  = 2048
	MaxHeight = 1024
)

// A cell is what stands in one column of one line. The zero cell is a blank in role Text.
type cell struct {
	r     rune   // 0 is a blank
	marks uint16 // index into Canvas.marks of combining marks; 0 is none
	role  Role
	wide  half
}

// half says which part of a character that takes two columns a cell is.
type half uint8

const (
	whole half = iota
	left       // draws the character
	right      // is covered by the cell before it
)

// A zone is a mouse target, with its clipped rectangle and the origin that it counts from.
type zone struct {
	id     any
	clip   rect
	ox, oy int
}

// rect holds the columns x0 <= x < x1 of the lines y0 <= y < y1.
type rect struct{ x0, y0, x1, y1 int }

func (r rect) has(x, y int) bool { return x >= r.x0 && x < r.x1 && y >= r.y0 && y < r.y1 }

func (r rect) intersect(o rect) rect {
	return rect{max(r.x0, o.x0), max(r.y0, o.y0), min(r.x1, o.x1), min(r.y1, o.y1)}
}

// A Canvas is W x H cells and the mouse targets on them. It belongs to whoever draws a frame.
type Canvas struct {
	w, h  int
	cells []cell
	marks []string
	zones []zone
}

// NewCanvas returns a blank canvas; its size is clamped to 0..[MaxWidth] x 0..[MaxHeight].
func NewCanvas(w, h int) *Canvas {
	w, h = min(max(w, 0), MaxWidth), min(max(h, 0), MaxHeight)
	return &Canvas{w: w, h: h, cells: make([]cell, w*h), marks: []string{""}}
}

// Size returns the columns and lines of c.
func (c *Canvas) Size() (w, h int) { return c.w, c.h }

// Area is all of c.
func (c *Canvas) Area() Area {
	return Area{c: c, w: c.w, h: c.h, clip: rect{0, 0, c.w, c.h}}
}

// At returns the topmost zone at x, y of the canvas, and where in the zone's area that is.
func (c *Canvas) At(x, y int) (id any, zx, zy int, ok bool) {
	for i := len(c.zones) - 1; i >= 0; i-- {
		if z := c.zones[i]; z.clip.has(x, y) {
			return z.id, x - z.ox, y - z.oy, z.id != nil
		}
	}
	return nil, 0, 0, false
}

// put stores a character whose marks may follow it. A half that is outside clip becomes a blank, as
// does the rest of a wide character that is overwritten.
func (c *Canvas) put(clip rect, x, y int, g glyph, role Role) {
	if g.width == 2 {
		in, next := clip.has(x, y), clip.has(x+1, y)
		if in && next {
			c.set(x, y, cell{})
			c.set(x+1, y, cell{role: role, wide: right})
			c.cells[y*c.w+x] = cell{r: g.r, marks: c.mark(g.marks), role: role, wide: left}
			return
		}
		if in {
			c.set(x, y, cell{role: role})
		}
		if next {
			c.set(x+1, y, cell{role: role})
		}
		return
	}
	if clip.has(x, y) {
		c.set(x, y, cell{r: g.r, marks: c.mark(g.marks), role: role})
	}
}

// mark keeps combining marks, which are rare, out of the cells.
func (c *Canvas) mark(s string) uint16 {
	if s == "" || len(c.marks) > 0xffff {
		return 0
	}
	c.marks = append(c.marks, s)
	return uint16(len(c.marks) - 1)
}

// set overwrites the cell x, y, which is on the canvas, and blanks the other half of what it cuts.
func (c *Canvas) set(x, y int, n cell) {
	i := y*c.w + x
	switch c.cells[i].wide {
	case left:
		c.cells[i+1] = cell{role: c.cells[i+1].role}
	case right:
		c.cells[i-1] = cell{role: c.cells[i-1].role}
	}
	c.cells[i] = n
}

// An Area is a rectangle of a [Canvas] with an origin of its own. What is drawn outside of it is
// clipped. The zero Area has no size and draws nothing.
type Area struct {
	c          *Canvas
	x, y, w, h int
	clip       rect
}

// Size returns the columns and lines of a; they are never negative.
func (a Area) Size() (w, h int) { return a.w, a.h }

// Sub is the rectangle at x, y of a, cut to what is left of a at the right and below. A negative x
// or y moves the origin out of sight, so that a part of something larger can be drawn.
func (a Area) Sub(x, y, w, h int) Area {
	// Far away is out of sight; clamping keeps hostile numbers from overflowing.
	x, y = min(max(x, -1<<20), a.w), min(max(y, -1<<20), a.h)
	s := Area{c: a.c, x: a.x + x, y: a.y + y, w: max(min(w, a.w-x), 0), h: max(min(h, a.h-y), 0)}
	s.clip = a.clip.intersect(rect{s.x, s.y, s.x + s.w, s.y + s.h})
	return s
}

// Inset is a without l columns at the left, t lines at the top, and so on.
func (a Area) Inset(l, t, r, b int) Area {
	return a.Sub(l, t, a.w-l-r, a.h-t-b)
}

// Center is w x h cells in the middle of a, less where a is smaller.
func (a Area) Center(w, h int) Area {
	w, h = min(w, a.w), min(h, a.h)
	return a.Sub((a.w-w)/2, (a.h-h)/2, w, h)
}

// SplitTop cuts the first h lines off.
func (a Area) SplitTop(h int) (top, rest Area) {
	h = min(max(h, 0), a.h)
	return a.Sub(0, 0, a.w, h), a.Sub(0, h, a.w, a.h-h)
}

// SplitBottom cuts the last h lines off.
func (a Area) SplitBottom(h int) (rest, bottom Area) {
	return a.SplitTop(a.h - min(max(h, 0), a.h))
}

// SplitLeft cuts the first w columns off.
func (a Area) SplitLeft(w int) (first, rest Area) {
	w = min(max(w, 0), a.w)
	return a.Sub(0, 0, w, a.h), a.Sub(w, 0, a.w-w, a.h)
}

// SplitRight cuts the last w columns off.
func (a Area) SplitRight(w int) (rest, last Area) {
	return a.SplitLeft(a.w - min(max(w, 0), a.w))
}

// Rows cuts a into areas of these heights from the top; a negative height takes an equal share of
// what the others leave.
func (a Area) Rows(heights ...int) []Area {
	out := make([]Area, len(heights))
	for i, h := range share(a.h, heights) {
		out[i], a = a.SplitTop(h)
	}
	return out
}

// Cols cuts a into areas of these widths from the left; a negative width takes an equal share of
// what the others leave.
func (a Area) Cols(widths ...int) []Area {
	out := make([]Area, len(widths))
	for i, w := range share(a.w, widths) {
		out[i], a = a.SplitLeft(w)
	}
	return out
}

// share replaces negative sizes by equal shares of the rest; the last ones get what is over.
func share(total int, sizes []int) []int {
	rest, open := total, 0
	for _, s := range sizes {
		if s < 0 {
			open++
		} else {
			rest -= min(s, rest)
		}
	}
	out := make([]int, len(sizes))
	for i, s := range sizes {
		out[i] = s
		if s < 0 {
			out[i] = rest / open
			rest, open = rest-out[i], open-1
		}
	}
	return out
}

// Print writes s, cleaned and clipped, and returns the column after it. A text that reaches the
// edge of a returns a column at or beyond it, so what is printed after it is clipped as well.
func (a Area) Print(x, y int, r Role, s string) int {
	for sc := scan(s); x < a.w; {
		g, ok := sc.next()
		if !ok {
			break
		}
		if a.c != nil {
			a.c.put(a.clip, a.x+x, a.y+y, g, r)
		}
		x += g.width
	}
	return x
}

// Printf is [Area.Print] of what fmt.Sprintf makes of its arguments.
func (a Area) Printf(x, y int, r Role, format string, args ...any) int {
	return a.Print(x, y, r, fmt.Sprintf(format, args...))
}

// Spans prints texts of several roles after each other.
func (a Area) Spans(x, y int, spans ...Cell) int {
	for _, s := range spans {
		x = a.Print(x, y, s.Role, s.Text)
	}
	return x
}

// PrintRight writes s so that it ends at the right edge, with … where it does not fit, and returns
// the column where it starts.
func (a Area) PrintRight(y int, r Role, s string) int {
	s = Truncate(s, a.w)
	x := a.w - Width(s)
	a.Print(x, y, r, s)
	return x
}

// PrintCenter writes s into the middle of line y, with … where it does not fit.
func (a Area) PrintCenter(y int, r Role, s string) {
	s = Truncate(s, a.w)
	a.Print((a.w-Width(s))/2, y, r, s)
}

// Fill covers a with ch, or with blanks where ch is not one column wide.
func (a Area) Fill(r Role, ch rune) {
	g, _ := (&scanner{s: string(ch)}).next()
	if g.width != 1 {
		g = glyph{width: 1}
	}
	for y := a.clip.y0; a.c != nil && y < a.clip.y1; y++ {
		for x := a.clip.x0; x < a.clip.x1; x++ {
			a.c.put(a.clip, x, y, g, r)
		}
	}
}

// Clear blanks a, for dialogs over what is there. The targets under it go, too.
func (a Area) Clear() {
	a.Fill(Text, ' ')
	a.Zone(nil)
}

// Style changes the role of w columns and leaves their text.
func (a Area) Style(x, y, w int, r Role) {
	s := a.Sub(x, y, w, 1).clip
	for i := s.x0; a.c != nil && s.y0 < s.y1 && i < s.x1; i++ {
		a.c.cells[s.y0*a.c.w+i].role = r
	}
}

// Fade has all of a look as what is no longer true; the cursor stays.
func (a Area) Fade() {
	for y := a.clip.y0; a.c != nil && y < a.clip.y1; y++ {
		for x := a.clip.x0; x < a.clip.x1; x++ {
			if c := &a.c.cells[y*a.c.w+x]; c.role != Selected {
				c.role = Dim
			}
		}
	}
}

// Zone remembers that a is a mouse target; later zones lie on top. A nil id is a hole
// in the zones under it, which [Canvas.At] does not find there.
func (a Area) Zone(id any) {
	if a.c != nil && a.clip.x0 < a.clip.x1 && a.clip.y0 < a.clip.y1 {
		a.c.zones = append(a.c.zones, zone{id, a.clip, a.x, a.y})
	}
}
