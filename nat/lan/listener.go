package lan

import (
	"context"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/vxmesh/vxmesh/nat/netmon"
)

// A socket hears what is sent to a group.
type socket interface {
	read(buf []byte) (packet, error)
	close()
}

// A packet is what came, and how.
type packet struct {
	length int
	from   netip.AddrPort
	to     netip.Addr // invalid where the system does not tell
	index  int        // of the interface; 0 where the system does not tell
}

// A listener hears on a set of interfaces. After a change there is a new one, because memberships
// end with their interfaces.
type listener struct {
	cancel  context.CancelFunc
	sockets []socket
	group   sync.WaitGroup
}

// open begins to hear on the interfaces that are used.
func (r *Runner) open(ctx context.Context) *listener {
	ctx, cancel := context.WithCancel(ctx)
	interfaces := r.used()
	l := &listener{cancel: cancel, sockets: r.listen(interfaces)}
	for _, s := range l.sockets {
		l.group.Go(func() { r.serve(ctx, s, interfaces) })
	}
	return l
}

// close ends a listener, nil too, and waits for its goroutines.
func (l *listener) close() {
	if l == nil {
		return
	}
	l.cancel()
	for _, s := range l.sockets {
		s.close()
	}
	l.group.Wait()
}

// serve hears on a socket until it is closed.
func (r *Runner) serve(ctx context.Context, s socket, interfaces []netmon.Interface) {
	var buf [Size + 1]byte // what is longer shows
	for {
		p, err := s.read(buf[:])
		if err == nil {
			r.take(buf[:p.length], p, interfaces)
		} else if ctx.Err() == nil {
			r.o.Log.Debug("cannot hear on the LAN", "error", err)
		}
		if !r.rest(ctx) {
			return
		}
	}
}

// take looks at one datagram.
func (r *Runner) take(b []byte, p packet, interfaces []netmon.Interface) {
	in, ok := arrival(p, interfaces)
	if !ok {
		r.count(func(c *Counts) { c.Strayed++ })
		return
	}
	now := r.wall()
	h, v := r.o.Beacon.read(b, now)
	r.countVerdict(v, b, now)
	if v != ours {
		return
	}
	from := p.from
	if from.Addr().IsLinkLocalUnicast() { // IPv4 has no zones, and takes none
		from = netip.AddrPortFrom(from.Addr().WithZone(in.Name), from.Port())
	}
	r.hearing.Lock()
	defer r.hearing.Unlock()
	r.o.Heard(from, h, in)
}

// arrival finds the interface that a datagram came in by. It refuses what did not come from the LAN:
// the port is open to the world too, but there nobody can send to the group, or has an address of
// the interface's networks.
func arrival(p packet, interfaces []netmon.Interface) (netmon.Interface, bool) {
	if p.to.IsValid() && p.to.WithZone("") != group4 && p.to.WithZone("") != group6 {
		return netmon.Interface{}, false
	}
	for _, i := range interfaces {
		if (p.index == 0 || p.index == i.Index) && neighbour(p, i) {
			return i, true
		}
	}
	return netmon.Interface{}, false
}

// neighbour reports whether a source can be a neighbour on an interface. Any interface has the same
// link-local addresses, so of those the zone must tell which it is where nothing else does.
func neighbour(p packet, i netmon.Interface) bool {
	a := p.from.Addr()
	if a.Is6() && a.IsLinkLocalUnicast() {
		return p.index != 0 || a.Zone() == i.Name
	}
	return slices.ContainsFunc(i.Prefixes, func(n netip.Prefix) bool { return n.Contains(a) })
}

// perSecond bounds how many datagrams are looked at, from whomever.
const perSecond = 64

// A limiter counts what happened in the second that goes by.
type limiter struct {
	start time.Time
	count int
}

// wait counts one, and tells how long to wait before the next.
func (l *limiter) wait(now time.Time) time.Duration {
	if d := now.Sub(l.start); d < 0 || d >= time.Second {
		*l = limiter{start: now}
	}
	if l.count++; l.count < perSecond {
		return 0
	}
	return l.start.Add(time.Second).Sub(now)
}

// rest waits when there was too much to look at: what comes meanwhile, the system drops. It reports
// whether there is a reason to go on.
func (r *Runner) rest(ctx context.Context) bool {
	r.mu.Lock()
	d := r.limit.wait(time.Now())
	r.mu.Unlock()
	if d > 0 {
		t := time.NewTimer(d)
		defer t.Stop()
		select {
		case <-ctx.Done():
		case <-t.C:
		}
	}
	return ctx.Err() == nil
}
