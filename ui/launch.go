package ui

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"slices"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"

	"github.com/vxmesh/vxmesh/tunnel/control"
	"github.com/vxmesh/vxmesh/ui/screen"
)

// A command that is watched has the terminal until somebody has read what it said.
type watched struct {
	*exec.Cmd
	in  io.Reader
	out io.Writer
}

// SetStdin implements [tea.ExecCommand].
func (w *watched) SetStdin(r io.Reader) { w.in, w.Stdin = r, r }

// SetStdout implements [tea.ExecCommand].
func (w *watched) SetStdout(out io.Writer) { w.out, w.Stdout = out, out }

// SetStderr implements [tea.ExecCommand].
func (w *watched) SetStderr(out io.Writer) { w.Stderr = out }

// Run implements [tea.ExecCommand].
func (w *watched) Run() error {
	fmt.Fprintf(w.out, "$ %s\n", strings.Join(w.Args, " "))
	err := w.Cmd.Run()
	if err != nil {
		fmt.Fprintf(w.out, "\n%v\n", err)
	}
	fmt.Fprint(w.out, "\npress enter to go back ")
	_, _ = bufio.NewReader(w.in).ReadString('\n')
	return nil // it has been read
}

// exec gives the terminal to a command of the program until it has ended and was read.
func (p *program) exec(args []string) tea.Cmd {
	if p.o.Command == nil {
		return nil
	}
	return tea.Exec(&watched{Cmd: p.o.Command(args...)}, func(err error) tea.Msg { return saidMsg{err} })
}

func (p *program) afterCommand(err error) tea.Cmd {
	if err != nil {
		p.screen.Fail("run the command", err)
	}
	p.screen.Networks = p.networks()
	return nil
}

// startedMsg says what became of a node that was to be started.
type startedMsg struct {
	screen.Network
	output string // what it said, when it did not start
	err    error
}

// startTimeout is how long a node may take until it answers; joining waits for the inviter.
const (
	startTimeout = 40 * time.Second
	startPoll    = 100 * time.Millisecond
)

// start starts a node that runs on when the UI ends. It asks for the rights first, on the terminal.
func (p *program) start(s screen.Start) tea.Cmd {
	if p.o.Launch == nil {
		return nil
	}
	was := p.networks()
	launch := func() tea.Msg { return p.launch(s, was) }
	p.screen.Started(&screen.Do{What: s.What})
	if p.o.Authorize != nil {
		if ask := p.o.Authorize(); ask != nil {
			return tea.ExecProcess(ask, func(err error) tea.Msg {
				if err != nil {
					return startedMsg{err: fmt.Errorf("no rights: %w", err)}
				}
				return launch()
			})
		}
	}
	return launch
}

// launch starts the node and waits until it answers or has ended.
func (p *program) launch(s screen.Start, was []screen.Network) tea.Msg {
	output, ended, err := p.o.Launch(s.Args...)
	if err != nil {
		return startedMsg{err: err}
	}
	poll := time.NewTicker(startPoll)
	defer poll.Stop()
	patience := time.After(startTimeout)
	for {
		if n, ok := newlyRunning(was, p.networks()); ok {
			return startedMsg{Network: n}
		}
		select {
		case err := <-ended:
			if err == nil { // the node runs as a service
				ended = nil
				continue
			}
			return startedMsg{output: output(), err: control.Errorf(control.CodeFailed, "the node has ended: %v", err)}
		case <-patience:
			return startedMsg{output: output(), err: errors.New("the node does not answer")}
		case <-p.ctx.Done():
			return startedMsg{err: p.ctx.Err()}
		case <-poll.C:
		}
	}
}

func newlyRunning(was, now []screen.Network) (screen.Network, bool) {
	for _, n := range now {
		ran := slices.ContainsFunc(was, func(w screen.Network) bool { return w.Running && w.Socket == n.Socket })
		if n.Running && !ran {
			return n, true
		}
	}
	return screen.Network{}, false
}

func (p *program) afterStart(msg startedMsg) tea.Cmd {
	p.screen.Quiet()
	if msg.err == nil {
		return p.show(msg.Name, control.Client{Socket: msg.Socket}, false)
	}
	e := *control.AsError(msg.err)
	for l := range strings.Lines(msg.output) {
		e.Details = append(e.Details, strings.TrimRight(l, "\n"))
	}
	p.screen.Fail("start the node", &e)
	p.screen.Networks = p.networks()
	return nil
}
