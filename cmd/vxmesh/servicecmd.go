package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/spf13/cobra"

	"github.com/vxmesh/vxmesh/tunnel/roster"
)

// A serviceResult is what `service status --json` and its like print.
type serviceResult struct {
	Schema    string   `json:"schema"`
	Network   string   `json:"network"`
	Manager   string   `json:"manager"` // what runs services here
	Unit      string   `json:"unit"`    // what it calls this one
	Installed bool     `json:"installed"`
	Running   bool     `json:"running"`
	Wrote     []string `json:"wrote"`   // files
	Removed   []string `json:"removed"` // files
}

// A serviceVerb is one of the commands of `service`.
type serviceVerb struct {
	use, short, long string
	free             bool // anybody may; the others take the rights of the machine's administrator
	missing          bool // the network's file may be missing
	do               func(ctx context.Context, m serviceManager, r *serviceResult) error
}

var serviceVerbs = []serviceVerb{
	{
		use: "install", short: "Run a network now, and whenever this machine starts",
		long: "Has the service manager run a network now and whenever this machine starts. What runs it comes\n" +
			"with the package; where it did not, it is written, and the files are named.",
		do: func(ctx context.Context, m serviceManager, r *serviceResult) (err error) {
			r.Wrote, err = m.install(ctx, r.Network)
			return err
		},
	},
	{
		use: "uninstall", short: "Stop a network's service, and do not start it any more",
		long:    "Undoes `service install`. The network's file and its keys stay: vxmesh leave removes them.",
		missing: true,
		do: func(ctx context.Context, m serviceManager, r *serviceResult) (err error) {
			r.Removed, err = m.uninstall(ctx, r.Network)
			return err
		},
	},
	{
		use: "start", short: "Start a network's service",
		do: func(ctx context.Context, m serviceManager, r *serviceResult) error { return m.start(ctx, r.Network) },
	},
	{
		use: "stop", short: "Stop a network's service, until this machine starts again", missing: true,
		do: func(ctx context.Context, m serviceManager, r *serviceResult) error { return m.stop(ctx, r.Network) },
	},
	{
		use: "status", short: "Say whether a network runs as a service",
		long: "Says whether a network runs as a service. It ends with 5 when the service does not run, with 6\n" +
			"when there is none.",
		free: true, missing: true,
		do: func(context.Context, serviceManager, *serviceResult) error { return nil },
	},
}

func newServiceCmd(g *globals) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "service",
		Short: "Run a network as a service of this machine",
		Long: "Runs networks as services: of systemd, OpenRC, launchd, the rc.d of FreeBSD and OpenBSD, or\n" +
			"Windows. The network is that of a file in " + configDir() + "; where there is only one, it\n" +
			"need not be named.",
		Example: "  sudo vxmesh service install home\n  vxmesh service status",
		Args:    noSuchCommand,
		RunE:    func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	for _, v := range serviceVerbs {
		long := v.long
		if long == "" {
			long = v.short + "."
		}
		cmd.AddCommand(&cobra.Command{
			Use: v.use + " [NETWORK]", Short: v.short, Long: long,
			Example: "  " + map[bool]string{false: "sudo "}[v.free] + "vxmesh service " + v.use + " home",
			Args:    takes(0, 1),
			RunE: func(cmd *cobra.Command, args []string) error {
				network, err := servedNetwork(cmd, g, args, v.missing)
				if err != nil {
					return err
				}
				return v.run(cmd, g, theServices(), network)
			},
		})
	}
	return cmd
}

// servedNetwork is the network that is meant. Its file has to be at its place, which the service knows.
func servedNetwork(cmd *cobra.Command, g *globals, args []string, missing bool) (string, error) {
	name := g.network
	if len(args) > 0 {
		name = args[0]
	}
	if name == "" {
		files, err := configFiles("")
		if err != nil {
			return "", err
		}
		if len(files) > 1 {
			return "", usageError(cmd, "there are %d networks; name one", len(files))
		}
		name = strings.TrimSuffix(filepath.Base(files[0]), ".toml")
	}
	if err := roster.ValidName(name); err != nil {
		return "", usageError(cmd, "%q is no network of %s: %v", name, configDir(), err)
	}
	if missing {
		return name, nil
	}
	_, err := readConfig(nil, name)
	return name, err
}

// run does what the command is for, and says how things are then.
func (v *serviceVerb) run(cmd *cobra.Command, g *globals, m serviceManager, network string) error {
	if m == nil {
		return &cmdError{
			code: exitNotFound, err: fmt.Errorf("nothing here that runs services is known to vxmesh (%s)", runtime.GOOS),
			hints: []string{"have it run: vxmesh join " + configPath(network)},
		}
	}
	if !v.free && !forMachine() {
		return &cmdError{
			code: exitPermission, err: errors.New("only an administrator of this machine may do that"),
			hints: []string{asAdministrator("vxmesh service " + v.use + " " + network)},
		}
	}
	r := serviceResult{
		Schema: "vxmesh.service/1", Network: network, Manager: m.name(), Unit: m.unit(network),
		Wrote: []string{}, Removed: []string{},
	}
	if err := v.do(cmd.Context(), m, &r); err != nil {
		return err
	}
	var err error
	if r.Installed, r.Running, err = m.status(cmd.Context(), network); err != nil {
		return err
	}
	r.Wrote, r.Removed = append([]string{}, r.Wrote...), append([]string{}, r.Removed...) // [] in JSON, not null
	if err := answer(cmd.OutOrStdout(), g.json, r, serviceText); err != nil || v.use != "status" {
		return err
	}
	switch {
	case r.Running:
		return nil
	case r.Installed:
		return &cmdError{code: exitNoNode}
	}
	return &cmdError{code: exitNotFound}
}

func serviceText(r serviceResult) string {
	var b strings.Builder
	for _, f := range r.Wrote {
		fmt.Fprintf(&b, "wrote   %s\n", f)
	}
	for _, f := range r.Removed {
		fmt.Fprintf(&b, "removed %s\n", f)
	}
	does, starts := "does not run", "is not started with this machine"
	if r.Running {
		does = "runs"
	}
	if r.Installed {
		starts = "is started with this machine"
	}
	fmt.Fprintf(&b, "%s (%s, %s) %s, and %s\n", r.Network, r.Manager, r.Unit, does, starts)
	return b.String()
}

// asAdministrator is how a command is run with the rights that it takes.
func asAdministrator(command string) string {
	if runtime.GOOS == "windows" {
		return "in a terminal of an administrator: " + command
	}
	return "sudo " + command
}
