package roster

import (
	"bytes"
	"crypto/ed25519"
	"errors"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"
)

// objectsAt is when the objects of the tests are made.
var objectsAt = time.Unix(1_800_000_000, 0).UTC()

// keyFrom makes the Ed25519 key whose seed is 32 times b.
func keyFrom(b byte) ed25519.PrivateKey {
	return ed25519.NewKeyFromSeed(bytes.Repeat([]byte{b}, ed25519.SeedSize))
}

// The network of the tests, its admin, and a member.
var (
	networkKey = keyFrom(1)
	adminKey   = keyFrom(2)
	memberKey  = keyFrom(3)
	theAnchor  = anchorOf(networkKey)
	theAdmin   = authorityFor(networkKey, adminKey)
)

func authorityFor(network, admin ed25519.PrivateKey) Authority {
	return Authority{
		Network: anchorOf(network).ID(), Key: admin, Delegation: Delegate(network, signKeyOf(admin)),
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// largestCertificate has every field at its longest.
func largestCertificate() Certificate {
	return Certificate{
		Sign: signKeyOf(memberKey), Session: SessionKey{9, 9}, Name: strings.Repeat("n", MaxName),
		Rights:    Rights{Segments: []uint32{1, 2, 3, 4, 5, 6, 7, maxVNI}, Bridge: true, MACs: 65535, Admin: true},
		NotBefore: objectsAt, NotAfter: objectsAt.Add(CertificateLife),
	}
}

func largestRecord() Record {
	r := Record{Sequence: MaxSequence, Reachable: true, Relay: true}
	for i := range uint16(MaxEndpoints) {
		r.Endpoints = append(r.Endpoints, netip.AddrPortFrom(netip.MustParseAddr("2001:db8::1"), 4790+i))
	}
	for i := range uint32(MaxOverlay) {
		r.Overlay = append(r.Overlay, Overlay{VNI: 100 + i, Prefix: netip.MustParsePrefix("10.0.0.7/24")})
	}
	return r
}

func theToken() *Token {
	return &Token{
		Network: theAnchor.ID(), Seed: [32]byte{5: 7}, Inviter: SessionKey{8}, Expires: objectsAt,
		Rights: Rights{Segments: []uint32{7, 100}, Bridge: true},
		Endpoints: []netip.AddrPort{
			netip.MustParseAddrPort("192.0.2.1:4790"), netip.MustParseAddrPort("[2001:db8::1]:4790"),
		},
		NetworkName: "home", NodeName: "laptop2", VNI: 4242,
		Addresses: []netip.Prefix{
			netip.MustParsePrefix("10.42.0.7/24"), netip.MustParsePrefix("fd42::7/64"),
		},
	}
}

// An object is one of those that end with a signature.
type object struct {
	name  string
	raw   []byte
	check func(raw []byte, a Anchor) error // parse and verify
}

// checks makes an object's check out of how it is parsed and verified.
func checks[T any](parse func([]byte) (T, error), verify func(T, Anchor) error) func([]byte, Anchor) error {
	return func(raw []byte, a Anchor) error {
		v, err := parse(raw)
		if err != nil {
			return err
		}
		return verify(v, a)
	}
}

var (
	checkCertificate = checks(ParseCertificate, (*Certificate).Verify)
	checkRevocation  = checks(ParseRevocation, (*Revocation).Verify)
	checkSecret      = checks(ParseSecret, (*Secret).Verify)
	checkRecord      = checks(ParseRecord, func(r *Record, a Anchor) error {
		return r.Verify(a.ID(), signKeyOf(memberKey))
	})
)

// signedObjects are one of each, as a network with these keys makes them.
func signedObjects(network, admin, member ed25519.PrivateKey) []object {
	a, id := authorityFor(network, admin), anchorOf(network).ID()
	node := signKeyOf(member).Node()
	return []object{
		{"certificate", must(a.Certify(largestCertificate())).Raw, checkCertificate},
		{"record", must(largestRecord().Sign(id, member)).Raw, checkRecord},
		{"leave", Leaving(id, member, objectsAt).Raw, checkRevocation},
		{"removal", a.Remove(node, objectsAt).Raw, checkRevocation},
		{"network removal", RemoveByNetwork(network, node, objectsAt).Raw, checkRevocation},
		{"secret", a.NewSecret(1, [32]byte{4}).Raw, checkSecret},
	}
}

func TestSignaturesCoverEverything(t *testing.T) {
	for _, o := range signedObjects(networkKey, adminKey, memberKey) {
		if err := o.check(o.raw, theAnchor); err != nil {
			t.Errorf("%s: %v", o.name, err)
		}
		for i := range o.raw {
			changed := bytes.Clone(o.raw)
			if changed[i] ^= 1; o.check(changed, theAnchor) == nil {
				t.Errorf("%s: byte %d can be changed", o.name, i)
			}
			if err := o.check(o.raw[:i], theAnchor); !errors.Is(err, errShort) {
				t.Errorf("%s: its first %d bytes: %v", o.name, i, err)
			}
		}
		if err := o.check(append(o.raw, 0), theAnchor); !errors.Is(err, errLong) {
			t.Errorf("%s with a byte behind it: %v", o.name, err)
		}
	}
}

// TestStrangersSign has another network, an admin who is none, and another member sign.
func TestStrangersSign(t *testing.T) {
	for _, o := range signedObjects(keyFrom(11), adminKey, memberKey) {
		if err := o.check(o.raw, theAnchor); !errors.Is(err, ErrDelegation) && !errors.Is(err, ErrSignature) {
			t.Errorf("%s of another network: %v", o.name, err)
		}
	}
	pretender := Authority{theAnchor.ID(), keyFrom(12), theAdmin.Delegation}
	for name, err := range map[string]error{
		"certificate": must(pretender.Certify(largestCertificate())).Verify(theAnchor),
		"removal":     pretender.Remove(NodeID{1}, objectsAt).Verify(theAnchor),
		"secret":      pretender.NewSecret(2, [32]byte{}).Verify(theAnchor),
	} {
		if !errors.Is(err, ErrDelegation) {
			t.Errorf("%s of somebody with another's delegation: %v", name, err)
		}
	}
	r := must(largestRecord().Sign(theAnchor.ID(), memberKey))
	if err := r.Verify(theAnchor.ID(), signKeyOf(keyFrom(12))); !errors.Is(err, ErrSignature) {
		t.Errorf("a record of another node: %v", err)
	}
}

// TestContexts signs every kind's bytes in the contexts of all others.
func TestContexts(t *testing.T) {
	all := []string{
		contextDelegation, contextCertificate, contextLeave, contextRemoval, contextNetworkRemoval,
		contextSecret, contextRecord, contextRedeem, contextPossession,
	}
	signer := map[string]ed25519.PrivateKey{
		"record": memberKey, "leave": memberKey, "network removal": networkKey,
	}
	for _, o := range signedObjects(networkKey, adminKey, memberKey) {
		key, ok := signer[o.name]
		if !ok {
			key = adminKey
		}
		body, fit := o.raw[:len(o.raw)-64], 0
		for _, context := range all {
			if o.check(sealed(key, context, theAnchor.ID(), slices.Clip(body)), theAnchor) == nil {
				fit++
			}
		}
		if fit != 1 {
			t.Errorf("%s: %d contexts fit", o.name, fit)
		}
	}
	if err := theAdmin.Delegation.Verify(theAnchor, theAdmin.SignKey()); err != nil {
		t.Error(err)
	}
	admin := theAdmin.SignKey()
	other := Delegation(signature(networkKey, contextNetworkRemoval, theAnchor.ID(), admin[:]))
	if err := other.Verify(theAnchor, admin); !errors.Is(err, ErrDelegation) {
		t.Errorf("another signature of the network key is a delegation: %v", err)
	}
	if err := theAdmin.Delegation.Verify(theAnchor, signKeyOf(memberKey)); !errors.Is(err, ErrDelegation) {
		t.Errorf("the delegation of another: %v", err)
	}
}

// TestWeakKeys makes signatures without any private key: with R the neutral point and S = 0, which
// hold for a message of which the hash is a multiple of the key's order.
func TestWeakKeys(t *testing.T) {
	forged := make([]byte, ed25519.SignatureSize)
	forged[0] = 1
	for i := range 2 * len(smallOrder) {
		key := SignKey(smallOrder[i/2])
		key[31] |= byte(i%2) << 7
		worked := false
		for i := range byte(100) {
			worked = worked || ed25519.Verify(key[:], signed("c", NetworkID{}, []byte{i}), forged)
			if verify(key, "c", NetworkID{}, []byte{i}, forged) == nil {
				t.Fatalf("a signature by nobody fits %x", key)
			}
		}
		if !worked {
			t.Errorf("no signature could be made for %x: is it of small order?", key)
		}
	}
}

// TestSecondSpellings has keys around the modulus, 2^255-19: what is not below it is weak.
func TestSecondSpellings(t *testing.T) {
	for last, weak := range map[byte]bool{0xec: true, 0xeb: false, 0xed: true, 0xf0: true, 0xff: true} {
		key := SignKey(bytes.Repeat([]byte{0xff}, 32))
		key[0], key[31] = last, 0x7f
		if key.weak() != weak {
			t.Errorf("a key that begins with %x is weak: %v", last, !weak)
		}
		for i := 1; i < 32; i++ {
			lower := key
			if lower[i] ^= 1; lower.weak() {
				t.Errorf("%x is weak", lower)
			}
		}
	}
}

// must2 is the error only.
func must2[T any](_ T, err error) error { return err }

func TestIDs(t *testing.T) {
	node := signKeyOf(memberKey).Node()
	if got, err := ParseNodeID(node.String()); err != nil || got != node {
		t.Errorf("%s reads as %v, %v", node, got, err)
	}
	if got, err := ParseNetworkID(theAnchor.ID().String()); err != nil || got != theAnchor.ID() {
		t.Errorf("%s reads as %v, %v", theAnchor.ID(), got, err)
	}
	a := strings.Repeat("a", 64)
	for _, s := range []string{"", "xy", strings.ToUpper(a), a[2:], a + "aa", a + "a", a + "x"} {
		if id, err := ParseNodeID(s); err == nil {
			t.Errorf("%q is %v", s, id)
		}
	}
	text := "AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
	if s, x := (SignKey{1}).String(), (SessionKey{1}).String(); s != text || x != text {
		t.Errorf("keys are %s and %s", s, x)
	}
}

func TestNames(t *testing.T) {
	for s, want := range map[string]bool{
		"a": true, "0": true, "a-b": true, "az09": true, strings.Repeat("a", 32): true,
		"": false, "-": false, "-a": false, "a-": false, "A": false, "ä": false, "a.b": false, "a b": false,
		"a\x00": false, "a/b": false, "a:b": false, "a`b": false, "a{b": false, "a_": false,
		strings.Repeat("a", 33): false,
	} {
		if err := ValidName(s); (err == nil) != want {
			t.Errorf("%q: %v", s, err)
		}
	}
}
