package control

import (
	"context"
	"net/http"
	"time"
)

// The schemas of what this file defines.
const (
	SchemaInvitations = "vxmesh.invitations/1"
	SchemaInvite      = "vxmesh.invite/1"
	SchemaRemoved     = "vxmesh.peer_removed/1"
	SchemaRenamed     = "vxmesh.peer_renamed/1"
)

// The bounds of an [InviteRequest].
const (
	MaxInvitationTTL  = 366 * 24 * time.Hour
	MaxInvitationUses = 1000
)

// Invitations is the answer to GET /v1/invitations: those made on this node, the oldest first.
type Invitations struct {
	Schema      string           `json:"schema"`
	Network     string           `json:"network"`
	Invitations List[Invitation] `json:"invitations"`
}

// An Invitation is one of them, without what lets somebody in.
type Invitation struct {
	ID      string       `json:"id"`
	State   string       `json:"state"` // "open", "spent", "expired" or "revoked"
	Node    string       `json:"node"`  // what the machine will be called; "" when it may choose
	Created time.Time    `json:"created"`
	Expires time.Time    `json:"expires"`
	Uses    int          `json:"uses"`
	Spent   List[string] `json:"spent"` // the names of those it let in
}

// InviteRequest is the body of POST /v1/invitations. The zero value is an invitation for one machine and
// a day.
type InviteRequest struct {
	Name       string  `json:"name"`        // what the machine will be called; "": as it likes
	TTLSeconds float64 `json:"ttl_seconds"` // how long it is good for; 0 is a day
	Uses       int     `json:"uses"`        // by how many machines; 0 is 1
	Admin      bool    `json:"admin"`       // who joins becomes an admin
}

// Check is as [FDBAdd.Check].
func (r InviteRequest) Check() error {
	if r.TTLSeconds != 0 && !(r.TTLSeconds >= 1 && r.TTLSeconds <= MaxInvitationTTL.Seconds()) {
		return Errorf(CodeUsage, "ttl_seconds is a number from 1 to %.0f", MaxInvitationTTL.Seconds())
	}
	switch {
	case r.Uses < 0 || r.Uses > MaxInvitationUses:
		return Errorf(CodeUsage, "uses is a number from 1 to %d, not %d", MaxInvitationUses, r.Uses)
	case r.Uses > 1 && r.Name != "":
		return Errorf(CodeUsage, "a name is for one machine, and uses is %d", r.Uses)
	}
	return nil
}

// An InviteResult is the answer: the line that lets a machine in. Who has it can join.
type InviteResult struct {
	Schema  string    `json:"schema"`
	Network string    `json:"network"`
	ID      string    `json:"id"`
	Token   string    `json:"invitation"` // "" when it is in File
	File    string    `json:"file"`       // that a command wrote; "" in an answer of the node
	Expires time.Time `json:"expires"`
	Uses    int       `json:"uses"`
}

// RevokeRequest is the body of POST /v1/invitations/revoke.
type RevokeRequest struct {
	ID string `json:"id"` // or the beginning of one
}

// Check is as [FDBAdd.Check].
func (r RevokeRequest) Check() error {
	if r.ID == "" {
		return Errorf(CodeUsage, "id is missing: that of an invitation")
	}
	return nil
}

// RemoveRequest is the body of POST /v1/members/remove.
type RemoveRequest struct {
	Name string `json:"name"` // or the beginning of the id
}

// Check is as [FDBAdd.Check].
func (r RemoveRequest) Check() error {
	if r.Name == "" {
		return Errorf(CodeUsage, "name is missing: that of a member")
	}
	return nil
}

// A Removed is the answer: what went with removing a member.
type Removed struct {
	Schema      string       `json:"schema"`
	Network     string       `json:"network"`
	ID          string       `json:"id"`
	Name        string       `json:"name"`
	Admin       bool         `json:"admin"`       // it was one, so the network's key signed
	Secret      uint64       `json:"secret"`      // the number of the network's new secret
	Reissued    List[string] `json:"reissued"`    // members whose certificates it had issued
	Out         List[string] `json:"out"`         // ids of nodes that it had removed: they stay so
	Invitations List[string] `json:"invitations"` // that it came with, and that still let nodes in
	Told        bool         `json:"told"`        // a node ran, and has told the others
}

// RenameRequest is the body of POST /v1/members/rename.
type RenameRequest struct {
	Name string `json:"name"` // or the beginning of the id
	New  string `json:"new"`
}

// Check is as [FDBAdd.Check].
func (r RenameRequest) Check() error {
	if r.Name == "" || r.New == "" {
		return Errorf(CodeUsage, "name and new are the names that a member has and will have")
	}
	return nil
}

// A Renamed is the answer.
type Renamed struct {
	Schema  string `json:"schema"`
	Network string `json:"network"`
	ID      string `json:"id"`
	Old     string `json:"old"`
	Name    string `json:"name"`
	Told    bool   `json:"told"` // a node ran, and has told the others
}

// Invitations asks for the invitations made on the node.
func (c Client) Invitations(ctx context.Context) (Invitations, error) {
	return call[Invitations](ctx, c, http.MethodGet, "/v1/invitations", nil)
}

// Invite has the node make an invitation. One that may not is [CodePermission], here and in the
// methods below.
func (c Client) Invite(ctx context.Context, r InviteRequest) (InviteResult, error) {
	return call[InviteResult](ctx, c, http.MethodPost, "/v1/invitations", r)
}

// RevokeInvitation makes an invitation worthless, and gives it as it is then.
func (c Client) RevokeInvitation(ctx context.Context, id string) (Invitations, error) {
	return call[Invitations](ctx, c, http.MethodPost, "/v1/invitations/revoke", RevokeRequest{id})
}

// RemoveMember puts a member out of the network, for good.
func (c Client) RemoveMember(ctx context.Context, name string) (Removed, error) {
	return call[Removed](ctx, c, http.MethodPost, "/v1/members/remove", RemoveRequest{name})
}

// RenameMember gives a member another name.
func (c Client) RenameMember(ctx context.Context, name, next string) (Renamed, error) {
	return call[Renamed](ctx, c, http.MethodPost, "/v1/members/rename", RenameRequest{name, next})
}

func (s *server) invitations(w http.ResponseWriter, _ *http.Request) {
	list, err := s.b.Invitations()
	if err != nil {
		writeError(w, err)
		return
	}
	writeJSON(w, list)
}

func (s *server) revoke(_ context.Context, r RevokeRequest) (Invitations, error) {
	return s.b.RevokeInvitation(r.ID)
}
