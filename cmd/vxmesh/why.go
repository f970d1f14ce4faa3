package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/vxmesh/vxmesh/tunnel/control"
)

func newWhyCmd(g *globals) *cobra.Command {
	return &cobra.Command{
		Use:     "why PEER",
		Short:   "Say how a peer is reached, or why it is not and what would help",
		Example: "  vxmesh why nas\n  vxmesh why nas --json",
		Args:    takes(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := g.client()
			if err != nil {
				return err
			}
			w, err := c.Why(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			return answer(cmd.OutOrStdout(), g.json, w, whyText)
		},
	}
}

func whyText(w control.Why) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s.\n", strings.TrimSuffix(w.Summary, "."))
	var t table
	t.add("ADDRESS", "KNOWN", "STATE", "RTT", "LAST TRY")
	for _, c := range w.Candidates {
		rtt := ""
		if c.RTTSeconds > 0 {
			rtt = milliseconds(c.RTTSeconds)
		}
		t.add(c.Address, c.Kind, strings.ReplaceAll(string(c.State), "_", " "), rtt, c.LastResult)
	}
	if len(w.Candidates) > 0 {
		b.WriteString("\n" + t.String())
	}
	if len(w.Fixes) > 0 {
		b.WriteString("\nWhat may help:\n")
	}
	for i, fix := range w.Fixes {
		fmt.Fprintf(&b, "  %d. %s\n", i+1, fix)
	}
	return b.String()
}
