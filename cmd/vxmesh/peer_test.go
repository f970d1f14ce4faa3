package main

import (
	"crypto/ed25519"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vxmesh/vxmesh/identity"
	"github.com/vxmesh/vxmesh/membership"
	"github.com/vxmesh/vxmesh/tunnel/control"
	"github.com/vxmesh/vxmesh/tunnel/control/controltest"
	"github.com/vxmesh/vxmesh/tunnel/roster"
)

// A testHome is a network on the disk that no node runs, as one of its members has it.
type testHome struct {
	*home
	t *testing.T
}

func ok[T any](t *testing.T) func(T, error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// newAttic makes a network with one node, attic.
func newAttic(t *testing.T) testHome {
	t.Helper()
	dir := t.TempDir()
	file := filepath.Join(dir, "test.toml")
	r := vxmesh(t, "init", "test-net", "--name", "attic", "--config", file,
		"--state", filepath.Join(dir, "state"))
	if r.code != exitOK {
		t.Fatalf("init: %+v", r)
	}
	return testHome{ok[*home](t)(openHomeAt(file)), t}
}

// run runs a command on the network; no node answers unless the socket of one is given.
func (h testHome) run(socket string, args ...string) result {
	h.t.Helper()
	if socket == "" {
		socket = filepath.Join(h.t.TempDir(), "none.sock")
	}
	return vxmesh(h.t, append(args, "-n", h.path, "--socket", socket)...)
}

// reread is what the disk says now.
func (h testHome) reread() testHome {
	h.t.Helper()
	return testHome{ok[*home](h.t)(openHomeAt(h.path)), h.t}
}

// add makes another node a member, by whoever issues.
func (h testHome) add(name string, by roster.Authority) (identity.Identity, *roster.Certificate) {
	h.t.Helper()
	id := ok[identity.Identity](h.t)(identity.Create(filepath.Join(h.t.TempDir(), "identity.key")))
	now := time.Now().Add(-time.Hour)
	cert := ok[*roster.Certificate](h.t)(by.Certify(roster.Certificate{
		Sign: signKeyOf(id), Session: id.PublicKey(), Name: name, Rights: roster.Rights{MACs: 7},
		NotBefore: now, NotAfter: now.Add(roster.CertificateLife),
	}))
	h.keepItems(cert.Item())
	return id, cert
}

func (h testHome) keepItems(items ...roster.Item) {
	h.t.Helper()
	if err := h.keep(new(globals), items); err != nil {
		h.t.Fatal(err)
	}
}

func signKeyOf(id identity.Identity) roster.SignKey {
	return roster.SignKey(id.SigningKey().Public().(ed25519.PublicKey))
}

func (h testHome) admin() roster.Authority {
	a, _ := h.member.Authority()
	return a
}

// addAdmin makes another admin: its keys and what it signs with.
func (h testHome) addAdmin(name string) (identity.Identity, roster.Authority) {
	h.t.Helper()
	id, _ := h.add(name, h.admin())
	d := ok[roster.Delegation](h.t)(h.member.Delegate(signKeyOf(id)))
	return id, roster.Authority{Network: h.member.Anchor().ID(), Key: id.SigningKey(), Delegation: d}
}

// wantMembers holds that the disk knows these members, each with who issued for it: "barn<attic".
func (h testHome) wantMembers(want ...string) {
	h.t.Helper()
	list := membersOf(h.member, h.id, h.roster().Members()).Members
	var got []string
	for _, m := range list {
		for _, issuer := range list {
			if issuer.ID == m.Issuer {
				got = append(got, m.Name+"<"+issuer.Name)
			}
		}
	}
	if !slices.Equal(got, want) {
		h.t.Errorf("members %v, want %v", got, want)
	}
}

func (r result) wantError(t *testing.T, code int, parts ...string) {
	t.Helper()
	if r.code != code || r.out != "" {
		t.Errorf("exit code %d, want %d: %s%s", r.code, code, r.out, r.errOut)
	}
	for _, p := range parts {
		if !strings.Contains(r.errOut, p) {
			t.Errorf("%q does not say %q", r.errOut, p)
		}
	}
}

const nobodyTold = "no node runs here: the others learn of it when it does\n"

func TestPeerRemoveWithoutANode(t *testing.T) {
	h := newAttic(t)
	id, _ := h.add("barn", h.admin())
	r := h.run("", "peer", "remove", "barn", "--yes")
	r.want(t, exitOK, "barn is removed from test-net\n")
	if r.errOut != nobodyTold {
		t.Errorf("says %q", r.errOut)
	}
	h = h.reread()
	h.wantMembers("attic<attic")
	list := h.roster()
	number, secret := h.member.Secret()
	if !list.Revoked(id.ID()) || number != 2 || list.SecretNumber() != 2 || list.Secrets()[0] != secret {
		t.Errorf("secrets %d and %d, the roster's is %t", number, list.SecretNumber(), list.Secrets()[0] == secret)
	}
	h.run("", "peer", "remove", "barn").wantError(t, exitNotFound, `no member "barn"`)
}

// TestPeerRemoveTellsTheSecretApart is what keeps the new secret from who is removed: together with
// the revocation, the node would tell both to all.
func TestPeerRemoveTellsTheSecretApart(t *testing.T) {
	h := newAttic(t)
	id, _ := h.add("barn", h.admin())
	n := controltest.New()
	n.SetMembers(membersOf(h.member, h.id, h.roster().Members()))
	socket := n.Serve(t)
	r := h.run(socket, "peer", "remove", fmt.Sprintf("%x", id.ID())[:8], "--json")
	if r.code != exitOK || r.errOut != "" || !strings.Contains(r.out, `"schema": "vxmesh.peer_removed/1"`) ||
		!strings.Contains(r.out, `"told": true`) {
		t.Fatalf("%+v", r)
	}
	var kinds []roster.ItemKind
	for _, q := range n.Requests() {
		p := q.(control.Publish)
		if len(p.Items) != 1 {
			t.Fatalf("%d items at once", len(p.Items))
		}
		kinds = append(kinds, roster.ItemKind(p.Items[0].Kind))
	}
	if !slices.Equal(kinds, []roster.ItemKind{roster.ItemRevocation, roster.ItemSecret}) {
		t.Errorf("told %v", kinds)
	}
	if number, _ := h.reread().member.Secret(); number != 2 {
		t.Errorf("secret %d is kept", number)
	}
	// What the node refuses changes nothing here.
	n.Refuse(control.Errorf(control.CodeFailed, "not taken: x"))
	h.run(socket, "peer", "remove", "barn").wantError(t, exitFailed, "not taken")
	if number, _ := h.reread().member.Secret(); number != 2 {
		t.Errorf("secret %d is kept", number)
	}
	// A node of another network gets nothing of ours.
	n.Refuse(nil)
	n.SetMembers(controltest.Members())
	h.run(socket, "peer", "remove", "nas").wantError(t, exitConflict, "not in the network")
	h.run(socket, "peer", "rename", "nas", "x").wantError(t, exitConflict, "not in the network")
}

// TestPeerRemoveAdmin keeps what the admin had signed: the certificates and the removals.
func TestPeerRemoveAdmin(t *testing.T) {
	h := newAttic(t)
	loft, by := h.addAdmin("loft")
	h.add("barn", by)
	shed, _ := h.add("shed", h.admin())
	h.keepItems(by.Remove(shed.ID(), time.Now()).Item())
	h.wantMembers("attic<attic", "barn<loft", "loft<attic")

	key := ok[ed25519.PrivateKey](t)(h.member.NetworkKey())
	if err := h.member.RemoveNetworkKey(); err != nil {
		t.Fatal(err)
	}
	h.run("", "peer", "remove", "loft").wantError(t, exitPermission,
		"takes the network's key", "vxmesh key import")
	h.wantMembers("attic<attic", "barn<loft", "loft<attic")
	h.writeKey(key)

	r := h.run("", "peer", "remove", "loft")
	r.want(t, exitOK, fmt.Sprintf("loft is removed from test-net\n"+
		"certificates that it had issued are issued anew: barn\nit had removed %x, which stays out\n", shed.ID()))
	h = h.reread()
	h.wantMembers("attic<attic", "barn<attic")
	list := h.roster()
	if !list.Revoked(loft.ID()) || !list.Revoked(shed.ID()) {
		t.Errorf("revoked: loft %t, shed %t", list.Revoked(loft.ID()), list.Revoked(shed.ID()))
	}
	barn := list.Named("barn").Certificate
	if barn.Rights.MACs != 7 || time.Since(barn.NotBefore) > time.Minute ||
		barn.NotAfter.Sub(barn.NotBefore) != roster.CertificateLife {
		t.Errorf("barn has %+v", barn)
	}
}

func (h testHome) writeKey(key ed25519.PrivateKey) {
	h.t.Helper()
	text := roster.SignKey(key.Seed()).String() + "\n" // base64
	if err := os.WriteFile(filepath.Join(stateDir(h.cfg), "network.key"), []byte(text), 0o600); err != nil {
		h.t.Fatal(err)
	}
}

// TestPeerRemoveOwnIssuer is an admin whose own certificate goes with that of the other.
func TestPeerRemoveOwnIssuer(t *testing.T) {
	h := newAttic(t)
	_, by := h.addAdmin("loft")
	own := *h.member.Certificate()
	own.NotBefore = own.NotBefore.Add(time.Second)
	cert := ok[*roster.Certificate](t)(by.Certify(own))
	h.keepItems(cert.Item())
	if err := h.member.SetCertificate(cert); err != nil {
		t.Fatal(err)
	}
	h.wantMembers("attic<loft", "loft<attic")
	if r := h.run("", "peer", "remove", "loft"); r.code != exitOK {
		t.Fatalf("%+v", r)
	}
	h = h.reread()
	h.wantMembers("attic<attic")
	if got := h.member.Certificate().Issuer.Node(); got != h.id.ID() {
		t.Errorf("what is kept is issued by %v", got)
	}
}

func TestPeerRemoveRefuses(t *testing.T) {
	h := newAttic(t)
	h.add("barn", h.admin())
	h.run("", "peer", "remove", "attic").wantError(t, exitUsage, "this node itself", "vxmesh leave test-net")
	h.run("", "peer", "remove", "bran").wantError(t, exitNotFound, `did you mean "barn"?`)
	// A node that runs and does not answer would write over the change.
	claimed := ok[*identity.Claimed](t)(identity.Claim(identityPath(h.cfg)))
	h.run("", "peer", "remove", "barn").wantError(t, exitNoNode, "a node uses", "--socket")
	claimed.Release()
	h.wantMembers("attic<attic", "barn<attic")

	plain := joined(t, h, "hut", false)
	plain.run("", "peer", "remove", "attic").wantError(t, exitPermission, "no admin of test-net")
	plain.run("", "peer", "rename", "attic", "x").wantError(t, exitPermission, "no admin of test-net")

	// What is signed while the clock is behind would not take the place of anything.
	h.keepItems(h.admin().Remove(roster.NodeID{1}, time.Now().Add(24*time.Hour)).Item())
	h.run("", "peer", "remove", "barn").wantError(t, exitFailed, "the time of day cannot be right")
	h.run("", "peer", "rename", "barn", "x").wantError(t, exitFailed, "the time of day cannot be right")
	h.wantMembers("attic<attic", "barn<attic")
}

// TestPeerRemoveNamesInvitations that the removed node could come back with.
func TestPeerRemoveNamesInvitations(t *testing.T) {
	h := newAttic(t)
	id, cert := h.add("barn", h.admin())
	o := membership.InviteOptions{Uses: 2, Endpoints: someEndpoints}
	token, inv, err := h.member.Invite(o)
	if err != nil {
		t.Fatal(err)
	}
	redeem := &roster.Redeem{Invitation: token.Invitation(), Sign: signKeyOf(id), Name: "barn"}
	if _, err := h.member.Redeem(time.Now(), redeem, cert.Session, nil); err != nil {
		t.Fatal(err)
	}
	h.run("", "peer", "remove", "barn").want(t, exitOK, "barn is removed from test-net\n"+
		"it knows an invitation that is still good: vxmesh invite revoke "+inv.ID.Short()+"\n")
}

func TestPeerRename(t *testing.T) {
	h := newAttic(t)
	h.add("barn", h.admin())
	h.run("", "peer", "rename", "barn", "attic").wantError(t, exitConflict, "called attic already")
	h.run("", "peer", "rename", "barn", "X").wantError(t, exitUsage, "not a name")
	h.run("", "peer", "rename", "nobody", "x").wantError(t, exitNotFound)
	h.run("", "peer", "rename", "barn", "shed").want(t, exitOK, "barn is called shed from now on\n")
	h.run("", "peer", "rename", "attic", "loft").want(t, exitOK, "attic is called loft from now on\n")
	h = h.reread()
	h.wantMembers("loft<loft", "shed<loft")
	if h.member.Certificate().Name != "loft" {
		t.Errorf("its own is of %s", h.member.Certificate().Name)
	}
}

func TestPickMember(t *testing.T) {
	list := []control.Member{
		{Name: "abcd", ID: "12340000"}, {Name: "nas", ID: "abcd0000"}, {Name: "barn", ID: "abcd1111"},
	}
	for arg, want := range map[string]string{
		"nas": "nas", "abcd": "abcd", "1234": "abcd", "ABCD1": "barn", "123": "", "abc": "", "abcd2": "", "": "",
	} {
		m, err := pickMember(list, arg)
		found := err == nil && m.Name == want
		if want == "" {
			found = control.AsError(err).Code == control.CodeNotFound
		}
		if !found {
			t.Errorf("%q: %v, %v", arg, m, err)
		}
	}
	if _, err := pickMember(list[1:], "abcd"); control.AsError(err).Code != control.CodeUsage {
		t.Errorf("two of one beginning: %v", err)
	}
}

func TestPeerShow(t *testing.T) {
	n := controltest.New()
	socket := n.Serve(t)
	vxmesh(t, "peer", "show", "nas", "--socket", socket).want(t, exitOK, `
name         nas
id           1c0277aa9e3104f8
key          AgAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=
state        direct
path         udp4 192.0.2.20:42420 0.40ms
may          send from one address in a segment; from 4 at most; only in VNI 4242
certificate  by pve1, until 2027-02-20T08:00:00Z
endpoints    192.0.2.20:42420
addresses    10.42.0.12/24 fd42::12/64
`)
	vxmesh(t, "peer", "show", "office", "--socket", socket).want(t, exitOK,
		"name   office\nid     -\nstate  down no_answer\n")
	vxmesh(t, "peer", "show", "ofice", "--socket", socket).wantError(t, exitNotFound)
}

func TestHosts(t *testing.T) {
	n := controltest.New()
	list := controltest.Members()
	list.Members = append(list.Members, control.Member{
		Name: "localhost", Addresses: []string{"10.42.0.9/24", "127.0.0.1/8", "fe80::1/64", "224.0.0.1/4", "x"},
	})
	n.SetMembers(list)
	socket := n.Serve(t)
	vxmesh(t, "hosts", "--socket", socket).want(t, exitOK, `
# vxmesh home begin
10.42.0.12 nas.home nas
fd42::12 nas.home nas
10.42.0.9 localhost.home
# vxmesh home end
`)
	n.SetMembers(control.Members{})
	vxmesh(t, "hosts", "--socket", socket).wantError(t, exitNotFound, "no members")
}
