package control

import (
	"context"
	"errors"
	"net/http"
	"time"
)

// SchemaPing is what [PingReply] says in its schema field.
const SchemaPing = "vxmesh.ping/1"

// The bounds of a [PingRequest].
const (
	MaxPingSize    = 65535 // bytes: no IP packet is longer
	MaxPingTimeout = 10 * time.Second

	defaultPingTimeout = time.Second
)

// PingRequest is the body of POST /v1/ping: one sealed echo to a peer.
type PingRequest struct {
	Peer           string  `json:"peer"`            // its name
	Size           int     `json:"size"`            // bytes of the outer IP packet; 0 = as few as can be
	TimeoutSeconds float64 `json:"timeout_seconds"` // to wait for the answer; 0 = 1 second
}

// PingReply says that a sealed echo came back.
type PingReply struct {
	Schema     string  `json:"schema"`
	Peer       string  `json:"peer"`
	Remote     string  `json:"remote"` // address:port the answer came from
	RTTSeconds float64 `json:"rtt_seconds"`
	MTU        int     `json:"mtu"` // of the path, as in [Path]
}

// Check is as [FDBAdd.Check].
func (r PingRequest) Check() error {
	switch {
	case r.Peer == "":
		return Errorf(CodeUsage, "peer is missing: the name of a peer")
	case r.Size < 0 || r.Size > MaxPingSize:
		return Errorf(CodeUsage, "size is a number from 0 to %d, not %d", MaxPingSize, r.Size)
	case r.TimeoutSeconds < 0 || r.TimeoutSeconds > MaxPingTimeout.Seconds():
		return Errorf(CodeUsage, "timeout_seconds is a number from 0 to %g, not %g",
			MaxPingTimeout.Seconds(), r.TimeoutSeconds)
	}
	return nil
}

func (r PingRequest) timeout() time.Duration {
	if r.TimeoutSeconds == 0 {
		return defaultPingTimeout
	}
	return time.Duration(r.TimeoutSeconds * float64(time.Second))
}

// ping keeps the time itself, so that the engine only waits for the answer or the end of the
// context.
func (s *server) ping(w http.ResponseWriter, r *http.Request) {
	req, err := requestOf[PingRequest](s, w, r)
	if err != nil {
		writeError(w, err)
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), req.timeout())
	defer cancel()
	reply, err := s.b.Ping(ctx, req)
	if errors.Is(err, context.DeadlineExceeded) {
		err = Errorf(CodeTimeout, "no answer from %s within %v", req.Peer, req.timeout())
	}
	if err != nil {
		writeError(w, err)
		return
	}
	reply.Schema = SchemaPing
	writeJSON(w, reply)
}
