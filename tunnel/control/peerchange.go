package control

import (
	"context"
	"net/http"
)

// SchemaPeerResult is what [PeerResult] says in its schema field.
const SchemaPeerResult = "vxmesh.peer_changed/1"

// PeerRequest is the body of POST /v1/peers/pause, /v1/peers/resume and /v1/peers/reconnect.
type PeerRequest struct {
	Peer string `json:"peer"` // its name
}

// PeerResult is the answer: the peer as it is now.
type PeerResult struct {
	Schema string `json:"schema"`
	Peer   Peer   `json:"peer"`
}

// Check is as [FDBAdd.Check].
func (r PeerRequest) Check() error {
	if r.Peer == "" {
		return Errorf(CodeUsage, "peer is missing: the name of a peer")
	}
	return nil
}

// PausePeer ends the session with a peer. Nothing is sent to it nor taken from it until
// [Client.ResumePeer], or until the node starts anew.
func (c Client) PausePeer(ctx context.Context, peer string) (PeerResult, error) {
	return call[PeerResult](ctx, c, http.MethodPost, "/v1/peers/pause", PeerRequest{peer})
}

// ResumePeer takes a pause back. On a peer that is not paused it does nothing.
func (c Client) ResumePeer(ctx context.Context, peer string) (PeerResult, error) {
	return call[PeerResult](ctx, c, http.MethodPost, "/v1/peers/resume", PeerRequest{peer})
}

// ReconnectPeer has the ways to a peer looked for from the beginning, and makes a new session with it.
func (c Client) ReconnectPeer(ctx context.Context, peer string) (PeerResult, error) {
	return call[PeerResult](ctx, c, http.MethodPost, "/v1/peers/reconnect", PeerRequest{peer})
}

// changePeer makes the handler of one kind of change of a peer.
func (s *server) changePeer(do func(string) (Peer, error)) http.HandlerFunc {
	return asked(s, func(_ context.Context, r PeerRequest) (PeerResult, error) {
		p, err := do(r.Peer)
		return PeerResult{SchemaPeerResult, p}, err
	})
}
