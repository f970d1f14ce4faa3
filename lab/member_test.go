//go:build linux && lab

// Networks that begin with two commands, and whose members come by invitation.
//
//	A [u0] 192.0.2.1, 2001:db8::1 -----+
//	B [u0] 192.0.2.2, 2001:db8::2 -----+ switch
//	C [u0] 192.0.2.3, 2001:db8::3 -----+
//	...
//
// A founds the network and lets the others in. Within it, on vxm0, all have addresses of the network's
// own choice: whoever founds it is host 1.

package lab

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vxmesh/vxmesh/lab/netns"
)

// Exit codes of the program that only cases about members look for.
const (
	exitFailed  = 1
	exitUsage   = 2
	exitTimeout = 7
)

// soon is how long joining may take, from the command to the first ping.
const soon = 5 * time.Second

// newMember is a node of which there is nothing yet: no keys, no file.
func newMember(h *host, name string) *node {
	h.t.Helper()
	vxmeshOnly(h.t)
	dir := h.t.TempDir()
	return &node{
		host: h, name: name,
		config: filepath.Join(dir, "home.toml"), socket: filepath.Join(dir, "home.sock"),
	}
}

// newMembers is the drawing: a node for each name, the first of which founds the network and is up.
func newMembers(t testing.TB, names ...string) []*node {
	t.Helper()
	upper := make([]string, len(names))
	for i, n := range names {
		upper[i] = strings.ToUpper(n)
	}
	nodes := make([]*node, len(names))
	for i, h := range star(t, upper...) {
		nodes[i] = newMember(h, names[i])
	}
	nodes[0].found()
	nodes[0].start()
	nodes[0].waitUp()
	return nodes
}

// command runs the program where the node is, with files of its machine.
func (n *node) command(args ...string) (string, error) {
	return n.RunArgs(slices.Concat(n.wrap, []string{program}, args)...)
}

// where are the flags of commands that write the node's files.
func (n *node) where() []string {
	return []string{"--name", n.name, "--config", n.config, "--state", n.state()}
}

// found makes the network home and gives its first invitation.
func (n *node) found(flags ...string) (token string) {
	n.t.Helper()
	out, err := n.command(slices.Concat(n.where(), []string{"init", "home", "--json"}, flags)...)
	need(n.t, err)
	return parse[invitation](n.t, out).Token
}

// An invitation is what the program says of one, as far as the lab looks.
type invitation struct {
	ID    string   `json:"id"`
	Token string   `json:"invitation"`
	State string   `json:"state"`
	Spent []string `json:"spent"`
}

func parse[T any](t testing.TB, text string) (v T) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		t.Fatalf("%v in %q", err, text)
	}
	return v
}

// invite makes an invitation with the flags of a command line.
func (n *node) invite(flags ...string) invitation {
	n.t.Helper()
	out, err := n.command(append(flags, "invite", "--network", n.config, "--json")...)
	need(n.t, err)
	return parse[invitation](n.t, out)
}

// invitations are those that the node has made.
func (n *node) invitations() []invitation {
	n.t.Helper()
	out, err := n.command("invite", "list", "--network", n.config, "--json")
	need(n.t, err)
	return parse[struct{ Invitations []invitation }](n.t, out).Invitations
}

// invitationOf is what the node says of an invitation now.
func (n *node) invitationOf(id string) invitation {
	n.t.Helper()
	list := n.invitations()
	i := slices.IndexFunc(list, func(i invitation) bool { return i.ID == id })
	if i < 0 {
		n.t.Fatalf("%s has no invitation %s: %+v", n.name, id, list)
	}
	return list[i]
}

// enter runs `vxmesh join` with an invitation; whatever becomes of it, it ends with the case.
func (n *node) enter(token string) {
	n.t.Helper()
	wrap := n.wrap
	defer func() { n.wrap = wrap }()
	n.wrap = slices.Concat(wrap, []string{"sh", "-c", joinScript, token, n.name, n.state()})
	n.start()
}

// joinScript gets the token, the name and the state directory, and then what [node.start] would run.
const joinScript = `token=$0 name=$1 state=$2 program=$3 config=$5 && shift 5 &&
	exec "$program" join "$token" --yes --name "$name" --state "$state" --config "$config" "$@"`

// turnedAway wants an invitation to be of no use to the node, and it to say why.
func (n *node) turnedAway(token string, code int, words ...string) {
	n.t.Helper()
	n.enter(token)
	n.wantEnd(patience, code, words...)
}

// wantEnd wants the node to end with a code, and these words.
func (n *node) wantEnd(limit time.Duration, code int, words ...string) {
	n.t.Helper()
	got, err := n.proc.Wait(limit)
	need(n.t, err)
	if out := n.proc.Output(); got != code || !containsAll(out, words) {
		n.t.Errorf("%s: exit code %d, want %d and %q:\n%s", n.name, got, code, words, out)
	}
}

