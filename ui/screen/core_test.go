package screen

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vxmesh/vxmesh/tunnel/control"
	"github.com/vxmesh/vxmesh/ui/view"
)

func TestCommandsHaveOneMeaningEach(t *testing.T) {
	u := New(Options{})
	ids := make(map[string]bool)
	for _, c := range u.Commands() {
		if c.ID == "" || c.Name == "" || c.Run == nil || len(c.Keys) == 0 {
			t.Errorf("command %+v is not whole", c)
		}
		if ids[c.ID] {
			t.Errorf("two commands are called %s", c.ID)
		}
		ids[c.ID] = true
		for _, other := range u.Commands() {
			if other != c && other.Page == c.Page && slices.ContainsFunc(other.Keys, func(k string) bool { return slices.Contains(c.Keys, k) }) {
				t.Errorf("%s and %s have a key in common", c.ID, other.ID)
			}
		}
	}
}

// TestEveryCommand runs each on each page of each world: none may panic, and those that change something
// must not when nothing may be changed.
func TestEveryCommand(t *testing.T) {
	for name, u := range worlds(t) {
		for _, readOnly := range []bool{false, true} {
			u.ReadOnly = readOnly
			u.Resize(120, 36)
			for _, c := range u.Commands() {
				if c.Page != Everywhere {
					u.Show(c.Page)
				}
				u.Draw()
				if c.CLI != nil {
					c.CLI(u)
				}
				e := c.Run(u)
				if d, ok := e.(Do); ok && readOnly && changes(d.CLI) {
					t.Errorf("%s in the world %s changes something, and nothing may be", c.ID, name)
				}
				frame(t, u)
				u.dialogs, u.Paused = nil, false
			}
		}
	}
}

// changes reports whether a command line changes something.
func changes(cli string) bool {
	for _, verb := range []string{"fdb ", "peer ", "reload", "invite"} {
		if strings.HasPrefix(cli, "vxmesh "+verb) {
			return true
		}
	}
	return false
}

func TestBind(t *testing.T) {
	u := New(Options{})
	if known, _ := u.Bind("nonsense", []string{"x"}); known {
		t.Error("an action that there is not is bound")
	}
	if _, taken := u.Bind("peer.ping", []string{"q"}); taken == nil || taken.ID != "quit" {
		t.Errorf("the key of quit is taken without a word: %+v", taken)
	}
	if known, taken := u.Bind("quit", []string{"ctrl+x"}); !known || taken != nil {
		t.Fatalf("quit cannot be bound: %v, %+v", known, taken)
	}
	u.Resize(80, 24)
	if e := u.Key(Key{Name: "ctrl+x"}); e != (Quit{}) {
		t.Errorf("the new key does %v", e)
	}
}

func TestTooSmall(t *testing.T) {
	u := world(t)
	u.Resize(38, 9)
	if got := frame(t, u); !strings.Contains(got, "38x9 is too small (40x10)") {
		t.Errorf("shown: %q", got)
	}
	if press(u, "D", "F", "y"); len(u.dialogs) > 0 {
		t.Error("keys act on a screen that nobody sees")
	}
	if e := press(u, "q"); e != (Quit{}) {
		t.Errorf("q does %v", e)
	}
}

// TestQuestion: only y does it, and not a key that has been held down.
func TestQuestion(t *testing.T) {
	u := world(t)
	done := 0
	ask := func() {
		u.ask(question{title: "Flush?", yes: "flush", then: func(*UI) Effect { done++; return nil }})
	}
	for _, key := range []string{"enter", "n", "esc", "q"} {
		ask()
		u.Now = u.Now.Add(time.Second)
		if press(u, key); done != 0 || len(u.dialogs) != 0 {
			t.Errorf("%s: done %d times, %d dialogs are left", key, done, len(u.dialogs))
		}
	}
	ask()
	if press(u, "y"); done != 0 || len(u.dialogs) != 1 {
		t.Error("y that came with the question is an answer")
	}
	u.Now = u.Now.Add(repeatGuard)
	if press(u, "y"); done != 1 || len(u.dialogs) != 0 {
		t.Error("y is no answer")
	}
	u.ask(question{title: "Remove?", yes: "remove it", typed: "nas", then: func(*UI) Effect { done++; return nil }})
	u.Now = u.Now.Add(time.Second)
	typeIn(u, "nos")
	if press(u, "enter"); done != 1 {
		t.Error("another name is an answer")
	}
}

