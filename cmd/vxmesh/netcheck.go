package main

import (
	"context"
	"errors"
	"io/fs"
	"strings"

	"github.com/spf13/cobra"

	"github.com/vxmesh/vxmesh/config"
	"github.com/vxmesh/vxmesh/identity"
	"github.com/vxmesh/vxmesh/tunnel"
	"github.com/vxmesh/vxmesh/tunnel/control"
)

func newNetcheckCmd(g *globals) *cobra.Command {
	return &cobra.Command{
		Use:   "netcheck [NETWORK]",
		Short: "Test how this machine is connected, and with whom it gets direct ways",
		Long: "Tests within 3 seconds whether UDP gets out, what NATs and firewalls on the way do, and\n" +
			"whether the router opens ports; and says which peers are not reached directly, and why.\n" +
			"Where no node runs it does what the config is enough for, and says what it left out.\n" +
			"Ends with exit code 1 when no UDP gets out.",
		Example: "  vxmesh netcheck\n  vxmesh netcheck -n home --json",
		Args:    orNetwork,
		RunE: func(cmd *cobra.Command, _ []string) error {
			show := newProgress(cmd, g, false)
			defer show.close()
			var r control.Netcheck
			err := show.try("checking the network", "the network", func() (err error) {
				r, err = g.netcheck(cmd.Context())
				return err
			})
			show.close()
			if err != nil {
				return err
			}
			if err := answer(cmd.OutOrStdout(), g.json, r, netcheckText); err != nil {
				return err
			}
			if r.UDP == control.No {
				return &cmdError{code: exitFailed}
			}
			return nil
		},
	}
}

// netcheck asks the node, or where none runs tests what a config is enough for.
func (g *globals) netcheck(ctx context.Context) (r control.Netcheck, err error) {
	c, err := g.client()
	if err == nil {
		r, err = c.Netcheck(ctx)
	}
	if err == nil || g.socket != "" || reportOf(err).Code != control.CodeNoNode {
		return r, err
	}
	files, noFiles := configFiles(g.network)
	if noFiles != nil || len(files) != 1 {
		return r, err
	}
	cfg, failed := readConfig(strings.NewReader(""), files[0])
	switch {
	case failed != nil && reportOf(failed).Code == control.CodeNotFound:
		return r, err
	case failed != nil:
		return r, failed
	}
	o, leftOut := netcheckOptions(cfg)
	r = tunnel.Netcheck(ctx, o)
	r.Schema, r.LeftOut = control.SchemaNetcheck, append(r.LeftOut, leftOut...)
	return r, nil
}

// netcheckOptions are what a test without a node needs of those of the engine, and what is missing. The
// identity is only looked at, for its port: a node may start meanwhile.
func netcheckOptions(cfg *config.Config) (o tunnel.Options, leftOut []string) {
	i, err := identity.Load(identityPath(cfg))
	o = engineOptions(cfg, &nodeIdentity{Claimed: &identity.Claimed{Identity: i}})
	if err == nil || len(cfg.Listen.Mesh) > 0 {
		return o, nil
	}
	o.Mesh.Listen = nil // it would be the port of nobody
	if errors.Is(err, fs.ErrNotExist) {
		return o, []string{"this node has no identity yet, and so no UDP port of its own"}
	}
	return o, []string{"the node's UDP port is not known: " + err.Error()}
}
