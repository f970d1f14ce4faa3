package topology

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/vxmesh/vxmesh/tundev"
	"github.com/vxmesh/vxmesh/tundev/ether"
	"github.com/vxmesh/vxmesh/tunnel"
	"github.com/vxmesh/vxmesh/tunnel/bridge"
	"github.com/vxmesh/vxmesh/tunnel/session"
	"github.com/vxmesh/vxmesh/tunnel/vxlan"
)

// Port is where every node's mesh socket listens.
const Port = 42420

const (
	keepalive  = 25 * time.Second
	ageing     = 5 * time.Minute
	maxEntries = 4096
	outerTTL   = 64
)

// seed is 32 bytes that only this node of this plan has.
func (p *Plan) seed(n *Node, what string) [32]byte {
	b := binary.BigEndian.AppendUint64([]byte("vxmesh simulated "+what+" "), p.Seed)
	return sha256.Sum256(append(b, n.Name...))
}

func (p *Plan) key(n *Node) session.PrivateKey { return p.seed(n, "key") }

// engineOptions are what a node of the plan is made of, as if its config said so.
func (w *World) engineOptions(h *Host) tunnel.Options {
	p, n := &w.plan, h.plan
	id := p.key(n).Public()
	seed := p.seed(n, "device")
	o := tunnel.Options{
		Network: p.Name, Name: n.Name, Seed: seed[:],
		Relay:     tunnel.RelayOptions{Serve: n.Relay, Use: true},
		Mesh:      tunnel.MeshOptions{Key: p.key(n), ID: sha256.Sum256(id[:]), Epoch: 1, Local: h.local},
		ListenUDP: h.listen, Lookup: lookup, Now: w.now, OpenDevice: h.open,
		Log: h.log, Events: &h.events,
	}
	for _, a := range n.Addresses {
		any := netip.IPv4Unspecified()
		if a.Is6() {
			any = netip.IPv6Unspecified()
		}
		if at := netip.AddrPortFrom(any, Port); !slices.Contains(o.Mesh.Listen, at) {
			o.Mesh.Listen = append(o.Mesh.Listen, at)
		}
	}
	for i := range p.Nodes {
		other := &p.Nodes[i]
		if other == n {
			continue
		}
		o.Mesh.Peers = append(o.Mesh.Peers, p.peer(n, other))
		if other.STUN {
			o.Mesh.STUN = append(o.Mesh.STUN, endpoints(other)...)
		}
	}
	for i, d := range n.Devices {
		o.Segments = append(o.Segments, p.segment(n, i, d))
	}
	if n.Plain != nil {
		o.Listen = []netip.AddrPort{n.Plain.Listen}
		o.Segments = append(o.Segments, p.plainSegment(n))
	}
	return o
}

// peer is how n has other in its config: with its address where that is of use. Whoever is behind a NAT
// calls those who are not.
func (p *Plan) peer(n, other *Node) tunnel.PeerOptions {
	o := tunnel.PeerOptions{
		Name: other.Name, Key: p.key(other).Public(), Keepalive: keepalive, Relay: other.Relay,
	}
	switch {
	case p.reachable(other):
		o.Endpoints = endpoints(other)
	case p.reachable(n):
		o.Keepalive = 0
	}
	return o
}

func endpoints(n *Node) (all []string) {
	for _, a := range n.Addresses {
		all = append(all, netip.AddrPortFrom(a, Port).String())
	}
	return all
}

// segment is the i-th device of a node with everybody in its segment.
func (p *Plan) segment(n *Node, i int, d Device) tunnel.SegmentOptions {
	return tunnel.SegmentOptions{
		VNI: d.VNI,
		Device: tunnel.DeviceOptions{
			Kind: tundev.Userspace, Name: fmt.Sprintf("user%d", i), MTU: d.MTU, Addresses: d.Addresses,
			MAC: p.mac(n, i),
		},
		FDB: fdb, Peers: p.neighbours(n, d.VNI),
	}
}

// fdb is how every segment learns.
var fdb = bridge.Options{Learn: true, Ageing: ageing, MaxEntries: maxEntries, MaxPerPort: maxEntries}

// plainSegment is a segment between peers and an endpoint of plain VXLAN.
func (p *Plan) plainSegment(n *Node) tunnel.SegmentOptions {
	return tunnel.SegmentOptions{
		VNI: n.Plain.VNI, Device: tunnel.DeviceOptions{None: true, Name: "none0", MAC: p.mac(n, len(n.Devices))},
		FDB: fdb, Peers: p.neighbours(n, n.Plain.VNI),
		Plain: tunnel.PlainOptions{
			Remotes: []netip.AddrPort{n.Plain.Remote}, Outer: vxlan.Outer{TTL: outerTTL}, Flood: true,
		},
	}
}

// neighbours are the others in a segment.
func (p *Plan) neighbours(n *Node, vni uint32) (names []string) {
	for k := range p.Nodes {
		if other := &p.Nodes[k]; other != n && other.in(vni) {
			names = append(names, other.Name)
		}
	}
	return names
}

// mac is short, so that people can tell hosts apart: 02:00:00:00:SEGMENT:NODE.
func (p *Plan) mac(n *Node, segment int) ether.MAC {
	for k := range p.Nodes {
		if &p.Nodes[k] == n {
			return ether.MAC{2, 0, 0, byte((k + 1) >> 8), byte(segment), byte(k + 1)}
		}
	}
	return ether.MAC{}
}

func (n *Node) in(vni uint32) bool {
	for _, d := range n.Devices {
		if d.VNI == vni {
			return true
		}
	}
	return n.Plain != nil && n.Plain.VNI == vni
}

// local gives the host's addresses with their networks, as the machine would.
func (h *Host) local() (all []netip.Prefix) {
	for _, a := range h.net.Addrs() {
		bits := 24
		if a.Is6() {
			bits = 64
		}
		all = append(all, netip.PrefixFrom(a, bits))
	}
	return all
}

// lookup takes endpoints as they are: there are no names on this internet.
func lookup(_ context.Context, endpoints []string) (all []netip.AddrPort, err error) {
	for _, e := range endpoints {
		a, err := netip.ParseAddrPort(e)
		if err != nil {
			return nil, fmt.Errorf("look up %s: there are no names here", e)
		}
		all = append(all, a)
	}
	return all, nil
}