// TestPasteIsNoKey: what is pasted never acts.
func TestPasteIsNoKey(t *testing.T) {
	u := world(t)
	u.Show(FDB)
	u.Draw()
	u.Paste("F\ny\nq")
	if len(u.dialogs) > 0 {
		t.Error("pasted text has opened a dialog")
	}
	u.ask(question{title: "?", yes: "do it", then: func(*UI) Effect { t.Error("pasted text is an answer"); return nil }})
	u.Now = u.Now.Add(time.Second)
	u.Paste("y")
}

func TestUndo(t *testing.T) {
	u := world(t)
	back := Do{What: "unpin"}
	u.Done(&Do{What: "pin", Undo: &back}, nil, nil)
	if e, ok := press(u, "U").(Do); !ok || e.What != "unpin" {
		t.Errorf("U does %+v", e)
	}
	if e := press(u, "U"); e != nil {
		t.Error("it is undone twice")
	}
	u.Done(&Do{What: "pin", Undo: &back}, nil, nil)
	u.Now = u.Now.Add(undoFor)
	if e := press(u, "U"); e != nil {
		t.Error("it is undone after its time")
	}
}

func TestErrorSaysWhatHelps(t *testing.T) {
	u := world(t)
	u.Resize(80, 24)
	u.Started(&Do{What: "invite"})
	u.Done(&Do{What: "invite"}, nil, &control.Error{Code: control.CodePermission, Message: "this node is no admin", Fix: []string{"vxmesh key import FILE"}})
	got := frame(t, u)
	if !strings.Contains(got, "this node is no admin") || !strings.Contains(got, "vxmesh key import FILE") {
		t.Errorf("shown:\n%s", got)
	}
	if e := press(u, "y"); e != (Copy{"vxmesh key import FILE", "invite"}) {
		t.Errorf("y copies %v", e)
	}
}

func TestPalette(t *testing.T) {
	u := world(t)
	u.Resize(120, 36)
	press(u, ":")
	typeIn(u, "reload")
	if got := frame(t, u); !strings.Contains(got, "vxmesh reload") {
		t.Errorf("the palette does not show the command line:\n%s", got)
	}
	if d, ok := press(u, "enter").(Do); !ok || d.CLI != "vxmesh reload" {
		t.Errorf("enter runs %+v", d)
	}
	golden(t, open(u, ":"), "palette")
}

func TestHelp(t *testing.T) {
	u := world(t)
	u.Show(Peers)
	golden(t, open(u, "?"), "help")
	typeIn(u, "units")
	press(u, "esc")
	press(u, "?")
	typeIn(u, "bits or")
	was := u.Look.Bytes
	if press(u, "enter"); u.Look.Bytes == was {
		t.Error("enter does not run what was found")
	}
}

// open presses a key that opens something.
func open(u *UI, key string) *UI {
	u.dialogs = nil
	press(u, key)
	return u
}

func TestInvite(t *testing.T) {
	u := world(t)
	u.Show(Peers)
	golden(t, open(u, "a"), "invite-form")
	typeIn(u, "tablet")
	press(u, "tab", "space", "tab", "right", "tab", "right")
	d, ok := press(u, "enter").(Do)
	if want := "vxmesh invite --name tablet --admin --uses 2 --ttl 24h0m0s"; !ok || d.CLI != want {
		t.Fatalf("the command line is %q, want %q", d.CLI, want)
	}
	token := "vxm1" + strings.Repeat("q2w3e4r5", 30)
	u.Done(&d, control.InviteResult{ID: "3fa9c2d1", Token: token, Expires: u.Now.Add(59 * time.Minute)}, nil)
	golden(t, u, "invite")
	if e := press(u, "y"); e != (Copy{"sudo vxmesh join " + token, "the command"}) {
		t.Errorf("y copies %v", e)
	}
	if e, ok := press(u, "s").(Save); !ok || e.Name != "invitation-3fa9c2d1" || string(e.Data) != token+"\n" {
		t.Errorf("s saves %+v", e)
	}
	u.Net.Apply(control.Event{Type: control.EventMember, Time: u.Now, Name: "tablet", Reason: "joined"})
	u.Resize(120, 36)
	if got := frame(t, u); !strings.Contains(got, "● tablet is in") {
		t.Errorf("who joined is not told:\n%s", got)
	}
	if e, ok := press(u, "X").(Do); !ok || e.CLI != "vxmesh invite revoke 3fa9c2d1" {
		t.Errorf("X does %+v", e)
	}
}

