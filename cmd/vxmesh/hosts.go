package main

import (
	"fmt"
	"net/netip"
	"strings"

	"github.com/spf13/cobra"

	"github.com/vxmesh/vxmesh/tunnel/control"
)

// A hostList is what `hosts --json` prints.
type hostList struct {
	Schema  string                `json:"schema"`
	Network string                `json:"network"`
	Hosts   control.List[hostRow] `json:"hosts"`
}

type hostRow struct {
	Address string               `json:"address"`
	Names   control.List[string] `json:"names"` // the full one first
}

func newHostsCmd(g *globals) *cobra.Command {
	return &cobra.Command{
		Use:   "hosts [NETWORK]",
		Short: "Print the members' addresses as lines for /etc/hosts",
		Long: "Prints the addresses that the members have within the network, as lines for /etc/hosts,\n" +
			"between two comments by which they can be found and replaced.",
		Example: "  vxmesh hosts | sudo tee -a /etc/hosts",
		Args:    orNetwork,
		RunE: func(cmd *cobra.Command, _ []string) error {
			list, _, err := membersHere(cmd, g)
			if err != nil {
				return err
			}
			if list.Network == "" {
				return control.Errorf(control.CodeNotFound,
					"this network has no members with addresses: its peers stand in the file")
			}
			return answer(cmd.OutOrStdout(), g.json, hostsOf(list), hostsText)
		},
	}
}

// hostsOf names the addresses. Members choose their names and addresses themselves, so what would mean
// something else to this machine is left out.
func hostsOf(list control.Members) hostList {
	out := hostList{Schema: "vxmesh.hosts/1", Network: list.Name}
	for _, m := range list.Members {
		names := []string{m.Name + "." + list.Name, m.Name}
		if m.Name == "localhost" {
			names = names[:1]
		}
		for _, a := range m.Addresses {
			p, err := netip.ParsePrefix(a)
			if err == nil && p.Addr().IsGlobalUnicast() {
				out.Hosts = append(out.Hosts, hostRow{p.Addr().String(), names})
			}
		}
	}
	return out
}

func hostsText(l hostList) string {
	var b strings.Builder
	fmt.Fprintf(&b, "# vxmesh %s begin\n", l.Network)
	for _, h := range l.Hosts {
		fmt.Fprintf(&b, "%s %s\n", h.Address, strings.Join(h.Names, " "))
	}
	fmt.Fprintf(&b, "# vxmesh %s end\n", l.Network)
	return b.String()
}
