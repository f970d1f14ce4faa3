//go:build linux && lab

// Invitations that are worth nothing, and machines that stop where it hurts most. The drawing is that
// of member_test.go.

package lab

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vxmesh/vxmesh/lab/netns"
)

// TestMemberOneUse: two redeem one invitation at once, ten times, and one of them gets in.
func TestMemberOneUse(t *testing.T) {
	t.Parallel()
	nodes := newMembers(t, "a", "b", "c")
	a := nodes[0]
	for round := range 10 {
		i := a.invite()
		b := newMember(nodes[1].host, fmt.Sprintf("b%d", round))
		c := newMember(nodes[2].host, fmt.Sprintf("c%d", round))
		b.enter(i.Token)
		c.enter(i.Token)
		winner, loser := race(t, b, c)
		loser.wantEnd(patience, exitFailed, "the invitation is used up")
		winner.waitPeer("a", "direct", "")
		winner.kill()
		if got := a.invitationOf(i.ID); len(got.Spent) != 1 || got.Spent[0] != winner.name {
			t.Errorf("round %d: %s got in, the invitation is %+v", round, winner.name, got)
		}
		if _, err := os.Stat(loser.file("membership.json")); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("round %d: %s is a member all the same: %v", round, loser.name, err)
		}
	}
}

// race waits until one of two nodes has ended, and the other has its file.
func race(t *testing.T, b, c *node) (winner, loser *node) {
	t.Helper()
	select {
	case <-b.proc.Done():
		winner, loser = c, b
	case <-c.proc.Done():
		winner, loser = b, c
	case <-time.After(patience):
		t.Fatal("two nodes joined with one invitation for one, or none did")
	}
	eventually(t, func() error {
		winner.mustRun()
		_, err := os.Stat(winner.config)
		return err
	})
	return winner, loser
}

// file is one of the node's state directory.
func (n *node) file(name string) string { return filepath.Join(n.state(), name) }

// TestMemberBadToken: each way in which an invitation can be of no use has its own sentence.
func TestMemberBadToken(t *testing.T) {
	t.Parallel()
	nodes := newMembers(t, "a", "b")
	a, b := nodes[0], nodes[1]
	good := a.invite()

	old := a.invite("--ttl", "1s")
	eventually(t, func() error {
		if i := a.invitationOf(old.ID); i.State != "expired" {
			return fmt.Errorf("invitation %+v, want it to expire", i)
		}
		return nil
	})
	b.turnedAway(old.Token, exitFailed, "the invitation expired on", "ask for a new one")

	withdrawn := a.invite()
	_, err := a.command("invite", "revoke", withdrawn.ID, "--network", a.config)
	need(t, err)
	b.turnedAway(withdrawn.Token, exitFailed, "not let into home", "the invitation was withdrawn")

	// What is wrong with the line shows before anybody is asked.
	half := len(good.Token) / 2
	other := map[bool]string{true: "b", false: "a"}[good.Token[half] == 'a']
	b.turnedAway(good.Token[:half]+other+good.Token[half+1:], exitUsage, "has a typing error")
	b.turnedAway(good.Token[:half], exitUsage, "is cut off")
	b.turnedAway("vxm1"+strings.Repeat("?", 8), exitUsage, "has a typing error")

	taken := newMember(b.host, "a")
	taken.turnedAway(good.Token, exitConflict, "another node has this name", "--name")

	// None of that has cost the good one anything.
	b.enter(good.Token)
	waitMeet(t, a, b)
}

// TestMemberNobodyThere: the node that invited does not run.
func TestMemberNobodyThere(t *testing.T) {
	t.Parallel()
	hosts := star(t, "A", "B")
	a, b := newMember(hosts[0], "a"), newMember(hosts[1], "b")
	token := a.found()
	start := time.Now()
	b.enter(token)
	b.wantEnd(25*time.Second, exitTimeout, "nobody answers at", "192.0.2.1:", "[2001:db8::1]:",
		"can be tried again")
	t.Logf("given up after %v", time.Since(start).Round(time.Millisecond))
	a.start()
	a.waitUp()
	b.enter(token)
	waitMeet(t, a, b)
}

// TestMemberInviterKilled: the inviter stops between spending an invitation and answering. The filter
// lets handshakes out, but nothing of a session: bytes 1 to 3 of a datagram are those of its index.
func TestMemberInviterKilled(t *testing.T) {
	t.Parallel()
	nodes := newMembers(t, "a", "b", "c")
	a, b, c := nodes[0], nodes[1], nodes[2]
	i := a.invite()
	a.nft(`table inet gag {
		chain out {
			type filter hook output priority filter
			oifname "u0" meta l4proto udp @th,72,24 != 0 drop
		}
	}`)
	b.enter(i.Token)
	eventually(t, func() error {
		b.mustRun()
		if s := a.spendings(t, i.ID); len(s) == 0 {
			return errors.New("nobody has redeemed the invitation")
		}
		return nil
	})
	a.kill()
	b.kill()
	issued := a.spendings(t, i.ID)
	if _, err := os.Stat(b.file("membership.json")); !errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("B has heard of its certificate, so the case shows nothing: %v", err)
	}
	a.run("nft delete table inet gag")
	a.start()
	a.waitUp()
	b.enter(i.Token)
	waitMeet(t, a, b)
	if got := b.certificate(t); len(issued) != 1 || got != issued[0] {
		t.Errorf("B has certificate %.20s..., what was issued to it first is %.20s", got, issued)
	}
	c.turnedAway(i.Token, exitFailed, "the invitation is used up")
	if got := a.spendings(t, i.ID); len(got) != 1 {
		t.Errorf("one invitation for one was spent %d times", len(got))
	}
}

