package main

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/vxmesh/vxmesh/internal/suggest"
	"github.com/vxmesh/vxmesh/topology/remote"
	"github.com/vxmesh/vxmesh/tunnel/control"
)

// nodeCommands are those that ask a node alone. All others work on this machine's files, or make a node of
// it.
var nodeCommands = []string{
	"capture", "events", "fdb", "log", "netcheck", "peer pause", "peer reconnect", "peer resume", "peer show", "peers",
	"stats", "status", "tui", "wait", "why",
}

func newLabExecCmd(g *globals) *cobra.Command {
	half := len(nodeCommands) / 2 // of them fit a line
	cmd := &cobra.Command{
		Use:   "exec NODE COMMAND [ARGUMENT]...",
		Short: "Run a command on a node of a lab: ping, peers, why, fdb, ...",
		Long: "Runs a command against a node of a lab that runs. `ping` sends ICMP echoes from the node's host\n" +
			"through the segment, to an address or to another node; every other command is one of vxmesh that\n" +
			"asks a node:\n" + strings.Join(nodeCommands[:half], ", ") + ",\n" + strings.Join(nodeCommands[half:], ", ") + ".",
		Example: "  vxmesh lab exec host1 ping host2 -c 3\n  vxmesh lab exec host1 peers\n  vxmesh lab exec host1 why host2\n" +
			"  vxmesh lab exec host2 capture -w - | wireshark -k -i -",
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) < 2 {
				return usageError(cmd, "something is missing: `%s`", cmd.UseLine())
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if args[1] != "ping" && !asksNode(args[1:]) {
				return refuseExec(cmd, args[1:])
			}
			c, node, err := g.labNode(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			if args[1] == "ping" {
				ping := newLabPingCmd(g, c, node)
				ping.SetArgs(args[2:])
				ping.SetOut(cmd.OutOrStdout())
				return ping.ExecuteContext(cmd.Context())
			}
			root := cmd.Root() // once more, as if it had been called so
			root.SetArgs(slices.Concat(args[1:], []string{"--socket", node.Socket}))
			return root.ExecuteContext(cmd.Context())
		},
	}
	cmd.Flags().SetInterspersed(false) // what follows the node is the command's
	return cmd
}

// asksNode reports whether a command asks a node alone.
func asksNode(args []string) bool {
	return slices.Contains(nodeCommands, args[0]) ||
		len(args) > 1 && slices.Contains(nodeCommands, args[0]+" "+args[1])
}

func refuseExec(cmd *cobra.Command, args []string) error {
	if near := suggest.Nearest(args[0], append(nodeCommands, "ping")); near != "" {
		return usageError(cmd, "%q is no command for a node of a lab; did you mean %q?", args[0], near)
	}
	return usageError(cmd, "%q is no command for a node of a lab", strings.Join(args, " "))
}

// newLabPingCmd is ping within the lab.
func newLabPingCmd(g *globals, c remote.Client, from remote.Node) *cobra.Command {
	var p pinger
	var size int
	var timeout time.Duration
	cmd := &cobra.Command{
		Use:           "ping ADDRESS|NODE",
		Example:       "  vxmesh lab exec " + from.Name + " ping 10.77.0.2 -c 3",
		Args:          takes(1, 1),
		SilenceErrors: true, SilenceUsage: true,
		RunE: func(cmd *cobra.Command, args []string) error {
			p.request.Peer, p.request.TimeoutSeconds = args[0], timeout.Seconds()
			if err := p.check(cmd, false, false, timeout); err != nil {
				return err
			}
			p.ask = func(ctx context.Context, _ control.PingRequest) (control.PingReply, error) {
				r, err := c.Ping(ctx, remote.PingRequest{From: from.Name, To: args[0], Size: size, Timeout: timeout})
				return control.PingReply{Peer: args[0], Remote: r.Addr.String(), RTTSeconds: r.RTT.Seconds()}, err
			}
			return p.run(cmd.Context(), cmd.OutOrStdout(), g.json)
		},
	}
	cmd.SetFlagErrorFunc(flagError)
	flags := cmd.Flags()
	flags.BoolVar(&g.json, "json", g.json, "print JSON")
	p.flags(flags, &timeout)
	flags.IntVarP(&size, "size", "s", 56, "bytes that each carries")
	return cmd
}
