package screen

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/vxmesh/vxmesh/tunnel/control"
	"github.com/vxmesh/vxmesh/ui/mirror"
	"github.com/vxmesh/vxmesh/ui/view"
)

// A logPage shows the records that are kept, the newest first.
type logPage struct {
	least     int    // the lowest of logLevels that is shown
	subsystem string // "" = all
	search    filterLine
	only      bool // what is searched for, and nothing else
	follow    bool
	wrap      bool
	open      bool // one record fills the page

	made   logMade
	rows   []logRow
	kept   int      // records, shown or not
	found  int      // of rows that are searched for
	names  []string // of the subsystems there are
	cursor logID
	index  int
	top    int
	page   int // lines that the rows have

	seen logID // the newest record when the page was looked at last
}

// logMade is what the rows were made of: as long as it is the same, they are.
type logMade struct {
	net       *mirror.Mirror
	last      logID
	kept      int
	least     int
	subsystem string
	search    string
	only      bool
}

// A logID tells records apart.
type logID struct {
	at  int64
	msg string
}

func idOf(r control.LogRecord) logID { return logID{r.Time.UnixNano(), r.Msg} }

// A logRow is a record, and what can be told from it.
type logRow struct {
	control.LogRecord
	level     int
	subsystem string
	peer      string
	hit       bool // it is searched for
}

var logLevels = []string{"debug", "info", "warn", "error"}

var logKeys = []string{"level", "subsystem", "peer", "msg"}

func newLog() *logPage { return &logPage{follow: true} }

// Text implements [view.Record].
func (r logRow) Text() string {
	return r.Level + " " + r.subsystem + " " + r.Msg + " " + attrText(r.Attrs)
}

// Field implements [view.Record].
func (r logRow) Field(key string) (text string, number float64, ok bool) {
	switch key {
	case "level":
		return r.Level, float64(r.level), true
	case "subsystem":
		return r.subsystem, math.NaN(), true
	case "peer":
		return r.peer, math.NaN(), true
	case "msg":
		return r.Msg, math.NaN(), true
	}
	return "", 0, false
}

// update makes the rows anew if anything of them can have changed, and finds the cursor again.
func (p *logPage) update(u *UI) {
	records := u.Net.LastLog()
	made := logMade{u.Net, logID{}, len(u.Net.Log), p.least, p.subsystem, p.search.good.String(), p.only}
	if len(records) > 0 {
		made.last = idOf(records[len(records)-1])
	}
	if made == p.made {
		return
	}
	p.made, p.kept = made, len(records)
	p.collect(records)
	p.find()
}

func (p *logPage) collect(records []control.LogRecord) {
	p.rows, p.names, p.found = p.rows[:0], p.names[:0], 0
	searched := !p.search.good.Empty()
	for _, rec := range slices.Backward(records) {
		r := logRow{
			LogRecord: rec, level: max(0, slices.Index(logLevels, rec.Level)),
			subsystem: subsystemOf(rec), peer: peerOf(rec),
		}
		if !slices.Contains(p.names, r.subsystem) {
			p.names = append(p.names, r.subsystem)
		}
		if r.level < p.least || p.subsystem != "" && r.subsystem != p.subsystem {
			continue
		}
		r.hit = searched && p.search.good.Match(r)
		if p.only && searched && !r.hit {
			continue
		}
		if r.hit {
			p.found++
		}
		p.rows = append(p.rows, r)
	}
	slices.Sort(p.names)
}

// find puts the cursor where its record is now. What is on the screen stays there, unless the newest is
// followed.
func (p *logPage) find() {
	if p.follow {
		p.goTo(0)
		p.top = 0
		return
	}
	i := slices.IndexFunc(p.rows, func(r logRow) bool { return idOf(r.LogRecord) == p.cursor })
	if i < 0 {
		p.goTo(p.index)
		return
	}
	p.top = max(0, p.top+i-p.index)
	p.index = i
}

func (p *logPage) goTo(i int) {
	p.index = max(0, min(i, len(p.rows)-1))
	if p.index < len(p.rows) {
		p.cursor = idOf(p.rows[p.index].LogRecord)
	}
}

// move goes to a row; whoever leaves the newest does not follow it any more.
func (p *logPage) move(i int) {
	p.goTo(i)
	p.follow = p.follow && p.index == 0
}

func (p *logPage) selected() (r logRow, ok bool) {
	if p.index < len(p.rows) {
		return p.rows[p.index], true
	}
	return r, false
}

func (p *logPage) deep(*UI) bool { return p.open }

func (p *logPage) typing() bool { return p.search.open }

func (p *logPage) paste(_ *UI, text string) {
	if p.search.open {
		p.search.insert(text)
		p.search.parse(logKeys)
	}
}

// badge counts the warnings that have not been looked at.
func (p *logPage) badge(u *UI) string {
	n := 0
	for _, r := range slices.Backward(u.Net.LastLog()) {
		if r.Time.UnixNano() <= p.seen.at {
			break
		}
		if r.Level == "warn" || r.Level == "error" {
			n++
		}
	}
	if n == 0 {
		return ""
	}
	return fmt.Sprintf("▲ %d", n)
}

func (p *logPage) key(u *UI, k Key) (Effect, bool) {
	p.update(u)
	if p.search.open {
		p.searchKey(u, k)
		return nil, true
	}
	key := k.Name
	switch key {
	case "esc":
		return nil, p.back()
	case "space":
		key = "pgdown"
	}
	to, ok := walk(key, p.index, p.page, len(p.rows))
	if ok {
		p.move(to)
	}
	return nil, ok
}

