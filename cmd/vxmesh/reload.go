package main

import (
	"github.com/spf13/cobra"

	"github.com/vxmesh/vxmesh/tunnel/control"
)

func newReloadCmd(g *globals) *cobra.Command {
	return &cobra.Command{
		Use:     "reload [NETWORK]",
		Short:   "Read the config again, and print what changed",
		Example: "  vxmesh reload\n  vxmesh reload -n home",
		Long: "Reads the config again as SIGHUP does, and prints what changed. A file with an error\n" +
			"changes nothing: its errors are printed and the exit code is 3.",
		Args: orNetwork,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := g.client()
			if err != nil {
				return err
			}
			r, err := c.Reload(cmd.Context())
			if err != nil {
				return err
			}
			return answer(cmd.OutOrStdout(), g.json, r, reloadText)
		},
	}
}

// classTexts are the classes of a change as people read them.
var classTexts = map[control.ChangeClass]string{
	control.ChangeApplied:      "applied",
	control.ChangeNeedsRestart: "needs a restart",
}

func reloadText(r control.ReloadResult) string {
	if len(r.Changes) == 0 {
		return r.Network + ": nothing changed\n"
	}
	var t table
	t.add(r.Network + ": " + plural(len(r.Changes), "change", "changes"))
	for _, c := range r.Changes {
		class, ok := classTexts[c.Class]
		if !ok {
			class = string(c.Class) // of a newer node
		}
		t.add("  "+class, c.Key, orNone(c.Old)+" -> "+orNone(c.New))
	}
	return t.String()
}

func orNone(value string) string {
	if value == "" {
		return "(none)"
	}
	return value
}
