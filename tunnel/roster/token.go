package roster

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base32"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"strings"
	"time"
)

// Why a text is not an invitation token that can be used.
var (
	ErrNotToken     = errors.New("this is not an invitation token: one begins with vxm1")
	ErrMistyped     = errors.New("the invitation token has a typing error: copy it again")
	ErrTruncated    = errors.New("the invitation token is cut off: copy all of its line")
	ErrTokenVersion = errors.New("the invitation token is for another version of vxmesh")
)

const (
	TokenPrefix       = "vxm1" // what a token begins with
	tokenSum          = 4      // bytes of the checksum
	minToken          = 129 + tokenSum
	MaxTokenEndpoints = 4 // of the inviter, in a token
	MaxTokenAddresses = 2 // for the joiner, in a token
)

var tokenText = base32.NewEncoding(tokenLetters).WithPadding(base32.NoPadding)

const tokenLetters = "abcdefghijklmnopqrstuvwxyz234567"

// An InvitationID names an invitation: the public key that goes with its seed.
type InvitationID [32]byte

func (i InvitationID) String() string { return hex.EncodeToString(i[:]) }

// Short is the id for people: its first 8 hexadecimal digits.
func (i InvitationID) Short() string { return hex.EncodeToString(i[:4]) }

// A Token invites a node into a network: who has it may join, once or as often as the inviter
// allows. As text it is one line: "vxm1", and then in lower-case base32 (RFC 4648, without padding)
//
//	byte 0      1 .. 32      33 .. 64   65 .. 96              97 .. 100   101     102
//	version 1   network id   seed       inviter session key   expires     flags   count
//
//	address 16, port 2 each   count 1   VNIs, 3 each   length 1   network name
//	length 1   node name   VNI 3   count 1   address 16, bits 1 each   checksum 4
//
// The flags are those of a [Certificate]. The checksum is the start of the SHA-256 of
// "vxmesh1 token" and all before it.
type Token struct {
	Network     NetworkID
	Seed        [32]byte         // of the invitation's Ed25519 key
	Inviter     SessionKey       // of the node to join through
	Expires     time.Time        // whole seconds
	Rights      Rights           // what to expect; the token does not carry MACs
	Endpoints   []netip.AddrPort // of the inviter: 1 to 4, ascending
	NetworkName string
	NodeName    string // a suggestion; may be empty
	VNI         uint32 // of the segment that the joiner's device is to be in; 0: the network's own

	Addresses []netip.Prefix // for that device: at most 2, ascending; none: the joiner finds its own
}

// Encode gives the token as text, which is a secret.
func (t *Token) Encode() (string, error) {
	b, err := t.appendBody(make([]byte, 0, 300))
	if err == nil {
		_, err = parseToken(b)
	}
	if err != nil {
		return "", fmt.Errorf("invitation token: %w", err)
	}
	sum := sumOfToken(b)
	return TokenPrefix + tokenText.EncodeToString(append(b, sum[:]...)), nil
}

func (t *Token) appendBody(b []byte) ([]byte, error) {
	if err := checkTime(t.Expires); err != nil {
		return nil, err
	}
	b = append(append(b, version), t.Network[:]...)
	b = append(append(b, t.Seed[:]...), t.Inviter[:]...)
	b = append(appendTime(b, t.Expires), t.Rights.flags())
	b, err := appendEndpoints(b, t.Endpoints, MaxTokenEndpoints)
	if err != nil {
		return nil, err
	}
	if b, err = appendSegments(b, t.Rights.Segments); err != nil {
		return nil, err
	}
	if t.VNI > maxVNI {
		return nil, errVNI
	}
	b = append(appendText(appendText(b, t.NetworkName), t.NodeName), vniBytes(t.VNI)...)
	return appendPrefixes(b, t.Addresses)
}

