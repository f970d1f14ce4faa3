package membership

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/vxmesh/vxmesh/identity"
	"github.com/vxmesh/vxmesh/tunnel/roster"
)

func TestFound(t *testing.T) {
	m := newNetwork(t)
	again := reopened(t, m)
	if !reflect.DeepEqual(m.state.Load(), again.state.Load()) {
		t.Errorf("%+v is now %+v", m.state.Load(), again.state.Load())
	}
	c := m.Certificate()
	if c.Verify(m.Anchor()) != nil || c.ValidAt(at) != nil || c.Name != "attic" || m.Name() != "home" ||
		!c.Rights.Admin || !c.Rights.Bridge || c.NotAfter.Sub(c.NotBefore) != roster.CertificateLife {
		t.Errorf("certificate %+v of network %s", c, m.Name())
	}
	a, ok := m.Authority()
	if !ok || a.Network != m.Anchor().ID() || a.SignKey() != c.Sign ||
		a.Delegation.Verify(m.Anchor(), c.Sign) != nil {
		t.Errorf("authority %v, %v", a, ok)
	}
	if key := must[ed25519.PrivateKey](t)(m.NetworkKey()); publicKey(key) != m.Anchor().Key {
		t.Error("the network's key is another one")
	}
	items := must[[]roster.Item](t)(m.Items())
	if len(items) != 2 || items[1].Kind != roster.ItemCertificate {
		t.Fatalf("items %v", items)
	}
	s := must[*roster.Secret](t)(roster.ParseSecret(items[0].Raw))
	if n, secret := m.Secret(); n != 1 || s.Verify(m.Anchor()) != nil || s.Number != n || s.Secret != secret ||
		secret == [32]byte{} {
		t.Errorf("secret %d", n)
	}
	wantFiles(t, m.dir, fileMembers, fileMembership, fileLock, fileNetworkKey)
	_, err := Found(m.dir, foundOptions(t))
	wantError(t, "again", err, fs.ErrExist, m.dir)
	text := fmt.Sprintf("%v %+v %#v", m, m, m)
	if strings.Count(text, "membership of home") != 3 || len(text) > 400 {
		t.Errorf("prints as %s", text)
	}
	for _, name := range []string{"", "No"} {
		o := foundOptions(t)
		o.Node = name
		_, err = Found(t.TempDir(), o)
		wantError(t, "node "+name, err, roster.ErrName)
		o.Node, o.Network = "n", name
		_, err = Found(t.TempDir(), o)
		wantError(t, "network "+name, err, roster.ErrName)
	}
}

// Whoever is killed while a membership is made can make it again, and has none until it is whole.
func TestMakingIsInterrupted(t *testing.T) {
	first := newNetwork(t)
	id := newIdentity(t)
	enrol := EnrolOptions{Identity: id, Grant: grantFor(t, first, id, roster.Rights{}), Now: at}
	for name, act := range map[string]struct {
		f      func(store) (*Member, error)
		writes int
	}{
		"found": {func(s store) (*Member, error) {
			return s.found(FoundOptions{Network: "home", Identity: id, Node: "attic", Now: at})
		}, 3},
		"enrol": {func(s store) (*Member, error) { return s.enrol(enrol) }, 2},
	} {
		for n := 1; n <= act.writes; n++ {
			interrupt(t, fmt.Sprintf("%s after %d writes", name, n-1), id, act.f, n)
		}
		dir := t.TempDir()
		_, err := act.f(killed(dir, act.writes, true))
		wantError(t, name, err, errKilled)
		if _, err := Open(dir, id); err != nil {
			t.Errorf("%s: not whole after the last write: %v", name, err)
		}
	}
}

// interrupt has the nth write fail, and what was begun be done again.
func interrupt(t *testing.T, name string, id identity.Identity, act func(store) (*Member, error), n int) {
	dir := t.TempDir()
	_, err := act(killed(dir, n, false))
	wantError(t, name, err, errKilled)
	if _, err := Open(dir, id); Exists(dir) || !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%s: there is a membership: %v", name, err)
	}
	key, keyErr := newStore(dir).loadNetworkKey()
	m, err := act(newStore(dir))
	if err != nil || !Exists(dir) || keyErr == nil && publicKey(key) != m.Anchor().Key {
		t.Errorf("%s, again: %v, %v", name, m, err)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, ".*")); len(left) > 0 {
		t.Errorf("%s left %v", name, left)
	}
}

