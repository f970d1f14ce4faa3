package control

import (
	"context"
	"log/slog"
	"math"
	"slices"
	"sync"
	"time"
)

// logKept is how many records a [LogBuffer] remembers: some hours of a healthy node.
const logKept = 1000

// A LogRecord is one line of GET /v1/log.
type LogRecord struct {
	Time  time.Time      `json:"time"`
	Level string         `json:"level"` // "debug", "info", "warn" or "error"
	Msg   string         `json:"msg"`
	Attrs map[string]any `json:"attrs,omitempty"` // members of a group as "group.key"

	level slog.Level
}

// A LogBuffer is a [slog.Handler] that keeps the last records and hands new ones to followers; put
// it beside the handler that writes with [slog.NewMultiHandler]. Make one with [NewLogBuffer].
type LogBuffer struct {
	ring   *logRing
	level  slog.Leveler
	attrs  map[string]any // of WithAttrs; never changed, only copied
	prefix string         // of WithGroup, with the trailing dot
}

// logRing is what all handlers derived from one buffer share.
type logRing struct {
	mu   sync.Mutex
	kept []LogRecord // a ring once it is full
	next int         // the oldest record, overwritten next
	out  fanout[LogRecord]
}

// NewLogBuffer gives an empty buffer that takes records of the level and above.
func NewLogBuffer(level slog.Leveler) *LogBuffer {
	return &LogBuffer{ring: &logRing{}, level: level}
}

// Enabled implements [slog.Handler].
func (l *LogBuffer) Enabled(_ context.Context, level slog.Level) bool {
	return level >= l.level.Level()
}

// Handle implements [slog.Handler]; it never blocks and never returns an error.
func (l *LogBuffer) Handle(_ context.Context, r slog.Record) error {
	rec := LogRecord{
		Time: r.Time, Level: levelName(r.Level), Msg: r.Message,
		Attrs: cloneAttrs(l.attrs, r.NumAttrs()), level: r.Level,
	}
	r.Attrs(func(a slog.Attr) bool {
		putAttr(rec.Attrs, l.prefix, a)
		return true
	})
	l.ring.add(rec)
	return nil
}

// WithAttrs implements [slog.Handler].
func (l *LogBuffer) WithAttrs(attrs []slog.Attr) slog.Handler {
	d := *l
	d.attrs = cloneAttrs(l.attrs, len(attrs))
	for _, a := range attrs {
		putAttr(d.attrs, l.prefix, a)
	}
	return &d
}

// WithGroup implements [slog.Handler].
func (l *LogBuffer) WithGroup(name string) slog.Handler {
	if name == "" {
		return l
	}
	d := *l
	d.prefix += name + "."
	return &d
}

// Records gives what is kept, oldest first.
func (l *LogBuffer) Records() []LogRecord {
	l.ring.mu.Lock()
	defer l.ring.mu.Unlock()
	return l.ring.records()
}

// Follow gives what is kept, a channel of all that comes after it with nothing between lost, and
// the function that ends the channel. A channel that is closed before means: cut off.
func (l *LogBuffer) Follow() ([]LogRecord, <-chan LogRecord, func()) {
	r := l.ring
	r.mu.Lock()
	defer r.mu.Unlock()
	ch := r.out.subscribe(nil)
	return r.records(), ch, func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.out.cancel(ch)
	}
}

func (r *logRing) add(rec LogRecord) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.kept) < logKept {
		r.kept = append(r.kept, rec)
	} else {
		r.kept[r.next] = rec
		r.next = (r.next + 1) % logKept
	}
	r.out.send(rec)
}

func (r *logRing) records() []LogRecord {
	return slices.Concat(r.kept[r.next:], r.kept[:r.next])
}

func cloneAttrs(m map[string]any, room int) map[string]any {
	c := make(map[string]any, len(m)+room)
	for k, v := range m {
		c[k] = v
	}
	return c
}

// putAttr flattens groups into dotted keys and keeps only values that JSON shows as people expect:
// a duration or an error as its text, not as a number or {}.
func putAttr(m map[string]any, prefix string, a slog.Attr) {
	v := a.Value.Resolve()
	switch v.Kind() {
	case slog.KindGroup:
		if a.Key != "" {
			prefix += a.Key + "."
		}
		for _, g := range v.Group() {
			putAttr(m, prefix, g)
		}
	case slog.KindFloat64:
		m[prefix+a.Key] = v.Any()
		if f := v.Float64(); math.IsNaN(f) || math.IsInf(f, 0) { // JSON has none of them
			m[prefix+a.Key] = v.String()
		}
	case slog.KindBool, slog.KindInt64, slog.KindUint64, slog.KindTime:
		m[prefix+a.Key] = v.Any()
	default:
		if a.Key != "" { // an empty key is how slog spells an attribute to leave out
			m[prefix+a.Key] = v.String()
		}
	}
}

func levelName(l slog.Level) string {
	switch {
	case l >= slog.LevelError:
		return "error"
	case l >= slog.LevelWarn:
		return "warn"
	case l >= slog.LevelInfo:
		return "info"
	}
	return "debug"
}
