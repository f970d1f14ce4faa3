package ui

import (
	"bytes"
	"context"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/colorprofile"
	"github.com/charmbracelet/x/vt"
	"go.uber.org/goleak"

	"github.com/vxmesh/vxmesh/ui/screen"
	"github.com/vxmesh/vxmesh/ui/view"
)

func TestMain(m *testing.M) {
	// The library's reader of keys hangs on the last one when the program ends, and its harness waits for
	// a signal for ever.
	const reader = "github.com/charmbracelet/ultraviolet.(*TerminalReader)."
	goleak.VerifyTestMain(m, goleak.IgnoreTopFunction(reader+"sendEvents"), goleak.IgnoreTopFunction(reader+"StreamEvents"),
		goleak.IgnoreTopFunction("github.com/charmbracelet/x/exp/teatest/v2.NewTestModel.func2"))
}

// patience is how long a test waits for what has to come.
const patience = 20 * time.Second

// A terminal is an emulated one with the UI in it.
type terminal struct {
	t    testing.TB
	keys *io.PipeWriter
	done chan struct{}

	mu      sync.Mutex
	screen  *vt.Emulator
	written int
	raw     strings.Builder
	frame   string
	err     error
}

// open starts the UI in a terminal of a size; it ends with the test.
func open(t testing.TB, w, h int, o Options, options ...tea.ProgramOption) *terminal {
	t.Helper()
	in, keys := io.Pipe()
	term := &terminal{t: t, keys: keys, done: make(chan struct{}), screen: vt.NewEmulator(w, h)}
	if o.Screen.Look.Theme == (view.Theme{}) {
		o.Screen.Look.Theme, _ = view.ByName("ansi")
	}
	o.Screen.Texts = texts
	o.Terminal = append([]tea.ProgramOption{
		tea.WithInput(in), tea.WithOutput(term), tea.WithWindowSize(w, h),
		tea.WithColorProfile(colorprofile.TrueColor), tea.WithEnvironment([]string{"TERM=xterm-256color"}),
		tea.WithoutSignalHandler(),
	}, options...)
	ctx, cancel := context.WithCancel(context.Background())
	answers := make(chan struct{})
	go func() { // what the emulator answers to questions is read and forgotten
		defer close(answers)
		_, _ = io.Copy(io.Discard, term.screen)
	}()
	go func() {
		defer close(term.done)
		frame, err := Run(ctx, o)
		term.mu.Lock()
		term.frame, term.err = frame, err
		term.mu.Unlock()
	}()
	t.Cleanup(func() {
		cancel()
		_ = keys.Close()
		term.ended()
		_ = term.screen.InputPipe().(io.Closer).Close() // its Close races with Read
		<-answers
		_ = in.Close()
	})
	return term
}

// Write implements [io.Writer]: the program draws.
func (t *terminal) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.written += len(b)
	t.raw.Write(b)
	// Without a terminal as its input, Bubble Tea takes it that newlines are mapped, as a terminal does.
	_, err := t.screen.Write(bytes.ReplaceAll(b, []byte("\n"), []byte("\r\n")))
	return len(b), err
}

// shown is what the terminal shows, line by line.
func (t *terminal) shown() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.screen.String()
}

// bytes is how much has been written to the terminal so far.
func (t *terminal) bytes() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.written
}

// waitFor waits until the terminal shows every text.
func (t *terminal) waitFor(texts ...string) {
	t.t.Helper()
	t.until(func(s string) bool {
		for _, text := range texts {
			if !strings.Contains(s, text) {
				return false
			}
		}
		return true
	}, strings.Join(texts, ", "))
}

func (t *terminal) until(good func(string) bool, what string) {
	t.t.Helper()
	deadline := time.After(patience)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !good(t.shown()) {
		select {
		case <-tick.C:
		case <-t.done:
			t.t.Fatalf("the UI has ended (%v) before the terminal shows %s", t.err, what)
		case <-deadline:
			t.t.Fatalf("the terminal does not show %s:\n%s", what, t.shown())
		}
	}
}

// typed types bytes as a terminal sends them.
func (t *terminal) typed(s string) {
	t.t.Helper()
	if _, err := io.WriteString(t.keys, s); err != nil {
		t.t.Fatalf("type %q: %v", s, err)
	}
}

// ended waits for the end of the UI.
func (t *terminal) ended() {
	t.t.Helper()
	select {
	case <-t.done:
	case <-time.After(patience):
		t.t.Error("the UI does not end")
	}
}

var texts = screen.Texts{}
