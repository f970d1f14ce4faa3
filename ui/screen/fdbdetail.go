package screen

import (
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/vxmesh/vxmesh/tunnel/control"
	"github.com/vxmesh/vxmesh/ui/mirror"
	"github.com/vxmesh/vxmesh/ui/view"
)

// A fact is a name and what there is to say of it.
type fact struct {
	name  string
	value []view.Cell
}

func plainFact(name, value string) fact {
	return fact{name, []view.Cell{{Text: value}}}
}

const factWidth = 10

// drawFacts lists facts below each other, as many as there is room for; it returns the line after them.
func drawFacts(a view.Area, facts []fact) (y int) {
	w, h := a.Size()
	for _, f := range facts {
		if y >= h {
			break
		}
		a.Print(0, y, view.Dim, f.name)
		x := factWidth
		for _, v := range f.value {
			text := view.Truncate(v.Text, w-x)
			x = a.Print(x, y, v.Role, text)
		}
		y++
	}
	return y
}

// clock is a time of day, with the day when that is another.
func clock(u *UI, t time.Time) string {
	t = t.In(u.Now.Location())
	if t.YearDay() != u.Now.YearDay() || t.Year() != u.Now.Year() {
		return t.Format("Jan _2 15:04")
	}
	return t.Format(time.TimeOnly)
}

// drawDetail tells of one entry.
func (p *fdbPage) drawDetail(u *UI, a view.Area, r *fdbRow) {
	o := view.BoxOptions{Title: "Entry", Focused: p.open}
	if r != nil {
		o.Title, o.Right = r.mac+"  "+string(r.Kind), "⏎ more"
	}
	if p.open {
		o.Right = "esc close"
	}
	a = view.Box(a, o)
	if r == nil {
		a.Print(0, 0, view.Dim, "no entry is chosen")
		return
	}
	y := drawFacts(a, p.facts(u, r))
	moves := p.movesOf(u, r)
	for i, m := range slices.Backward(moves) {
		line := fmt.Sprintf("%s  %s → %s", clock(u, m.Time), view.Middle(orNone(m.From), 24), view.Middle(orNone(m.To), 24))
		name := ""
		if i == len(moves)-1 {
			name = "moved"
		}
		a.Print(0, y, view.Dim, name)
		a.Print(factWidth, y, view.Text, line)
		y++
	}
}

// movesOf are the moves of an entry that the mirror remembers, oldest first.
func (p *fdbPage) movesOf(u *UI, r *fdbRow) (out []mirror.Move) {
	address := mirror.Address{VNI: r.VNI, VLAN: r.VLAN, MAC: r.MAC}
	for _, m := range u.Net.Moves {
		if m.Address == address {
			out = append(out, m)
		}
	}
	return out
}

// facts are the lines about an entry, those first that matter most.
func (p *fdbPage) facts(u *UI, r *fdbRow) []fact {
	where := strconv.Itoa(int(r.VNI))
	if r.VLAN != 0 {
		where += "   vlan " + r.vlanText()
	} else {
		where += "   untagged"
	}
	facts := []fact{
		{"port", portCells(u, r.Port)},
		plainFact("vendor", vendorText(r)),
		plainFact("vni", where),
	}
	switch r.Kind {
	case control.EntryLearned:
		facts = append(facts, plainFact("heard", view.Age(r.age)+" ago"))
	case control.EntryStatic:
		facts = append(facts, plainFact("pinned", "until the node stops, or as the config says; i unpins it"))
	case control.EntryLocal:
		facts = append(facts, plainFact("local", "the device's own address"))
	}
	moves := fact{"moves", []view.Cell{{Text: strconv.FormatUint(r.Moves, 10)}}}
	if r.moved > 0 {
		role := view.Text
		if r.moved >= flaps {
			role = view.Warn
		}
		moves.value = append(moves.value, view.Cell{
			Text: fmt.Sprintf("   %d in %s%s", r.moved, view.Age(flapWindow), choice(r.moved >= flaps, "  ▲ it flaps", "")), Role: role,
		})
	}
	facts = append(facts, moves)
	if list := p.movesOf(u, r); len(list) > 0 {
		since := list[len(list)-1].Time
		facts = append(facts, plainFact("since", clock(u, since)+" ("+view.Age(u.Now.Sub(since))+") on this port"))
	}
	return facts
}

