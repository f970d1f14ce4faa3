package control_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/vxmesh/vxmesh/tunnel/control"
	"github.com/vxmesh/vxmesh/tunnel/control/controltest"
)

// dialed opens a stream to the node's only host.
func dialed(t *testing.T, socket, protocol string) net.Conn {
	t.Helper()
	c, err := control.Client{Socket: socket}.DialOverlay(t.Context(),
		control.DialRequest{Protocol: protocol, Address: controltest.OverlayHost + ":7"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// TestDialHalfClose: what was sent comes back whole, and then its end.
func TestDialHalfClose(t *testing.T) {
	c := dialed(t, controltest.New().Serve(t), "tcp")
	sent := bytes.Repeat([]byte("0123456789abcdef"), 1<<16)
	go func() {
		_, _ = c.Write(sent)
		_ = c.(interface{ CloseWrite() error }).CloseWrite()
	}()
	got, err := io.ReadAll(c)
	if err != nil || !bytes.Equal(got, sent) {
		t.Errorf("%d bytes came back of %d: %v", len(got), len(sent), err)
	}
}

// TestDialDatagrams: datagrams stay apart, whatever their size.
func TestDialDatagrams(t *testing.T) {
	c := dialed(t, controltest.New().Serve(t), "udp")
	buf := make([]byte, 1<<16)
	for _, size := range []int{0, 1, 1500, 65535} {
		sent := bytes.Repeat([]byte{byte(size)}, size)
		if _, err := c.Write(sent); err != nil {
			t.Fatal(err)
		}
		n, err := c.Read(buf)
		if err != nil || !bytes.Equal(buf[:n], sent) {
			t.Errorf("%d bytes of %d came back: %v", n, size, err)
		}
	}
	_, _ = c.Write([]byte("long"))
	_, _ = c.Write([]byte("next"))
	if n, err := c.Read(buf[:2]); n != 2 || err != nil {
		t.Errorf("a part is %d bytes, %v", n, err)
	}
	if n, _ := c.Read(buf); string(buf[:n]) != "next" {
		t.Errorf("behind what did not fit comes %q", buf[:n])
	}
	if _, err := c.Write(make([]byte, 65536)); err == nil {
		t.Error("a datagram of 65536 bytes was taken")
	}
}

func TestDialRefused(t *testing.T) {
	n := controltest.New()
	c := control.Client{Socket: n.Serve(t)}
	r := control.DialRequest{Protocol: "tcp", Address: "10.42.0.8:22"}
	if _, err := c.DialOverlay(t.Context(), r); control.AsError(err).Code != control.CodeNotFound ||
		!strings.Contains(err.Error(), "no host 10.42.0.8") {
		t.Errorf("no such host: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := c.DialOverlay(ctx, r); !errors.Is(err, context.Canceled) {
		t.Errorf("interrupted: %v", err)
	}
	c.Socket += ".none"
	if _, err := c.DialOverlay(t.Context(), r); !errors.Is(err, control.ErrNoNode) {
		t.Errorf("no node: %v", err)
	}
}

// TestStreamsAreNoConnections: streams do not keep others from asking, and have a limit of their own.
func TestStreamsAreNoConnections(t *testing.T) {
	socket, _ := serveWithin(t, controltest.New(), control.Limits{Conns: 2, Streams: 3})
	var held []net.Conn
	for range 3 {
		held = append(held, dialed(t, socket, "tcp"))
	}
	c := control.Client{Socket: socket}
	r := control.DialRequest{Protocol: "tcp", Address: "nas:7"}
	if _, err := c.DialOverlay(t.Context(), r); err == nil || !strings.Contains(err.Error(), "too many streams, which are 3") {
		t.Errorf("the fourth: %v", err)
	}
	_ = held[0].Close()
	eventually(t, "a stream to end", func() bool {
		conn, err := c.DialOverlay(t.Context(), r)
		if err == nil {
			_ = conn.Close()
		}
		return err == nil
	})
}

// TestServeEndsWithDialed: the end of the node is the end of its streams.
func TestServeEndsWithDialed(t *testing.T) {
	socket, stop := serveWithin(t, controltest.New(), control.Limits{})
	c := dialed(t, socket, "tcp")
	stop()
	_ = c.SetReadDeadline(time.Now().Add(10 * time.Second))
	if _, err := c.Read(make([]byte, 1)); err == nil || errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("the stream goes on: %v", err)
	}
}

func TestPingOverlay(t *testing.T) {
	c := control.Client{Socket: controltest.New().Serve(t)}
	got, err := c.PingOverlay(t.Context(), control.OverlayPing{To: "nas"})
	if err != nil || got.Address != controltest.OverlayHost || got.Schema != control.SchemaPingOverlay {
		t.Errorf("%+v, %v", got, err)
	}
	_, err = c.PingOverlay(t.Context(), control.OverlayPing{To: "10.42.0.9", TimeoutSeconds: 0.01})
	if control.AsError(err).Code != control.CodeTimeout || !strings.Contains(err.Error(), "no answer from 10.42.0.9 within 10ms") {
		t.Errorf("lost: %v", err)
	}
}
