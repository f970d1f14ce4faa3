package tunnel

import (
	"cmp"
	"context"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/vxmesh/vxmesh/nat/netmon"
	"github.com/vxmesh/vxmesh/nat/portmap"
	"github.com/vxmesh/vxmesh/nat/stun"
	"github.com/vxmesh/vxmesh/tunnel/control"
)

const (
	// netcheckLimit is how long a netcheck takes at most.
	netcheckLimit = 2900 * time.Millisecond
	// maxAsked is how many addresses of members it asks of each family.
	maxAsked = 12
)

// Netcheck tests how this node is connected, and adds what it knows of that. It takes up to 3 seconds;
// the end of ctx ends it before, with what has been found. Anybody may call it at any time.
func (n *Node) Netcheck(ctx context.Context) (control.Netcheck, error) {
	c := &netcheck{options: &n.options, at: make(map[netip.AddrPort]string)}
	n.mesh.askable(c)
	c.run(ctx)
	out := c.result()
	n.mesh.addNetcheck(c, &out)
	return out, nil
}

// Netcheck tests how the machine of a node that does not run is connected: of its options it needs where
// it would listen, whom it knows, and how to look around.
func Netcheck(ctx context.Context, o Options) control.Netcheck {
	if o.ListenUDP == nil {
		o.ListenUDP = listenUDP
	}
	if o.Lookup == nil {
		o.Lookup = lookup
	}
	c := &netcheck{options: &o, alone: true, at: make(map[netip.AddrPort]string)}
	for _, p := range o.Mesh.Peers {
		c.member(p.Name, p.addresses()...)
	}
	if o.Mesh.Local != nil {
		c.local = o.Mesh.Local()
	}
	return c.solo(ctx)
}

// A netcheck is one test.
type netcheck struct {
	options *Options
	alone   bool // no node runs
	local   []netip.Prefix
	at      map[netip.AddrPort]string // whose an address is
	members []netip.AddrPort
	servers []netip.AddrPort
	leftOut []string

	four, six netProbe
	links     netmon.State
	mapper    portmap.Support
	mapping   bool // there is a router that was asked for ports
}

// member adds addresses of a member to those that are asked.
func (c *netcheck) member(name string, addrs ...netip.AddrPort) {
	for _, a := range addrs {
		a = netip.AddrPortFrom(a.Addr().Unmap(), a.Port())
		if _, known := c.at[a]; !known {
			c.at[a] = name
			c.members = append(c.members, a)
		}
	}
}

// solo is the test without a node.
func (c *netcheck) solo(ctx context.Context) control.Netcheck {
	c.leftOut = append(c.leftOut, "no node runs here: what it and its peers know is left out")
	c.lookup(ctx)
	c.run(ctx)
	out := c.result()
	if port := c.port(); port != 0 && (c.four.bound != 0 || c.six.bound != 0) &&
		c.four.bound != port && c.six.bound != port {
		c.leave(&out, "another program has the node's UDP port, so the test was made from another port")
	}
	return out
}

func (c *netcheck) leave(out *control.Netcheck, sentence string) {
	out.LeftOut = append(out.LeftOut, sentence)
}

// lookup resolves the names of members and servers, which for a node is done already.
func (c *netcheck) lookup(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, lookupPatience)
	defer cancel()
	var g sync.WaitGroup
	var takes []func() // in the order of the config
	find := func(what, name string, take func([]netip.AddrPort)) {
		var found []netip.AddrPort
		var err error
		g.Go(func() { found, err = c.options.Lookup(ctx, []string{name}) })
		takes = append(takes, func() {
			take(found)
			if err != nil {
				c.leftOut = append(c.leftOut, what+" "+name+" does not resolve")
			}
		})
	}
	for _, s := range c.options.Mesh.STUN {
		find("the STUN server", s, func(found []netip.AddrPort) { c.server(s, found) })
	}
	for _, p := range c.options.Mesh.Peers {
		for _, e := range p.names() {
			find(p.Name+"'s endpoint", e, func(found []netip.AddrPort) { c.member(p.Name, found...) })
		}
	}
	g.Wait()
	for _, take := range takes {
		take()
	}
}

func (c *netcheck) server(name string, found []netip.AddrPort) {
	for _, a := range found {
		if _, known := c.at[a]; !known {
			c.at[a] = name
			c.servers = append(c.servers, a)
		}
	}
}

// port is where the node listens for its peers, 0 when that is not known.
func (c *netcheck) port() uint16 {
	for _, a := range c.options.Mesh.Listen {
		return a.Port()
	}
	return 0
}

// run tests both families and the router, all at once.
func (c *netcheck) run(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, netcheckLimit)
	defer cancel()
	var g sync.WaitGroup
	for _, p := range []*netProbe{&c.four, &c.six} {
		p.listen, p.v6, p.local = c.options.ListenUDP, p == &c.six, c.local
		p.members, p.servers = of(p.v6, c.members, maxAsked), of(p.v6, c.servers, maxAsked)
		if c.alone {
			p.port = c.port()
		}
		g.Go(func() { p.run(ctx) })
	}
	if c.options.Discovery.Watch {
		g.Go(func() { c.router(ctx) })
	}
	g.Wait()
}

// of are the addresses of one family, so many at most.
func of(v6 bool, list []netip.AddrPort, most int) []netip.AddrPort {
	list = slices.DeleteFunc(slices.Clone(list), func(a netip.AddrPort) bool { return a.Addr().Is6() != v6 })
	return list[:min(len(list), most)]
}

