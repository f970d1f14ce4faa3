package roster

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// A plainToken is one that does not hide.
type plainToken Token

func TestToken(t *testing.T) {
	bare := &Token{
		NetworkName: "n", Expires: objectsAt, Endpoints: []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:1")},
	}
	full := theToken()
	full.NetworkName, full.NodeName = strings.Repeat("n", 32), strings.Repeat("m", 32)
	full.Endpoints = largestRecord().Endpoints[:4]
	full.Rights.Segments, full.Rights.Admin = largestCertificate().Rights.Segments, true
	for _, in := range []*Token{bare, theToken(), full} {
		text := must(in.Encode())
		for _, s := range []string{text, strings.ToUpper(text), " \t" + text + "\r\n"} {
			got, err := ParseToken(s)
			if err != nil {
				t.Fatalf("%q: %v", s, err)
			}
			if diff := cmp.Diff((*plainToken)(in), (*plainToken)(got), likeAddresses); diff != "" {
				t.Error(diff)
			}
		}
	}
	if n := len(must(bare.Encode())) - len(TokenPrefix); n != (minToken*8+4)/5 {
		t.Errorf("the shortest has %d letters", n)
	}
}

func TestTokensThatCannotBe(t *testing.T) {
	endpoints := largestRecord().Endpoints
	for name, tt := range map[string]struct {
		change func(*Token)
		want   error // nil is any
	}{
		"no endpoint":      {func(k *Token) { k.Endpoints = nil }, nil},
		"five endpoints":   {func(k *Token) { k.Endpoints = endpoints[:5] }, errMany},
		"no address":       {func(k *Token) { k.Endpoints = make([]netip.AddrPort, 1) }, nil},
		"no network name":  {func(k *Token) { k.NetworkName = "" }, ErrName},
		"long network one": {func(k *Token) { k.NetworkName = strings.Repeat("a", 33) }, ErrName},
		"bad node name":    {func(k *Token) { k.NodeName = "-" }, ErrName},
		"long node name":   {func(k *Token) { k.NodeName = strings.Repeat("a", 300) }, ErrName},
		"no VNI":           {func(k *Token) { k.VNI = 1 << 24 }, errVNI},
		"no prefix":        {func(k *Token) { k.Addresses = make([]netip.Prefix, 1) }, errPrefix},
		"a prefix of none": {func(k *Token) { k.Addresses[0] = netip.MustParsePrefix("10.0.0.7/0") }, errPrefix},
		"three addresses":  {func(k *Token) { k.Addresses = append(k.Addresses, netip.MustParsePrefix("10.0.0.8/24")) }, errMany},
		"bad segment":      {func(k *Token) { k.Rights.Segments = []uint32{0} }, errVNI},
		"expires in 2106":  {func(k *Token) { k.Expires = time.Unix(1<<32, 0) }, errTime},
		"expired in 1969":  {func(k *Token) { k.Expires = time.Unix(-1, 0) }, errTime},
	} {
		token := theToken()
		tt.change(token)
		if _, err := token.Encode(); err == nil || tt.want != nil && !errors.Is(err, tt.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestTokenTyped changes, leaves out and adds letters: what a person does.
func TestTokenTyped(t *testing.T) {
	text := must(theToken().Encode())
	for i := len(TokenPrefix); i < len(text); i++ {
		if _, err := ParseToken(text[:i]); err != ErrTruncated {
			t.Errorf("its first %d letters: %v", i, err)
		}
		for _, letter := range []string{"a", "z", "7", "1", "!", "ä", ""} {
			typed := text[:i] + letter + text[i+1:]
			if _, err := ParseToken(typed); typed != text && err != ErrMistyped && err != ErrTruncated {
				t.Errorf("%q instead of letter %d: %v", letter, i, err)
			}
		}
	}
	for s, want := range map[string]error{
		"": ErrNotToken, "vxm": ErrNotToken, "vxm2abc": ErrNotToken, "x" + text: ErrNotToken,
		"vxm1": ErrTruncated, "vxm1aeaa": ErrTruncated, "vxm1aiaa": ErrTruncated, "vxm1ae!a": ErrMistyped,
		text + "a": ErrMistyped, text + "aa": ErrMistyped, text + text: ErrMistyped,
		text[:40] + "\n" + text[40:]: ErrMistyped, text[:40] + " " + text[40:]: ErrMistyped,
		text[:40] + string(text[40]^3) + text[41:]: ErrMistyped,
	} {
		if _, err := ParseToken(s); err != want {
			t.Errorf("%q: %v", s, err)
		}
	}
}

// TestTokenForms gives forms that are not the one a good checksum.
func TestTokenForms(t *testing.T) {
	good := must(theToken().appendBody(nil))
	for name, tt := range map[string]struct {
		change func([]byte) []byte
		want   error
	}{
		"next version":    {func(b []byte) []byte { b[0] = 2; return b }, ErrTokenVersion},
		"its own layout":  {func([]byte) []byte { return []byte{2, 7} }, ErrTokenVersion},
		"ends early":      {func(b []byte) []byte { return b[:len(b)-1] }, ErrTruncated},
		"goes on":         {func(b []byte) []byte { return append(b, 0) }, errLong},
		"reserved flag":   {func(b []byte) []byte { b[101] = 4; return b }, errFlags},
		"five endpoints":  {func(b []byte) []byte { b[102] = 5; return b }, errMany},
		"endpoints twice": {func(b []byte) []byte { copy(b[121:], b[103:121]); return b }, errOrder},
	} {
		b := tt.change(slices.Clone(good))
		sum := sumOfToken(b)
		text := TokenPrefix + tokenText.EncodeToString(append(b, sum[:]...))
		if _, err := ParseToken(text); !errors.Is(err, tt.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	sum := sumOfToken(good)
	text := TokenPrefix + tokenText.EncodeToString(append(slices.Clone(good), sum[:]...))
	spare := len(text[len(TokenPrefix):])*5%8 > 0
	last := strings.IndexByte(tokenLetters, text[len(text)-1])
	if other := text[:len(text)-1] + tokenLetters[last|1:][:1]; spare && other != text {
		if _, err := ParseToken(other); err != ErrMistyped {
			t.Errorf("a second spelling: %v", err)
		}
	} else {
		t.Error("the token of the tests has no spare bits")
	}
}

func TestTokenHides(t *testing.T) {
	token := theToken()
	want := "vxm1…(invitation " + token.Invitation().String()[:8] + ")"
	text, err := json.Marshal(token)
	for _, s := range []string{token.String(), fmt.Sprint(token), fmt.Sprintf("%#v", *token)} {
		if s != want || err != nil || string(text) != `"`+want+`"` {
			t.Errorf("%s and %s, want %s", s, text, want)
		}
	}
}
