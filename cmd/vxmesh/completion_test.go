package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/vxmesh/vxmesh/tunnel/control/controltest"
)

func TestCompletionScripts(t *testing.T) {
	for _, s := range completionShells {
		r := vxmesh(t, "completion", s.name)
		if r.code != exitOK || r.errOut != "" || !strings.Contains(r.out, "vxmesh") || len(r.out) < 1000 {
			t.Errorf("%s: code %d, %d bytes, %s", s.name, r.code, len(r.out), r.errOut)
		}
		help := vxmesh(t, "completion", s.name, "--help").out
		if !strings.Contains(help, s.install) {
			t.Errorf("%s: no line to install it:\n%s", s.name, help)
		}
	}
}

// TestCompletion asks as a shell does, for what can stand next.
func TestCompletion(t *testing.T) {
	socket := controltest.New().Serve(t)
	for line, want := range map[string]string{
		"ping ":                           "nas\tdirect",
		"why ":                            "office\tdown",
		"peer show ":                      "pve1",
		"peer pause ":                     "nas\tdirect",
		"fdb del ":                        "52:54:00:1a:22:01\t192.0.2.7",
		"fdb add 52:54:00:1a:22:01 ":      "device\tthis machine",
		"fdb flush --port ":               "nas\tpeer",
		"fdb show --vni ":                 "4242\tvxm0",
		"log --level ":                    "warn",
		"wait --for ":                     "peer:nas\tdirect",
		"tui --screen ":                   "peers",
		"tui --theme ":                    "mono",
		"completion ":                     "zsh\t",
		"fdb ":                            "flush\t",
		"init x --address ":               "auto",
		"peer ":                           "rename\t",
		"help exit-":                      "exit-codes",
		"ping nas ":                       ":4\n",
		"peer rename nas ":                ":4\n",
		"config check ":                   ":0\n",
		"key import ":                     ":0\n",
		"why --socket /no/such/socket x ": ":4\n",
	} {
		args := strings.Split("__complete "+line, " ")
		if !strings.Contains(line, "--socket") {
			args = append([]string{"__complete", "--socket", socket}, args[1:]...)
		}
		r := vxmesh(t, args...)
		if r.code != exitOK || !strings.Contains("\n"+r.out, "\n"+want) {
			t.Errorf("%q: no %q: %+v", line, want, r)
		}
	}
}

// TestCompletionOfNetworks finds those that run, by the directory of their sockets.
func TestCompletionOfNetworks(t *testing.T) {
	runtime := t.TempDir()
	t.Setenv("XDG_RUNTIME_DIR", runtime)
	if os.Geteuid() != 0 {
		if err := os.Mkdir(filepath.Join(runtime, "vxmesh"), 0o700); err != nil {
			t.Fatal(err)
		}
		controltest.New().ServeAt(t, filepath.Join(runtime, "vxmesh", "home.sock"))
		for _, line := range []string{"status ", "-n ", "doctor "} {
			if r := vxmesh(t, strings.Split("__complete "+line, " ")...); !strings.Contains(r.out, "home\truns\n") {
				t.Errorf("%q: %+v", line, r)
			}
		}
	}
	if r := vxmesh(t, "__complete", "invite", "revoke", "-n", "./none.toml", ""); r.code != exitOK || strings.Contains(r.out, "\t") {
		t.Errorf("%+v", r)
	}
	t.Chdir(t.TempDir())
	id := foundNetwork(t)
	if r := vxmesh(t, "__complete", "invite", "revoke", "-n", "./home.toml", ""); !strings.HasPrefix(r.out, id) {
		t.Errorf("no %s: %+v", id, r)
	}
}