func TestEnrol(t *testing.T) {
	first := newNetwork(t)
	m := enrolled(t, first, roster.Rights{Segments: []uint32{7}})
	again := reopened(t, m)
	if !reflect.DeepEqual(m.state.Load(), again.state.Load()) {
		t.Errorf("%+v is now %+v", m.state.Load(), again.state.Load())
	}
	n, secret := m.Secret()
	if n1, secret1 := first.Secret(); n != n1 || secret != secret1 || m.Anchor() != first.Anchor() {
		t.Error("not of one network")
	}
	if s := m.Seeds(); len(s) != 1 || s[0].Session != first.id.PublicKey() || s[0].Endpoints[0] != endpoints[0] {
		t.Errorf("seeds %v", s)
	}
	if items, err := m.Items(); err != nil || len(items) != 3 {
		t.Errorf("items %v, %v", items, err)
	}
	if _, ok := m.Authority(); ok {
		t.Error("it is an admin")
	}
	if _, ok := enrolled(t, first, roster.Rights{Admin: true}).Authority(); !ok {
		t.Error("an admin is none")
	}
	wantFiles(t, m.dir, fileMembers, fileMembership, fileLock)
	good := grantFor(t, first, m.id, roster.Rights{Admin: true})
	_, err := Enrol(m.dir, EnrolOptions{Identity: m.id, Grant: good, Now: at})
	wantError(t, "again", err, fs.ErrExist)

	for name, change := range map[string]func(*roster.Grant, *EnrolOptions){
		"other node":       func(_ *roster.Grant, o *EnrolOptions) { o.Identity = newIdentity(t) },
		"other network":    func(g *roster.Grant, _ *EnrolOptions) { g.Anchor.Key[0]++ },
		"expired":          func(_ *roster.Grant, o *EnrolOptions) { o.Now = at.Add(roster.CertificateLife) },
		"no secret":        func(g *roster.Grant, _ *EnrolOptions) { g.Number = 0 },
		"name":             func(g *roster.Grant, _ *EnrolOptions) { g.NetworkName = "../x" },
		"delegation":       func(g *roster.Grant, _ *EnrolOptions) { g.Delegation[0]++ },
		"certificate":      func(g *roster.Grant, _ *EnrolOptions) { g.Certificate[len(g.Certificate)-1]++ },
		"others' keys too": func(g *roster.Grant, _ *EnrolOptions) { g.Certificate = first.Certificate().Raw },
	} {
		g, d := *good, *good.Delegation
		g.Delegation, g.Certificate = &d, append([]byte(nil), good.Certificate...)
		o := EnrolOptions{Identity: m.id, Grant: &g, Now: at}
		change(&g, &o)
		dir := filepath.Join(t.TempDir(), "state")
		_, err := Enrol(dir, o)
		wantError(t, name, err, nil)
		if Exists(dir) {
			t.Errorf("%s: there is a membership", name)
		}
	}
	early := EnrolOptions{Identity: m.id, Grant: good, Now: time.Unix(1, 0)}
	if _, err := Enrol(t.TempDir(), early); err != nil {
		t.Errorf("with a clock that is behind: %v", err)
	}
}

func TestOpenRefuses(t *testing.T) {
	base64Of := base64.StdEncoding.EncodeToString
	other := newNetwork(t)
	for name, tt := range map[string]struct {
		from, to func(*Member) string
		want     string
	}{
		"cut off":     {text("\n}"), text(""), "restore it from a backup"},
		"format":      {text(`"format": 1`), text(`"format": 2`), "newer version"},
		"no format":   {text(`"format": 1,`), text(""), "does not say its format"},
		"more":        {text(`"format"`), text(`"more": 1, "format"`), "unknown field"},
		"name":        {text(`"home"`), text(`"/"`), "not a name"},
		"number":      {text(`"number": 1`), text(`"number": 0`), "no number"},
		"key":         {anchorText, func(*Member) string { return anchorText(other) }, "signature"},
		"short key":   {anchorText, text("AAAA"), "32 bytes"},
		"certificate": {certText, text("AAAA"), "certificate"},
		"other node's certificate": {certText, func(m *Member) string {
			return base64Of(enrolled(t, m, roster.Rights{}).Certificate().Raw)
		}, "delegation"},
		"forged certificate": {certText, func(m *Member) string {
			forged := bytes.Clone(m.Certificate().Raw)
			forged[1] ^= 1 // may bridge
			return base64Of(forged)
		}, "signature"},
		"delegation":       {delegationText, func(*Member) string { return delegationText(other) }, "delegation"},
		"short delegation": {delegationText, text("AAAA"), "length"},
	} {
		m := newNetwork(t)
		path := m.path(fileMembership)
		edit(t, path, tt.from(m), tt.to(m))
		_, err := Open(m.dir, m.id)
		wantError(t, name, err, nil, path, tt.want)
		if !Exists(m.dir) {
			t.Errorf("%s: somebody would write over it", name)
		}
		wantError(t, name+", to change", m.SetSecret(9, [32]byte{1}), nil, tt.want)
	}
	_, err := Open(other.dir, newIdentity(t))
	wantError(t, "other keys", err, ErrOtherIdentity, other.dir)
	_, err = Open(t.TempDir(), other.id)
	wantError(t, "none", err, fs.ErrNotExist)
}

