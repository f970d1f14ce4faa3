//go:build linux && lab

// A state directory that was copied to another machine.
//
//	A vxm0 10.0.0.1 [u0] 192.0.2.1 ----------------+
//	B vxm0 10.0.0.2 [u0] 192.0.2.2 ----------------+---- switch
//	C with a copy of B's state [u0] 192.0.2.3 -----+

package lab

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestCopiedIdentity: A names both addresses, and each of the two is told of the other.
func TestCopiedIdentity(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		running bool // when it is copied
	}{{"an image", false}, {"while it runs", true}} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			a, b, twin := newTwins(t)
			if !c.running { // of a machine that was started a few times
				need(t, os.WriteFile(filepath.Join(b.state(), "epoch"), []byte("7\n"), 0o600))
				twin.copyState(b)
			}
			joinAll(a, b)
			if c.running {
				twin.copyState(b)
			}
			b.beat(a.host, "10.0.0.1").steady()
			twin.knows(a, meshAt(v4, 1))
			twin.start()
			twin.waitUp()
			twin.beat(a.host, "10.0.0.1")
			a.waitWarning("duplicate_identity", "key of b", meshAt(v4, 2), meshAt(v4, 3))
			b.waitWarning("duplicate_identity", "this node's key", meshAt(v4, 3))
			twin.waitWarning("duplicate_identity", "this node's key", meshAt(v4, 2))
			if s := a.status(); s.State != "degraded" {
				t.Errorf("state %q, want degraded", s.State)
			}
		})
	}
}

// newTwins is the drawing with nobody started and nothing copied.
func newTwins(t *testing.T) (a, b, c *node) {
	t.Helper()
	hosts := star(t, "A", "B", "C")
	a, b = newSealed(hosts[0], overlay(1)), newSealed(hosts[1], overlay(2))
	a.knows(b, meshAt(v4, 2))
	b.knows(a, meshAt(v4, 1))
	return a, b, newSealed(hosts[2], overlay(3))
}

// copyState gives the node the state directory of another.
func (n *node) copyState(from *node) {
	n.t.Helper()
	need(n.t, os.CopyFS(n.state(), os.DirFS(from.state())))
	need(n.t, os.Chmod(filepath.Join(n.state(), "identity.key"), 0o600))
	if n.key() != from.key() {
		n.t.Fatal("the copy has another key")
	}
}

// TestMovedIdentity: a machine that was replaced by its copy is no conflict.
func TestMovedIdentity(t *testing.T) {
	t.Parallel()
	a, b, c := newTwins(t)
	joinAll(a, b)
	b.kill()
	c.copyState(b)
	c.knows(a, meshAt(v4, 1))
	joinAll(c)
	eventually(t, func() error { return a.expectRemote("b", meshAt(v4, 3)) })
	c.ping("10.0.0.1", 56)
	if s := a.status(); len(s.Warnings) != 0 {
		t.Errorf("warnings %+v", s.Warnings)
	}
}

// waitWarning waits for a warning in the status that says all these words.
func (n *node) waitWarning(code string, words ...string) {
	n.t.Helper()
	eventually(n.t, func() error {
		for _, w := range n.status().Warnings {
			if w.Code == code && containsAll(w.Message, words) && w.Fix != "" {
				return nil
			}
		}
		return fmt.Errorf("%s: warnings %+v, want %s with %q", n.name, n.status().Warnings, code,
			words)
	})
}

func containsAll(s string, words []string) bool {
	for _, w := range words {
		if !strings.Contains(s, w) {
			return false
		}
	}
	return true
}
