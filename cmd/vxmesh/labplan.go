package main

import (
	"github.com/vxmesh/vxmesh/config"
	"github.com/vxmesh/vxmesh/topology"
	"github.com/vxmesh/vxmesh/tunnel/simnet"
)

// natKind is what the file's word means; ok is false for a word that means none.
func natKind(n config.NAT) (k simnet.NATKind, ok bool) {
	err := k.UnmarshalText([]byte(n))
	return k, err == nil
}

// labPlan is what the file of a lab describes.
func labPlan(lab *config.Lab) topology.Plan {
	p := topology.Plan{Name: lab.Lab.Name, Seed: lab.Lab.Seed}
	for _, s := range lab.Sites {
		kind, _ := natKind(s.NAT) // the file has been checked
		p.Sites = append(p.Sites, topology.Site{
			Name: s.Name, NAT: kind, Address: s.Address, Behind: s.Behind, Hairpin: s.Hairpin,
			Unanswered: s.Unanswered, Stream: s.Stream, Line: labLine(&s.Line),
		})
	}
	for _, n := range lab.Nodes {
		node := topology.Node{Name: n.Name, Site: n.Site, Addresses: n.Addresses, Relay: n.Relay, STUN: n.STUN}
		for _, d := range n.Devices {
			node.Devices = append(node.Devices, topology.Device{VNI: d.VNI, MTU: int(d.MTU), Addresses: d.Addresses})
		}
		p.Nodes = append(p.Nodes, node)
	}
	for _, l := range lab.Links {
		p.Links = append(p.Links, topology.Link{Between: [2]string(l.Between), Line: labLine(&l.Line)})
	}
	return p
}

func labLine(l *config.LabLine) simnet.Conditions {
	return simnet.Conditions{
		Loss: float64(l.Loss), Duplicate: float64(l.Duplicate), Corrupt: float64(l.Corrupt),
		Delay: l.Delay, Jitter: l.Jitter, Rate: uint64(l.Rate), MTU: l.MTU, Down: l.Down,
	}
}
