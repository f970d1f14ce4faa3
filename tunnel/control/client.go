package control

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// answerTimeout is how long a node may take for an answer that is not a stream; long enough for a
// reload that makes every device anew.
const answerTimeout = 30 * time.Second

// A Client talks to the node behind a socket. Every method may be called concurrently and opens a
// connection of its own. An error is an [*Error], as the node sent it or of the code that fits:
// one that says nobody answers also wraps [ErrNoNode].
type Client struct {
	Socket string // path
	// Dial reaches a node that has no socket, such as one within this process; nil: Socket does.
	Dial func(ctx context.Context) (net.Conn, error)
}

// Status asks what the node is and how it is doing.
func (c Client) Status(ctx context.Context) (Status, error) {
	return call[Status](ctx, c, http.MethodGet, "/v1/status", nil)
}

// Peers asks for the other nodes.
func (c Client) Peers(ctx context.Context) (Peers, error) {
	return call[Peers](ctx, c, http.MethodGet, "/v1/peers", nil)
}

// Ping sends one sealed echo to a peer; one that does not come back is [CodeTimeout].
func (c Client) Ping(ctx context.Context, r PingRequest) (PingReply, error) {
	return call[PingReply](ctx, c, http.MethodPost, "/v1/ping", r)
}

// Why asks how a peer is reached, or what holds that back.
func (c Client) Why(ctx context.Context, peer string) (Why, error) {
	path := "/v1/why?" + url.Values{"peer": {peer}}.Encode()
	return call[Why](ctx, c, http.MethodGet, path, nil)
}

// FDB asks for the entries that the filter selects.
func (c Client) FDB(ctx context.Context, f FDBFilter) (FDB, error) {
	return call[FDB](ctx, c, http.MethodGet, "/v1/fdb"+query(map[string]int{"vni": int(f.VNI)}), nil)
}

// Stats asks for all counters.
func (c Client) Stats(ctx context.Context) (Stats, error) {
	return call[Stats](ctx, c, http.MethodGet, "/v1/stats", nil)
}

// AddFDB adds a static entry.
func (c Client) AddFDB(ctx context.Context, r FDBAdd) (FDBResult, error) {
	return call[FDBResult](ctx, c, http.MethodPost, "/v1/fdb/add", r)
}

// DelFDB deletes an entry.
func (c Client) DelFDB(ctx context.Context, r FDBDel) (FDBResult, error) {
	return call[FDBResult](ctx, c, http.MethodPost, "/v1/fdb/del", r)
}

// FlushFDB removes learned entries.
func (c Client) FlushFDB(ctx context.Context, r FDBFlush) (FDBResult, error) {
	return call[FDBResult](ctx, c, http.MethodPost, "/v1/fdb/flush", r)
}

// Reload makes the node read its config again.
func (c Client) Reload(ctx context.Context) (ReloadResult, error) {
	return call[ReloadResult](ctx, c, http.MethodPost, "/v1/reload", nil)
}

// Events yields a snapshot and then every change until ctx ends or the node leaves, which is a
// plain end. Being cut off is an error, the last thing yielded.
func (c Client) Events(ctx context.Context) iter.Seq2[Event, error] {
	return lines[Event](ctx, c, "/v1/events")
}

// LogOptions select log records; the zero value is all that are kept.
type LogOptions struct {
	Level  string // the least: "error", "warn", "info" or "debug"; "" = all
	Follow bool   // go on with new ones
}

// Log yields log records, oldest first; ends as [Client.Events] does.
func (c Client) Log(ctx context.Context, o LogOptions) iter.Seq2[LogRecord, error] {
	q := url.Values{}
	if o.Level != "" {
		q.Set("level", o.Level)
	}
	if o.Follow {
		q.Set("follow", "1")
	}
	return lines[LogRecord](ctx, c, "/v1/log?"+q.Encode())
}

