package demo

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/vxmesh/vxmesh/internal/suggest"
	"github.com/vxmesh/vxmesh/tunnel/control"
)

// joinsAfter is how many steps somebody needs who was invited.
const joinsAfter = 15

// An invitation lets a machine in.
type invitation struct {
	control.Invitation
	admin   bool
	at      int // the step in which somebody comes with it; none when that is past
	revoked bool
}

// id makes an identity of a name: 64 hexadecimal digits.
func (n *Network) id(name string) string {
	h := sha256.Sum256(fmt.Appendf(nil, "%d %s", n.seed, name))
	return hex.EncodeToString(h[:])
}

func (n *Network) selfID() string { return n.id(self) }

// keyOf is the key that goes with an id.
func keyOf(id string) string {
	h := sha256.Sum256([]byte(id))
	return base64.StdEncoding.EncodeToString(h[:])
}

// members is what [control.Backend] wants.
func (n *Network) members() (out control.Members) {
	n.locked(func() { out = n.memberList() })
	return out
}

func (n *Network) memberList() control.Members {
	out := control.Members{Network: n.id(network)[:32], Name: network}
	add := func(m control.Member) {
		m.Key, m.Issuer, m.Sequence = keyOf(m.ID), n.selfID(), 1<<32+7
		m.NotBefore = n.start.Add(-20 * 24 * time.Hour).Truncate(second)
		m.NotAfter = m.NotBefore.Add(90 * 24 * time.Hour)
		m.Certificate = []byte("simulated: " + m.Name)
		out.Members = append(out.Members, m)
	}
	add(control.Member{
		Name: self, ID: n.selfID(), Self: true, Admin: true, MayBridge: true,
		Endpoints: ownEndpoints, Addresses: []string{ownAddress},
	})
	for _, p := range n.peers {
		m := control.Member{
			Name: p.name, ID: p.id, Admin: p.admin, MayBridge: p.bridge,
			Endpoints: p.endpoints, Addresses: []string{p.address},
		}
		if !p.bridge {
			m.MACLimit = 1
		}
		add(m)
	}
	slices.SortFunc(out.Members, func(a, b control.Member) int { return cmp.Compare(a.Name, b.Name) })
	return out
}

// publish is what [control.Backend] wants. Nobody has signed anything here.
func (n *Network) publish(control.Publish) error {
	return control.Errorf(control.CodeFailed, "this network is simulated: it takes no signed items")
}

// state is one of those of [control.Invitation].
func (i *invitation) state(now time.Time) string {
	switch {
	case i.revoked:
		return "revoked"
	case len(i.Spent) >= i.Uses:
		return "spent"
	case !now.Before(i.Expires):
		return "expired"
	}
	return "open"
}

func (n *Network) invitationNow(i *invitation) control.Invitation {
	out := i.Invitation
	out.State, out.Spent = i.state(n.wall()), slices.Clone(i.Spent)
	return out
}

// listInvitations is what [control.Backend] wants.
func (n *Network) listInvitations() (control.Invitations, error) {
	out := control.Invitations{Schema: control.SchemaInvitations, Network: network}
	n.locked(func() {
		for _, i := range n.invitations {
			out.Invitations = append(out.Invitations, n.invitationNow(i))
		}
	})
	return out, nil
}

// invite is what [control.Backend] wants.
func (n *Network) invite(_ context.Context, r control.InviteRequest) (out control.InviteResult, err error) {
	uses, ttl := max(r.Uses, 1), 24*time.Hour
	if r.TTLSeconds != 0 {
		ttl = duration(r.TTLSeconds)
	}
	switch {
	case r.Name != "" && !validName(r.Name):
		return out, control.Errorf(control.CodeUsage, "%q: %v", r.Name, errName)
	case uses > 1000:
		return out, control.Errorf(control.CodeUsage, "invite: %d uses: between 1 and 1000", uses)
	case uses > 1 && r.Name != "":
		return out, control.Errorf(control.CodeUsage,
			"invite: a name is for one node: leave it out, or have the invitation be for one use")
	}
	n.locked(func() {
		now := n.wall()
		i := &invitation{at: n.step + joinsAfter, admin: r.Admin, Invitation: control.Invitation{
			Node: r.Name, Created: now, Expires: now.Add(ttl).Truncate(second), Uses: uses,
		}}
		var token string
		token, i.ID = n.token(i)
		n.invitations = append(n.invitations, i)
		out = control.InviteResult{
			Schema: control.SchemaInvite, Network: network, ID: i.ID, Token: token, Expires: i.Expires, Uses: uses,
		}
	})
	return out, nil
}

