package proxy

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
)

// ErrNoStack is wrapped by errors about a segment without a stack.
var ErrNoStack = errors.New("no userspace device")

// ErrUnknownName is wrapped by errors about a name that no member of the network has.
var ErrUnknownName = errors.New("no member of the network has that name")

// Dial reaches host:port in a segment. The host is an address, or the name of a member: then each of
// its addresses is tried in turn.
func (p *Proxies) Dial(ctx context.Context, vni uint32, network, address string) (net.Conn, error) {
	stack := p.options.Stack(vni)
	if stack == nil {
		return nil, fmt.Errorf("vni %d: %w", vni, ErrNoStack)
	}
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, fmt.Errorf("dial %s: %w", address, err)
	}
	addrs, err := p.Resolve(vni, host)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, p.options.limits.dial)
	defer cancel()
	for _, a := range addrs {
		var c net.Conn
		if c, err = stack.DialContext(ctx, network, net.JoinHostPort(a.String(), port)); err == nil {
			return c, nil
		}
		if ctx.Err() != nil {
			break
		}
	}
	return nil, err
}

// Resolve gives the addresses of a host in a segment, at least one: itself, if it is an address. The
// system's resolver is never asked.
func (p *Proxies) Resolve(vni uint32, host string) ([]netip.Addr, error) {
	if a, err := netip.ParseAddr(host); err == nil {
		return []netip.Addr{a.Unmap()}, nil
	}
	addrs := p.options.Lookup(vni, host)
	if len(addrs) == 0 {
		return nil, fmt.Errorf("%q: %w", host, ErrUnknownName)
	}
	return addrs, nil
}
