package tunnel

import (
	"context"
	"crypto/sha256"
	"fmt"
	"net/netip"
	"slices"

	"golang.org/x/sync/errgroup"

	"github.com/vxmesh/vxmesh/nat"
	"github.com/vxmesh/vxmesh/nat/lan"
	"github.com/vxmesh/vxmesh/nat/netmon"
	"github.com/vxmesh/vxmesh/nat/portmap"
	"github.com/vxmesh/vxmesh/tunnel/control"
	"github.com/vxmesh/vxmesh/tunnel/drop"
	"github.com/vxmesh/vxmesh/tunnel/udp"
	"github.com/vxmesh/vxmesh/tunnel/wire"
)

// What is around this node: the addresses and routes of its machine, other members on its networks, and
// a router that may open a port.

// DiscoveryOptions say what of its surroundings a node looks at. The zero value is nothing, as on an
// internet in memory.
type DiscoveryOptions struct {
	Watch   bool                    // the machine's addresses, routes and sleep
	LAN     bool                    // say hello on its networks, and hear who else does
	Portmap bool                    // ask the router for a port
	Offered func(iface string) bool // whether an interface may be used; nil for all
}

// surroundings runs all that looks around, until ctx ends.
type surroundings struct {
	n       *Node
	monitor *netmon.Monitor
	beacon  *lan.Beacon
	hello   *lan.Runner     // nil: not on the LAN
	mapper  *portmap.Mapper // nil: no port is asked for
}

// lookAround watches the machine, and what is around it.
func (n *Node) lookAround(ctx context.Context) error {
	o := n.options.Discovery
	if !o.Watch {
		return nil
	}
	select {
	case <-ctx.Done():
		return nil
	case <-n.mesh.ready: // there is a socket
	}
	s := &surroundings{n: n, beacon: lan.New(n.lanKey(), n.options.Mesh.Key.Public())}
	s.monitor = netmon.New(netmon.Options{Log: n.log, Ignore: s.ignores})
	defer s.monitor.Subscribe(func(e netmon.Event) {
		defer n.options.Guard()
		s.changed(e)
	})()
	g := n.guarded(new(errgroup.Group))
	defer func() { _ = g.Wait() }() // neither has errors
	if o.LAN {
		s.hello = lan.NewRunner(lan.Options{
			Beacon: s.beacon, Port: s.port, Send: s.sendHello,
			Heard: s.heard, Log: n.log,
		})
		n.hello.Store(s.hello)
		g.Go(func() error { return s.hello.Run(ctx) })
	}
	if o.Portmap {
		nonce := sha256.Sum256(append([]byte("vxmesh pcp nonce"), n.options.Seed...))
		s.mapper = portmap.New(portmap.Options{
			Port: s.port(), Gateway: s.gateway, OnChange: s.mapped, Nonce: [12]byte(nonce[:]), Log: n.log,
		})
		n.mesh.mayReopen(s.mapper.Refresh)
		g.Go(func() error { return s.mapper.Run(ctx) })
	}
	if err := s.monitor.Run(ctx); err != nil {
		n.log.Warn("changes of this machine's addresses are not seen", "err", err)
	}
	return nil
}

// lanStats are what came to the HELLOs' port, on all interfaces.
func lanStats(c lan.Counts) control.SocketStats {
	var drops drop.Counters
	drops.Add(drop.OtherNetwork, c.Foreign)
	drops.Add(drop.Malformed, c.Malformed)
	drops.Add(drop.NotLAN, c.Strayed)
	return control.SocketStats{
		Listen: fmt.Sprintf("lan udp :%d", lan.Port), RxDatagrams: c.Heard + c.Foreign + c.Malformed + c.Strayed,
		Drops: drops.Map(),
	}
}

// lanKey is what members of this network know, and nobody else: the network's id, or where there is none,
// its name.
func (n *Node) lanKey() [32]byte {
	b := []byte("vxmesh lan key")
	if c := n.mesh.club; c != nil {
		id := c.Anchor.ID()
		return sha256.Sum256(append(b, id[:]...))
	}
	return sha256.Sum256(append(b, n.options.Network...))
}

