package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/vxmesh/vxmesh/config"
	"github.com/vxmesh/vxmesh/internal/suggest"
	"github.com/vxmesh/vxmesh/tunnel/control"
)

// labFlags say how a lab is run.
type labFlags struct {
	node, pcap string
	headless   bool
	seed       uint64
	tui        tuiFlags
}

func newLabCmd(g *globals) *cobra.Command {
	var f labFlags
	cmd := &cobra.Command{
		Use:   "lab FILE",
		Short: "Run a network from a file, on an internet in memory: no root, no network",
		Long: "Runs the network that a file describes in this process: whole nodes behind NATs of every kind,\n" +
			"on lines that lose and delay, each with a host in user space. The terminal UI shows one of the\n" +
			"nodes; with --headless, and where there is no terminal, the nodes' logs are printed. In another\n" +
			"terminal, `vxmesh lab exec` runs commands on its nodes, and `vxmesh lab set` has things happen.",
		Example: "  vxmesh lab example > homes.toml\n  vxmesh lab homes.toml\n  vxmesh lab homes.toml --headless --seed 7\n" +
			"  vxmesh lab exec host1 ping host2\n  vxmesh lab set home1 --nat symmetric-random --loss 2%",
		Args: takes(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error { return f.run(cmd, g, args[0]) },
	}
	cmd.PersistentFlags().StringVar(&g.labDir, "dir", control.LabDir(), "the `directory` of the labs' control sockets")
	flags := cmd.Flags()
	flags.StringVar(&f.node, "node", "", "the node that the terminal UI shows; the first with a device if none is named")
	flags.BoolVar(&f.headless, "headless", false, "no terminal UI: print the nodes' logs")
	flags.Uint64Var(&f.seed, "seed", 0, "of chance and of the nodes' keys, in place of the file's")
	flags.StringVar(&f.pcap, "pcap", "", "keep what passes in a `file`, as pcapng")
	flags.StringVar(&f.tui.screen, "screen", "", "begin with this screen of the terminal UI")
	flags.StringVar(&f.tui.theme, "theme", "", "colours of the terminal UI")
	cmd.AddCommand(newLabExecCmd(g), newLabListCmd(g), newLabSetCmd(g), newLabStopCmd(g), newLabExampleCmd())
	return cmd
}

func newLabExampleCmd() *cobra.Command {
	return &cobra.Command{
		Use:     "example",
		Short:   "Print a commented file of a lab",
		Example: "  vxmesh lab example > homes.toml",
		Args:    takes(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, err := io.WriteString(cmd.OutOrStdout(), config.LabExample())
			return err
		},
	}
}

func (f *labFlags) run(cmd *cobra.Command, g *globals, file string) error {
	lab, err := readLab(cmd, file)
	if err != nil {
		return err
	}
	if cmd.Flags().Changed("seed") {
		lab.Lab.Seed = f.seed
	}
	shows := !f.headless && terminalError(cmd) == nil
	o := worldOptions()
	if !shows {
		o.Log = newLogHandler(cmd.ErrOrStderr(), isTerminal(cmd.ErrOrStderr()), "text", slog.LevelInfo)
	}
	r, err := newLabRun(labPlan(lab), o, g.labDir, file)
	if err != nil {
		return err
	}
	looked, err := r.choose(f.node)
	if err != nil {
		r.close()
		return err
	}
	g.serves.Store(true)
	pcap := &lateFile{name: f.pcap}
	err = r.run(cmd.Context(), pcap, func(ctx context.Context) error {
		if shows {
			return f.tui.show(ctx, cmd, control.Client{Socket: r.socket(looked.Name)})
		}
		_, _ = io.WriteString(cmd.OutOrStdout(), labText(r.server.Lab())+"\n")
		<-ctx.Done()
		return nil
	})
	return pcap.finish(cmd, err)
}

// readLab reads a lab's file. What is no file may be a command that was meant.
func readLab(cmd *cobra.Command, file string) (*config.Lab, error) {
	lab, err := config.LoadLab(file)
	if !errors.Is(err, fs.ErrNotExist) {
		return lab, err
	}
	var names []string
	for _, c := range cmd.Commands() {
		names = append(names, c.Name())
	}
	if near := suggest.Nearest(file, names); near != "" && filepath.Ext(file) == "" {
		return nil, &cmdError{code: exitUsage, err: fmt.Errorf("there is no file %s; did you mean `vxmesh lab %s`?", file, near)}
	}
	return nil, &cmdError{
		code: exitNotFound, err: fmt.Errorf("there is no file %s", file),
		hints: []string{"make one  vxmesh lab example > " + file},
	}
}