// revokeInvitation is what [control.Backend] wants.
func (n *Network) revokeInvitation(id string) (control.Invitations, error) {
	out := control.Invitations{Schema: control.SchemaInvitations, Network: network}
	var err error
	n.locked(func() {
		prefix := strings.ToLower(strings.TrimSpace(id))
		found := slices.DeleteFunc(slices.Clone(n.invitations), func(i *invitation) bool {
			return prefix == "" || !strings.HasPrefix(i.ID, prefix)
		})
		switch len(found) {
		case 0:
			e := control.Errorf(control.CodeNotFound, "there is no such invitation: %q", id)
			e.Fix = []string{"see vxmesh invite list"}
			err = e
		case 1:
			found[0].revoked = true
			out.Invitations = append(out.Invitations, n.invitationNow(found[0]))
		default:
			err = control.Errorf(control.CodeUsage, "several invitations begin like that: %q", id)
		}
	})
	return out, err
}

// admit lets in who comes with an invitation.
func (n *Network) admit() {
	for _, i := range n.invitations {
		if i.at != n.step || i.state(n.wall()) != "open" {
			continue
		}
		name := n.free(cmp.Or(i.Node, "tablet"))
		i.Spent = append(i.Spent, name)
		p := guest(name, i.admin)
		p.born = n.step
		p.address = fmt.Sprintf("10.42.0.%d/24", 62+len(n.peers)-6)
		n.addPeer(p)
		n.note(slog.LevelInfo, "invitation redeemed", "name", name, "id", p.id)
		n.tell(control.Event{Type: control.EventMember, Name: name, Reason: "joined"})
		mac := fmt.Sprintf("7c:2e:bd:%02x:%02x:01", byte(p.salt), byte(p.salt>>8))
		n.addHost(mac, "0", name)
	}
}

// free gives a name that nobody has.
func (n *Network) free(name string) string {
	taken := func(name string) bool {
		return slices.ContainsFunc(n.memberList().Members, func(m control.Member) bool { return m.Name == name })
	}
	for k, want := 2, name; taken(name); k++ {
		name = fmt.Sprintf("%s-%d", want, k)
	}
	return name
}

// minPrefix is how much of an id names a member at least.
const minPrefix = 4

// member finds one by its name, or by the beginning of its id; nil is this node itself.
func (n *Network) member(arg string) (*peer, error) {
	if arg == self || len(arg) >= minPrefix && strings.HasPrefix(n.selfID(), strings.ToLower(arg)) {
		return nil, nil
	}
	var found *peer
	names := []string{self}
	for _, p := range n.peers {
		if p.name == arg {
			return p, nil
		}
		names = append(names, p.name)
		if len(arg) < minPrefix || !strings.HasPrefix(p.id, strings.ToLower(arg)) {
			continue
		}
		if found != nil {
			return nil, control.Errorf(control.CodeUsage, "the ids of %s and %s begin with %s: give more of it",
				found.name, p.name, arg)
		}
		found = p
	}
	if found != nil {
		return found, nil
	}
	return nil, control.Errorf(control.CodeNotFound, "there is no member %q%s", arg, suggest.DidYouMean(arg, names))
}

// removeMember is what [control.Backend] wants.
func (n *Network) removeMember(_ context.Context, r control.RemoveRequest) (out control.Removed, err error) {
	n.locked(func() {
		var p *peer
		if p, err = n.member(r.Name); err != nil {
			return
		}
		if p == nil {
			e := control.Errorf(control.CodeUsage, "%s is this node itself", self)
			e.Fix = []string{"have it leave: vxmesh leave " + network}
			err = e
			return
		}
		n.secret++
		out = control.Removed{
			Schema: control.SchemaRemoved, Network: network, ID: p.id, Name: p.name, Admin: p.admin,
			Secret: n.secret, Told: true,
		}
		p.gone, p.state = true, down
		n.peers = slices.DeleteFunc(n.peers, func(q *peer) bool { return q == p })
		n.forget(func(e *entry) bool { return e.at == p })
		n.note(slog.LevelInfo, "member removed", "id", p.id)
		n.tell(control.Event{Type: control.EventMember, Name: p.name, Reason: "removed"})
	})
	return out, err
}

// errName is what a name is not.
var errName = errors.New("not a name: want 1 to 32 of a-z, 0-9 and -, and no - at either end")

func validName(s string) bool {
	return s != "" && len(s) <= 32 && s[0] != '-' && s[len(s)-1] != '-' &&
		strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789-") == ""
}

// renameMember is what [control.Backend] wants. This node keeps its name, which much here goes by.
func (n *Network) renameMember(_ context.Context, r control.RenameRequest) (out control.Renamed, err error) {
	if !validName(r.New) {
		return out, control.Errorf(control.CodeUsage, "%q: %v", r.New, errName)
	}
	n.locked(func() {
		var p *peer
		if p, err = n.member(r.Name); err != nil {
			return
		}
		switch {
		case n.free(r.New) != r.New:
			err = control.Errorf(control.CodeConflict, "there is a member called %s already", r.New)
			return
		case p == nil:
			err = control.Errorf(control.CodeFailed, "this network is simulated: its node keeps its name")
			return
		}
		out = control.Renamed{
			Schema: control.SchemaRenamed, Network: network, ID: p.id, Old: p.name, Name: r.New, Told: true,
		}
		p.name = r.New
		n.tell(control.Event{Type: control.EventMember, Name: p.name, Reason: "renamed"})
	})
	return out, err
}
