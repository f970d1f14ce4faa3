package membership

import (
	"bytes"
	"crypto/ed25519"
	"errors"
	"io"
	"io/fs"
	"os"
	"strings"
	"testing"

	"filippo.io/age"
	"filippo.io/age/armor"

	"github.com/vxmesh/vxmesh/tunnel/roster"
)

const passphrase = "correct horse"

// cheap has a test not work for the passphrase for long.
func cheap(m *Member) *Member {
	m.work = 4
	return m
}

func TestNetworkKeyGoesAndComesBack(t *testing.T) {
	m := cheap(newNetwork(t))
	key := must[ed25519.PrivateKey](t)(m.NetworkKey())
	file := must[[]byte](t)(m.ExportNetworkKey(passphrase))
	if bytes.Contains(file, networkKeyText(key)[:40]) || !strings.HasPrefix(string(file), armor.Header) {
		t.Errorf("exported as %s", file)
	}
	if err := errors.Join(m.RemoveNetworkKey(), m.RemoveNetworkKey()); err != nil {
		t.Fatal(err)
	}
	wantFiles(t, m.dir, fileMembers, fileMembership, fileLock)
	_, err := m.NetworkKey()
	wantError(t, "removed", err, ErrNoNetworkKey, m.dir)
	wantError(t, "removed", err, fs.ErrNotExist)
	_, err = m.ExportNetworkKey(passphrase)
	wantError(t, "removed", err, ErrNoNetworkKey)
	_, err = m.Delegate(m.Certificate().Sign)
	wantError(t, "removed", err, ErrNoNetworkKey)

	cert := m.Certificate()
	damaged := []byte(strings.ToUpper(string(file)))
	for name, tt := range map[string]struct {
		file   []byte
		phrase string
		want   error
	}{
		"wrong":     {file, "correct horsf", ErrPassphrase},
		"empty":     {file, "", nil},
		"damaged":   {damaged, passphrase, ErrNotKeyFile},
		"cut off":   {file[:len(file)/2], passphrase, ErrNotKeyFile},
		"text":      {networkKeyText(key), passphrase, ErrNotKeyFile},
		"no key":    {sealedFile(t, "hello", scryptTo(t, 4)), passphrase, ErrNotKeyFile},
		"too hard":  {hard(sealedFile(t, string(networkKeyText(key)), scryptTo(t, 4))), passphrase, ErrNotKeyFile},
		"for a key": {sealedFile(t, string(networkKeyText(key)), x25519(t)), passphrase, ErrNotKeyFile},
	} {
		wantError(t, name, m.ImportNetworkKey(tt.file, tt.phrase), tt.want)
	}
	other := must[[]byte](t)(cheap(newNetwork(t)).ExportNetworkKey(passphrase))
	wantError(t, "foreign", m.ImportNetworkKey(other, passphrase), ErrOtherNetwork, m.Anchor().ID().String())
	wantFiles(t, m.dir, fileMembers, fileMembership, fileLock)

	if err := m.ImportNetworkKey(file, passphrase); err != nil {
		t.Fatal(err)
	}
	if got, err := m.NetworkKey(); err != nil || !got.Equal(key) || m.Certificate() == cert ||
		!bytes.Equal(m.Certificate().Raw, cert.Raw) {
		t.Errorf("an admin is not what it was: %v", err)
	}
}

func sealedFile(t *testing.T, text string, to age.Recipient) []byte {
	var out bytes.Buffer
	a := armor.NewWriter(&out)
	w, err := age.Encrypt(a, to)
	if err == nil {
		_, err = w.Write([]byte(text))
		err = errors.Join(err, w.Close(), a.Close())
	}
	return must[[]byte](t)(out.Bytes(), err)
}

func scryptTo(t *testing.T, work int) age.Recipient {
	r := must[*age.ScryptRecipient](t)(age.NewScryptRecipient(passphrase))
	r.SetWorkFactor(work)
	return r
}

// hard has a file ask for much more work than it was.
func hard(file []byte) []byte {
	var out bytes.Buffer
	text, _ := io.ReadAll(armor.NewReader(bytes.NewReader(file)))
	a := armor.NewWriter(&out)
	_, _ = a.Write(bytes.Replace(text, []byte(" 4\n"), []byte(" 22\n"), 1))
	_ = a.Close()
	return out.Bytes()
}

func x25519(t *testing.T) age.Recipient {
	return must[*age.X25519Identity](t)(age.GenerateX25519Identity()).Recipient()
}

func TestNetworkKeyMakesAnAdmin(t *testing.T) {
	first := cheap(newNetwork(t))
	file := must[[]byte](t)(first.ExportNetworkKey(passphrase))
	m := enrolled(t, first, roster.Rights{Segments: []uint32{7}, MACs: 3})
	_, _, err := m.Invite(InviteOptions{Endpoints: endpoints})
	wantError(t, "no admin", err, ErrNoAdmin)
	was := m.Certificate()
	if err := m.ImportNetworkKey(file, passphrase); err != nil {
		t.Fatal(err)
	}
	for _, m := range []*Member{m, reopened(t, m)} {
		a, ok := m.Authority()
		c := m.Certificate()
		if !ok || a.Delegation.Verify(m.Anchor(), c.Sign) != nil || c.Verify(m.Anchor()) != nil || !c.Newer(was) {
			t.Errorf("authority %v, certificate %+v", ok, c)
		}
		if !c.Rights.Admin || c.Rights.MACs != 3 || !c.Rights.Allows(7) || c.Rights.Allows(8) ||
			c.Name != was.Name {
			t.Errorf("certificate %+v", c)
		}
	}
	invite(t, m, InviteOptions{Rights: roster.Rights{Admin: true}})
}

// A clock that went back does not make a certificate that is older than the one it replaces.
func TestPromotionIsNewer(t *testing.T) {
	first := newNetwork(t)
	m := enrolled(t, first, roster.Rights{})
	s := *m.state.Load()
	err := s.promote(must[ed25519.PrivateKey](t)(first.NetworkKey()), m.SignKey(), at.AddDate(-1, 0, 0))
	if c := m.Certificate(); err != nil || !s.certificate.NotBefore.After(c.NotBefore) {
		t.Errorf("%v, from %v after %v", err, s.certificate.NotBefore, c.NotBefore)
	}
}

func TestNetworkKeyFileIsBroken(t *testing.T) {
	m := newNetwork(t)
	for text, target := range map[string]error{
		"":                            nil,
		"AAAA\n":                      nil,
		"!":                           nil,
		strings.Repeat("A", 43) + "=": ErrOtherNetwork,
	} {
		if err := os.WriteFile(m.path(fileNetworkKey), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := m.NetworkKey()
		wantError(t, text, err, target, m.path(fileNetworkKey))
	}
}
