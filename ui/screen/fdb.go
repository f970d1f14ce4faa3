package screen

import (
	"cmp"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/vxmesh/vxmesh/tunnel/control"
	"github.com/vxmesh/vxmesh/ui/mirror"
	"github.com/vxmesh/vxmesh/ui/oui"
	"github.com/vxmesh/vxmesh/ui/view"
)

// An fdbPage shows which address is behind which port.
type fdbPage struct {
	list  list[*fdbRow]
	rows  map[mirror.Address]*fdbRow
	all   []*fdbRow
	made  fdbMade
	round uint64
	open  bool // the details of one entry fill the page

	kinds map[uint32]*kindCounts // by VNI
}

// fdbMade is what the rows were made of: as long as it is the same, they are.
type fdbMade struct {
	net        *mirror.Mirror
	generation uint64
	second     int64
	filter     string
	sort       int
	reverse    bool
}

// An fdbRow is one entry, with everything of it that takes a while to make.
type fdbRow struct {
	control.FDBEntry
	seen   time.Time
	id     string
	mac    string
	vendor string
	text   string
	number uint64        // of the address
	age    time.Duration // of a learned one
	moved  int           // in the last minutes
	round  uint64        // of [fdbPage.collect] in which it was met last
}

// kindCounts are how many entries of each kind a segment has.
type kindCounts struct{ learned, static, local int }

func (c *kindCounts) add(k control.EntryKind) {
	switch k {
	case control.EntryLearned:
		c.learned++
	case control.EntryStatic:
		c.static++
	case control.EntryLocal:
		c.local++
	}
}

const flapWindow = 10 * time.Minute

// flaps is how many moves in [flapWindow] are more than a machine that was moved.
const flaps = 3

var fdbKeys = []string{"mac", "vlan", "vni", "port", "kind", "vendor", "age", "moves"}

func newFDB() *fdbPage {
	return &fdbPage{
		list: list[*fdbRow]{
			fields: fdbFields(false),
			id:     func(r *fdbRow) string { return r.id },
			record: func(_ *UI, r *fdbRow) view.Record { return r },
			keys:   fdbKeys,
		},
		rows: make(map[mirror.Address]*fdbRow),
	}
}

// fdbFields are the columns; that of the VNI is there where it tells something.
func fdbFields(several bool) []field[*fdbRow] {
	text := func(get func(r *fdbRow) string, role view.Role) func(*UI, *fdbRow) view.Cell {
		return func(_ *UI, r *fdbRow) view.Cell { return view.Cell{Text: get(r), Role: role} }
	}
	fields := []field[*fdbRow]{
		{
			view.Column{Title: "MAC", Min: 17},
			"mac",
			func(a, b *fdbRow) int { return cmp.Compare(a.number, b.number) },
			text(func(r *fdbRow) string { return r.mac }, view.Text),
		},
		{
			view.Column{Title: "VLAN", Min: 4, Right: true, Priority: 5},
			"vlan",
			func(a, b *fdbRow) int { return cmp.Compare(a.VLAN, b.VLAN) }, text((*fdbRow).vlanText, view.Text),
		},
		{
			view.Column{Title: "VNI", Min: 8, Right: true, Priority: 4},
			"vni",
			func(a, b *fdbRow) int { return cmp.Compare(a.VNI, b.VNI) },
			text(func(r *fdbRow) string { return strconv.Itoa(int(r.VNI)) }, view.Text),
		},
		{
			view.Column{Title: "PORT", Min: 8, Max: 32, Middle: true},
			"port",
			func(a, b *fdbRow) int { return cmp.Compare(a.Port.Name, b.Port.Name) },
			text(func(r *fdbRow) string { return r.Port.Name }, view.Text),
		},
		{
			view.Column{Title: "KIND", Min: 7, Priority: 7},
			"kind",
			func(a, b *fdbRow) int { return cmp.Compare(a.Kind, b.Kind) },
			func(_ *UI, r *fdbRow) view.Cell { return view.Cell{Text: string(r.Kind), Role: kindRole(r.Kind)} },
		},
		{
			view.Column{Title: "AGE", Min: 5, Right: true, Priority: 6},
			"age",
			func(a, b *fdbRow) int { return cmp.Compare(a.age, b.age) }, text((*fdbRow).ageText, view.Text),
		},
		{
			view.Column{Title: "VENDOR", Min: 12, Priority: 2, Flex: true},
			"vendor",
			func(a, b *fdbRow) int { return cmp.Compare(a.vendor, b.vendor) },
			text(func(r *fdbRow) string { return orNone(r.vendor) }, view.Dim),
		},
		{
			view.Column{Title: "MOVES", Min: 6, Right: true, Priority: 3},
			"moves",
			func(a, b *fdbRow) int { return cmp.Compare(a.Moves, b.Moves) }, movesCell,
		},
	}
	if !several {
		return slices.Delete(fields, 2, 3)
	}
	return fields
}

func kindRole(k control.EntryKind) view.Role {
	if k == control.EntryLearned {
		return view.Text
	}
	return view.Accent
}

