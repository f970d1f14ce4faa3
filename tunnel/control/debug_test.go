package control_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/vxmesh/vxmesh/tunnel/control"
	"github.com/vxmesh/vxmesh/tunnel/control/controltest"
)

func TestDebugTexts(t *testing.T) {
	c := control.Client{Socket: controltest.New().Serve(t)}
	var stacks, file, lines bytes.Buffer
	err := errors.Join(c.Stacks(t.Context(), &stacks), c.Packets(t.Context(), &file, false), c.Packets(t.Context(), &lines, true))
	if err != nil || stacks.String() != "goroutine 1 [running]:\n" || file.String() != "pcapng" ||
		!strings.HasSuffix(lines.String(), "> a packet\n") {
		t.Errorf("%v: %q, %q, %q", err, stacks.String(), file.String(), lines.String())
	}
	if code, body := request(t, c.Socket, "GET", "/v1/debug/packets?format=pcap", ""); code != http.StatusBadRequest {
		t.Errorf("%d %s", code, body)
	}
}

// TestProfiles takes one of each kind: gzip, but for the trace.
func TestProfiles(t *testing.T) {
	c := control.Client{Socket: controltest.New().Serve(t)}
	for _, k := range control.ProfileKinds() {
		var out bytes.Buffer
		begin := "\x1f\x8b"
		if k == control.ProfileTrace {
			begin = "go 1."
		}
		err := c.Profile(t.Context(), &out, control.ProfileRequest{Kind: k, Seconds: 0.01})
		if err != nil || !strings.HasPrefix(out.String(), begin) {
			t.Errorf("%s: %v, %d bytes", k, err, out.Len())
		}
	}
	for _, r := range []control.ProfileRequest{
		{}, {Kind: "hea"}, {Kind: "cpu", Seconds: -1}, {Kind: "cpu", Seconds: 301},
	} {
		if err := c.Profile(t.Context(), io.Discard, r); control.AsError(err).Code != control.CodeUsage {
			t.Errorf("%+v: %v", r, err)
		}
	}
	err := control.ProfileRequest{Kind: "hea"}.Check()
	if err == nil || !strings.Contains(err.Error(), `did you mean "heap"?`) {
		t.Error(err)
	}
}

// TestOneProfileAtATime: who comes second is told so, and who leaves ends the measuring.
func TestOneProfileAtATime(t *testing.T) {
	c := control.Client{Socket: controltest.New().Serve(t)}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	done := make(chan error, 1)
	conflicts := func(err error) bool { return err != nil && control.AsError(err).Code == control.CodeConflict }
	go func() {
		err := control.ErrInUse
		for conflicts(err) { // with what is tried below
			err = c.Profile(ctx, io.Discard, control.ProfileRequest{Kind: control.ProfileCPU, Seconds: 300})
		}
		done <- err
	}()
	heap := func() error {
		return c.Profile(t.Context(), io.Discard, control.ProfileRequest{Kind: control.ProfileHeap})
	}
	eventually(t, "the first to begin", func() bool { return conflicts(heap()) })
	cancel()
	if err := <-done; err == nil {
		t.Error("the first ended in order")
	}
	eventually(t, "the first to be over", func() bool { return heap() == nil })
}

// TestPanickedRequest: it gets an answer if none has begun, and the server goes on.
func TestPanickedRequest(t *testing.T) {
	b := controltest.New().Backend()
	b.Why = func(string) (control.Why, error) { panic("it broke") }
	c := control.Client{Socket: serveBackend(t, b)}
	_, err := c.Why(t.Context(), "nas")
	if e := control.AsError(err); e.Code != control.CodeFailed || e.Message != "the node made a mistake; crash report of it broke: a.tar.gz" {
		t.Errorf("%+v", e)
	}
	if _, err := c.Status(t.Context()); err != nil {
		t.Error(err)
	}
}
