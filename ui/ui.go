package ui

import (
	"context"
	"errors"
	"io"
	"os/exec"
	"time"

	tea "charm.land/bubbletea/v2"

	"github.com/vxmesh/vxmesh/tunnel/control"
	"github.com/vxmesh/vxmesh/ui/screen"
)

// Options say what to show and what the UI may use of the machine.
type Options struct {
	Screen screen.Options
	Keys   map[string][]string // other keys than the usual ones, by a command's ID

	Network string         // that is shown; "" = none: the start page
	Client  control.Client // of its node
	Demo    bool           // the network is simulated
	Replay  io.Reader      // a recording of events, one JSON object a line, is shown instead; may be nil

	// Networks lists the networks that this machine could show.
	Networks func() []screen.Network
	// Command gives one of the program's commands, ready to run; with the rights it needs if they can
	// be had.
	Command func(args ...string) *exec.Cmd
	// Launch starts one of them that runs on when the UI ends. Output gives what it has said so far.
	Launch func(args ...string) (output func() string, ended <-chan error, err error)
	// Authorize gives the command that asks the person for the rights that Launch needs; nil when it has
	// them.
	Authorize func() *exec.Cmd
	// StartDemo gives the node of a simulated network that ends with ctx.
	StartDemo func(ctx context.Context) control.Client
	// Remember keeps what the person chose for the next time; may be nil.
	Remember func(screen.Options)

	// Terminal are options of the program that runs in it: tests give it another input and output.
	Terminal []tea.ProgramOption
}

// framesPerSecond bounds how often the terminal is written to. Nothing here moves by itself, so few are
// enough, and each that is drawn costs its ticks.
const framesPerSecond = 15

// Run shows the UI until it is left or ctx ends. It returns the last frame if the person wants it to stay
// on the terminal, "" else.
func Run(ctx context.Context, o Options) (frame string, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	p := newProgram(ctx, o)
	options := append([]tea.ProgramOption{
		tea.WithContext(ctx), tea.WithFPS(framesPerSecond),
	}, o.Terminal...)
	last, err := tea.NewProgram(p, options...).Run()
	if errors.Is(err, tea.ErrProgramKilled) && ctx.Err() != nil || errors.Is(err, tea.ErrInterrupted) {
		err = nil
	}
	p.main.stop()
	p.fdb.stop()
	if done, ok := last.(*program); ok {
		if o.Remember != nil {
			o.Remember(done.screen.Chosen())
		}
		if done.keep {
			frame = done.frame
		}
	}
	return frame, err
}

// second is how often the time is looked at; what is shown changes with it only where an age or a
// countdown does.
const second = time.Second
