package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/vxmesh/vxmesh/config"
	"github.com/vxmesh/vxmesh/tundev"
	"github.com/vxmesh/vxmesh/tunnel/control"
)

// A stuckWriter takes nothing until it is freed, like a terminal on which ctrl-S was pressed.
type stuckWriter struct {
	freed chan struct{}
	got   bytes.Buffer
}

func newStuckWriter(t *testing.T) *stuckWriter {
	w := &stuckWriter{freed: make(chan struct{})}
	t.Cleanup(w.free)
	return w
}

func (w *stuckWriter) free() {
	select {
	case <-w.freed:
	default:
		close(w.freed)
	}
}

// Write implements [io.Writer].
func (w *stuckWriter) Write(b []byte) (int, error) {
	<-w.freed
	return w.got.Write(b)
}

// TestStuckLogHoldsUpNobody logs, reloads and leaves while nobody takes a byte.
func TestStuckLogHoldsUpNobody(t *testing.T) {
	out := newStuckWriter(t)
	path := filepath.Join(t.TempDir(), "home.toml")
	if err := os.WriteFile(path, []byte("[network]\nnam = \"home\"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	d := &daemon{path: path, cfg: config.Default(), hub: new(control.Hub)}
	var h slog.Handler
	h, d.stderr = newQueuedLog(out, "text", slog.LevelInfo)
	d.log = slog.New(h)
	done := make(chan time.Duration)
	go func() {
		for range logQueued {
			if _, err := d.reload(t.Context()); err == nil {
				t.Error("a broken file was taken")
			}
		}
		begin := time.Now()
		d.stderr.close()
		done <- time.Since(begin)
	}()
	select {
	case took := <-done:
		if took > 5*logPatience {
			t.Errorf("leaving took %v", took)
		}
	case <-time.After(30 * time.Second):
		t.Fatal("the log holds up the daemon")
	}
	d.log.Info("later lines are lost, not a crash")
}

// TestLogQueueSaysWhatIsMissing counts what was dropped, in order and line by line.
func TestLogQueueSaysWhatIsMissing(t *testing.T) {
	for format, notice := range map[config.LogFormat]string{
		"text": "warn  7 lines were dropped: nobody reads the log\n",
		"json": `"level":"WARN","msg":"7 lines were dropped: nobody reads the log"}` + "\n",
	} {
		out := newStuckWriter(t)
		_, q := newQueuedLog(out, format, slog.LevelInfo)
		send := func(n int) { fmt.Fprintf(q, "%d\n", n) }
		send(-1)
		waitFor(t, "the first line to be on its way", func() bool { return len(q.lines) == 0 })
		for i := range logQueued + 7 {
			send(i)
		}
		out.free()
		waitFor(t, "room", func() bool { return len(q.lines) == 0 })
		send(-2)
		q.close()
		<-q.done
		var want strings.Builder
		for i := range logQueued + 1 {
			fmt.Fprintln(&want, i-1)
		}
		rest, ok := strings.CutPrefix(out.got.String(), want.String())
		if !ok || !strings.HasSuffix(rest, notice+"-2\n") || strings.Count(rest, "\n") != 2 {
			t.Errorf("%s: after the first lines came %q, want ...%q", format, rest, notice+"-2\n")
		}
	}
}

// TestLogQueueIsWrittenOnLeaving loses nothing when somebody reads.
func TestLogQueueIsWrittenOnLeaving(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	h, q := newQueuedLog(w, "text", slog.LevelInfo)
	log := slog.New(h)
	log.Info("one")
	log.Info("two")
	q.close()
	_ = w.Close()
	got, err := io.ReadAll(r)
	if err != nil || strings.Count(string(got), "\n") != 2 || !strings.HasSuffix(string(got), "two\n") {
		t.Errorf("%q, %v", got, err)
	}
}

// TestRefusalIsLoggedLineByLine makes every line of an excerpt a record with a time of its own.
func TestRefusalIsLoggedLineByLine(t *testing.T) {
	var out bytes.Buffer
	d := &daemon{path: "home.toml", log: slog.New(newLogHandler(&out, false, "text", slog.LevelInfo))}
	_, err := config.Parse("home.toml", []byte("[network]\nname = \"home\"\nx = 1\n"))
	d.logRefusal(configProblem(err))
	lines := strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n")
	if len(lines) < 6 {
		t.Errorf("only %d lines:\n%s", len(lines), out.String())
	}
	for _, line := range lines {
		if _, err := time.Parse(time.RFC3339, strings.Fields(line)[0]); err != nil {
			t.Errorf("%q: %v", line, err)
		}
	}
}

// TestFixOfARefusedReload sends nobody to `config check` who would find nothing there.
func TestFixOfARefusedReload(t *testing.T) {
	d := &daemon{path: "home.toml"}
	abs, err := filepath.Abs(d.path)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		err  error
		want string
	}{
		{configProblem(errors.New("x")), "vxmesh config check " + abs},
		{&tundev.Error{Op: "join bridge", Name: "br9", Err: tundev.ErrNoBridge}, "make it: sudo ip link add br9 type bridge"},
		{errors.New("the moon is full"), "when that is mended: vxmesh reload"},
	} {
		if got := d.fixOf(c.err); got != c.want {
			t.Errorf("%v: %q, want %q", c.err, got, c.want)
		}
	}
}