func text(s string) func(*Member) string { return func(*Member) string { return s } }

func anchorText(m *Member) string { return roster.SignKey(m.Anchor().Key).String() }
func certText(m *Member) string   { return base64.StdEncoding.EncodeToString(m.Certificate().Raw) }
func delegationText(m *Member) string {
	return base64.StdEncoding.EncodeToString(m.state.Load().delegation[:])
}

func TestSetters(t *testing.T) {
	first := newNetwork(t)
	m := enrolled(t, first, roster.Rights{})
	twin := reopened(t, m)
	a, _ := first.Authority()
	certify := func(later time.Duration, id identity.Identity) *roster.Certificate {
		c := *m.Certificate()
		c.Sign, c.Session = signKey(id), id.PublicKey()
		c.NotBefore, c.NotAfter = at.Add(later), at.Add(later+roster.CertificateLife)
		return must[*roster.Certificate](t)(a.Certify(c))
	}
	newer := certify(time.Hour, m.id)
	if err := errors.Join(m.SetCertificate(newer), m.SetSecret(3, [32]byte{3})); err != nil {
		t.Fatal(err)
	}
	// Somebody else in the meantime does not undo it, nor does what is older.
	err := errors.Join(
		twin.SetSecret(2, [32]byte{2}), twin.SetSecret(4, [32]byte{4}), m.SetSecret(3, [32]byte{5}),
		m.SetCertificate(certify(time.Minute, m.id)),
	)
	for _, m := range []*Member{m, twin, reopened(t, m)} {
		n, secret := m.Secret()
		if err != nil || string(m.Certificate().Raw) != string(newer.Raw) || n != 4 || secret != [32]byte{4} {
			t.Errorf("%v since %s, secret %d, %v", m, m.Certificate().NotBefore, n, err)
		}
	}
	wantError(t, "other node", m.SetCertificate(certify(2*time.Hour, newIdentity(t))), ErrOtherIdentity)
	for name, change := range map[string]func(*roster.Certificate){
		"sign key":    func(c *roster.Certificate) { c.Sign = signKey(first.id) },
		"session key": func(c *roster.Certificate) { c.Session = first.id.PublicKey() },
	} {
		c := *certify(2*time.Hour, m.id)
		change(&c)
		wantError(t, name, m.SetCertificate(must[*roster.Certificate](t)(a.Certify(c))), ErrOtherIdentity)
	}
	wantError(t, "other network", m.SetCertificate(newNetwork(t).Certificate()), roster.ErrDelegation)
	wantError(t, "number", m.SetSecret(0, [32]byte{}), nil)
	wantError(t, "number", m.SetSecret(1<<63+1, [32]byte{}), nil)

	// What is not on the disk is not believed to be.
	m.replace = killed(m.dir, 1, false).replace
	wantError(t, "killed", m.SetSecret(5, [32]byte{5}), errKilled)
	if n, _ := m.Secret(); n != 4 {
		t.Errorf("secret %d", n)
	}
}

func TestItems(t *testing.T) {
	m := newNetwork(t)
	want := must[[]roster.Item](t)(m.Items())
	for range 5 {
		want = append(want, roster.Item{Kind: roster.ItemRecord, Raw: []byte{1, 2, 3}})
	}
	if err := m.SaveItems(want); err != nil {
		t.Fatal(err)
	}
	if got := must[[]roster.Item](t)(m.Items()); !reflect.DeepEqual(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	path := m.path(fileMembers)
	whole := must[[]byte](t)(os.ReadFile(path))
	write := func(b string) { overwrite(t, path, b) }
	best := 0
	for n := range len(whole) - 1 {
		write(string(whole[:n]))
		got, err := m.Items()
		wantError(t, fmt.Sprintf("cut off at %d", n), err, nil, path, "other members")
		if len(got) > 0 && !reflect.DeepEqual(got, want[:len(got)]) {
			t.Errorf("cut off at %d: %v", n, got)
		}
		best = max(best, len(got))
	}
	if best != len(want) {
		t.Errorf("of a file that is cut off at most %d items can be read", best)
	}
	write(strings.Replace(string(whole), `"AgADAQID"`, `"AgAD"`, 1))
	if got, err := m.Items(); err == nil || len(got) != len(want)-1 {
		t.Errorf("with a broken one: %v, %v", got, err)
	}
	write(`{"format": 2, "items": []}`)
	_, err := m.Items()
	wantError(t, "newer", err, errFormat)
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if got, err := m.Items(); err != nil || got != nil {
		t.Errorf("none: %v, %v", got, err)
	}
}

func overwrite(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
