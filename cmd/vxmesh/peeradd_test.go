package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/vxmesh/vxmesh/config"
	"github.com/vxmesh/vxmesh/tunnel/control"
	"github.com/vxmesh/vxmesh/tunnel/control/controltest"
)

const (
	nasKey    = "8x4zbhR5V3pBTo7Zy3HcK2dXqYd1m0x0m6Yb5Qm3a1U="
	officeKey = "AgAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
)

// oldConfig ends without a line break, as editors leave files.
const oldConfig = `# mine, and mine alone
[network]
name = "home"   # a comment
node = "pve1"

[[segments]]
vni = 4242

[[peers]]
name = "office"
key = "` + officeKey + `"`

func configFile(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "home.toml")
	if err := os.WriteFile(path, []byte(text), 0o640); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestPeerAdd(t *testing.T) {
	n := controltest.New()
	for socket, note := range map[string]string{
		n.Serve(t):  "",
		"none.sock": "no node runs here: it is taken when home is joined\n",
	} {
		path := configFile(t, oldConfig)
		r := vxmesh(t, "peer", "add", "nas", "--key", nasKey, "--endpoint", "nas.example.net:42420",
			"--endpoint", "[2001:db8::7]:42420", "--relay", "-n", path, "--socket", socket)
		r.want(t, exitOK, "nas is in "+path+"\n"+note)
		text := string(ok[[]byte](t)(os.ReadFile(path)))
		want := oldConfig + "\n\n[[peers]]\nname = \"nas\"\nkey = \"" + nasKey + "\"\n" +
			"endpoints = [\"nas.example.net:42420\", \"[2001:db8::7]:42420\"]\nrelay = true\n"
		if text != want {
			t.Errorf("the file is\n%s", text)
		}
		cfg := ok[*config.Config](t)(config.Load(path))
		if p := cfg.Peers[1]; p.Name != "nas" || len(p.Endpoints) != 2 || !p.Relay {
			t.Errorf("%+v", p)
		}
		info := ok[fs.FileInfo](t)(os.Stat(path))
		if runtime.GOOS != "windows" && info.Mode().Perm() != 0o640 {
			t.Errorf("its mode is %v", info.Mode())
		}
	}
}

// TestPeerAddChangesNothing when the peer is there, is nonsense, or the node does not take the file.
func TestPeerAddChangesNothing(t *testing.T) {
	n := controltest.New()
	socket := n.Serve(t)
	const segmentOfOffice = "[[segments]]\nvni = 1\npeers = [\"offis\"]\n"
	for _, tt := range []struct {
		text  string
		args  string
		code  int
		words string
	}{
		{oldConfig, "office --key " + nasKey, exitConflict, "there is a peer called office already"},
		{oldConfig, "nas --key " + officeKey, exitConflict, "office has this key already"},
		{oldConfig, "nas", exitUsage, "--key is missing"},
		{oldConfig, "nas --key x", exitUsage, "--key"},
		{oldConfig, "nas --key " + nasKey + " --endpoint nas", exitUsage, "host:port"},
		{oldConfig, "pve1 --key " + nasKey, exitUsage, "is this node itself"},
		{oldConfig, "device --key " + nasKey, exitUsage, "own port"},
		{oldConfig, "nas --key " + nasKey + " --endpoint 224.0.0.1:1", exitUsage, "224.0.0.1"},
		{oldConfig + "\n" + segmentOfOffice, "nas --key " + nasKey, exitConfig, `there is no peer "offis"`},
		{oldConfig + "\nx = [", "nas --key " + nasKey, exitConfig, "home.toml"},
		{oldConfig, "nas --key " + nasKey + " --refused", exitFailed, "the file is as it was: port in use"},
	} {
		args, refused := strings.CutSuffix(tt.args, " --refused")
		if n.Refuse(nil); refused {
			n.Refuse(control.Errorf(control.CodeFailed, "port in use"))
		}
		path := configFile(t, tt.text)
		r := vxmesh(t, append(strings.Fields("peer add "+args), "-n", path, "--socket", socket)...)
		r.wantError(t, tt.code, tt.words)
		if text := string(ok[[]byte](t)(os.ReadFile(path))); text != tt.text {
			t.Errorf("%s: the file is\n%s", tt.args, text)
		}
		if left := ok[[]os.DirEntry](t)(os.ReadDir(filepath.Dir(path))); len(left) != 1 {
			t.Errorf("%s: there is %v", tt.args, left)
		}
	}
}

// TestPeerAddOfAnotherFile than that which the node runs.
func TestPeerAddOfAnotherFile(t *testing.T) {
	n, runs, other := controltest.New(), configFile(t, oldConfig), configFile(t, oldConfig)
	st := controltest.Status()
	st.Config.File = runs
	n.SetStatus(st)
	socket := n.Serve(t)
	vxmesh(t, "peer", "add", "nas", "--key", nasKey, "-n", other, "--socket", socket).
		wantError(t, exitConflict, "runs "+runs)
	r := vxmesh(t, "peer", "add", "nas", "--key", nasKey, "--socket", socket)
	r.want(t, exitOK, "nas is in "+runs+"\nit has no endpoint: it has to call this node\n")
	h := newAttic(t)
	own := config.Key(h.id.PublicKey()).String()
	h.run("", "peer", "add", "self", "--key", own).wantError(t, exitUsage, "key of this node itself")
}

func TestPeerChanges(t *testing.T) {
	n := controltest.New()
	socket := n.Serve(t)
	do := func(args ...string) result { return vxmesh(t, append(args, "--socket", socket)...) }
	do("peer", "pause", "nas").want(t, exitOK, "nas is paused, until `vxmesh peer resume nas` or a restart of the node\n")
	do("peer", "resume", "nas").want(t, exitOK, "nas is called again\n")
	do("peer", "reconnect", "nas").want(t, exitOK,
		"nas is looked for from the beginning: `vxmesh why nas` tells what comes of it\n")
	do("peer", "pause", "naas").wantError(t, exitNotFound, `there is no peer "naas"`)
	r := do("peer", "pause", "nas", "--json")
	if r.code != exitOK || !strings.Contains(r.out, `"schema": "vxmesh.peer_changed/1"`) ||
		!strings.Contains(r.out, `"reason": "paused"`) {
		t.Errorf("%+v", r)
	}
}
