package main

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/vxmesh/vxmesh/identity"
	"github.com/vxmesh/vxmesh/membership"
	"github.com/vxmesh/vxmesh/tunnel/control"
	"github.com/vxmesh/vxmesh/tunnel/control/controltest"
	"github.com/vxmesh/vxmesh/tunnel/roster"
)

var someEndpoints = []netip.AddrPort{netip.MustParseAddrPort("192.0.2.1:42420")}

// joined is the network as another member has it, on a machine of its own.
func joined(t *testing.T, by testHome, name string, admin bool) testHome {
	t.Helper()
	dir := t.TempDir()
	state, file := filepath.Join(dir, "state"), filepath.Join(dir, "test.toml")
	id := ok[identity.Identity](t)(identity.Create(filepath.Join(state, "identity.key")))
	now := time.Now()
	cert := ok[*roster.Certificate](t)(by.admin().Certify(roster.Certificate{
		Sign: signKeyOf(id), Session: id.PublicKey(), Name: name,
		NotBefore: now, NotAfter: now.Add(roster.CertificateLife),
	}))
	grant := &roster.Grant{Anchor: by.member.Anchor(), NetworkName: by.member.Name(), Certificate: cert.Raw}
	grant.Number, grant.Secret = by.member.Secret()
	if admin {
		d := ok[roster.Delegation](t)(by.member.Delegate(signKeyOf(id)))
		grant.Delegation = &d
	}
	ok[*membership.Member](t)(membership.Enrol(state, membership.EnrolOptions{
		Identity: id, Grant: grant, Items: ok[[]roster.Item](t)(by.member.Items()),
	}))
	text := fmt.Sprintf("[network]\nname = %q\nstate = %q\n[[segments]]\nvni = 7\n", by.member.Name(), state)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return testHome{ok[*home](t)(openHomeAt(file)), t}
}

// leave runs `leave`; no node answers unless a socket is given.
func (h testHome) leave(socket string, args ...string) result {
	h.t.Helper()
	return h.run(socket, append([]string{"leave", h.path}, args...)...)
}

func wantGone(t *testing.T, path string, gone bool) {
	t.Helper()
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) != gone {
		t.Errorf("%s: gone is not %t", path, gone)
	}
}

func TestLeaveTellsTheNetwork(t *testing.T) {
	h := joined(t, newAttic(t), "barn", false)
	n := controltest.New()
	r := h.leave(n.Serve(t), "--json")
	if r.code != exitOK || !strings.Contains(r.out, `"schema": "vxmesh.leave/1"`) ||
		!strings.Contains(r.out, `"told": true`) {
		t.Fatalf("%+v", r)
	}
	items := n.Requests()[0].(control.Publish).Items
	v := ok[*roster.Revocation](t)(roster.ParseRevocation(items[0].Raw))
	if v.Kind != roster.Leave || v.Node != roster.NodeID(h.id.ID()) || v.Verify(h.member.Anchor()) != nil {
		t.Errorf("told %+v", v)
	}
	wantGone(t, stateDir(h.cfg), true)
	wantGone(t, h.path, true)
	wantGone(t, h.path+".left", false)
}

// TestLeaveWaitsForTheNode to end, as what it writes then would be left over.
func TestLeaveWaitsForTheNode(t *testing.T) {
	h := joined(t, newAttic(t), "barn", false)
	claimed := ok[*identity.Claimed](t)(identity.Claim(identityPath(h.cfg)))
	n := controltest.New()
	socket := n.Serve(t)
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	r := vxmeshUntil(ctx, "leave", h.path, "--socket", socket)
	r.wantError(t, exitTimeout, "a node still uses", "leave again")
	for _, name := range []string{"identity.key", "membership.json", "members.json"} {
		wantGone(t, filepath.Join(stateDir(h.cfg), name), false)
	}
	done := make(chan result, 1)
	go func() { done <- vxmeshUntil(t.Context(), "leave", h.path, "--socket", socket) }()
	waitFor(t, "the second leave", func() bool { return len(n.Requests()) == 2 })
	claimed.Release()
	if r := <-done; r.code != exitOK {
		t.Errorf("%+v", r)
	}
	wantGone(t, stateDir(h.cfg), true)
}

