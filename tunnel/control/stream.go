package control

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"time"
)

// A lineWriter sends one JSON object per line.
type lineWriter struct {
	w     io.Writer
	enc   *json.Encoder
	flush func() error
}

func newLineWriter(w http.ResponseWriter) lineWriter {
	w.Header().Set("Content-Type", "application/x-ndjson")
	return lineWriter{w, json.NewEncoder(w), http.NewResponseController(w).Flush}
}

// events answers with a snapshot and then every change, or with those of the topics asked for. The
// subscription is older than the snapshot: a change in between is told twice rather than never.
func (s *server) events(w http.ResponseWriter, r *http.Request) {
	o, err := eventOptions(r)
	if err != nil {
		writeError(w, err)
		return
	}
	if len(o.Topics) > 0 {
		s.follow(w, r, o)
		return
	}
	changes, cancel := s.b.Events.Subscribe()
	defer cancel()
	out := newLineWriter(w)
	if out.send(s.snapshot()) != nil {
		return
	}
	tick := time.NewTicker(s.statsEvery)
	defer tick.Stop()
	for {
		var err error
		select {
		case <-r.Context().Done():
			return
		case <-tick.C:
			stats := s.takeStats()
			err = out.send(Event{Time: time.Now(), Type: EventStats, Stats: &stats})
		case e, ok := <-changes:
			err = relay(out, e, ok, len(changes))
		}
		if err != nil {
			abortIfCutOff(err)
			return
		}
	}
}

func (s *server) snapshot() Event {
	status, fdb, stats := s.takeStatus(), s.takeFDB(FDBFilter{}), s.takeStats()
	return Event{
		Schema: SchemaEvents, Time: time.Now(), Type: EventSnapshot,
		Status: &status, FDB: &fdb, Stats: &stats,
	}
}

// log answers with the records kept and, if asked to follow, every one after them.
func (s *server) log(w http.ResponseWriter, r *http.Request) {
	least, err := parseLevel(r.URL.Query().Get("level"))
	if err != nil {
		writeError(w, err)
		return
	}
	kept, more, cancel := s.b.Log.Follow()
	defer cancel()
	out := newLineWriter(w)
	for _, rec := range kept {
		if rec.level >= least && out.enc.Encode(rec) != nil {
			return
		}
	}
	if out.flush() != nil || r.URL.Query().Get("follow") != "1" {
		return
	}
	abortIfCutOff(followLog(r.Context(), out, more, least))
}

func followLog(
	ctx context.Context, out lineWriter, more <-chan LogRecord, least slog.Level,
) (err error) {
	for err == nil {
		select {
		case <-ctx.Done():
			return nil
		case rec, ok := <-more:
			if !ok || rec.level >= least {
				err = relay(out, rec, ok, len(more))
			}
		}
	}
	return err
}

func parseLevel(text string) (slog.Level, error) {
	switch text {
	case "", "debug":
		return slog.LevelDebug, nil
	case "info":
		return slog.LevelInfo, nil
	case "warn":
		return slog.LevelWarn, nil
	case "error":
		return slog.LevelError, nil
	}
	return 0, Errorf(CodeUsage, "level is error, warn, info or debug, not %q", text)
}

// send writes a line and sees it off.
func (l lineWriter) send(v any) error {
	if err := l.enc.Encode(v); err != nil {
		return err
	}
	return l.flush()
}

// relay passes on what came from a subscription; as long as more is waiting, lines share a packet.
func relay[T any](l lineWriter, v T, ok bool, waiting int) error {
	if !ok {
		return errCutOff
	}
	if waiting > 0 {
		return l.enc.Encode(v)
	}
	return l.send(v)
}

func abortIfCutOff(err error) {
	if errors.Is(err, errCutOff) {
		panic(http.ErrAbortHandler) // the way net/http offers to break a response off
	}
}

// capture answers with pcapng until the client leaves.
func (s *server) capture(w http.ResponseWriter, r *http.Request) {
	vni, err := queryNumber(r, "vni", maxVNI)
	if err != nil {
		writeError(w, err)
		return
	}
	snap, err := queryNumber(r, "snaplen", 1<<16)
	if err != nil {
		writeError(w, err)
		return
	}
	out := &flushWriter{w: w, flush: http.NewResponseController(w).Flush}
	err = s.b.Capture(r.Context(), out, CaptureOptions{VNI: uint32(vni), SnapLen: int(snap)})
	switch {
	case r.Context().Err() != nil || err == nil:
	case out.wrote:
		panic(http.ErrAbortHandler)
	default:
		writeError(w, err)
	}
}

// A flushWriter sees every write off at once: a capture is watched while it grows.
type flushWriter struct {
	w     http.ResponseWriter
	flush func() error
	wrote bool
}

// Write implements [io.Writer].
func (f *flushWriter) Write(b []byte) (int, error) {
	if !f.wrote {
		f.w.Header().Set("Content-Type", "application/x-pcapng")
		f.wrote = true
	}
	n, err := f.w.Write(b)
	if err != nil {
		return n, err
	}
	return n, f.flush()
}
