package screen

import (
	"strings"

	"github.com/vxmesh/vxmesh/ui/view"
)

// A palette finds commands by what they are called. It shows the key and the command line of each, so
// that people learn both.
type palette struct {
	input input
	index int
	top   int
	found []*Command
}

func (u *UI) openPalette() {
	p := &palette{}
	p.search(u)
	u.open(p)
}

func (p *palette) search(u *UI) {
	p.found, p.index, p.top = nil, 0, 0
	words := strings.Fields(strings.ToLower(p.input.text()))
	for _, of := range []Page{u.page, Everywhere} {
		for _, c := range u.commands {
			if c.Page == of && c.ID != "palette" && matches(c.Name+" "+c.ID+" "+p.line(u, c), words) {
				p.found = append(p.found, c)
			}
		}
	}
}

// line is the command line that does the same; "" when there is none now.
func (p *palette) line(u *UI, c *Command) string {
	if c.CLI == nil {
		return ""
	}
	return c.CLI(u)
}

// matches reports whether every word is in the text, or its letters are, in this order.
func matches(text string, words []string) bool {
	text = strings.ToLower(text)
	for _, w := range words {
		if !strings.Contains(text, w) && !scattered(text, w) {
			return false
		}
	}
	return true
}

func scattered(text, letters string) bool {
	for _, r := range letters {
		i := strings.IndexRune(text, r)
		if i < 0 {
			return false
		}
		text = text[i+1:]
	}
	return true
}

func (p *palette) draw(u *UI, screen view.Area) {
	_, sh := screen.Size()
	h := min(sh-2, len(u.commands)+4, 24)
	a := window(screen, 96, h, "Commands", "⏎ run  y copy the command line  esc close")
	w, h := a.Size()
	x := a.Print(0, 0, view.Dim, "› ")
	p.input.draw(a, x, 0, true)
	rows := a.Inset(0, 2, 0, 0)
	_, fits := rows.Size()
	p.top = max(p.index-fits+1, min(p.top, p.index))
	for i := p.top; i < min(len(p.found), p.top+fits); i++ {
		c, y := p.found[i], i-p.top
		rows.Print(0, y, view.Text, c.Name)
		if len(c.Keys) > 0 {
			rows.Print(34, y, view.Accent, u.keyName(c.Keys[0]))
		}
		if w > 60 {
			rows.Print(42, y, view.Dim, view.Truncate(p.line(u, c), w-42))
		}
		if i == p.index {
			rows.Style(0, y, w, view.Selected)
		}
		rows.Sub(0, y, w, 1).Zone(row{p, i})
	}
	if len(p.found) == 0 && h > 2 {
		rows.Print(0, 0, view.Dim, "no command is called so")
	}
}

func (p *palette) key(u *UI, k Key) Effect {
	switch k.Name {
	case "esc", "ctrl+k":
		u.close()
	case "up", "ctrl+p":
		p.index = max(0, p.index-1)
	case "down", "ctrl+n", "tab":
		p.index = max(0, min(p.index+1, len(p.found)-1))
	case "enter":
		return p.run(u)
	case "ctrl+y":
		return p.copy(u)
	default:
		if k.Name == "y" && p.input.empty() {
			return p.copy(u)
		}
		p.input.key(k)
		p.search(u)
	}
	return nil
}

func (p *palette) run(u *UI) Effect {
	if p.index >= len(p.found) {
		return nil
	}
	c := p.found[p.index]
	u.close()
	return c.Run(u)
}

func (p *palette) copy(u *UI) Effect {
	if p.index < len(p.found) {
		if line := p.line(u, p.found[p.index]); line != "" {
			u.close()
			return Copy{line, "the command line"}
		}
	}
	return nil
}

func (p *palette) paste(u *UI, text string) {
	p.input.insert(text)
	p.search(u)
}

func (p *palette) click(u *UI, c Click) Effect {
	if c.Wheel != 0 {
		p.index = max(0, min(p.index+c.Wheel, len(p.found)-1))
		return nil
	}
	if r, ok := c.Zone.(row); ok && r.list == any(p) {
		p.index = r.i
		return p.run(u)
	}
	return nil
}
