package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestConfigDirs: a user's own file of a network comes before the machine's.
func TestConfigDirs(t *testing.T) {
	own, machine := filepath.Join(t.TempDir(), "not yet"), t.TempDir()
	dirs := []string{own, machine}
	put := func(dir, name string) string {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	if got, want := configIn(dirs, "home.toml"), filepath.Join(machine, "home.toml"); got != want {
		t.Errorf("a network that is nowhere is looked for in %s, want %s", got, want)
	}
	theirs, other := put(machine, "home.toml"), put(machine, "other.toml")
	if got := configsIn(dirs); !slices.Equal(got, []string{theirs, other}) {
		t.Errorf("without own ones: %q", got)
	}
	if err := os.Mkdir(own, 0o700); err != nil {
		t.Fatal(err)
	}
	mine := put(own, "home.toml")
	if got := configIn(dirs, "home.toml"); got != mine {
		t.Errorf("home is %s, want %s", got, mine)
	}
	if got := configsIn(dirs); !slices.Equal(got, []string{mine, other}) {
		t.Errorf("all are %q", got)
	}
}

// TestInitWithoutAPlace makes nothing when its file could not be written in the end.
func TestInitWithoutAPlace(t *testing.T) {
	dir := t.TempDir()
	file, state := filepath.Join(dir, "file"), filepath.Join(dir, "state")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	r := vxmesh(t, "init", "home", "--config", filepath.Join(file, "home.toml"), "--state", state)
	if r.code == exitOK || !strings.Contains(r.errOut, file) {
		t.Errorf("%+v", r)
	}
	if _, err := os.Stat(state); err == nil {
		t.Error("there is a state of a network that was not made")
	}
}