func movesCell(_ *UI, r *fdbRow) view.Cell {
	n := strconv.FormatUint(r.Moves, 10)
	if r.moved >= flaps {
		return view.Cell{Text: "▲ " + n, Role: view.Warn}
	}
	return view.Cell{Text: n, Role: view.Dim}
}

func (r *fdbRow) vlanText() string {
	if r.VLAN == 0 {
		return "-"
	}
	return strconv.Itoa(int(r.VLAN))
}

// ageText is for how long nothing has been heard of an entry; the others do not age.
func (r *fdbRow) ageText() string {
	if r.Kind != control.EntryLearned {
		return "-"
	}
	return view.ShortAge(r.age)
}

// Text implements [view.Record].
func (r *fdbRow) Text() string { return r.text }

// Field implements [view.Record].
func (r *fdbRow) Field(key string) (text string, number float64, ok bool) {
	count := func(n uint64) (string, float64, bool) { return strconv.FormatUint(n, 10), float64(n), true }
	switch key {
	case "mac":
		return r.mac, math.NaN(), true
	case "vlan":
		return count(uint64(r.VLAN))
	case "vni":
		return count(uint64(r.VNI))
	case "port":
		return r.Port.Name, math.NaN(), true
	case "kind":
		return string(r.Kind), math.NaN(), true
	case "vendor":
		return r.vendor, math.NaN(), true
	case "moves":
		return count(r.Moves)
	case "age":
		return strconv.Itoa(int(r.age.Seconds())), r.age.Seconds(), r.Kind == control.EntryLearned
	}
	return "", 0, false
}

// update makes the rows anew if anything of them can have changed.
func (p *fdbPage) update(u *UI) {
	l := &p.list
	p.showVNI(len(u.Net.Status.Segments) > 1)
	made := fdbMade{u.Net, u.Net.FDBGeneration, u.Now.Unix(), l.filter.good.String(), l.sort, l.reverse}
	if made == p.made && !l.resort {
		return
	}
	older := p.made
	older.second = made.second
	switch {
	case made == older && !l.resort: // nothing but time has passed
		p.made = made
		p.grow(u)
		if u.Now.Sub(l.sortedAt) < resortEvery && !p.timed() {
			return
		}
	case made.net != p.made.net || made.generation != p.made.generation || made.second != p.made.second:
		p.collect(u)
	}
	p.made = made
	l.update(u, p.all)
}

// timed reports whether the filter lets other rows through when time passes.
func (p *fdbPage) timed() bool {
	filter := strings.ToLower(p.list.filter.good.String())
	return strings.Contains(filter, "age") || strings.Contains(filter, "moves")
}

// grow lets the rows become older.
func (p *fdbPage) grow(u *UI) {
	moved := recentMoves(u)
	for _, r := range p.all {
		r.age = max(0, u.Now.Sub(r.seen))
		r.moved = moved[mirror.Address{VNI: r.VNI, VLAN: r.VLAN, MAC: r.MAC}]
	}
}

// showVNI has the column of the VNI only where there are several; what is sorted by stays.
func (p *fdbPage) showVNI(several bool) {
	l := &p.list
	if several == (len(l.fields) == len(fdbKeys)) {
		return
	}
	by := l.fields[l.sort].name
	l.fields = fdbFields(several)
	l.sort = max(0, slices.IndexFunc(l.fields, func(f field[*fdbRow]) bool { return f.name == by }))
	l.resort = true
}

// collect takes the entries from the mirror. What of a row stays the same is not made again.
func (p *fdbPage) collect(u *UI) {
	p.all = p.all[:0]
	p.kinds = make(map[uint32]*kindCounts)
	var counts *kindCounts
	var of uint32
	moved := recentMoves(u)
	p.round++
	for address, e := range u.Net.FDB {
		r := p.rows[address]
		if r == nil || r.Port != e.Port || r.Kind != e.Kind {
			r = newFDBRow(e.FDBEntry)
			p.rows[address] = r
		}
		r.FDBEntry, r.seen, r.age = e.FDBEntry, e.Seen, max(0, u.Now.Sub(e.Seen))
		r.moved, r.round = moved[address], p.round
		if counts == nil || of != r.VNI {
			if of = r.VNI; p.kinds[of] == nil {
				p.kinds[of] = new(kindCounts)
			}
			counts = p.kinds[of]
		}
		counts.add(r.Kind)
		p.all = append(p.all, r)
	}
	p.forget()
}

// forget drops the rows of entries that are gone.
func (p *fdbPage) forget() {
	if len(p.rows) == len(p.all) {
		return
	}
	for address, r := range p.rows {
		if r.round != p.round {
			delete(p.rows, address)
		}
	}
}

// recentMoves counts how often addresses moved in the last minutes.
func recentMoves(u *UI) map[mirror.Address]int {
	moved := make(map[mirror.Address]int)
	for _, m := range u.Net.Moves {
		if u.Now.Sub(m.Time) <= flapWindow {
			moved[m.Address]++
		}
	}
	return moved
}

