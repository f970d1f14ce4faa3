package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"runtime"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/vxmesh/vxmesh/tundev"
	"github.com/vxmesh/vxmesh/tunnel/control"
	"github.com/vxmesh/vxmesh/tunnel/session"
)

func newJoinCmd(g *globals) *cobra.Command {
	var f setupFlags
	var yes, foreground bool
	cmd := &cobra.Command{
		Use:   "join FILE|NETWORK|INVITATION|@FILE|-",
		Short: "Join a network, and run it",
		Long: "Runs the network of a config file until it is stopped: opens the devices and sockets,\n" +
			"logs to standard error, reloads on SIGHUP, leaves cleanly on SIGTERM and ctrl-c.\n\n" +
			"With an invitation (vxm1..., or the name of a file with one behind @, or - for standard\n" +
			"input) it becomes a member first: makes keys, asks the node that invited, and writes a\n" +
			"config file, for which the flags are. Then it runs the network: as a service, where systemd\n" +
			"runs the machine and has this program's unit, else in the foreground.",
		Example: "  sudo vxmesh join home.toml     the network of this file\n" +
			"  sudo vxmesh join home          the network of /etc/vxmesh/home.toml\n" +
			"  sudo vxmesh join vxm1...       the network that somebody invites to",
		Args: takes(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if isInvitation(args[0]) {
				return joinInvitation(cmd, g, args[0], f, yes, foreground)
			}
			if name := firstChanged(cmd, "name", "bridge", "address", "config", "state", "vni", "relay-only", "userspace", "yes"); name != "" {
				return usageError(cmd, "--%s is for joining with an invitation; what runs is in the file", name)
			}
			return join(cmd.Context(), g, configPath(args[0]))
		},
	}
	f.add(cmd)
	cmd.Flags().BoolVar(&yes, "yes", false, "do not ask")
	cmd.Flags().BoolVar(&foreground, "foreground", false, "run in the foreground, also where there are services")
	return cmd
}

// firstChanged gives the first of the flags that was given, or "".
func firstChanged(cmd *cobra.Command, names ...string) string {
	for _, name := range names {
		if cmd.Flags().Changed(name) {
			return name
		}
	}
	return ""
}

// join runs the network of a config file until it is told to stop.
func join(ctx context.Context, g *globals, path string) error {
	return underManager(ctx, func(ctx context.Context, up func(reload func())) error {
		return joinUnder(ctx, g, path, up)
	})
}

// joinUnder is join; up is told when the network is up.
func joinUnder(ctx context.Context, g *globals, path string, up func(reload func())) error {
	cfg, err := readConfig(nil, path)
	if err != nil {
		return err
	}
	if err := checkCipher(cfg.Security.Cipher, session.Cipher.Supported); err != nil {
		return err
	}
	g.serves.Store(true)
	leaveProcessors()
	d, err := newDaemon(path, g.socket, cfg)
	if err != nil {
		return joinError(err)
	}
	defer d.crash.Guard()
	d.up = up
	return joinError(d.run(ctx))
}

// leaveProcessors has Go's scheduler use half of the processors, and two at least. The kernel does more
// than half of the work, inside the loops' own system calls and on the other side of the device, and a
// scheduler with nothing to run spins for a while on each processor it has before it lets go.
// GOMAXPROCS in the environment wins.
func leaveProcessors() {
	if os.Getenv("GOMAXPROCS") == "" {
		runtime.GOMAXPROCS(max(2, runtime.NumCPU()/2))
	}
}

// joinError gives an error of starting or running the exit code and the advice that belong to it.
func joinError(err error) error {
	if err == nil {
		return nil
	}
	if _, said := errors.AsType[*control.Error](err); said {
		return err // with its code and what to do
	}
	ce := &cmdError{code: exitFailed, err: err, hints: tundev.Hints(err)}
	var op *net.OpError
	switch {
	case refusedForIPv6(err, ipv6Switch):
		ce.hints = []string{ipv6Hint}
	case errors.Is(err, tundev.ErrPermission), errors.Is(err, fs.ErrPermission):
		ce.code = exitPermission
	case errors.Is(err, control.ErrInUse):
		ce.code = exitConflict
		ce.hints = []string{
			"see what it does           vxmesh status",
			"or run this beside it      another name in [network], or socket in [control]",
		}
	case errors.Is(err, tundev.ErrInUse):
		ce.code = exitConflict
	case errors.Is(err, tundev.ErrInvalid):
		ce.code = exitConfig
	case errors.Is(err, tundev.ErrNoBridge):
		ce.code = exitNotFound
	case errors.Is(err, syscall.EADDRINUSE):
		ce.code = exitConflict
		ce.hints = inUseHints(err)
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		ce.hints = []string{"listen.vxlan names an address that this machine does not have: ip addr"}
	case errors.As(err, &op):
		ce.err = fmt.Errorf("%s %s: %w", op.Op, op.Addr, op.Err)
	}
	return ce
}
