package screen

import (
	"context"
	"strconv"

	"github.com/vxmesh/vxmesh/tunnel/control"
	"github.com/vxmesh/vxmesh/ui/view"
)

// globalCommands work on every page.
func globalCommands() []*Command {
	list := []*Command{
		{ID: "palette", Keys: []string{":", "ctrl+k"}, Name: "command palette", Run: func(u *UI) Effect { u.openPalette(); return nil }},
		{ID: "help", Keys: []string{"?"}, Name: "this help", Run: func(u *UI) Effect { u.openHelp(); return nil }},
		{ID: "next-page", Keys: []string{"tab"}, Name: "next screen", Run: func(u *UI) Effect { u.Show((u.page + 1) % pages); return nil }},
		{ID: "previous-page", Keys: []string{"shift+tab"}, Name: "previous screen", Run: func(u *UI) Effect { u.Show((u.page + pages - 1) % pages); return nil }},
		{ID: "pause", Keys: []string{"p"}, Name: "pause the display", Short: "pause", Run: pauseDisplay},
		{ID: "units", Keys: []string{"u"}, Name: "bits or bytes", Run: func(u *UI) Effect { u.Look.Bytes = !u.Look.Bytes; return nil }},
		{ID: "copy", Keys: []string{"y"}, Name: "copy …", Run: copyMenu},
		{ID: "export", Keys: []string{"E"}, Name: "save what is shown", Run: exportShown},
		{ID: "screenshot", Keys: []string{"C"}, Name: "save a picture of the screen", Run: screenshot},
		{ID: "mouse", Keys: []string{"m"}, Name: "mouse on, off", Run: toggleMouse},
		{ID: "theme", Keys: []string{"T"}, Name: "next theme", Run: nextTheme},
		{ID: "undo", Keys: []string{"U"}, Name: "undo the last change", Run: undoLast},
		{ID: "invite", Keys: []string{"a"}, Name: "invite a machine", Short: "invite", Run: func(u *UI) Effect { return u.openInvite() }, CLI: cli("vxmesh invite")},
		{ID: "reload", Keys: []string{"ctrl+r"}, Name: "reload the config", Run: reload, CLI: cli("vxmesh reload")},
		{ID: "netcheck", Keys: []string{"N"}, Name: "test the connection", Run: netcheck, CLI: cli("vxmesh netcheck")},
		{ID: "network", Keys: []string{"o"}, Name: "other network", Run: func(u *UI) Effect { return Open{} }},
		{ID: "redraw", Keys: []string{"ctrl+l"}, Name: "draw anew", Run: func(*UI) Effect { return Redraw{} }},
		{ID: "suspend", Keys: []string{"ctrl+z"}, Name: "suspend", Run: func(*UI) Effect { return Suspend{} }},
		{ID: "quit", Keys: []string{"q"}, Name: "quit; back from details", Run: quitOrBack},
		{ID: "quit-leave", Keys: []string{"Q"}, Name: "quit, leave the screen", Run: func(*UI) Effect { return Quit{Keep: true} }},
	}
	for p := range pages {
		list = append(list, &Command{
			ID: "page-" + strconv.Itoa(int(p)+1), Keys: []string{strconv.Itoa(int(p) + 1)}, Name: "screen " + p.String(),
			Run: func(u *UI) Effect { u.Show(p); return nil },
		})
	}
	for _, c := range list {
		c.Page = Everywhere
	}
	return list
}

// A deep page has something open that fills it.
type deep interface{ deep(u *UI) bool }

// quitOrBack quits from a page itself; from what is open on it, q leads back to it as esc does.
func quitOrBack(u *UI) Effect {
	if d, ok := u.bodies[u.page].(deep); ok && !u.starting() && d.deep(u) {
		u.bodies[u.page].key(u, Key{Name: "esc"})
		return nil
	}
	return Quit{}
}

// cli is a command line that is always the same.
func cli(line string) func(*UI) string { return func(*UI) string { return line } }

// mayChange reports whether changes are allowed, and says so if not.
func (u *UI) mayChange() bool {
	if u.ReadOnly {
		u.Say(view.Warn, "read-only: nothing is changed from here")
	}
	return !u.ReadOnly
}

func pauseDisplay(u *UI) Effect {
	u.Paused = !u.Paused
	u.frozen = nil
	return nil
}

func toggleMouse(u *UI) Effect {
	u.Mouse = !u.Mouse
	if u.Mouse {
		u.Say(view.Text, "the mouse clicks and scrolls here; m gives it back to the terminal")
	} else {
		u.Say(view.Text, "the mouse selects text, as the terminal does it; m takes it back")
	}
	return nil
}

func nextTheme(u *UI) Effect {
	names := view.Names()
	for i, name := range names {
		if name == u.Look.Theme.String() {
			next := names[(i+1)%len(names)]
			u.Look.Theme, _ = view.ByName(next) // one of Names
			u.Say(view.Text, "theme "+next)
			return nil
		}
	}
	return nil
}

func undoLast(u *UI) Effect {
	if u.undo.do == nil || !u.Now.Before(u.undo.until) {
		u.Say(view.Dim, "there is nothing to undo")
		return nil
	}
	do := u.undo.do
	u.undo = undo{}
	return *do
}

func reload(u *UI) Effect {
	if !u.mayChange() {
		return nil
	}
	return Do{
		What: "reload", CLI: "vxmesh reload",
		Run: func(ctx context.Context, c control.Client) (any, error) { return c.Reload(ctx) },
		Then: func(u *UI, result any) Effect {
			u.read("Reloaded", reloadText(result.(control.ReloadResult)), "")
			return nil
		},
	}
}

func reloadText(r control.ReloadResult) string {
	if len(r.Changes) == 0 {
		return "nothing has changed\n"
	}
	text := ""
	for _, c := range r.Changes {
		how := "applied          "
		if c.Class == control.ChangeNeedsRestart {
			how = "needs a restart  "
		}
		text += how + c.Key + "  " + c.Old + " → " + c.New + "\n"
	}
	return text
}
