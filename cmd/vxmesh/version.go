package main

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

// A buildVersion is what `version --json` prints.
type buildVersion struct {
	Schema  string `json:"schema"`
	Version string `json:"version"` // a tag, or what Go makes of the commit
	Go      string `json:"go"`
	OS      string `json:"os"`
	Arch    string `json:"arch"`
}

func newVersionCmd(g *globals) *cobra.Command {
	return &cobra.Command{
		Use:     "version",
		Short:   "Print the version of this program",
		Example: "  vxmesh version\n  vxmesh version --json",
		Args:    takes(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			v := thisVersion()
			if g.json {
				return printJSON(cmd.OutOrStdout(), v)
			}
			_, err := fmt.Fprintf(cmd.OutOrStdout(), "vxmesh %s %s %s/%s\n", v.Version, v.Go, v.OS, v.Arch)
			return err
		},
	}
}

// thisVersion reads what the Go linker knows, so that no build needs flags to be honest.
func thisVersion() buildVersion {
	v := buildVersion{
		Schema: "vxmesh.version/1", Version: "(devel)",
		Go: runtime.Version(), OS: runtime.GOOS, Arch: runtime.GOARCH,
	}
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		v.Version = info.Main.Version
	}
	return v
}
