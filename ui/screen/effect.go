package screen

import (
	"context"

	"github.com/vxmesh/vxmesh/tunnel/control"
)

// An Effect is something to be done outside of the UI: one of the types of this file, [Effects], or nil
// for nothing.
type Effect any

// Effects are done one after the other.
type Effects []Effect

// Quit ends the program.
type Quit struct {
	Keep bool // leave the last frame on the terminal
}

// A Do asks something of the node. While it runs the UI goes on; its result comes back by [UI.Done].
type Do struct {
	What string // "ping nas": what people are told about it
	CLI  string // the command that does the same
	Run  func(ctx context.Context, c control.Client) (any, error)
	Then func(u *UI, result any) Effect // nil: What is said to be done
	Fail func(u *UI, err error) Effect  // nil: the error is shown
	Undo *Do                            // what takes it back, offered for a while; nil if nothing does

	Quiet bool // nobody has asked for it: nothing is said of it while it runs
}

// Copy puts text on the terminal's clipboard.
type Copy struct{ Text, What string }

// Save writes a file into the working directory.
type Save struct {
	Name string
	Data []byte
}

// Exec runs one of the program's own commands in the foreground; the screen is its until it ends.
type Exec struct {
	Args []string
}

// Start starts a node with one of the program's commands; it runs on when the UI ends.
type Start struct {
	What string
	Args []string
}

// Open shows another network: the one of this socket; "" = the start page.
type Open struct{ Network, Socket string }

// Retry connects again now.
type Retry struct{}

// Demo leaves what is shown for the simulated network.
type Demo struct{}

// Suspend stops the program as the shell's job control does.
type Suspend struct{}

// Redraw draws everything anew.
type Redraw struct{}
