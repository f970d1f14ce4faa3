//go:build linux && lab

// Programs whose only network is a segment: `vxmesh run`, of an ordinary user beside a node of the same
// user that has no interface, and of root.
//
//	K vx0 10.0.0.1, fd42::1                           M the node; its guests 10.0.0.N, fd42::N
//	  [u0] 192.0.2.1 ------------- VXLAN ------------- 192.0.2.2 [u0]

package lab

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/vxmesh/vxmesh/lab/netns"
)

// ordinary runs a program, its first argument, as an ordinary user to whom /dev/net/tun has the mode that
// precedes it: both are copies in a mount namespace of the command's own.
const ordinary = `mount -t tmpfs -o mode=755 none /mnt && cp "$2" /mnt/vxmesh && mknod -m "$1" /mnt/tun c 10 200 &&
mount --bind /mnt/tun /dev/net/tun && shift 2 &&
exec setpriv --reuid=65534 --regid=65534 --clear-groups /mnt/vxmesh "$@"`

// asNobody is what precedes a command for it to be an ordinary user's. Where there is no other user than
// the lab's own, below unshare -U, that one is as ordinary as can be.
func asNobody(t *testing.T, tunMode string) []string {
	t.Helper()
	users, err := os.ReadFile("/proc/self/uid_map")
	need(t, err)
	if strings.Fields(string(users))[2] == "1" {
		return nil
	}
	return []string{"unshare", "-m", "sh", "-c", ordinary, "sh", tunMode}
}

