package packaging_test

import (
	"encoding/xml"
	"errors"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/vxmesh/vxmesh/packaging"
)

func read(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestUnit: what the rest relies on. systemd-analyze looks at all of it, see `make package-test`.
func TestUnit(t *testing.T) {
	unit, err := packaging.Files.ReadFile("systemd/vxmesh@.service")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"Type=notify", "WatchdogSec=30s", "User=vxmesh", "ExecStart=/usr/bin/vxmesh join /etc/vxmesh/%i.toml",
		"AmbientCapabilities=CAP_NET_ADMIN CAP_NET_RAW", "CapabilityBoundingSet=CAP_NET_ADMIN CAP_NET_RAW", "NoNewPrivileges=yes",
		"StateDirectory=vxmesh vxmesh/%i", "RuntimeDirectory=vxmesh", "RuntimeDirectoryPreserve=yes",
		"SystemCallFilter=sched_getattr sched_setattr", // takeLongSlices
	} {
		if !strings.Contains("\n"+string(unit), "\n"+want+"\n") {
			t.Errorf("the unit has no %s", want)
		}
	}
}

// TestSources: everything that the packages are made of is there, but for what `make` makes.
func TestSources(t *testing.T) {
	lines := regexp.MustCompile(`(?m)^ +(?:- )?(?:src|\w*(?:install|remove|upgrade)): (\S+)`).FindAllStringSubmatch(read(t, "nfpm.yaml"), -1)
	if len(lines) < 20 {
		t.Errorf("only %d", len(lines))
	}
	for _, l := range lines {
		if strings.HasPrefix(l[1], "dist/") || strings.HasPrefix(l[1], "${") {
			continue
		}
		if files, err := filepath.Glob("../" + l[1]); err != nil || len(files) == 0 {
			t.Errorf("there is no %s", l[1])
		}
	}
}

// TestPlist: launchd takes XML, whole.
func TestPlist(t *testing.T) {
	d := xml.NewDecoder(strings.NewReader(read(t, "launchd/io.vxmesh.NETWORK.plist")))
	for {
		if _, err := d.Token(); errors.Is(err, io.EOF) {
			return
		} else if err != nil {
			t.Fatal(err)
		}
	}
}

// TestManifests: all of them are of one version, which a release raises.
func TestManifests(t *testing.T) {
	const number = `(\d+\.\d+\.\d+)`
	was := ""
	for file, pattern := range map[string]string{
		"arch/PKGBUILD":                          `pkgver=` + number,
		"scoop/vxmesh.json":                      `"version": "` + number,
		"homebrew/vxmesh.rb":                     `tags/v` + number + `\.tar`,
		"winget/vxmesh.vxmesh.yaml":              `PackageVersion: ` + number,
		"winget/vxmesh.vxmesh.installer.yaml":    `PackageVersion: ` + number,
		"winget/vxmesh.vxmesh.locale.en-GB.yaml": `PackageVersion: ` + number,
		"nix/flake.nix":                          `version = "` + number,
	} {
		m := regexp.MustCompile(pattern).FindStringSubmatch(read(t, file))
		if m == nil || was != "" && m[1] != was {
			t.Errorf("%s: %v, want %s", file, m, was)
			continue
		}
		was = m[1]
	}
}

// TestTargets: what a release builds is what `make cross` compiles.
func TestTargets(t *testing.T) {
	makefile := read(t, "../Makefile")
	value := func(name string) string {
		m := regexp.MustCompile(`(?m)^(?:export )?` + name + ` +:= ((?:.*\\\n)*.*)$`).FindStringSubmatch(makefile)
		if m == nil {
			t.Fatalf("the Makefile has no %s", name)
		}
		return strings.ReplaceAll(m[1], "\\\n", " ")
	}
	model := map[string]string{"arm": "_" + value("GOARM"), "mipsle": "_" + value("GOMIPS")}
	var want []string
	for _, target := range strings.Fields(value("TARGETS")) {
		system, machine, _ := strings.Cut(target, "/")
		want = append(want, system+"_"+machine+model[machine])
	}
	list := regexp.MustCompile(`targets:\n((?: +- \w+\n)+)`).FindStringSubmatch(read(t, "../.goreleaser.yaml"))
	if list == nil {
		t.Fatal(".goreleaser.yaml has no targets")
	}
	got := strings.Fields(strings.ReplaceAll(list[1], "- ", ""))
	if !slices.Equal(got, want) {
		t.Errorf(".goreleaser.yaml builds\n%q, the Makefile\n%q", got, want)
	}
}
