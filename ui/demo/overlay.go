package demo

import (
	"context"
	"net"

	"github.com/vxmesh/vxmesh/tunnel/control"
)

// pingOverlay is what [control.Backend] wants. The node has a device of the system.
func (n *Network) pingOverlay(_ context.Context, r control.OverlayPing) (control.OverlayReply, error) {
	return control.OverlayReply{}, control.NoOverlay(n.status().Segments[0], r.To)
}

// dialOverlay is what [control.Backend] wants.
func (n *Network) dialOverlay(
	_ context.Context, r control.DialRequest, _ func() (net.Conn, error),
) error {
	host, _, err := net.SplitHostPort(r.Address)
	if err != nil {
		return err
	}
	return control.NoOverlay(n.status().Segments[0], host)
}
