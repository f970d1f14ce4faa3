package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"
)

// A progress says on standard error what a command that takes long is at: on a terminal with
// something that moves, elsewhere with a line when a step begins and one when it has ended. Under
// --json it says nothing. One goroutine uses it; close it before anything else is written.
type progress struct {
	out    io.Writer // nil: nothing is said
	live   bool      // out is a terminal, on which a line can be written over
	keep   bool      // on a terminal, steps that have ended stay to be read
	frames []string  // what moves
	tick   time.Duration

	mu     sync.Mutex
	doing  string // what stands on the terminal now; "" for nothing
	frame  int
	closed bool
	stop   func() // what else ends with it
}

// How a terminal is told to write a line anew, and to hide and to show its cursor.
const (
	clearLine  = "\r\x1b[K"
	hideCursor = "\x1b[?25l"
	showCursor = "\x1b[?25h"
)

var (
	dotFrames   = []string{"⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏"}
	asciiFrames = []string{"|", "/", "-", `\`}
)

// newProgress is the progress of a command. With keep, what has been done stays to be read; else it
// makes room for the answer.
func newProgress(cmd *cobra.Command, g *globals, keep bool) *progress {
	p := &progress{keep: keep, frames: asciiFrames, tick: 100 * time.Millisecond, stop: func() {}}
	if g.json {
		return p
	}
	p.out = cmd.ErrOrStderr()
	p.live = isTerminal(p.out) && os.Getenv("TERM") != "dumb"
	if speaksUTF8() {
		p.frames = dotFrames
	}
	if os.Getenv("NO_COLOR") == "" && p.live {
		p.frames = inColour(p.frames)
	}
	if p.live {
		p.start(cmd.Context())
	}
	return p
}

// inColour gives what moves the colour in which the program draws attention.
func inColour(frames []string) []string {
	out := make([]string, len(frames))
	for i, f := range frames {
		out[i] = "\x1b[36m" + f + "\x1b[0m"
	}
	return out
}

// speaksUTF8 reports whether the terminal shows more than ASCII, as far as the environment says.
func speaksUTF8() bool {
	for _, name := range []string{"LC_ALL", "LC_CTYPE", "LANG"} {
		if v := strings.ToLower(os.Getenv(name)); v != "" {
			return strings.Contains(v, "utf-8") || strings.Contains(v, "utf8")
		}
	}
	return runtime.GOOS == "windows" || runtime.GOOS == "darwin"
}

// start moves what moves until close. An interrupt ends it at once: the process may not live long
// enough to come to close, and the terminal has to have its cursor back.
func (p *progress) start(ctx context.Context) {
	p.mu.Lock()
	defer p.mu.Unlock()
	_, _ = io.WriteString(p.out, hideCursor)
	ended := make(chan struct{})
	forget := context.AfterFunc(ctx, p.close)
	p.stop = func() {
		forget()
		close(ended)
	}
	go func() {
		tick := time.NewTicker(p.tick)
		defer tick.Stop()
		for {
			select {
			case <-ended:
				return
			case <-tick.C:
				p.move()
			}
		}
	}()
}

// move draws the next frame.
func (p *progress) move() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.frame++
	p.draw()
}

// draw writes the line anew. The caller holds mu.
func (p *progress) draw() {
	if p.doing != "" && !p.closed {
		fmt.Fprintf(p.out, "%s%s %s ", clearLine, p.frames[p.frame%len(p.frames)], p.doing)
	}
}

// step says that something begins, like "checking nat", and gives the function that says how it
// ended, by its name: "nat", "ok".
func (p *progress) step(doing, name string) (done func(result string)) {
	if p.out == nil {
		return func(string) {}
	}
	if !p.live {
		fmt.Fprintf(p.out, "%s ...\n", doing)
		return func(result string) { fmt.Fprintf(p.out, "%s %s\n", name, result) }
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.doing = doing
	p.draw()
	return func(result string) {
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.doing = ""; p.closed {
			return
		}
		_, _ = io.WriteString(p.out, clearLine)
		if p.keep {
			fmt.Fprintf(p.out, "%s %s\n", name, result)
		}
	}
}

// try does one step and passes on its error.
func (p *progress) try(doing, name string, do func() error) error {
	done := p.step(doing, name)
	err := do()
	if err != nil {
		done("failed")
	} else {
		done("ok")
	}
	return err
}

// close leaves the terminal as it was. It may be called more than once.
func (p *progress) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed || !p.live {
		return
	}
	p.closed = true
	p.stop()
	if p.doing != "" {
		_, _ = io.WriteString(p.out, clearLine)
	}
	_, _ = io.WriteString(p.out, showCursor)
}
