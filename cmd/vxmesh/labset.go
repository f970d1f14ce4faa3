package main

import (
	"fmt"
	"net/netip"
	"time"

	"github.com/spf13/cobra"

	"github.com/vxmesh/vxmesh/config"
	"github.com/vxmesh/vxmesh/internal/suggest"
	"github.com/vxmesh/vxmesh/topology/remote"
	"github.com/vxmesh/vxmesh/tunnel/control"
)

// labSetFlags are what can happen to a site or a node.
type labSetFlags struct {
	down, up, flush       bool
	loss, rate, nat, addr string
	delay, jitter, reboot time.Duration
}

func newLabSetCmd(g *globals) *cobra.Command {
	var f labSetFlags
	cmd := &cobra.Command{
		Use:   "set SITE|NODE",
		Short: "Have something happen to a site or a node of a lab that runs",
		Long: "Changes the line of a site or a node from now on, in each direction; what is not named stays.\n" +
			"A site's router can become another NAT, get another address, forget its flows, or reboot.",
		Example: "  vxmesh lab set home1 --down\n  vxmesh lab set home1 --up --loss 5% --delay 80ms\n" +
			"  vxmesh lab set home2 --flush\n  vxmesh lab set home2 --address 198.51.100.99 --nat symmetric-random",
		Args: takes(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			request, err := f.request(cmd, args[0])
			if err != nil {
				return err
			}
			c, err := g.lab()
			if err != nil {
				return err
			}
			lab, err := c.Change(cmd.Context(), request)
			if err != nil {
				return err
			}
			return answer(cmd.OutOrStdout(), g.json, labList{"vxmesh.labs/1", control.List[remote.Lab]{lab}},
				func(labList) string { return fmt.Sprintf("%s: %s\n", request.Name, request.Change) })
		},
	}
	flags := cmd.Flags()
	flags.BoolVar(&f.down, "down", false, "nothing passes")
	flags.BoolVar(&f.up, "up", false, "everything passes again")
	flags.StringVar(&f.loss, "loss", "", "so many datagrams are lost: 5%")
	flags.DurationVar(&f.delay, "delay", 0, "each takes so long")
	flags.DurationVar(&f.jitter, "jitter", 0, "and at most so much longer, by chance")
	flags.StringVar(&f.rate, "rate", "", "so much passes: 10Mbit/s; 0bit/s for no limit")
	flags.StringVar(&f.nat, "nat", "", "the router becomes a NAT of this kind")
	flags.StringVar(&f.addr, "address", "", "the router gets this address outside")
	flags.BoolVar(&f.flush, "flush", false, "the router forgets all flows")
	flags.DurationVar(&f.reboot, "reboot", 0, "the router forgets all flows, and forwards nothing for so long")
	return cmd
}

// request reads the flags.
func (f *labSetFlags) request(cmd *cobra.Command, name string) (r remote.ChangeRequest, err error) {
	r.Name, r.Flush, r.Reboot = name, f.flush, f.reboot
	changed := cmd.Flags().Changed
	switch {
	case f.down && f.up:
		return r, usageError(cmd, "--down and --up: take one of them")
	case f.down || f.up:
		r.Down = &f.down
	}
	if changed("delay") {
		r.Delay = &f.delay
	}
	if changed("jitter") {
		r.Jitter = &f.jitter
	}
	if changed("loss") {
		loss, err := config.ParseRatio(f.loss)
		if err != nil {
			return r, usageError(cmd, "--loss: %v", err)
		}
		r.Loss = (*float64)(&loss)
	}
	if changed("rate") {
		rate, err := config.ParseRate(f.rate)
		if err != nil {
			return r, usageError(cmd, "--rate: %v", err)
		}
		r.Rate = (*uint64)(&rate)
	}
	if err := f.router(cmd, &r); err != nil {
		return r, err
	}
	if r.Change.String() == "" {
		return r, usageError(cmd, "say what happens to %s: --down, --loss 5%%, --flush, ...", name)
	}
	return r, nil
}

// router reads the flags that only a site's router has.
func (f *labSetFlags) router(cmd *cobra.Command, r *remote.ChangeRequest) error {
	if f.nat != "" {
		kind, ok := natKind(config.NAT(f.nat))
		if !ok {
			return usageError(cmd, "--nat: there is no %q%s", f.nat, suggest.DidYouMean(f.nat, config.NATs()))
		}
		r.NAT = &kind
	}
	if f.addr != "" {
		a, err := netip.ParseAddr(f.addr)
		if err != nil {
			return usageError(cmd, "--address: %q is not an IP address", f.addr)
		}
		r.Address = &a
	}
	if f.reboot < 0 {
		return usageError(cmd, "--reboot is more than 0, not %v", f.reboot)
	}
	return nil
}
