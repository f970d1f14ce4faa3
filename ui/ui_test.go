package ui

import (
	"bytes"
	"context"
	"encoding/json"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/exp/teatest/v2"

	"github.com/vxmesh/vxmesh/tunnel/control"
	"github.com/vxmesh/vxmesh/tunnel/control/controltest"
	"github.com/vxmesh/vxmesh/ui/demo"
	"github.com/vxmesh/vxmesh/ui/screen"
	"github.com/vxmesh/vxmesh/ui/view"
)

// startNode runs a node of fixed answers; stop ends it before the test does.
func startNode(t *testing.T, socket string, n *controltest.Node) (stop func()) {
	t.Helper()
	l, err := control.Listen(socket, "")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if err := control.Serve(ctx, l, n.Backend()); err != nil {
			t.Error(err)
		}
	}()
	stop = func() {
		cancel()
		<-ended
	}
	t.Cleanup(stop)
	return stop
}

func simulated(t *testing.T) Options {
	t.Helper()
	return Options{Client: demo.Start(t.Context(), 1), Demo: true}
}

// TestPages drives the program as Bubble Tea's own test harness does.
func TestPages(t *testing.T) {
	o := simulated(t)
	o.Screen.Look.Theme, _ = view.ByName("ansi")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	p := newProgram(ctx, o)
	m := teatest.NewTestModel(t, p, teatest.WithInitialTermSize(120, 36), teatest.WithProgramOptions(tea.WithContext(ctx)))
	shows := func(text string) {
		t.Helper()
		teatest.WaitFor(t, m.Output(), func(b []byte) bool { return bytes.Contains(b, []byte(text)) }, teatest.WithDuration(patience))
	}
	shows("Attention")
	for _, page := range []struct{ key, text string }{
		{"2", "ENDPOINT"}, {"3", "VENDOR"}, {"4", "Top talkers"}, {"5", "Map of home"}, {"6", "level"}, {"1", "Attention"},
	} {
		m.Type(page.key)
		shows(page.text)
	}
	m.Type("q")
	m.WaitFinished(t, teatest.WithFinalTimeout(patience))
	p.main.stop()
	p.fdb.stop()
}

// TestTerminalIsLeftAsFound: the alternate screen, the mouse and the cursor are given back.
func TestTerminalIsLeftAsFound(t *testing.T) {
	o := simulated(t)
	o.Screen.Mouse = true
	term := open(t, 80, 24, o)
	term.waitFor("● demo")
	term.typed("\x03")
	term.ended()
	raw := term.raw.String()
	for _, mode := range []string{"1049", "1006", "2004", "1004"} {
		on, off := strings.LastIndex(raw, "\x1b[?"+mode+"h"), strings.LastIndex(raw, "\x1b[?"+mode+"l")
		if on < 0 || off < on {
			t.Errorf("mode %s: set at %d, reset at %d", mode, on, off)
		}
	}
	if show, hide := strings.LastIndex(raw, "\x1b[?25h"), strings.LastIndex(raw, "\x1b[?25l"); show < hide {
		t.Error("the cursor stays hidden")
	}
}

func TestQuitLeavesTheFrame(t *testing.T) {
	term := open(t, 80, 24, simulated(t))
	term.waitFor("● demo", "nas")
	term.typed("Q")
	term.ended()
	if !strings.Contains(term.frame, "nas") {
		t.Errorf("the frame that stays is %q", term.frame)
	}
}

// TestNodeRestarts: the UI says so, keeps what it knows, and goes on by itself.
func TestNodeRestarts(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "home.sock")
	n := controltest.New()
	stop := startNode(t, socket, n)
	term := open(t, 120, 36, Options{Network: "home", Client: control.Client{Socket: socket}})
	term.waitFor("● live", n.Backend().Peers().Peers[0].Name)
	stop()
	term.waitFor("◌ reconnecting", n.Backend().Peers().Peers[0].Name)
	startNode(t, socket, controltest.New())
	term.waitFor("● live")
}