// newRunLab is the drawing, up: the node is an ordinary user's.
func newRunLab(t *testing.T) (k *host, n *node) {
	t.Helper()
	vxmeshOnly(t)
	k, m := pair(t)
	k.kernel(segment{
		local: "192.0.2.1", remotes: []string{"192.0.2.2"}, addresses: []string{"10.0.0.1/24"},
	}, 4789)
	k.run("ip addr add fd42::1/64 dev vx0 nodad")
	n = newNode(m, 4789, segment{kind: "none", remotes: []string{"192.0.2.1"}})
	dir, err := os.MkdirTemp("", "vxmesh-run-") // whose parents are open to all, unlike the test's own
	need(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	n.config, n.socket, n.wrap = filepath.Join(dir, "lab.toml"), filepath.Join(dir, "lab.sock"), asNobody(t, "666")
	n.rewrite()
	if n.wrap != nil {
		need(t, errors.Join(os.Chown(dir, nobody, nobody), os.Chown(n.config, nobody, nobody)))
	}
	n.start()
	n.waitUp()
	return k, n
}

// guestArgs is a whole command that runs something as the node's user.
func (n *node) guestArgs(args ...string) []string {
	return append(slices.Clone(n.wrap), append([]string{program, "--socket", n.socket, "run"}, args...)...)
}

// guest runs something in the segment and gives its output, the standard error's too, and its exit code.
func (n *node) guest(args ...string) (string, int) {
	n.t.Helper()
	p, err := n.Start(netns.StartOptions{Args: n.guestArgs(args...)})
	need(n.t, err)
	defer p.Kill()
	code, err := p.Wait(patience)
	need(n.t, err)
	return p.Output(), code
}

// guests are the names of the guests that the node has.
func (n *node) guests() (names []string) {
	n.t.Helper()
	var s struct {
		Segments []struct{ Guests []struct{ Name string } }
	}
	need(n.t, n.tryJSON(&s, "status"))
	for _, g := range s.Segments[0].Guests {
		names = append(names, g.Name)
	}
	return names
}

// TestRunUser: a program of an ordinary user, with a node of an ordinary user, is a host of the segment and
// nothing else.
func TestRunUser(t *testing.T) {
	t.Parallel()
	k, n := newRunLab(t)
	out, code := n.guest("--address", "10.0.0.7/24,fd42::7/64", "--", "sh", "-c",
		"ip -o link; id -u; grep CapEff /proc/self/status; ping -n -q -c 1 -W 5 10.0.0.1 && ping -n -q -c 1 -W 5 fd42::1")
	if code != exitOK || strings.Count(out, "link/") != 2 || strings.Count(out, " 0% packet loss") != 2 {
		t.Errorf("exit code %d:\n%s", code, out)
	}
	if n.wrap != nil {
		expectWords(t, out, fmt.Sprintf("\n%d\n", nobody), "CapEff:\t0000000000000000")
	}
	p, err := n.Start(netns.StartOptions{Args: n.guestArgs("--address", "10.0.0.8/24", "--name", "web", "--", "sleep", "60")})
	need(t, err)
	defer p.Kill()
	eventually(t, func() error { return k.canPing("10.0.0.8") })
	if e := n.guestEntry("web"); e == nil || e.Kind != "local" || e.MAC != k.neighbour("10.0.0.8", "vx0") {
		t.Errorf("the FDB has %+v, K has %s", e, k.neighbour("10.0.0.8", "vx0"))
	}
	out, code = n.guest("--address", "10.0.0.8/24", "--", "true")
	if code != exitConflict {
		t.Errorf("an address of another guest: %d, %s", code, out)
	}
	out, code = n.guest("--address", "10.0.0.1/24", "--", "true")
	if code != exitConflict || !strings.Contains(out, "has 10.0.0.1") {
		t.Errorf("an address of K's: %d, %s", code, out)
	}
	for script, want := range map[string]int{"exit 42": 42, "kill -KILL $$": 137} {
		if out, code := n.guest("--address", "none", "--", "sh", "-c", script); code != want {
			t.Errorf("%s: exit code %d, want %d: %s", script, code, want, out)
		}
	}
	out, code = n.guest("--", "true")
	if code == exitOK || !strings.Contains(out, "--address") {
		t.Errorf("there is no subnet to take an address from: %d, %s", code, out)
	}
	if _, err := n.RunArgs(n.guestArgs("--root", "--address", "none", "--", "ip", "link", "set", "vxm0", "mtu", "1300")...); err != nil {
		t.Errorf("root within may change its interface: %v", err)
	}
}

// guestEntry is the FDB's entry behind a guest.
func (n *node) guestEntry(name string) *fdbEntry {
	n.t.Helper()
	var table struct{ Entries []fdbEntry }
	need(n.t, n.tryJSON(&table, "fdb"))
	for _, e := range table.Entries {
		if e.Port.Kind == "guest" && e.Port.Name == name {
			return &e
		}
	}
	return nil
}

// TestRunTCP: a guest sends as much as it likes, and what arrives is all of it.
func TestRunTCP(t *testing.T) {
	t.Parallel()
	k, n := newRunLab(t)
	var l net.Listener
	need(t, k.Do(func() (err error) {
		l, err = net.Listen("tcp", "10.0.0.1:0")
		return err
	}))
	defer l.Close()
	const size = 32 << 20
	arrived := make(chan int64, 1)
	go func() {
		defer close(arrived)
		if c, err := l.Accept(); err == nil {
			defer c.Close()
			length, _ := io.Copy(io.Discard, c)
			arrived <- length
		}
	}()
	out, code := n.guest("--address", "10.0.0.7/24", "--", "bash", "-c",
		fmt.Sprintf("head -c %d /dev/zero >/dev/tcp/10.0.0.1/%d", size, l.Addr().(*net.TCPAddr).Port))
	if code != exitOK {
		t.Fatalf("exit code %d: %s", code, out)
	}
	if length := <-arrived; length != size {
		t.Errorf("%d bytes arrived, %d were sent", length, size)
	}
}

// TestRunEnds: a run that is killed takes its program and its port with it; a node that is killed leaves the
// program without a cable, until it is back.
func TestRunEnds(t *testing.T) {
	t.Parallel()
	k, n := newRunLab(t)
	stays, err := n.Start(netns.StartOptions{Args: n.guestArgs("--address", "10.0.0.7/24", "--name", "stays", "--", "sleep", "600.5")})
	need(t, err)
	defer stays.Kill()
	killed, err := n.Start(netns.StartOptions{Args: n.guestArgs("--address", "10.0.0.8/24", "--name", "killed", "--", "sleep", "600.25")})
	need(t, err)
	defer killed.Kill()
	eventually(t, func() error { return errors.Join(k.canPing("10.0.0.7"), k.canPing("10.0.0.8")) })

	need(t, killed.Signal(syscall.SIGKILL))
	eventually(t, func() error {
		if names := n.guests(); !slices.Equal(names, []string{"stays"}) {
			return fmt.Errorf("guests are %v", names)
		}
		return noProcess("sleep\x00600.25")
	})

	n.proc.Kill()
	eventually(t, func() error {
		if out := stays.Output(); !strings.Contains(out, "sleep has no network until it is back") {
			return fmt.Errorf("run says %q", out)
		}
		return nil
	})
	n.start()
	n.waitUp()
	eventually(t, func() error { return k.canPing("10.0.0.7") })
	if code, err := stays.Stop(patience); err != nil || code != -1 { // by the signal that the program died of
		t.Errorf("exit code %d, %v", code, err)
	}
	eventually(t, func() error { return noProcess("sleep\x00600.5") })
}

// noProcess wants no process to have that command line.
func noProcess(line string) error {
	lines, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		return err
	}
	for _, f := range lines {
		if text, _ := os.ReadFile(f); strings.HasPrefix(string(text), line) {
			return fmt.Errorf("%s runs %q", f, text)
		}
	}
	return nil
}

