package topology

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"slices"
	"syscall"

	"github.com/vxmesh/vxmesh/proxy"
	"github.com/vxmesh/vxmesh/tunnel/control"
)

// pingOverlay is what [control.Backend] wants.
func (h *Host) pingOverlay(ctx context.Context, r control.OverlayPing) (control.OverlayReply, error) {
	to, err := h.inSegment(r.To)
	if err != nil {
		return control.OverlayReply{}, err
	}
	rtt, err := h.Ping(ctx, to, r.Size)
	if err != nil {
		return control.OverlayReply{}, overlayError(err, r.To)
	}
	return control.OverlayReply{VNI: r.VNI, To: r.To, Address: to.String(), RTTSeconds: rtt.Seconds()}, nil
}

// dialOverlay is what [control.Backend] wants.
func (h *Host) dialOverlay(ctx context.Context, r control.DialRequest, accept func() (net.Conn, error)) error {
	there, err := h.reach(ctx, r)
	if err != nil {
		return overlayError(err, r.Address)
	}
	here, err := accept()
	if err != nil {
		_ = there.Close()
		return err
	}
	proxy.Join(ctx, here, there)
	return nil
}

// reach connects to the place, or waits there for one who connects, as long as the client wants.
func (h *Host) reach(ctx context.Context, r control.DialRequest) (net.Conn, error) {
	if timeout := r.Timeout(); timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, timeout)
		defer cancel()
	}
	host, port, err := net.SplitHostPort(r.Address)
	if err != nil {
		return nil, err
	}
	if r.Listen {
		return h.accept(ctx, r.Protocol, r.Address)
	}
	to, err := h.inSegment(host)
	if err != nil {
		return nil, err
	}
	d, err := h.deviceFor(to)
	if err != nil {
		return nil, err
	}
	return d.DialContext(ctx, r.Protocol, net.JoinHostPort(to.String(), port))
}

// accept waits for one who connects to the host's only device.
func (h *Host) accept(ctx context.Context, protocol, address string) (net.Conn, error) {
	if protocol != "tcp" || len(h.devices) != 1 {
		return nil, control.Errorf(control.CodeUsage, "a simulated node listens for TCP, in its one segment")
	}
	l, err := h.devices[0].Listen(protocol, address)
	if err != nil {
		return nil, err
	}
	defer func() { _ = l.Close() }()
	defer context.AfterFunc(ctx, func() { _ = l.Close() })()
	c, err := l.Accept()
	if err != nil && ctx.Err() != nil {
		err = ctx.Err()
	}
	return c, err
}

// inSegment gives the address that is meant: written, or that of a node.
func (h *Host) inSegment(to string) (netip.Addr, error) {
	if a, err := netip.ParseAddr(to); err == nil {
		return a, nil
	}
	other, err := h.w.NeedHost(to)
	if err != nil {
		return netip.Addr{}, err
	}
	return h.AddressOf(other)
}

// deviceFor is the one in whose network an address is.
func (h *Host) deviceFor(to netip.Addr) (*device, error) {
	for i, d := range h.plan.Devices {
		if slices.ContainsFunc(d.Addresses, func(p netip.Prefix) bool { return p.Masked().Contains(to) }) {
			return h.devices[i], nil
		}
	}
	return nil, control.Errorf(control.CodeNotFound, "%s has no device in a network with %s", h.Name, to)
}

// overlayError says in the API's words why somebody was not reached.
func overlayError(err error, to string) error {
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return control.Errorf(control.CodeFailed, "%s is there and refuses the connection", to)
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ETIMEDOUT):
		return control.Errorf(control.CodeTimeout, "no answer from %s", to)
	}
	return err // the server has words for the rest
}
