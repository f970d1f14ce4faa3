package membership

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vxmesh/vxmesh/tunnel/roster"
)

func TestInvite(t *testing.T) {
	m := newNetwork(t)
	rights := roster.Rights{Segments: []uint32{5, 7}, Bridge: true, MACs: 9}
	o := InviteOptions{
		Node: "barn", TTL: time.Hour, Rights: rights, Endpoints: endpoints, Now: at,
	}
	token, i, err := m.Invite(o)
	if err != nil {
		t.Fatal(err)
	}
	line := must[string](t)(token.Encode())
	read := must[*roster.Token](t)(roster.ParseToken(line))
	if read.Network != m.Anchor().ID() || read.Inviter != m.id.PublicKey() || read.NetworkName != "home" ||
		read.NodeName != "barn" || !read.Expires.Equal(at.Add(time.Hour)) ||
		!read.Rights.Allows(7) || read.Rights.Allows(8) {
		t.Errorf("token %+v", *read)
	}
	if i.Uses != 1 || !i.Created.Equal(at) || i.Expires != token.Expires {
		t.Errorf("invitation %+v", i)
	}
	kept := must[[]Invitation](t)(m.Invitations())
	if len(kept) != 1 || fmt.Sprint(kept[0]) != fmt.Sprint(i) || kept[0].ID != read.Invitation() {
		t.Errorf("kept %+v, want %+v", kept, i)
	}
	// What is kept is not enough to join.
	text := string(must[[]byte](t)(os.ReadFile(m.path(fileInvitations))))
	if seed := fmt.Sprintf("%x", token.Seed); strings.Contains(text, seed) ||
		strings.Contains(text, roster.SignKey(token.Seed).String()) {
		t.Error("the seed is on the disk")
	}
	if day := invite(t, m, InviteOptions{}); !day.Expires.Equal(at.Add(24 * time.Hour)) {
		t.Errorf("expires %v", day.Expires)
	}
}

func TestInviteRefuses(t *testing.T) {
	m := newNetwork(t)
	plain := enrolled(t, m, roster.Rights{})
	admin := enrolled(t, m, roster.Rights{Admin: true})
	for name, tt := range map[string]struct {
		m      *Member
		change func(*InviteOptions)
		want   error
	}{
		"no admin":       {plain, func(*InviteOptions) {}, ErrNoAdmin},
		"no network key": {admin, func(o *InviteOptions) { o.Rights.Admin = true }, ErrNoNetworkKey},
		"no endpoint":    {m, func(o *InviteOptions) { o.Endpoints = nil }, nil},
		"name":           {m, func(o *InviteOptions) { o.Node = "-" }, roster.ErrName},
		"name for two":   {m, func(o *InviteOptions) { o.Node, o.Uses = "a", 2 }, nil},
		"past":           {m, func(o *InviteOptions) { o.TTL = -time.Hour }, nil},
		"for ever":       {m, func(o *InviteOptions) { o.Now = at.AddDate(100, 0, 0) }, nil},
		"no use":         {m, func(o *InviteOptions) { o.Uses = -1 }, nil},
		"uses":           {m, func(o *InviteOptions) { o.Uses = maxUses + 1 }, nil},
		"MACs":           {m, func(o *InviteOptions) { o.Rights.MACs = 1 << 16 }, nil},
		"segments":       {m, func(o *InviteOptions) { o.Rights.Segments = make([]uint32, 9) }, nil},
	} {
		o := InviteOptions{Endpoints: endpoints, Now: at}
		tt.change(&o)
		token, _, err := tt.m.Invite(o)
		wantError(t, name, err, tt.want)
		if token != nil {
			t.Errorf("%s: there is a token", name)
		}
	}
	invite(t, admin, InviteOptions{})
	edit(t, admin.path(fileInvitations), `"uses": 1`, `"uses": 0`)
	_, _, err := admin.Invite(InviteOptions{Endpoints: endpoints, Now: at})
	wantError(t, "broken", err, nil, admin.path(fileInvitations), "remove it")
}