// TestInviteOnce: enter that is pressed twice makes one invitation and does not close it, and one that was
// made after its dialog was closed is shown.
func TestInviteOnce(t *testing.T) {
	u := world(t)
	press(u, "a")
	d, ok := press(u, "enter").(Do)
	if e := press(u, "enter"); !ok || e != nil {
		t.Errorf("a second enter does %+v", e)
	}
	press(u, "esc")
	u.Done(&d, control.InviteResult{ID: "3fa9c2d1", Token: "vxm1abc", Expires: u.Now.Add(time.Hour)}, nil)
	press(u, "enter")
	if got := frame(t, u); !strings.Contains(got, "vxm1abc") {
		t.Errorf("shows\n%s", got)
	}
	press(u, "esc", "a")
	d, _ = press(u, "enter").(Do)
	u.Done(&d, nil, errors.New("no"))
	press(u, "esc")
	if _, ok := press(u, "enter").(Do); !ok {
		t.Error("after an error there is no other try")
	}
}

// TestTablesStayTables: what a command prints in columns is shown in columns.
func TestTablesStayTables(t *testing.T) {
	u := world(t)
	const line = "via vps-fra        relay      in use     39.6ms"
	u.read("ways", line+"\n", "")
	if got := frame(t, u); !strings.Contains(got, line) {
		t.Errorf("shows\n%s", got)
	}
}

func TestStartPage(t *testing.T) {
	u := New(Options{})
	u.Now = worldTime
	u.Link = Link{State: NoNode, Network: "home", Socket: "/run/vxmesh/home.sock", Retry: worldTime.Add(2 * time.Second)}
	u.Networks = []Network{{Name: "home", Config: "/etc/vxmesh/home.toml"}, {Name: "lab", Socket: "/run/vxmesh/lab.sock", Running: true}}
	golden(t, u, "start")
	if e, ok := press(u, "enter").(Start); !ok || !slices.Equal(e.Args, []string{"join", "/etc/vxmesh/home.toml"}) {
		t.Errorf("the first does %+v", e)
	}
	if e := press(u, "2"); e != (Open{"lab", "/run/vxmesh/lab.sock"}) {
		t.Errorf("the second does %+v", e)
	}
	for _, text := range []string{" VXM1ABCDEF ", "sudo vxmesh join VXM1ABC\n  DEF\n"} {
		u.Paste(text)
		if e, ok := press(u, "enter").(Start); !ok || e.Args[len(e.Args)-1] != "VXM1ABCDEF" {
			t.Errorf("pasting %q does %+v", text, e)
		}
	}
	press(u, "4")
	typeIn(u, "-rf")
	if e := press(u, "enter"); e != nil {
		t.Errorf("a flag for a name does %+v", e)
	}
	press(u, "ctrl+u")
	typeIn(u, "attic")
	if e, ok := press(u, "enter").(Start); !ok || !slices.Equal(e.Args, []string{"init", "--start", "attic"}) {
		t.Errorf("a new network does %+v", e)
	}
}

func TestPause(t *testing.T) {
	u := world(t)
	u.Resize(120, 36)
	press(u, "p")
	was := frame(t, u)
	u.Net.Peer("nas").Rx *= 3
	if frame(t, u) != was || !strings.Contains(was, "‖ paused") {
		t.Error("a paused display changes")
	}
	press(u, "p")
	if frame(t, u) == was {
		t.Error("the display does not go on")
	}
}

func TestMouse(t *testing.T) {
	u := world(t)
	u.Resize(120, 36)
	for i, line := range strings.Split(frame(t, u), "\n") {
		if x := strings.Index(line, "3 FDB"); i == 1 && x >= 0 {
			u.Press(view.Width(line[:x])+1, i, 0, false)
		}
	}
	if u.Page() != FDB {
		t.Error("a click on a title does not go to its page")
	}
}

// TestMouseInDialogs: the wheel turns what is long, wherever the mouse is.
func TestMouseInDialogs(t *testing.T) {
	u := world(t)
	u.Resize(80, 24)
	u.read("long", strings.Repeat("line\n", 50)+"the last\n", "")
	frame(t, u)
	for range 30 {
		u.Press(40, 12, 1, false)
		frame(t, u)
	}
	if got := frame(t, u); !strings.Contains(got, "the last") {
		t.Errorf("the wheel does not turn the text:\n%s", got)
	}
}

