package screen

import (
	"fmt"
	"strings"
	"time"

	"github.com/vxmesh/vxmesh/tunnel/control"
	"github.com/vxmesh/vxmesh/ui/mirror"
	"github.com/vxmesh/vxmesh/ui/view"
)

// Looks are how states show: a shape, a word and a colour, to be trusted in this order.
var looks = map[mirror.State]struct {
	glyph string
	role  view.Role
}{
	mirror.Direct:     {"●", view.Good},
	mirror.Relayed:    {"◐", view.Relay},
	mirror.Degraded:   {"▲", view.Warn},
	mirror.Connecting: {"◌", view.Dim},
	mirror.Down:       {"○", view.Dim},
	mirror.Failed:     {"✖", view.Bad},
	mirror.Paused:     {"‖", view.Dim},
}

// mark is the shape of a state.
func mark(s mirror.State) string { return looks[s].glyph }

func roleOf(s mirror.State) view.Role { return looks[s].role }

// headHeight is the lines above the page: the network, and the pages where there is room.
func (u *UI) headHeight() int {
	if u.compact() {
		return 1
	}
	return 2
}

func (u *UI) drawHead(a view.Area) {
	w, h := a.Size()
	left := a.Print(1, 0, view.Title, "vxmesh")
	left = a.Print(left+1, 0, view.Text, view.Truncate(u.headline(), max(0, w-left-30)))
	link, role := u.link()
	a.PrintRight(0, role, link+" ")
	counts := u.counts()
	if room := w - left - view.Width(link) - 4; room >= view.Width(counts) {
		a.Print(w-view.Width(link)-2-view.Width(counts)-1, 0, view.Dim, counts)
	}
	if h < 2 {
		return
	}
	x := 0
	for p := range pages {
		title := fmt.Sprintf(" %d %s ", p+1, p)
		if u.w < 100 {
			title = fmt.Sprintf(" %d %s ", p+1, shortTitle(p))
		}
		if badge := u.bodies[p].badge(u); badge != "" && u.w >= 100 {
			title = strings.TrimRight(title, " ") + " " + badge + " "
		}
		r := view.Dim
		if p == u.page && !u.starting() {
			r = view.Selected
		}
		next := a.Print(x, 1, r, title)
		a.Sub(x, 1, next-x, 1).Zone(p)
		x = next + 1
	}
	a.PrintRight(1, view.Dim, "? help ")
}

func shortTitle(p Page) string {
	if p == Overview {
		return "Over"
	}
	return p.String()
}

// headline is which network this is, and what this machine has of it.
func (u *UI) headline() string {
	s := &u.Net.Status
	name := s.Network
	if name == "" {
		name = u.Link.Network
	}
	parts := []string{name}
	if len(s.Segments) > 0 && !u.compact() {
		parts = append(parts, u.segmentLine(s.Segments[0])...)
		if more := len(s.Segments) - 1; more > 0 {
			parts = append(parts, fmt.Sprintf("+%d", more))
		}
	}
	if s.Node.Name != "" && u.w >= 100 {
		parts = append(parts, s.Node.Name)
	}
	return strings.Join(parts, " · ")
}

// segmentLine is a segment and its device, as much of it as the width allows.
func (u *UI) segmentLine(seg control.SegmentStatus) (parts []string) {
	wide, device := u.w >= 100, seg.Device.Name
	if wide {
		parts = append(parts, fmt.Sprintf("vni %d", seg.VNI))
		device = strings.TrimSpace(seg.Device.Kind + " " + device)
	}
	if seg.Device.Bridge != "" {
		device += " → " + seg.Device.Bridge
	}
	if seg.Device.Name != "" {
		parts = append(parts, device)
	}
	if wide && seg.Device.MTU > 0 {
		parts = append(parts, fmt.Sprintf("mtu %d", seg.Device.MTU))
	}
	return parts
}

// counts says how many peers are how.
func (u *UI) counts() string {
	n := make(map[mirror.State]int)
	up := 0
	for _, p := range u.Net.Peers {
		n[p.State]++
		if p.Reachable() {
			up++
		}
	}
	if !u.Net.Known {
		return ""
	}
	parts := []string{fmt.Sprintf("%d/%d up", up, len(u.Net.Peers))}
	if u.compact() {
		return fmt.Sprintf("%d/%d", up, len(u.Net.Peers))
	}
	for _, s := range []mirror.State{mirror.Direct, mirror.Relayed, mirror.Degraded, mirror.Failed} {
		if n[s] > 0 && (u.w >= 100 || s != mirror.Direct) {
			parts = append(parts, fmt.Sprintf("%d %s", n[s], s))
		}
	}
	return strings.Join(parts, " · ")
}

// link says whether what is shown is what is.
func (u *UI) link() (string, view.Role) {
	age := u.Now.Sub(u.Link.Since)
	switch {
	case u.Link.State == Ended:
		return "■ end of the recording", view.Dim
	case u.Link.State == NoNode && (u.Link.Network != "" || u.Link.Socket != ""):
		return "✖ no node runs", view.Bad
	case u.Link.State == NoNode:
		return "no network", view.Dim
	case u.Link.State == Refused:
		return "✖ no rights", view.Bad
	case u.Link.State == Lost:
		return "◌ reconnecting " + view.Age(age.Truncate(time.Second)), view.Warn
	case u.Link.State == Linking:
		return "◌ connecting", view.Dim
	case u.Paused:
		return "‖ paused", view.Warn
	}
	text := "● live"
	switch {
	case u.Link.Recording:
		return "● recording", view.Good
	case u.Link.Demo:
		text = "● demo"
	}
	if u.ReadOnly {
		text += " read-only"
	}
	return text, view.Good
}

// drawFoot shows what was said last, what is being done, or the keys.
func (u *UI) drawFoot(a view.Area) {
	w, _ := a.Size()
	switch {
	case u.Now.Before(u.toast.until):
		a.Print(1, 0, u.toast.role, view.Truncate(u.toast.text, w-2))
		return
	case len(u.running) > 0:
		a.Print(1, 0, view.Dim, view.Truncate("… "+strings.Join(u.running, ", "), w-2))
		return
	}
	right := "? help  : palette  q quit "
	if u.compact() {
		right = "? help  q quit "
	}
	limit := w - view.Width(right) - 2
	x := 1
	if u.starting() {
		x = a.Print(x, 0, view.Dim, u.start.keys())
	} else {
		x = u.drawKeys(a, x, limit)
	}
	if x <= limit {
		a.PrintRight(0, view.Dim, right)
	}
}

// drawKeys shows the keys of the page, and then those of all pages, as many as there is room for.
func (u *UI) drawKeys(a view.Area, x, limit int) int {
	if u.compact() {
		return a.Print(x, 0, view.Dim, fmt.Sprintf("1-%d screens", pages))
	}
	for _, of := range []Page{u.page, Everywhere} {
		for _, c := range u.commands {
			if c.Page != of || c.Short == "" || len(c.Keys) == 0 || u.command(c.Keys[0]) != c {
				continue
			}
			key := u.keyName(c.Keys[0])
			end := x + view.Width(key) + 1 + view.Width(c.Short)
			if end > limit {
				return limit
			}
			start := x
			x = a.Print(x, 0, view.Accent, key)
			x = a.Print(x+1, 0, view.Dim, c.Short)
			a.Sub(start, 0, x-start, 1).Zone(c)
			x += 2
		}
	}
	return x
}
