package control

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
)

// streamProtocol is what a connection becomes by POST with "Upgrade: vxmesh-stream" (RFC 9110, 7.8):
// bytes both ways, whose directions end one by one.
const streamProtocol = "vxmesh-stream"

// An upgraded connection is one that was HTTP and is a stream now.
type upgraded struct {
	net.Conn
	r io.Reader
}

// newUpgraded gives what came right behind the head first, which is in a buffer. From then on it passes
// the buffer by: the HTTP server's takes the end of what is read for the end of the client.
func newUpgraded(c net.Conn, buffer *bufio.Reader) *upgraded {
	head, _ := buffer.Peek(buffer.Buffered()) // as much as that is there
	return &upgraded{c, io.MultiReader(bytes.NewReader(head), c)}
}

// Read implements [io.Reader].
func (u *upgraded) Read(b []byte) (int, error) { return u.r.Read(b) }

// CloseWrite ends what is sent; the other direction goes on.
func (u *upgraded) CloseWrite() error { return closeWrite(u.Conn) }

// closeWrite ends one direction of a connection that has such ends: one through a socket.
func closeWrite(c net.Conn) error {
	if h, ok := c.(interface{ CloseWrite() error }); ok {
		return h.CloseWrite()
	}
	return errors.ErrUnsupported
}

// stream answers a request for which do does what it asks for: do either fails, or calls accept for
// the connection as a stream, and owns that.
func (s *server) stream(
	w http.ResponseWriter, r *http.Request,
	do func(ctx context.Context, accept func() (net.Conn, error)) error,
) {
	if !strings.EqualFold(r.Header.Get("Upgrade"), streamProtocol) {
		writeError(w, Errorf(CodeUsage, "%s %s wants the header Upgrade: %s", r.Method, r.URL.Path, streamProtocol))
		return
	}
	select {
	case s.slots <- struct{}{}:
		defer func() { <-s.slots }()
	default:
		writeError(w, Errorf(CodeFailed, "the node has too many streams, which are %d", cap(s.slots)))
		return
	}
	accepted := false
	err := do(r.Context(), func() (net.Conn, error) {
		s.streaming.Add(1) // before the server forgets the connection
		accepted = true
		c, early, err := hijack(w, streamProtocol)
		if err != nil {
			return nil, err
		}
		return newUpgraded(c, early), nil
	})
	if accepted {
		s.streaming.Done()
		return
	}
	if err != nil {
		writeError(w, err)
	}
}

// hijack takes the connection away from the HTTP server, and tells the client that it is another protocol's
// now. In early is what the client has said already.
func hijack(w http.ResponseWriter, protocol string) (c net.Conn, early *bufio.Reader, err error) {
	c, buf, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return nil, nil, fmt.Errorf("upgrade connection: %w", err)
	}
	if l, ok := c.(*limitedConn); ok {
		l.release() // what it becomes has a limit of its own, and shall lock nobody out
	}
	_, err = fmt.Fprintf(c, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: %s\r\n\r\n", protocol)
	if err != nil {
		_ = c.Close()
		return nil, nil, fmt.Errorf("upgrade connection: %w", err)
	}
	return c, buf.Reader, nil
}

// openStream makes a request whose answer is a stream. The end of ctx ends the wait for it alone.
func (c Client) openStream(ctx context.Context, path string, req any) (net.Conn, error) {
	conn, err := c.dial(ctx, "", "")
	if err != nil {
		return nil, c.streamError(err)
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	in, err := c.upgrade(conn, streamProtocol, path, req)
	if !stop() && err == nil {
		err = ctx.Err()
	}
	if err != nil {
		_ = conn.Close()
		if ctx.Err() != nil {
			err = ctx.Err()
		}
		return nil, c.streamError(err)
	}
	return newUpgraded(conn, in), nil
}

// upgrade makes a request on a connection that is another protocol's from then on, and gives the reader that
// has what came behind the answer.
func (c Client) upgrade(conn net.Conn, protocol, path string, req any) (*bufio.Reader, error) {
	r, err := newRequest(context.Background(), http.MethodPost, path, req)
	if err != nil {
		return nil, err
	}
	r.Header.Set("Connection", "Upgrade")
	r.Header.Set("Upgrade", protocol)
	if err := r.Write(conn); err != nil {
		return nil, err
	}
	in := bufio.NewReader(conn)
	res, err := http.ReadResponse(in, r)
	if err != nil {
		return nil, err
	}
	if res.StatusCode == http.StatusSwitchingProtocols {
		return in, nil
	}
	defer func() { _ = res.Body.Close() }()
	return nil, c.refusal(res)
}
