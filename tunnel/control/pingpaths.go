package control

import (
	"context"
	"net/http"
)

// SchemaPingPaths is what [PingPaths] says in its schema field.
const SchemaPingPaths = "vxmesh.ping_paths/1"

// PingPaths is the answer to POST /v1/ping/paths, whose body is a [PingRequest]: which of the ways to a
// peer answer now.
type PingPaths struct {
	Schema string         `json:"schema"`
	Peer   string         `json:"peer"`
	Paths  List[PingPath] `json:"paths"` // the one in use first, then the best
}

// A PingPath is one way to a peer.
type PingPath struct {
	Address    string        `json:"address"` // address:port, or "via NAME"
	Kind       CandidateKind `json:"kind"`
	InUse      bool          `json:"in_use"`
	Answered   bool          `json:"answered"`
	RTTSeconds float64       `json:"rtt_seconds"` // the shortest of its echoes; 0 without an answer
	Reason     string        `json:"reason"`      // why nothing could be sent, else ""
}

// PingPaths sends sealed echoes by every way to a peer.
func (c Client) PingPaths(ctx context.Context, r PingRequest) (PingPaths, error) {
	return call[PingPaths](ctx, c, http.MethodPost, "/v1/ping/paths", r)
}

// pingPaths ends when all have answered, or in time with what has come back so far.
func (s *server) pingPaths(w http.ResponseWriter, r *http.Request) {
	req, err := requestOf[PingRequest](s, w, r)
	if err != nil {
		writeError(w, err)
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), req.timeout())
	defer cancel()
	reply, err := s.b.PingPaths(ctx, req)
	if err != nil {
		writeError(w, err)
		return
	}
	reply.Schema = SchemaPingPaths
	writeJSON(w, reply)
}