// TestRunRefused says what to do about a TAP that is not for this user.
func TestRunRefused(t *testing.T) {
	t.Parallel()
	_, n := newRunLab(t)
	if n.wrap == nil {
		return // whoever has no other users may open what the lab needs
	}
	n.wrap = asNobody(t, "600")
	out, code := n.guest("--address", "none", "--", "true")
	if code != exitPermission {
		t.Errorf("exit code %d, want %d", code, exitPermission)
	}
	expectWords(t, out, "operation not permitted", "chmod 0666 /dev/net/tun")
	out, code = n.guest("--", "no-such-program")
	if code != exitNotFound {
		t.Errorf("exit code %d, want %d: %s", code, exitNotFound, out)
	}
}

// TestRunRoot: beside a node with a TAP, root's programs take free addresses of its subnet.
func TestRunRoot(t *testing.T) {
	t.Parallel()
	vxmeshOnly(t)
	n := join(newHost(t, "M"), segment{
		remotes: []string{"192.0.2.1"}, addresses: []string{"10.0.0.2/24", "fd42::2/64"},
	})
	p, err := n.Start(netns.StartOptions{Args: n.guestArgs("--name", "one", "--", "sleep", "60")})
	need(t, err)
	defer p.Kill()
	out, code := n.guest("--", "sh", "-c", "ip -o addr show dev vxm0; ping -n -q -c 1 -W 5 10.0.0.2 && ping -n -q -c 1 -W 5 fd42::2")
	if code != exitOK || !strings.Contains(out, "inet 10.0.0.") || !strings.Contains(out, "inet6 fd42::") {
		t.Errorf("exit code %d:\n%s", code, out)
	}
	n.mustCtl("fdb", "add", "02:00:00:00:00:01", "one")
	n.write(segment{vni: 101, device: "vxm9", remotes: []string{"192.0.2.1"}})
	n.mustCtl("reload")
	eventually(t, func() error {
		if out := p.Output(); !strings.Contains(out, "vni 100 is no segment of the node any more") {
			return fmt.Errorf("run says %q", out)
		}
		return nil
	})
}

// TestRunTerminal: to a terminal and its shell, run and the program are one job.
func TestRunTerminal(t *testing.T) {
	t.Parallel()
	_, n := newRunLab(t)
	dir := t.TempDir()
	s := &screen{t, filepath.Join(dir, "tmux"), dir}
	s.tmux("-f", "/dev/null", "new-session", "-d", "-x", "100", "-y", "30", "bash --norc --noprofile")
	t.Cleanup(func() { _ = exec.Command("tmux", "-S", s.server, "kill-server").Run() })
	s.types(fmt.Sprintf("PS1='$ '; clear; %s --socket %s run --address none -- bash -c "+
		`'trap "echo in''terrupted" INT; trap "exit 7" QUIT; echo re''ady; while :; do sleep 0.1; done'`, program, n.socket))
	s.press("Enter")
	interrupted := func(times int) {
		t.Helper()
		eventually(t, func() error {
			if got := s.shown(); strings.Count(got, "interrupted\n") != times {
				return fmt.Errorf("the program was not interrupted %d times:\n%s", times, got)
			}
			return nil
		})
	}
	s.shows("ready")
	s.press("C-c")
	interrupted(1)
	s.press("C-z")
	s.shows("Stopped")
	interrupted(1)
	s.types("fg")
	s.press("Enter")
	s.shows("$ fg\n" + program)
	s.press("C-c")
	interrupted(2)
	s.press("C-\\")
	s.types("echo code $?")
	s.press("Enter")
	s.shows("code 7")
	interrupted(2)
}
