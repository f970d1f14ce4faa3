package roster

import (
	"bytes"
	"crypto/ed25519"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const maxPlaintext = 516 // of a message that crosses a path of 576 bytes

func TestRedeem(t *testing.T) {
	token, binding, session := theToken(), [32]byte{3}, SessionKey{4}
	network := token.Network
	redeem := func() *Redeem { return token.Redeem(binding, memberKey, session, strings.Repeat("a", MaxName)) }
	r := redeem()
	b := AppendRedeem(nil, r)
	got := must(ParseRedeem(b))
	if *got != *r || len(b) != 226 || b[0] != 16 {
		t.Errorf("%d bytes read as %+v", len(b), got)
	}
	if err := got.Verify(network, binding, session); err != nil || got.Invitation != token.Invitation() {
		t.Errorf("invitation %s: %v", got.Invitation, err)
	}
	for name, err := range map[string]error{
		"network": r.Verify(NetworkID{}, binding, session),
		"session": r.Verify(network, [32]byte{}, session),
		"key":     r.Verify(network, binding, SessionKey{}),
	} {
		if !errors.Is(err, ErrSignature) {
			t.Errorf("in another %s: %v", name, err)
		}
	}
	stranger := keyFrom(9)
	for name, change := range map[string]func(*Redeem){
		"another name":              func(r *Redeem) { r.Name = "b" },
		"another invitation":        func(r *Redeem) { r.Invitation = InvitationID(signKeyOf(stranger)) },
		"the other way round":       func(r *Redeem) { r.Proof, r.Possession = r.Possession, r.Proof },
		"both by the invitation":    func(r *Redeem) { r.Possession = r.Proof },
		"both by the joiner":        func(r *Redeem) { r.Proof = r.Possession },
		"a key without its private": func(r *Redeem) { rebind(token, r, binding, session, signKeyOf(stranger)) },
	} {
		changed := redeem()
		change(changed)
		if err := changed.Verify(network, binding, session); !errors.Is(err, ErrSignature) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, b := range map[string][]byte{
		"nothing": {}, "another type": append([]byte{17}, b[1:]...), "short": b[:len(b)-1],
		"long": append(slices.Clone(b), 0), "no name": AppendRedeem(nil, &Redeem{}),
		"a very long name": AppendRedeem(nil, token.Redeem(binding, memberKey, session, strings.Repeat("a", 300))),
	} {
		if r, err := ParseRedeem(b); err == nil {
			t.Errorf("%s: %+v", name, r)
		}
	}
}

// rebind has who holds the token claim a key that is not its own.
func rebind(token *Token, r *Redeem, binding [32]byte, session SessionKey, claimed SignKey) {
	r.Sign = claimed
	r.Proof = [64]byte(signature(token.Key(), contextRedeem, token.Network, r.body(binding, session)))
}

// theGrant is the longest there is.
func theGrant() *Grant {
	d := Delegate(networkKey, signKeyOf(memberKey))
	return &Grant{
		Anchor: theAnchor, Number: 5, Secret: [32]byte{6}, NetworkName: strings.Repeat("n", MaxName),
		Delegation: &d, Certificate: must(theAdmin.Certify(largestCertificate())).Raw,
	}
}

func TestGrant(t *testing.T) {
	type plain Grant
	bare := theGrant()
	bare.Delegation = nil
	for _, g := range []*Grant{theGrant(), bare} {
		b := AppendGrant(nil, g)
		got := must(ParseGrant(b))
		if diff := cmp.Diff((*plain)(g), (*plain)(got)); diff != "" || b[0] != 17 || len(b) > maxPlaintext {
			t.Errorf("%d bytes: %s", len(b), diff)
		}
		for i := range b {
			if g, err := ParseGrant(b[:i]); err == nil {
				t.Errorf("its first %d bytes: %v", i, g)
			}
		}
	}
	good := AppendGrant(nil, bare)
	const flagAt, nameAt = 74 + MaxName, 74
	for name, tt := range map[string]struct {
		at   int
		b    []byte
		want error
	}{
		"type": {0, []byte{16}, errType}, "number 0": {33, make([]byte, 8), errNumber},
		"large number": {33, []byte{0x80, 0, 0, 0, 0, 0, 0, 1}, errNumber}, "name": {nameAt, []byte("N"), ErrName},
		"flag": {flagAt, []byte{2}, errFlags}, "length": {flagAt + 1, []byte{1, 0}, errLong},
	} {
		b := slices.Clone(good)
		copy(b[tt.at:], tt.b)
		if _, err := ParseGrant(b); !errors.Is(err, tt.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := ParseGrant(append(slices.Clone(good), make([]byte, 10)...)); !errors.Is(err, errLong) {
		t.Errorf("with bytes behind it: %v", err)
	}
	long := append(good[:flagAt+1:flagAt+1], append([]byte{299 >> 8, 299 & 0xff}, make([]byte, 299)...)...)
	if _, err := ParseGrant(long); err == nil {
		t.Error("a certificate that no handshake carries")
	}
}

func TestGrantIsChecked(t *testing.T) {
	id, key, session := theAnchor.ID(), signKeyOf(memberKey), largestCertificate().Session
	c, err := theGrant().Check(id, key, session)
	if err != nil || !bytes.Equal(c.Raw, theGrant().Certificate) {
		t.Errorf("%v, %v", c, err)
	}
	bare := theGrant()
	bare.Delegation = nil
	for name, err := range map[string]error{
		"network":     must2(bare.Check(NetworkID{}, key, session)),
		"session key": must2(bare.Check(id, key, SessionKey{})),
		"signing key": must2(bare.Check(id, signKeyOf(adminKey), session)),
	} {
		if err == nil {
			t.Errorf("another %s: taken", name)
		}
	}
	for name, change := range map[string]func(*Grant){
		"no certificate":        func(g *Grant) { g.Certificate = nil },
		"another's delegation":  func(g *Grant) { *g.Delegation = theAdmin.Delegation },
		"another network's key": func(g *Grant) { g.Anchor.Key[0] ^= 1 },
		"nobody's certificate": func(g *Grant) {
			stranger := Authority{id, memberKey, theAdmin.Delegation}
			g.Certificate = must(stranger.Certify(largestCertificate())).Raw
		},
	} {
		g := theGrant()
		if change(g); must2(g.Check(id, key, session)) == nil {
			t.Errorf("%s: taken", name)
		}
	}
	defer func() {
		if recover() == nil {
			t.Error("a certificate that is too long was sent")
		}
	}()
	AppendGrant(nil, &Grant{Certificate: make([]byte, maxCertificate+1)})
}

func TestRefusal(t *testing.T) {
	for text, want := range map[string]string{
		"": "", "ask Ann — now": "ask Ann — now", "a\x1b[2J\nb\xff": "a[2Jb",
		strings.Repeat("x", 300):       strings.Repeat("x", 200),
		"x" + strings.Repeat("ü", 100): "x" + strings.Repeat("ü", 99),
	} {
		b := AppendRefusal(nil, &Refusal{RefusedName, text})
		if got, err := ParseRefusal(b); err != nil || *got != (Refusal{RefusedName, want}) || b[0] != 18 {
			t.Errorf("%q reads as %+v, %v", text, got, err)
		}
	}
	for name, b := range map[string][]byte{
		"nothing": {}, "type": {17, 1, 0}, "reason 0": {18, 0, 0}, "reason 9": {18, 9, 0}, "long": {18, 1, 0, 0},
		"short": {18, 1, 1}, "escape": {18, 1, 1, 27}, "not UTF-8": {18, 1, 1, 0xff},
		"201 bytes": append([]byte{18, 1, 201}, bytes.Repeat([]byte("x"), 201)...),
	} {
		if r, err := ParseRefusal(b); err == nil {
			t.Errorf("%s: %+v", name, r)
		}
	}
	for reason := RefusedUnknown; reason <= RefusedMalformed; reason++ {
		bare, full := &Refusal{Reason: reason}, &Refusal{reason, "ask Ann"}
		if bare.Error() != reason.String() || full.Error() != reason.String()+": ask Ann" ||
			strings.Contains(reason.String(), "reason") {
			t.Errorf("%v and %v", bare, full)
		}
	}
	if s := RefusalReason(9).String() + ItemKind(9).String(); s != "refusal reason 9item kind 9" {
		t.Error(s)
	}
}

func TestDoorSecret(t *testing.T) {
	id, key := theAnchor.ID(), SessionKey{8}
	s := DoorSecret(id, key)
	if s != DoorSecret(id, key) || s == DoorSecret(NetworkID{}, key) || s == DoorSecret(id, SessionKey{}) {
		t.Error("the door's secret is not that of the network and the inviter")
	}
	if len(theToken().Key()) != ed25519.PrivateKeySize {
		t.Error("the invitation has no key")
	}
}
