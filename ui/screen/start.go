package screen

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/vxmesh/vxmesh/ui/view"
)

// A startPage is shown when there is no network to look at: what can be done about that.
type startPage struct {
	index int
}

// A startItem is one thing that can be done.
type startItem struct {
	name, detail string
	do           func(u *UI) Effect
}

func newStartPage() *startPage { return &startPage{} }

func (s *startPage) items(u *UI) (out []startItem) {
	for _, n := range u.Networks {
		if n.Running {
			out = append(out, startItem{"look at " + n.Name, "it runs here", func(*UI) Effect {
				return Open{Network: n.Name, Socket: n.Socket}
			}})
			continue
		}
		out = append(out, startItem{"start " + n.Name, "sudo vxmesh join " + n.Name, func(u *UI) Effect {
			return u.launch("start "+n.Name, "join", n.Config)
		}})
	}
	return append(out,
		startItem{"join with an invitation", "sudo vxmesh join vxm1…", askInvitation},
		startItem{"make a new network", "sudo vxmesh init NAME", askNewNetwork},
		startItem{"look at the demo", "a simulated network: no root, nothing is changed", func(*UI) Effect { return Demo{} }},
		startItem{"find out what is wrong", "vxmesh doctor", func(*UI) Effect { return Exec{[]string{"doctor"}} }},
	)
}

// launch starts a node, unless nothing may be changed.
func (u *UI) launch(what string, args ...string) Effect {
	if !u.mayChange() {
		return nil
	}
	if len(u.running) > 0 {
		u.Say(view.Warn, "not yet: "+strings.Join(u.running, ", ")+" goes on")
		return nil
	}
	return Start{What: what, Args: args}
}

func askInvitation(u *UI) Effect {
	u.open(&prompt{
		title: "Join a network", label: "invitation", hint: "paste the line that begins with vxm1",
		check: func(text string) string {
			if tokenIn(text) == "" {
				return "an invitation begins with vxm1"
			}
			return ""
		},
		then: func(u *UI, text string) Effect { return u.launch("join", "join", "--yes", tokenIn(text)) },
	})
	return nil
}

// tokenIn finds the invitation in what was pasted: it may be the whole command, and in several lines.
func tokenIn(text string) string {
	i := strings.Index(strings.ToLower(text), "vxm1")
	if i < 0 {
		return ""
	}
	return strings.Join(strings.Fields(text[i:]), "")
}

func askNewNetwork(u *UI) Effect {
	u.open(&prompt{
		title: "Make a network", label: "its name", hint: "a to z, 0 to 9 and -; this machine becomes its first node",
		check: badName,
		then:  func(u *UI, text string) Effect { return u.launch("make "+text, "init", "--start", text) },
	})
	return nil
}

func (s *startPage) draw(u *UI, a view.Area) {
	w, _ := a.Size()
	y := 1
	say := func(role view.Role, text string) {
		for _, l := range view.Wrap(text, w-4) {
			a.Print(2, y, role, l)
			y++
		}
	}
	switch {
	case u.Link.State == Refused:
		say(view.Bad, "This network's socket may not be used: "+u.Link.Err)
	case u.Link.Network != "" || u.Link.Socket != "":
		say(view.Bad, "No vxmesh node answers on "+u.Link.Socket)
		if u.Link.State == Lost && u.Link.Err != "" { // somebody does
			say(view.Text, u.Link.Err)
		}
		if left := u.Link.Retry.Sub(u.Now); left > 0 {
			say(view.Dim, fmt.Sprintf("trying again in %d s", int(left.Seconds())+1))
		} else {
			say(view.Dim, "trying again")
		}
	default:
		if slices.ContainsFunc(u.Networks, func(n Network) bool { return n.Running }) {
			say(view.Title, "Which network?")
			break
		}
		say(view.Title, "No network runs on this machine.")
		say(view.Dim, "vxmesh stretches an Ethernet segment between machines. What would you like to do?")
	}
	y++
	items := s.items(u)
	s.index = min(s.index, len(items)-1)
	for i, it := range items {
		line := a.Sub(2, y, w-4, 1)
		line.Print(0, 0, view.Text, fmt.Sprintf("  %d  %s", i+1, it.name))
		line.Print(34, 0, view.Dim, it.detail)
		if i == s.index {
			line.Style(0, 0, w-4, view.Selected)
			line.Print(0, 0, view.Selected, "▌")
		}
		line.Zone(row{s, i})
		y++
	}
}

func (s *startPage) keys() string { return "↑↓ move  ⏎ do it  r try again" }

func (s *startPage) key(u *UI, k Key) Effect {
	items := s.items(u)
	s.index = min(s.index, len(items)-1)
	switch k.Name {
	case "up", "k", "shift+tab":
		s.index = max(0, s.index-1)
	case "down", "j", "tab":
		s.index = min(s.index+1, len(items)-1)
	case "enter":
		return items[s.index].do(u)
	case "r":
		return Retry{}
	case "q":
		return Quit{}
	case "o":
		return Open{}
	case "?", ":", "T", "ctrl+l", "ctrl+z", "Q":
		if c := u.command(k.Name); c != nil {
			return c.Run(u)
		}
	default:
		if n, err := strconv.Atoi(k.Name); err == nil && n >= 1 && n <= min(9, len(items)) {
			s.index = n - 1
			return items[s.index].do(u)
		}
	}
	return nil
}

// paste takes an invitation for what it is.
func (s *startPage) paste(u *UI, text string) {
	if tokenIn(text) != "" {
		askInvitation(u)
		u.Paste(text)
	}
}

func (s *startPage) click(u *UI, c Click) Effect {
	if r, ok := c.Zone.(row); ok && r.list == any(s) && c.Wheel == 0 {
		if items := s.items(u); r.i < len(items) {
			s.index = r.i
			return items[r.i].do(u)
		}
	}
	return nil
}
