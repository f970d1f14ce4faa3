package control

import (
	"context"
	"errors"
	"net/http"
)

// SchemaPingOverlay is what [OverlayReply] says in its schema field.
const SchemaPingOverlay = "vxmesh.ping_overlay/1"

// OverlayPing is the body of POST /v1/ping/overlay: one ICMP echo from a segment's device, which has to
// be in userspace, to a host in the segment.
type OverlayPing struct {
	VNI            uint32  `json:"vni"`             // 0 = the segment that the address is in
	To             string  `json:"to"`              // an address, or a member's name
	Size           int     `json:"size"`            // bytes behind the ICMP header
	TimeoutSeconds float64 `json:"timeout_seconds"` // to wait for the answer; 0 = 1 second
}

// OverlayReply says that an ICMP echo came back.
type OverlayReply struct {
	Schema     string  `json:"schema"`
	VNI        uint32  `json:"vni"`
	To         string  `json:"to"`
	Address    string  `json:"address"`
	RTTSeconds float64 `json:"rtt_seconds"`
}

// Check is as [FDBAdd.Check].
func (r OverlayPing) Check() error {
	if r.To == "" {
		return Errorf(CodeUsage, "to is missing: an address, or the name of a member")
	}
	if err := checkTags(r.VNI, 0); err != nil {
		return err
	}
	return PingRequest{Peer: r.To, Size: r.Size, TimeoutSeconds: r.TimeoutSeconds}.Check()
}

// PingOverlay sends one ICMP echo into a segment; one that does not come back is [CodeTimeout].
func (c Client) PingOverlay(ctx context.Context, r OverlayPing) (OverlayReply, error) {
	return call[OverlayReply](ctx, c, http.MethodPost, "/v1/ping/overlay", r)
}

// pingOverlay keeps the time as [server.ping] does.
func (s *server) pingOverlay(w http.ResponseWriter, r *http.Request) {
	req, err := requestOf[OverlayPing](s, w, r)
	if err != nil {
		writeError(w, err)
		return
	}
	timeout := PingRequest{TimeoutSeconds: req.TimeoutSeconds}.timeout()
	ctx, cancel := context.WithTimeout(r.Context(), timeout)
	defer cancel()
	reply, err := s.b.PingOverlay(ctx, req)
	if errors.Is(err, context.DeadlineExceeded) {
		err = Errorf(CodeTimeout, "no answer from %s within %v", req.To, timeout)
	}
	if err != nil {
		writeError(w, err)
		return
	}
	reply.Schema = SchemaPingOverlay
	writeJSON(w, reply)
}
