package membership

import (
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/vxmesh/vxmesh/identity"
	"github.com/vxmesh/vxmesh/internal/atomicfile"
	"github.com/vxmesh/vxmesh/tunnel/roster"
)

var (
	at        = time.Date(2026, 5, 4, 3, 2, 1, 0, time.UTC)
	endpoints = []netip.AddrPort{netip.MustParseAddrPort("192.0.2.1:4789")}
)

func must[T any](t *testing.T) func(v T, err error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func newIdentity(t *testing.T) identity.Identity {
	t.Helper()
	return must[identity.Identity](t)(identity.Create(filepath.Join(t.TempDir(), "identity.key")))
}

func foundOptions(t *testing.T) FoundOptions {
	return FoundOptions{Network: "home", Identity: newIdentity(t), Node: "attic", Now: at}
}

// newNetwork is a network's first node.
func newNetwork(t *testing.T) *Member {
	t.Helper()
	return onTime(must[*Member](t)(Found(filepath.Join(t.TempDir(), "state"), foundOptions(t))))
}

// reopened is the node of another process.
func reopened(t *testing.T, m *Member) *Member {
	t.Helper()
	return onTime(must[*Member](t)(Open(m.dir, m.id)))
}

// onTime has the node's clock stand still.
func onTime(m *Member) *Member {
	m.now = func() time.Time { return at }
	return m
}

func invite(t *testing.T, m *Member, o InviteOptions) *roster.Token {
	t.Helper()
	if o.Now.IsZero() {
		o.Now = at
	}
	o.Endpoints = endpoints
	token, i, err := m.Invite(o)
	if err != nil || token.Invitation() != i.ID || i.State(o.Now) != StateOpen {
		t.Fatalf("%v, %+v, %v", token, i, err)
	}
	return token
}

// redeemer is what a joiner sends; its proofs are for others to check.
func redeemer(id identity.Identity, token *roster.Token, name string) *roster.Redeem {
	return &roster.Redeem{Invitation: token.Invitation(), Sign: signKey(id), Name: name}
}

// grantFor lets a node in.
func grantFor(t *testing.T, m *Member, id identity.Identity, rights roster.Rights) *roster.Grant {
	t.Helper()
	r := redeemer(id, invite(t, m, InviteOptions{Rights: rights}), "barn")
	c := must[*roster.Certificate](t)(m.Redeem(at, r, id.PublicKey(), nil))
	number, secret := m.Secret()
	g := &roster.Grant{
		Anchor: m.Anchor(), Number: number, Secret: secret, NetworkName: m.Name(), Certificate: c.Raw,
	}
	if rights.Admin {
		d := must[roster.Delegation](t)(m.Delegate(signKey(id)))
		g.Delegation = &d
	}
	return g
}

// enrolled is a second node of the network.
func enrolled(t *testing.T, m *Member, rights roster.Rights) *Member {
	t.Helper()
	id := newIdentity(t)
	o := EnrolOptions{
		Identity: id, Grant: grantFor(t, m, id, rights), Now: at,
		Seeds: []Seed{{m.id.PublicKey(), endpoints}}, Items: must[[]roster.Item](t)(m.Items()),
	}
	return onTime(must[*Member](t)(Enrol(filepath.Join(t.TempDir(), "state"), o)))
}

var errKilled = errors.New("killed")

// killed is a store in which the process ends at its nth write, before the rename or after it.
func killed(dir string, n int, after bool) store {
	s := newStore(dir)
	s.replace = func(path string, data []byte) error {
		if n--; n == 0 && !after {
			_ = os.WriteFile(filepath.Join(dir, "."+filepath.Base(path)+"-1"), data, 0o600)
			return errKilled
		}
		err := atomicfile.Replace(path, data)
		if n == 0 {
			err = errKilled
		}
		return err
	}
	return s
}

// wantFiles also holds that nothing is left of what was written beside a file.
func wantFiles(t *testing.T, dir string, names ...string) {
	t.Helper()
	var got []string
	for _, e := range must[[]os.DirEntry](t)(os.ReadDir(dir)) {
		got = append(got, e.Name())
	}
	if strings.Join(got, " ") != strings.Join(names, " ") {
		t.Errorf("the directory holds %v, want %v", got, names)
	}
}

func wantError(t *testing.T, what string, err, target error, parts ...string) {
	t.Helper()
	if err == nil || target != nil && !errors.Is(err, target) {
		t.Errorf("%s: %v, want %v", what, err, target)
		return
	}
	for _, p := range parts {
		if !strings.Contains(err.Error(), p) {
			t.Errorf("%s: %v does not say %q", what, err, p)
		}
	}
}

func edit(t *testing.T, path, from, to string) {
	t.Helper()
	text := string(must[[]byte](t)(os.ReadFile(path)))
	if !strings.Contains(text, from) {
		t.Fatalf("%s has no %s", path, from)
	}
	if err := os.WriteFile(path, []byte(strings.Replace(text, from, to, 1)), 0o600); err != nil {
		t.Fatal(err)
	}
}
