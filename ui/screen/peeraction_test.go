package screen

import (
	"context"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vxmesh/vxmesh/tunnel/control"
	"github.com/vxmesh/vxmesh/tunnel/control/controltest"
)

// A peersNode answers what the page asks for, and remembers it.
type peersNode struct {
	*controltest.Node
	did []string
}

// serve runs the node behind a socket. Its methods are called one after the other.
func (n *peersNode) serve(t *testing.T) control.Client {
	t.Helper()
	change := func(verb string) func(string) (control.Peer, error) {
		return func(peer string) (control.Peer, error) {
			n.did = append(n.did, verb+" "+peer)
			return control.Peer{Name: peer}, nil
		}
	}
	b := n.Backend()
	b.PausePeer, b.ResumePeer, b.ReconnectPeer = change("pause"), change("resume"), change("reconnect")
	b.RemoveMember = func(_ context.Context, r control.RemoveRequest) (control.Removed, error) {
		n.did = append(n.did, "remove "+r.Name)
		return control.Removed{Name: r.Name}, nil
	}
	b.RenameMember = func(_ context.Context, r control.RenameRequest) (control.Renamed, error) {
		n.did = append(n.did, "rename "+r.Name+" "+r.New)
		return control.Renamed{Old: r.Name, Name: r.New}, nil
	}
	path := filepath.Join(t.TempDir(), "home.sock")
	l, err := control.Listen(path, "")
	if err != nil {
		t.Fatal(err)
	}
	controltest.Run(t, l, b, control.Serve)
	return control.Client{Socket: path}
}

// done does what an effect says, as the program would.
func done(t *testing.T, u *UI, c control.Client, e Effect) Do {
	t.Helper()
	do := asked(t, e)
	u.Started(&do)
	result, err := do.Run(t.Context(), c)
	if err != nil {
		t.Fatalf("%s: %v", do.What, err)
	}
	u.Done(&do, result, nil)
	return do
}

func TestPeerChanges(t *testing.T) {
	node := &peersNode{Node: controltest.New()}
	client := node.serve(t)
	u, p := peersWorld(t, "nas")
	run := func(line, did string, keys ...string) Do {
		t.Helper()
		do := done(t, u, client, press(u, keys...))
		if do.CLI != line || len(node.did) == 0 || node.did[len(node.did)-1] != did {
			t.Errorf("%v is %q and did %q, want %q and %q", keys, do.CLI, node.did, line, did)
		}
		return do
	}
	run("vxmesh peer reconnect nas", "reconnect nas", "R")
	if do := run("vxmesh peer pause nas", "pause nas", "d"); do.Undo == nil || do.Undo.CLI != "vxmesh peer resume nas" {
		t.Error("a pause cannot be undone")
	}
	run("vxmesh peer resume nas", "resume nas", "U")
	if e := press(u, "U"); e != nil {
		t.Errorf("an undo is done twice: %v", e)
	}
	paused := u.Net.Peer("nas").Peer
	paused.State, paused.Reason, paused.Path = control.PeerDown, "paused", nil
	u.Net.Apply(control.Event{Time: worldTime, Type: control.EventPeerState, Peer: &paused})
	if do := run("vxmesh peer resume nas", "resume nas", "d"); do.Undo.CLI != "vxmesh peer pause nas" {
		t.Error("a resume cannot be undone")
	}
	press(u, "n")
	typeIn(u, "store")
	run("vxmesh peer rename nas store", "rename nas store", "enter")
	press(u, "D")
	u.Tick(u.Now.Add(time.Second))
	typeIn(u, "nas")
	run("vxmesh peer remove nas", "remove nas", "enter")
	p.list.marked = map[string]bool{"laptop": true, "office": true}
	node.did = nil
	run("vxmesh peer pause laptop && vxmesh peer pause office", "pause office", "d")
	if want := []string{"pause laptop", "pause office"}; !slices.Equal(node.did, want) {
		t.Errorf("%q were done, want %q", node.did, want)
	}
}

func TestPeerQuestions(t *testing.T) {
	node := &peersNode{Node: controltest.New()}
	client := node.serve(t)
	u, p := peersWorld(t, "nas")
	if do := done(t, u, client, press(u, "P")); do.CLI != "vxmesh ping nas --paths" {
		t.Errorf("P is %q", do.CLI)
	}
	if want := []any{control.PingRequest{Peer: "nas", TimeoutSeconds: 3}}; !reflect.DeepEqual(node.Requests(), want) {
		t.Errorf("P asks %+v", node.Requests())
	}
	if !strings.Contains(frame(t, u), "3 ways to nas") {
		t.Error("the answer is not shown")
	}
	press(u, "esc")
	if do := done(t, u, client, press(u, "x")); do.CLI != "vxmesh why nas" {
		t.Errorf("x is %q", do.CLI)
	}
	if !strings.Contains(frame(t, u), "nas is reached directly at 192.0.2.20:42420") {
		t.Error("the answer is not shown")
	}
	press(u, "esc")
	if e := press(u, "enter"); e != nil || !p.detail.open {
		t.Errorf("what x has asked is asked again: %v", e)
	}
	if !strings.Contains(frame(t, u), "203.0.113.9:42420") {
		t.Error("the ways are not shown")
	}
}

