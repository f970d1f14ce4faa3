package screen

import (
	"slices"
	"time"

	"github.com/vxmesh/vxmesh/ui/view"
)

// How long things stay.
const (
	toastFor = 6 * time.Second
	undoFor  = 30 * time.Second
)

// A toast is a line that is there for a moment.
type toast struct {
	role  view.Role
	text  string
	until time.Time
}

// An undo is what takes back the last change.
type undo struct {
	do    *Do
	until time.Time
}

// Say shows a line for a moment.
func (u *UI) Say(role view.Role, text string) { u.toast = toast{role, text, u.Now.Add(toastFor)} }

// Started says that something is being done.
func (u *UI) Started(d *Do) {
	if d.Quiet {
		return
	}
	u.running = append(u.running, d.What)
	u.Net.Generation++
}

// Quiet says that nothing is being done any more.
func (u *UI) Quiet() { u.running = nil }

// Fail shows an error, and what helps.
func (u *UI) Fail(what string, err error) { u.fail(what, err) }

// Done says what became of it.
func (u *UI) Done(d *Do, result any, err error) Effect {
	if i := slices.Index(u.running, d.What); i >= 0 && !d.Quiet {
		u.running = slices.Delete(u.running, i, i+1)
	}
	if err != nil {
		if d.Fail != nil {
			return d.Fail(u, err)
		}
		u.fail(d.What, err)
		return nil
	}
	if d.Undo != nil {
		u.undo = undo{d.Undo, u.Now.Add(undoFor)}
	}
	if d.Then != nil {
		return d.Then(u, result)
	}
	text := d.What + ": done"
	if d.Undo != nil {
		text += ". U takes it back"
	}
	u.Say(view.Good, text)
	return nil
}

// Tick says that time has passed; it reports whether the frame looks different for it.
func (u *UI) Tick(now time.Time) bool {
	was := u.Now
	u.Now = now
	gone := func(t time.Time) bool { return was.Before(t) && !now.Before(t) }
	return gone(u.toast.until) || gone(u.undo.until) || u.Link.State != Live && was.Unix() != now.Unix()
}
