package membership

import (
	"crypto/rand"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/vxmesh/vxmesh/tunnel/roster"
)

// Why there is no invitation.
var (
	ErrNoAdmin      = errors.New("this node is no admin of the network: only an admin can let nodes in")
	ErrNoInvitation = errors.New("there is no such invitation")
	ErrAmbiguous    = errors.New("several invitations begin like that")
	ErrFull         = errors.New("too many invitations are open: revoke some")
)

const (
	defaultTTL = 24 * time.Hour
	maxUses    = 1000
)

// InviteOptions is what somebody is invited to.
type InviteOptions struct {
	Node      string           // the suggested name; may be empty, and must be for several uses
	TTL       time.Duration    // 0 is 24 hours
	Uses      int              // how often it may be redeemed, at most 1,000; 0 is once
	VNI       uint32           // of the segment that the joiner's device is to be in; 0: the network's own
	Addresses []netip.Prefix   // for that device, at most two; none: it finds its own
	Rights    roster.Rights    // Admin needs the network's key here, now and when it is redeemed
	Endpoints []netip.AddrPort // where this node can be reached: 1 to 4
	Now       time.Time        // the zero time stands for the system's
}

// Invite makes an invitation. The token is not kept: it cannot be had again.
func (m *Member) Invite(o InviteOptions) (*roster.Token, Invitation, error) {
	t, i, err := m.invitation(o)
	if err != nil {
		return nil, Invitation{}, fmt.Errorf("invite: %w", err)
	}
	err = m.changeInvitations(func(all []Invitation) ([]Invitation, error) {
		all, err := makeRoom(prune(all, i.Created), i.Created)
		return append(all, i), err
	})
	if err != nil {
		return nil, Invitation{}, err
	}
	return t, i, nil
}

// invitation makes the two halves of one.
func (m *Member) invitation(o InviteOptions) (*roster.Token, Invitation, error) {
	if o.TTL == 0 {
		o.TTL = defaultTTL
	}
	if o.Uses == 0 {
		o.Uses = 1
	}
	if err := m.checkInvite(o); err != nil {
		return nil, Invitation{}, err
	}
	now := orNow(o.Now)
	t := &roster.Token{
		Network: m.Anchor().ID(), Inviter: m.id.PublicKey(), Expires: now.Add(o.TTL).Truncate(time.Second),
		Rights: o.Rights, Endpoints: o.Endpoints, NetworkName: m.Name(), NodeName: o.Node,
		VNI: o.VNI, Addresses: o.Addresses,
	}
	_, _ = rand.Read(t.Seed[:]) // never fails
	if _, err := t.Encode(); err != nil {
		return nil, Invitation{}, err
	}
	return t, Invitation{
		ID: t.Invitation(), Node: o.Node, Rights: o.Rights,
		Created: now, Expires: t.Expires, Uses: o.Uses,
	}, nil
}

// checkInvite refuses what the token cannot tell.
func (m *Member) checkInvite(o InviteOptions) error {
	if _, ok := m.Authority(); !ok {
		return ErrNoAdmin
	}
	switch {
	case o.TTL < time.Second:
		return fmt.Errorf("a life of %v is none", o.TTL)
	case o.Uses < 1 || o.Uses > maxUses:
		return fmt.Errorf("%d uses: between 1 and %d", o.Uses, maxUses)
	case o.Uses > 1 && o.Node != "":
		return errors.New("a name is for one node: leave it out, or have the invitation be for one use")
	case o.Uses > 1 && len(o.Addresses) > 0:
		return errors.New("an address is for one node: leave it out, or have the invitation be for one use")
	case o.Rights.MACs < 0 || o.Rights.MACs > 0xffff:
		return fmt.Errorf("a limit of %d MAC addresses: between 0 and 65535", o.Rights.MACs)
	}
	if o.Rights.Admin {
		_, err := m.NetworkKey()
		return err
	}
	return nil
}

// makeRoom leaves out as many as must go for one more: those that have been of no use the longest.
func makeRoom(all []Invitation, now time.Time) ([]Invitation, error) {
	for len(all) >= maxInvitations {
		oldest := -1
		for k := range all {
			dead := all[k].State(now) != StateOpen
			if dead && (oldest < 0 || all[k].ended(now).Before(all[oldest].ended(now))) {
				oldest = k
			}
		}
		if oldest < 0 {
			return nil, ErrFull
		}
		all = append(all[:oldest], all[oldest+1:]...)
	}
	return all, nil
}

// RevokeInvitation withdraws the invitation whose id, in hexadecimal, begins with prefix. The error
// wraps [ErrNoInvitation] or [ErrAmbiguous]. Who has redeemed it stays a member.
func (m *Member) RevokeInvitation(prefix string) (Invitation, error) {
	var found Invitation
	now := orNow(m.now())
	err := m.changeInvitations(func(all []Invitation) ([]Invitation, error) {
		k, err := find(all, strings.ToLower(strings.TrimSpace(prefix)))
		if err != nil {
			return nil, fmt.Errorf("%w: %q", err, prefix)
		}
		if found = all[k]; found.Revoked {
			return nil, nil
		}
		all[k].Revoked, all[k].RevokedAt = true, now
		found = all[k]
		return prune(all, now), nil
	})
	if err != nil {
		return Invitation{}, err
	}
	return found, nil
}

func find(all []Invitation, prefix string) (int, error) {
	found := -1
	for k := range all {
		if prefix == "" || !strings.HasPrefix(all[k].ID.String(), prefix) {
			continue
		}
		if found >= 0 {
			return 0, ErrAmbiguous
		}
		found = k
	}
	if found < 0 {
		return 0, ErrNoInvitation
	}
	return found, nil
}
