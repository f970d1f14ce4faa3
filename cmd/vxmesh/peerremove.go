package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/vxmesh/vxmesh/membership"
	"github.com/vxmesh/vxmesh/tunnel/control"
	"github.com/vxmesh/vxmesh/tunnel/roster"
)

func newPeerRemoveCmd(g *globals) *cobra.Command {
	var yes bool
	cmd := &cobra.Command{
		Use:   "remove NAME|ID",
		Short: "Put a member out of the network for good, on an admin's node",
		Long: "Puts a member out of the network, for good: its keys never come back. The others talk to\n" +
			"it no more as soon as they hear of it, and get a new secret that it is not told. To remove\n" +
			"an admin takes the network's key; what it had issued is issued anew.",
		Example: "  sudo vxmesh peer remove laptop",
		Args:    takes(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			h, err := openHome(cmd, g)
			if err != nil {
				return err
			}
			p, err := h.removal(cmd.Context(), g, args[0])
			if err != nil {
				return err
			}
			if err := confirm(cmd, yes, p.question(), p.Name); err != nil {
				return err
			}
			if err := p.run(cmd.Context(), g, h); err != nil {
				return err
			}
			sayNotTold(cmd.ErrOrStderr(), p.Told)
			return answer(cmd.OutOrStdout(), g.json, p.Removed, removedText)
		},
	}
	cmd.Flags().BoolVar(&yes, "yes", false, "do not ask")
	return cmd
}

// A removal is all that goes with removing a member, signed, before anybody is told.
type removal struct {
	control.Removed
	certs  []*roster.Certificate // that the member had issued, issued anew
	items  []roster.Item         // these, and the revocations
	secret *roster.Secret
}

// removal signs what removing a member takes.
func (h *home) removal(ctx context.Context, g *globals, arg string) (*removal, error) {
	a, list, m, err := h.pick(ctx, g, arg)
	if err != nil {
		return nil, err
	}
	if m.Self {
		return nil, &cmdError{
			code: exitUsage, err: fmt.Errorf("%s is this node itself", m.Name),
			hints: []string{"have it leave: vxmesh leave " + h.cfg.Network.Name},
		}
	}
	id, err := roster.ParseNodeID(m.ID)
	if err != nil {
		return nil, err
	}
	p := &removal{Removed: control.Removed{
		Schema: control.SchemaRemoved, Network: h.member.Name(), ID: m.ID, Name: m.Name, Admin: m.Admin,
	}}
	now, known := time.Now(), h.roster()
	if err := p.revoke(h, a, list.Members, known, id, now); err != nil {
		return nil, err
	}
	number, _ := h.member.Secret()
	p.Secret = max(number, known.SecretNumber()) + 1
	var secret [32]byte
	_, _ = rand.Read(secret[:]) // never fails
	p.secret = a.NewSecret(p.Secret, secret)
	p.Invitations, err = h.letIn(id, now)
	return p, err
}

// revoke signs the revocation. Everything that an admin had signed is void with it, so what is to
// stay is signed anew, and comes first: then nobody is without a certificate in between.
func (p *removal) revoke(
	h *home, a roster.Authority, list []control.Member, known *roster.Roster, id roster.NodeID, now time.Time,
) error {
	if !p.Admin {
		p.items = append(p.items, a.Remove(id, now).Item())
		return nil
	}
	key, err := h.member.NetworkKey()
	if errors.Is(err, membership.ErrNoNetworkKey) {
		return &cmdError{
			code: exitPermission, err: fmt.Errorf("%s is an admin: to remove it takes the network's key", p.Name),
			hints: []string{
				"bring the key here: vxmesh key import FILE",
				"or remove it on the machine that has the key",
			},
		}
	}
	if err != nil {
		return setupError(err)
	}
	if err := p.reissue(a, list, now); err != nil {
		return err
	}
	for _, v := range known.Revocations() {
		if v.Kind == roster.Removal && v.Signer.Node() == id && known.Revoked(v.Node) {
			p.Out = append(p.Out, v.Node.String())
			p.items = append(p.items, a.Remove(v.Node, now).Item())
		}
	}
	p.items = append(p.items, roster.RemoveByNetwork(key, id, now).Item())
	return nil
}

// reissue signs the certificates anew that the node had issued to others.
func (p *removal) reissue(a roster.Authority, list []control.Member, now time.Time) error {
	for _, m := range list {
		if m.Issuer != p.ID || m.ID == p.ID {
			continue
		}
		old, err := roster.ParseCertificate(m.Certificate)
		if err != nil {
			return err
		}
		if roster.ValidName(m.Name) == nil { // the one that it goes by, where others have the same
			old.Name = m.Name
		}
		cert, err := reissue(a, *old, now)
		if err != nil {
			return err
		}
		p.Reissued = append(p.Reissued, m.Name)
		p.certs = append(p.certs, cert)
		p.items = append(p.items, cert.Item())
	}
	return nil
}

// letIn lists the invitations that a node came with and that still let others in: it has them.
func (h *home) letIn(id roster.NodeID, now time.Time) (ids []string, err error) {
	all, err := h.member.Invitations()
	if err != nil {
		return nil, setupError(err)
	}
	for _, i := range all {
		for _, s := range i.Spent {
			if s.Sign.Node() == id && i.State(now) == membership.StateOpen {
				ids = append(ids, i.ID.Short())
			}
		}
	}
	return ids, nil
}

// run tells the network. The secret goes out by itself, when the node has no session with the removed
// one any more: together, both would be told.
func (p *removal) run(ctx context.Context, g *globals, h *home) (err error) {
	if p.Told, err = h.publish(ctx, g, p.items...); err != nil {
		return err
	}
	if _, err := h.publish(ctx, g, p.secret.Item()); err != nil {
		return fmt.Errorf("%s is removed, but the network has no new secret: %w", p.Name, err)
	}
	if err := h.member.SetSecret(p.secret.Number, p.secret.Secret); err != nil {
		return setupError(err)
	}
	return h.keepOwn(p.certs...)
}

func (p *removal) question() string {
	text := fmt.Sprintf("removes %s (%s) from %s, for good", p.Name, p.ID[:8], p.Network)
	if len(p.Reissued) > 0 {
		text += "\nsigns anew what it had signed: the certificates of " + strings.Join(p.Reissued, ", ")
	}
	return text
}

func removedText(r control.Removed) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s is removed from %s\n", r.Name, r.Network)
	if len(r.Reissued) > 0 {
		fmt.Fprintf(&b, "certificates that it had issued are issued anew: %s\n", strings.Join(r.Reissued, ", "))
	}
	for _, id := range r.Out {
		fmt.Fprintf(&b, "it had removed %s, which stays out\n", id)
	}
	for _, id := range r.Invitations {
		fmt.Fprintf(&b, "it knows an invitation that is still good: vxmesh invite revoke %s\n", id)
	}
	return b.String()
}