func vendorText(r *fdbRow) string {
	switch {
	case r.vendor != "":
		return r.vendor
	case r.MAC[0]&2 != 0:
		return "- (an address that was made up)"
	}
	return "- (not registered)"
}

// portCells are a port, and how it is.
func portCells(u *UI, p control.FDBPort) []view.Cell {
	name := view.Cell{Text: p.Name}
	switch p.Kind {
	case control.PortPeer:
		peer := u.Net.Peer(p.Name)
		if peer == nil {
			return []view.Cell{name, {Text: "   a peer that is gone", Role: view.Dim}}
		}
		out := []view.Cell{name, {Text: "   " + mark(peer.State) + " " + peer.State.String(), Role: roleOf(peer.State)}}
		if peer.Path != nil && peer.Reachable() {
			out = append(out, view.Cell{Text: "  " + view.Millis(peer.Path.RTTSeconds)})
		}
		return out
	case control.PortVTEP:
		return []view.Cell{name, {Text: "   " + vtepState(u, p.Name), Role: view.Dim}}
	case control.PortGuest:
		return []view.Cell{name, {Text: "   a guest on this machine", Role: view.Dim}}
	}
	return []view.Cell{name, {Text: "   this machine's device", Role: view.Dim}}
}

func vtepState(u *UI, remote string) string {
	for _, s := range u.Net.Status.Segments {
		for _, v := range s.VTEPs {
			if v.Remote == remote {
				return "vtep, " + string(v.State)
			}
		}
	}
	return "vtep"
}

// drawSegment tells of the segment that an entry is in, or of the first.
func (p *fdbPage) drawSegment(u *UI, a view.Area, r *fdbRow) {
	title, vni, found := "Segment", uint32(0), false
	if r != nil {
		vni, found = r.VNI, true
	} else if len(u.Net.Status.Segments) > 0 {
		vni, found = u.Net.Status.Segments[0].VNI, true
	}
	if found && p.several() {
		title = fmt.Sprintf("Segment %d", vni)
	}
	a = view.Box(a, view.BoxOptions{Title: title})
	if !found {
		a.Print(0, 0, view.Dim, "nothing is known of it yet")
		return
	}
	kinds, rates := kindCounts{}, u.Net.Segment(vni)
	if known := p.kinds[vni]; known != nil {
		kinds = *known
	}
	facts := []fact{
		plainFact("entries", fmt.Sprintf("learned %d   static %d   local %d", kinds.learned, kinds.static, kinds.local)),
		plainFact("changes", fmt.Sprintf("learned %s /s   moved %s /s", view.Count(rates.Learned), view.Count(rates.Moved))),
		plainFact("floods", fmt.Sprintf("%s frames/s go to every port", view.Count(rates.Flooded))),
	}
	for _, s := range u.Net.Stats.Segments {
		if full := s.FDB.TableFull + s.FDB.PortFull; s.VNI == vni && full > 0 {
			facts = append(facts, fact{"full", []view.Cell{{
				Text: fmt.Sprintf("▲ %d not learned: table %d, port %d", full, s.FDB.TableFull, s.FDB.PortFull), Role: view.Warn,
			}}})
		}
	}
	y := drawFacts(a, facts) + 1
	p.drawFlaps(u, a.Inset(0, y, 0, 0), vni)
}

// drawFlaps warns of addresses that move to and fro.
func (p *fdbPage) drawFlaps(u *UI, a view.Area, vni uint32) {
	w, _ := a.Size()
	y := 0
	told := make(map[mirror.Address]bool)
	for _, m := range slices.Backward(u.Net.Moves) {
		if m.VNI != vni || told[m.Address] || u.Now.Sub(m.Time) > flapWindow {
			continue
		}
		told[m.Address] = true
		n := 0
		if row := p.rows[m.Address]; row != nil {
			n = row.moved
		}
		if n < flaps {
			continue
		}
		a.Print(0, y, view.Warn, view.Truncate(fmt.Sprintf("▲ %s moved %d times in %s", m.MAC, n, view.Age(flapWindow)), w))
		text := fmt.Sprintf("%s ⇄ %s: a loop, a live migration, or an address that two machines have. i pins it.",
			view.Middle(orNone(m.From), 20), view.Middle(orNone(m.To), 20))
		y++
		for _, l := range view.Wrap(text, w-2) {
			a.Print(2, y, view.Text, l)
			y++
		}
	}
}
