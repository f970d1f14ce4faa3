package remote

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"

	"github.com/vxmesh/vxmesh/tunnel/control"
)

// A Client asks the lab behind a socket. Errors are as those of [control.Client].
type Client struct {
	Socket string // path
}

// Lab asks what runs.
func (c Client) Lab(ctx context.Context) (Lab, error) {
	return call[Lab](ctx, c, http.MethodGet, "/v1/lab", nil)
}

// Change has something happen to a site or a node.
func (c Client) Change(ctx context.Context, r ChangeRequest) (Lab, error) {
	return call[Lab](ctx, c, http.MethodPost, "/v1/change", r)
}

// Stop ends the lab.
func (c Client) Stop(ctx context.Context) (Lab, error) {
	return call[Lab](ctx, c, http.MethodPost, "/v1/stop", nil)
}

// call makes one request.
func call[T any](ctx context.Context, c Client, method, path string, body any) (v T, err error) {
	text, err := json.Marshal(body)
	if err != nil {
		return v, err
	}
	request, err := http.NewRequestWithContext(ctx, method, "http://lab"+path, bytes.NewReader(text))
	if err != nil {
		return v, err
	}
	transport := &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", c.Socket)
		},
	}
	response, err := (&http.Client{Transport: transport}).Do(request)
	if err != nil {
		if ctx.Err() != nil {
			return v, ctx.Err()
		}
		return v, control.AsError(fmt.Errorf("%w on %s: %w", control.ErrNoNode, c.Socket, cause(err)))
	}
	defer func() { _ = response.Body.Close() }()
	answer := json.NewDecoder(io.LimitReader(response.Body, maxAnswer))
	if response.StatusCode != http.StatusOK {
		refusal := new(control.Error)
		if err := answer.Decode(refusal); err != nil {
			return v, fmt.Errorf("the lab gave status %d and no reason", response.StatusCode)
		}
		return v, refusal
	}
	return v, answer.Decode(&v)
}

// maxAnswer is more than any lab has to say, in bytes.
const maxAnswer = 4 << 20

// cause is the error without what the HTTP client says of the request.
func cause(err error) error {
	for next := errors.Unwrap(err); next != nil; next = errors.Unwrap(err) {
		err = next
	}
	return err
}
