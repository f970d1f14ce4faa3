// Command vxmesh stretches Ethernet segments between machines over VXLAN.
//
// It is the only program of the project: `vxmesh join` in the foreground is the daemon, and every
// other command is a client of its control socket or works on files. The commands turn flags and
// files into running parts and hold no logic of their own; each stands in a file of its name.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/vxmesh/vxmesh/internal/guest"
	"github.com/vxmesh/vxmesh/internal/suggest"
)

// commands are the commands of the program, in the order in which help lists them.
var commands = []func(*globals) *cobra.Command{
	newInitCmd,
	newJoinCmd,
	newInviteCmd,
	newLeaveCmd,
	newDemoCmd,
	newLabCmd,
	newTUICmd,
	newStatusCmd,
	newPeersCmd,
	newPeerCmd,
	newPingCmd,
	newNCCmd,
	newWhyCmd,
	newNetcheckCmd,
	newDoctorCmd,
	newWaitCmd,
	newHostsCmd,
	newFDBCmd,
	newStatsCmd,
	newLogCmd,
	newEventsCmd,
	newCaptureCmd,
	newDebugCmd,
	newRunCmd,
	newReloadCmd,
	newConfigCmd,
	newKeyCmd,
	newServiceCmd,
	newCompletionCmd,
	newVersionCmd,
}

func init() { cobra.EnableCommandSorting = false } // the order above says more than the alphabet

// globals are the flags that every command has.
type globals struct {
	network string // "" when not given
	socket  string // "" when not given
	labDir  string // where labs have their sockets
	json    bool

	serves atomic.Bool // this is a daemon, which leaves in its own time
}

// stuckAfter is how long a command may go on after it was told to end.
const stuckAfter = 500 * time.Millisecond

func main() {
	guest.Main()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// The first signal asks; the second is not caught any more and ends the process.
	g := &globals{}
	context.AfterFunc(ctx, func() {
		stop()
		g.endWhenStuck()
	})
	os.Exit(g.run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

// endWhenStuck ends the process of a client that does not end by itself: nothing can wake it from a
// write to a pipe that nobody reads, and it has nothing to clean up.
func (g *globals) endWhenStuck() {
	time.AfterFunc(stuckAfter, func() {
		if !g.serves.Load() {
			os.Exit(exitFailed)
		}
	})
}

// run runs one command and gives the exit code.
func (g *globals) run(
	ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer,
) int {
	root := newRootCmd(g)
	root.SetArgs(args)
	root.SetIn(stdin)
	root.SetOut(stdout)
	root.SetErr(stderr)
	return printError(stderr, root.ExecuteContext(ctx), g.json)
}

func newRootCmd(g *globals) *cobra.Command {
	root := &cobra.Command{
		Use:   "vxmesh",
		Short: "vxmesh stretches Ethernet segments between machines over VXLAN",
		Long: "vxmesh stretches Ethernet segments between machines over VXLAN.\n\n" +
			"Without a command it opens the terminal UI, which also makes and joins networks; where there\n" +
			"is no terminal it prints the first commands.",
		Example:          "  sudo vxmesh init home --start\n  sudo vxmesh join vxm1...\n  vxmesh status",
		SilenceErrors:    true,
		SilenceUsage:     true,
		Args:             noSuchCommand,
		PersistentPreRun: func(cmd *cobra.Command, _ []string) { g.fromEnvironment(cmd) },
		RunE:             func(cmd *cobra.Command, _ []string) error { return runAlone(cmd, g) },
	}
	root.CompletionOptions.DisableDefaultCmd = true // newCompletionCmd says more
	root.SetHelpFunc(help)
	root.SetUsageFunc(usage)
	flags := root.PersistentFlags()
	flags.StringVarP(&g.network, "network", "n", "", "the network, where there are several ($VXMESH_NETWORK)")
	flags.StringVar(&g.socket, "socket", "", "path of the control socket ($VXMESH_SOCKET)")
	flags.BoolVar(&g.json, "json", false, "print JSON")
	root.SetFlagErrorFunc(flagError)
	for _, build := range commands {
		root.AddCommand(build(g))
	}
	root.SetHelpCommand(newHelpCmd(g))
	addCompletions(root, g)
	return root
}

// runAlone is the program without a command: on a terminal the terminal UI, else the short help.
func runAlone(cmd *cobra.Command, g *globals) error {
	if _, atTerminal := terminal(cmd); !atTerminal || terminalError(cmd) != nil {
		return printHelp(cmd)
	}
	return runTUI(cmd, g, &tuiFlags{})
}

// noSuchCommand refuses every argument of a command that only groups others.
func noSuchCommand(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	var names []string
	for _, c := range cmd.Commands() {
		if c.IsAvailableCommand() {
			names = append(names, c.Name())
		}
	}
	if near := suggest.Nearest(args[0], names); near != "" {
		return &cmdError{
			code: exitUsage, err: fmt.Errorf("unknown command %q; did you mean %q?", args[0], near),
		}
	}
	return usageError(cmd, "unknown command %q", args[0])
}

// flagError names the flag that was probably meant.
func flagError(cmd *cobra.Command, err error) error {
	unknown, ok := errors.AsType[*pflag.NotExistError](err)
	if !ok {
		return usageError(cmd, "%v", err)
	}
	var names []string
	cmd.Flags().VisitAll(func(f *pflag.Flag) { names = append(names, f.Name) })
	if near := suggest.Nearest(unknown.GetSpecifiedName(), names); near != "" {
		return &cmdError{code: exitUsage, err: fmt.Errorf("%w; did you mean --%s?", err, near)}
	}
	return usageError(cmd, "%v", err)
}

// usageError is a refusal of what was typed, with a hint to the command's help.
func usageError(cmd *cobra.Command, format string, args ...any) error {
	return &cmdError{
		code: exitUsage, err: fmt.Errorf(format, args...),
		hints: []string{fmt.Sprintf("see `%s --help`", cmd.CommandPath())},
	}
}