// TestNoNode: what can be done is offered, and a node that comes is shown.
func TestNoNode(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "home.sock")
	var ran []string
	o := Options{
		Network: "home", Client: control.Client{Socket: socket},
		Networks: func() []screen.Network { return []screen.Network{{Name: "home", Config: "/etc/vxmesh/home.toml"}} },
		Command: func(args ...string) *exec.Cmd {
			ran = args
			return exec.Command("true")
		},
	}
	term := open(t, 100, 30, o)
	term.waitFor("No vxmesh node answers", "start home", "join with an invitation", "make a new network", "demo")
	startNode(t, socket, controltest.New())
	term.waitFor("● live")
	if ran != nil {
		t.Errorf("%v was run, and nobody asked for it", ran)
	}
}

// TestStart: a node that is started from the UI is shown as soon as it answers.
func TestStart(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "home.sock")
	running := make(chan bool, 1)
	running <- false
	var args []string
	o := Options{
		Networks: func() []screen.Network {
			is := <-running
			running <- is
			return []screen.Network{{Name: "home", Config: "home.toml", Socket: socket, Running: is}}
		},
		Launch: func(a ...string) (func() string, <-chan error, error) {
			args = a
			startNode(t, socket, controltest.New())
			<-running
			running <- true
			return func() string { return "" }, make(chan error), nil
		},
	}
	term := open(t, 100, 30, o)
	term.waitFor("No network runs on this machine", "start home")
	term.typed("\r")
	term.waitFor("● live")
	if strings.Join(args, " ") != "join home.toml" {
		t.Errorf("ran %q", args)
	}
}

// TestStartFails: what the node said is shown.
func TestStartFails(t *testing.T) {
	o := Options{
		Networks: func() []screen.Network { return []screen.Network{{Name: "home", Config: "home.toml"}} },
		Launch: func(...string) (func() string, <-chan error, error) {
			ended := make(chan error, 1)
			ended <- context.Canceled
			return func() string { return "vxmesh: cannot create tap device vxm0\n" }, ended, nil
		},
	}
	term := open(t, 100, 30, o)
	term.waitFor("start home")
	term.typed("\r")
	term.waitFor("the node has ended", "cannot create tap device vxm0")
	term.typed("\x1b")
	term.waitFor("start home")
}

func TestReplay(t *testing.T) {
	var recording strings.Builder
	enc := json.NewEncoder(&recording)
	at := controltest.Start
	status := controltest.Status()
	for _, e := range []control.Event{
		{Type: control.EventSnapshot, Time: at, Status: &status},
		{Type: control.EventLog, Time: at.Add(10 * time.Millisecond), Record: &control.LogRecord{Time: at, Level: "info", Msg: "the last of it"}},
	} {
		if err := enc.Encode(e); err != nil {
			t.Fatal(err)
		}
	}
	term := open(t, 120, 36, Options{Replay: strings.NewReader(recording.String())})
	term.waitFor("the last of it", "end of the recording")
	term.typed("\x12") // reload
	term.waitFor("read-only")
	for text, says := range map[string]string{
		"{}\n": "line 1 of the recording", `{"type":"stats"}`: "does not begin with a snapshot",
		recording.String() + `{"type":"sta`: "line 3 of the recording", "": "end of the recording",
		`{"type":"snapshot"}` + "\n" + `{"type":"peer_state"}` + "\n" + `{"type":"of tomorrow"}`: "end of the recording",
	} {
		bad := open(t, 120, 36, Options{Replay: strings.NewReader(text)})
		bad.waitFor(says)
	}
}

// TestReplayKeepsItsTime: how old something is, is told from when it was recorded.
func TestReplayKeepsItsTime(t *testing.T) {
	status := controltest.Status()
	at := time.Now().Add(-1000 * time.Hour)
	status.UptimeSeconds = 60
	text, err := json.Marshal(control.Event{Type: control.EventSnapshot, Time: at, Status: &status})
	if err != nil {
		t.Fatal(err)
	}
	p := newProgram(t.Context(), Options{Replay: strings.NewReader(string(text))})
	p.Update(tea.WindowSizeMsg{Width: 120, Height: 36})
	p.Update(p.connect()())
	for range 3 {
		p.Update(tickMsg(time.Now()))
	}
	if d := p.screen.Now.Sub(at); d < 0 || d > time.Minute {
		t.Errorf("the clock is %v after the recording's", d)
	}
	if frame := p.screen.Draw().Plain(view.Look{}); strings.Contains(frame, "41 d") {
		t.Errorf("the node's uptime is that of today:\n%s", frame)
	}
	p.main.stop()
}

