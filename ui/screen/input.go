package screen

import (
	"strings"

	"github.com/rivo/uniseg"

	"github.com/vxmesh/vxmesh/ui/view"
)

// A Key is a key that was pressed: its name as Bubble Tea gives it ("enter", "ctrl+d", "P"), and the
// text that it types, "" for none.
type Key struct{ Name, Text string }

// An input is a line that is being typed.
type input struct {
	before, after string // the cursor
}

func (i *input) text() string     { return i.before + i.after }
func (i *input) set(s string)     { i.before, i.after = s, "" }
func (i *input) insert(s string)  { i.before += oneLine(s) }
func (i *input) empty() bool      { return i.before == "" && i.after == "" }
func oneLine(s string) string     { return strings.Join(strings.Fields(view.Clean(s)), " ") }
func lastCluster(s string) string { return s[len(butLast(s)):] }

// butLast is s without its last character as people see them.
func butLast(s string) string {
	end := 0
	for g := uniseg.NewGraphemes(s); g.Next(); {
		end, _ = g.Positions()
	}
	return s[:end]
}

// key takes a key of the line; it reports whether it was one.
func (i *input) key(k Key) bool {
	switch k.Name {
	case "backspace":
		i.before = butLast(i.before)
	case "delete", "ctrl+d":
		if g := uniseg.NewGraphemes(i.after); g.Next() {
			_, end := g.Positions()
			i.after = i.after[end:]
		}
	case "left", "ctrl+b":
		i.after = lastCluster(i.before) + i.after
		i.before = butLast(i.before)
	case "right", "ctrl+f":
		if g := uniseg.NewGraphemes(i.after); g.Next() {
			_, end := g.Positions()
			i.before, i.after = i.before+i.after[:end], i.after[end:]
		}
	case "home", "ctrl+a":
		i.before, i.after = "", i.text()
	case "end", "ctrl+e":
		i.before, i.after = i.text(), ""
	case "ctrl+u":
		i.before = ""
	case "ctrl+w":
		i.before = strings.TrimRight(i.before, " ")
		i.before = i.before[:strings.LastIndexByte(i.before, ' ')+1]
	default:
		if k.Text == "" {
			return false
		}
		i.before += view.Clean(k.Text)
	}
	return true
}

// draw shows the line with its cursor; of a long one the part around the cursor.
func (i *input) draw(a view.Area, x, y int, focused bool) int {
	w, _ := a.Size()
	before := i.before
	for before != "" && x+view.Width(before)+1 > w {
		if g := uniseg.NewGraphemes(before); g.Next() {
			_, end := g.Positions()
			before = before[end:]
		}
	}
	x = a.Print(x, y, view.Input, before)
	if focused {
		x = a.Print(x, y, view.Accent, "▏")
	}
	return a.Print(x, y, view.Input, i.after)
}
