package screen

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/vxmesh/vxmesh/internal/suggest"
	"github.com/vxmesh/vxmesh/tundev/ether"
	"github.com/vxmesh/vxmesh/tunnel/control"
	"github.com/vxmesh/vxmesh/ui/view"
)

// portArg is a port as the node takes it in a request.
func portArg(p control.FDBPort) string {
	if p.Kind == control.PortDevice {
		return "device"
	}
	return p.Name
}

// several reports whether a segment has to be named.
func (p *fdbPage) several() bool { return len(p.list.fields) == len(fdbKeys) }

// fdbFlags narrow a command to the place of an entry.
func fdbFlags(vni uint32, vlan uint16, several bool) (flags string) {
	if vlan != 0 {
		flags += " --vlan " + strconv.Itoa(int(vlan))
	}
	if several {
		flags += " --vni " + strconv.Itoa(int(vni))
	}
	return flags
}

func pinLine(e control.FDBEntry, several bool) string {
	return "vxmesh fdb add " + e.MAC.String() + " " + quoted(portArg(e.Port)) + fdbFlags(e.VNI, e.VLAN, several)
}

func unpinLine(e control.FDBEntry, several bool) string {
	return "vxmesh fdb del " + e.MAC.String() + " " + quoted(portArg(e.Port)) + fdbFlags(e.VNI, e.VLAN, several)
}

func flushLine(e control.FDBEntry, several bool) string {
	line := "vxmesh fdb flush --mac " + e.MAC.String() + " --port " + quoted(portArg(e.Port)) +
		" --vlan " + strconv.Itoa(int(e.VLAN))
	if several {
		line += " --vni " + strconv.Itoa(int(e.VNI))
	}
	return line
}

// lineLimit is how many commands are put into one line; more say nothing to anybody.
const lineLimit = 8

// joinLines is the command line that does something to each entry, "" when that is too long.
func joinLines(entries []control.FDBEntry, several bool, line func(control.FDBEntry, bool) string) string {
	if len(entries) > lineLimit {
		return ""
	}
	var lines []string
	for _, e := range entries {
		lines = append(lines, line(e, several))
	}
	return strings.Join(lines, " && ")
}

// each does something for all entries, in order, up to the first failure.
func each(entries []control.FDBEntry, do func(control.FDBEntry) (control.FDBResult, error)) (any, error) {
	var sum control.FDBResult
	for i, e := range entries {
		r, err := do(e)
		if err != nil {
			failure := *control.AsError(err)
			if len(entries) > 1 {
				failure.Details = append(slices.Clone(failure.Details),
					fmt.Sprintf("%d of %d were done before", i, len(entries)))
			}
			return sum, &failure
		}
		sum.Added += r.Added
		sum.Removed += r.Removed
	}
	return sum, nil
}

// about names what a change is made to.
func about(entries []control.FDBEntry) string {
	if len(entries) == 1 {
		return entries[0].MAC.String()
	}
	return fmt.Sprintf("%d addresses", len(entries))
}

// pinAll pins entries to the ports they are on.
func pinAll(entries []control.FDBEntry, several bool) Do {
	what := "pin " + about(entries)
	if len(entries) == 1 {
		what += " to " + entries[0].Port.Name
	}
	return Do{
		What: what, CLI: joinLines(entries, several, pinLine),
		Run: func(ctx context.Context, c control.Client) (any, error) {
			return each(entries, func(e control.FDBEntry) (control.FDBResult, error) {
				return c.AddFDB(ctx, control.FDBAdd{VNI: e.VNI, VLAN: e.VLAN, MAC: e.MAC, Port: portArg(e.Port)})
			})
		},
	}
}

// unpinAll deletes entries.
func unpinAll(entries []control.FDBEntry, several bool) Do {
	return Do{
		What: "unpin " + about(entries), CLI: joinLines(entries, several, unpinLine),
		Run: func(ctx context.Context, c control.Client) (any, error) {
			return each(entries, func(e control.FDBEntry) (control.FDBResult, error) {
				return c.DelFDB(ctx, control.FDBDel{VNI: e.VNI, VLAN: e.VLAN, MAC: e.MAC, Port: portArg(e.Port)})
			})
		},
	}
}

// with gives a change that can be taken back by another one.
func (d Do) with(undo Do) Do {
	d.Undo = &undo
	return d
}

