package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/vxmesh/vxmesh/tunnel/control"
)

func newStatusCmd(g *globals) *cobra.Command {
	var watch time.Duration
	var check bool
	cmd := &cobra.Command{
		Use:   "status [NETWORK]",
		Short: "Show segments, devices, VTEPs and peers, and what is wrong with them",
		Long: "Shows segments, devices, VTEPs and peers, and what is wrong with them. With --watch it goes\n" +
			"on until it is interrupted, and shows what flows as well.",
		Example: "  vxmesh status\n  vxmesh status home --watch=10s\n  vxmesh status --check || echo degraded",
		Args:    orNetwork,
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
				w := statusWatch{out: cmd.OutOrStdout(), client: c, json: g.json}
				return w.run(cmd.Context(), watch)
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
	if err := answer(cmd.OutOrStdout(), g.json, s, func(s control.Status) string {
		return statusText(s, nil, time.Now())
	}); err != nil {
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

// statusText is all of it; rates are nil where there is one sample only.
func statusText(s control.Status, rates map[string]rate, now time.Time) string {
	var b strings.Builder
	b.WriteString(segmentLines(s))
	fmt.Fprintf(&b, "node   %s, %s, %s\n", s.Node.Name, s.State, strings.Join(s.Listen, ", "))
	for _, part := range []string{
		peerTable(s.Peers, rates, now), vtepTable(s.Segments), guestTable(s.Segments, now),
		warningText(s.Warnings),
	} {
		if part != "" {
			b.WriteString("\n" + part)
		}
	}
	return b.String()
}

// segmentLines is a line for each segment, the network's name before the first.
func segmentLines(s control.Status) string {
	up := "up " + shortDuration(s.UptimeSeconds)
	if len(s.Segments) == 0 {
		return s.Network + "   " + up + "\n"
	}
	var b strings.Builder
	for i, seg := range s.Segments {
		name := s.Network
		if i > 0 {
			name = strings.Repeat(" ", len(s.Network))
		}
		words := []string{name, fmt.Sprintf("vni %d", seg.VNI)}
		words = append(words, deviceWords(seg.Device)...)
		if i == 0 {
			words = append(words, up)
		}
		b.WriteString(strings.Join(words, "   ") + "\n")
	}
	return b.String()
}

func deviceWords(d control.Device) []string {
	if d.Kind == "none" {
		return []string{"no device"}
	}
	kind := d.Kind
	if d.Bridge != "" {
		kind += map[bool]string{true: " → ", false: " -> "}[speaksUTF8()] + d.Bridge
	}
	words := []string{fmt.Sprintf("%s (%s)", d.Name, kind)}
	if d.State != "up" {
		words[0] += " " + d.State
	}
	words = append(words, d.Addresses...)
	return append(words, fmt.Sprintf("mtu %d", d.MTU))
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

func guestTable(segments []control.SegmentStatus, now time.Time) string {
	var t table
	t.add("VNI", "GUEST", "ADDRESSES", "MAC", "FOR")
	for _, seg := range segments {
		for _, g := range seg.Guests {
			t.add(seg.VNI, g.Name, strings.Join(g.Addresses, " "), g.MAC,
				shortDuration(now.Sub(g.JoinedAt).Seconds()))
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
