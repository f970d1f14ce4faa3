package main

import (
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/vxmesh/vxmesh/internal/suggest"
)

// nodeCommands are those that ask a node alone. All others work on this machine's files, or make a node of
// it.
var nodeCommands = []string{
	"capture", "debug packets", "events", "fdb", "log", "nc", "netcheck", "peer pause", "peer reconnect", "peer resume", "peer show", "peers",
	"stats", "status", "tui", "wait", "why",
}

func newLabExecCmd(g *globals) *cobra.Command {
	half := len(nodeCommands) / 2 // of them fit a line
	cmd := &cobra.Command{
		Use:   "exec NODE COMMAND [ARGUMENT]...",
		Short: "Run a command on a node of a lab: ping, peers, why, fdb, ...",
		Long: "Runs a command against a node of a lab that runs. `ping` sends ICMP echoes from the node's host\n" +
			"through the segment, to an address or to another node, as `vxmesh ping --overlay` does; every other\n" +
			"command is one of vxmesh that asks a node:\n" + strings.Join(nodeCommands[:half], ", ") + ",\n" + strings.Join(nodeCommands[half:], ", ") + ".",
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
			node, err := g.labNode(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			then := args[1:]
			if then[0] == "ping" {
				then = slices.Concat([]string{"ping", "--overlay"}, then[1:])
			}
			root := cmd.Root() // once more, as if it had been called so
			root.SetArgs(slices.Concat(then, []string{"--socket", node.Socket}))
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
