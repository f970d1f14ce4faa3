package tunnel

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/vxmesh/vxmesh/tundev"
	"github.com/vxmesh/vxmesh/tundev/ether"
	"github.com/vxmesh/vxmesh/tunnel/bridge"
	"github.com/vxmesh/vxmesh/tunnel/control"
)

// maxGuests bounds how many guests a segment has at once: each has an uplink with an arena of its own.
const maxGuests = 64

// A Guest is a device of another process that is plugged into a segment beside the segment's own. Its
// methods may be called by any goroutine.
type Guest struct {
	party
	*jack
	since   time.Time
	welcome control.GuestWelcome // constant

	addresses atomic.Pointer[[]netip.Prefix] // of the host behind the device; nil before it has any
	leaving   sync.Once
	left      chan struct{}
	why       *control.Error // constant once left is closed; nil: it left by itself
}

var _ control.GuestStay = (*Guest)(nil)

// AddGuest plugs a device of another process into a segment, until [Guest.Leave], or until the device, the
// segment or the node is gone. The engine says what the device is to be, calls open once at most, and
// closes what it gave. Anybody may call it at any time.
func (n *Node) AddGuest(r control.GuestRequest, open func(tundev.Options) (tundev.Device, error)) (*Guest, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.ctx != nil && n.running == nil {
		return nil, errNodeLeaves
	}
	s, err := n.only(r.VNI)
	if err != nil {
		return nil, err
	}
	g, err := s.admitGuest(r, open)
	if err != nil {
		return nil, err
	}
	if n.running != nil { // else Run starts it
		n.startGuest(g)
	}
	return g, nil
}

// startGuest has a guest's device read. The caller holds mu.
func (n *Node) startGuest(g *Guest) {
	n.serve(newUplink(g.jack))
	ctx := n.ctx
	n.running.Go(func() error {
		g.live(ctx)
		return nil
	})
}

// live returns when the guest has left.
func (g *Guest) live(ctx context.Context) {
	_ = g.dev.Run(ctx) // it says nothing that matters: the guest leaves either way
	if ctx.Err() != nil {
		g.end(errNodeLeaves)
		return
	}
	g.end(control.Errorf(control.CodeFailed, "the guest's interface is gone"))
}

var errNodeLeaves = control.Errorf(control.CodeNoNode, "the node has left")

// admitGuest finds a name, an address and a port for a guest and makes it a part of the segment.
func (s *segment) admitGuest(
	r control.GuestRequest, open func(tundev.Options) (tundev.Device, error),
) (*Guest, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	l := s.leg.Load()
	if len(l.guests()) >= maxGuests {
		return nil, control.Errorf(control.CodeConflict, "vni %d has %d guests: that is the limit", s.vni, maxGuests)
	}
	name, err := s.nameGuest(r)
	if err != nil {
		return nil, err
	}
	mac, err := s.guestMAC(name, len(l.guests()))
	if err != nil {
		return nil, err
	}
	candidates, err := s.guestAddresses(r, mac)
	if err != nil {
		return nil, err
	}
	dev, err := open(tundev.Options{Name: name, MAC: mac, MTU: s.dev.MTU(), Log: s.log})
	if err != nil {
		return nil, err
	}
	g := &Guest{
		party: party{name: name}, since: s.node.wall(), left: make(chan struct{}),
		welcome: control.GuestWelcome{
			Schema: control.SchemaGuest, Network: s.node.options.Network, VNI: s.vni, Name: name, MAC: mac,
			MTU: s.dev.MTU(), Candidates: candidates,
		},
	}
	g.jack = &jack{s: s, dev: dev, port: l.free(), guest: g}
	s.setLeg(l.with(g.jack))
	if err := s.sw.Add(bridge.Entry{MAC: mac, Port: g.port, Kind: bridge.Local}); err != nil {
		s.setLeg(l)
		_ = dev.Close()
		return nil, control.Errorf(control.CodeConflict, "the address of guest %s: %v", name, err)
	}
	s.log.Info("guest joined", "guest", name, "mac", mac)
	return g, nil
}

