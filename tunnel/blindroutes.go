package tunnel

import (
	"context"
	"net"
	"net/netip"

	"github.com/vxmesh/vxmesh/tunnel/control"
)

// blindRoutes know nothing of the underlay, where the system does not tell or there is none: whoever
// sends chooses, and the MTU is taken to be that of Ethernet.
type blindRoutes struct{}

func (r blindRoutes) close() {}

func (r blindRoutes) to(to netip.AddrPort, o *PlainOptions, _ self) *route {
	remote := to.Addr()
	name := o.Interface
	if name == "" {
		name = remote.Zone()
	}
	return &route{
		state: control.VTEPOK, ifIndex: r.index(name), mtu: defaultMTU - overhead(remote), link: defaultMTU,
	}
}

func (r blindRoutes) innerMTU(o PlainOptions, _ self) int {
	for _, a := range o.Remotes {
		if a.Addr().Is6() {
			return defaultMTU - overhead(a.Addr())
		}
	}
	return defaultMTU - overhead(netip.IPv4Unspecified())
}

func (r blindRoutes) linkMTU(name string) int {
	if ifi, err := net.InterfaceByName(name); err == nil {
		return ifi.MTU
	}
	return 0
}

func (r blindRoutes) index(name string) int {
	if ifi, err := net.InterfaceByName(name); err == nil {
		return ifi.Index
	}
	return 0
}

// watch has nothing to watch; the keeper looks once a second anyway.
func (r blindRoutes) watch(ctx context.Context, _ func()) error {
	<-ctx.Done()
	return nil
}
