package ui

import (
	"cmp"
	"context"
	"errors"
	"os"
	"slices"
	"time"

	tea "charm.land/bubbletea/v2"

	"github.com/vxmesh/vxmesh/tunnel/control"
	"github.com/vxmesh/vxmesh/ui/screen"
	"github.com/vxmesh/vxmesh/ui/view"
)

// actionTimeout is how long the node may take for something that was asked of it.
const actionTimeout = 40 * time.Second

// do does what the screen asks for.
func (p *program) do(e screen.Effect) tea.Cmd {
	switch e := e.(type) {
	case screen.Effects:
		var cmds []tea.Cmd
		for _, one := range e {
			cmds = append(cmds, p.do(one))
		}
		return tea.Sequence(cmds...)
	case screen.Quit:
		p.keep = e.Keep
		return tea.Quit
	case screen.Do:
		return p.ask(e)
	case screen.Copy:
		p.screen.Say(view.Text, e.What+" is sent to the terminal's clipboard. If it does not arrive in tmux: set -g set-clipboard on")
		return tea.SetClipboard(e.Text)
	case screen.Save:
		p.save(e)
	case screen.Exec:
		return p.exec(e.Args)
	case screen.Start:
		return p.start(e)
	case screen.Open:
		was := p.screen.Link
		cmd := p.show(e.Network, control.Client{Socket: e.Socket}, false)
		p.offer(was)
		return cmd
	case screen.Retry:
		p.delay = 0
		return p.connect()
	case screen.Demo:
		if p.o.StartDemo != nil {
			return p.show("", p.o.StartDemo(p.ctx), true)
		}
	case screen.Suspend:
		return tea.Suspend
	case screen.Redraw:
		return tea.ClearScreen
	}
	return nil
}

// offer keeps the way back to a network that was shown, and that the machine does not list.
func (p *program) offer(was screen.Link) {
	listed := slices.ContainsFunc(p.screen.Networks, func(n screen.Network) bool { return n.Socket == was.Socket })
	if was.Socket != "" && was.State == screen.Live && !listed {
		p.screen.Networks = append(p.screen.Networks, screen.Network{
			Name: cmp.Or(was.Network, was.Socket), Socket: was.Socket, Running: true,
		})
	}
}

// ask has the node do something.
func (p *program) ask(d screen.Do) tea.Cmd {
	if p.o.Replay != nil {
		nobody := "this is a recording: nobody is there to "
		if d.Quiet {
			return p.do(p.screen.Done(&d, nil, errors.New(nobody+"ask")))
		}
		p.screen.Say(view.Warn, nobody+d.What)
		return nil
	}
	p.screen.Started(&d)
	client := p.client
	return func() tea.Msg {
		ctx, cancel := context.WithTimeout(p.ctx, actionTimeout)
		defer cancel()
		result, err := d.Run(ctx, client)
		return doneMsg{d, result, err}
	}
}

// save writes a file that is not there yet.
func (p *program) save(s screen.Save) {
	f, err := os.OpenFile(s.Name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err == nil {
		_, err = f.Write(s.Data)
		if closeErr := f.Close(); err == nil {
			err = closeErr
		}
	}
	if err != nil {
		p.screen.Fail("save", err)
		return
	}
	p.screen.Say(view.Good, "saved "+s.Name)
}
