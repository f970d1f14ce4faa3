package config

import (
	"fmt"
	"net"
	"net/netip"
	"slices"
	"time"

	"github.com/vxmesh/vxmesh/internal/suggest"
)

// The bounds of a keepalive other than "0s". Mappings of NATs live for 30 s and more (RFC 4787, 4.3
// wants 2 minutes); what is longer than an hour keeps nothing alive.
const (
	minKeepalive = time.Second
	maxKeepalive = time.Hour
)

func (d *document) checkPeers(c *Config) {
	names, keys := make(map[string]bool), make(map[Key]bool)
	for i := range c.Peers {
		p, path := &c.Peers[i], fmt.Sprintf("peers[%d]", i)
		d.checkPeerName(path+".name", p.Name, c.Network.Node)
		if p.Name != "" && names[p.Name] {
			d.report(path+".name", "", "%q is there twice", p.Name)
		}
		switch {
		case !d.has(path + ".key"):
			d.report(path+".key", "`vxmesh key show` on that node prints it", "required, and not there")
		case !d.good(path + ".key"):
		case p.Key == Key{}:
			d.report(path+".key", "`vxmesh key show` on that node prints it", "nobody has this key")
		case keys[p.Key]:
			d.report(path+".key", "", "another peer has this key")
		}
		names[p.Name] = true
		if d.good(path + ".key") {
			keys[p.Key] = true
		}
		if k := p.Keepalive; k != 0 && (k < minKeepalive || k > maxKeepalive) {
			d.report(path+".keepalive", `"0s" means none`, "%s is out of range, which is %s to %s",
				shortDuration(k), shortDuration(minKeepalive), shortDuration(maxKeepalive))
		}
		d.checkEndpoints(path+".endpoints", p.Endpoints, c)
	}
}

// checkPeerName refuses names that mean something else where a peer's name is asked for: a port of a
// segment is "device", a VTEP's address, or a peer.
func (d *document) checkPeerName(path, name, own string) {
	_, notAddress := netip.ParseAddr(name)
	switch {
	case name == "":
		d.report(path, `name = "nas", for example`, "required, and not there")
	case !isNodeName(name):
		d.report(path, "", "%q is not a host name", name)
	case name == "device":
		d.report(path, "", `"device" is this machine's own port, so no peer can have that name`)
	case notAddress == nil:
		d.report(path, "addresses belong in endpoints", "%q is an address, not a name", name)
	case name == own:
		d.report(path, "", "%q is this node itself, as network.node says", name)
	}
}

func (d *document) checkEndpoints(path string, endpoints []HostPort, c *Config) {
	for i, e := range endpoints {
		at := fmt.Sprintf("%s[%d]", path, i)
		if d.bad[at] {
			continue
		}
		if slices.Contains(endpoints[:i], e) {
			d.report(at, "", "%q is there twice", e)
		}
		host, _, err := net.SplitHostPort(string(e))
		if err != nil {
			continue
		}
		if a, err := netip.ParseAddr(host); err == nil {
			d.checkEndpointAddr(at, a, c.Segments)
		}
	}
}

// checkEndpointAddr refuses an address at which no peer can be.
func (d *document) checkEndpointAddr(path string, a netip.Addr, segments []Segment) {
	if err := checkUnicast(a); err != nil {
		d.report(path, "", "%s", err)
		return
	}
	if a.Is6() && a.IsLinkLocalUnicast() && a.Zone() == "" { // RFC 4007, 6
		d.report(path, fmt.Sprintf(`write "[%s%%eth0]:42420", for example`, a),
			"%s is a link-local address, and its interface is not said", a)
		return
	}
	inside := func(p netip.Prefix) bool { return p.Contains(a.Unmap()) }
	for i := range segments {
		if !segments[i].Device.Kind.IsSystems() {
			continue
		}
		if k := slices.IndexFunc(segments[i].Device.Addresses, inside); k >= 0 {
			d.report(path, "a peer is reached through the underlay",
				"%s would be routed into the device of VNI %d, which has %s",
				a, segments[i].VNI, segments[i].Device.Addresses[k])
			return
		}
	}
}

// checkMembers refuses names of peers that there are not.
func (d *document) checkMembers(path string, s *Segment, peers []Peer) {
	for i, name := range s.Peers.Names {
		at := fmt.Sprintf("%s.peers[%d]", path, i)
		if !hasPeer(peers, name) {
			d.reportNoPeer(at, name, peers)
		} else if slices.Contains(s.Peers.Names[:i], name) {
			d.report(at, "", "%q is there twice", name)
		}
	}
	for i, e := range s.FDB.Static {
		at := fmt.Sprintf("%s.fdb.static[%d].peer", path, i)
		switch {
		case e.Peer == "" || !isNodeName(e.Peer):
		case !hasPeer(peers, e.Peer):
			d.reportNoPeer(at, e.Peer, peers)
		case !s.Peers.Has(e.Peer):
			d.report(at, `"all" or a list that names it`,
				"%q is not in this segment, as its peers says", e.Peer)
		}
	}
}

func (d *document) reportNoPeer(path, name string, peers []Peer) {
	names := make([]string, len(peers))
	for i, p := range peers {
		names[i] = p.Name
	}
	d.reportNo(path, "peer", name, names, fmt.Sprintf("add [[peers]] with name = %q", name))
}

// reportNo reports a name that nothing of a kind has, with the one that was meant, or else a hint.
func (d *document) reportNo(path, kind, name string, names []string, hint string) {
	if near := suggest.Nearest(name, names); near != "" {
		hint = fmt.Sprintf("did you mean %q?", near)
	}
	d.report(path, hint, "there is no %s %q", kind, name)
}

func hasPeer(peers []Peer, name string) bool {
	return slices.ContainsFunc(peers, func(p Peer) bool { return p.Name == name })
}

// checkAlone refuses a segment that has neither peers nor a plain leg. Whether there may be members is
// not in the file.
func (d *document) checkAlone(path string, s *Segment, c *Config) {
	peers := c.Peers
	if s.VXLAN != nil || d.bad[path+".peers"] || d.bad[path+".vxlan"] || d.bad["peers"] {
		return
	}
	if s.Peers.Names != nil || s.Peers.All && (len(peers) > 0 || c.Security.Admit == AdmitInvited) {
		return
	}
	at, hint := path, "add [[peers]], or give it a [segments.vxlan]"
	if d.has(path + ".peers") {
		at += ".peers"
	}
	if !s.Peers.All && len(peers) > 0 {
		hint = `peers = "all", or give it a [segments.vxlan]`
	}
	d.report(at, hint, "VNI %d has nobody to talk to", s.VNI)
}
