package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/vxmesh/vxmesh/identity"
	"github.com/vxmesh/vxmesh/tunnel/control"
)

// newRelay makes a network whose node needs no rights, keeps to this machine and runs with this socket.
func newRelay(t *testing.T) testHome {
	t.Helper()
	dir := t.TempDir()
	file := filepath.Join(dir, "test.toml")
	r := vxmesh(t, "init", "test-net", "--name", "attic", "--relay-only", "--config", file,
		"--state", filepath.Join(dir, "state"))
	if r.code != exitOK {
		t.Fatalf("init: %+v", r)
	}
	free := ok[net.PacketConn](t)(net.ListenPacket("udp4", "127.0.0.1:0"))
	defer func() { _ = free.Close() }()
	text := string(ok[[]byte](t)(os.ReadFile(file))) + fmt.Sprintf("\n[listen]\nmesh = [%q]\n"+
		"[discovery]\nstun = []\nlan = false\nportmap = false\n[log]\nlevel = \"error\"\n", free.LocalAddr())
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return testHome{ok[*home](t)(openHomeAt(file)), t}
}

// runDaemon runs the network's node until the test ends.
func (h testHome) runDaemon() control.Client {
	h.t.Helper()
	socket := filepath.Join(h.t.TempDir(), "s")
	d := ok[*daemon](h.t)(newDaemon(h.path, socket, h.cfg))
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- d.run(ctx) }()
	h.t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			h.t.Error(err)
		}
	})
	return control.Client{Socket: socket}
}

// TestAdminThroughTheNode invites, renames and removes as a client that can read no file.
func TestAdminThroughTheNode(t *testing.T) {
	h := newRelay(t)
	h.add("barn", h.admin())
	h.add("shed", h.admin())
	c, ctx := h.runDaemon(), t.Context()
	news := make(chan string, 10)
	ready := make(chan struct{})
	go func() {
		for e := range c.EventsOf(ctx, control.EventOptions{Topics: []control.Topic{control.TopicState}}) {
			if e.Type == control.EventSnapshot {
				close(ready)
			} else if e.Type == control.EventMember {
				news <- e.Name + " " + e.Reason
			}
		}
	}()
	<-ready

	made := ok[control.InviteResult](t)(c.Invite(ctx, control.InviteRequest{Name: "nas", TTLSeconds: 90}))
	if !strings.HasPrefix(made.Token, "vxm1") || made.Network != "test-net" || made.Uses != 1 ||
		made.Schema != control.SchemaInvite {
		t.Errorf("%+v", made)
	}
	list := ok[control.Invitations](t)(c.Invitations(ctx))
	if n := len(list.Invitations); n != 2 || list.Invitations[n-1].Node != "nas" || // init makes one
		list.Invitations[n-1].State != "open" {
		t.Errorf("%+v", list)
	}
	list = ok[control.Invitations](t)(c.RevokeInvitation(ctx, made.ID))
	if len(list.Invitations) != 1 || list.Invitations[0].State != "revoked" {
		t.Errorf("%+v", list)
	}
	renamed := ok[control.Renamed](t)(c.RenameMember(ctx, "barn", "loft"))
	if !renamed.Told || renamed.Old != "barn" || renamed.Name != "loft" || <-news != "loft renamed" {
		t.Errorf("%+v", renamed)
	}
	for _, name := range []string{"loft", "shed"} { // the second gets a newer secret
		removed := ok[control.Removed](t)(c.RemoveMember(ctx, name))
		if !removed.Told || removed.Name != name || <-news != name+" removed" {
			t.Errorf("%+v", removed)
		}
	}
	if number, _ := h.reread().member.Secret(); number != 3 {
		t.Errorf("secret %d is kept", number)
	}
	members := ok[control.Members](t)(c.Members(ctx))
	if len(members.Members) != 1 || members.Members[0].Name != "attic" {
		t.Errorf("%+v", members)
	}
	st := ok[control.Stats](t)(c.Stats(ctx))
	if st.Node.CPUSeconds <= 0 || st.Node.MemoryBytes < 1<<20 || st.Node.Goroutines < 5 {
		t.Errorf("%+v", st.Node)
	}
}

// TestAdminRefused says what the commands say.
func TestAdminRefused(t *testing.T) {
	h := newRelay(t)
	h.add("barn", h.admin())
	_, loftBy := h.addAdmin("loft")
	h.add("den", loftBy)
	if err := h.member.RemoveNetworkKey(); err != nil {
		t.Fatal(err)
	}
	c, ctx := h.runDaemon(), t.Context()
	remove := func(name string) error {
		_, err := c.RemoveMember(ctx, name)
		return err
	}
	rename := func(name, next string) error {
		_, err := c.RenameMember(ctx, name, next)
		return err
	}
	invite := func(r control.InviteRequest) error {
		_, err := c.Invite(ctx, r)
		return err
	}
	_, revoke := c.RevokeInvitation(ctx, "77777777")
	for _, tt := range []struct {
		err     error
		command []string
		code    control.Code
	}{
		{remove("attic"), []string{"peer", "remove", "attic"}, ""},
		{remove("bran"), []string{"peer", "remove", "bran"}, control.CodeNotFound},
		{remove("loft"), []string{"peer", "remove", "loft"}, control.CodePermission},
		{rename("bran", "x"), []string{"peer", "rename", "bran", "x"}, control.CodeNotFound},
		{rename("barn", "loft"), []string{"peer", "rename", "barn", "loft"}, control.CodeConflict},
		{rename("barn", "-"), nil, control.CodeUsage},
		{invite(control.InviteRequest{Admin: true}), []string{"invite", "--admin"}, control.CodePermission},
		{invite(control.InviteRequest{Name: "no name"}), nil, control.CodeUsage},
		{revoke, []string{"invite", "revoke", "77777777"}, control.CodeNotFound},
	} {
		wantSame(t, tt.err, tt.code, h.path, c.Socket, tt.command)
	}

	// A node that is no admin.
	barn := joined(t, h, "garage", false)
	id := &nodeIdentity{member: barn.member, Claimed: &identity.Claimed{Identity: barn.id}}
	d := &daemon{cfg: barn.cfg, id: id}
	_, err := d.invite(ctx, control.InviteRequest{})
	wantSame(t, err, control.CodePermission, barn.path, "none.sock", []string{"invite"})
	_, err = d.removeMember(ctx, control.RemoveRequest{Name: "attic"})
	wantSame(t, err, control.CodePermission, barn.path, "none.sock", []string{"peer", "remove", "attic"})
	// And one of no such network.
	d.id.member = nil
	if _, err = d.invitations(); control.AsError(err).Code != control.CodeNotFound {
		t.Errorf("got %v", err)
	}
}

// wantSame holds that a request was refused with what a command says, if there is one.
func wantSame(t *testing.T, err error, code control.Code, file, socket string, command []string) {
	t.Helper()
	e := control.AsError(err)
	if e == nil || code != "" && e.Code != code {
		t.Errorf("%v: got %+v, want %s", command, e, code)
		return
	}
	if command == nil {
		return
	}
	r := vxmesh(t, append(slices.Clone(command), "-n", file, "--socket", socket, "--json")...)
	want := errorOf(t, r)
	if want.Message != e.Message || want.Code != e.Code || !cmp.Equal(want.Fix, e.Fix) {
		t.Errorf("%v: the node says %+v, the command %+v", command, e, want)
	}
}
