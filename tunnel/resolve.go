package tunnel

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"time"

	"golang.org/x/sync/errgroup"
)

const (
	// resolveEvery is how often the names of endpoints are looked up: addresses of homes change.
	resolveEvery = 5 * time.Minute
	// resolveAgain is how soon after that failed.
	resolveAgain = 10 * time.Second
	// resolveTimeout bounds one look-up.
	resolveTimeout = 5 * time.Second
)

// A resolver looks up the names of endpoints, which may take long, and gives what it finds to the
// mesh.
type resolver struct {
	m     *mesh
	woken chan struct{}
}

// wake makes the resolver look at once.
func (r *resolver) wake() {
	select {
	case r.woken <- struct{}{}:
	default:
	}
}

// run looks names up until ctx ends.
func (r *resolver) run(ctx context.Context) error {
	r.wake() // as the mesh does
	timer := time.NewTimer(resolveEvery)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-r.woken:
		case <-timer.C:
		}
		next := resolveEvery
		if !r.round(ctx) {
			next = resolveAgain
		}
		timer.Reset(next)
	}
}

// lookups bounds how many are under way at a time: a slow name must not keep the others waiting.
const lookups = 16

// round looks up every name once and reports whether all were found.
func (r *resolver) round(ctx context.Context) bool {
	g := r.m.n.guarded(new(errgroup.Group))
	g.SetLimit(lookups)
	g.Go(func() error { return r.m.reflector.resolve(ctx, r.m.n) })
	for p, wanted := range r.m.names() {
		g.Go(func() error {
			found, err := r.m.n.options.Lookup(ctx, wanted)
			if ctx.Err() == nil {
				r.m.resolved(p, wanted, found, err)
			}
			return err
		})
	}
	return g.Wait() == nil || ctx.Err() != nil
}

// names gives the endpoints of each peer that are not addresses, by the peer.
func (m *mesh) names() map[*peer][]string {
	m.mu.Lock()
	defer m.mu.Unlock()
	out := make(map[*peer][]string)
	for _, p := range m.peers {
		if names := p.options.names(); len(names) > 0 {
			out[p] = names
		}
	}
	return out
}

// resolved takes over what the names of a peer resolve to. What was found before stays when nothing
// is.
func (m *mesh) resolved(p *peer, wanted []string, found []netip.AddrPort, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.knows(p) || !slices.Equal(wanted, p.options.names()) { // it has others since
		return
	}
	p.lookup = ""
	if err != nil {
		p.lookup = err.Error()
	}
	if len(found) == 0 {
		return
	}
	next := append(p.options.addresses(), found...)
	if !slices.Equal(next, p.endpoints) {
		p.endpoints = next
		p.offer()
		if p.session.Current() == nil {
			p.session.Urge(m.n.now())
		}
		m.wake()
	}
}

// names are the endpoints that need a look-up.
func (o *PeerOptions) names() (out []string) {
	for _, e := range o.Endpoints {
		if _, err := netip.ParseAddrPort(e); err != nil {
			out = append(out, e)
		}
	}
	return out
}

// addresses are the endpoints that need no look-up.
func (o *PeerOptions) addresses() (out []netip.AddrPort) {
	for _, e := range o.Endpoints {
		if a, err := netip.ParseAddrPort(e); err == nil {
			out = append(out, netip.AddrPortFrom(a.Addr().Unmap(), a.Port()))
		}
	}
	return out
}

// scoped gives an address with the index of its zone's interface instead of the name, which is how
// datagrams from there come in.
func (n *Node) scoped(a netip.AddrPort) netip.AddrPort {
	if a.Addr().Zone() == "" {
		return a
	}
	if index := n.routes.index(a.Addr().Zone()); index != 0 {
		return netip.AddrPortFrom(a.Addr().WithZone(strconv.Itoa(index)), a.Port())
	}
	return a
}

// lookup resolves endpoints, host:port each, to all their addresses.
func lookup(ctx context.Context, endpoints []string) (out []netip.AddrPort, err error) {
	ctx, cancel := context.WithTimeout(ctx, resolveTimeout)
	defer cancel()
	for _, e := range endpoints {
		host, port, splitErr := net.SplitHostPort(e)
		number, portErr := strconv.ParseUint(port, 10, 16)
		if splitErr != nil || portErr != nil {
			err = fmt.Errorf("%s is not host:port", e)
			continue
		}
		addrs, lookupErr := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
		if lookupErr != nil {
			err = fmt.Errorf("%s does not resolve: %w", host, lookupErr)
			continue
		}
		for _, a := range addrs {
			out = append(out, netip.AddrPortFrom(a.Unmap(), uint16(number)))
		}
	}
	return out, err
}