func TestPeerRemoveWantsTheName(t *testing.T) {
	u, _ := peersWorld(t, "nas")
	press(u, "D")
	u.Tick(u.Now.Add(time.Second))
	typeIn(u, "y")
	if e := press(u, "enter"); e != nil {
		t.Fatalf("y removes it: %v", e)
	}
}

func TestPeerNames(t *testing.T) {
	u, p := peersWorld(t, "nas")
	for name, good := range map[string]bool{
		"store": true, "a": true, strings.Repeat("a", 32): true, "nas": false, "office": false, "pve1": false, "Nas": false,
		"-a":  false,
		"a b": false, strings.Repeat("a", 33): false, "ä": false,
	} {
		if wrong := u.wrongName("nas", name); (wrong == "") != good {
			t.Errorf("%s: %q", name, wrong)
		}
	}
	p.follow = "store"
	renamed := u.Net.Peer("nas").Peer
	renamed.Name = "store"
	list := control.Peers{}
	for _, v := range u.Net.Peers {
		list.Peers = append(list.Peers, v.Peer)
	}
	i := slices.IndexFunc(list.Peers, func(v control.Peer) bool { return v.Name == "nas" })
	list.Peers[i] = renamed
	u.Net.Apply(control.Event{Time: worldTime, Type: control.EventPeers, Peers: &list})
	if v, _ := p.selected(u); v.Name != "store" {
		t.Errorf("the cursor is at %s after the rename", v.Name)
	}
}

func TestPeersReadOnly(t *testing.T) {
	u, _ := peersWorld(t, "nas")
	u.ReadOnly = true
	for _, key := range []string{"R", "d", "D", "n"} {
		if e := press(u, key); e != nil || len(u.dialogs) > 0 || !strings.Contains(u.toast.text, "read-only") {
			t.Errorf("%s changes something: %v", key, e)
		}
		u.toast.text = ""
	}
}

func TestPeersWithoutOne(t *testing.T) {
	u := newWorld(t)
	status := worldStatus()
	u.Net.Apply(control.Event{Time: worldTime, Type: control.EventSnapshot, Status: &status})
	u.Show(Peers)
	for _, c := range u.bodies[Peers].commands() {
		if c.CLI != nil {
			c.CLI(u)
		}
		if e := c.Run(u); e != nil || len(u.dialogs) > 0 {
			t.Errorf("%s does %v without a peer", c.ID, e)
		}
	}
}

func TestPeersCommandLines(t *testing.T) {
	u, p := peersWorld(t, "nas")
	odd := control.Peer{Name: "it's; rm -rf", State: control.PeerDown}
	u.Net.Apply(control.Event{Time: worldTime, Type: control.EventPeerState, Peer: &odd})
	p.list.cursor = odd.Name
	got := map[string]string{}
	for _, c := range u.commands {
		if c.Page == Peers && c.CLI != nil {
			got[c.ID] = c.CLI(u)
		}
	}
	name := `'it'\''s; rm -rf'`
	want := map[string]string{
		"peer.details": "vxmesh peer show " + name, "peer.why": "vxmesh why " + name,
		"peer.ping":      "vxmesh ping " + name + " --paths",
		"peer.reconnect": "vxmesh peer reconnect " + name, "peer.pause": "vxmesh peer pause " + name,
		"peer.macs":   "vxmesh fdb show",
		"peer.remove": "vxmesh peer remove " + name, "peer.rename": "vxmesh peer rename " + name + " NAME",
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("command lines %q, want %q", got, want)
	}
}

func TestShowMACs(t *testing.T) {
	u, _ := peersWorld(t, "lab-rack")
	press(u, "f")
	if u.Page() != FDB {
		t.Fatal("f does not go to the FDB")
	}
	if s := frame(t, u); !strings.Contains(s, "7 of 41") || !strings.Contains(s, "port=lab-rack") {
		t.Errorf("the FDB is not filtered:\n%s", s)
	}
}

func TestQuoted(t *testing.T) {
	if got := quoted("a\x1b[31m\n"); strings.ContainsAny(got, "\x1b\n") {
		t.Errorf("%q reaches the clipboard", got)
	}
	for name, want := range map[string]string{
		"nas": "nas", "a.b_c:d-1": "a.b_c:d-1", "": "''", "a b": "'a b'", "it's": `'it'\''s'`, "$(x)": "'$(x)'",
	} {
		if got := quoted(name); got != want {
			t.Errorf("quoted(%q) = %s, want %s", name, got, want)
		}
	}
}
