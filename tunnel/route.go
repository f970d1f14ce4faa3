package tunnel

import (
	"context"
	"net/netip"
	"slices"
	"strings"

	"github.com/vxmesh/vxmesh/tunnel/control"
	"github.com/vxmesh/vxmesh/tunnel/drop"
	"github.com/vxmesh/vxmesh/tunnel/vxlan"
)

// defaultMTU is the underlay's when nothing is known about it.
const defaultMTU = 1500

// A route is what the keeper found out about the way to a VTEP. It is immutable.
type route struct {
	state   control.VTEPState
	reason  string
	blocked drop.Reason // not None: nothing is sent
	mtu     int         // bytes of inner IP packet the path carries; 0 when not known
	link    int         // MTU of the link or route as it was set up, whatever ICMP errors say; 0 when not known
	ifIndex int         // interface to leave by; 0 when the system chooses
	source  netip.Addr  // our own address on that way
}

// routes tell how remotes are reached. Any goroutine may ask them.
type routes interface {
	// to finds the way to a remote, and that it does not lead back to this node itself.
	to(remote netip.AddrPort, o *PlainOptions, own self) *route
	// innerMTU is the largest MTU whose frames reach every remote of a plain leg without
	// fragmentation, as far as the links on this machine tell.
	innerMTU(o PlainOptions, own self) int
	// linkMTU gives the MTU of an interface, 0 when there is none of that name.
	linkMTU(name string) int
	// index gives the interface index of a name, 0 when there is none.
	index(name string) int
	// watch calls changed whenever a link, an address or a route changes, until ctx ends.
	watch(ctx context.Context, changed func()) error
	close()
}

// clampMTU keeps to what a device may have.
func clampMTU(mtu int) int { return min(max(mtu, 576), 9000) }

// self is what of the underlay is this node itself.
type self struct {
	links   map[int]string   // the segments' devices, by interface index
	listens []netip.AddrPort // where the sockets are bound
}

// hears reports whether a datagram to one of this machine's addresses arrives here.
func (m *self) hears(a netip.AddrPort) bool {
	return slices.ContainsFunc(m.listens, func(l netip.AddrPort) bool {
		bound := l.Addr()
		return l.Port() == a.Port() && bound.Is4() == a.Addr().Is4() &&
			(bound.IsUnspecified() || bound == a.Addr())
	})
}

// fix is what shows a person more about a route that is not ok.
func (r *route) fix(remote netip.Addr) string {
	if remote.IsMulticast() || strings.HasPrefix(r.reason, noInterface) {
		return "ip link show"
	}
	if r.state == control.VTEPLoop {
		return "take it out of remotes, or give the underlay a route: ip route get " + remote.String()
	}
	return "ip route get " + remote.String()
}

// noInterface begins the reason of a route that needs an interface that is not there.
const noInterface = "there is no interface "

// loop is the route of a remote that is this node: nothing is sent there.
func loop(reason string) *route {
	return &route{state: control.VTEPLoop, reason: reason, blocked: drop.Loop}
}

// overhead is what VXLAN costs towards an address.
func overhead(a netip.Addr) int {
	if a.Is6() {
		return vxlan.OverheadIPv6
	}
	return vxlan.OverheadIPv4
}
