package screen

import (
	"cmp"
	"time"

	"github.com/vxmesh/vxmesh/ui/mirror"
	"github.com/vxmesh/vxmesh/ui/view"
)

// A Link says how the UI hears of the network.
type Link struct {
	State   LinkState
	Network string    // whose node it is
	Socket  string    // of the node
	Since   time.Time // of State
	Err     string    // the last failure, a sentence
	Retry   time.Time // of the next try
	Demo    bool      // it is simulated

	Recording bool // of events that were
}

// A LinkState is a state of a [Link].
type LinkState uint8

// The states.
const (
	Linking LinkState = iota // no answer yet
	Live
	Lost    // it was live; what is shown is what was known last
	NoNode  // nobody answers
	Refused // no rights
	Ended   // a recording has come to its end
)

// A Network is one that this machine could show.
type Network struct {
	Name, Config, Socket string
	Running              bool
}

// Options are what a person chose before.
type Options struct {
	Look     view.Look
	Texts    Texts
	ReadOnly bool
	Page     Page
	Mouse    bool
}

// UI is everything on the screen besides the network's own data. Make one with [New].
type UI struct {
	Net      *mirror.Mirror
	Link     Link
	Now      time.Time
	Heard    time.Time // when the last event came
	Look     view.Look
	Mouse    bool
	Paused   bool
	ReadOnly bool
	Networks []Network // for the start page
	Texts    Texts

	w, h     int
	page     Page
	bodies   [pages]body
	commands []*Command
	dialogs  []dialog // the last is on top
	toast    toast
	undo     undo
	running  []string // what is being done
	start    *startPage
	frozen   *view.Canvas
	last     *view.Canvas
}

// A body is what a page consists of.
type body interface {
	draw(u *UI, a view.Area)
	// key takes what no command takes; typing reports whether it takes every key, because a line is
	// being typed.
	key(u *UI, k Key) (e Effect, taken bool)
	typing() bool
	paste(u *UI, text string)
	click(u *UI, c Click) Effect
	badge(u *UI) string // beside the title: "6", "▲ 2"; "" for nothing
	commands() []*Command
}

// An asker is a page that has to ask the node for something once it has heard of events.
type asker interface {
	asks(u *UI) Effect
}

// Asks gives what is to be asked of the node because of the events that were applied: call it after
// them.
func (u *UI) Asks() Effect {
	if a, ok := u.bodies[u.page].(asker); ok && !u.starting() {
		return a.asks(u)
	}
	return nil
}

// A Click is a press of the mouse on a zone of the canvas, or a turn of its wheel.
type Click struct {
	Zone   any
	X, Y   int // within the zone
	Double bool
	Wheel  int // lines, -1 up, 1 down; 0 = a press
}

// The smallest window in which something is shown.
const (
	minWidth  = 40
	minHeight = 10
)

// New gives the UI of a network of which nothing is known yet.
func New(o Options) *UI {
	u := &UI{
		Net: mirror.New(), Look: o.Look, Texts: o.Texts, ReadOnly: o.ReadOnly, Mouse: o.Mouse, page: max(o.Page, Overview),
	}
	u.bodies = [pages]body{newOverview(), newPeers(), newFDB(), newStats(), newMap(), newLog()}
	u.start = newStartPage()
	u.commands = append(u.commands, globalCommands()...)
	for _, b := range u.bodies {
		u.commands = append(u.commands, b.commands()...)
	}
	return u
}

// Resize says how large the window is, in cells.
func (u *UI) Resize(w, h int) { u.w, u.h, u.frozen = w, h, nil }

// Page is the page that is shown.
func (u *UI) Page() Page { return u.page }

// Show goes to a page.
func (u *UI) Show(p Page) {
	u.page = p
	u.frozen = nil
}

// Chosen are the person's choices, for the next time.
func (u *UI) Chosen() Options {
	return Options{Look: u.Look, ReadOnly: u.ReadOnly, Page: u.page, Mouse: u.Mouse}
}

// Wants says what the page that is shown needs to hear of besides the state.
func (u *UI) Wants() (fdb bool) { return u.page == FDB || u.page == Peers }

