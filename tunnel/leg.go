package tunnel

import (
	"maps"
	"net/netip"
	"slices"
	"sync/atomic"
	"time"

	"github.com/vxmesh/vxmesh/tunnel/bridge"
	"github.com/vxmesh/vxmesh/tunnel/control"
	"github.com/vxmesh/vxmesh/tunnel/vxlan"
)

// devicePort is the switch port of every segment's device; guests, VTEPs and peers have the numbers
// above.
const devicePort bridge.Port = 1

// A vtep is one port of a segment's plain leg: a remote, or the group that stands for several.
type vtep struct {
	party
	port   bridge.Port
	remote netip.AddrPort
	kind   control.VTEPKind

	heard atomic.Int64          // node time of the last datagram; kept for learned ones only
	path  atomic.Pointer[route] // how the underlay reaches it; never nil
}

// A leg is an immutable snapshot of who is behind a segment's ports: its VTEPs, its peers, and what is
// plugged in on this machine. The loops read the one that is current when they need it.
type leg struct {
	options PlainOptions
	ports   []*vtep // by bridge.Port; nil where there is none
	sources map[netip.Addr]*vtep
	peers   []*peer // by bridge.Port; nil where there is none
	members map[*peer]bridge.Port
	jacks   []*jack // by bridge.Port; nil where there is none
}

// newVTEP makes a port that is reachable until the keeper learns otherwise.
func newVTEP(port bridge.Port, remote netip.AddrPort, kind control.VTEPKind) *vtep {
	v := &vtep{party: party{name: vtepName(remote)}, port: port, remote: remote, kind: kind}
	v.path.Store(&route{state: control.VTEPOK})
	return v
}

// vtepName is how a VTEP is called everywhere: its address, with the port when it is not 4789.
func vtepName(a netip.AddrPort) string {
	if a.Port() == vxlan.Port {
		return a.Addr().String()
	}
	return a.String()
}

// port gives the VTEP behind a switch port, or nil.
func (l *leg) port(p bridge.Port) *vtep {
	if int(p) >= len(l.ports) {
		return nil
	}
	return l.ports[p]
}

// peer gives the peer behind a switch port, or nil.
func (l *leg) peer(p bridge.Port) *peer {
	if int(p) >= len(l.peers) {
		return nil
	}
	return l.peers[p]
}

// jack gives what is plugged in at a switch port, or nil.
func (l *leg) jack(p bridge.Port) *jack {
	if int(p) >= len(l.jacks) {
		return nil
	}
	return l.jacks[p]
}

// member gives the port of the peer of that name.
func (l *leg) member(name string) (bridge.Port, bool) {
	for p, port := range l.members {
		if p.name == name {
			return port, true
		}
	}
	return bridge.NoPort, false
}

// withPeers gives a snapshot whose peers are those listed. Those that stay keep their port.
func (l *leg) withPeers(peers []*peer) *leg {
	next := &leg{options: l.options, ports: l.ports, sources: l.sources, jacks: l.jacks}
	next.peers = make([]*peer, len(l.peers), len(l.peers)+len(peers))
	next.members = make(map[*peer]bridge.Port, len(peers))
	for _, p := range peers {
		if port, ok := l.members[p]; ok {
			next.peers[port], next.members[p] = p, port
		}
	}
	for _, p := range peers {
		if _, ok := next.members[p]; !ok {
			port := next.free()
			for int(port) >= len(next.peers) {
				next.peers = append(next.peers, nil)
			}
			next.peers[port], next.members[p] = p, port
		}
	}
	return next
}

// gone lists the ports of l that are nobody's or another's in next.
func (l *leg) gone(next *leg) (ports []bridge.Port) {
	for _, v := range l.vteps() {
		if next.port(v.port) != v {
			ports = append(ports, v.port)
		}
	}
	for p, port := range l.members {
		if next.peer(port) != p {
			ports = append(ports, port)
		}
	}
	for _, j := range l.plugged() {
		if next.jack(j.port) != j {
			ports = append(ports, j.port)
		}
	}
	return ports
}

// free is the lowest port that nobody has.
func (l *leg) free() bridge.Port {
	port := devicePort + 1
	for l.port(port) != nil || l.peer(port) != nil || l.jack(port) != nil {
		port++
	}
	return port
}

// vteps lists the VTEPs in the order of their ports.
func (l *leg) vteps() []*vtep {
	return slices.DeleteFunc(slices.Clone(l.ports), func(v *vtep) bool { return v == nil })
}

