//go:build linux && lab

// Several admins: how one becomes one, and how one is replaced whose machine was stolen. The drawing is
// that of member_test.go.

package lab

import (
	"fmt"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

// TestMemberStolenAdmin: B is an admin and has let C in when its machine is stolen. A removes it: B
// reaches nobody any more, C goes on, and whom the thief lets in gets no further than B.
func TestMemberStolenAdmin(t *testing.T) {
	t.Parallel()
	hosts := star(t, "A", "B", "C", "D")
	nodes := make([]*node, len(hosts))
	for i, h := range hosts {
		nodes[i] = newMember(h, string(rune('a'+i)))
	}
	a, b, c, d := nodes[0], nodes[1], nodes[2], nodes[3]
	a.found()
	a.start()
	a.waitUp()
	b.enter(a.invite("--admin=true").Token)
	waitMeet(t, a, b)
	c.enter(b.invite().Token)
	waitMeet(t, a, b, c)
	if got := c.issuer(t, a); got != "b" {
		t.Fatalf("C's certificate is by %s, so the case shows nothing", got)
	}
	addrA, addrC := a.wantInside(), c.wantInside()
	beat := c.beat(a.host, addrA)
	beat.steady()
	stolen := filepath.Join(t.TempDir(), "stolen")
	b.run("cp -a %s %s", b.state(), stolen)

	start := time.Now()
	a.about("peer", "remove", "b", "--yes")
	eventuallyWithout(t, start, "b", a, c)
	beat.within(time.Now(), time.Second)
	if got := c.issuer(t, a); got != "a" {
		t.Errorf("C's certificate is by %s, want it signed anew by a", got)
	}
	b.cutOff(t, addrA, addrC)

	// The thief has its machine forget what it was told, and hear nothing of it again.
	b.stop()
	b.onDisk("rm -r $0 && cp -a " + stolen + " $0")
	b.nft(`table inet thief {
		chain out {
			type filter hook output priority filter
			oifname "u0" ip daddr { 192.0.2.1, 192.0.2.3 } drop
			oifname "u0" ip6 daddr { 2001:db8::1, 2001:db8::3 } drop
		}
	}`)
	b.start()
	b.waitUp()
	d.enter(b.invite().Token)
	d.waitPeer("b", "direct", "")
	addrB := b.wantInside()
	eventually(t, func() error { return d.answered(addrB) })
	d.cutOff(t, addrA, addrC)
	b.run("nft delete table inet thief")
	b.cutOff(t, addrA, addrC)
	for _, n := range []*node{a, c} {
		for _, out := range []*node{b, d} {
			need(t, n.without(out.name))
		}
	}
	beat.within(time.Now(), time.Second)

	// As somebody new D may come, by who is an admin.
	d.stop()
	d.run("rm -r %s %s", d.state(), d.config)
	d.enter(a.invite().Token)
	waitMeet(t, a, c, d)
}

// cutOff wants a node to reach none of these addresses, soon and then for a while.
func (n *node) cutOff(t *testing.T, addrs ...string) {
	t.Helper()
	answers := func() error {
		for _, addr := range addrs {
			if n.answered(addr) == nil {
				return fmt.Errorf("%s answers %s", addr, n.name)
			}
		}
		return nil
	}
	start := time.Now()
	eventually(t, answers)
	if took := time.Since(start); took > heard {
		t.Errorf("%s reaches nobody after %v, want it within %v", n.name, took, heard)
	}
	for begin := time.Now(); time.Since(begin) < cutOff; {
		need(t, answers())
	}
}

// wantInside is [node.inside] for who waits.
func (n *node) wantInside() (addr string) {
	n.t.Helper()
	eventually(n.t, func() (err error) { addr, err = n.inside(); return err })
	return addr
}

// issuer is the name of the admin who signed a node's certificate, as another node has it.
func (n *node) issuer(t *testing.T, by *node) string {
	t.Helper()
	var p struct{ Issuer string }
	need(t, by.tryJSON(&p, "peer", "show", n.name))
	return p.Issuer
}

// TestMemberKeyMoves: the network's key goes from A to B, and then to C as well. They let nodes in from
// then on without a restart, which C is told of by a reload.
func TestMemberKeyMoves(t *testing.T) {
	t.Parallel()
	nodes := newMembers(t, "a", "b", "c", "d", "e")
	a, b, c := nodes[0], nodes[1], nodes[2]
	enterAll(t, nodes[:3])
	file := filepath.Join(t.TempDir(), "home.age")
	a.withKey("export", "--network", a.config, "--out", file)
	b.withKey("import", "--network", b.config, "--socket", b.socket, file)
	nodes[3].enter(b.invite().Token)
	waitMeet(t, nodes[:4]...)

	nobody := filepath.Join(t.TempDir(), "none.sock")
	if _, err := c.tryKey("import", "--network", c.config, "--socket", nobody, file); err == nil {
		t.Error("C's node was told on a socket that is not there")
	}
	expectWords(t, c.mustCtl("reload"), "membership.admin", "false -> true")
	nodes[4].enter(c.invite().Token)
	waitMeet(t, nodes...)
}

// tryKey runs a command about the network's key, with a passphrase.
func (n *node) tryKey(args ...string) (string, error) {
	script := []string{"sh", "-c", `echo secret | "$0" key "$@"`, program}
	return n.RunArgs(slices.Concat(n.wrap, script, args)...)
}

func (n *node) withKey(args ...string) {
	n.t.Helper()
	_, err := n.tryKey(args...)
	need(n.t, err)
}