// ignores leaves out the devices and bridges of segments, and what the config does not let be offered.
func (s *surroundings) ignores(i netmon.Interface) bool {
	for _, seg := range s.n.segmentList() {
		seg.mu.Lock()
		bridge := seg.options.Device.Bridge
		seg.mu.Unlock()
		if i.Name == seg.link() || i.Name == bridge {
			return true
		}
	}
	offered := s.n.options.Discovery.Offered
	return offered != nil && !offered(i.Name)
}

// changed takes in that the machine is connected in another way than before, or has slept.
func (s *surroundings) changed(e netmon.Event) {
	if s.hello != nil {
		heard := e.State
		heard.Interfaces = slices.DeleteFunc(slices.Clone(heard.Interfaces), s.ignores)
		s.hello.Update(heard)
	}
	if s.mapper != nil { // also at first: before, it knew of no router
		s.mapper.Changed()
	}
	if e.Kinds&^netmon.First == 0 {
		return
	}
	s.n.log.Info("this machine's network changed", "how", e.Kinds)
	s.n.mesh.elsewhere()
}

// elsewhere forgets what is known of where this node is, and has everything looked for anew.
func (m *mesh) elsewhere() {
	m.mu.Lock()
	defer m.mu.Unlock()
	o := &m.outside
	o.observer.Forget()
	o.looked, o.reachable = 0, false
	o.opened.proven = 0
	m.serveRelay()
	for _, p := range m.peers {
		p.offer() // what is on our own networks is others now
		if p.session.Current() == nil {
			p.session.Urge(m.n.now())
		}
	}
	m.restart(m.n.now())
}

// port is where the first IPv4 socket of the mesh listens; 0 when there is none.
func (s *surroundings) port() uint16 {
	for _, a := range s.n.mesh.addrs() {
		if a.Addr().Is4() {
			return a.Port()
		}
	}
	return 0
}

// gateway is the router to the internet, and our address towards it.
func (s *surroundings) gateway() (gateway, local netip.Addr, ok bool) {
	st := s.monitor.State()
	for _, i := range st.Interfaces {
		if i.Name != st.DefaultInterface || s.ignores(i) {
			continue
		}
		for _, p := range i.Prefixes {
			if p.Contains(st.Gateway4) {
				return st.Gateway4, p.Addr(), true
			}
		}
	}
	return gateway, local, false
}

// mapped notes what the router gives.
func (s *surroundings) mapped(a portmap.Mapping, ok bool) {
	m := s.n.mesh
	m.mu.Lock()
	defer m.mu.Unlock()
	m.setOpened(portmap.Mapping{})
	if ok {
		m.setOpened(a)
		m.n.log.Info("the router opened a port", "protocol", a.Protocol, "at", a.External)
	}
	m.restart(m.n.now())
}

// sendHello sends a hello from a mesh socket out of an interface.
func (s *surroundings) sendHello(datagram []byte, to netip.AddrPort, out netmon.Interface) error {
	m := s.n.mesh
	for i, a := range m.addrs() {
		sock := m.socket(uint8(i))
		if sock == nil || a.Addr().Is6() != to.Addr().Is6() {
			continue
		}
		msg := [1]udp.Message{{To: to, Data: datagram, TTL: 1, IfIndex: out.Index}}
		sock.Write(msg[:], udp.Mode{})
		return msg[0].Err
	}
	return nil
}

// heard looks whether a hello is of a peer, and tries it where it is.
func (s *surroundings) heard(from netip.AddrPort, h lan.Hello, _ netmon.Interface) {
	m := s.n.mesh
	at := s.n.scoped(netip.AddrPortFrom(from.Addr(), h.Port))
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, p := range m.peers {
		if s.beacon.Match(h, p.key) {
			m.onLAN(p, at)
			return
		}
	}
}

// onLAN notes that a peer said hello from an address.
func (m *mesh) onLAN(p *peer, at netip.AddrPort) {
	w, ok := m.wayTo(at)
	if !ok || m.blocked(w) != "" {
		return
	}
	now := m.n.now()
	p.agent.Offer(now, nat.FromLAN, []nat.Candidate{{Way: w, Kind: nat.KindLAN}})
	if p.session.Current() == nil {
		p.session.Urge(now)
	}
	m.wake()
}

// mappedAt is the address that the router opened for this node.
func (m *mesh) mappedAt() (out []wire.Candidate) {
	if a := m.outside.mapped.External; a.IsValid() {
		out = append(out, wire.Candidate{Kind: uint8(nat.KindMapped), Addr: a})
	}
	return out
}
