package ui

import (
	"context"
	"fmt"
	"iter"
	"time"

	tea "charm.land/bubbletea/v2"

	"github.com/vxmesh/vxmesh/tunnel/control"
)

// A stream reads events and hands them to the program, many at a time.
type stream struct {
	id     int // of its messages: those of an older one are not wanted any more
	events chan control.Event
	end    chan error
	cancel context.CancelFunc
}

// eventsMsg is what has come in.
type eventsMsg struct {
	stream *stream
	id     int
	events []control.Event
}

// endMsg says that a stream has ended, and why; nil: the node has left.
type endMsg struct {
	stream *stream
	id     int
	err    error
}

// gather is how long events are waited for that come with the first: those of one tick share a frame.
const (
	gather    = 15 * time.Millisecond
	gatherMax = 1024
)

// run starts to read; what was read before is left.
func (s *stream) run(ctx context.Context, source func(context.Context) iter.Seq2[control.Event, error]) tea.Cmd {
	s.stop()
	s.id++
	ctx, s.cancel = context.WithCancel(ctx)
	s.events, s.end = make(chan control.Event, gatherMax), make(chan error, 1)
	go read(ctx, source, s.events, s.end)
	return s.wait()
}

// stop ends the reading; one that does not run is left alone.
func (s *stream) stop() {
	if s.cancel != nil {
		s.cancel()
		s.cancel = nil
	}
}

func (s *stream) running() bool { return s.cancel != nil }

// read passes events on until the source ends. A panic of it ends in an error: the terminal is to be left
// as it was found.
func read(
	ctx context.Context, source func(context.Context) iter.Seq2[control.Event, error],
	events chan<- control.Event, end chan<- error,
) {
	var err error
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("reading events: %v", r)
		}
		end <- err
	}()
	for e, failure := range source(ctx) {
		if failure != nil {
			err = failure
			return
		}
		select {
		case events <- e:
		case <-ctx.Done():
			return
		}
	}
}

// wait gives the command that waits for the next events.
func (s *stream) wait() tea.Cmd {
	id, events, end := s.id, s.events, s.end
	return func() tea.Msg {
		select {
		case e := <-events:
			return eventsMsg{s, id, more([]control.Event{e}, events)}
		case err := <-end:
			if got := more(nil, events); len(got) > 0 {
				end <- err
				return eventsMsg{s, id, got}
			}
			return endMsg{s, id, err}
		}
	}
}

// more adds what comes within a moment.
func more(got []control.Event, events <-chan control.Event) []control.Event {
	patience := time.After(gather)
	for len(got) < gatherMax {
		select {
		case e := <-events:
			got = append(got, e)
		case <-patience:
			return got
		}
	}
	return got
}
