package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"syscall"
	"time"

	"github.com/vxmesh/vxmesh/config"
	"github.com/vxmesh/vxmesh/internal/suggest"
	"github.com/vxmesh/vxmesh/proxy"
	"github.com/vxmesh/vxmesh/tunnel/control"
)

// An overlayStack is a device in userspace, as a host of its segment that this program speaks for.
type overlayStack interface {
	proxy.Stack
	Ping(ctx context.Context, to netip.Addr, size int) (rtt time.Duration, err error)
}

// stackOf gives the stack of a segment, or nil when its device is of the system.
func (d *daemon) stackOf(vni uint32) proxy.Stack {
	if s, ok := d.node.Device(vni).(overlayStack); ok {
		return s
	}
	return nil
}

// pingOverlay sends one ICMP echo.
func (d *daemon) pingOverlay(ctx context.Context, r control.OverlayPing) (control.OverlayReply, error) {
	seg, err := d.overlaySegment(r.VNI, r.To)
	if err != nil {
		return control.OverlayReply{}, err
	}
	addrs, err := d.proxies.Resolve(seg, r.To)
	if err != nil {
		return control.OverlayReply{}, d.overlayError(err, r.To)
	}
	stack, ok := d.node.Device(seg).(overlayStack)
	if !ok { // a reload was faster
		return control.OverlayReply{}, d.overlayError(proxy.ErrNoStack, r.To)
	}
	rtt, err := stack.Ping(ctx, addrs[0], r.Size)
	if err != nil {
		return control.OverlayReply{}, d.overlayError(err, r.To)
	}
	return control.OverlayReply{
		VNI: seg, To: r.To, Address: addrs[0].String(), RTTSeconds: rtt.Seconds(),
	}, nil
}

// dialOverlay joins a client with a place in a segment.
func (d *daemon) dialOverlay(
	ctx context.Context, r control.DialRequest, accept func() (net.Conn, error),
) error {
	host, _, err := net.SplitHostPort(r.Address)
	if err != nil {
		return err
	}
	seg, err := d.overlaySegment(r.VNI, host)
	if err != nil {
		return err
	}
	other, err := d.reach(ctx, seg, r)
	if err != nil {
		return d.overlayError(err, r.Address)
	}
	c, err := accept()
	if err != nil {
		_ = other.Close()
		return err
	}
	proxy.Join(ctx, c, other)
	return nil
}

// reach connects to the place, or waits there for one who connects, as long as the client wants.
func (d *daemon) reach(ctx context.Context, vni uint32, r control.DialRequest) (net.Conn, error) {
	if timeout := r.Timeout(); timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, timeout)
		defer cancel()
	}
	if r.Listen {
		return d.proxies.Accept(ctx, vni, r.Protocol, r.Address)
	}
	return d.proxies.Dial(ctx, vni, r.Protocol, r.Address)
}

// overlaySegment finds the segment that a client means, whose device has to be in userspace.
func (d *daemon) overlaySegment(vni uint32, host string) (uint32, error) {
	return pickOverlay(d.node.Status().Segments, vni, host, func(vni uint32) bool {
		return len(d.memberAddrs(vni, host)) > 0
	})
}

// pickOverlay picks the segment of a VNI, or for 0 the one that a host is in, as its addresses or
// hasMember say.
func pickOverlay(
	segments []control.SegmentStatus, vni uint32, host string, hasMember func(vni uint32) bool,
) (uint32, error) {
	var fit []control.SegmentStatus
	for _, s := range segments {
		if (vni == 0 || vni == s.VNI) && s.Device.Kind == string(config.KindUserspace) {
			fit = append(fit, s)
		}
	}
	if len(fit) > 1 {
		here := slices.DeleteFunc(slices.Clone(fit), func(s control.SegmentStatus) bool {
			return !isInside(s.Device, host) && !hasMember(s.VNI)
		})
		if len(here) == 1 {
			fit = here
		}
	}
	switch i := slices.IndexFunc(segments, func(s control.SegmentStatus) bool { return vni == s.VNI }); {
	case len(fit) == 1:
		return fit[0].VNI, nil
	case len(fit) > 1:
		return 0, &control.Error{
			Code: control.CodeUsage, Message: fmt.Sprintf("there are %d segments that %s could be in", len(fit), host),
			Fix: []string{"say which   --vni N"},
		}
	case vni == 0 && len(segments) > 0:
		return 0, control.NoOverlay(segments[0], host)
	case i >= 0:
		return 0, control.NoOverlay(segments[i], host)
	}
	return 0, control.Errorf(control.CodeNotFound, "there is no segment with vni %d", vni)
}

// isInside reports whether an address is in one of the networks of a device.
func isInside(d control.Device, host string) bool {
	a, err := netip.ParseAddr(host)
	return err == nil && slices.ContainsFunc(d.Addresses, func(text string) bool {
		p, err := netip.ParsePrefix(text)
		return err == nil && p.Contains(a)
	})
}

// overlayError says in the API's words why somebody in a segment was not reached.
func (d *daemon) overlayError(err error, to string) error {
	code := control.CodeFailed
	switch {
	case errors.Is(err, proxy.ErrUnknownName):
		host, _, splitErr := net.SplitHostPort(to)
		if splitErr != nil {
			host = to
		}
		return d.noMember(host)
	case errors.Is(err, context.Canceled):
		return err // nobody waits for the answer
	case errors.Is(err, syscall.ECONNREFUSED):
		return control.Errorf(code, "%s is there and refuses the connection", to)
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, syscall.ETIMEDOUT):
		return control.Errorf(control.CodeTimeout, "no answer from %s", to)
	case errors.Is(err, syscall.EHOSTUNREACH):
		return control.Errorf(control.CodeTimeout, "nobody in the segment has the address of %s", to)
	case errors.Is(err, syscall.ENETUNREACH):
		e := control.Errorf(code, "%s is in no network of the device", to)
		e.Fix = []string{"see which these are   vxmesh status"}
		return e
	case errors.Is(err, syscall.EADDRINUSE):
		code = control.CodeConflict
	}
	return control.Errorf(code, "%v", err)
}

// noMember is the refusal of a name that no member with an address has.
func (d *daemon) noMember(name string) error {
	var names []string
	for _, m := range d.node.Roster() {
		names = append(names, m.Name)
	}
	e := control.Errorf(control.CodeNotFound, "no member called %q has an address in the segment%s",
		name, suggest.DidYouMean(name, names))
	e.Fix = []string{"see who has which   vxmesh hosts", "or use an address; other names are not looked up"}
	return e
}
