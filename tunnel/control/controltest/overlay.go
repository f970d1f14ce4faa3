package controltest

import (
	"context"
	"io"
	"net"

	"github.com/vxmesh/vxmesh/tunnel/control"
)

// OverlayHost is the only host that there is in the segment, the member nas. It answers echoes, and sends
// back what it is sent: each datagram of UDP, and of TCP all when its end has come.
const OverlayHost = "10.42.0.5"

// overlayHost finds the host of the segment.
func (n *Node) overlayHost(name string) error {
	var err error
	n.locked(func() { err = n.refusal })
	if err == nil && name != OverlayHost && name != "nas" {
		err = control.Errorf(control.CodeNotFound, "there is no host %s", name)
	}
	return err
}

func (n *Node) pingOverlay(ctx context.Context, r control.OverlayPing) (control.OverlayReply, error) {
	if r.To == "10.42.0.9" { // whose answers are lost
		<-ctx.Done()
		return control.OverlayReply{}, ctx.Err()
	}
	if err := n.overlayHost(r.To); err != nil {
		return control.OverlayReply{}, err
	}
	return control.OverlayReply{VNI: 4242, To: r.To, Address: OverlayHost, RTTSeconds: 0.0025}, nil
}

func (n *Node) dialOverlay(
	ctx context.Context, r control.DialRequest, accept func() (net.Conn, error),
) error {
	host, _, err := net.SplitHostPort(r.Address)
	if err == nil && !r.Listen {
		err = n.overlayHost(host)
	}
	if err != nil {
		return err
	}
	c, err := accept()
	if err != nil {
		return err
	}
	defer func() { _ = c.Close() }()
	defer context.AfterFunc(ctx, func() { _ = c.Close() })()
	if r.Protocol == "udp" {
		echo(c)
		return nil
	}
	sent, err := io.ReadAll(c)
	if err == nil && ctx.Err() == nil { // the end of what a client sends is not its own
		_, _ = c.Write(sent)
	}
	return nil
}

// echo sends back each datagram.
func echo(c net.Conn) {
	buf := make([]byte, 1<<16)
	for {
		n, err := c.Read(buf)
		if err == nil {
			_, err = c.Write(buf[:n])
		}
		if err != nil {
			return
		}
	}
}
