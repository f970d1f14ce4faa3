package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/vxmesh/vxmesh/internal/suggest"
	"github.com/vxmesh/vxmesh/topology/remote"
	"github.com/vxmesh/vxmesh/tunnel/control"
)

// labList is what `lab list --json` prints.
type labList struct {
	Schema string                   `json:"schema"`
	Labs   control.List[remote.Lab] `json:"labs"`
}

func newLabListCmd(g *globals) *cobra.Command {
	return &cobra.Command{
		Use:     "list",
		Short:   "List the labs that run, with their sites and nodes",
		Example: "  vxmesh lab list\n  vxmesh lab list --json | jq -r '.labs[].nodes[].socket'",
		Args:    takes(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			list := labList{Schema: "vxmesh.labs/1"}
			for _, n := range control.Labs(g.labDir) {
				lab, err := remote.Client{Socket: n.Socket}.Lab(cmd.Context())
				if err != nil {
					return fmt.Errorf("lab %s: %w", n.Name, err)
				}
				list.Labs = append(list.Labs, lab)
			}
			return answer(cmd.OutOrStdout(), g.json, list, labsText)
		},
	}
}

func labsText(list labList) string {
	if len(list.Labs) == 0 {
		return "no lab runs here\n"
	}
	var texts []string
	for _, lab := range list.Labs {
		texts = append(texts, labText(lab))
	}
	return strings.Join(texts, "\n")
}

// labText describes a lab.
func labText(lab remote.Lab) string {
	text := fmt.Sprintf("lab %s, seed %d, pid %d\n", lab.Name, lab.Seed, lab.PID)
	var sites, nodes table
	sites.add("SITE", "NAT", "OUTSIDE", "BEHIND", "FLOWS")
	for _, s := range lab.Sites {
		outside := ""
		if s.Address.IsValid() {
			outside = s.Address.String()
		}
		sites.add(s.Name, s.NAT, outside, s.Behind, s.Flows)
	}
	nodes.add("NODE", "SITE", "ADDRESS", "IN SEGMENTS")
	for _, n := range lab.Nodes {
		nodes.add(n.Name, n.Site, listed(n.Underlay), listed(n.Addresses))
	}
	return text + sites.String() + nodes.String()
}

func listed[T fmt.Stringer](list []T) string {
	all := make([]string, len(list))
	for i, v := range list {
		all[i] = v.String()
	}
	return strings.Join(all, " ")
}

func newLabStopCmd(g *globals) *cobra.Command {
	return &cobra.Command{
		Use:     "stop [LAB]",
		Short:   "End a lab that runs",
		Example: "  vxmesh lab stop\n  vxmesh lab stop two-homes",
		Args:    takes(0, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				g.network = args[0]
			}
			c, err := g.lab()
			if err != nil {
				return err
			}
			lab, err := c.Stop(cmd.Context())
			if err != nil {
				return err
			}
			return answer(cmd.OutOrStdout(), g.json, labList{"vxmesh.labs/1", control.List[remote.Lab]{lab}},
				func(labList) string { return lab.Name + " ends\n" })
		},
	}
}

// lab is the one that a command is about: that of --network, else the only one that runs.
func (g *globals) lab() (remote.Client, error) {
	var names []string
	for _, n := range control.Labs(g.labDir) {
		if n.Name == g.network {
			return remote.Client{Socket: n.Socket}, nil
		}
		names = append(names, n.Name)
	}
	switch {
	case g.network == "" && len(names) == 1:
		return remote.Client{Socket: control.LabSocket(g.labDir, names[0])}, nil
	case len(names) == 0:
		return remote.Client{}, &cmdError{
			code: exitNoNode, err: errors.New("no lab runs here"), hints: []string{"vxmesh lab FILE"},
		}
	case g.network == "":
		return remote.Client{}, &cmdError{
			code: exitUsage, err: errors.New("several labs run here: " + strings.Join(names, ", ")),
			hints: []string{"say which with --network LAB"},
		}
	}
	return remote.Client{}, &cmdError{
		code: exitNoNode, err: errors.New("no lab " + g.network + " runs here" + suggest.DidYouMean(g.network, names)),
	}
}

// labNode is a node of a lab that runs.
func (g *globals) labNode(ctx context.Context, name string) (remote.Node, error) {
	c, err := g.lab()
	if err != nil {
		return remote.Node{}, err
	}
	lab, err := c.Lab(ctx)
	if err != nil {
		return remote.Node{}, err
	}
	var names []string
	for _, n := range lab.Nodes {
		if n.Name == name {
			return n, nil
		}
		names = append(names, n.Name)
	}
	return remote.Node{}, &cmdError{
		code:  exitNotFound,
		err:   fmt.Errorf("lab %s has no node %q%s", lab.Name, name, suggest.DidYouMean(name, names)),
		hints: []string{"nodes: " + strings.Join(names, ", ")},
	}
}
