package main

import (
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/vxmesh/vxmesh/tunnel/control"
)

func newDebugCmd(g *globals) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "debug",
		Short: "Look into the running program: stacks, profiles, the last packets",
		Long: "For who looks for a mistake in the program itself. None of this changes what the node does;\n" +
			"`vxmesh doctor` is the one to ask what is wrong with a machine or its network.",
		Example: "  vxmesh debug packets\n  vxmesh debug stacks\n  vxmesh debug profile cpu --out cpu.pprof",
		Args:    noSuchCommand,
		RunE:    func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newDebugPacketsCmd(g), newDebugStacksCmd(g), newDebugProfileCmd(g))
	return cmd
}

func newDebugPacketsCmd(g *globals) *cobra.Command {
	var file string
	cmd := &cobra.Command{
		Use:   "packets",
		Short: "Show the headers of the last packets each way",
		Long: "Shows the headers of the last 1,024 packets each way, which a node always keeps: frames,\n" +
			"datagrams, and what was dropped and why. On a terminal a line each, else as pcapng, with the\n" +
			"three interfaces that `vxmesh capture` has. Payload is never in it.",
		Example: "  vxmesh debug packets\n  vxmesh debug packets -w last.pcapng\n  vxmesh debug packets | wireshark -k -i -",
		Args:    takes(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := g.client()
			if err != nil {
				return err
			}
			text := file == "" && isTerminal(cmd.OutOrStdout())
			return output(cmd, file, func(w io.Writer) error { return c.Packets(cmd.Context(), w, text) })
		},
	}
	cmd.Flags().StringVarP(&file, "write", "w", "", "the pcapng `FILE` to write, - for the standard output")
	return cmd
}

func newDebugStacksCmd(g *globals) *cobra.Command {
	var file string
	cmd := &cobra.Command{
		Use:     "stacks",
		Short:   "Print what every goroutine is at",
		Long:    "Prints the stacks of all goroutines, without arguments: what a node that hangs hangs at.",
		Example: "  vxmesh debug stacks\n  vxmesh debug stacks --out stacks.txt",
		Args:    takes(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := g.client()
			if err != nil {
				return err
			}
			return output(cmd, file, func(w io.Writer) error { return c.Stacks(cmd.Context(), w) })
		},
	}
	addOut(cmd, &file)
	return cmd
}

func newDebugProfileCmd(g *globals) *cobra.Command {
	var file string
	var seconds float64
	cmd := &cobra.Command{
		Use:   "profile cpu|heap|mutex|block|trace",
		Short: "Have the node measure itself",
		Long: "Has the node measure where its time or memory goes, and writes that as Go's tools read it:\n" +
			"cpu    where it computes\n" +
			"heap   what holds memory, now\n" +
			"mutex  who holds locks that others wait for\n" +
			"block  what waits, for locks and channels\n" +
			"trace  everything that the scheduler did, for `go tool trace`; the others are for `go tool pprof`",
		Example: "  vxmesh debug profile cpu --seconds 30 --out cpu.pprof\n  go tool pprof -top cpu.pprof\n" +
			"  vxmesh debug profile heap --out heap.pprof",
		Args: takes(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			r := control.ProfileRequest{Kind: control.ProfileKind(args[0]), Seconds: seconds}
			if err := r.Check(); err != nil {
				return err
			}
			if refuseTerminal(cmd, file) {
				return usageError(cmd, "a profile is not for a terminal; name a file with --out, or use a pipe")
			}
			c, err := g.client()
			if err != nil {
				return err
			}
			doing := "measuring " + args[0]
			if r.Kind != control.ProfileHeap {
				doing += " for " + time.Duration(seconds*float64(time.Second)).String()
			}
			return output(cmd, file, func(w io.Writer) error {
				show := newProgress(cmd, g, false)
				defer show.close()
				return show.try(doing, args[0], func() error { return c.Profile(cmd.Context(), w, r) })
			})
		},
	}
	cmd.Flags().Float64Var(&seconds, "seconds", 10, "measure for so long; the heap takes no time")
	addOut(cmd, &file)
	return cmd
}

func addOut(cmd *cobra.Command, file *string) {
	cmd.Flags().StringVar(file, "out", "", "the `FILE` to write, - for the standard output")
}
