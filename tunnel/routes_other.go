//go:build !linux

package tunnel

import (
	"context"
	"net"
	"net/netip"

	"github.com/vxmesh/vxmesh/tunnel/control"
)

// routes knows nothing of the underlay on this system: the system chooses, and the MTU is taken to
// be that of Ethernet.
type routes struct{}

func newRoutes() (*routes, error) { return &routes{}, nil }

func (r *routes) close() {}

func (r *routes) to(to netip.AddrPort, o *PlainOptions, _ self) *route {
	remote := to.Addr()
	name := o.Interface
	if name == "" {
		name = remote.Zone()
	}
	return &route{
		state: control.VTEPOK, ifIndex: r.index(name), mtu: defaultMTU - overhead(remote),
	}
}

func (r *routes) innerMTU(o PlainOptions, _ self) int {
	for _, a := range o.Remotes {
		if a.Addr().Is6() {
			return defaultMTU - overhead(a.Addr())
		}
	}
	return defaultMTU - overhead(netip.IPv4Unspecified())
}

func (r *routes) linkMTU(name string) int {
	if ifi, err := net.InterfaceByName(name); err == nil {
		return ifi.MTU
	}
	return 0
}

func (r *routes) index(name string) int {
	if ifi, err := net.InterfaceByName(name); err == nil {
		return ifi.Index
	}
	return 0
}

// watch has nothing to watch; the keeper looks once a second anyway.
func (r *routes) watch(ctx context.Context, _ func()) error {
	<-ctx.Done()
	return nil
}
