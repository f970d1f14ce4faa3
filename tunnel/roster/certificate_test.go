package roster

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestCertificate(t *testing.T) {
	in := largestCertificate()
	c := must(theAdmin.Certify(in))
	if len(c.Raw) != 294 || len(c.Raw) > maxCertificate {
		t.Errorf("it has %d bytes", len(c.Raw))
	}
	in.Issuer, in.Delegation, in.Raw = theAdmin.SignKey(), theAdmin.Delegation, c.Raw
	if diff := cmp.Diff(&in, c); diff != "" {
		t.Error(diff)
	}
	if c.Node() != signKeyOf(memberKey).Node() {
		t.Errorf("it is of node %s", c.Node())
	}
	borrowed := slices.Clone(c.Raw)
	parsed := must(ParseCertificate(borrowed))
	clear(borrowed)
	if err := parsed.Verify(theAnchor); err != nil {
		t.Errorf("it borrows what it was parsed from: %v", err)
	}
}

func TestCertificateIsSorted(t *testing.T) {
	in := largestCertificate()
	in.Rights = Rights{Segments: []uint32{300, 7, 300, 65536}}
	c := must(theAdmin.Certify(in))
	if diff := cmp.Diff(Rights{Segments: []uint32{7, 300, 65536}}, c.Rights); diff != "" {
		t.Error(diff)
	}
	if in.Rights.Segments[0] != 300 {
		t.Error("the caller's list was sorted")
	}
}