// pinnable is what i changes of what is chosen: those that are not pinned yet, else those that are.
func (p *fdbPage) pinnable() (entries []control.FDBEntry, pinned bool) {
	var static []control.FDBEntry
	for _, r := range p.list.chosen() {
		switch r.Kind {
		case control.EntryStatic:
			static = append(static, r.FDBEntry)
		case control.EntryLearned:
			entries = append(entries, r.FDBEntry)
		}
	}
	if len(entries) > 0 {
		return entries, false
	}
	return static, len(static) > 0
}

func (p *fdbPage) pin(u *UI) Effect {
	p.update(u)
	entries, pinned := p.pinnable()
	switch {
	case len(entries) == 0:
		u.Say(view.Dim, "the device's own address stays where it is: there is nothing to pin")
		return nil
	case !u.mayChange():
		return nil
	case pinned:
		return unpinAll(entries, p.several()).with(pinAll(entries, p.several()))
	}
	return pinAll(entries, p.several()).with(unpinAll(entries, p.several()))
}

func (p *fdbPage) pinCLI(u *UI) string {
	p.update(u)
	if entries, pinned := p.pinnable(); pinned {
		return joinLines(entries, p.several(), unpinLine)
	} else if len(entries) > 0 {
		return joinLines(entries, p.several(), pinLine)
	}
	return ""
}

// add asks for a static entry.
func (p *fdbPage) add(u *UI) Effect {
	if !u.mayChange() {
		return nil
	}
	p.update(u)
	u.open(&prompt{
		title: "Add a static entry", label: "MAC PORT",
		hint: "PORT: a peer, device, or a VTEP's address; vlan:20 may follow" + choice(p.several(), " and vni:4242 must", ""),
		check: func(text string) string {
			_, wrong := p.parse(u, text)
			return wrong
		},
		then: func(u *UI, text string) Effect {
			e, wrong := p.parse(u, text)
			if wrong != "" {
				u.Say(view.Bad, wrong)
				return nil
			}
			entries := []control.FDBEntry{e}
			do := pinAll(entries, p.several()).with(unpinAll(entries, p.several()))
			do.What = "add " + e.MAC.String() + " on " + e.Port.Name
			return do
		},
	})
	return nil
}

// parse reads "MAC PORT vlan:N vni:N", or says what is wrong with it.
func (p *fdbPage) parse(u *UI, text string) (e control.FDBEntry, wrong string) {
	words := strings.Fields(text)
	if len(words) == 0 {
		return e, "a MAC address is missing"
	}
	var err error
	if e.MAC, err = ether.ParseMAC(words[0]); err != nil {
		return e, words[0] + " is no MAC address"
	}
	if len(words) < 2 {
		return e, "the port is missing: a peer, device, or a VTEP's address"
	}
	if e.Port, wrong = portNamed(u, words[1]); wrong != "" {
		return e, wrong
	}
	for _, w := range words[2:] {
		if wrong = place(&e, w); wrong != "" {
			return e, wrong
		}
	}
	if p.several() && e.VNI == 0 {
		return e, "there are several segments: say which, as in vni:" + strconv.Itoa(int(u.Net.Status.Segments[0].VNI))
	}
	add := control.FDBAdd{VNI: e.VNI, VLAN: e.VLAN, MAC: e.MAC, Port: portArg(e.Port)}
	if err := add.Check(); err != nil {
		return e, control.AsError(err).Message
	}
	return e, ""
}

// place reads vlan:N or vni:N.
func place(e *control.FDBEntry, word string) (wrong string) {
	key, value, _ := strings.Cut(word, ":")
	n, err := strconv.ParseUint(value, 10, 32)
	switch {
	case key == "vlan" && err == nil && n <= 4094:
		e.VLAN = uint16(n)
	case key == "vni" && err == nil && n > 0:
		e.VNI = uint32(n)
	default:
		return word + " is neither vlan:N nor vni:N"
	}
	return ""
}

// isGuest reports whether a program on this machine is in a segment under that name.
func isGuest(u *UI, name string) bool {
	return slices.ContainsFunc(u.Net.Status.Segments, func(s control.SegmentStatus) bool {
		return slices.ContainsFunc(s.Guests, func(g control.Guest) bool { return g.Name == name })
	})
}

func portNamed(u *UI, name string) (p control.FDBPort, wrong string) {
	if name == "device" {
		return control.FDBPort{Kind: control.PortDevice, Name: name}, ""
	}
	if u.Net.Peer(name) != nil {
		return control.FDBPort{Kind: control.PortPeer, Name: name}, ""
	}
	if isGuest(u, name) {
		return control.FDBPort{Kind: control.PortGuest, Name: name}, ""
	}
	_, noAddress := netip.ParseAddr(name)
	_, noPort := netip.ParseAddrPort(name)
	if noAddress == nil || noPort == nil {
		return control.FDBPort{Kind: control.PortVTEP, Name: name}, ""
	}
	names := []string{"device"}
	for _, peer := range u.Net.Peers {
		names = append(names, peer.Name)
	}
	if near := suggest.Nearest(name, names); near != "" {
		return p, "there is no port " + name + ": did you mean " + near + "?"
	}
	return p, name + " is neither a peer, nor device, nor an address"
}

