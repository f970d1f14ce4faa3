package membership

import (
	"errors"
	"testing"
	"time"

	"github.com/vxmesh/vxmesh/tunnel/roster"
)

// late is when the certificates of tests have expired.
var late = at.Add(roster.CertificateLife + 10*24*time.Hour)

// issued is a certificate of another node's, for the items of m.
func issued(t *testing.T, m *Member, name string, from time.Time) *roster.Certificate {
	t.Helper()
	id := newIdentity(t)
	a, _ := m.Authority()
	return must[*roster.Certificate](t)(a.Certify(roster.Certificate{
		Sign: signKey(id), Session: id.PublicKey(), Name: name, Rights: roster.Rights{MACs: 7},
		NotBefore: from, NotAfter: from.Add(roster.CertificateLife),
	}))
}

// keep adds items to what m has on the disk.
func keep(t *testing.T, m *Member, items ...roster.Item) {
	t.Helper()
	kept := must[[]roster.Item](t)(m.Items())
	if err := m.SaveItems(append(kept, items...)); err != nil {
		t.Fatal(err)
	}
}

// TestRenew has a network run out of time while its admin was away.
func TestRenew(t *testing.T) {
	m := newNetwork(t)
	barn := issued(t, m, "barn", at)
	keep(t, m, barn.Item())
	if signed, err := m.Renew(late.Add(-11*24*time.Hour), at); signed != nil || err != nil {
		t.Error("in time:", signed, err)
	}
	signed := must[[]roster.Item](t)(m.Renew(late, at))
	own := m.Certificate()
	if len(signed) != 2 || own.ValidAt(late) != nil || own.NotAfter.Sub(own.NotBefore) != roster.CertificateLife ||
		!own.Rights.Admin || own.Name != "attic" {
		t.Fatalf("%v, %+v", signed, own)
	}
	again := reopened(t, m)
	if got := again.Certificate(); string(got.Raw) != string(own.Raw) {
		t.Errorf("on the disk %+v", got)
	}
	r := roster.New(roster.Options{Anchor: m.Anchor(), Self: own.Node(), Built: at})
	r.Restore(late, must[[]roster.Item](t)(again.Items()))
	if got := r.Named("barn"); r.Clock(late) != nil || len(r.Members()) != 2 || got.Certificate.Rights.MACs != 7 {
		t.Errorf("clock %v, members %+v", r.Clock(late), r.Members())
	}
	if signed, err := again.Renew(late, at); signed != nil || err != nil {
		t.Error("again:", signed, err)
	}
}

// TestRenewOwnAlone is an admin of a network that went on without it: who is gone stays gone.
func TestRenewOwnAlone(t *testing.T) {
	m := newNetwork(t)
	var items []roster.Item
	for _, name := range []string{"one", "two", "three"} {
		items = append(items, issued(t, m, name, late.Add(-time.Hour)).Item())
	}
	keep(t, m, append(items, issued(t, m, "gone", at).Item())...)
	signed := must[[]roster.Item](t)(m.Renew(late, at))
	if len(signed) != 1 || m.Certificate().ValidAt(late) != nil {
		t.Errorf("%v, %+v", signed, m.Certificate())
	}
}

// TestRenewNot is when nothing is signed, and nothing changes.
func TestRenewNot(t *testing.T) {
	for name, tt := range map[string]struct {
		spoil func(*Member)
		now   time.Time
		built time.Time
		err   bool
	}{
		"without the network's key": {func(m *Member) { _ = m.RemoveNetworkKey() }, late, at, false},
		"long ago":                  {func(*Member) {}, late.Add(renewWithin), at, false},
		"before the program was":    {func(*Member) {}, late, late.Add(time.Hour), true},
		"before something was signed": {func(m *Member) {
			keep(t, m, issued(t, m, "barn", at.Add(roster.CertificateLife-time.Hour)).Item())
			m.state.Store(expiring(m, at.Add(time.Hour)))
		}, at.Add(2 * time.Hour), at, true},
		"removed": {func(m *Member) {
			key, _ := m.NetworkKey()
			keep(t, m, roster.RemoveByNetwork(key, m.Certificate().Node(), at).Item())
		}, late, at, false},
		"renewed by another, which the roster knows": {func(m *Member) {
			a, _ := m.Authority()
			c := *m.Certificate()
			c.NotBefore, c.NotAfter = late.Add(-time.Hour), late.Add(time.Hour)
			keep(t, m, must[*roster.Certificate](t)(a.Certify(c)).Item())
		}, late, at, false},
	} {
		m := newNetwork(t)
		tt.spoil(m)
		before := m.Certificate()
		signed, err := m.Renew(tt.now, tt.built)
		if signed != nil || (err != nil) != tt.err || m.Certificate() != before {
			t.Errorf("%s: %v, %v", name, signed, err)
		}
	}
	m := newNetwork(t)
	a, _ := m.Authority()
	renamed := *m.Certificate()
	renamed.Name, renamed.NotBefore = "loft", at.Add(time.Hour)
	keep(t, m, must[*roster.Certificate](t)(a.Certify(renamed)).Item())
	if _, err := m.Renew(late, at); err != nil || m.Certificate().Name != "loft" {
		t.Errorf("%v: what was newer in the roster is forgotten: %+v", err, m.Certificate())
	}
	m = newNetwork(t)
	m.replace = func(string, []byte) error { return errKilled }
	if _, err := m.Renew(late, at); !errors.Is(err, errKilled) || m.Certificate().ValidAt(late) == nil {
		t.Errorf("%v: the disk does not know of %+v", err, m.Certificate())
	}
}

// expiring is m's state with a certificate that ends at a time.
func expiring(m *Member, end time.Time) *state {
	s := *m.state.Load()
	a, _ := m.Authority()
	c := *s.certificate
	c.NotBefore, c.NotAfter = c.NotBefore.Add(time.Minute), end
	s.certificate, _ = a.Certify(c)
	return &s
}

// TestReload has another process change a membership.
func TestReload(t *testing.T) {
	m := cheap(newNetwork(t))
	file := must[[]byte](t)(m.ExportNetworkKey(passphrase))
	barn := enrolled(t, m, roster.Rights{})
	if err := reopened(t, barn).ImportNetworkKey(file, passphrase); err != nil {
		t.Fatal(err)
	}
	if _, admin := barn.Authority(); admin {
		t.Error("it knows before it was told")
	}
	if err := barn.Reload(); err != nil {
		t.Fatal(err)
	}
	if _, admin := barn.Authority(); !admin || !barn.Certificate().Rights.Admin {
		t.Error("it does not know")
	}
}
