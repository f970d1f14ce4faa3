package ui

import (
	"context"
	"errors"
	"iter"
	"time"

	tea "charm.land/bubbletea/v2"

	"github.com/vxmesh/vxmesh/tunnel/control"
	"github.com/vxmesh/vxmesh/ui/mirror"
	"github.com/vxmesh/vxmesh/ui/screen"
)

// A program is the UI as Bubble Tea runs it.
type program struct {
	ctx    context.Context
	o      Options
	screen *screen.UI
	client control.Client
	main   *stream // of everything but the FDB
	fdb    *stream // only while a page shows it

	shift   time.Duration // of the clock: in a recording it is the time that it tells of
	blurred bool
	delay   time.Duration // before the next try to connect
	fetched time.Time     // when the FDB was asked for last
	clicked time.Time     // and where, to tell two clicks from one
	at      [2]int

	dirty bool
	frame string // as it was drawn last
	keep  bool   // leave it on the terminal
}

type (
	tickMsg  time.Time
	retryMsg struct{ id int }
	doneMsg  struct {
		do     screen.Do
		result any
		err    error
	}
	fdbMsg struct {
		fdb control.FDB
		at  time.Time
		err error
	}
	saidMsg struct{ err error } // of a command that had the terminal
)

func newProgram(ctx context.Context, o Options) *program {
	p := &program{
		ctx: ctx, o: o, screen: screen.New(o.Screen), client: o.Client,
		main: new(stream), fdb: new(stream), dirty: true,
	}
	for id, keys := range o.Keys {
		p.screen.Bind(id, keys)
	}
	p.screen.Now = time.Now()
	p.screen.Link = screen.Link{
		Network: o.Network, Socket: o.Client.Socket, Demo: o.Demo, Recording: o.Replay != nil, Since: p.screen.Now,
	}
	if o.Replay != nil {
		p.screen.ReadOnly = true
	}
	return p
}

// Init implements [tea.Model].
func (p *program) Init() tea.Cmd {
	return tea.Batch(p.tickLater(), p.connect())
}

func (p *program) tickLater() tea.Cmd {
	return p.after(second, func(t time.Time) tea.Msg { return tickMsg(t) })
}

// after is [tea.Tick] that ends with the program.
func (p *program) after(d time.Duration, msg func(time.Time) tea.Msg) tea.Cmd {
	return func() tea.Msg {
		t := time.NewTimer(d)
		defer t.Stop()
		select {
		case now := <-t.C:
			return msg(now)
		case <-p.ctx.Done():
			return nil
		}
	}
}

// View implements [tea.Model]. It draws only when something that can be seen has changed.
func (p *program) View() tea.View {
	if p.dirty {
		p.frame = p.screen.Draw().Render(p.screen.Look)
		p.dirty = false
	}
	v := tea.NewView(p.frame)
	v.AltScreen, v.ReportFocus = true, true
	v.WindowTitle = "vxmesh " + p.screen.Link.Network
	if p.screen.Mouse {
		v.MouseMode = tea.MouseModeCellMotion
	}
	return v
}

// Update implements [tea.Model].
func (p *program) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	was := p.screen.Now
	p.screen.Now = p.now()
	switch msg := msg.(type) {
	case tickMsg:
		p.screen.Now = was // for the page to see what time has passed
		return p, tea.Batch(p.tickLater(), p.tick(p.now()))
	case eventsMsg:
		return p, p.take(msg)
	case endMsg:
		p.dirty = true
		return p, p.ended(msg)
	case retryMsg:
		if msg.id == p.main.id && !p.main.running() {
			return p, p.connect()
		}
		return p, nil
	case fdbMsg:
		if msg.err == nil {
			p.screen.Net.SetFDB(msg.fdb, msg.at)
			p.dirty = true
		}
		return p, nil
	}
	cmd, known := p.person(msg)
	if known {
		p.dirty = true
		cmd = tea.Batch(cmd, p.follow())
	}
	return p, cmd
}

// now is the time of what is shown.
func (p *program) now() time.Time { return time.Now().Add(p.shift) }