// back closes the record, then forgets what is searched for; it reports whether there was one of them.
func (p *logPage) back() bool {
	switch {
	case p.open:
		p.open = false
	case !p.search.empty():
		p.search.set("")
		p.search.parse(logKeys)
		p.only = false
	default:
		return false
	}
	return true
}

func (p *logPage) searchKey(u *UI, k Key) {
	switch k.Name {
	case "enter", "down", "tab":
		p.search.open = false
		if r, ok := p.selected(); ok && !r.hit && p.found > 0 {
			p.next(u, 1)
		}
	case "esc":
		p.search.open = false
		p.search.set("")
		p.search.parse(logKeys)
		p.only = false
	default:
		if p.search.key(k) {
			p.search.parse(logKeys)
		}
	}
	p.update(u)
}

// next goes to the next row that is searched for: 1 is older, -1 newer. At the end it begins again.
func (p *logPage) next(u *UI, step int) {
	p.update(u)
	n := len(p.rows)
	switch {
	case p.search.good.Empty():
		u.Say(view.Dim, "nothing is searched for: / does that")
		return
	case p.found == 0:
		u.Say(view.Dim, "nothing is found")
		return
	}
	for i := 1; i <= n; i++ {
		at := ((p.index+step*i)%n + n) % n
		if p.rows[at].hit {
			if (at-p.index)*step < 0 {
				u.Say(view.Dim, "the search goes on at the other end")
			}
			p.move(at)
			return
		}
	}
}

func (p *logPage) click(_ *UI, c Click) Effect {
	r, ok := c.Zone.(row)
	if !ok || r.list != any(p) {
		return nil
	}
	if c.Wheel != 0 {
		p.move(p.index + 3*c.Wheel)
		return nil
	}
	p.move(r.i)
	p.open = p.open || c.Double
	return nil
}

func (p *logPage) commands() []*Command {
	do := func(f func(u *UI)) func(*UI) Effect {
		return func(u *UI) Effect { f(u); return nil }
	}
	list := []*Command{
		{ID: "log.level", Keys: []string{"L"}, Name: "least level", Short: "level", Run: do(func(*UI) { p.least = (p.least + 1) % len(logLevels) }), CLI: p.line},
		{ID: "log.subsystem", Keys: []string{"s"}, Name: "next subsystem", Short: "subsystem", Run: do(p.nextSubsystem)},
		{ID: "log.search", Keys: []string{"/"}, Name: "search", Short: "search", Run: do(func(*UI) { p.search.open = true })},
		{ID: "log.follow", Keys: []string{"f"}, Name: "follow the newest", Short: "follow", Run: do(p.toggleFollow), CLI: cli("vxmesh log -f")},
		{ID: "log.wrap", Keys: []string{"w"}, Name: "wrap long lines", Short: "wrap", Run: do(func(*UI) { p.wrap = !p.wrap })},
		{ID: "log.record", Keys: []string{"enter", "z"}, Name: "the whole record", Short: "record", Run: do(func(*UI) { p.open = !p.open })},
		{ID: "log.next", Keys: []string{"n"}, Name: "next match, older", Short: "next", Run: do(func(u *UI) { p.next(u, 1) })},
		{ID: "log.previous", Keys: []string{"N"}, Name: "previous match, newer", Run: do(func(u *UI) { p.next(u, -1) })},
		{ID: "log.only", Keys: []string{"&"}, Name: "only what is searched for", Short: "only", Run: do(p.toggleOnly)},
	}
	for _, c := range list {
		c.Page = Log
	}
	return list
}

// line is the command that shows the same.
func (p *logPage) line(*UI) string {
	if p.least == 0 {
		return "vxmesh log"
	}
	return "vxmesh log --level " + logLevels[p.least]
}

func (p *logPage) nextSubsystem(u *UI) {
	p.update(u)
	i := slices.Index(p.names, p.subsystem)
	switch {
	case i+1 < len(p.names):
		p.subsystem = p.names[i+1]
	default:
		p.subsystem = ""
	}
}

func (p *logPage) toggleOnly(u *UI) {
	if p.search.good.Empty() {
		u.Say(view.Dim, "nothing is searched for: / does that")
		return
	}
	p.only = !p.only
}

func (p *logPage) toggleFollow(*UI) {
	p.follow = !p.follow
	if p.follow {
		p.goTo(0)
		p.top = 0
	}
}

func (p *logPage) copies(u *UI) []menuItem {
	p.update(u)
	r, ok := p.selected()
	if !ok {
		return nil
	}
	items := []menuItem{copied("m", "message", r.Msg), copied("a", "attributes", attrText(r.Attrs))}
	if r.peer != "" {
		items = append(items, copied("n", "peer", r.peer))
	}
	return append(items, copied("c", "command", p.line(u)), copied("j", "JSON", jsonOf(r.LogRecord)))
}

// export gives the rows that are shown, the oldest first.
func (p *logPage) export(u *UI) (name string, rows [][]string) {
	p.update(u)
	rows = [][]string{{"time", "level", "subsystem", "peer", "msg", "attrs"}}
	for _, r := range slices.Backward(p.rows) {
		rows = append(rows, []string{
			r.Time.UTC().Format("2006-01-02T15:04:05.000Z"), r.Level, r.subsystem, r.peer, r.Msg, attrText(r.Attrs),
		})
	}
	return "log", rows
}

// attrText is "key=value key=value", by key.
func attrText(attrs map[string]any) string {
	var b strings.Builder
	for _, k := range attrKeys(attrs) {
		if b.Len() > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(k + "=" + attrValue(attrs[k]))
	}
	return b.String()
}
