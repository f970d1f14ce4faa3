package screen

import (
	"errors"
	"strings"
	"time"

	"github.com/vxmesh/vxmesh/tunnel/control"
	"github.com/vxmesh/vxmesh/ui/view"
)

// A dialog lies over the page and takes all keys until it is closed.
type dialog interface {
	draw(u *UI, screen view.Area)
	key(u *UI, k Key) Effect
	paste(u *UI, text string)
	click(u *UI, c Click) Effect
}

func (u *UI) open(d dialog) { u.dialogs = append(u.dialogs, d) }

// close closes the dialog on top.
func (u *UI) close() {
	if n := len(u.dialogs); n > 0 {
		u.dialogs = u.dialogs[:n-1]
	}
}

// window clears a place in the middle of the screen, as large as asked for and at most the screen, and
// draws a box around it.
func window(screen view.Area, w, h int, title, right string) view.Area {
	sw, sh := screen.Size()
	w, h = min(w, sw), min(h, sh)
	place := screen.Sub((sw-w)/2, (sh-h)/2, w, h)
	place.Clear()
	return view.Box(place, view.BoxOptions{Title: title, Right: right, Focused: true})
}

// still is what most dialogs do with a paste and with the mouse.
type still struct{}

func (still) paste(*UI, string)       {}
func (still) click(*UI, Click) Effect { return nil }

// repeatGuard is how long a new question takes no answer: a key that is held down must not give one.
const repeatGuard = 300 * time.Millisecond

// A question is asked before something that cannot be taken back. Only y does it.
type question struct {
	still
	title  string
	lines  []string
	yes    string // "flush 6"
	typed  string // has to be typed to say yes; "" = y is enough
	then   func(u *UI) Effect
	opened time.Time
	input  input
}

// ask asks before it does something.
func (u *UI) ask(q question) {
	q.opened = u.Now
	u.open(&q)
}

func (q *question) draw(u *UI, screen view.Area) {
	sw, _ := screen.Size()
	w := min(sw, 64)
	var lines []string
	for _, l := range q.lines {
		lines = append(lines, view.Wrap(l, w-4)...)
	}
	a := window(screen, w, len(lines)+4, q.title, "")
	for i, l := range lines {
		a.Print(0, i, view.Text, l)
	}
	y := len(lines) + 1
	if q.typed != "" {
		x := a.Print(0, y, view.Dim, "type "+q.typed+" to "+q.yes+" › ")
		q.input.draw(a, x, y, true)
		return
	}
	x := a.Print(2, y, view.Accent, "y")
	x = a.Print(x+2, y, view.Text, q.yes)
	x = a.Print(x+6, y, view.Accent, "n, esc, ⏎")
	a.Print(x+2, y, view.Text, "keep")
}

func (q *question) key(u *UI, k Key) Effect {
	if u.Now.Sub(q.opened) < repeatGuard {
		return nil
	}
	switch {
	case k.Name == "esc":
		u.close()
	case q.typed != "" && k.Name == "enter":
		u.close()
		if q.input.text() == q.typed {
			return q.then(u)
		}
		u.Say(view.Warn, "that is not "+q.typed+": nothing was done")
	case q.typed != "":
		q.input.key(k)
	case k.Name == "y":
		u.close()
		return q.then(u)
	case k.Name == "n" || k.Name == "enter" || k.Name == "q":
		u.close()
	}
	return nil
}

// A page of text can be scrolled: what a node answered, or an error with what helps.
type textDialog struct {
	title string
	lines []textLine
	copy  string // what y copies; "" = all of it
	top   int
	fits  int
}

// A textLine is a line of a [textDialog].
type textLine struct {
	role view.Role
	text string
}

// read shows text; lines that begin with a blank keep it when they wrap.
func (u *UI) read(title, text, copy string) {
	d := &textDialog{title: title, copy: copy}
	for l := range strings.Lines(text) {
		d.lines = append(d.lines, textLine{view.Text, strings.TrimRight(l, "\n")})
	}
	if copy == "" {
		d.copy = text
	}
	u.open(d)
}