// setClock has the clock of a recording go on from the time of an event.
func (p *program) setClock(e control.Event) {
	if p.o.Replay != nil && !e.Time.IsZero() {
		p.shift = time.Until(e.Time)
		p.screen.Now = p.now()
	}
}

// person takes what the person in front of the terminal does, and what became of it.
func (p *program) person(msg tea.Msg) (tea.Cmd, bool) {
	switch msg := msg.(type) {
	case tea.WindowSizeMsg:
		p.screen.Resize(msg.Width, msg.Height)
	case tea.KeyPressMsg:
		return p.do(p.screen.Key(screen.Key{Name: msg.String(), Text: msg.Text})), true
	case tea.PasteMsg:
		p.screen.Paste(msg.Content)
	case tea.MouseClickMsg:
		if msg.Button != tea.MouseLeft {
			return nil, false
		}
		return p.do(p.screen.Press(msg.X, msg.Y, 0, p.double(msg.X, msg.Y))), true
	case tea.MouseWheelMsg:
		turn := map[tea.MouseButton]int{tea.MouseWheelUp: -1, tea.MouseWheelDown: 1}[msg.Button]
		if turn == 0 {
			return nil, false
		}
		return p.do(p.screen.Press(msg.X, msg.Y, turn, false)), true
	case tea.FocusMsg, tea.BlurMsg:
		_, p.blurred = msg.(tea.BlurMsg)
		return p.pace(), true
	case tea.ResumeMsg:
	case doneMsg:
		return p.do(p.screen.Done(&msg.do, msg.result, msg.err)), true
	case saidMsg:
		return p.afterCommand(msg.err), true
	case startedMsg:
		return p.afterStart(msg), true
	default:
		return nil, false
	}
	return nil, true
}

// doubleClick is how far apart two clicks are one at most.
const doubleClick = 400 * time.Millisecond

func (p *program) double(x, y int) bool {
	twice := p.at == [2]int{x, y} && p.screen.Now.Sub(p.clicked) < doubleClick
	p.at, p.clicked = [2]int{x, y}, p.screen.Now
	return twice
}

func (p *program) tick(now time.Time) tea.Cmd {
	if p.screen.Tick(now) {
		p.dirty = true
	}
	if p.stale(now) {
		// The node may be stopped, or this machine was asleep: only a new snapshot tells what is.
		p.screen.Link.State, p.screen.Link.Since, p.screen.Link.Err = screen.Lost, now, ""
		p.dirty = true
		return p.connect()
	}
	return p.refresh(now)
}

// The pace of the events: slower when nobody looks.
const (
	rate        = time.Second
	blurredRate = 5 * time.Second
	fdbEvery    = 5 * time.Second // ages of entries are in no event
	fdbEntries  = 2500            // a table that is larger by this much is asked for that much less often
)

func (p *program) rate() time.Duration {
	if p.blurred {
		return blurredRate
	}
	return rate
}

// pace asks for events in another rate.
func (p *program) pace() tea.Cmd {
	if !p.main.running() || p.o.Replay != nil {
		return nil
	}
	return p.connect()
}

// stale reports whether nothing has come for three times as long as it should have taken.
func (p *program) stale(now time.Time) bool {
	if p.o.Replay != nil {
		return false
	}
	silent := 3*p.rate() + 2*time.Second
	switch p.screen.Link.State {
	case screen.Live:
		return now.Sub(p.screen.Heard) > silent
	case screen.Linking:
		return now.Sub(p.screen.Link.Since) > silent
	}
	return false
}

// connect reads the node's events from now on.
func (p *program) connect() tea.Cmd {
	if p.o.Replay != nil {
		return p.main.run(p.ctx, replay(p.o.Replay))
	}
	if p.client.Socket == "" && p.client.Dial == nil {
		p.screen.Link.State = screen.NoNode
		p.screen.Networks = p.networks()
		return nil
	}
	client, o := p.client, control.EventOptions{
		Topics: []control.Topic{control.TopicState, control.TopicPeers, control.TopicStats, control.TopicLog},
		Rate:   p.rate(),
	}
	return p.main.run(p.ctx, func(ctx context.Context) iter.Seq2[control.Event, error] {
		return client.EventsOf(ctx, o)
	})
}

