package main

import (
	"os"

	"github.com/spf13/cobra"
)

// takes refuses any other number of arguments, in words.
func takes(least, most int) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		n := len(args)
		switch {
		case least <= n && n <= most:
			return nil
		case most == 0:
			return usageError(cmd, "`%s` takes no argument, and %q is one", cmd.CommandPath(), args[0])
		case n > most:
			return usageError(cmd, "`%s` takes no more than %s, and %q is one too many",
				cmd.CommandPath(), plural(most, "argument", "arguments"), args[most])
		}
		return usageError(cmd, "something is missing: `%s`", cmd.UseLine())
	}
}

// The variables of the environment that stand for flags which were not given.
const (
	envNetwork = "VXMESH_NETWORK"
	envSocket  = "VXMESH_SOCKET"
)

// fromEnvironment fills in what no flag says. Whoever names a network or a socket means that one, so
// neither of the variables counts then.
func (g *globals) fromEnvironment(cmd *cobra.Command) {
	flags := cmd.Flags()
	if flags.Changed("network") || flags.Changed("socket") {
		return
	}
	g.network, g.socket = os.Getenv(envNetwork), os.Getenv(envSocket)
}

// orNetwork takes an argument that names the network, as --network does.
func orNetwork(cmd *cobra.Command, args []string) error {
	if err := takes(0, 1)(cmd, args); err != nil || len(args) == 0 {
		return err
	}
	flag := cmd.Flags().Lookup("network")
	if flag.Changed && flag.Value.String() != args[0] {
		return usageError(cmd, "there are two networks: %s and --network %s", args[0], flag.Value)
	}
	return cmd.Flags().Set("network", args[0])
}
