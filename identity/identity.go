package identity

import (
	"crypto/ecdh"
	"crypto/ed25519"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
)

// KeySize is the size of every key here, in bytes.
const KeySize = 32

// An Identity is a node's private keys and what follows from them. Make one with [Open], [Load] or
// [Create].
type Identity struct {
	signing [KeySize]byte // the seed of the Ed25519 key that signs the node's records
	session [KeySize]byte // the X25519 key of the handshake

	id     [sha256.Size]byte
	public [KeySize]byte // of session
}

// generate makes an identity that nobody else has.
func generate() (Identity, error) {
	var signing, session [KeySize]byte
	_, _ = rand.Read(signing[:]) // never fails
	_, _ = rand.Read(session[:])
	return fromKeys(signing, session)
}

func fromKeys(signing, session [KeySize]byte) (Identity, error) {
	private, err := ecdh.X25519().NewPrivateKey(session[:])
	if err != nil {
		return Identity{}, fmt.Errorf("use X25519 key: %w", err)
	}
	public := ed25519.NewKeyFromSeed(signing[:]).Public().(ed25519.PublicKey)
	return Identity{
		signing: signing, session: session,
		id: sha256.Sum256(public), public: [KeySize]byte(private.PublicKey().Bytes()),
	}, nil
}

// ID names the node for ever: the SHA-256 of its Ed25519 public key.
func (i Identity) ID() [32]byte { return i.id }

// PublicKey is the X25519 key by which other nodes know this one.
func (i Identity) PublicKey() [KeySize]byte { return i.public }

// PrivateKey is the X25519 key of the handshake. It is for the sessions alone.
func (i Identity) PrivateKey() [KeySize]byte { return i.session }

// SigningKey is the Ed25519 key whose public half [Identity.ID] is the hash of. It signs what the node
// says of itself, and what it issues where it is an admin.
func (i Identity) SigningKey() ed25519.PrivateKey { return ed25519.NewKeyFromSeed(i.signing[:]) }

// The range of the ports that nodes derive: clear of those that 4789 and 8472 stand for, and wide
// enough that two nodes behind one NAT hardly ever meet.
const (
	firstPort = 20000
	ports     = 40000
)

// Port is the UDP port of the node's sealed datagrams where the config names none: derived from the
// id, so that it stays the same.
func (i Identity) Port() uint16 {
	return uint16(firstPort + binary.BigEndian.Uint64(i.id[:8])%ports)
}

// Seed is 32 secret bytes that are always the same, from which a node derives what must be stable
// and its own, such as the addresses of its devices. Nothing of the keys can be learned from it.
func (i Identity) Seed() []byte {
	seed, err := hkdf.Key(sha256.New, i.signing[:], nil, "vxmesh device addresses", 32)
	if err != nil {
		panic(err) // 32 bytes are within what HKDF gives (RFC 5869, 2.3)
	}
	return seed
}

// String is the beginning of the id, for people; printing an Identity never shows its keys.
func (i Identity) String() string { return fmt.Sprintf("%x", i.id[:8]) }
