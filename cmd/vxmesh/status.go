package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/vxmesh/vxmesh/tunnel/control"
)

func newStatusCmd(g *globals) *cobra.Command {
	var watch time.Duration
	var check bool
	cmd := &cobra.Command{
		Use:     "status",
		Short:   "Show segments, devices, VTEPs and peers, and what is wrong with them",
		Example: "  vxmesh status\n  vxmesh status --watch=10s\n  vxmesh status --check || echo degraded",
		Args:    takes(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if cmd.Flags().Changed("watch") && watch < 100*time.Millisecond {
				return usageError(cmd, "--watch is at least 100ms, not %v", watch)
			}
			if watch > 0 && check {
				return usageError(cmd, "--check asks once, --watch never ends: take one of them")
			}
			c, err := g.client()
			if err != nil {
				return err
			}
			if watch > 0 {
				return watchStatus(cmd.Context(), cmd.OutOrStdout(), c, g.json, watch)
			}
			return showStatus(cmd, g, c, check)
		},
	}
	cmd.Flags().DurationVar(&watch, "watch", 0, "show it again and again; every 2s or --watch=10s")
	cmd.Flags().Lookup("watch").NoOptDefVal = "2s"
	cmd.Flags().BoolVar(&check, "check", false, "end with exit code 8 unless all is well")
	return cmd
}

func showStatus(cmd *cobra.Command, g *globals, c control.Client, check bool) error {
	s, err := c.Status(cmd.Context())
	if err != nil {
		return err
	}
	if err := answer(cmd.OutOrStdout(), g.json, s, statusText); err != nil {
		return err
	}
	if check && !healthy(s) {
		return &cmdError{code: exitDegraded}
	}
	return nil
}

// healthy reports whether the node is up and nothing is wrong with it.
func healthy(s control.Status) bool {
	for _, p := range s.Peers {
		if p.State == control.PeerDown {
			return false
		}
	}
	return s.State == control.StateUp && len(s.Warnings) == 0
}

// watchStatus shows the status again and again, each time in place of the last on a terminal.
func watchStatus(
	ctx context.Context, w io.Writer, c control.Client, asJSON bool, every time.Duration,
) error {
	tick := time.NewTicker(every)
	defer tick.Stop()
	lines := json.NewEncoder(w)
	for {
		s, err := c.Status(ctx)
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil:
			return err
		case asJSON:
			err = lines.Encode(s)
		case isTerminal(w):
			const homeAndClear = "\x1b[H\x1b[2J"
			_, err = io.WriteString(w, homeAndClear+statusText(s))
		default:
			_, err = io.WriteString(w, statusText(s)+"\n")
		}
		if err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

func statusText(s control.Status) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s  %s  up %s  node %s  %s\n",
		s.Network, s.State, shortDuration(s.UptimeSeconds), s.Node.Name, strings.Join(s.Listen, ", "))
	for _, part := range []string{
		deviceTable(s.Segments), vtepTable(s.Segments), peerTable(s.Peers), warningText(s.Warnings),
	} {
		if part != "" {
			b.WriteString("\n" + part)
		}
	}
	return b.String()
}

func deviceTable(segments []control.SegmentStatus) string {
	var t table
	t.add("VNI", "DEVICE", "KIND", "STATE", "MTU", "MAC", "BRIDGE", "ADDRESSES", "FDB")
	for _, seg := range segments {
		d := seg.Device
		t.add(seg.VNI, d.Name, d.Kind, d.State, d.MTU, d.MAC, d.Bridge,
			strings.Join(d.Addresses, ", "), seg.FDBEntries)
	}
	return t.String()
}

func vtepTable(segments []control.SegmentStatus) string {
	var t table
	t.add("VNI", "VTEP", "KIND", "STATE", "MTU", "REASON")
	for _, seg := range segments {
		for _, v := range seg.VTEPs {
			mtu := ""
			if v.MTU > 0 {
				mtu = fmt.Sprint(v.MTU)
			}
			t.add(seg.VNI, v.Remote, v.Kind, v.State, mtu, v.Reason)
		}
	}
	return t.String()
}

func warningText(warnings []control.Warning) string {
	if len(warnings) == 0 {
		return ""
	}
	var b strings.Builder
	b.WriteString(plural(len(warnings), "warning", "warnings") + "\n")
	for _, w := range warnings {
		fmt.Fprintf(&b, "  %s\n", w.Message)
		if w.Fix != "" {
			fmt.Fprintf(&b, "    %s\n", w.Fix)
		}
	}
	return b.String()
}
