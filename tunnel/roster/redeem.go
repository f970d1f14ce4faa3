package roster

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/vxmesh/vxmesh/tunnel/wire"
)

// maxCertificate is how long a handshake lets a certificate be.
const maxCertificate = 298

// errType says that a message is of another type.
var errType = errors.New("it is another message")

// messageType reads the first byte of a message.
func (r *reader) messageType(want wire.Type) { r.refuseIf(wire.Type(r.uint8()) != want, errType) }

// DoorSecret is what stands in for the network secret in the handshake of a node that joins: it is
// made of what the token tells.
//
//	SHA-256 of "vxmesh1 door"   network id 32   inviter's session key 32
func DoorSecret(network NetworkID, inviter SessionKey) [32]byte {
	return sha256.Sum256(slices.Concat([]byte("vxmesh1 door"), network[:], inviter[:]))
}

// A Redeem asks the inviter for a certificate.
//
//	byte 0   1 .. 32          33 .. 64   65       66 ..
//	    16   invitation key   sign key   length   name   proof 64   possession 64
//
// The proof is by the invitation's key and the possession by the joiner's own, each in a context of
// its own over
//
//	channel binding 32   sign key 32   joiner's session key 32   name
//
// so that neither is of use in another session, or to anybody else.
type Redeem struct {
	Invitation InvitationID
	Sign       SignKey // of the joiner
	Name       string  // that it wants
	Proof      [64]byte
	Possession [64]byte
}

// Redeem makes the message of a joiner: key and session are its own, and binding is that of the
// session that the message goes through. The inviter refuses a name that is not a [ValidName].
func (t *Token) Redeem(binding [32]byte, key ed25519.PrivateKey, session SessionKey, name string) *Redeem {
	r := &Redeem{Invitation: t.Invitation(), Sign: signKeyOf(key), Name: name}
	body := r.body(binding, session)
	r.Proof = [64]byte(signature(t.Key(), contextRedeem, t.Network, body))
	r.Possession = [64]byte(signature(key, contextPossession, t.Network, body))
	return r
}

func (r *Redeem) body(binding [32]byte, session SessionKey) []byte {
	return slices.Concat(binding[:], r.Sign[:], session[:], []byte(r.Name))
}

// AppendRedeem appends the message.
func AppendRedeem(b []byte, r *Redeem) []byte {
	b = append(append(b, byte(wire.TypeRedeem)), r.Invitation[:]...)
	b = appendText(append(b, r.Sign[:]...), r.Name)
	return append(append(b, r.Proof[:]...), r.Possession[:]...)
}

// ParseRedeem reads the message. It checks its form, not its signatures.
func ParseRedeem(b []byte) (*Redeem, error) {
	r := reader{rest: b}
	r.messageType(wire.TypeRedeem)
	v := &Redeem{
		Invitation: r.array32(), Sign: r.array32(), Name: r.name(), Proof: r.array64(), Possession: r.array64(),
	}
	if err := r.end(); err != nil {
		return nil, fmt.Errorf("redeem message: %w", err)
	}
	return v, nil
}

// Verify checks that the sender has the invitation and its own signing key, and means this session:
// binding is the session's, and session the other side's key in its handshake. It does not know
// whether there is such an invitation.
func (r *Redeem) Verify(network NetworkID, binding [32]byte, session SessionKey) error {
	body := r.body(binding, session)
	if err := verify(SignKey(r.Invitation), contextRedeem, network, body, r.Proof[:]); err != nil {
		return fmt.Errorf("proof of the invitation: %w", err)
	}
	if err := verify(r.Sign, contextPossession, network, body, r.Possession[:]); err != nil {
		return fmt.Errorf("proof of the signing key: %w", err)
	}
	return nil
}

// A Grant is the answer that makes the joiner a member.
//
//	byte 0   1 .. 32              33 .. 40        41 .. 72         73
//	    17   network public key   secret number   network secret   length
//
//	network name   flag 1   delegation 64, when the flag is 1   length 2   certificate
type Grant struct {
	Anchor      Anchor
	Number      uint64 // of the secret
	Secret      [32]byte
	NetworkName string
	Delegation  *Delegation // only for an admin
	Certificate []byte      // at most 298 bytes
}

// Format keeps the secret out of logs.
func (g Grant) Format(f fmt.State, _ rune) {
	fmt.Fprintf(f, "grant for network %s (%s)", g.NetworkName, g.Anchor.ID())
}

// AppendGrant appends the message. It panics when the certificate is longer than any can be.
func AppendGrant(b []byte, g *Grant) []byte {
	if len(g.Certificate) > maxCertificate {
		panic(fmt.Sprintf("roster: a certificate of %d bytes", len(g.Certificate)))
	}
	b = append(append(b, byte(wire.TypeGrant)), g.Anchor.Key[:]...)
	b = append(binary.BigEndian.AppendUint64(b, g.Number), g.Secret[:]...)
	b = appendText(b, g.NetworkName)
	if g.Delegation == nil {
		b = append(b, 0)
	} else {
		b = append(append(b, 1), g.Delegation[:]...)
	}
	b = binary.BigEndian.AppendUint16(b, uint16(len(g.Certificate)))
	return append(b, g.Certificate...)
}

