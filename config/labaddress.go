package config

import (
	"fmt"
	"net/netip"
	"slices"
)

// A place is where an address can be reached: in the LAN of a site, or on the internet itself, "".
type place struct {
	lan  string
	addr netip.Addr
}

// checkLabAddresses refuses addresses of which another could not be told apart: in one LAN, and further
// out as far as routers leave them as they are.
func (d *document) checkLabAddresses(l *Lab) {
	owners := make(map[place]string)
	for i := range l.Sites {
		s := &l.Sites[i]
		d.claim(fmt.Sprintf("sites[%d].address", i), l, owners, s.Name, place{s.Behind, s.Address})
	}
	for i := range l.Nodes {
		n := &l.Nodes[i]
		for k, a := range n.Addresses {
			d.claim(fmt.Sprintf("nodes[%d].addresses[%d]", i, k), l, owners, n.Name, place{n.Site, a})
		}
	}
}

// claim makes somebody the owner of an address, wherever it can be reached.
func (d *document) claim(path string, l *Lab, owners map[place]string, owner string, at place) {
	if !at.addr.IsValid() || d.bad[path] {
		return
	}
	for range len(l.Sites) + 1 { // sites may be behind themselves
		if other := owners[at]; other != "" {
			d.report(path, "", "%s is an address of %s already", at.addr, other)
			return
		}
		owners[at] = owner
		s := l.site(at.lan)
		if s == nil || at.addr.Is4() && !s.NAT.routes() {
			return
		}
		at.lan = s.Behind
	}
}

// checkLabDevices checks the hosts in segments, each of which has addresses that no other there has.
func (d *document) checkLabDevices(l *Lab) {
	owners := make(map[uint32]map[netip.Addr]string)
	for i := range l.Nodes {
		n := &l.Nodes[i]
		var vnis []uint32
		for k := range n.Devices {
			path, dev := fmt.Sprintf("nodes[%d].devices[%d]", i, k), &n.Devices[k]
			switch {
			case !d.has(path + ".vni"):
				d.report(path+".vni", "add vni = 77, for example", "required, and not there")
			case dev.VNI < 1 || dev.VNI > maxVNI:
				d.report(path+".vni", "", "%d is out of range, which is 1 to %d", dev.VNI, maxVNI)
			case slices.Contains(vnis, dev.VNI):
				d.report(path+".vni", "", "%s has a device in %d already", n.Name, dev.VNI)
			}
			vnis = append(vnis, dev.VNI)
			if owners[dev.VNI] == nil {
				owners[dev.VNI] = make(map[netip.Addr]string)
			}
			d.checkLabDevice(path+".addresses", n.Name, dev, owners[dev.VNI])
		}
	}
}

func (d *document) checkLabDevice(path, node string, dev *LabDevice, owners map[netip.Addr]string) {
	if len(dev.Addresses) == 0 {
		d.report(path, `addresses = ["10.77.0.1/24"], for example`, "a host needs an address")
	}
	for i, p := range dev.Addresses {
		at := fmt.Sprintf("%s[%d]", path, i)
		why, hint := refuseAddress(p, dev.MTU)
		switch {
		case d.bad[at]:
		case !p.IsValid():
			d.report(at, "", "a lab gives out no addresses: write one")
		case why != "":
			d.report(at, hint, "%s", why)
		case owners[p.Addr()] != "":
			d.report(at, "", "%s is an address of %s already", p.Addr(), owners[p.Addr()])
		default:
			owners[p.Addr()] = node
		}
	}
}
