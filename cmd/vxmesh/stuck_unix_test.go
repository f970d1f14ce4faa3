//go:build unix

package main

import (
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestSignalEndsAStuckClient ends a capture whose standard output nobody reads with one signal.
func TestSignalEndsAStuckClient(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "home.sock")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	full := make(chan error, 1)
	go func() { full <- flood(t, l) }()
	unread, stdout, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = unread.Close() }()
	cmd := exec.Command("vxmesh", "capture", "-w", "-", "--socket", socket)
	cmd.Stdout = stdout
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	_ = stdout.Close()
	if err := <-full; err != nil {
		t.Fatal(err)
	}
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	limit := time.AfterFunc(20*time.Second, func() { _ = cmd.Process.Kill() })
	defer limit.Stop()
	err = cmd.Wait()
	exit, ok := errors.AsType[*exec.ExitError](err)
	if !ok || exit.ExitCode() != exitFailed {
		t.Errorf("it ended with %v, want exit code %d", err, exitFailed)
	}
}

// flood answers one client with more than it can pass on, until nothing moves any more. The
// connection stays open until the test is over.
func flood(t *testing.T, l net.Listener) error {
	c, err := l.Accept()
	if err != nil {
		return err
	}
	t.Cleanup(func() { _ = c.Close() })
	if _, err := c.Read(make([]byte, 4096)); err != nil {
		return err
	}
	text := "HTTP/1.1 200 OK\r\nContent-Length: 1000000000000\r\n\r\n"
	for {
		if err := c.SetWriteDeadline(time.Now().Add(500 * time.Millisecond)); err != nil {
			return err
		}
		if _, err := c.Write([]byte(text)); errors.Is(err, os.ErrDeadlineExceeded) {
			return nil
		} else if err != nil {
			return err
		}
		text = strings.Repeat("x", 1<<16)
	}
}