// spendings are the certificates that were issued for an invitation, as they are on the disk.
func (n *node) spendings(t *testing.T, id string) (certificates []string) {
	t.Helper()
	var v struct {
		Invitations []struct {
			ID    string
			Spent []struct{ Certificate string }
		}
	}
	n.read(t, "invitations.json", &v)
	for _, i := range v.Invitations {
		for _, s := range i.Spent {
			if strings.HasPrefix(i.ID, id) {
				certificates = append(certificates, s.Certificate)
			}
		}
	}
	return certificates
}

// certificate is the node's own, as it is on the disk.
func (n *node) certificate(t *testing.T) string {
	t.Helper()
	var v struct{ Certificate string }
	n.read(t, "membership.json", &v)
	return v.Certificate
}

// read reads a file of the state directory, which is whole at any moment.
func (n *node) read(t *testing.T, name string, into any) {
	t.Helper()
	b, err := os.ReadFile(n.file(name))
	need(t, err)
	need(t, json.Unmarshal(b, into))
}

// TestMemberJoinerKilled: the joiner stops at any moment, and the same command goes on.
func TestMemberJoinerKilled(t *testing.T) {
	t.Parallel()
	nodes := newMembers(t, "a", "b")
	a, b := nodes[0], nodes[1]
	i := a.invite("--uses", "11")
	start := time.Now()
	b.enter(i.Token)
	b.waitPeer("a", "direct", "")
	whole := time.Since(start)
	b.kill()
	for round := range 10 {
		b := newMember(b.host, fmt.Sprintf("b%d", round))
		b.enter(i.Token)
		moment := rand.N(whole)
		<-time.After(moment)
		b.kill()
		t.Logf("killed after %v of %v, with %v", moment.Round(time.Millisecond),
			whole.Round(time.Millisecond), b.files())
		b.enter(i.Token)
		eventually(t, func() error {
			b.mustRun()
			p, err := b.peer("a")
			if err == nil && p.State != "direct" {
				err = fmt.Errorf("peer a is %s %q", p.State, p.Reason)
			}
			return err
		})
		if certificates := a.spendings(t, i.ID); len(certificates) != round+2 ||
			certificates[round+1] != b.certificate(t) {
			t.Errorf("round %d: %d spendings, want one for each node", round, len(certificates))
		}
		b.kill()
	}
}

// files are what there is of the node on the disk.
func (n *node) files() (names []string) {
	for _, pattern := range []string{n.config, n.file("*")} {
		found, _ := filepath.Glob(pattern)
		for _, f := range found {
			names = append(names, filepath.Base(f))
		}
	}
	return names
}

// TestMemberFullDisk: nothing can be written to the state directory of the inviter, for one reason or
// another. It is a small file system, which goes with the mount namespace that a process of the
// case's holds.
func TestMemberFullDisk(t *testing.T) {
	t.Parallel()
	names := []string{"a", "b", "c", "d"}
	hosts := star(t, "A", "B", "C", "D")
	nodes := make([]*node, len(names))
	for i, h := range hosts {
		nodes[i] = newMember(h, names[i])
	}
	a, b := nodes[0], nodes[1]
	a.smallDisk(64 << 10)
	token := a.found()
	a.start()
	a.waitUp()
	b.enter(token)
	waitMeet(t, a, b)
	i := a.invite("--uses", "2")
	addr, err := a.inside()
	need(t, err)
	ba := b.beat(a.host, addr)

	for _, c := range []struct {
		joiner             *node
		spoil, clear, word string
	}{
		{nodes[2], "! dd if=/dev/zero of=$0/fill bs=512", "rm $0/fill", "no space left"},
		{nodes[3], "mount --bind -o ro $0 $0", "umount -l $0", "read-only"},
	} {
		before := len(a.invitationOf(i.ID).Spent)
		a.onDisk(c.spoil)
		c.joiner.turnedAway(i.Token, exitFailed, "the inviter cannot issue certificates now", c.word)
		ba.steady()
		need(t, b.answered(addr))
		if got := a.invitationOf(i.ID); len(got.Spent) != before {
			t.Errorf("%s: the invitation is %+v, want nobody new", c.word, got)
		}
		a.onDisk(c.clear)
		c.joiner.enter(i.Token)
		eventually(t, func() error {
			c.joiner.mustRun()
			return c.joiner.answered(addr)
		})
		if got := a.invitationOf(i.ID); len(got.Spent) != before+1 {
			t.Errorf("%s: the invitation is %+v, want one more", c.word, got)
		}
	}
	waitMeet(t, nodes...)
}

// smallDisk gives the node a state directory that has room for so many bytes.
func (n *node) smallDisk(size int) {
	n.t.Helper()
	need(n.t, os.Mkdir(n.state(), 0o700))
	script := fmt.Sprintf("mount -t tmpfs -o mode=700,size=%d none %s && echo ready && exec sleep 1000",
		size, n.state())
	holder, err := n.Start(netns.StartOptions{Args: []string{"unshare", "-m", "sh", "-c", script}})
	need(n.t, err)
	n.t.Cleanup(holder.Kill)
	eventually(n.t, func() error {
		if out := holder.Output(); out != "ready\n" {
			return fmt.Errorf("no file system: %q", out)
		}
		return nil
	})
	n.wrap = []string{"nsenter", fmt.Sprintf("--mount=/proc/%d/ns/mnt", holder.PID())}
}

// onDisk runs a script whose $0 is the node's state directory.
func (n *node) onDisk(script string) {
	n.t.Helper()
	_, err := n.RunArgs(slices.Concat(n.wrap, []string{"sh", "-c", script, n.state()})...)
	need(n.t, err)
}