// find gives the VTEP with that address and port, or nil.
func (l *leg) find(a netip.AddrPort) *vtep {
	for _, v := range l.ports {
		if v != nil && v.remote == a {
			return v
		}
	}
	return nil
}

// rebuild makes the snapshot that o asks for out of l. VTEPs that stay keep their port, counters and
// entries; learned ones stay until the keeper forgets them.
func (l *leg) rebuild(o PlainOptions, listenPort uint16) *leg {
	wanted := o.vteps(listenPort)
	next := l.clone()
	next.options = o
	for i, v := range next.ports {
		if v == nil {
			continue
		}
		if kind, listed := wanted[v.remote]; listed && kind != v.kind || !listed && v.listed() {
			next.ports[i] = nil
		}
	}
	for _, a := range slices.SortedFunc(maps.Keys(wanted), netip.AddrPort.Compare) {
		if next.find(a) == nil {
			next.insert(a, wanted[a])
		}
	}
	next.index()
	return next
}

// vteps are the ports that the options name, with their kinds.
func (o *PlainOptions) vteps(listenPort uint16) map[netip.AddrPort]control.VTEPKind {
	wanted := make(map[netip.AddrPort]control.VTEPKind, len(o.Remotes)+1)
	for _, a := range o.Remotes {
		wanted[a] = control.VTEPRemote
	}
	if o.Group.IsValid() {
		wanted[netip.AddrPortFrom(o.Group, listenPort)] = control.VTEPGroup
	}
	return wanted
}

// insert adds a VTEP at the lowest free port.
func (l *leg) insert(a netip.AddrPort, kind control.VTEPKind) *vtep {
	port := l.free()
	for int(port) >= len(l.ports) {
		l.ports = append(l.ports, nil)
	}
	l.ports[port] = newVTEP(port, a, kind)
	return l.ports[port]
}

// index fills the map of sources. Kernels send from any port, so the address alone tells who it
// is; of two remotes with one address the first is taken, listed ones before learned ones.
func (l *leg) index() {
	l.sources = make(map[netip.Addr]*vtep, len(l.ports))
	for _, v := range l.ports {
		if v == nil || v.kind == control.VTEPGroup {
			continue
		}
		a := v.remote.Addr().WithZone("")
		if old := l.sources[a]; old == nil || !old.listed() {
			l.sources[a] = v
		}
	}
}

// withVTEP gives a snapshot with one more VTEP, learned or pinned.
func (l *leg) withVTEP(a netip.AddrPort, kind control.VTEPKind) (*leg, *vtep) {
	next := l.clone()
	v := next.insert(a, kind)
	next.index()
	return next, v
}

// clone copies what may change of the VTEPs.
func (l *leg) clone() *leg {
	return &leg{
		options: l.options, ports: slices.Clone(l.ports), peers: l.peers, members: l.members, jacks: l.jacks,
	}
}

// without gives a snapshot without the VTEPs for which gone holds, and those.
func (l *leg) without(gone func(*vtep) bool) (*leg, []*vtep) {
	next := l.clone()
	var removed []*vtep
	for i, v := range next.ports {
		if v != nil && gone(v) {
			removed = append(removed, v)
			next.ports[i] = nil
		}
	}
	next.index()
	return next, removed
}

// status is the VTEP as `status` shows it.
func (v *vtep) status() control.VTEP {
	r := v.path.Load()
	return control.VTEP{Remote: v.name, Kind: v.kind, State: r.state, Reason: r.reason, MTU: r.mtu}
}

// listed reports whether the config names the VTEP.
func (v *vtep) listed() bool {
	return v.kind == control.VTEPRemote || v.kind == control.VTEPGroup
}

// floods reports whether frames for everybody go to v. With a group they go there once, not to
// each VTEP heard from.
func (l *leg) floods(v *vtep) bool { return l.options.Flood && v.listed() }

// stale reports whether a VTEP has no reason to stay, unless an address is pinned to it: a learned
// one that is no longer admitted or has been silent for long, or one made for a pinned address.
func (l *leg) stale(v *vtep, now time.Duration) bool {
	switch v.kind {
	case control.VTEPLearned:
		idle := now-time.Duration(v.heard.Load()) > learnedVTEPIdle
		return idle || !l.options.admitsAnyone()
	case control.VTEPPinned:
		return true
	}
	return false
}
