package main

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/vxmesh/vxmesh/config"
	"github.com/vxmesh/vxmesh/identity"
	"github.com/vxmesh/vxmesh/tunnel/control"
)

// stateConfig is a config whose state directory is dir, with one peer or none.
func stateConfig(dir string, peers bool) *config.Config {
	cfg := config.Default()
	cfg.Network.Name, cfg.Network.State = "home", dir
	if peers {
		cfg.Peers = []config.Peer{{Name: "nas", Key: config.Key{1}}}
	}
	return cfg
}

func claim(t *testing.T, cfg *config.Config) *nodeIdentity {
	t.Helper()
	n, err := claimIdentity(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(n.release)
	return n
}

// TestNodesWithoutPeersShareAState gives each an identity of its own, the same ones next time.
func TestNodesWithoutPeersShareAState(t *testing.T) {
	dir := t.TempDir()
	first, second := claim(t, stateConfig(dir, false)), claim(t, stateConfig(dir, false))
	if first.ID() == second.ID() || string(first.Seed()) == string(second.Seed()) {
		t.Error("two nodes are one")
	}
	if want := filepath.Join(dir, "identity-2.key"); second.path != want || !second.extra {
		t.Errorf("the second has %s, want %s", second.path, want)
	}
	if second.epoch <= first.epoch {
		t.Errorf("starts are counted %d, %d", first.epoch, second.epoch)
	}
	first.release()
	second.release()
	third, fourth := claim(t, stateConfig(dir, true)), claim(t, stateConfig(dir, false))
	if third.ID() != first.ID() || fourth.ID() != second.ID() || third.extra {
		t.Error("a restart made other nodes of them")
	}
}

func TestTooManyShareAState(t *testing.T) {
	dir := t.TempDir()
	for range maxShared {
		claim(t, stateConfig(dir, false))
	}
	n, err := claimIdentity(stateConfig(dir, false))
	if control.AsError(err).Code != control.CodeConflict {
		t.Errorf("got %+v, %v", n, err)
	}
}

// TestNodesWithPeersDoNotShareAState refuses the second of them, whichever has peers.
func TestNodesWithPeersDoNotShareAState(t *testing.T) {
	for _, firstHasPeers := range []bool{true, false} {
		dir := t.TempDir()
		claim(t, stateConfig(dir, firstHasPeers))
		_, err := claimIdentity(stateConfig(dir, true))
		e := control.AsError(err)
		want := "the state directory " + dir + " is in use by another node"
		if e.Code != control.CodeConflict || e.Message != want || len(e.Fix) == 0 ||
			!strings.Contains(e.Fix[0], "network.state") {
			t.Errorf("%+v", e)
		}
		// Nor may a reload give peers to one that came second.
		if second := claim(t, stateConfig(dir, false)); second.check(stateConfig(dir, true)) == nil {
			t.Error("a node that peers do not know by its key takes them")
		}
	}
}

func TestOwnKeyAmongThePeers(t *testing.T) {
	dir := t.TempDir()
	i, err := identity.Open(filepath.Join(dir, "identity.key"))
	if err != nil {
		t.Fatal(err)
	}
	cfg := stateConfig(dir, true)
	cfg.Peers[0].Key = config.Key(i.PublicKey())
	_, err = claimIdentity(cfg)
	e := control.AsError(err)
	if e.Code != control.CodeConfig || !strings.Contains(e.Message, "peer nas is that of this node") {
		t.Errorf("%+v", e)
	}
	claim(t, stateConfig(dir, true)) // it was released
}

func TestMeshPortHints(t *testing.T) {
	mesh := []netip.AddrPort{netip.MustParseAddrPort("0.0.0.0:42420"), netip.MustParseAddrPort("[::]:42420")}
	for _, tt := range []struct {
		err  error
		code int
		hint string
	}{
		{fmt.Errorf("listen on [::]:42420: %w", syscall.EADDRINUSE), exitConflict, "[listen] mesh"},
		{fmt.Errorf("listen on 0.0.0.0:42420: %w", syscall.EADDRNOTAVAIL), exitFailed, "listen.mesh"},
		{fmt.Errorf("listen on 0.0.0.0:4242: %w", syscall.EADDRINUSE), exitConflict, "[listen] vxlan"},
	} {
		var out strings.Builder
		code := printError(&out, joinError(meshPortError(mesh, tt.err)), false)
		if code != tt.code || !strings.Contains(out.String(), tt.hint) {
			t.Errorf("%v: code %d: %s", tt.err, code, out.String())
		}
	}
}

func TestKeyOfAConfig(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "home.toml")
	// The keys of the peers, and much else, are not there yet.
	text := fmt.Sprintf("[network]\nname = \"home\"\nstate = %q\n[security]\nidentity = \"my.key\"\n"+
		"[[peers]]\nname = \"nas\"\nkey = \"\"\n", filepath.Join(dir, "state"))
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "state", "my.key")
	r := vxmesh(t, "key", "show", "--config", file)
	i, err := identity.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	key := i.PublicKey()
	want := base64.StdEncoding.EncodeToString(key[:])
	if r.out != want+"\n" || r.errOut != "made "+path+"\n" || r.code != exitOK {
		t.Errorf("%+v, want %s", r, want)
	}
	r = vxmesh(t, "key", "show", "--config", file, "--json")
	var shown shownKey
	if err := json.Unmarshal([]byte(r.out), &shown); err != nil || r.errOut != "" {
		t.Errorf("%v: %+v", err, r)
	}
	if shown != (shownKey{"vxmesh.key/1", want, fmt.Sprintf("%x", i.ID())}) {
		t.Errorf("%+v", shown)
	}
	// What says where the identity is has to be right.
	if err := os.WriteFile(file, []byte("[network]\nname = \"Home\"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	r = vxmesh(t, "key", "show", "--config", file)
	if r.code != exitConfig || !strings.Contains(r.errOut, "network.name") ||
		strings.Contains(r.errOut, "segment") {
		t.Errorf("%+v", r)
	}
}
