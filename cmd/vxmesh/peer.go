package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/vxmesh/vxmesh/internal/suggest"
	"github.com/vxmesh/vxmesh/tunnel/control"
	"github.com/vxmesh/vxmesh/tunnel/roster"
)

func newPeerCmd(g *globals) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "peer",
		Short:   "Show, add, pause, rename or remove one peer",
		Example: "  vxmesh peer show nas\n  vxmesh peer pause nas\n  sudo vxmesh peer remove laptop",
		Args:    noSuchCommand,
		RunE:    func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newPeerShowCmd(g), newPeerAddCmd(g), newPeerPauseCmd(g), newPeerResumeCmd(g),
		newPeerReconnectCmd(g), newPeerRenameCmd(g), newPeerRemoveCmd(g))
	return cmd
}

// A peerResult is what `peer show --json` prints.
type peerResult struct {
	Schema  string          `json:"schema"`
	Network string          `json:"network"` // its name; "" when the node has no members
	Issuer  string          `json:"issuer"`  // the name of who signed the certificate, if it is a member
	Member  *control.Member `json:"member"`  // null for a peer that only the config lists
	Peer    *control.Peer   `json:"peer"`    // null for this node, and when no node runs
}

func newPeerShowCmd(g *globals) *cobra.Command {
	return &cobra.Command{
		Use:     "show NAME|ID",
		Short:   "Show what a member may do, and where it is",
		Example: "  vxmesh peer show nas\n  vxmesh peer show 1c0277aa --json",
		Args:    takes(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			list, client, err := membersHere(cmd, g)
			if err != nil {
				return err
			}
			var peers control.Peers
			if client != nil {
				if peers, err = client.Peers(cmd.Context()); err != nil {
					return err
				}
			}
			r, err := showPeer(list, peers.Peers, args[0])
			if err != nil {
				return err
			}
			return answer(cmd.OutOrStdout(), g.json, *r, peerText)
		},
	}
}

// showPeer finds a node among the members, or among the peers that only the config lists.
func showPeer(list control.Members, peers []control.Peer, arg string) (*peerResult, error) {
	r := &peerResult{Schema: "vxmesh.peer/1", Network: list.Name}
	m, err := pickMember(list.Members, arg)
	name := arg
	if err == nil {
		r.Member, name = m, m.Name
		for _, issuer := range list.Members {
			if issuer.ID == m.Issuer {
				r.Issuer = issuer.Name
			}
		}
	}
	for i, p := range peers {
		if p.Name == name || m != nil && p.ID == m.ID {
			r.Peer, err = &peers[i], nil
		}
	}
	return r, err
}

// minPrefix is how much of an id names a member at least.
const minPrefix = 4

// pickMember finds a member by its name, or by the beginning of its id.
func pickMember(list []control.Member, arg string) (*control.Member, error) {
	var found *control.Member
	var names []string
	for i, m := range list {
		if m.Name == arg {
			return &list[i], nil
		}
		names = append(names, m.Name)
		if len(arg) < minPrefix || !strings.HasPrefix(m.ID, strings.ToLower(arg)) {
			continue
		}
		if found != nil {
			return nil, control.Errorf(control.CodeUsage, "the ids of %s and %s begin with %s: give more of it",
				found.Name, m.Name, arg)
		}
		found = &list[i]
	}
	if found != nil {
		return found, nil
	}
	return nil, control.Errorf(control.CodeNotFound, "there is no member %q%s", arg, suggest.DidYouMean(arg, names))
}

func peerText(r peerResult) string {
	var t table
	if m := r.Member; m != nil {
		t.add("name", m.Name+aside(m.Self, "this node"))
		t.add("id", m.ID)
		t.add("key", m.Key)
		addPeer(&t, r.Peer)
		t.add("may", mayText(m))
		by := cmp.Or(r.Issuer, m.Issuer)
		t.add("certificate", fmt.Sprintf("by %s, until %s", by, m.NotAfter.Format(time.RFC3339)))
		t.add("endpoints", strings.Join(m.Endpoints, " "))
		t.add("addresses", strings.Join(m.Addresses, " "))
		return t.String()
	}
	t.add("name", r.Peer.Name)
	t.add("id", r.Peer.ID)
	addPeer(&t, r.Peer)
	return t.String()
}

