package control

import (
	"context"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"sync"
	"time"
)

// limits are what a client may cost; production uses defaultLimits alone.
type limits struct {
	conns      int           // connections at once
	streams    int           // of them that became streams, which do not count as such any more
	body       int64         // bytes of a request's body
	read       time.Duration // until a request's header, and then its body, is there
	write      time.Duration // until the client has taken one write
	idle       time.Duration // until an unused connection is closed
	leave      time.Duration // that answers under way are given when the node ends
	statsEvery time.Duration // between the stats events of a stream
}

var defaultLimits = limits{
	conns: 64, streams: 256, body: 1 << 20,
	read: 5 * time.Second, write: 5 * time.Second, idle: time.Minute,
	leave: 300 * time.Millisecond, statsEvery: time.Second,
}

// server answers requests from one backend.
type server struct {
	b Backend
	limits
	recorder  *Recorder
	shared    shared
	profiling sync.Mutex     // held while a profile is taken
	slots     chan struct{}  // one for each stream, or request for one
	streaming sync.WaitGroup // handlers of streams and guests, whose connections are no longer the HTTP server's
}

func newServer(b Backend) *server {
	return &server{
		b: b, limits: defaultLimits, recorder: NewRecorder(b.Stats, b.Peers),
		slots: make(chan struct{}, defaultLimits.streams),
	}
}

// Serve answers the whole API on l until ctx ends. When it returns, l is closed and no goroutine
// of it is left. The error is nil unless l broke.
func Serve(ctx context.Context, l net.Listener, b Backend) error { return newServer(b).serve(ctx, l) }

// serve answers the whole API, and records meanwhile.
func (s *server) serve(ctx context.Context, l net.Listener) error {
	ctx, cancel := context.WithCancel(ctx)
	var recording sync.WaitGroup
	defer recording.Wait()
	defer cancel()
	if s.b.History == nil {
		recording.Go(func() { s.recorder.Run(ctx) })
	}
	return s.run(ctx, l, s.routes())
}

// ServeMetrics answers GET /metrics alone on l, a TCP listener as a rule, until ctx ends; as
// [Serve] otherwise.
func ServeMetrics(ctx context.Context, l net.Listener, b Backend) error {
	s := newServer(b)
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", MetricsHandler(b))
	mux.HandleFunc("/", noRoute)
	return s.run(ctx, l, mux)
}

func (s *server) run(ctx context.Context, l net.Listener, h http.Handler) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var conns sync.WaitGroup
	srv := &http.Server{
		Handler:           s.paced(s.caught(h)),
		ReadHeaderTimeout: s.read,
		IdleTimeout:       s.idle,
		MaxHeaderBytes:    64 << 10,
		BaseContext:       func(net.Listener) context.Context { return ctx },
		ConnState:         countConns(&conns),
		ErrorLog:          log.New(io.Discard, "", 0), // a client's mistakes are told to the client
	}
	served := make(chan error, 1)
	go func() { served <- srv.Serve(&limitedListener{l, make(chan struct{}, s.conns)}) }()

	var err error
	select {
	case <-ctx.Done():
	case err = <-served:
		served <- err
	}
	cancel() // ends the streams
	s.stop(srv)
	<-served
	conns.Wait()
	s.streaming.Wait()
	return err
}

// stop lets answers under way finish for a moment and then closes what is left.
func (s *server) stop(srv *http.Server) {
	ctx, cancel := context.WithTimeout(context.Background(), s.leave)
	defer cancel()
	if srv.Shutdown(ctx) != nil {
		_ = srv.Close()
	}
}

// countConns counts the goroutines of connections: StateClosed is the last thing they report.
func countConns(conns *sync.WaitGroup) func(net.Conn, http.ConnState) {
	return func(_ net.Conn, state http.ConnState) {
		switch state {
		case http.StateNew:
			conns.Add(1)
		case http.StateClosed, http.StateHijacked:
			conns.Done()
		}
	}
}

// A limitedListener answers connections beyond the limit with one line and closes them, so that
// they neither pile up nor make others wait.
type limitedListener struct {
	net.Listener
	slots chan struct{}
}

const busyAnswer = "HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\n" +
	"Connection: close\r\n\r\n" +
	`{"error":{"code":"failed","message":"the node has too many control connections",` +
	`"fix":[],"exit":1}}` + "\n"

// Accept implements [net.Listener].
func (l *limitedListener) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		select {
		case l.slots <- struct{}{}:
			return &limitedConn{Conn: c, release: sync.OnceFunc(func() { <-l.slots })}, nil
		default:
			turnAway(c)
		}
	}
}

// turnAway takes the request before it answers, or closing would discard the answer with it.
func turnAway(c net.Conn) {
	_ = c.SetDeadline(time.Now().Add(100 * time.Millisecond))
	_, _ = c.Read(make([]byte, 4096))
	_, _ = io.WriteString(c, busyAnswer)
	_ = c.Close()
}

type limitedConn struct {
	net.Conn
	release func()
}

// Close implements [net.Conn].
func (c *limitedConn) Close() error {
	err := c.Conn.Close()
	c.release()
	return err
}

// CloseWrite ends what is sent.
func (c *limitedConn) CloseWrite() error { return closeWrite(c.Conn) }

// A pacedWriter gives the client a time to take each piece of the answer instead of one for the
// whole: streams have no end, and a large table takes as long as it takes.
type pacedWriter struct {
	http.ResponseWriter
	rc    *http.ResponseController
	write time.Duration
	begun bool // the answer has
}

// paced wraps every handler's writer. The time is renewed at the end too, because what the HTTP
// server still has buffered goes out after the handler.
func (s *server) paced(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p := &pacedWriter{ResponseWriter: w, rc: http.NewResponseController(w), write: s.write}
		h.ServeHTTP(p, r)
		p.renew()
	})
}

// caught has a handler's panic end the request alone. Whatever it was about to answer, the traffic of
// others is none of its business; the report says what to mend.
func (s *server) caught(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			v := recover()
			if v == nil {
				return
			}
			if v == http.ErrAbortHandler { // a handler's own way to break off
				panic(v)
			}
			e := Errorf(CodeFailed, "the node made a mistake; %s", s.b.Panicked(v))
			if p, ok := w.(*pacedWriter); ok && p.begun {
				panic(http.ErrAbortHandler)
			}
			writeError(w, e)
		}()
		h.ServeHTTP(w, r)
	})
}

// pacedPiece is what one write timeout has to suffice for.
const pacedPiece = 64 << 10

// Write implements [io.Writer].
func (p *pacedWriter) Write(b []byte) (n int, err error) {
	p.begun = true
	for {
		p.renew()
		m, err := p.ResponseWriter.Write(b[:min(len(b), pacedPiece)])
		n += m
		b = b[m:]
		if err != nil || len(b) == 0 {
			return n, err
		}
	}
}

// FlushError is what [http.ResponseController] looks for.
func (p *pacedWriter) FlushError() error {
	p.renew()
	return p.rc.Flush()
}

// Unwrap is what [http.ResponseController] looks for.
func (p *pacedWriter) Unwrap() http.ResponseWriter { return p.ResponseWriter }

func (p *pacedWriter) renew() { _ = p.rc.SetWriteDeadline(time.Now().Add(p.write)) }

// errCutOff ends a stream whose reader fell behind: the connection breaks off, so that the reader
// cannot take the end for an orderly one.
var errCutOff = errors.New("fell behind")
