package membership

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/vxmesh/vxmesh/identity"
	"github.com/vxmesh/vxmesh/tunnel/roster"
)

// EnrolOptions is what a node brings home from redeeming an invitation.
type EnrolOptions struct {
	Identity identity.Identity
	Grant    *roster.Grant // its network is that of the token: the caller has seen to it
	Seeds    []Seed
	Items    []roster.Item
	Now      time.Time // the zero time stands for the system's
}

// Enrol makes this node a member of the network that granted it. The error wraps [fs.ErrExist] when
// it is one already, and then nothing has changed; after any other error it may be called again.
func Enrol(dir string, o EnrolOptions) (*Member, error) { return newStore(dir).enrol(o) }

func (s store) enrol(o EnrolOptions) (*Member, error) {
	st, err := granted(o)
	if err != nil {
		return nil, err
	}
	return s.establish(o.Identity, func() (*state, []roster.Item, error) {
		return st, append(slices.Clone(o.Items), st.certificate.Item()), nil
	})
}

// granted checks a grant. A clock that is behind is for the roster to judge: it knows more.
func granted(o EnrolOptions) (*state, error) {
	c, err := o.Grant.Check(o.Grant.Anchor.ID(), signKey(o.Identity), o.Identity.PublicKey())
	if err != nil {
		return nil, err
	}
	if err := c.ValidAt(orNow(o.Now)); errors.Is(err, roster.ErrExpired) {
		return nil, fmt.Errorf("grant: %w; is the clock of this machine right?", err)
	}
	if err := nameError("network", o.Grant.NetworkName); err != nil {
		return nil, fmt.Errorf("grant: %w", err)
	}
	if o.Grant.Number < 1 || o.Grant.Number > roster.MaxSecretNumber {
		return nil, errors.New("grant: the secret has no number")
	}
	return &state{
		anchor: o.Grant.Anchor, name: o.Grant.NetworkName, certificate: c, delegation: o.Grant.Delegation,
		number: o.Grant.Number, secret: o.Grant.Secret, seeds: slices.Clone(o.Seeds),
	}, nil
}