func addPeer(t *table, p *control.Peer) {
	if p == nil {
		return
	}
	t.add("state", strings.TrimSpace(string(p.State)+" "+p.Reason))
	if w := wayOf(*p); w.kind != "" {
		t.add("path", strings.TrimSpace(w.kind+" "+w.remote+" "+w.rtt))
	}
}

// mayText is the rights of a member in words.
func mayText(m *control.Member) string {
	what := []string{"send from one address in a segment"}
	if m.MayBridge {
		what[0] = "send for the machines behind a bridge"
	}
	if m.MACLimit > 0 {
		what = append(what, fmt.Sprintf("from %d at most", m.MACLimit))
	}
	if len(m.Segments) > 0 {
		vnis := make([]string, len(m.Segments))
		for i, vni := range m.Segments {
			vnis[i] = fmt.Sprint(vni)
		}
		what = append(what, "only in VNI "+strings.Join(vnis, ", "))
	}
	if m.Admin {
		what = append(what, "let nodes in and remove them (admin)")
	}
	return strings.Join(what, "; ")
}

func aside(is bool, what string) string {
	if is {
		return " (" + what + ")"
	}
	return ""
}

func newPeerRenameCmd(g *globals) *cobra.Command {
	return &cobra.Command{
		Use:     "rename NAME|ID NEW",
		Short:   "Give a member another name, on an admin's node",
		Example: "  sudo vxmesh peer rename laptop-5f1c tablet",
		Args:    takes(2, 2),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := roster.ValidName(args[1]); err != nil {
				return usageError(cmd, "%q: %v", args[1], err)
			}
			h, err := openHome(cmd, g)
			if err != nil {
				return err
			}
			r, err := h.rename(cmd.Context(), g, args[0], args[1])
			if err != nil {
				return err
			}
			sayNotTold(cmd.ErrOrStderr(), r.Told)
			return answer(cmd.OutOrStdout(), g.json, *r, func(r control.Renamed) string {
				return fmt.Sprintf("%s is called %s from now on\n", r.Old, r.Name)
			})
		},
	}
}

// pick gives the power to sign something about a member, all members, and that one.
func (h *home) pick(ctx context.Context, g *globals, arg string) (
	a roster.Authority, list control.Members, m *control.Member, err error,
) {
	if a, err = h.authority(); err != nil {
		return a, list, m, err
	}
	if list, err = h.members(ctx, g); err != nil {
		return a, list, m, err
	}
	m, err = pickMember(list.Members, arg)
	return a, list, m, err
}

// rename signs a member's certificate anew, with another name.
func (h *home) rename(ctx context.Context, g *globals, arg, name string) (*control.Renamed, error) {
	a, list, m, err := h.pick(ctx, g, arg)
	if err != nil {
		return nil, err
	}
	if slices.ContainsFunc(list.Members, func(o control.Member) bool { return o.Name == name }) {
		return nil, control.Errorf(control.CodeConflict, "there is a member called %s already", name)
	}
	old, err := roster.ParseCertificate(m.Certificate)
	if err != nil {
		return nil, err
	}
	next := *old
	next.Name = name
	cert, err := reissue(a, next, time.Now())
	if err != nil {
		return nil, err
	}
	r := &control.Renamed{
		Schema: control.SchemaRenamed, Network: h.member.Name(), ID: m.ID, Old: m.Name, Name: name,
	}
	if r.Told, err = h.publish(ctx, g, cert.Item()); err != nil {
		return nil, err
	}
	return r, h.keepOwn(cert)
}

// keepOwn keeps a certificate if it is this node's own.
func (h *home) keepOwn(certs ...*roster.Certificate) error {
	var err error
	for _, c := range certs {
		if c.Node() == roster.NodeID(h.id.ID()) {
			err = errors.Join(err, setupError(h.member.SetCertificate(c)))
		}
	}
	return err
}
