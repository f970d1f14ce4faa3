package roster

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
)

// ErrDelegation says that an object's issuer is no admin of the network.
var ErrDelegation = errors.New("its issuer is not an admin of this network")

// A NetworkID names a network: the SHA-256 of its public key. As text it is hexadecimal.
type NetworkID [32]byte

// A NodeID names a node: the SHA-256 of its [SignKey]. As text it is hexadecimal.
type NodeID [32]byte

// A SignKey is the Ed25519 public key of a node. As text it is standard base64.
type SignKey [32]byte

// A SessionKey is the X25519 public key that a node makes handshakes with. As text it is standard
// base64.
type SessionKey [32]byte

func (n NetworkID) String() string  { return hex.EncodeToString(n[:]) }
func (n NodeID) String() string     { return hex.EncodeToString(n[:]) }
func (k SignKey) String() string    { return base64.StdEncoding.EncodeToString(k[:]) }
func (k SessionKey) String() string { return base64.StdEncoding.EncodeToString(k[:]) }

// ParseNetworkID reads what [NetworkID.String] writes.
func ParseNetworkID(s string) (NetworkID, error) {
	id, err := parseID(s)
	return NetworkID(id), err
}

// ParseNodeID reads what [NodeID.String] writes.
func ParseNodeID(s string) (NodeID, error) {
	id, err := parseID(s)
	return NodeID(id), err
}

// parseID takes lower case only: an id has one text.
func parseID(s string) (id [32]byte, err error) {
	b, _ := hex.DecodeString(s)
	if len(b) != len(id) || hex.EncodeToString(b) != s {
		return id, errors.New("not an id: want 64 lower-case hexadecimal digits")
	}
	return [32]byte(b), nil
}

// Node is the id of the node whose key this is.
func (k SignKey) Node() NodeID { return sha256.Sum256(k[:]) }

// signKeyOf is the public half of a key.
func signKeyOf(key ed25519.PrivateKey) SignKey { return SignKey(key.Public().(ed25519.PublicKey)) }

// An Anchor is the public key of a network: every check starts from it.
type Anchor struct{ Key [32]byte }

// ID is the id of the network.
func (a Anchor) ID() NetworkID { return sha256.Sum256(a.Key[:]) }

// anchorOf is the anchor of the network whose private key this is.
func anchorOf(network ed25519.PrivateKey) Anchor { return Anchor{Key: signKeyOf(network)} }

// A Delegation is the network key's signature over the [SignKey] of a node, which makes it an admin.
type Delegation [64]byte

// Delegate makes a node an admin of the network.
func Delegate(network ed25519.PrivateKey, admin SignKey) Delegation {
	return Delegation(signature(network, contextDelegation, anchorOf(network).ID(), admin[:]))
}

// Verify tells whether the network made the node an admin; the error wraps [ErrDelegation]. It does
// not know whether the admin was revoked since.
func (d Delegation) Verify(a Anchor, admin SignKey) error {
	if err := verify(a.Key, contextDelegation, a.ID(), admin[:], d[:]); err != nil {
		return fmt.Errorf("%w: its delegation has a wrong signature", ErrDelegation)
	}
	return nil
}

// An Authority is the power of an admin to issue certificates, revocations and secrets.
type Authority struct {
	Network    NetworkID
	Key        ed25519.PrivateKey // the admin's own signing key
	Delegation Delegation
}

// SignKey is the public key of the admin, the issuer of what it signs.
func (a Authority) SignKey() SignKey { return signKeyOf(a.Key) }

// Format keeps the key out of logs.
func (a Authority) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "authority") }

// seal appends who issues the body, and the signature over all of it.
func (a Authority) seal(context string, body []byte) []byte {
	issuer := a.SignKey()
	body = append(append(body, issuer[:]...), a.Delegation[:]...)
	return sealed(a.Key, context, a.Network, body)
}

// verifyIssued checks what [Authority.seal] made, the delegation first.
func verifyIssued(a Anchor, context string, issuer SignKey, d Delegation, raw []byte) error {
	if err := d.Verify(a, issuer); err != nil {
		return err
	}
	return verifySealed(issuer, context, a.ID(), raw)
}