func newFDBRow(e control.FDBEntry) *fdbRow {
	r := &fdbRow{FDBEntry: e, mac: e.MAC.String(), vendor: oui.Vendor(e.MAC), number: e.MAC.Uint64()}
	r.id = strconv.Itoa(int(e.VNI)) + "/" + strconv.Itoa(int(e.VLAN)) + "/" + r.mac
	r.text = strings.ToLower(strings.Join([]string{r.mac, e.Port.Name, string(e.Kind), r.vendor}, " "))
	return r
}

// selected is the entry under the cursor, nil if there is none.
func (p *fdbPage) selected() *fdbRow {
	r, _ := p.list.selected()
	return r
}

func (p *fdbPage) draw(u *UI, a view.Area) {
	p.update(u)
	r := p.selected()
	p.open = p.open && r != nil
	w, _ := a.Size()
	switch {
	case p.open:
		p.drawDetail(u, a, r)
	case u.compact():
		p.list.draw(u, a)
	case u.roomy() && w >= 140:
		rows, side := a.SplitRight(56)
		p.drawList(u, rows)
		parts := side.Rows(-1, 10)
		p.drawDetail(u, parts[0], r)
		p.drawSegment(u, parts[1], r)
	case u.roomy():
		parts := a.Rows(-1, 11)
		p.drawList(u, parts[0])
		below := parts[1].Cols(-1, -1)
		p.drawDetail(u, below[0], r)
		p.drawSegment(u, below[1], r)
	default:
		parts := a.Rows(-1, 7)
		p.drawList(u, parts[0])
		p.drawDetail(u, parts[1], r)
	}
}

func (p *fdbPage) drawList(u *UI, a view.Area) {
	p.list.draw(u, view.Box(a, view.BoxOptions{
		Title: p.list.title("FDB"), Right: p.list.sorting(),
	}))
}

func (p *fdbPage) badge(u *UI) string {
	n := len(u.Net.FDB)
	if !u.Net.FDBKnown {
		for _, s := range u.Net.Status.Segments {
			n += s.FDBEntries
		}
	}
	if n == 0 {
		return ""
	}
	return strconv.Itoa(n)
}

// setFilter shows what a text lets through, as if it had been typed.
func (p *fdbPage) setFilter(text string) {
	p.open = false
	p.list.filter.open = false
	p.list.setFilter(text)
}

func (p *fdbPage) deep(*UI) bool { return p.open }

func (p *fdbPage) typing() bool { return p.list.filter.open }

func (p *fdbPage) paste(_ *UI, text string) { p.list.paste(text) }

func (p *fdbPage) key(u *UI, k Key) (Effect, bool) {
	p.update(u)
	if p.open && k.Name == "esc" {
		p.open = false
		return nil, true
	}
	return nil, p.list.key(k)
}

func (p *fdbPage) click(_ *UI, c Click) Effect {
	if _, open := p.list.click(c); open {
		p.open = true
	}
	return nil
}

func (p *fdbPage) commands() []*Command {
	list := []*Command{
		{ID: "fdb.filter", Keys: []string{"/"}, Name: "filter", Short: "filter", Run: func(*UI) Effect { p.list.filter.open = true; return nil }},
		{ID: "fdb.pin", Keys: []string{"i"}, Name: "pin to its port, unpin", Short: "pin/unpin", Run: p.pin, CLI: p.pinCLI},
		{ID: "fdb.add", Keys: []string{"a"}, Name: "add a static entry", Short: "add static", Run: p.add, CLI: cli("vxmesh fdb add MAC PORT")},
		{ID: "fdb.flush", Keys: []string{"F"}, Name: "flush what is shown", Short: "flush shown", Run: p.flushShown, CLI: p.flushCLI},
		{ID: "fdb.flush-one", Keys: []string{"backspace"}, Name: "flush one, or what is marked", Short: "one", Run: p.flushChosen, CLI: p.flushChosenCLI},
		{ID: "fdb.details", Keys: []string{"enter", "z"}, Name: "details of an entry", Run: func(*UI) Effect { p.open = !p.open; return nil }},
	}
	for _, c := range list {
		c.Page = FDB
	}
	return list
}

func (p *fdbPage) copies(u *UI) []menuItem {
	p.update(u)
	r := p.selected()
	if r == nil {
		return nil
	}
	return []menuItem{
		copied("a", "MAC address", r.mac), copied("n", "port", r.Port.Name), copied("v", "vendor", r.vendor),
		copied("c", "command that pins it", pinLine(r.FDBEntry, p.several())), copied("j", "JSON", jsonOf(r.FDBEntry)),
	}
}

func (p *fdbPage) export(u *UI) (name string, rows [][]string) {
	p.update(u)
	rows = [][]string{{"mac", "vlan", "vni", "port", "port_kind", "kind", "age_seconds", "vendor", "moves"}}
	for _, r := range p.list.rows {
		age := ""
		if r.Kind == control.EntryLearned {
			age = strconv.FormatFloat(r.age.Seconds(), 'f', 0, 64)
		}
		rows = append(rows, []string{
			r.mac, strconv.Itoa(int(r.VLAN)), strconv.Itoa(int(r.VNI)), r.Port.Name, string(r.Port.Kind),
			string(r.Kind), age, r.vendor, strconv.FormatUint(r.Moves, 10),
		})
	}
	return "fdb", rows
}