// learnedOf are the entries of rows that can be flushed.
func learnedOf(rows []*fdbRow) (out []control.FDBEntry) {
	for _, r := range rows {
		if r.Kind == control.EntryLearned {
			out = append(out, r.FDBEntry)
		}
	}
	return out
}

// filtered reports whether rows are left out.
func (p *fdbPage) filtered() bool { return !p.list.filter.good.Empty() }

// flushShown flushes what the filter lets through, after a question.
func (p *fdbPage) flushShown(u *UI) Effect {
	p.update(u)
	return p.askFlush(u, p.list.rows, "shown", !p.filtered())
}

func (p *fdbPage) flushChosen(u *UI) Effect {
	p.update(u)
	return p.askFlush(u, p.list.chosen(), "marked", false)
}

// askFlush asks before learned entries are forgotten. What goes then is what was counted.
func (p *fdbPage) askFlush(u *UI, rows []*fdbRow, which string, all bool) Effect {
	entries := learnedOf(rows)
	if len(entries) == 0 {
		u.Say(view.Dim, "none of them is learned: there is nothing to flush")
		return nil
	}
	if !u.mayChange() {
		return nil
	}
	n, several := len(entries), p.several()
	title := fmt.Sprintf("Flush %d entries?", n)
	first := fmt.Sprintf("%d of the %d %s are learned and will be forgotten; frames to them flood until they are relearned.",
		n, len(rows), which)
	if n == 1 {
		title = "Flush " + entries[0].MAC.String() + "?"
		first = "It is forgotten; frames to it flood until it is relearned."
	}
	do := flushAll(entries, several)
	if all {
		do = flushEverything(n)
	}
	u.ask(question{
		title: title, lines: []string{first, staying(rows, p.list.total-n)},
		yes: fmt.Sprintf("flush %d", n), then: func(*UI) Effect { return do },
	})
	return nil
}

// staying says what is not flushed: of the rows those that are not learned, and all others.
func staying(rows []*fdbRow, stay int) string {
	kinds := make(map[control.EntryKind]int)
	for _, r := range rows {
		kinds[r.Kind]++
	}
	var parts []string
	for _, k := range []control.EntryKind{control.EntryStatic, control.EntryLocal} {
		if n := kinds[k]; n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, k))
			stay -= n
		}
	}
	if stay > 0 {
		parts = append(parts, fmt.Sprintf("%d others", stay))
	}
	if len(parts) == 0 {
		return "Nothing else is there."
	}
	return "What stays: " + strings.Join(parts, ", ") + "."
}

func flushAll(entries []control.FDBEntry, several bool) Do {
	return Do{
		What: "flush " + about(entries), CLI: joinLines(entries, several, flushLine), Then: flushed,
		Run: func(ctx context.Context, c control.Client) (any, error) {
			return each(entries, func(e control.FDBEntry) (control.FDBResult, error) {
				return c.FlushFDB(ctx, control.FDBFlush{VNI: e.VNI, VLAN: &e.VLAN, MAC: &e.MAC, Port: portArg(e.Port)})
			})
		},
	}
}

func flushEverything(n int) Do {
	return Do{
		What: fmt.Sprintf("flush %d addresses", n), CLI: "vxmesh fdb flush --all", Then: flushed,
		Run: func(ctx context.Context, c control.Client) (any, error) {
			return c.FlushFDB(ctx, control.FDBFlush{All: true})
		},
	}
}

func flushed(u *UI, result any) Effect {
	n := result.(control.FDBResult).Removed
	u.Say(view.Good, fmt.Sprintf("%d %s flushed", n, choice(n == 1, "entry is", "entries are")))
	return nil
}

func (p *fdbPage) flushCLI(u *UI) string {
	p.update(u)
	if !p.filtered() {
		return "vxmesh fdb flush --all"
	}
	return joinLines(learnedOf(p.list.rows), p.several(), flushLine)
}

func (p *fdbPage) flushChosenCLI(u *UI) string {
	p.update(u)
	return joinLines(learnedOf(p.list.chosen()), p.several(), flushLine)
}