// ParseGrant reads the message; [Grant.Check] tells what it is worth.
func ParseGrant(b []byte) (*Grant, error) {
	r := reader{rest: b}
	r.messageType(wire.TypeGrant)
	g := &Grant{
		Anchor: Anchor{r.array32()}, Number: r.uint64(), Secret: r.array32(), NetworkName: r.name(),
	}
	r.refuseIf(g.Number < 1 || g.Number > MaxSecretNumber, errNumber)
	if r.flags(1) == 1 {
		d := Delegation(r.array64())
		g.Delegation = &d
	}
	length := int(r.uint16())
	r.refuseIf(length > maxCertificate, errors.New("the certificate is too long"))
	g.Certificate = bytes.Clone(r.take(length))
	if err := r.end(); err != nil {
		return nil, fmt.Errorf("grant: %w", err)
	}
	return g, nil
}

// Check is for the joiner, whose keys these are: that the grant is for the network of its token, and
// its certificate, and its delegation if there is one, are for itself.
func (g *Grant) Check(network NetworkID, key SignKey, session SessionKey) (*Certificate, error) {
	if g.Anchor.ID() != network {
		return nil, errors.New("grant: its key is that of another network than the token's")
	}
	c, err := ParseCertificate(g.Certificate)
	if err == nil {
		err = c.Verify(g.Anchor)
	}
	if err == nil && g.Delegation != nil {
		err = g.Delegation.Verify(g.Anchor, key)
	}
	if err == nil && (c.Sign != key || c.Session != session) {
		err = errors.New("its certificate is for other keys")
	}
	if err != nil {
		return nil, fmt.Errorf("grant: %w", err)
	}
	return c, nil
}

// A RefusalReason says why an invitation was not redeemed.
type RefusalReason uint8

// The reasons.
const (
	RefusedUnknown   RefusalReason = 1 // there is no such invitation
	RefusedExpired   RefusalReason = 2
	RefusedUsed      RefusalReason = 3 // as often as it can be
	RefusedRevoked   RefusalReason = 4
	RefusedName      RefusalReason = 5 // another member has it
	RefusedNotNow    RefusalReason = 6 // the inviter cannot issue certificates now
	RefusedClock     RefusalReason = 7 // the inviter's clock is implausible
	RefusedMalformed RefusalReason = 8
)

var refusals = [...]string{
	RefusedUnknown:   "the inviter does not know this invitation",
	RefusedExpired:   "the invitation has expired",
	RefusedUsed:      "the invitation is used up",
	RefusedRevoked:   "the invitation was withdrawn",
	RefusedName:      "another node has this name",
	RefusedNotNow:    "the inviter cannot issue certificates now",
	RefusedClock:     "the inviter's clock is wrong",
	RefusedMalformed: "the inviter could not read the request",
}

// known tells whether it is one of the reasons.
func (r RefusalReason) known() bool { return r >= RefusedUnknown && int(r) < len(refusals) }

func (r RefusalReason) String() string {
	if !r.known() {
		return fmt.Sprintf("refusal reason %d", uint8(r))
	}
	return refusals[r]
}

// maxRefusal is how long the text of a refusal is at most, in bytes.
const maxRefusal = 200

// A Refusal is the answer that the joiner does not like.
//
//	byte 0   1        2        3 ..
//	    18   reason   length   text
type Refusal struct {
	Reason RefusalReason
	Text   string // for people, may be empty: at most 200 bytes of printable UTF-8
}

// Error is a sentence for the person who wants to join.
func (r *Refusal) Error() string {
	if r.Text == "" {
		return r.Reason.String()
	}
	return r.Reason.String() + ": " + r.Text
}

// AppendRefusal appends the message; what cannot be printed is left out of the text, and so is what
// does not fit.
func AppendRefusal(b []byte, r *Refusal) []byte {
	text := strings.Map(func(c rune) rune {
		if !unicode.IsPrint(c) {
			return -1
		}
		return c
	}, strings.ToValidUTF8(r.Text, ""))
	for len(text) > maxRefusal {
		_, size := utf8.DecodeLastRuneInString(text)
		text = text[:len(text)-size]
	}
	return appendText(append(b, byte(wire.TypeRefusal), byte(r.Reason)), text)
}

// ParseRefusal reads the message. Its text is safe to be shown on a terminal.
func ParseRefusal(b []byte) (*Refusal, error) {
	r := reader{rest: b}
	r.messageType(wire.TypeRefusal)
	v := &Refusal{Reason: RefusalReason(r.uint8()), Text: r.text()}
	r.refuseIf(!v.Reason.known(), errors.New("its reason is unknown"))
	r.refuseIf(len(v.Text) > maxRefusal || !printable(v.Text), errors.New("its text cannot be shown"))
	if err := r.end(); err != nil {
		return nil, fmt.Errorf("refusal: %w", err)
	}
	return v, nil
}

func printable(s string) bool {
	return utf8.ValidString(s) && !strings.ContainsFunc(s, func(c rune) bool { return !unicode.IsPrint(c) })
}