func TestCertificatesThatCannotBe(t *testing.T) {
	for name, tt := range map[string]struct {
		change func(*Certificate)
		want   error
	}{
		"no name":          {func(c *Certificate) { c.Name = "" }, ErrName},
		"long name":        {func(c *Certificate) { c.Name = strings.Repeat("a", 33) }, ErrName},
		"very long name":   {func(c *Certificate) { c.Name = strings.Repeat("a", 257) }, ErrName},
		"nine segments":    {func(c *Certificate) { c.Rights.Segments = append(c.Rights.Segments, 8) }, errMany},
		"many segments":    {func(c *Certificate) { c.Rights.Segments = hundreds() }, errMany},
		"segment 0":        {func(c *Certificate) { c.Rights.Segments = []uint32{0} }, errVNI},
		"segment 2^24+1":   {func(c *Certificate) { c.Rights.Segments = []uint32{1<<24 | 1} }, errVNI},
		"many MACs":        {func(c *Certificate) { c.Rights.MACs = 65536 }, errMACs},
		"negative MACs":    {func(c *Certificate) { c.Rights.MACs = -1 }, errMACs},
		"ends at once":     {func(c *Certificate) { c.NotAfter = c.NotBefore }, errPeriod},
		"before 1970":      {func(c *Certificate) { c.NotBefore = time.Unix(-1, 0) }, errTime},
		"in 2106":          {func(c *Certificate) { c.NotAfter = time.Unix(1<<32, 0) }, errTime},
		"no signing key":   {func(c *Certificate) { c.Sign = SignKey{} }, errKey},
		"no session key":   {func(c *Certificate) { c.Session = SessionKey{} }, errKey},
		"weak signing key": {func(c *Certificate) { c.Sign = SignKey{1} }, errKey},
	} {
		in := largestCertificate()
		tt.change(&in)
		if _, err := theAdmin.Certify(in); !errors.Is(err, tt.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// hundreds are so many VNIs that their count does not fit a byte.
func hundreds() (all []uint32) {
	for vni := range uint32(257) {
		all = append(all, vni+1)
	}
	return all
}

// TestCertificateForms signs forms that are not the one: only how they are read can refuse them.
func TestCertificateForms(t *testing.T) {
	good := must(theAdmin.Certify(largestCertificate())).Raw
	for name, tt := range map[string]struct {
		at   int
		b    []byte
		want error
	}{
		"version":        {0, []byte{2}, errVersion},
		"version 0":      {0, []byte{0}, errVersion},
		"reserved flag":  {1, []byte{4}, errFlags},
		"high flag":      {1, []byte{0x80}, errFlags},
		"nine segments":  {76, []byte{9}, errMany},
		"segment 0":      {77, []byte{0, 0, 0}, errVNI},
		"descending":     {77, []byte{0, 0, 3}, errOrder},
		"twice":          {77, []byte{0, 0, 2}, errOrder},
		"upper-case":     {102, []byte("N"), ErrName},
		"leading hyphen": {102, []byte("-"), ErrName},
	} {
		b := slices.Clone(good)
		copy(b[tt.at:], tt.b)
		b = sealed(adminKey, contextCertificate, theAnchor.ID(), b[:len(b)-64])
		if err := checkCertificate(b, theAnchor); !errors.Is(err, tt.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestCertificateTime(t *testing.T) {
	c := must(theAdmin.Certify(largestCertificate()))
	for _, tt := range []struct {
		at   time.Duration // since not before
		want error
	}{
		{-10*time.Minute - 1, ErrNotYet},
		{-10 * time.Minute, nil},
		{0, nil},
		{CertificateLife - 1, nil},
		{CertificateLife, ErrExpired},
		{CertificateLife + time.Hour, ErrExpired},
	} {
		if err := c.ValidAt(objectsAt.Add(tt.at)); !errors.Is(err, tt.want) {
			t.Errorf("%v: %v", tt.at, err)
		}
	}
}

func TestNewerCertificate(t *testing.T) {
	in := largestCertificate()
	old := must(theAdmin.Certify(in))
	in.Name = "other"
	twin := must(theAdmin.Certify(in))
	in.NotBefore = in.NotBefore.Add(time.Second)
	in.Rights = Rights{} // and smaller bytes
	late := must(theAdmin.Certify(in))
	if !late.Newer(old) || old.Newer(late) || !late.Newer(twin) || twin.Newer(late) {
		t.Error("the one that begins later is not newer")
	}
	larger := bytes.Compare(twin.Raw, old.Raw) > 0
	if old.Newer(old) || twin.Newer(old) != larger || old.Newer(twin) == larger {
		t.Error("a tie does not go to the larger bytes")
	}
}

func TestAllows(t *testing.T) {
	for _, tt := range []struct {
		segments []uint32
		vni      uint32
		want     bool
	}{
		{nil, 1, true},
		{nil, maxVNI, true},
		{nil, 0, false},
		{nil, 1 << 24, false},
		{[]uint32{7, 9}, 9, true},
		{[]uint32{7, 9}, 8, false},
	} {
		if got := (Rights{Segments: tt.segments}).Allows(tt.vni); got != tt.want {
			t.Errorf("%v allows %d: %v", tt.segments, tt.vni, got)
		}
	}
}

func TestSecret(t *testing.T) {
	s := theAdmin.NewSecret(7, [32]byte{1, 2})
	parsed := must(ParseSecret(s.Raw))
	type plain Secret // one that does not hide
	if diff := cmp.Diff((*plain)(s), (*plain)(parsed)); diff != "" || len(s.Raw) != 201 {
		t.Errorf("%d bytes: %s", len(s.Raw), diff)
	}
	for number, want := range map[uint64]bool{
		0: false, 1: true, MaxSecretNumber: true, MaxSecretNumber + 1: false,
	} {
		if _, err := ParseSecret(theAdmin.NewSecret(number, [32]byte{}).Raw); (err == nil) != want {
			t.Errorf("number %d: %v", number, err)
		}
	}
	twin, next := theAdmin.NewSecret(7, [32]byte{1, 3}), theAdmin.NewSecret(8, [32]byte{0})
	if !next.Newer(s) || s.Newer(next) || !twin.Newer(s) || s.Newer(twin) || s.Newer(s) {
		t.Error("the higher number, then the larger bytes, are not newer")
	}
}

// TestNothingPrintsSecrets tries every way that fmt has.
func TestNothingPrintsSecrets(t *testing.T) {
	secret := [32]byte([]byte("THE SECRET THAT NOBODY MAY PRINT"))
	s := theAdmin.NewSecret(7, secret)
	token := theToken()
	token.Seed = secret
	authority := Authority{Key: keyFrom('T')}
	for _, v := range []any{
		s, *s, s.Item(), &Grant{Secret: secret},
		Grant{Secret: secret},
		token, *token, authority, &authority,
		[]Item{s.Item()},
		struct{ S *Secret }{s},
		struct{ T Token }{*token},
	} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%b"} {
			text := fmt.Sprintf(verb, v)
			for _, leak := range []string{"THE", "54484", "84 72 69", "0x54, 0x48", "TTT", "84 84", "5454"} {
				if strings.Contains(text, leak) {
					t.Errorf("%s of a %T: %s", verb, v, text)
				}
			}
		}
	}
}
