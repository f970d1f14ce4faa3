package screen

import (
	"fmt"
	"slices"
	"strings"

	"github.com/vxmesh/vxmesh/tunnel/control"
	"github.com/vxmesh/vxmesh/ui/mirror"
	"github.com/vxmesh/vxmesh/ui/view"
)

// drawSegment tells of layer 2.
func drawSegment(u *UI, a view.Area) {
	w, h := a.Size()
	y := 0
	for _, seg := range u.Net.Status.Segments {
		if y+6 > h && y > 0 {
			a.Print(0, y, view.Dim, fmt.Sprintf("and %d more", len(u.Net.Status.Segments)-1))
			return
		}
		rates := u.Net.Segment(seg.VNI)
		for _, l := range [][2]string{
			{"vni", fmt.Sprintf("%d  %s %s", seg.VNI, seg.Device.Kind, seg.Device.State)},
			{"device", strings.TrimSpace(seg.Device.Name + "  " + seg.Device.MAC.String())},
			{"address", choice(len(seg.Device.Addresses) > 0, strings.Join(seg.Device.Addresses, " "), "-")},
			{"MACs", fmt.Sprintf("%d", seg.FDBEntries)},
			{"moves", fmt.Sprintf("%.1f /s   learned %.1f /s", rates.Moved, rates.Learned)},
			{"floods", fmt.Sprintf("%.1f /s", rates.Flooded)},
			{"frames", fmt.Sprintf("↓ %s/s  ↑ %s/s", view.Count(rates.RxFrames), view.Count(rates.TxFrames))},
			{"VTEPs", vteps(seg.VTEPs)},
		} {
			if y >= h {
				return
			}
			a.Print(0, y, view.Dim, l[0])
			a.Print(9, y, view.Text, view.Truncate(l[1], w-9))
			y++
		}
		y++
	}
}

func vteps(list []control.VTEP) string {
	bad := 0
	for _, v := range list {
		if v.State != control.VTEPOK {
			bad++
		}
	}
	switch {
	case len(list) == 0:
		return "none"
	case bad > 0:
		return fmt.Sprintf("%d, ▲ %d not reached", len(list), bad)
	}
	return fmt.Sprint(len(list))
}

// drawAttention says what is wrong and what helps.
func drawAttention(u *UI, a view.Area, problems []mirror.Problem) {
	warnings, notes := 0, 0
	for _, p := range problems {
		if p.Severity == mirror.Note {
			notes++
		} else {
			warnings++
		}
	}
	var told []string
	if warnings > 0 {
		told = append(told, fmt.Sprintf("%d to mend", warnings))
	}
	if notes > 0 {
		told = append(told, fmt.Sprintf("%d to know", notes))
	}
	right := strings.Join(told, ", ")
	in := view.Box(a, view.BoxOptions{Title: "Attention", Right: right})
	w, h := in.Size()
	for i, p := range problems {
		if i == h-1 && len(problems) > h {
			in.Print(0, i, view.Dim, fmt.Sprintf("and %d more", len(problems)-i))
			return
		}
		drawProblem(in.Sub(0, i, w, 1), p)
	}
	if len(problems) == 0 {
		in.Print(0, 0, view.Good, "● all is well")
	}
}

func drawProblem(a view.Area, p mirror.Problem) {
	w, _ := a.Size()
	glyph, role := "▲", view.Warn
	switch p.Severity {
	case mirror.Fault:
		glyph, role = "✖", view.Bad
	case mirror.Note:
		glyph, role = "·", view.Dim
	}
	x := a.Print(0, 0, role, glyph)
	x = a.Print(x+1, 0, view.Text, view.Pad(view.Middle(p.Subject, 12), 12))
	fix := ""
	if room := w - x - 2 - view.Width(p.Text) - 2; p.Fix != "" && room >= view.Width(p.Fix) {
		fix = p.Fix
	}
	a.Print(x+1, 0, view.Text, view.Truncate(p.Text, w-x-1))
	a.PrintRight(0, view.Accent, fix)
}

// drawEvents shows the last records of the log that tell of changes.
func drawEvents(u *UI, a view.Area) {
	w, h := a.Size()
	records := u.Net.LastLog()
	y := 0
	for i := len(records) - 1; i >= 0 && y < h; i-- {
		r := records[i]
		if r.Level == "debug" {
			continue
		}
		role := view.Text
		switch r.Level {
		case "warn":
			role = view.Warn
		case "error":
			role = view.Bad
		}
		x := a.Print(0, y, view.Dim, r.Time.In(u.Now.Location()).Format("15:04:05"))
		a.Print(x+2, y, role, view.Truncate(recordText(r), w-x-2))
		y++
	}
}

// recordText is a record in a line: what happened, and its attributes in the order of their names.
func recordText(r control.LogRecord) string {
	text := r.Msg
	keys := make([]string, 0, len(r.Attrs))
	for k := range r.Attrs {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	for _, k := range keys {
		if r.Attrs[k] == "" {
			continue
		}
		text += fmt.Sprintf("  %s=%v", k, r.Attrs[k])
	}
	return text
}