// Capture copies pcapng to w until ctx ends, which is not an error, the node leaves, or w refuses.
func (c Client) Capture(ctx context.Context, w io.Writer, o CaptureOptions) error {
	path := "/v1/capture" + query(map[string]int{"vni": int(o.VNI), "snaplen": o.SnapLen})
	err := c.copyTo(ctx, w, http.MethodGet, path, nil)
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// copyTo copies the answer to a request to w.
func (c Client) copyTo(ctx context.Context, w io.Writer, method, path string, req any) error {
	body, err := c.open(ctx, method, path, req)
	if err != nil {
		return err
	}
	defer func() { _ = body.Close() }()
	out := &sink{w: w}
	if _, err = io.Copy(out, body); out.err != nil {
		return AsError(out.err) // the node has nothing to do with it
	} else if err != nil {
		return c.streamError(err)
	}
	return nil
}

// A sink remembers what its writer refused.
type sink struct {
	w   io.Writer
	err error
}

// Write implements [io.Writer].
func (s *sink) Write(b []byte) (n int, err error) {
	n, s.err = s.w.Write(b)
	return n, s.err
}

// query makes "?key=n&..." of the numbers that are not zero.
func query(numbers map[string]int) string {
	q := url.Values{}
	for key, n := range numbers {
		if n != 0 {
			q.Set(key, strconv.Itoa(n))
		}
	}
	if len(q) == 0 {
		return ""
	}
	return "?" + q.Encode()
}

// call makes one request with one answer.
func call[T any](ctx context.Context, c Client, method, path string, req any) (v T, err error) {
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	body, err := c.open(ctx, method, path, req)
	if err != nil {
		return v, err
	}
	defer func() { _ = body.Close() }()
	if err := json.NewDecoder(body).Decode(&v); err != nil {
		return v, c.streamError(err)
	}
	return v, nil
}

// lines makes one request with an answer of many lines. The end of ctx and of the answer are a
// plain end of the sequence.
func lines[T any](ctx context.Context, c Client, path string) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		body, err := c.open(ctx, http.MethodGet, path, nil)
		if err == nil {
			defer func() { _ = body.Close() }()
			err = eachLine(body, func(v T) bool { return yield(v, nil) })
		}
		if err != nil && ctx.Err() == nil {
			var none T
			yield(none, c.cutError(err))
		}
	}
}

func eachLine[T any](r io.Reader, take func(T) bool) error {
	for d := json.NewDecoder(r); ; {
		var v T
		err := d.Decode(&v)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if !take(v) {
			return nil
		}
	}
}

// open makes a request and gives the answer's body, or the error it is.
func (c Client) open(ctx context.Context, method, path string, req any) (io.ReadCloser, error) {
	r, err := newRequest(ctx, method, path, req)
	if err != nil {
		return nil, err
	}
	t := &http.Transport{DialContext: c.dial, DisableKeepAlives: true, DisableCompression: true}
	res, err := t.RoundTrip(r)
	if err != nil {
		return nil, c.streamError(err)
	}
	if res.StatusCode == http.StatusOK {
		return res.Body, nil
	}
	defer func() { _ = res.Body.Close() }()
	return nil, c.refusal(res)
}

// newRequest makes a request; req is its body, or nil.
func newRequest(ctx context.Context, method, path string, req any) (*http.Request, error) {
	var body io.Reader
	if req != nil {
		b, err := json.Marshal(req)
		if err != nil {
			return nil, fmt.Errorf("encode request: %w", err)
		}
		body = bytes.NewReader(b)
	}
	r, err := http.NewRequestWithContext(ctx, method, "http://vxmesh"+path, body)
	if err != nil {
		return nil, fmt.Errorf("make request: %w", err)
	}
	return r, nil
}

// refusal is the error that an answer is.
func (c Client) refusal(res *http.Response) *Error {
	e := &Error{}
	err := json.NewDecoder(io.LimitReader(res.Body, 1<<20)).Decode(e)
	if err != nil || e.Message == "" {
		return Errorf(CodeFailed, "the node on %s answered %s", c.Socket, res.Status)
	}
	return e
}

func (c Client) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	if c.Dial != nil {
		return c.Dial(ctx)
	}
	conn, err := (&net.Dialer{}).DialContext(ctx, "unix", c.Socket)
	if err != nil && ctx.Err() == nil {
		err = c.dialError(err)
	}
	return conn, err
}

// dialError says why the socket cannot be used.
func (c Client) dialError(err error) *Error {
	if errors.Is(err, fs.ErrPermission) {
		return &Error{
			Code:    CodePermission,
			Message: fmt.Sprintf("cannot use control socket %s: permission denied", c.Socket),
			Fix:     []string{"use sudo, or join the group that control.group names"},
			cause:   err,
		}
	}
	return &Error{
		Code:    CodeNoNode,
		Message: fmt.Sprintf("%v on %s", ErrNoNode, c.Socket),
		cause:   ErrNoNode,
	}
}

// cutError says how a stream ended before its time. A node that still answers has cut this reader
// off, and there is one reason for that.
func (c Client) cutError(err error) error {
	if errors.Is(err, io.ErrUnexpectedEOF) && inUse(c.Socket) {
		return &Error{
			Code:    CodeFailed,
			Message: fmt.Sprintf("the node on %s broke off the answer: this reader fell behind", c.Socket),
			cause:   err,
		}
	}
	return c.streamError(err)
}

// streamError says in one sentence how a connection ended before its time; nil for nil.
func (c Client) streamError(err error) error {
	if _, known := errors.AsType[*Error](err); known || err == nil {
		return AsError(err)
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return Errorf(CodeTimeout, "the node on %s takes too long to answer", c.Socket)
	}
	if errors.Is(err, context.Canceled) {
		return &Error{Code: CodeFailed, Message: "interrupted", cause: context.Canceled}
	}
	return &Error{
		Code:    CodeFailed,
		Message: fmt.Sprintf("the node on %s broke off the answer: %v", c.Socket, err),
		cause:   err,
	}
}
