package main

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/vxmesh/vxmesh/tunnel/control"
)

func newLogCmd(g *globals) *cobra.Command {
	var o control.LogOptions
	cmd := &cobra.Command{
		Use:     "log",
		Short:   "Show the node's last log records",
		Example: "  vxmesh log\n  vxmesh log -f --level warn",
		Args:    takes(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := g.client()
			if err != nil {
				return err
			}
			records := c.Log(cmd.Context(), o)
			err = follow(cmd.Context(), cmd.OutOrStdout(), g.json, records, recordText)
			if errors.Is(err, errNodeLeft) && !o.Follow {
				return nil // without --follow the end is the end
			}
			return err
		},
	}
	cmd.Flags().BoolVarP(&o.Follow, "follow", "f", false, "go on with new ones")
	cmd.Flags().StringVar(&o.Level, "level", "", "only this level and above: error, warn, info, debug")
	return cmd
}

func recordText(r control.LogRecord) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s  %-5s  %s", r.Time.Local().Format(time.DateTime), r.Level, r.Msg)
	for _, key := range slices.Sorted(maps.Keys(r.Attrs)) {
		fmt.Fprintf(&b, "  %s=%s", key, word(fmt.Sprint(r.Attrs[key])))
	}
	return b.String()
}