// silentNode listens and never answers.
func silentNode(t *testing.T) (socket string) {
	t.Helper()
	socket = filepath.Join(t.TempDir(), "home.sock")
	l, err := control.Listen(socket, "")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return socket
}

// TestSilentNode: who does not answer is not shown as one that does.
func TestSilentNode(t *testing.T) {
	p := newProgram(t.Context(), Options{Client: control.Client{Socket: silentNode(t)}})
	p.Update(tea.WindowSizeMsg{Width: 100, Height: 30})
	p.connect()
	p.screen.Link.Since = time.Now().Add(-3*rate - 3*time.Second)
	was := p.main.id
	p.Update(tickMsg(time.Now()))
	if p.screen.Link.State != screen.Lost || !strings.Contains(p.View().Content, "No vxmesh node answers") {
		t.Errorf("state %v shows\n%s", p.screen.Link.State, p.View().Content)
	}
	if p.main.id == was {
		t.Error("it is not asked again")
	}
	p.main.stop()
}

// TestFrozenNode: a node that was stopped for a while is asked for a snapshot, without which its events would
// be taken for those of a node that is gone.
func TestFrozenNode(t *testing.T) {
	p := newProgram(t.Context(), Options{Client: control.Client{Socket: silentNode(t)}})
	p.connect()
	p.screen.Net.Apply(control.Event{Type: control.EventSnapshot, Time: time.Now()})
	p.screen.Link.State, p.screen.Heard = screen.Live, time.Now().Add(-time.Minute)
	was := p.main.id
	p.Update(tickMsg(time.Now()))
	if p.screen.Link.State != screen.Lost || p.main.id == was {
		t.Errorf("state %v, asked again: %v", p.screen.Link.State, p.main.id != was)
	}
	p.main.stop()
}

// TestTimePasses: what is there for a moment goes, though nothing happens.
func TestTimePasses(t *testing.T) {
	p := newProgram(t.Context(), Options{})
	p.screen.Link.State = screen.Live
	p.screen.Now = time.Now().Add(-7 * time.Second)
	p.screen.Say(view.Text, "for a moment")
	p.screen.Now = time.Now().Add(-2 * time.Second)
	p.dirty = false
	p.Update(tickMsg(time.Now()))
	if !p.dirty {
		t.Error("it stays")
	}
}

// TestWayBack: a network that the machine does not list is offered when it was left.
func TestWayBack(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "elsewhere.sock")
	startNode(t, socket, controltest.New())
	term := open(t, 100, 30, Options{Client: control.Client{Socket: socket}, Networks: func() []screen.Network { return nil }})
	term.waitFor("● live")
	term.typed("o")
	term.waitFor("Which network?", "look at "+controltest.Status().Network)
	term.typed("\r")
	term.waitFor("● live")
}

// TestPanicLeavesTheTerminal: whatever breaks in a page, the terminal is given back and the error told.
func TestPanicLeavesTheTerminal(t *testing.T) {
	term := open(t, 120, 36, simulated(t)) // without the texts that x needs
	term.waitFor("● demo")
	term.typed("2x")
	term.ended()
	raw := term.raw.String()
	if term.err == nil || strings.LastIndex(raw, "\x1b[?1049l") < strings.LastIndex(raw, "\x1b[?1049h") {
		t.Errorf("error %v", term.err)
	}
}

// TestNothingIsWrittenWhenNothingChanges: the terminal gets no byte from a node where nothing happens.
func TestNothingIsWrittenWhenNothingChanges(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "home.sock")
	n := controltest.New()
	s := n.Backend().Status()
	n.SetStatus(s)
	startNode(t, socket, n)
	term := open(t, 120, 36, Options{Client: control.Client{Socket: socket}})
	term.waitFor("● live")
	term.typed("5") // the map: no clock, no rates but zeros
	term.waitFor("Map of")
	for range 2 { // the first may still have something to draw
		was := term.bytes()
		<-time.After(3500 * time.Millisecond) // three readings of the counters
		if term.bytes() == was {
			return
		}
	}
	t.Errorf("the terminal is written to, and nothing changes:\n%q", term.raw.String()[len(term.raw.String())-300:])
}
