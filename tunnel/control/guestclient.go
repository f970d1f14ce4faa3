package control

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"time"
)

// A GuestConn is a guest's connection to its node. One goroutine may wait while others use the rest.
type GuestConn struct {
	Welcome GuestWelcome

	c     Client
	conn  *net.UnixConn
	lines *json.Decoder
}

// Guest passes a TAP of this process to the node. The guest stays until [GuestConn.Close], or until the
// node ends its stay; tap remains the caller's.
func (c Client) Guest(ctx context.Context, r GuestRequest, tap *os.File) (*GuestConn, error) {
	conn, err := c.dial(ctx, "", "")
	if err != nil {
		return nil, c.streamError(err)
	}
	g := &GuestConn{c: c}
	var ok bool
	if g.conn, ok = conn.(*net.UnixConn); !ok {
		_ = conn.Close()
		return nil, Errorf(CodeUsage, "a guest needs a node with a Unix socket")
	}
	stop := context.AfterFunc(ctx, func() { _ = g.conn.SetDeadline(time.Now()) })
	defer stop()
	_ = g.conn.SetDeadline(time.Now().Add(answerTimeout))
	if err := g.join(r, tap); err != nil {
		_ = conn.Close()
		return nil, g.c.streamError(err)
	}
	if ctx.Err() == nil {
		_ = g.conn.SetDeadline(time.Time{})
	}
	return g, nil
}

// join is the talk of [GuestRequest] until the welcome.
func (g *GuestConn) join(r GuestRequest, tap *os.File) error {
	in, err := g.c.upgrade(g.conn, GuestProtocol, "/v1/guests", r)
	if err != nil {
		return err
	}
	if err := sendFile(g.conn, tap); err != nil {
		return err
	}
	g.lines = json.NewDecoder(in)
	return g.next(&g.Welcome)
}

// next reads one line of the node: v, or the error that it is.
func (g *GuestConn) next(v any) error {
	var line json.RawMessage
	if err := g.lines.Decode(&line); err != nil {
		if errors.Is(err, io.EOF) {
			return &Error{Code: CodeNoNode, Message: "the node has left", cause: ErrNoNode}
		}
		return err
	}
	var e Error
	if json.Unmarshal(line, &e) == nil && e.Message != "" {
		return &e
	}
	return json.Unmarshal(line, v)
}

// Settle tells the node which addresses the guest took.
func (g *GuestConn) Settle(addresses []netip.Prefix) error {
	if err := json.NewEncoder(g.conn).Encode(GuestSettled{addresses}); err != nil {
		return g.c.streamError(err)
	}
	return nil
}

// Wait returns when the guest's stay has ended, and says why.
func (g *GuestConn) Wait() error {
	var nothing struct{}
	for {
		if err := g.next(&nothing); err != nil {
			return g.c.streamError(err)
		}
	}
}

// Close ends the guest's stay, and wakes Wait.
func (g *GuestConn) Close() error { return g.conn.Close() }
