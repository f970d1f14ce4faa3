package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/vxmesh/vxmesh/config"
)

// logLevel is slog's level for the config's word.
func logLevel(l config.LogLevel) slog.Level {
	switch l {
	case "error":
		return slog.LevelError
	case "warn":
		return slog.LevelWarn
	case "debug":
		return slog.LevelDebug
	}
	return slog.LevelInfo
}

// newQueuedLog is a handler that writes to w by way of a queue, so that logging never waits.
func newQueuedLog(
	w io.Writer, format config.LogFormat, level slog.Leveler,
) (slog.Handler, *logQueue) {
	terminal, q := isTerminal(w), newLogQueue(w)
	q.notice = func(dropped int) []byte {
		var line bytes.Buffer
		r := slog.NewRecord(time.Now(), slog.LevelWarn,
			plural(dropped, "line was dropped", "lines were dropped")+": nobody reads the log", 0)
		_ = newLogHandler(&line, terminal, format, level).Handle(context.Background(), r)
		return line.Bytes()
	}
	return newLogHandler(q, terminal, format, level), q
}

// newLogHandler writes records to w in the form the config asks for. "auto" leaves out times under
// systemd, whose journal has its own, and uses colour on a terminal.
func newLogHandler(
	w io.Writer, terminal bool, format config.LogFormat, level slog.Leveler,
) slog.Handler {
	h := &lineHandler{w: w, level: level, mu: new(sync.Mutex)}
	switch {
	case format == "json":
		return slog.NewJSONHandler(w, &slog.HandlerOptions{Level: level})
	case format == "journal", format == "auto" && os.Getenv("JOURNAL_STREAM") != "":
		h.journal = true
	case format == "color", format == "auto" && terminal && os.Getenv("NO_COLOR") == "":
		h.color = true
	}
	return h
}

// A lineHandler writes one line a record: time, level, message, then key=value.
type lineHandler struct {
	w       io.Writer
	level   slog.Leveler
	journal bool // "<4>" in front, as sd-daemon(3) has it, and no time
	color   bool
	attrs   string
	group   string
	mu      *sync.Mutex // shared by the handlers made from one
}

// Enabled implements [slog.Handler].
func (h *lineHandler) Enabled(_ context.Context, l slog.Level) bool { return l >= h.level.Level() }

// levels are how a level looks: its name, its colour, its syslog priority.
var levels = map[slog.Level]struct {
	name, color string
	priority    int
}{
	slog.LevelDebug: {"debug", "\x1b[2m", 7},
	slog.LevelInfo:  {"info ", "\x1b[32m", 6},
	slog.LevelWarn:  {"warn ", "\x1b[33m", 4},
	slog.LevelError: {"error", "\x1b[31m", 3},
}

// Handle implements [slog.Handler].
func (h *lineHandler) Handle(_ context.Context, r slog.Record) error {
	var b strings.Builder
	l := levels[r.Level]
	switch {
	case h.journal:
		fmt.Fprintf(&b, "<%d>%s", l.priority, r.Message)
	case h.color:
		fmt.Fprintf(&b, "\x1b[2m%s\x1b[0m %s%s\x1b[0m %s", r.Time.Format("15:04:05.000"), l.color,
			l.name, r.Message)
	default:
		fmt.Fprintf(&b, "%s %s %s", r.Time.Format("2006-01-02T15:04:05.000Z07:00"), l.name, r.Message)
	}
	b.WriteString(h.attrs)
	r.Attrs(func(a slog.Attr) bool {
		h.writeAttr(&b, a)
		return true
	})
	b.WriteByte('\n')
	h.mu.Lock()
	defer h.mu.Unlock()
	_, err := io.WriteString(h.w, b.String())
	return err
}

// WithAttrs implements [slog.Handler].
func (h *lineHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	var b strings.Builder
	for _, a := range attrs {
		h.writeAttr(&b, a)
	}
	next := *h
	next.attrs += b.String()
	return &next
}

// WithGroup implements [slog.Handler].
func (h *lineHandler) WithGroup(name string) slog.Handler {
	next := *h
	next.group += name + "."
	return &next
}

// writeAttr writes " key=value"; nothing when the value is empty.
func (h *lineHandler) writeAttr(b *strings.Builder, a slog.Attr) {
	value := a.Value.Resolve().String()
	if value == "" {
		return
	}
	fmt.Fprintf(b, " %s%s=%s", h.group, a.Key, word(value))
}
