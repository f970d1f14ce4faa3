package membership

import (
	"crypto/ed25519"
	"errors"
	"fmt"
	"net/netip"

	"github.com/vxmesh/vxmesh/identity"
	"github.com/vxmesh/vxmesh/tunnel/roster"
)

// ErrOtherIdentity is wrapped by the error of a membership that belongs to other keys than the node's.
var ErrOtherIdentity = errors.New("the certificate is for the keys of another node")

// A Seed is a member that was reached before: where a node begins that knows nobody else.
type Seed struct {
	Session   roster.SessionKey
	Endpoints []netip.AddrPort
}

// A state is what membership.json holds. It never changes once it is in use.
type state struct {
	anchor      roster.Anchor
	name        string // of the network
	certificate *roster.Certificate
	delegation  *roster.Delegation // nil unless this node is an admin
	number      uint64             // of secret
	secret      [32]byte
	seeds       []Seed
}

// savedState is the form of the file.
type savedState struct {
	header
	Name        string      `json:"network_name"`
	Key         key32       `json:"network_key"`
	Certificate []byte      `json:"certificate"`
	Delegation  []byte      `json:"delegation,omitempty"`
	Secret      savedSecret `json:"secret"`
	Seeds       []savedSeed `json:"seeds,omitempty"`
}

type savedSecret struct {
	Number uint64 `json:"number"`
	Bytes  key32  `json:"bytes"`
}

type savedSeed struct {
	Session   key32            `json:"session_key"`
	Endpoints []netip.AddrPort `json:"endpoints"`
}

func (s *state) saved() savedState {
	v := savedState{
		header: header{format}, Name: s.name, Key: s.anchor.Key, Certificate: s.certificate.Raw,
		Secret: savedSecret{s.number, s.secret},
	}
	if s.delegation != nil {
		v.Delegation = s.delegation[:]
	}
	for _, seed := range s.seeds {
		v.Seeds = append(v.Seeds, savedSeed{key32(seed.Session), seed.Endpoints})
	}
	return v
}

// loadState reads the membership and checks it, for the node whose identity this is.
func (s store) loadState(id identity.Identity) (*state, error) {
	const advice = "restore it from a backup, or leave the network and ask for a new invitation"
	var v savedState
	var out *state
	err := s.loadJSON(fileMembership, advice, &v, func() (err error) {
		out, err = v.state()
		return err
	})
	if err != nil {
		return nil, err
	}
	if err := out.checkOwner(id); err != nil {
		return nil, fmt.Errorf("read %s: %w", s.path(fileMembership), err)
	}
	return out, nil
}

// state checks all that needs no other key than the network's.
func (v *savedState) state() (*state, error) {
	s := &state{
		anchor: roster.Anchor{Key: v.Key}, name: v.Name, number: v.Secret.Number, secret: v.Secret.Bytes,
	}
	if err := roster.ValidName(v.Name); err != nil {
		return nil, fmt.Errorf("the network's name: %w", err)
	}
	if s.number < 1 || s.number > roster.MaxSecretNumber {
		return nil, errors.New("the secret has no number")
	}
	var err error
	if s.certificate, err = roster.ParseCertificate(v.Certificate); err != nil {
		return nil, err
	}
	if err := s.certificate.Verify(s.anchor); err != nil {
		return nil, err
	}
	if len(v.Delegation) > 0 {
		if len(v.Delegation) != len(roster.Delegation{}) {
			return nil, errors.New("the delegation has not its length")
		}
		d := roster.Delegation(v.Delegation)
		if err := d.Verify(s.anchor, s.certificate.Sign); err != nil {
			return nil, err
		}
		s.delegation = &d
	}
	for _, seed := range v.Seeds {
		s.seeds = append(s.seeds, Seed{roster.SessionKey(seed.Session), seed.Endpoints})
	}
	return s, nil
}

// checkOwner tells whether the certificate is for the node.
func (s *state) checkOwner(id identity.Identity) error { return checkOwner(s.certificate, id) }

func checkOwner(c *roster.Certificate, id identity.Identity) error {
	if c.Sign != signKey(id) || c.Session != id.PublicKey() {
		return fmt.Errorf("%w (%s), and this is %s", ErrOtherIdentity, c.Node(), roster.NodeID(id.ID()))
	}
	return nil
}

// signKey is the public half of the node's signing key.
func signKey(id identity.Identity) roster.SignKey { return publicKey(id.SigningKey()) }

// publicKey is the public half of a key.
func publicKey(key ed25519.PrivateKey) roster.SignKey {
	return roster.SignKey(key.Public().(ed25519.PublicKey))
}
