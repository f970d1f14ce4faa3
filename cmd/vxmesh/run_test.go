package main

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/vxmesh/vxmesh/tunnel/control"
)

// TestRunUsage: what cannot be is refused before anything is made.
func TestRunUsage(t *testing.T) {
	none := filepath.Join(t.TempDir(), "home.sock")
	for args, want := range map[string]struct {
		code int
		says string
	}{
		"run":                                   {exitUsage, "something is missing"},
		"run --address 10.0.0.9 -- true":        {exitUsage, "10.0.0.9/24"},
		"run --address none,auto -- true":       {exitUsage, "none goes with no other"},
		"run --address auto,10.0.0.9/8 -- true": {exitUsage, "auto goes with no other"},
		"run --address 224.0.0.1/24 -- true":    {exitUsage, "224.0.0.1/24"},
		"run --name 10.0.0.1 -- true":           {exitUsage, "no name for a guest"},
		"run --vni 16777216 -- true":            {exitUsage, "VNI"},
		"run -- no-such-program-at-all":         {exitNotFound, "no-such-program-at-all"},
		"run -- true":                           {exitNoNode, "no node answers"},
		"run sh -c true":                        {exitNoNode, "no node answers"}, // its flags are its own
	} {
		fields := strings.Fields(args)
		fields = append([]string{fields[0], "--socket", none}, fields[1:]...)
		if r := vxmesh(t, fields...); r.code != want.code || !strings.Contains(r.errOut, want.says) || r.out != "" {
			t.Errorf("%s: %+v", args, r)
		}
	}
}

func TestProgramName(t *testing.T) {
	for path, want := range map[string]string{
		"/usr/bin/curl": "curl", "./a b": "a-b", "7zip": "zip", "_": "guest", "[": "guest", "é": "guest",
		"python3.13": "python3.13", strings.Repeat("a", 40): strings.Repeat("a", 24),
	} {
		got := programName(path)
		if got != want {
			t.Errorf("%s: %s, want %s", path, got, want)
		}
		if err := (control.GuestRequest{Program: got}).Check(); err != nil {
			t.Errorf("%s: %v", path, err)
		}
	}
}
