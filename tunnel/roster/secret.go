package roster

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
)

// A Secret is what all members know and nobody else does. A node is only talked to when it knows it;
// with each revocation by an admin there is a new one, which the revoked node is not told.
//
//	byte 0      1 .. 8   9 .. 40   41 .. 72   73 .. 136    137 .. 200
//	version 1   number   secret    issuer     delegation   signature
type Secret struct {
	Number uint64 // from 1 to MaxSecretNumber; the highest is in use
	Secret [32]byte

	Issuer     SignKey
	Delegation Delegation // of the issuer
	Raw        []byte     // the encoding
}

// MaxSecretNumber is the largest number of a secret. Who counts one on cannot overflow, whatever
// somebody else has issued.
const MaxSecretNumber = 1 << 63

// errNumber says that a secret's number is out of range.
var errNumber = errors.New("the secret's number is out of range")

// NewSecret issues a secret, which the caller made at random. Nobody takes one whose number is not
// between 1 and [MaxSecretNumber].
func (a Authority) NewSecret(number uint64, secret [32]byte) *Secret {
	b := append(make([]byte, 0, MaxItem), version)
	b = append(binary.BigEndian.AppendUint64(b, number), secret[:]...)
	return &Secret{
		Number: number, Secret: secret, Issuer: a.SignKey(), Delegation: a.Delegation,
		Raw: a.seal(contextSecret, b),
	}
}

// ParseSecret reads a secret. It checks its form, not its signatures.
func ParseSecret(b []byte) (*Secret, error) {
	r := reader{rest: b}
	r.version()
	s := &Secret{Number: r.uint64(), Secret: r.array32(), Issuer: r.array32(), Delegation: r.array64()}
	r.refuseIf(s.Number < 1 || s.Number > MaxSecretNumber, errNumber)
	if err := r.signature(); err != nil {
		return nil, fmt.Errorf("network secret: %w", err)
	}
	s.Raw = bytes.Clone(b)
	return s, nil
}

// Verify checks that an admin of the network issued the secret.
func (s *Secret) Verify(a Anchor) error {
	if err := verifyIssued(a, contextSecret, s.Issuer, s.Delegation, s.Raw); err != nil {
		return fmt.Errorf("network secret %d: %w", s.Number, err)
	}
	return nil
}

// Newer tells whether the secret takes the place of another one: the higher number does; of two with
// one number, the one with the larger bytes. The number stands first, so the bytes tell both.
func (s *Secret) Newer(than *Secret) bool {
	return bytes.Compare(s.Raw, than.Raw) > 0
}

// Format keeps the secret out of logs.
func (s Secret) Format(f fmt.State, _ rune) { fmt.Fprintf(f, "network secret %d", s.Number) }
