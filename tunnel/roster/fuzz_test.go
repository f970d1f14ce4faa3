package roster

import (
	"bytes"
	"strings"
	"testing"
)

// fuzzObject feeds bytes to a parser; encode is the inverse, but for what Raw alone has.
func fuzzObject[T any](f *testing.F, parse func([]byte) (T, error), encode func(T) []byte, seeds ...[]byte) {
	f.Helper()
	for _, s := range seeds {
		f.Add(s)
		f.Add(s[:len(s)/2])
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		in := bytes.Clone(b)
		v, err := parse(b)
		if !bytes.Equal(in, b) {
			t.Fatal("the parser changed its input")
		}
		if err != nil {
			return
		}
		clear(b) // nothing may be borrowed
		if out := encode(v); !bytes.Equal(in, out) {
			t.Errorf("read\n%x, wrote\n%x", in, out)
		}
	})
}

// fuzzSeeds are the objects with these names.
func fuzzSeeds(names ...string) (all [][]byte) {
	for _, o := range signedObjects(networkKey, adminKey, memberKey) {
		for _, name := range names {
			if o.name == name {
				all = append(all, o.raw)
			}
		}
	}
	return all
}

// issued appends what follows the body of what an admin signs.
func issued(b []byte, issuer SignKey, d Delegation, raw []byte) []byte {
	return withSignature(append(append(b, issuer[:]...), d[:]...), raw)
}

func withSignature(b, raw []byte) []byte { return append(b, raw[len(raw)-64:]...) }

func FuzzCertificate(f *testing.F) {
	fuzzObject(f, ParseCertificate, func(c *Certificate) []byte {
		return issued(must(c.appendBody(nil)), c.Issuer, c.Delegation, c.Raw)
	}, fuzzSeeds("certificate")...)
}

func FuzzRecord(f *testing.F) {
	fuzzObject(f, ParseRecord, func(r *Record) []byte {
		return withSignature(must(r.appendBody(nil)), r.Raw)
	}, fuzzSeeds("record")...)
}

func FuzzRevocation(f *testing.F) {
	fuzzObject(f, ParseRevocation, func(v *Revocation) []byte {
		b := revocationHead(v.Kind, v.Node, v.At)
		switch v.Kind {
		case Leave:
			return withSignature(append(b, v.Signer[:]...), v.Raw)
		case Removal:
			return issued(b, v.Signer, v.Delegation, v.Raw)
		default:
			return withSignature(b, v.Raw)
		}
	}, fuzzSeeds("leave", "removal", "network removal")...)
}

func FuzzSecret(f *testing.F) {
	fuzzObject(f, ParseSecret, func(s *Secret) []byte {
		head := theAdmin.NewSecret(s.Number, s.Secret).Raw[:41]
		return issued(head, s.Issuer, s.Delegation, s.Raw)
	}, fuzzSeeds("secret")...)
}

func FuzzItems(f *testing.F) {
	var seed []byte
	for _, raw := range fuzzSeeds("certificate", "record", "secret") {
		seed = AppendItem(seed, Item{ItemCertificate, raw})
	}
	fuzzObject(f, ParseItems, func(all []Item) (b []byte) {
		for _, it := range all {
			b = AppendItem(b, it)
		}
		return b
	}, seed)
}

func FuzzRedeem(f *testing.F) {
	fuzzObject(f, ParseRedeem, func(r *Redeem) []byte { return AppendRedeem(nil, r) },
		AppendRedeem(nil, theToken().Redeem([32]byte{3}, memberKey, SessionKey{4}, "laptop")))
}

func FuzzGrant(f *testing.F) {
	fuzzObject(f, ParseGrant, func(g *Grant) []byte { return AppendGrant(nil, g) }, AppendGrant(nil, theGrant()))
}

func FuzzRefusal(f *testing.F) {
	fuzzObject(f, ParseRefusal, func(r *Refusal) []byte { return AppendRefusal(nil, r) },
		AppendRefusal(nil, &Refusal{RefusedName, "frag Jörg"}))
}

// FuzzTokenBody gives every body its checksum.
func FuzzTokenBody(f *testing.F) {
	fuzzObject(f, func(b []byte) (*Token, error) {
		sum := sumOfToken(b)
		return ParseToken(TokenPrefix + tokenText.EncodeToString(append(bytes.Clone(b), sum[:]...)))
	}, func(t *Token) []byte { return must(t.appendBody(nil)) }, must(theToken().appendBody(nil)))
}

func FuzzToken(f *testing.F) {
	f.Add(must(theToken().Encode()))
	f.Add("vxm1")
	f.Fuzz(func(t *testing.T, s string) {
		token, err := ParseToken(s)
		if err != nil {
			return
		}
		if text := must(token.Encode()); text != strings.ToLower(strings.TrimSpace(s)) {
			t.Errorf("read %q, wrote %q", s, text)
		}
	})
}
