package main

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"strings"

	"github.com/spf13/cobra"
)

// What whoever builds outside of a repository says instead of it, with -ldflags "-X main.version=v1.2.3".
// In a repository Go knows better, and no build needs flags to be honest.
var (
	version string
	commit  string
	builder = "source" // who built it: a package, or anybody
)

// A buildVersion is what `version --json` prints.
type buildVersion struct {
	Schema     string `json:"schema"`
	Version    string `json:"version"`     // a tag, or what Go makes of the commit
	Commit     string `json:"commit"`      // "" when nobody knows
	CommitTime string `json:"commit_time"` // RFC 3339; "" when nobody knows
	Modified   bool   `json:"modified"`    // there were changes that are not in the commit
	Build      string `json:"build"`       // who built it: "source", "package", ...
	Go         string `json:"go"`
	OS         string `json:"os"`
	Arch       string `json:"arch"`
}

func newVersionCmd(g *globals) *cobra.Command {
	return &cobra.Command{
		Use:     "version",
		Short:   "Print the version of this program, its commit and its build",
		Example: "  vxmesh version\n  vxmesh version --json",
		Args:    takes(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return answer(cmd.OutOrStdout(), g.json, thisVersion(), versionText)
		},
	}
}

// thisVersion reads what the Go linker knows.
func thisVersion() buildVersion {
	info, _ := debug.ReadBuildInfo()
	return versionOf(info)
}

func versionOf(info *debug.BuildInfo) buildVersion {
	v := buildVersion{
		Schema: "vxmesh.version/1", Version: version, Commit: commit, Build: builder,
		Go: runtime.Version(), OS: runtime.GOOS, Arch: runtime.GOARCH,
	}
	if info == nil {
		info = new(debug.BuildInfo)
	}
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			v.Commit = s.Value
		case "vcs.time":
			v.CommitTime = s.Value
		case "vcs.modified":
			v.Modified = s.Value == "true"
		}
	}
	known := info.Main.Version != "" && info.Main.Version != "(devel)"
	switch {
	case known && (version == "" || v.CommitTime != ""):
		v.Version = info.Main.Version
	case v.Version == "":
		v.Version = "(devel)"
	}
	return v
}

func versionText(v buildVersion) string {
	var b strings.Builder
	fmt.Fprintf(&b, "vxmesh %s %s %s/%s\n", v.Version, v.Go, v.OS, v.Arch)
	switch {
	case v.Commit == "":
		b.WriteString("commit unknown")
	case v.CommitTime == "":
		fmt.Fprintf(&b, "commit %s", v.Commit)
	default:
		fmt.Fprintf(&b, "commit %s of %s", v.Commit, v.CommitTime)
	}
	if v.Modified {
		b.WriteString(", with changes")
	}
	fmt.Fprintf(&b, "\nbuild  %s\n", v.Build)
	return b.String()
}