// router asks the router what it does about ports.
func (c *netcheck) router(ctx context.Context) {
	var err error
	if c.links, err = netmon.Snapshot(); err != nil || !c.options.Discovery.Portmap {
		return
	}
	m := portmap.New(portmap.Options{Port: c.port(), Gateway: c.gateway})
	if _, _, c.mapping = c.gateway(); c.mapping {
		c.mapper = m.Probe(ctx)
	}
}

// gateway is the router to the internet, and our address towards it.
func (c *netcheck) gateway() (gateway, local netip.Addr, ok bool) {
	for _, i := range c.links.Interfaces {
		if i.Name != c.links.DefaultInterface {
			continue
		}
		for _, p := range i.Prefixes {
			if p.Contains(c.links.Gateway4) {
				return c.links.Gateway4, p.Addr(), true
			}
		}
	}
	return gateway, local, false
}

// result says what was found.
func (c *netcheck) result() control.Netcheck {
	out := control.Netcheck{
		Network: c.options.Network, Node: !c.alone, Interface: c.links.DefaultInterface,
		IPv4: c.four.family(), IPv6: c.six.family(), LeftOut: c.leftOut,
		PortMapping: control.PortMapping{
			Tested: c.mapping, PCP: c.mapper.PCP, NATPMP: c.mapper.NATPMP, UPnP: c.mapper.UPnP,
		},
		STUN: control.STUNNotNeeded,
	}
	if a := c.mapper.External; a.IsValid() {
		out.PortMapping.External = a.String()
	}
	switch {
	case c.four.askedSTUN || c.six.askedSTUN:
		out.STUN = control.STUNAsked
	case len(c.options.Mesh.STUN) == 0:
		out.STUN = control.STUNOff
	}
	out.Reflectors = c.reflectors()
	out.UDP = overall(out.IPv4, out.IPv6)
	if len(c.members)+len(c.servers) == 0 {
		c.leave(&out, "nobody could be asked: no peer's address is known, and discovery.stun names no server")
	}
	return out
}

// overall is whether datagrams get out at all.
func overall(four, six control.NetFamily) control.Finding {
	switch {
	case four.UDP == control.Yes || six.UDP == control.Yes:
		return control.Yes
	case four.UDP == control.No || six.UDP == control.No:
		return control.No
	}
	return control.Unknown
}

// reflectors are those that answered, the nearest first.
func (c *netcheck) reflectors() (out control.List[control.Reflector]) {
	for _, r := range append(c.four.results, c.six.results...) {
		name, peer := c.at[r.Server], slices.Contains(c.members, r.Server)
		out = append(out, control.Reflector{
			Name: cmp.Or(name, r.Server.String()), Address: r.Server.String(), Sees: r.Mapped.String(), Peer: peer,
			RTTSeconds: r.RTT.Seconds(),
		})
	}
	slices.SortStableFunc(out, func(a, b control.Reflector) int { return cmp.Compare(a.RTTSeconds, b.RTTSeconds) })
	return out
}

var mappings = map[stun.Mapping]control.NetMapping{
	stun.MappingUnknown: control.MappingUnknown, stun.MappingNone: control.MappingNone,
	stun.MappingIndependent: control.MappingIndependent, stun.MappingVaries: control.MappingVaries,
}

var filterings = map[stun.Filtering]control.NetFiltering{
	stun.FilteringUnknown: control.FilteringUnknown, stun.FilteringOpen: control.FilteringOpen,
	stun.FilteringAddress: control.FilteringAddress, stun.FilteringBlocked: control.FilteringBlocked,
}

// family is what the probe says of its family.
func (p *netProbe) family() control.NetFamily {
	f := control.NetFamily{
		UDP: p.udp(), Mapping: mappings[p.behaviour.Mapping], PortKept: p.behaviour.PortKept,
		Step: p.behaviour.Step, Strangers: filterings[p.filtering],
	}
	if p.err != nil {
		f.Reason = p.err.Error()
	}
	for _, a := range p.local {
		if a.Addr().Is6() == p.v6 {
			f.Addresses = append(f.Addresses, a.Addr().String())
		}
	}
	for _, a := range p.behaviour.Mapped {
		f.Outside = addNew(f.Outside, p.outside(a))
	}
	f.Class = classOf(f)
	return f
}

// outside is an address that others see, with its port when that is the node's.
func (p *netProbe) outside(a netip.AddrPort) string {
	if p.port == 0 || p.bound != p.port || p.behaviour.Mapping == stun.MappingVaries {
		return a.Addr().String()
	}
	return a.String()
}

func addNew(list control.List[string], s string) control.List[string] {
	if slices.Contains(list, s) {
		return list
	}
	return append(list, s)
}

// udp is whether answers came from outside; from our own networks they count if nobody else was asked.
func (p *netProbe) udp() control.Finding {
	switch {
	case p.outsiders(p.results) > 0:
		return control.Yes
	case slices.ContainsFunc(p.asked, func(a netip.AddrPort) bool { return !p.near(a.Addr()) }):
		return control.No
	case len(p.results) > 0:
		return control.Yes
	case p.err != nil:
		return control.No
	}
	return control.Unknown
}

// classOf is with whom such a machine gets a direct way.
func classOf(f control.NetFamily) control.NetClass {
	open := f.Strangers == control.FilteringOpen || f.Strangers == control.FilteringAddress
	switch {
	case f.UDP != control.Yes:
		return control.ClassUnknown
	case f.Strangers == control.FilteringOpen, open && f.Mapping != control.MappingVaries:
		return control.ClassOpen
	case f.Mapping == control.MappingUnknown:
		return control.ClassUnknown
	case f.Mapping == control.MappingVaries && f.Step == 0:
		return control.ClassHard
	}
	return control.ClassEasy
}