// TooSmall reports whether the window is too small to show anything; keys are not taken then.
func (u *UI) TooSmall() bool { return u.w < minWidth || u.h < minHeight }

// with adds to an effect what the page has to ask the node for after it.
func (u *UI) with(e Effect) Effect {
	ask := u.Asks()
	if _, quits := e.(Quit); ask == nil || quits {
		return e
	}
	if e == nil {
		return ask
	}
	return Effects{e, ask}
}

// Key takes a key.
func (u *UI) Key(k Key) Effect {
	u.frozen = nil // what a person does is shown, in a paused display too
	return u.with(u.key(k))
}

func (u *UI) key(k Key) Effect {
	switch {
	case k.Name == "ctrl+c":
		return Quit{}
	case u.TooSmall():
		if k.Name == "q" {
			return Quit{}
		}
		return nil
	case len(u.dialogs) > 0:
		return u.dialogs[len(u.dialogs)-1].key(u, k)
	case u.starting():
		return u.start.key(u, k)
	}
	b := u.bodies[u.page]
	if b.typing() {
		e, _ := b.key(u, k)
		return e
	}
	if c := u.command(k.Name); c != nil {
		return c.Run(u)
	}
	e, _ := b.key(u, k)
	return e
}

// Paste takes text that was pasted. It never counts as keys.
func (u *UI) Paste(text string) {
	switch {
	case u.TooSmall():
	case len(u.dialogs) > 0:
		u.dialogs[len(u.dialogs)-1].paste(u, text)
	case u.starting():
		u.start.paste(u, text)
	default:
		u.bodies[u.page].paste(u, text)
	}
}

// Press takes a press of the mouse, or a turn of the wheel, on the frame drawn last.
func (u *UI) Press(x, y, wheel int, double bool) Effect { return u.with(u.press(x, y, wheel, double)) }

func (u *UI) press(x, y, wheel int, double bool) Effect {
	if u.last == nil || u.TooSmall() {
		return nil
	}
	zone, zx, zy, ok := u.last.At(x, y)
	c := Click{zone, zx, zy, double, wheel}
	switch {
	case len(u.dialogs) > 0:
		return u.dialogs[len(u.dialogs)-1].click(u, c) // its wheel turns anywhere
	case !ok:
		return nil
	}
	if tab, ok := zone.(Page); ok && wheel == 0 {
		u.Show(tab)
		return nil
	}
	if command, ok := zone.(*Command); ok && wheel == 0 {
		return command.Run(u)
	}
	if u.starting() {
		return u.start.click(u, c)
	}
	return u.bodies[u.page].click(u, c)
}

// starting reports whether there is no network to show.
func (u *UI) starting() bool { return !u.Net.Known && u.Link.State != Linking }

// Draw draws the frame that the window shows now.
func (u *UI) Draw() *view.Canvas {
	if u.Paused && u.frozen != nil && len(u.dialogs) == 0 {
		return u.frozen
	}
	c := view.NewCanvas(u.w, u.h)
	u.draw(c.Area())
	u.last = c
	if u.Paused {
		u.frozen = c
	}
	return c
}

func (u *UI) draw(a view.Area) {
	if u.TooSmall() {
		a.Printf(0, 0, view.Text, "vxmesh: %dx%d is too small (%dx%d)", u.w, u.h, minWidth, minHeight)
		return
	}
	head, rest := a.SplitTop(u.headHeight())
	body, foot := rest.SplitTop(u.h - u.headHeight() - 1)
	u.drawHead(head)
	switch {
	case u.starting():
		u.start.draw(u, body)
	case u.Net.Known:
		u.bodies[u.page].draw(u, body)
		if u.Link.State == Lost {
			body.Fade()
		}
	default: // numbers would be zeros that nobody has measured
		body.Print(2, 1, view.Dim, "connecting to "+cmp.Or(u.Link.Network, u.Link.Socket, "the node"))
	}
	u.drawFoot(foot)
	for _, d := range u.dialogs {
		d.draw(u, a)
	}
}

// Compact reports whether the window has room for one column alone.
func (u *UI) compact() bool { return u.w < 80 || u.h < 20 }

// roomy reports whether whole boxes fit beside each other.
func (u *UI) roomy() bool { return u.w >= 100 && u.h >= 30 }
