package controltest

import (
	"context"
	"time"

	"github.com/vxmesh/vxmesh/tunnel/control"
)

// A PeerChange is in [Node.Requests] what the node was asked to do about a peer.
type PeerChange struct{ Do, Peer string }

// Invitations is one that let nas in, and one that is open.
func Invitations() control.Invitations {
	return control.Invitations{
		Schema: control.SchemaInvitations, Network: "home",
		Invitations: []control.Invitation{
			{
				ID: "3fa9c2d1", State: "spent", Node: "nas", Created: Start.Add(-time.Hour),
				Expires: Start.Add(23 * time.Hour), Uses: 1, Spent: []string{"nas"},
			},
			{ID: "77e01b90", State: "open", Created: Start, Expires: Start.Add(time.Hour), Uses: 5},
		},
	}
}

// changePeer makes what changes a peer to a state, or leaves it alone.
func (n *Node) changePeer(do string, to control.PeerState, reason string) func(string) (control.Peer, error) {
	return func(name string) (p control.Peer, err error) {
		if p, err = n.peer(name); err != nil {
			return p, err
		}
		n.locked(func() {
			n.requests = append(n.requests, PeerChange{do, name})
			err = n.refusal
		})
		if to != "" {
			p.State, p.Reason, p.Path = to, reason, nil
		}
		return p, err
	}
}

// asked remembers a request and gives what it is to be refused with.
func (n *Node) asked(req any) (err error) {
	n.locked(func() {
		n.requests = append(n.requests, req)
		err = n.refusal
	})
	return err
}

func (n *Node) invite(_ context.Context, r control.InviteRequest) (control.InviteResult, error) {
	return control.InviteResult{
		Schema: control.SchemaInvite, Network: "home", ID: "5b0f1e22", Token: "vxm1exampleexampleexample",
		Expires: Start.Add(24 * time.Hour), Uses: max(r.Uses, 1),
	}, n.asked(r)
}

func (n *Node) revoke(id string) (control.Invitations, error) {
	out := Invitations()
	out.Invitations = out.Invitations[1:]
	out.Invitations[0].State = "revoked"
	return out, n.asked(control.RevokeRequest{ID: id})
}

func (n *Node) remove(_ context.Context, r control.RemoveRequest) (control.Removed, error) {
	return control.Removed{
		Schema: control.SchemaRemoved, Network: "home", ID: "1c0277aa9e3104f8", Name: r.Name, Secret: 2, Told: true,
	}, n.asked(r)
}

func (n *Node) rename(_ context.Context, r control.RenameRequest) (control.Renamed, error) {
	return control.Renamed{
		Schema: control.SchemaRenamed, Network: "home", ID: "1c0277aa9e3104f8", Old: r.Name, Name: r.New, Told: true,
	}, n.asked(r)
}