func TestLeaveWithoutANode(t *testing.T) {
	h := joined(t, newAttic(t), "barn", false)
	other := filepath.Join(stateDir(h.cfg), "identity-2.key")
	if err := os.WriteFile(other, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	r := h.leave("", "--keep-config")
	if r.code != exitOK || !strings.Contains(r.out, "no node has told the others") ||
		!strings.Contains(r.out, "there is more in") || !strings.Contains(r.out, "vxmesh peer remove barn") {
		t.Errorf("%+v", r)
	}
	left := ok[[]os.DirEntry](t)(os.ReadDir(stateDir(h.cfg)))
	if len(left) != 1 {
		t.Errorf("left over: %v", left)
	}
	wantGone(t, other, false)
	wantGone(t, h.path, false)
	h.leave("").wantError(t, exitNotFound, "nothing to leave")
}

func TestLeaveOfAnAdmin(t *testing.T) {
	h := newAttic(t)
	h.add("barn", h.admin())
	h.leave("").wantError(t, exitFailed,
		"the certificates of barn go with it", "vxmesh peer remove attic", "key export")
	wantGone(t, filepath.Join(stateDir(h.cfg), "network.key"), false)

	// One that was removed has nothing left to lose.
	loft := joined(t, h, "loft", true)
	key := ok[ed25519.PrivateKey](t)(h.member.NetworkKey())
	loft.leave("").wantError(t, exitFailed, "an admin")
	loft.keepItems(roster.RemoveByNetwork(key, loft.id.ID(), time.Now()).Item())
	if r := loft.leave(""); r.code != exitOK {
		t.Errorf("%+v", r)
	}

	if r := h.leave("", "--force"); r.code != exitOK {
		t.Errorf("%+v", r)
	}
	wantGone(t, stateDir(h.cfg), true)
}

// TestLeaveOfABrokenMembership clears away what cannot be used any more, when told to.
func TestLeaveOfABrokenMembership(t *testing.T) {
	for _, name := range []string{"membership.json", "identity.key"} {
		h := joined(t, newAttic(t), "barn", false)
		if err := os.WriteFile(filepath.Join(stateDir(h.cfg), name), []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
		if r := h.leave(""); r.code == exitOK || !strings.Contains(r.errOut, "cannot be used") ||
			!strings.Contains(r.errOut, "--force") {
			t.Errorf("%s: %+v", name, r)
		}
		wantGone(t, filepath.Join(stateDir(h.cfg), name), false)
		if r := h.leave("", "--force"); r.code != exitOK {
			t.Errorf("%s: %+v", name, r)
		}
		wantGone(t, stateDir(h.cfg), true)
	}
}

// TestDaemonEndsWhenItLeaves and only then: who was removed wants to know why nobody answers.
func TestDaemonEndsWhenItLeaves(t *testing.T) {
	d := &daemon{left: make(chan struct{}, 1), log: slog.New(slog.DiscardHandler)}
	for _, kind := range []roster.RevocationKind{roster.Removal, roster.NetworkRemoval} {
		d.revoked(&roster.Revocation{Kind: kind})
	}
	if len(d.left) != 0 {
		t.Error("it ends when it was removed")
	}
	for range 2 { // the engine does not wait
		d.revoked(&roster.Revocation{Kind: roster.Leave})
	}
	<-d.left
	// A removed node is told nothing more by the engine, but by who has it leave.
	h := newAttic(t)
	d.id = &nodeIdentity{Claimed: &identity.Claimed{Identity: h.id}}
	bye := roster.Leaving(h.member.Anchor().ID(), h.member.SignKey(), time.Now())
	other := h.admin().Remove(roster.NodeID{1}, time.Now())
	d.noticeLeave([]roster.Item{other.Item(), h.member.Certificate().Item()})
	if len(d.left) != 0 {
		t.Error("it ends when another was removed")
	}
	d.noticeLeave([]roster.Item{bye.Item()})
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	if err := d.endOnLeave(ctx, stop); err != nil || ctx.Err() == nil {
		t.Errorf("%v, %v", err, ctx.Err())
	}
	if err := d.endOnLeave(ctx, stop); err != nil { // ends with the rest
		t.Error(err)
	}
}
