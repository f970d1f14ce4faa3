//go:build linux && lab

// Networks of several members: how they grow, stop, come back and shrink. The drawing is that of
// member_test.go.

package lab

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

const (
	// together is how soon a network is whole again all of whose nodes were restarted.
	together = 10 * time.Second
	// heard is how soon everybody knows that a member was removed, and cutOff for how long the case
	// looks whether it comes back.
	heard  = 10 * time.Second
	cutOff = 5 * time.Second
)

// enterAll has nodes join the network of the first.
func enterAll(t *testing.T, nodes []*node) {
	t.Helper()
	token := nodes[0].invite("--uses", fmt.Sprint(len(nodes)-1)).Token
	for _, n := range nodes[1:] {
		n.enter(token)
	}
	waitMeet(t, nodes...)
}

// TestMemberTen: three nodes and then ten, the last seven of which come at once.
func TestMemberTen(t *testing.T) {
	t.Parallel()
	nodes := newMembers(t, strings.Split("abcdefghij", "")...)
	i := nodes[0].invite("--uses", "12")
	for _, n := range nodes[1:3] {
		n.enter(i.Token)
	}
	waitMeet(t, nodes[:3]...)
	for _, n := range nodes[3:] {
		n.enter(i.Token)
	}
	waitMeet(t, nodes...)
	if got := nodes[0].invitationOf(i.ID); len(got.Spent) != 9 || got.State != "open" {
		t.Errorf("invitation %+v, want 9 of 12 uses spent", got)
	}
}

// TestMemberAllRestarted: no node runs for a moment, and one comes back elsewhere.
func TestMemberAllRestarted(t *testing.T) {
	t.Parallel()
	nodes := newMembers(t, "a", "b", "c")
	enterAll(t, nodes)
	a := nodes[0]
	for _, move := range []func(){
		func() {},
		func() { // whom all the others know first
			a.run("ip addr flush dev u0 scope global")
			a.number(91)
		},
	} {
		for _, n := range nodes {
			need(t, n.proc.Signal(syscall.SIGTERM))
		}
		for _, n := range nodes {
			n.wantEnd(patience, exitOK)
		}
		move()
		for _, n := range nodes {
			n.start()
		}
		meetWithin(t, together, nodes...)
	}
}

// TestMemberRemoved: who is removed stays out, with all its keys and in spite of a node that was not
// there to hear of it.
func TestMemberRemoved(t *testing.T) {
	t.Parallel()
	nodes := newMembers(t, "a", "b", "c", "d")
	enterAll(t, nodes)
	a, b, c, d := nodes[0], nodes[1], nodes[2], nodes[3]
	rest := []*node{a, b, d}
	addrs := make([]string, len(rest))
	for i, n := range rest {
		var err error
		addrs[i], err = n.inside()
		need(t, err)
		need(t, c.canPing(addrs[i]))
	}
	b.stop()
	start := time.Now()
	a.about("peer", "remove", "c", "--yes")
	eventuallyWithout(t, start, "c", a, d)
	c.stop()
	c.start()
	b.start()
	begin := time.Now()
	eventuallyWithout(t, begin, "c", b)
	c.waitUp()
	for time.Since(begin) < cutOff {
		for i, n := range rest {
			need(t, n.without("c"))
			if c.answered(addrs[i]) == nil {
				t.Fatalf("%s answers C %v after it came back", n.name, time.Since(begin))
			}
		}
	}
	waitMeet(t, rest...)

	// It may come again as somebody new.
	c.leaves()
	c.enter(a.invite().Token)
	waitMeet(t, nodes...)
}

// about runs a command about members where the node runs.
func (n *node) about(args ...string) {
	n.t.Helper()
	_, err := n.command(append(args, "--network", n.config, "--socket", n.socket)...)
	need(n.t, err)
}

// without reports whether a node has no peer of a name.
func (n *node) without(name string) error {
	var p struct{ Peers []peerStatus }
	if err := n.tryJSON(&p, "peers"); err != nil {
		return err
	}
	if slices.ContainsFunc(p.Peers, func(p peerStatus) bool { return p.Name == name }) {
		return fmt.Errorf("%s has peer %s", n.name, name)
	}
	return nil
}

// eventuallyWithout wants nodes to have heard soon enough that one was removed or has left.
func eventuallyWithout(t *testing.T, start time.Time, name string, nodes ...*node) {
	t.Helper()
	for _, n := range nodes {
		eventually(t, func() error { return n.without(name) })
	}
	took := time.Since(start)
	t.Logf("%s is forgotten after %v", name, took.Round(time.Millisecond))
	if took > heard {
		t.Errorf("%s is forgotten after %v, want it within %v", name, took, heard)
	}
}

// TestMemberLeaves: a node leaves for good, and may come again as somebody new.
func TestMemberLeaves(t *testing.T) {
	t.Parallel()
	nodes := newMembers(t, "a", "b", "c")
	enterAll(t, nodes)
	a, b, c := nodes[0], nodes[1], nodes[2]
	id := c.peerID(t, a)
	start := time.Now()
	c.leaves()
	eventuallyWithout(t, start, "c", a, b)
	for _, gone := range []string{c.state(), c.config} {
		if _, err := os.Stat(gone); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s is still there: %v", gone, err)
		}
	}
	if _, err := os.Stat(c.config + ".left"); err != nil {
		t.Errorf("the file is not kept: %v", err)
	}
	c.enter(a.invite().Token)
	waitMeet(t, nodes...)
	if c.peerID(t, a) == id {
		t.Error("C has come back with the keys that have left")
	}
}

// leaves has the node leave for good, which ends it.
func (n *node) leaves() {
	n.t.Helper()
	_, err := n.command("leave", n.config, "--yes", "--socket", n.socket)
	need(n.t, err)
	n.wantEnd(patience, exitOK)
}

// peerID is the node's id, which another tells.
func (n *node) peerID(t *testing.T, by *node) string {
	t.Helper()
	p, err := by.peer(n.name)
	need(t, err)
	return p.ID
}