// follow reads the FDB's events while a page shows it.
func (p *program) follow() tea.Cmd {
	wants := p.screen.Wants() && p.screen.Link.State == screen.Live && p.o.Replay == nil
	switch {
	case wants && !p.fdb.running():
		client := p.client
		o := control.EventOptions{Topics: []control.Topic{control.TopicFDB}, Rate: time.Minute}
		p.fetched = p.screen.Now
		return p.fdb.run(p.ctx, func(ctx context.Context) iter.Seq2[control.Event, error] {
			return client.EventsOf(ctx, o)
		})
	case !wants:
		p.fdb.stop()
	}
	return nil
}

// refresh asks for the whole FDB when what is known of it has become too old.
func (p *program) refresh(now time.Time) tea.Cmd {
	since := now.Sub(p.fetched)
	every := fdbEvery * time.Duration(max(1, len(p.screen.Net.FDB)/fdbEntries))
	if p.screen.Net.FDBStale {
		every = every / 5
	}
	if !p.fdb.running() || since < every {
		return nil
	}
	p.fetched = now
	client := p.client
	return func() tea.Msg {
		f, err := client.FDB(p.ctx, control.FDBFilter{})
		return fdbMsg{f, time.Now(), err}
	}
}

func (p *program) take(msg eventsMsg) tea.Cmd {
	if msg.id != msg.stream.id || !msg.stream.running() {
		return nil
	}
	for _, e := range msg.events {
		p.setClock(e)
		if msg.stream == p.main && e.Type == control.EventSnapshot {
			p.live(e)
		}
		p.screen.Net.Apply(e)
	}
	p.screen.Heard = p.screen.Now
	p.dirty = true
	return tea.Batch(msg.stream.wait(), p.follow(), p.do(p.screen.Asks()))
}

// live says that what is shown is what is, from now on.
func (p *program) live(e control.Event) {
	p.screen.Link.State, p.screen.Link.Since, p.delay = screen.Live, p.screen.Now, 0
	if e.Status != nil {
		p.screen.Link.Network = e.Status.Network
	}
}

// The delay between tries to connect: it grows.
const (
	firstDelay = 500 * time.Millisecond
	lastDelay  = 5 * time.Second
)

// ended finds out what to do about a stream that has ended.
func (p *program) ended(msg endMsg) tea.Cmd {
	if msg.id != msg.stream.id {
		return nil
	}
	msg.stream.stop()
	if msg.stream == p.fdb {
		return nil // follow starts it again with the next event
	}
	link := &p.screen.Link
	was := link.State
	link.Err = ""
	if msg.err != nil {
		link.Err = msg.err.Error()
	}
	switch code := control.AsError(msg.err); {
	case p.o.Replay != nil:
		link.State = screen.Ended
		if msg.err != nil {
			p.screen.Fail("replay", msg.err)
		}
		return nil
	case code != nil && code.Code == control.CodePermission:
		link.State = screen.Refused
		if len(code.Fix) > 0 {
			link.Err += "; " + code.Fix[0]
		}
	case p.screen.Net.Known:
		link.State = screen.Lost
	case errors.Is(msg.err, control.ErrNoNode):
		link.State = screen.NoNode
		p.screen.Networks = p.networks()
	default:
		link.State = screen.Lost
	}
	if link.State != was {
		link.Since = p.screen.Now
	}
	p.delay = min(max(firstDelay, 2*p.delay), lastDelay)
	link.Retry = p.screen.Now.Add(p.delay)
	id := p.main.id
	return p.after(p.delay, func(time.Time) tea.Msg { return retryMsg{id} })
}

func (p *program) networks() []screen.Network {
	if p.o.Networks == nil {
		return nil
	}
	return p.o.Networks()
}

// show leaves what is shown for another network, or for none.
func (p *program) show(network string, client control.Client, demo bool) tea.Cmd {
	p.main.stop()
	p.fdb.stop()
	p.main.id++
	p.client, p.o.Replay, p.delay, p.shift = client, nil, 0, 0
	p.screen.Now = p.now()
	p.screen.Net = mirror.New()
	p.screen.Link = screen.Link{Network: network, Socket: client.Socket, Demo: demo, Since: p.screen.Now}
	return p.connect()
}