// TestQuitIsBack: q leads back from what fills a page, and quits from the page itself.
func TestQuitIsBack(t *testing.T) {
	u := world(t)
	for page, keys := range map[Page][]string{Peers: {"z"}, FDB: {"enter"}, Log: {"enter"}} {
		u.Show(page)
		frame(t, u)
		press(u, keys...)
		frame(t, u)
		if e := press(u, "q"); e != nil {
			t.Errorf("%s: q does %v in the details", page, e)
		}
		if e := press(u, "q"); e != (Quit{}) {
			t.Errorf("%s: q does %v on the page", page, e)
		}
	}
}

// TestHelpIsAlwaysTold: the line at the bottom says how to get help, however many keys a page has.
func TestHelpIsAlwaysTold(t *testing.T) {
	u := world(t)
	for p := range pages {
		for _, w := range []int{80, 100, 120} {
			u.Show(p)
			u.Resize(w, 36)
			lines := strings.Split(frame(t, u), "\n")
			if last := lines[len(lines)-1]; !strings.Contains(last, "? help") || !strings.Contains(last, "q quit") {
				t.Errorf("%s, %d columns: %s", p, w, last)
			}
		}
	}
}

// TestHelpScrolls: all of it can be read in the smallest window.
func TestHelpScrolls(t *testing.T) {
	u := world(t)
	u.Resize(minWidth, minHeight)
	press(u, "?")
	all := ""
	for range 40 {
		all += frame(t, u)
		press(u, "down")
	}
	for _, c := range u.Commands() {
		if !strings.Contains(all, view.Truncate(c.Name, 20)[:min(12, len(c.Name))]) {
			t.Errorf("%s is not told", c.Name)
		}
	}
}

// TestNothingIsShownForKnown: before the first snapshot there are no zeros that nobody has measured, and
// what was known last is told from what is.
func TestNothingIsShownForKnown(t *testing.T) {
	u := newWorld(t)
	u.Link.State = Linking
	if got := frame(t, u); !strings.Contains(got, "connecting to home") || strings.Contains(got, "0 b/s") {
		t.Errorf("shows\n%s", got)
	}
	u = world(t)
	live := u.Draw().Render(u.Look)
	u.Link.State = Lost
	if u.Draw().Render(u.Look) == live {
		t.Error("what was known last looks as what is")
	}
}

// TestOneStartAtATime: a key that is pressed twice starts one node.
func TestOneStartAtATime(t *testing.T) {
	u := New(Options{})
	u.Now = worldTime
	u.Link = Link{State: NoNode}
	u.Networks = []Network{{Name: "home", Config: "home.toml"}}
	u.Resize(100, 30)
	e, ok := press(u, "1").(Start)
	if !ok {
		t.Fatal("nothing is started")
	}
	u.Started(&Do{What: e.What})
	if e := press(u, "1"); e != nil {
		t.Errorf("the second does %+v", e)
	}
}

// TestActions runs what the actions ask for against a node of fixed answers.
func TestActions(t *testing.T) {
	refused := errors.New("refused")
	for _, e := range []Effect{
		why("nas"), pingPaths("nas"), netcheck(nil),
	} {
		d := e.(Do)
		ctx, cancel := context.WithCancelCause(t.Context())
		cancel(refused)
		if _, err := d.Run(ctx, control.Client{Socket: "/nowhere"}); err == nil {
			t.Errorf("%s needs no node", d.What)
		}
		if d.CLI == "" {
			t.Errorf("%s has no command line", d.What)
		}
	}
}

func TestThemesAndASCII(t *testing.T) {
	u := world(t)
	u.Resize(120, 36)
	seen := make(map[string]bool)
	for range view.Names() {
		press(u, "T")
		styled := u.Draw().Render(u.Look)
		if seen[styled] {
			t.Errorf("theme %s looks like another", u.Look.Theme)
		}
		seen[styled] = true
	}
	u.Look.ASCII = true
	for p := range pages {
		u.Show(p)
		if got := frame(t, u); strings.ContainsFunc(got, func(r rune) bool { return r > '~' }) {
			t.Errorf("page %s is not ASCII:\n%s", p, got)
		}
	}
}

func BenchmarkFrame(b *testing.B) {
	u := bigWorld(b)
	for p := range pages {
		b.Run(p.String(), func(b *testing.B) {
			u.Show(p)
			u.Resize(200, 60)
			for b.Loop() {
				u.Net.Generation++
				u.Draw().Render(u.Look)
			}
		})
	}
}
