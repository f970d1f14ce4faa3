package membership

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/vxmesh/vxmesh/identity"
	"github.com/vxmesh/vxmesh/tunnel/roster"
)

func wantRefusal(t *testing.T, what string, c *roster.Certificate, err error, want roster.RefusalReason) {
	t.Helper()
	r, ok := err.(*roster.Refusal) // not wrapped: it is told to the joiner
	if !ok || r.Reason != want || c != nil {
		t.Errorf("%s: %v, %v, want %v", what, c, err, want)
	}
}

func TestRedeem(t *testing.T) {
	m := newNetwork(t)
	rights := roster.Rights{Segments: []uint32{7}, MACs: 2}
	token := invite(t, m, InviteOptions{Rights: rights, Uses: 2})
	a, b, other := newIdentity(t), newIdentity(t), newIdentity(t)
	c, err := m.Redeem(at.Add(time.Hour), redeemer(a, token, "barn"), a.PublicKey(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if c.Verify(m.Anchor()) != nil || c.ValidAt(at.Add(time.Hour)) != nil || checkOwner(c, a) != nil ||
		c.Name != "barn" ||
		!c.Rights.Allows(7) || c.Rights.Allows(8) || c.Rights.MACs != 2 || c.Rights.Bridge || c.Rights.Admin ||
		c.NotAfter.Sub(c.NotBefore) != roster.CertificateLife {
		t.Errorf("%+v", c)
	}
	must[*roster.Certificate](t)(m.Redeem(at.Add(time.Hour), redeemer(b, token, "shed"), b.PublicKey(), nil))
	c, err = m.Redeem(at.Add(time.Hour), redeemer(other, token, "x"), other.PublicKey(), nil)
	wantRefusal(t, "a third", c, err, roster.RefusedUsed)
	i := must[[]Invitation](t)(m.Invitations())[0]
	if i.State(at) != StateSpent || len(i.Spent) != 2 || i.Spent[1].Sign != signKey(b) ||
		i.Spent[1].Name != "shed" {
		t.Errorf("%+v", i)
	}
}

// Whoever has it already gets the same again, for a day.
func TestRedeemAgain(t *testing.T) {
	m := newNetwork(t)
	token := invite(t, m, InviteOptions{Uses: 3, TTL: time.Hour})
	a := newIdentity(t)
	r := redeemer(a, token, "barn")
	first := must[*roster.Certificate](t)(m.Redeem(at, r, a.PublicKey(), nil))
	if _, err := m.RevokeInvitation(token.Invitation().String()); err != nil {
		t.Fatal(err)
	}
	m = reopened(t, m)
	taken := func(string) bool { return true } // by the joiner itself, were it asked
	for _, later := range []time.Duration{0, 2 * time.Hour, retry, -time.Hour} {
		c, err := m.Redeem(at.Add(later), r, a.PublicKey(), taken)
		if err != nil || !bytes.Equal(c.Raw, first.Raw) || !m.OpenInvitations(at.Add(min(later, retry-1))) {
			t.Errorf("after %v: %v, %v", later, c, err)
		}
	}
	c, err := m.Redeem(at.Add(retry+time.Second), r, a.PublicKey(), nil)
	wantRefusal(t, "after more than a day", c, err, roster.RefusedUsed)
	c, err = m.Redeem(at, r, newIdentity(t).PublicKey(), nil)
	wantRefusal(t, "with another session key", c, err, roster.RefusedUsed)
	if n := len(must[[]Invitation](t)(m.Invitations())[0].Spent); n != 1 {
		t.Errorf("spent %d times", n)
	}
}

func TestRedeemRefuses(t *testing.T) {
	m := newNetwork(t)
	id := newIdentity(t)
	redeem := func(m *Member, now time.Time, r *roster.Redeem) (*roster.Certificate, error) {
		return m.Redeem(now, r, id.PublicKey(), func(name string) bool { return name == "taken" })
	}
	token := invite(t, m, InviteOptions{})
	c, err := redeem(m, at, redeemer(id, &roster.Token{}, "barn"))
	wantRefusal(t, "unknown", c, err, roster.RefusedUnknown)
	c, err = redeem(m, token.Expires, redeemer(id, token, "barn"))
	wantRefusal(t, "expired", c, err, roster.RefusedExpired)
	for _, name := range []string{"taken", "attic"} {
		c, err = redeem(m, at, redeemer(id, token, name))
		wantRefusal(t, name, c, err, roster.RefusedName)
	}
	c, err = redeem(m, at, redeemer(m.id, token, "barn"))
	wantRefusal(t, "own sign key", c, err, roster.RefusedMalformed)
	c, err = m.Redeem(at, redeemer(id, token, "barn"), m.id.PublicKey(), nil)
	wantRefusal(t, "own session key", c, err, roster.RefusedMalformed)
	admin := invite(t, m, InviteOptions{Rights: roster.Rights{Admin: true}})
	if err := m.RemoveNetworkKey(); err != nil {
		t.Fatal(err)
	}
	c, err = redeem(m, at, redeemer(id, admin, "barn"))
	wantRefusal(t, "admin without the network's key", c, err, roster.RefusedNotNow)
	if _, err := m.RevokeInvitation(token.Invitation().Short()); err != nil {
		t.Fatal(err)
	}
	c, err = redeem(m, at, redeemer(id, token, "barn"))
	wantRefusal(t, "revoked", c, err, roster.RefusedRevoked)
	for _, i := range must[[]Invitation](t)(m.Invitations()) {
		if len(i.Spent) > 0 {
			t.Errorf("spent: %+v", i)
		}
	}
	none := *m.state.Load()
	none.delegation = nil
	m.state.Store(&none)
	c, err = redeem(m, at, redeemer(id, admin, "barn"))
	wantRefusal(t, "no admin", c, err, roster.RefusedNotNow)
}

// What cannot be written is not issued, and what may have been is not issued to anybody else.
func TestRedeemOnABadDisk(t *testing.T) {
	a, b := newIdentity(t), newIdentity(t)
	for name, tt := range map[string]struct {
		replace func(*Member) writer
		spent   bool
	}{
		"full":          {failing(syscall.ENOSPC), false},
		"read-only":     {failing(syscall.EROFS), false},
		"killed before": {func(m *Member) writer { return killed(m.dir, 1, false).replace }, false},
		"killed after":  {func(m *Member) writer { return killed(m.dir, 1, true).replace }, true},
	} {
		m := newNetwork(t)
		token := invite(t, m, InviteOptions{})
		m.replace = tt.replace(m)
		c, err := m.Redeem(at, redeemer(a, token, "barn"), a.PublicKey(), nil)
		wantRefusal(t, name, c, err, roster.RefusedNotNow)
		if strings.Contains(err.Error(), m.dir) {
			t.Errorf("%s: the joiner is told %v", name, err)
		}
		m = reopened(t, m)
		first, second := a, b
		if !tt.spent {
			first, second = b, a
		}
		if _, err := m.Redeem(at, redeemer(first, token, "barn"), first.PublicKey(), nil); err != nil {
			t.Errorf("%s: not issued after all: %v", name, err)
		}
		c, err = m.Redeem(at, redeemer(second, token, "barn"), second.PublicKey(), nil)
		wantRefusal(t, name+", twice", c, err, roster.RefusedUsed)
		if left, _ := filepath.Glob(filepath.Join(m.dir, ".*")); len(left) > 0 {
			t.Errorf("%s left %v", name, left)
		}
	}
	m := newNetwork(t)
	token := invite(t, m, InviteOptions{})
	edit(t, m.path(fileInvitations), "{", "")
	c, err := m.Redeem(at, redeemer(a, token, "barn"), a.PublicKey(), nil)
	wantRefusal(t, "broken", c, err, roster.RefusedNotNow)
	if err := os.RemoveAll(m.dir); err != nil {
		t.Fatal(err)
	}
	c, err = m.Redeem(at, redeemer(a, token, "barn"), a.PublicKey(), nil)
	wantRefusal(t, "no directory", c, err, roster.RefusedNotNow)
}

type writer = func(path string, data []byte) error

func failing(err error) func(*Member) writer {
	return func(*Member) writer {
		return func(path string, _ []byte) error { return &fs.PathError{Op: "open", Path: path, Err: err} }
	}
}

// One invitation lets one node in, however many come at once, and through however many processes.
func TestRedeemAtOnce(t *testing.T) {
	const rounds, joiners = 100, 100
	ids := make([]identity.Identity, joiners)
	for k := range ids {
		ids[k] = newIdentity(t)
	}
	m := newNetwork(t)
	twin := reopened(t, m)
	for range rounds {
		if err := os.RemoveAll(m.path(fileInvitations)); err != nil {
			t.Fatal(err)
		}
		token := invite(t, m, InviteOptions{})
		issued := redeemAtOnce(t, []*Member{m, twin}, ids, token)
		if len(issued) != 1 {
			t.Fatalf("%d certificates", len(issued))
		}
		i := must[[]Invitation](t)(m.Invitations())[0]
		if len(i.Spent) != 1 || !bytes.Equal(i.Spent[0].Certificate, issued[0].Raw) {
			t.Fatalf("%+v", i)
		}
	}
}

func redeemAtOnce(
	t *testing.T, members []*Member, ids []identity.Identity, token *roster.Token,
) (issued []*roster.Certificate) {
	var wg sync.WaitGroup
	var mu sync.Mutex
	for k, id := range ids {
		wg.Go(func() {
			c, err := members[k%len(members)].Redeem(at, redeemer(id, token, "barn"), id.PublicKey(), nil)
			if err == nil {
				mu.Lock()
				defer mu.Unlock()
				issued = append(issued, c)
			} else if r, ok := errors.AsType[*roster.Refusal](err); !ok || r.Reason != roster.RefusedUsed {
				t.Errorf("%v", err)
			}
		})
	}
	wg.Wait()
	return issued
}

func TestOpenInvitations(t *testing.T) {
	m := newNetwork(t)
	twin := reopened(t, m)
	want := func(what string, now time.Time, open bool) {
		t.Helper()
		for _, m := range []*Member{m, twin, m} {
			if got := m.OpenInvitations(now); got != open {
				t.Errorf("%s: open is %v", what, got)
			}
		}
	}
	want("none", at, false)
	token := invite(t, m, InviteOptions{TTL: time.Hour})
	want("one", at, true)
	want("one that expired", at.Add(time.Hour+retry-1), true)
	want("one that expired long ago", at.Add(time.Hour+retry), false)
	id := newIdentity(t)
	must[*roster.Certificate](t)(twin.Redeem(at, redeemer(id, token, "barn"), id.PublicKey(), nil))
	want("who may ask again", at.Add(retry-1), true)
	want("who may not", at.Add(retry), false)
	token = invite(t, twin, InviteOptions{TTL: 100 * time.Hour})
	want("another", at.Add(99*time.Hour), true)
	if _, err := m.RevokeInvitation(token.Invitation().String()); err != nil {
		t.Fatal(err)
	}
	want("revoked", at.Add(retry-1), true)
	want("revoked a day ago", at.Add(retry), false)
	edit(t, m.path(fileInvitations), "{", "")
	want("broken", at, false)
	if err := os.Remove(m.path(fileInvitations)); err != nil {
		t.Fatal(err)
	}
	want("removed", at, false)
}
