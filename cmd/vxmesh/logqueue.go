package main

import (
	"io"
	"sync"
	"time"
)

const (
	// logQueued is how many lines wait for whoever reads the log; some seconds of a bad day.
	logQueued = 1024
	// logPatience is how long leaving waits for what is queued to be taken.
	logPatience = 200 * time.Millisecond
)

// A logQueue is a writer that never waits: a terminal on which ctrl-S was pressed, or a pipe that
// nobody reads, must not hold up the network. Lines that find the queue full are dropped, and the
// next that fits is told how many. Each Write is one line; all methods may be called concurrently.
type logQueue struct {
	notice func(dropped int) []byte // makes the line that says so
	lines  chan []byte
	done   chan struct{} // closed when everything has been written

	mu      sync.Mutex // never held while anything is written
	dropped int
	closed  bool
}

func newLogQueue(w io.Writer) *logQueue {
	q := &logQueue{lines: make(chan []byte, logQueued), done: make(chan struct{})}
	go func() {
		defer close(q.done)
		for line := range q.lines {
			_, _ = w.Write(line) // there is nowhere to say that the log is broken
		}
	}()
	return q
}

// Write queues a copy of line; it never fails and never waits.
func (q *logQueue) Write(line []byte) (int, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return len(line), nil
	}
	if q.dropped > 0 && q.offer(q.notice(q.dropped)) {
		q.dropped = 0
	}
	if q.dropped > 0 || !q.offer(append([]byte(nil), line...)) {
		q.dropped++
	}
	return len(line), nil
}

// offer reports whether there was room. The caller holds mu.
func (q *logQueue) offer(line []byte) bool {
	select {
	case q.lines <- line:
		return true
	default:
		return false
	}
}

// close waits until everything is written, but not for long. Lines that come later are lost.
func (q *logQueue) close() {
	q.mu.Lock()
	if !q.closed {
		q.closed = true
		if q.dropped > 0 {
			q.offer(q.notice(q.dropped))
		}
		close(q.lines)
	}
	q.mu.Unlock()
	select {
	case <-q.done:
	case <-time.After(logPatience):
	}
}
