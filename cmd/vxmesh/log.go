package main

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/vxmesh/vxmesh/tunnel/control"
)

func newLogCmd(g *globals) *cobra.Command {
	var o control.LogOptions
	cmd := &cobra.Command{
		Use:     "log [NETWORK]",
		Short:   "Show the node's last log records",
		Example: "  vxmesh log\n  vxmesh log -f --level warn",
		Args:    orNetwork,
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
		if value := attrText(r.Attrs[key]); value != "" {
			fmt.Fprintf(&b, "  %s=%s", key, word(value))
		}
	}
	return b.String()
}

// attrText is a value as the node wrote it to its own log: JSON made every number one with a point.
func attrText(v any) string {
	if f, ok := v.(float64); ok {
		return strconv.FormatFloat(f, 'f', -1, 64)
	}
	return fmt.Sprint(v)
}
