package membership

import (
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/vxmesh/vxmesh/identity"
	"github.com/vxmesh/vxmesh/tunnel/roster"
)

// FoundOptions is what a new network is made of.
type FoundOptions struct {
	Network  string // its name
	Identity identity.Identity
	Node     string        // the name of this node, its first
	Rights   roster.Rights // of this node, besides Bridge and Admin, which it always gets
	Now      time.Time     // the zero time stands for the system's
}

// Found makes a network whose first node is this one: its key, the delegation that makes this node an
// admin, its certificate, and the first secret. The error wraps [fs.ErrExist] when there is a
// membership already. A network key that is there without one is used: the start was interrupted, or
// somebody lost the rest.
func Found(dir string, o FoundOptions) (*Member, error) { return newStore(dir).found(o) }

func (s store) found(o FoundOptions) (*Member, error) {
	if err := errors.Join(nameError("network", o.Network), nameError("node", o.Node)); err != nil {
		return nil, err
	}
	return s.establish(o.Identity, func() (*state, []roster.Item, error) {
		key, err := s.newNetworkKey()
		if err != nil {
			return nil, nil, err
		}
		return found(key, o)
	})
}

func nameError(of, name string) error {
	if err := roster.ValidName(name); err != nil {
		return fmt.Errorf("the name of the %s, %q: %w", of, name, err)
	}
	return nil
}

// newNetworkKey is the key that is there, or a new one that is there from now on.
func (s store) newNetworkKey() (ed25519.PrivateKey, error) {
	key, err := s.loadNetworkKey()
	if !errors.Is(err, fs.ErrNotExist) {
		return key, err
	}
	_, key, err = ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make network key: %w", err)
	}
	return key, s.save(fileNetworkKey, networkKeyText(key))
}

// found makes the network. The items are what its members will be told.
func found(key ed25519.PrivateKey, o FoundOptions) (*state, []roster.Item, error) {
	st := &state{anchor: roster.Anchor{Key: publicKey(key)}, name: o.Network, number: 1}
	sign := signKey(o.Identity)
	d := roster.Delegate(key, sign)
	st.delegation = &d
	_, _ = rand.Read(st.secret[:]) // never fails
	authority, _ := st.authority(o.Identity.SigningKey())
	o.Rights.Bridge, o.Rights.Admin = true, true
	now := orNow(o.Now)
	var err error
	st.certificate, err = authority.Certify(roster.Certificate{
		Sign: sign, Session: o.Identity.PublicKey(), Name: o.Node, Rights: o.Rights,
		NotBefore: now, NotAfter: now.Add(roster.CertificateLife),
	})
	if err != nil {
		return nil, nil, err
	}
	secret := authority.NewSecret(st.number, st.secret)
	return st, []roster.Item{secret.Item(), st.certificate.Item()}, nil
}

// establish writes a membership that is not there yet, membership.json last.
func (s store) establish(
	id identity.Identity, f func() (*state, []roster.Item, error),
) (*Member, error) {
	if err := s.make(); err != nil {
		return nil, err
	}
	err := s.locked(func() error {
		if s.exists(fileMembership) {
			return fmt.Errorf("this node is a member of a network already: %s: %w",
				s.path(fileMembership), fs.ErrExist)
		}
		st, items, err := f()
		if err != nil {
			return err
		}
		if err := s.saveItems(items); err != nil {
			return err
		}
		return s.saveJSON(fileMembership, st.saved())
	})
	if err != nil {
		return nil, err
	}
	return s.open(id)
}
