package view

// BoxOptions say what a [Box] looks like. The zero value is a box without a title.
type BoxOptions struct {
	Title   string // at the left of the upper border, in role Title
	Right   string // at its right, left out where there is no room
	Focused bool   // it has the keyboard: its lines are heavy
	Role    Role   // of the border; Text is Border, or Focus where Focused
}

// Box draws a border around a, and returns what is inside of it and a blank column on both sides.
//
//	┌─ Title ───── Right ─┐
func Box(a Area, o BoxOptions) Area {
	glyphs := []rune("─│┌┐└┘")
	role := Border
	if o.Focused {
		glyphs, role = []rune("━┃┏┓┗┛"), Focus
	}
	if o.Role != Text {
		role = o.Role
	}
	w, h := a.Size()
	if w < 2 || h < 2 {
		return a.Sub(0, 0, 0, 0)
	}
	a.Sub(0, 0, w, 1).Fill(role, glyphs[0])
	a.Sub(0, h-1, w, 1).Fill(role, glyphs[0])
	a.Sub(0, 0, 1, h).Fill(role, glyphs[1])
	a.Sub(w-1, 0, 1, h).Fill(role, glyphs[1])
	for i, at := range [][2]int{{0, 0}, {w - 1, 0}, {0, h - 1}, {w - 1, h - 1}} {
		a.Sub(at[0], at[1], 1, 1).Fill(role, glyphs[2+i])
	}
	boxTitle(a.Inset(2, 0, 2, h-1), o)
	return a.Inset(2, 1, 2, 1)
}

// boxTitle writes into the upper border. The title goes first; what is at the right is all there or
// not at all.
func boxTitle(a Area, o BoxOptions) {
	w, _ := a.Size()
	used := 0
	if title := Truncate(o.Title, w-2); title != "" {
		used = a.Print(0, 0, Title, " "+title+" ")
	}
	if n := Width(o.Right); n > 0 && used+1+n+2 <= w {
		a.Print(w-n-2, 0, Dim, " "+o.Right+" ")
	}
}
