package control

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"time"
)

// maxGuestLine is how much a guest may say in all: it settles once.
const maxGuestLine = 4096

// guest takes a guest in for as long as its connection lasts.
func (s *server) guest(w http.ResponseWriter, r *http.Request) {
	req, err := requestOf[GuestRequest](s, w, r)
	switch {
	case err != nil:
	case r.Header.Get("Upgrade") != GuestProtocol:
		err = Errorf(CodeUsage, "the request is to be an upgrade to %s", GuestProtocol)
	case s.b.Guest == nil:
		err = Errorf(CodeFailed, "this node takes no guests")
	}
	if err != nil {
		writeError(w, err)
		return
	}
	s.streaming.Add(1) // while the connection still counts as the HTTP server's
	defer s.streaming.Done()
	conn, early, err := hijack(w, GuestProtocol)
	if err != nil {
		return // so has the client
	}
	l := lifeline{conn: conn, lines: json.NewEncoder(conn), write: s.write}
	defer l.end()
	if err := s.host(r.Context(), &l, early, req); err != nil {
		l.send(AsError(err))
	}
}

// A lifeline is the connection of a guest.
type lifeline struct {
	conn  net.Conn
	lines *json.Encoder
	write time.Duration
}

// send sends one line; who does not read it is gone.
func (l *lifeline) send(v any) {
	_ = l.conn.SetWriteDeadline(time.Now().Add(l.write))
	_ = l.lines.Encode(v)
}

func (l *lifeline) end() { _ = l.conn.Close() }

// host takes a guest in once its TAP has come, and returns when the guest has left. The error is for the
// guest.
func (s *server) host(ctx context.Context, l *lifeline, early *bufio.Reader, req GuestRequest) error {
	if early.Buffered() > 0 {
		return Errorf(CodeUsage, "the TAP came before it was asked for")
	}
	c := l.conn
	if limited, ok := c.(*limitedConn); ok {
		c = limited.Conn
	}
	unix, ok := c.(*net.UnixConn)
	if !ok {
		return Errorf(CodeUsage, "a TAP can be passed on a Unix socket only")
	}
	_ = unix.SetDeadline(time.Now().Add(s.read))
	tap, err := receiveFile(unix)
	if err != nil {
		return err
	}
	_ = unix.SetDeadline(time.Time{})
	stay, err := s.b.Guest(req, tap)
	if err != nil {
		return err
	}
	defer stay.Leave()
	l.send(stay.Welcome())
	return attend(ctx, unix, stay)
}

// attend hears what the guest has to say until it leaves, is sent away, or ctx ends.
func attend(ctx context.Context, c net.Conn, stay GuestStay) error {
	here, gone := context.WithCancelCause(ctx)
	heard := make(chan struct{})
	go func() {
		defer close(heard)
		gone(hear(c, stay))
	}()
	err := stay.Wait(here)
	if here.Err() != nil && ctx.Err() == nil {
		err = context.Cause(here)
		if errors.Is(err, io.EOF) {
			err = nil
		}
	} else if ctx.Err() != nil {
		err = &Error{Code: CodeNoNode, Message: "the node has left"}
	}
	_ = c.SetReadDeadline(time.Now())
	<-heard
	return err
}

// hear takes the guest's addresses and then waits for its end, which is io.EOF.
func hear(c net.Conn, stay GuestStay) error {
	lines := json.NewDecoder(io.LimitReader(c, maxGuestLine))
	for {
		var said GuestSettled
		if err := lines.Decode(&said); err != nil {
			if _, ended := errors.AsType[net.Error](err); ended || errors.Is(err, io.ErrUnexpectedEOF) {
				return io.EOF
			}
			if !errors.Is(err, io.EOF) {
				err = Errorf(CodeUsage, "what the guest said is not what was expected: %v", err)
			}
			return err
		}
		if err := checkGuestAddresses(said.Addresses); err != nil {
			return err
		}
		stay.Settle(said.Addresses)
	}
}