// ParseToken reads what [Token.Encode] writes, in any case and with space around it. The errors are
// for whoever typed it and never quote it: [ErrNotToken], [ErrMistyped], [ErrTruncated],
// [ErrTokenVersion], or another when whoever made the token is to blame.
func ParseToken(s string) (*Token, error) {
	text, ok := strings.CutPrefix(strings.ToLower(strings.TrimSpace(s)), TokenPrefix)
	if !ok {
		return nil, ErrNotToken
	}
	if strings.Trim(text, tokenLetters) != "" {
		return nil, ErrMistyped
	}
	b, ok := bytesOfToken(text)
	if body := b[:max(0, len(b)-tokenSum)]; ok && sumOfToken(body) == [tokenSum]byte(b[len(body):]) {
		return parseSoundToken(body)
	}
	if tokenEndsEarly(b) {
		return nil, ErrTruncated
	}
	return nil, ErrMistyped
}

// bytesOfToken decodes as much as there is of what has none but our letters; ok is whether that is
// all of them, and the one way to write it.
func bytesOfToken(letters string) (b []byte, ok bool) {
	whole := letters
	switch len(letters) % 8 {
	case 1, 3, 6: // no bytes have so many, so the last letter tells nothing
		whole = letters[:len(letters)-1]
	}
	b, _ = tokenText.DecodeString(whole)
	return b, len(b) > tokenSum && tokenText.EncodeToString(b) == letters
}

func sumOfToken(body []byte) [tokenSum]byte {
	sum := sha256.Sum256(append([]byte("vxmesh1 token"), body...))
	return [tokenSum]byte(sum[:])
}

// tokenEndsEarly tells whether a token without a good checksum would be longer if it were whole.
func tokenEndsEarly(b []byte) bool {
	r := reader{rest: b}
	r.token()
	r.take(tokenSum)
	return len(b) < minToken || errors.Is(r.err, errShort)
}

// parseSoundToken reads the body of a token that is as it was made.
func parseSoundToken(body []byte) (*Token, error) {
	t, err := parseToken(body)
	switch {
	case errors.Is(err, errVersion):
		return nil, ErrTokenVersion
	case errors.Is(err, errShort):
		return nil, ErrTruncated
	case err != nil:
		return nil, fmt.Errorf("invitation token: %w", err)
	}
	return t, nil
}

func parseToken(body []byte) (*Token, error) {
	r := reader{rest: body}
	t := r.token()
	return t, r.end()
}

func (r *reader) token() *Token {
	r.version()
	t := &Token{Network: r.array32(), Seed: r.array32(), Inviter: r.array32(), Expires: r.time()}
	t.Rights.setFlags(r.flags(flagBridge | flagAdmin))
	t.Endpoints = r.endpoints(1, MaxTokenEndpoints)
	t.Rights.Segments = r.segments()
	t.NetworkName = r.name()
	if t.NodeName = r.text(); t.NodeName != "" {
		r.refuseIf(ValidName(t.NodeName) != nil, ErrName)
	}
	t.VNI = uint32(r.uint8())<<16 | uint32(r.uint16())
	t.Addresses = r.prefixes()
	return t
}

// Key is the private key of the invitation.
func (t *Token) Key() ed25519.PrivateKey { return ed25519.NewKeyFromSeed(t.Seed[:]) }

// Invitation is the id of the invitation.
func (t *Token) Invitation() InvitationID { return InvitationID(signKeyOf(t.Key())) }

// String names the token without giving it away, as every other way to print it does.
func (t Token) String() string { return "vxm1…(invitation " + t.Invitation().Short() + ")" }

// Format is [Token.String], whatever the verb.
func (t Token) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, t.String()) }

// MarshalText is [Token.String] too: JSON is a way to print.
func (t Token) MarshalText() ([]byte, error) { return []byte(t.String()), nil }

// appendPrefixes appends addresses with the lengths of their networks' prefixes.
func appendPrefixes(b []byte, list []netip.Prefix) ([]byte, error) {
	var all [][]byte
	for _, p := range list {
		if !p.IsValid() || p.Addr().Is4In6() {
			return nil, errPrefix
		}
		ip := p.Addr().As16()
		all = append(all, append(ip[:], byte(p.Bits())))
	}
	return appendList(b, all, MaxTokenAddresses)
}

func (r *reader) prefixes() (all []netip.Prefix) {
	for _, e := range r.list(MaxTokenAddresses, 17) {
		p := netip.PrefixFrom(netip.AddrFrom16([16]byte(e)).Unmap(), int(e[16]))
		r.refuseIf(p.Bits() < 1, errPrefix)
		all = append(all, p)
	}
	return all
}
