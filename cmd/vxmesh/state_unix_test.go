//go:build unix

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/vxmesh/vxmesh/config"
	"github.com/vxmesh/vxmesh/identity"
)

// joinFile writes a config with a peer, whose state is in dir.
func joinFile(t *testing.T, dir string) string {
	t.Helper()
	path := filepath.Join(dir, "home.toml")
	text := fmt.Sprintf("[network]\nname = \"home\"\nstate = %q\n[[segments]]\nvni = 4242\n"+
		"[[peers]]\nname = \"nas\"\nkey = %q\n", dir, config.Key{1})
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestJoinRefusesAnIdentity ends with the code and the advice that fit.
func TestJoinRefusesAnIdentity(t *testing.T) {
	dir := t.TempDir()
	path, file := filepath.Join(dir, "identity.key"), joinFile(t, dir)
	if _, err := identity.Create(path); err != nil {
		t.Fatal(err)
	}
	refused := func(code int, message, hint string) {
		t.Helper()
		r := vxmesh(t, "join", file, "--socket", filepath.Join(dir, "s"))
		if r.code != code || !strings.Contains(r.errOut, message) || !strings.Contains(r.errOut, hint) {
			t.Errorf("%+v", r)
		}
	}
	held, err := identity.Claim(path)
	if err != nil {
		t.Fatal(err)
	}
	refused(exitConflict, "the state directory "+dir+" is in use by another node", "network.state")
	held.Release()
	if err := os.WriteFile(path, []byte("ed25519_seed = x\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	refused(exitConfig, "identity.key: line 1: ed25519_seed is not in base64", "put it back")
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	refused(exitPermission, "others than its owner can use it (mode 0644)", "chmod 600 "+path)
}
