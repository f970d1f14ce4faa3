package roster

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"errors"
	"fmt"
	"time"
)

// A RevocationKind says who wants a node to be out.
type RevocationKind uint8

// The kinds. A Removal of a node that is an admin does not count: it takes one of the others.
const (
	Leave          RevocationKind = 1 // the node itself
	Removal        RevocationKind = 2 // an admin
	NetworkRemoval RevocationKind = 3 // the network key
)

// A Revocation puts a node out of the network, for good: its keys never come back.
//
//	byte 0      1      2 .. 33   34 .. 37   38 ..
//	version 1   kind   node id   time       body   signature 64
//
// The body of a leave is the node's own sign key, that of a removal is issuer 32 | delegation 64,
// and that of a removal by the network key is empty.
type Revocation struct {
	Kind RevocationKind
	Node NodeID
	At   time.Time // what the signer says; whole seconds

	Signer     SignKey    // the leaver or the issuer; zero for NetworkRemoval
	Delegation Delegation // of the issuer; only for Removal
	Raw        []byte     // the encoding, at most 198 bytes
}

// Leaving is what a node says when it leaves the network.
func Leaving(network NetworkID, key ed25519.PrivateKey, at time.Time) *Revocation {
	signer := signKeyOf(key)
	b := append(revocationHead(Leave, signer.Node(), at), signer[:]...)
	return mustParse(ParseRevocation(sealed(key, contextLeave, network, b)))
}

// Remove revokes a node that is no admin.
func (a Authority) Remove(node NodeID, at time.Time) *Revocation {
	return mustParse(ParseRevocation(a.seal(contextRemoval, revocationHead(Removal, node, at))))
}

// RemoveByNetwork revokes any node, with the network's own key.
func RemoveByNetwork(network ed25519.PrivateKey, node NodeID, at time.Time) *Revocation {
	b := revocationHead(NetworkRemoval, node, at)
	return mustParse(ParseRevocation(sealed(network, contextNetworkRemoval, anchorOf(network).ID(), b)))
}

func revocationHead(k RevocationKind, node NodeID, at time.Time) []byte {
	b := append(make([]byte, 0, MaxItem), version, byte(k))
	return appendTime(append(b, node[:]...), at)
}

// ParseRevocation reads a revocation. It checks its form, not its signatures.
func ParseRevocation(b []byte) (*Revocation, error) {
	r := reader{rest: b}
	r.version()
	v := &Revocation{Kind: RevocationKind(r.uint8()), Node: r.array32(), At: r.time()}
	switch v.Kind {
	case Leave:
		v.Signer = r.array32()
		r.refuseIf(v.Signer.Node() != v.Node, errors.New("another node's key is in it"))
	case Removal:
		v.Signer, v.Delegation = r.array32(), r.array64()
	case NetworkRemoval:
	default:
		r.refuse(errors.New("its kind is unknown"))
	}
	if err := r.signature(); err != nil {
		return nil, fmt.Errorf("revocation: %w", err)
	}
	v.Raw = bytes.Clone(b)
	return v, nil
}

// Verify checks that whom the kind names signed the revocation.
func (v *Revocation) Verify(a Anchor) error {
	if err := v.verify(a); err != nil {
		return fmt.Errorf("revocation of node %s: %w", v.Node, err)
	}
	return nil
}

func (v *Revocation) verify(a Anchor) error {
	switch v.Kind {
	case Leave:
		return verifySealed(v.Signer, contextLeave, a.ID(), v.Raw)
	case Removal:
		return verifyIssued(a, contextRemoval, v.Signer, v.Delegation, v.Raw)
	default:
		return verifySealed(a.Key, contextNetworkRemoval, a.ID(), v.Raw)
	}
}

// Sum tells the revocation from every other: the SHA-256 of its encoding.
func (v *Revocation) Sum() [32]byte { return sha256.Sum256(v.Raw) }

// mustParse is for what was encoded here, from values that all have an encoding.
func mustParse[T any](v *T, err error) *T {
	if err != nil {
		panic("roster: " + err.Error())
	}
	return v
}
