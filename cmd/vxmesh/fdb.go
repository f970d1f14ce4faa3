package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/vxmesh/vxmesh/tundev/ether"
	"github.com/vxmesh/vxmesh/tunnel/control"
)

func newFDBCmd(g *globals) *cobra.Command {
	cmd := newFDBShowCmd(g)
	cmd.Use, cmd.Short = "fdb", "Show and change which MAC address is behind which port"
	cmd.Example = "  vxmesh fdb\n  vxmesh fdb add 52:54:00:1a:22:01 192.0.2.7\n  vxmesh fdb flush --all"
	cmd.Args = noSuchCommand
	cmd.AddCommand(newFDBShowCmd(g), newFDBAddCmd(g), newFDBDelCmd(g), newFDBFlushCmd(g))
	return cmd
}

func newFDBShowCmd(g *globals) *cobra.Command {
	var filter control.FDBFilter
	cmd := &cobra.Command{
		Use:     "show",
		Short:   "Show which MAC address is behind which port",
		Example: "  vxmesh fdb show\n  vxmesh fdb show --vni 4242 --json",
		Args:    takes(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := g.client()
			if err != nil {
				return err
			}
			fdb, err := c.FDB(cmd.Context(), filter)
			if err != nil {
				return err
			}
			return answer(cmd.OutOrStdout(), g.json, fdb, fdbText)
		},
	}
	cmd.Flags().Uint32Var(&filter.VNI, "vni", 0, "only this segment")
	return cmd
}

func fdbText(fdb control.FDB) string {
	var t table
	t.add("VNI", "VLAN", "MAC", "PORT", "ENTRY", "AGE", "MOVES")
	for _, e := range fdb.Entries {
		vlan, age := "", ""
		if e.VLAN != 0 {
			vlan = fmt.Sprint(e.VLAN)
		}
		if e.Kind == control.EntryLearned {
			age = shortDuration(e.AgeSeconds)
		}
		t.add(e.VNI, vlan, e.MAC, portText(e.Port), e.Kind, age, e.Moves)
	}
	return t.String()
}

// portText is a port as `fdb add` takes it, but for the device, which it names.
func portText(p control.FDBPort) string {
	if p.Kind == control.PortDevice {
		return fmt.Sprintf("device (%s)", p.Name)
	}
	return p.Name
}

const portHelp = "PORT is the name of a peer or a guest, a VTEP's address[:port], or device."

func newFDBAddCmd(g *globals) *cobra.Command {
	var req control.FDBAdd
	cmd := &cobra.Command{
		Use:   "add MAC PORT",
		Short: "Pin an address to a port until the node stops",
		Long: "Pins an address to a port until the node stops; to keep it, name it in the config.\n" +
			portHelp,
		Args: takes(2, 2),
		Example: "  vxmesh fdb add 52:54:00:1a:22:01 nas\n" +
			"  vxmesh fdb add 52:54:00:1a:22:01 192.0.2.7\n" +
			"  vxmesh fdb add 52:54:00:1a:22:02 192.0.2.8:8472 --vni 4242 --vlan 10",
		RunE: func(cmd *cobra.Command, args []string) error {
			var err error
			if req.MAC, err = ether.ParseMAC(args[0]); err != nil {
				return usageError(cmd, "%v", err)
			}
			req.Port = args[1]
			return changeFDB(cmd, g, req.Check(), func(c control.Client) (control.FDBResult, error) {
				return c.AddFDB(cmd.Context(), req)
			})
		},
	}
	entryFlags(cmd, &req.VNI, &req.VLAN)
	return cmd
}

func newFDBDelCmd(g *globals) *cobra.Command {
	var req control.FDBDel
	cmd := &cobra.Command{
		Use:   "del MAC [PORT]",
		Short: "Delete the entry of an address",
		Long:  "Deletes the entry of an address, pinned or learned, if it is on PORT.\n" + portHelp,
		Example: "  vxmesh fdb del 52:54:00:1a:22:01\n" +
			"  vxmesh fdb del 52:54:00:1a:22:01 192.0.2.7 --vlan 10",
		Args: takes(1, 2),
		RunE: func(cmd *cobra.Command, args []string) error {
			var err error
			if req.MAC, err = ether.ParseMAC(args[0]); err != nil {
				return usageError(cmd, "%v", err)
			}
			if len(args) == 2 {
				req.Port = args[1]
			}
			return changeFDB(cmd, g, req.Check(), func(c control.Client) (control.FDBResult, error) {
				return c.DelFDB(cmd.Context(), req)
			})
		},
	}
	entryFlags(cmd, &req.VNI, &req.VLAN)
	return cmd
}

func entryFlags(cmd *cobra.Command, vni *uint32, vlan *uint16) {
	cmd.Flags().Uint32Var(vni, "vni", 0, "the segment, where there are several")
	cmd.Flags().Uint16Var(vlan, "vlan", 0, "the VLAN of the entry, 0 for untagged")
}

func newFDBFlushCmd(g *globals) *cobra.Command {
	var req control.FDBFlush
	var vlan uint16
	var mac string
	cmd := &cobra.Command{
		Use:   "flush",
		Short: "Forget learned addresses",
		Long: "Forgets the learned addresses for which every flag given holds; pinned ones stay.\n" +
			portHelp,
		Args:    takes(0, 0),
		Example: "  vxmesh fdb flush --all\n  vxmesh fdb flush --port 192.0.2.7",
		RunE: func(cmd *cobra.Command, _ []string) error {
			if cmd.Flags().Changed("vlan") {
				req.VLAN = &vlan
			}
			if mac != "" {
				m, err := ether.ParseMAC(mac)
				if err != nil {
					return usageError(cmd, "--mac: %v", err)
				}
				req.MAC = &m
			}
			return changeFDB(cmd, g, req.Check(), func(c control.Client) (control.FDBResult, error) {
				return c.FlushFDB(cmd.Context(), req)
			})
		},
	}
	flags := cmd.Flags()
	flags.Uint32Var(&req.VNI, "vni", 0, "only this segment")
	flags.StringVar(&req.Port, "port", "", "only behind this PORT")
	flags.Uint16Var(&vlan, "vlan", 0, "only in this VLAN, 0 for untagged")
	flags.StringVar(&mac, "mac", "", "only this address")
	flags.BoolVar(&req.All, "all", false, "every learned address")
	return cmd
}

// changeFDB makes one change, unless it is known to be impossible, and says what it came to.
func changeFDB(
	cmd *cobra.Command, g *globals, impossible error,
	do func(control.Client) (control.FDBResult, error),
) error {
	if impossible != nil {
		return usageError(cmd, "%w", impossible)
	}
	c, err := g.client()
	if err != nil {
		return err
	}
	res, err := do(c)
	if err != nil {
		return err
	}
	return answer(cmd.OutOrStdout(), g.json, res, fdbResultText)
}

func fdbResultText(r control.FDBResult) string {
	where := "in every segment"
	if r.VNI != 0 {
		where = fmt.Sprintf("in segment %d", r.VNI)
	}
	switch {
	case r.Added > 0 && r.Removed > 0:
		return fmt.Sprintf("replaced %s %s\n", plural(r.Removed, "entry", "entries"), where)
	case r.Added > 0:
		return fmt.Sprintf("added %s %s\n", plural(r.Added, "entry", "entries"), where)
	}
	return fmt.Sprintf("removed %s %s\n", plural(r.Removed, "entry", "entries"), where)
}
