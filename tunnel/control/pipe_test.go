package control_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/vxmesh/vxmesh/tunnel/control"
	"github.com/vxmesh/vxmesh/tunnel/control/controltest"
)

// TestPipe: a node without a socket is reached within the process, until it ends.
func TestPipe(t *testing.T) {
	pipe := control.NewPipe()
	stop := controltest.Run(t, pipe, controltest.New().Backend(), control.Serve)
	c := control.Client{Dial: pipe.Dial}
	if s, err := c.Status(t.Context()); err != nil || s.Network == "" {
		t.Errorf("%+v, %v", s, err)
	}
	stop()
	if _, err := c.Status(t.Context()); !errors.Is(err, control.ErrNoNode) {
		t.Errorf("after its end: %v", err)
	}
}

// TestPipeUnserved: who waits for a server that does not come can be called back.
func TestPipeUnserved(t *testing.T) {
	pipe := control.NewPipe()
	defer func() { _ = pipe.Close() }()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := pipe.Dial(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

// TestLabs: a lab's nodes are not among those of this machine, and what it leaves is cleared.
func TestLabs(t *testing.T) {
	dir := t.TempDir()
	controltest.New().ServeAt(t, control.LabSocket(dir, "homes"))
	controltest.New().ServeAt(t, control.LabNodeSocket(dir, "homes", "host1"))
	leaveStale(t, control.LabSocket(dir, "gone"))
	if got := control.Labs(dir); len(got) != 1 || got[0].Name != "homes" || got[0].Socket != control.LabSocket(dir, "homes") {
		t.Errorf("labs %+v", got)
	}
	for _, n := range control.Networks() {
		if n.Name == "host1" || n.Name == "homes" {
			t.Errorf("%+v is no network of this machine", n)
		}
	}
	if err := control.ClearLab(dir, "homes"); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Lstat(filepath.Join(dir, "homes")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the nodes' sockets are still there: %v", err)
	}
	if err := control.ClearLab(dir, "never"); err != nil {
		t.Error(err)
	}
}
