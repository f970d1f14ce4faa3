//go:build !linux

package netmon

import (
	"fmt"
	"net"
)

// interfaces asks through Go's own package, which knows all systems.
func interfaces() ([]Interface, error) {
	all, err := net.Interfaces()
	if err != nil {
		return nil, fmt.Errorf("list interfaces: %w", err)
	}
	out := make([]Interface, 0, len(all))
	for _, i := range all {
		addrs, err := i.Addrs()
		if err != nil { // it has gone since
			continue
		}
		out = append(out, interfaceOf(i, addrs))
	}
	return out, nil
}

func interfaceOf(i net.Interface, addrs []net.Addr) Interface {
	has := func(flag net.Flags) bool { return i.Flags&flag != 0 }
	out := Interface{
		Name: i.Name, Index: i.Index, MTU: i.MTU,
		Up:           has(net.FlagUp) && has(net.FlagRunning),
		Loopback:     has(net.FlagLoopback),
		PointToPoint: has(net.FlagPointToPoint),
		Multicast:    has(net.FlagMulticast),
		Tunnel:       isTunnel(i),
	}
	for _, a := range addrs {
		if n, ok := a.(*net.IPNet); ok {
			if p, valid := prefixOfNet(n); valid {
				out.Prefixes = append(out.Prefixes, p)
			}
		}
	}
	return out
}
