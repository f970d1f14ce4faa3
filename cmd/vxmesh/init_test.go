package main

import (
	"path/filepath"
	"testing"

	"github.com/vxmesh/vxmesh/config"
)

// TestInitRelayOnly makes a node without an interface, which can have neither address nor bridge.
func TestInitRelayOnly(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "net.toml")
	args := []string{"init", "net", "--name", "vps", "--config", file, "--state", filepath.Join(dir, "state"), "--relay-only"}
	for _, more := range [][]string{{"--bridge", "br0"}, {"--address", "10.0.0.1/24"}} {
		if r := vxmesh(t, append(args, more...)...); r.code != exitUsage {
			t.Errorf("%v: exit code %d: %s", more, r.code, r.errOut)
		}
	}
	if r := vxmesh(t, args...); r.code != exitOK {
		t.Fatalf("exit code %d: %s", r.code, r.errOut)
	}
	cfg, err := config.Load(file)
	if err != nil {
		t.Fatal(err)
	}
	if d := cfg.Segments[0].Device; d.Kind != config.KindNone || len(d.Addresses) > 0 || cfg.Relay.Serve != "true" {
		t.Errorf("device %+v, relay %+v", d, cfg.Relay)
	}
}

// TestInitUserspace makes a node with a stack of its own, which has an address and no bridge.
func TestInitUserspace(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "net.toml")
	args := []string{"init", "net", "--name", "ci", "--config", file, "--state", filepath.Join(dir, "state"), "--userspace"}
	for _, more := range [][]string{{"--bridge", "br0"}, {"--address", "none"}, {"--relay-only"}} {
		if r := vxmesh(t, append(args, more...)...); r.code != exitUsage {
			t.Errorf("%v: exit code %d: %s", more, r.code, r.errOut)
		}
	}
	if r := vxmesh(t, args...); r.code != exitOK {
		t.Fatalf("exit code %d: %s", r.code, r.errOut)
	}
	cfg, err := config.Load(file)
	if err != nil {
		t.Fatal(err)
	}
	if d := cfg.Segments[0].Device; d.Kind != config.KindUserspace || len(d.Addresses) != 1 || d.Addresses[0].IsValid() {
		t.Errorf("device %+v", d)
	}
}

// TestInitSudo: a user's own node without a device is run by that user.
func TestInitSudo(t *testing.T) {
	relay, stack := setup{flags: setupFlags{relay: true}}, setup{flags: setupFlags{stack: true}}
	for got, want := range map[string]string{
		relay.sudo(1000) + "1": "1", stack.sudo(1000) + "4": "4", relay.sudo(0) + "2": "sudo 2", new(setup).sudo(1000) + "3": "sudo 3",
	} {
		if got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
