package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// A serviceManager runs networks as services of this machine. Its methods want the rights of whoever may
// do that.
type serviceManager interface {
	// name is what people call the manager.
	name() string
	// unit is what the manager calls the service of a network.
	unit(network string) string
	// ready reports whether a network needs nothing but to be enabled: a package, or an earlier install,
	// has put there what runs it.
	ready() bool
	// install has a network run now and whenever the machine starts. It gives the files that it wrote.
	install(ctx context.Context, network string) (wrote []string, err error)
	// uninstall ends that. It gives the files that it removed, which are those of install.
	uninstall(ctx context.Context, network string) (removed []string, err error)
	start(ctx context.Context, network string) error
	stop(ctx context.Context, network string) error
	// status reports whether a network is one that install has run, and whether it runs.
	status(ctx context.Context, network string) (installed, running bool, err error)
}

// serviced reports whether a service would run just this setup: it knows files by the network's name.
func (s *setup) serviced(g *globals) bool {
	usual := filepath.Join(configDir(), s.network+".toml")
	return s.config == usual && s.flags.state == "" && g.socket == "" && os.Geteuid() == 0
}

// goOn runs a network that has just been set up: as a service where there are any, unless that is not
// wanted, else in the foreground.
func (s *setup) goOn(ctx context.Context, g *globals, says io.Writer, manager serviceManager, foreground bool) error {
	if foreground || !s.serviced(g) || manager == nil || !manager.ready() {
		return join(ctx, g, s.config)
	}
	if _, err := manager.install(ctx, s.network); err != nil {
		return err
	}
	_, err := fmt.Fprintf(says, "%s runs as %s, now and whenever this machine starts\n"+
		"  see it     vxmesh\n  stop it    sudo vxmesh service uninstall %s\n", s.network, manager.unit(s.network), s.network)
	return err
}