// nameGuest gives a guest the name that it asked for, or one after its program. The caller holds mu.
func (s *segment) nameGuest(r control.GuestRequest) (string, error) {
	if r.Name != "" {
		if s.hasPort(r.Name) {
			return "", control.Errorf(control.CodeConflict, "vni %d has a port %q already", s.vni, r.Name)
		}
		return r.Name, nil
	}
	name := r.Program
	for i := 2; s.hasPort(name); i++ {
		name = fmt.Sprintf("%s-%d", r.Program, i)
	}
	return name, nil
}

// hasPort reports whether a port has that name. The caller holds mu.
func (s *segment) hasPort(name string) bool {
	_, err := s.findPort(name)
	return err == nil
}

// guestMAC gives a guest an address that it has again when it comes again, unless peers would drop what
// comes from it: they hold this node to its certificate (RFC 7042, 2.1: it is locally administered).
func (s *segment) guestMAC(name string, others int) (ether.MAC, error) {
	limit := s.node.mesh.sourceLimit()
	if !s.options.Device.None {
		others++ // the device itself
	}
	switch {
	case limit == 1: // always the same, as a second one would be one too many for minutes
		name = ""
		fallthrough
	case limit > 0:
		if others >= limit {
			e := control.Errorf(control.CodePermission,
				"this node's certificate lets it send from %d MAC addresses in a segment: peers would drop a guest's frames", limit)
			e.Fix = []string{"ask an admin for an invitation without --no-bridge and with room in --macs, and join anew"}
			return ether.MAC{}, e
		}
	}
	seed := append(slices.Clone(s.node.options.Seed), "\x00guest\x00"+name...)
	return tundev.StableMAC(seed, s.vni), nil
}

// sourceLimit is from how many addresses this node may send in a segment; 0 for any number.
func (m *mesh) sourceLimit() int {
	if m.club == nil {
		return 0
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	return maxSources(m.club.own().Rights)
}

// guests lists the guests in the order of their ports.
func (l *leg) guests() (list []*Guest) {
	for _, j := range l.jacks {
		if j != nil && j.guest != nil {
			list = append(list, j.guest)
		}
	}
	return list
}

// dismiss ends the stay of all guests.
func (s *segment) dismiss() {
	why := errNodeLeaves
	if s.node.segment(s.vni) != s {
		why = control.Errorf(control.CodeNotFound, "vni %d is no segment of the node any more", s.vni)
	}
	for _, g := range s.leg.Load().guests() {
		g.end(why)
	}
}

// end ends the guest's stay, unless it has ended.
func (g *Guest) end(why *control.Error) {
	g.leaving.Do(func() {
		g.s.mu.Lock()
		g.s.setLeg(g.s.leg.Load().unplugged(g.jack))
		g.s.mu.Unlock()
		_ = g.dev.Close() // what it had is the other process's
		g.s.log.Info("guest left", "guest", g.name)
		g.why = why
		close(g.left)
	})
}

// Welcome is what the guest has to know of its place.
func (g *Guest) Welcome() control.GuestWelcome { return g.welcome }

// Settle tells which addresses the guest took.
func (g *Guest) Settle(addresses []netip.Prefix) {
	g.addresses.Store(&addresses)
	g.s.log.Debug("guest settled", "guest", g.name, "addresses", addresses)
}

// Leave ends the guest's stay; when it returns no frame of it is carried any more.
func (g *Guest) Leave() { g.end(nil) }

// Wait returns when the guest's stay has ended, and says why it did, nil for [Guest.Leave]; or when ctx
// has, with that error.
func (g *Guest) Wait(ctx context.Context) error {
	select {
	case <-g.left:
		if g.why != nil {
			return g.why
		}
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// count counts a frame that the guest was given.
func (g *Guest) count(parts [][]byte) {
	n := 0
	for _, p := range parts {
		n += len(p)
	}
	g.tx.add(1, n)
}

// hosts lists the addresses that the guest took.
func (g *Guest) hosts() []netip.Prefix {
	if a := g.addresses.Load(); a != nil {
		return *a
	}
	return nil
}

// status is the guest as `status` shows it.
func (g *Guest) status() control.Guest {
	st := control.Guest{Name: g.name, MAC: g.welcome.MAC, JoinedAt: g.since}
	for _, a := range g.hosts() {
		st.Addresses = append(st.Addresses, a.String())
	}
	return st
}
