package main

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"github.com/vxmesh/vxmesh/topology"
	"github.com/vxmesh/vxmesh/topology/tour"
	"github.com/vxmesh/vxmesh/topology/vtep"
	"github.com/vxmesh/vxmesh/tunnel/control"
)

// demoFlags say what the demo shows.
type demoFlags struct {
	plain, all, kernel bool
	pcap               string
	seed               uint64
	count              int
	pause              time.Duration
}

func newDemoCmd(g *globals) *cobra.Command {
	var f demoFlags
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Show how two machines behind NATs come together: no root, no network",
		Long: "Runs three whole nodes in this process, on an internet in memory: two at home behind NATs, and\n" +
			"a relay that both reach. The one pings the other, through the relay at first, then directly.\n" +
			"The terminal UI shows it as the first machine sees it. With --plain, and where there is no\n" +
			"terminal, it is told as a text that explains every packet, and ends by itself.",
		Example: "  vxmesh demo\n  vxmesh demo --plain\n  vxmesh demo --plain --kernel\n  vxmesh demo --plain --pcap demo.pcapng && wireshark demo.pcapng",
		Args:    takes(0, 0),
		RunE:    func(cmd *cobra.Command, _ []string) error { return f.run(cmd, g) },
	}
	flags := cmd.Flags()
	flags.BoolVar(&f.plain, "plain", false, "tell it as a text")
	flags.BoolVar(&f.all, "all", false, "with --plain: explain every packet, not only those that show something new")
	flags.BoolVar(&f.kernel, "kernel", false, "have this machine's kernel be the second host, in a namespace (Linux)")
	flags.StringVar(&f.pcap, "pcap", "", "keep what passes in a `file`, as pcapng")
	flags.Uint64Var(&f.seed, "seed", demoSeed, "of chance, and of the nodes' keys")
	flags.IntVar(&f.count, "count", 0, "end after so many pings (with --plain: 8)")
	flags.DurationVar(&f.pause, "pause", time.Second, "from one ping to the next")
	return cmd
}

func (f *demoFlags) run(cmd *cobra.Command, g *globals) error {
	switch {
	case f.count < 0 || f.count == 0 && cmd.Flags().Changed("count"):
		return usageError(cmd, "--count is at least 1, not %d", f.count)
	case f.pause < minInterval:
		return usageError(cmd, "--pause is at least %v, not %v", minInterval, f.pause)
	}
	if f.kernel && !vtep.Isolated() {
		return f.isolate(cmd, g)
	}
	plain := f.plain || f.all || terminalError(cmd) != nil
	o := tour.Options{Seed: f.seed, Count: f.count, Every: f.pause, All: f.all, World: worldOptions()}
	if f.kernel {
		k, err := vtep.Start(tour.VNI, tour.Target)
		if err != nil {
			return err
		}
		defer func() { _ = k.Close() }()
		o.Kernel = &topology.Plain{VNI: tour.VNI, Listen: k.Listen, Remote: k.Remote}
	}
	file := &lateFile{name: f.pcap}
	if f.pcap != "" {
		o.Pcap = file
	}
	return file.finish(cmd, f.show(cmd, plain, o))
}

// isolate runs the same command in a namespace.
func (f *demoFlags) isolate(cmd *cobra.Command, g *globals) error {
	g.serves.Store(true) // it is for the other to end
	code, err := vtep.Isolate(cmd.Context())
	if err != nil {
		return &cmdError{code: exitPermission, err: err, hints: []string{"without it: vxmesh demo"}}
	}
	if code != 0 {
		return &cmdError{code: code}
	}
	return nil
}

// show tells the demo as a text, or has the terminal UI show it.
func (f *demoFlags) show(cmd *cobra.Command, plain bool, o tour.Options) error {
	if plain {
		return tour.Tell(cmd.Context(), cmd.OutOrStdout(), o)
	}
	var tui tuiFlags
	return tour.Show(cmd.Context(), o, func(ctx context.Context, c control.Client) error {
		return tui.show(ctx, cmd, c)
	})
}

// worldOptions are what simulated nodes say of the process that they are in.
func worldOptions() topology.Options {
	return topology.Options{Process: processStats, Version: thisVersion().Version}
}