// inside is the node's IPv4 address within the network.
func (n *node) inside() (string, error) {
	out, err := n.Run("ip -o -4 addr show dev vxm0")
	if err != nil {
		return "", err
	}
	fields := strings.Fields(out)
	if len(fields) < 4 {
		return "", fmt.Errorf("%s has no address on vxm0 yet", n.name)
	}
	addr, _, _ := strings.Cut(fields[3], "/")
	return addr, nil
}

// meets reports whether all of the nodes have each other as direct peers and nobody else, have
// addresses that differ, and answer each other.
func meets(nodes ...*node) error {
	addrs := make(map[string]*node)
	for _, n := range nodes {
		if err := n.knowsOnly(nodes...); err != nil {
			return err
		}
		addr, err := n.inside()
		if err != nil {
			return err
		}
		if other := addrs[addr]; other != nil {
			return fmt.Errorf("%s and %s both have %s", n.name, other.name, addr)
		}
		addrs[addr] = n
	}
	for _, n := range nodes {
		for addr, other := range addrs {
			if err := n.answered(addr); n != other && err != nil {
				return fmt.Errorf("%s to %s: %w", n.name, other.name, err)
			}
		}
	}
	return nil
}

// answered is [host.canPing] with less patience, for who asks again.
func (h *host) answered(addr string) error {
	_, err := h.Run("ping -n -q -c 1 -W 0.3 " + addr)
	return err
}

// knowsOnly reports whether a node's peers are the others of these, all reached.
func (n *node) knowsOnly(nodes ...*node) error {
	var p struct{ Peers []peerStatus }
	if err := n.tryJSON(&p, "peers"); err != nil {
		return err
	}
	var got, want []string
	for _, s := range p.Peers {
		got = append(got, s.Name+" "+s.State)
	}
	for _, other := range nodes {
		if other != n {
			want = append(want, other.name+" direct")
		}
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		return fmt.Errorf("peers of %s: %q, want %q", n.name, got, want)
	}
	return nil
}

// waitMeet waits until nodes are one network.
func waitMeet(t testing.TB, nodes ...*node) {
	t.Helper()
	meetWithin(t, patience, nodes...)
}

// meetWithin is [waitMeet] with a limit that is itself under test.
func meetWithin(t testing.TB, limit time.Duration, nodes ...*node) {
	t.Helper()
	start := time.Now()
	need(t, netns.Eventually(limit, func() error {
		for _, n := range nodes {
			n.mustRun()
		}
		return meets(nodes...)
	}))
	t.Logf("%d nodes meet after %v", len(nodes), time.Since(start).Round(time.Millisecond))
}

// mustRun ends the case when the node has ended.
func (n *node) mustRun() {
	n.t.Helper()
	select {
	case <-n.proc.Done():
		n.t.Fatalf("%s ended with exit code %d:\n%s", n.name, n.proc.ExitCode(), n.proc.Output())
	default:
	}
}

// TestMemberTwoCommands: init and join are all it takes. It runs alone, because it measures a time.
func TestMemberTwoCommands(t *testing.T) {
	hosts := star(t, "A", "B", "C")
	a, b, c := newMember(hosts[0], "a"), newMember(hosts[1], "b"), newMember(hosts[2], "c")
	token := a.found()
	_, err := a.command(append(a.where(), "init", "home")...)
	if err == nil || !containsAll(err.Error(), []string{"exit status 9", "already", a.config}) {
		t.Errorf("the second init: %v, want exit code %d", err, exitConflict)
	}
	a.start()
	a.waitUp()
	var first string
	eventually(t, func() (err error) { first, err = a.inside(); return err })
	if !strings.HasPrefix(first, "10.") || !strings.HasSuffix(first, ".1") {
		t.Errorf("who founds a network has %s, want host 1 of its pool", first)
	}

	start := time.Now()
	b.enter(token)
	eventually(t, func() error { return b.answered(first) })
	took := time.Since(start)
	t.Logf("the first ping %v after the start of join", took.Round(time.Millisecond))
	if took > soon {
		t.Errorf("the first ping after %v, want it within %v", took, soon)
	}
	waitMeet(t, a, b)
	if got := a.invitations(); len(got) != 1 || got[0].State != "spent" ||
		!slices.Equal(got[0].Spent, []string{"b"}) {
		t.Errorf("invitations %+v", got)
	}
	tcp(t, b.host, a.host, first, 4<<20)

	c.turnedAway(token, exitFailed, "not let into home", "the invitation is used up")
	mine, err := b.inside()
	need(t, err)
	b.stop()
	b.enter(token) // again, on the same machine
	waitMeet(t, a, b)
	if again, err := b.inside(); again != mine {
		t.Errorf("address %s (%v) after a restart, want %s", again, err, mine)
	}
}