func TestRevokeInvitation(t *testing.T) {
	m := newNetwork(t)
	var ids []string
	for range 17 { // two of them begin with the same digit
		ids = append(ids, invite(t, m, InviteOptions{TTL: 10000 * time.Hour}).Invitation().String())
	}
	slices.Sort(ids)
	k := slices.IndexFunc(ids[1:], func(id string) bool { return id[0] == ids[0][0] })
	for k < 0 || ids[k][0] != ids[k+1][0] {
		k++
	}
	_, err := m.RevokeInvitation(ids[k][:1])
	wantError(t, "two", err, ErrAmbiguous, ids[k][:1])
	for _, prefix := range []string{"", "x", ids[0] + "0"} {
		_, err = m.RevokeInvitation(prefix)
		wantError(t, prefix, err, ErrNoInvitation)
	}
	i, err := m.RevokeInvitation(" " + strings.ToUpper(ids[3][:20]))
	if err != nil || i.ID.String() != ids[3] || i.State(at) != StateRevoked {
		t.Errorf("%+v, %v", i, err)
	}
	again, err := m.RevokeInvitation(ids[3])
	if err != nil || !again.RevokedAt.Equal(i.RevokedAt) {
		t.Errorf("again: %+v, %v", again, err)
	}
	for _, i := range must[[]Invitation](t)(m.Invitations()) {
		if got := i.State(at) == StateRevoked; got != (i.ID.String() == ids[3]) {
			t.Errorf("%s: %s", i.ID, i.State(at))
		}
	}
}

func TestInvitationsAreForgotten(t *testing.T) {
	m := newNetwork(t)
	id := newIdentity(t)
	spent := invite(t, m, InviteOptions{TTL: 1000 * time.Hour})
	must[*roster.Certificate](t)(m.Redeem(at, redeemer(id, spent, "barn"), id.PublicKey(), nil))
	invite(t, m, InviteOptions{TTL: 24 * time.Hour})
	invite(t, m, InviteOptions{TTL: 10000 * time.Hour})
	for _, tt := range []struct {
		days, want int
		issued     bool
	}{{1, 4, true}, {2, 5, false}, {29, 6, false}, {30, 6, false}, {31, 6, false}} {
		invite(t, m, InviteOptions{TTL: 10000 * time.Hour, Now: at.AddDate(0, 0, tt.days)})
		all := must[[]Invitation](t)(m.Invitations())
		if len(all) != tt.want {
			t.Errorf("%d after %d days, want %d", len(all), tt.days, tt.want)
		}
		if tt.days < 30 && (all[0].Spent[0].Certificate != nil) != tt.issued {
			t.Errorf("after %d days: %+v", tt.days, all[0])
		}
	}
}

func TestInvitationsAreBounded(t *testing.T) {
	m := newNetwork(t)
	open := Invitation{Uses: 1, Created: at, Expires: at.Add(time.Hour)}
	all := slices.Repeat([]Invitation{open}, maxInvitations)
	for k := range all {
		all[k].ID[0], all[k].ID[1] = byte(k), 1
	}
	if err := m.saveInvitations(all); err != nil {
		t.Fatal(err)
	}
	_, _, err := m.Invite(InviteOptions{Endpoints: endpoints, Now: at})
	wantError(t, "full", err, ErrFull)
	all[7].Revoked, all[7].RevokedAt = true, at.Add(-time.Minute)
	all[9].Expires = at.Add(-time.Hour) // dead the longest
	if err := m.saveInvitations(all); err != nil {
		t.Fatal(err)
	}
	invite(t, m, InviteOptions{})
	kept := must[[]Invitation](t)(m.Invitations())
	if len(kept) != maxInvitations || kept[7].ID != all[7].ID || kept[9].ID != all[10].ID {
		t.Errorf("%d are kept", len(kept))
	}
}