// fail shows an error and what helps.
func (u *UI) fail(what string, err error) {
	e := control.AsError(err)
	d := &textDialog{title: what, copy: e.Message, lines: []textLine{{view.Bad, e.Message}}}
	for _, detail := range e.Details {
		d.lines = append(d.lines, textLine{view.Text, detail})
	}
	if len(e.Fix) > 0 {
		d.lines = append(d.lines, textLine{})
	}
	for _, fix := range e.Fix {
		d.lines = append(d.lines, textLine{view.Text, "  " + fix})
		d.copy = fix
	}
	if errors.Is(err, control.ErrNoNode) {
		d.lines = append(d.lines, textLine{view.Dim, "  the UI goes on trying to reach it"})
	}
	u.open(d)
}

func (d *textDialog) draw(u *UI, screen view.Area) {
	sw, sh := screen.Size()
	w := min(sw, 100)
	var lines []textLine
	for _, l := range d.lines {
		if view.Width(l.text) <= w-4 { // a table stays one
			lines = append(lines, l)
			continue
		}
		indent := l.text[:len(l.text)-len(strings.TrimLeft(l.text, " "))]
		for i, part := range view.Wrap(strings.TrimLeft(l.text, " "), max(8, w-4-len(indent))) {
			if i > 0 {
				part = "  " + part
			}
			lines = append(lines, textLine{l.role, indent + part})
		}
	}
	d.fits = max(1, min(len(lines)+2, sh-2)-2)
	d.top = max(0, min(d.top, len(lines)-d.fits))
	right := "y copy  esc close"
	if len(lines) > d.fits {
		right = "↑↓ scroll  " + right
	}
	a := window(screen, w, d.fits+2, d.title, right)
	for i, l := range lines[d.top:min(len(lines), d.top+d.fits)] {
		a.Print(0, i, l.role, l.text)
	}
}

func (d *textDialog) key(u *UI, k Key) Effect {
	switch k.Name {
	case "up", "k":
		d.top--
	case "down", "j":
		d.top++
	case "pgup", "ctrl+u":
		d.top -= d.fits
	case "pgdown", "ctrl+d", "space":
		d.top += d.fits
	case "home", "g":
		d.top = 0
	case "y":
		return Copy{d.copy, d.title}
	case "esc", "q", "enter":
		u.close()
	}
	d.top = max(0, d.top)
	return nil
}

func (d *textDialog) paste(*UI, string) {}

func (d *textDialog) click(_ *UI, c Click) Effect {
	d.top = max(0, d.top+3*c.Wheel)
	return nil
}

// A menu is a choice by one key each.
type menu struct {
	still
	title string
	items []menuItem
}

type menuItem struct {
	key, name, value string
	do               func(u *UI) Effect
}

func (m *menu) draw(u *UI, screen view.Area) {
	sw, _ := screen.Size()
	w := 30
	for _, it := range m.items {
		w = max(w, 8+len(it.name)+view.Width(it.value)+6)
	}
	w = min(w, sw)
	a := window(screen, w, len(m.items)+2, m.title, "esc close")
	for i, it := range m.items {
		a.Print(0, i, view.Accent, it.key)
		x := a.Print(4, i, view.Text, it.name)
		a.Print(x+2, i, view.Dim, view.Truncate(it.value, max(0, w-x-8)))
	}
}

func (m *menu) key(u *UI, k Key) Effect {
	for _, it := range m.items {
		if it.key == k.Name {
			u.close()
			return it.do(u)
		}
	}
	if k.Name == "esc" || k.Name == "q" {
		u.close()
	}
	return nil
}

// A prompt asks for a line.
type prompt struct {
	still
	title, label, hint string
	input              input
	then               func(u *UI, text string) Effect
	check              func(text string) string // what is wrong with it; "" for nothing; may be nil
}

func (p *prompt) draw(u *UI, screen view.Area) {
	a := window(screen, 76, 5, p.title, "⏎ ok  esc close")
	x := a.Print(0, 0, view.Dim, p.label+" › ")
	p.input.draw(a, x, 0, true)
	if p.check != nil && !p.input.empty() {
		if wrong := p.check(p.input.text()); wrong != "" {
			a.Print(0, 2, view.Bad, wrong)
			return
		}
	}
	a.Print(0, 2, view.Dim, p.hint)
}

func (p *prompt) key(u *UI, k Key) Effect {
	switch k.Name {
	case "esc":
		u.close()
	case "enter":
		text := p.input.text()
		if text == "" || p.check != nil && p.check(text) != "" {
			return nil
		}
		u.close()
		return p.then(u, text)
	default:
		p.input.key(k)
	}
	return nil
}

func (p *prompt) paste(_ *UI, text string) { p.input.insert(text) }
