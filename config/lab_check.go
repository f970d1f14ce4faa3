package config

import (
	"fmt"
	"net/netip"
	"slices"
	"time"
)

// The bounds of a lab: what a machine carries, and what makes sense to wait for.
const (
	maxLabNodes = 64
	maxLabSites = 64
	maxLabDelay = 10 * time.Second
	minLabMTU   = 576 // of a line; what every host takes whole (RFC 791, 3.1)
	maxLabMTU   = 65535
)

// checkLab reports every value that its own type accepts but that makes no sense where it stands.
func (d *document) checkLab(l *Lab) {
	if !networkName.MatchString(l.Lab.Name) {
		d.report("lab.name", "", "%q is not 1 to 32 of a-z, 0-9 and -", l.Lab.Name)
	}
	if len(l.Nodes) == 0 && !d.bad["nodes"] {
		d.report("", "vxmesh lab example prints a file", "there are no [[nodes]]")
	}
	if len(l.Nodes) > maxLabNodes {
		d.report("nodes", "", "%d are too many: %d at most", len(l.Nodes), maxLabNodes)
	}
	if len(l.Sites) > maxLabSites {
		d.report("sites", "", "%d are too many: %d at most", len(l.Sites), maxLabSites)
	}
	names := make(map[string]bool)
	for i := range l.Sites {
		d.checkLabSite(fmt.Sprintf("sites[%d]", i), l, &l.Sites[i], names)
	}
	for i := range l.Nodes {
		d.checkLabNode(fmt.Sprintf("nodes[%d]", i), l, &l.Nodes[i], names)
	}
	for i := range l.Links {
		d.checkLabLink(fmt.Sprintf("links[%d]", i), l, i)
	}
	d.checkLabAddresses(l)
	d.checkLabDevices(l)
}

// checkLabName wants a name that no other site or node has.
func (d *document) checkLabName(path, name string, seen map[string]bool) {
	switch {
	case name == "":
		d.report(path, `name = "home", for example`, "required, and not there")
	case !isNodeName(name):
		d.report(path, "", "%q is not a host name", name)
	case name == "device": // means a port of a segment
		d.report(path, "", `"device" is every node's own port, so nobody can have that name`)
	case seen[name]:
		d.report(path, "", "%q is there twice", name)
	}
	seen[name] = true
}

func (d *document) checkLabSite(path string, l *Lab, s *LabSite, names map[string]bool) {
	d.checkLabName(path+".name", s.Name, names)
	if s.Behind != "" {
		d.checkLabRef(path+".behind", s.Behind, l)
		if s.loops(l) {
			d.report(path+".behind", "", "%q is behind itself", s.Name)
		}
	}
	switch a := s.Address; {
	case !a.IsValid() && !s.NAT.routes() && s.NAT != NATBlocked:
		d.report(path+".address", `address = "198.51.100.1", for example`, "a NAT needs an address outside")
	case a.IsValid() && !a.Is4():
		d.report(path+".address", "IPv6 is never translated here, so no router needs an address for it",
			"%s is not an IPv4 address", a)
	case a.IsValid():
		d.checkLabAddr(path+".address", a)
	}
	for key, v := range map[string]time.Duration{"unanswered": s.Unanswered, "stream": s.Stream} {
		if v < time.Second {
			d.report(path+"."+key, "", "%s is shorter than a second", shortDuration(v))
		}
	}
	d.checkLabLine(path+".line", &s.Line)
}

// loops reports whether the site is behind itself.
func (s *LabSite) loops(l *Lab) bool {
	at := s
	for range l.Sites {
		if at = l.site(at.Behind); at == nil {
			return false
		}
		if at == s {
			return true
		}
	}
	return false
}

func (l *Lab) site(name string) *LabSite {
	if i := slices.IndexFunc(l.Sites, func(s LabSite) bool { return s.Name == name }); i >= 0 && name != "" {
		return &l.Sites[i]
	}
	return nil
}

// checkLabRef wants the name of a site.
func (d *document) checkLabRef(path, name string, l *Lab) {
	if l.site(name) != nil {
		return
	}
	var names []string
	for _, s := range l.Sites {
		names = append(names, s.Name)
	}
	d.reportNo(path, "site", name, names, "")
}

// checkLabAddr refuses what is not the address of one machine on an internet.
func (d *document) checkLabAddr(path string, a netip.Addr) {
	switch {
	case checkUnicast(a) != nil:
		d.report(path, "", "%s", checkUnicast(a))
	case a.IsLoopback() || a.IsLinkLocalUnicast() || a.Zone() != "":
		d.report(path, "", "%s reaches no other network", a)
	}
}

func (d *document) checkLabLine(path string, line *LabLine) {
	for key, v := range map[string]time.Duration{"delay": line.Delay, "jitter": line.Jitter} {
		if v > maxLabDelay {
			d.report(path+"."+key, "", "%s is more than %s", shortDuration(v), shortDuration(maxLabDelay))
		}
	}
	if line.MTU != 0 && (line.MTU < minLabMTU || line.MTU > maxLabMTU) {
		d.report(path+".mtu", "", "%d is out of range, which is %d to %d", line.MTU, minLabMTU, maxLabMTU)
	}
}

func (d *document) checkLabNode(path string, l *Lab, n *LabNode, names map[string]bool) {
	d.checkLabName(path+".name", n.Name, names)
	if n.Site != "" {
		d.checkLabRef(path+".site", n.Site, l)
	}
	if len(n.Addresses) == 0 {
		d.report(path+".addresses", `addresses = ["192.168.1.10"], for example`, "a machine needs an address")
	}
	for i, a := range n.Addresses {
		at := fmt.Sprintf("%s.addresses[%d]", path, i)
		if !a.IsValid() {
			d.report(at, "", "an address is needed")
			continue
		}
		d.checkLabAddr(at, a)
	}
}

func (d *document) checkLabLink(path string, l *Lab, i int) {
	link := &l.Links[i]
	d.checkLabLine(path+".line", &link.Line)
	if len(link.Between) != 2 || link.Between[0] == link.Between[1] {
		d.report(path+".between", `between = ["a", "b"]`, "a link is between two nodes")
		return
	}
	var names []string
	for _, n := range l.Nodes {
		names = append(names, n.Name)
	}
	for k, name := range link.Between {
		if !slices.Contains(names, name) {
			d.reportNo(fmt.Sprintf("%s.between[%d]", path, k), "node", name, names, "")
		}
	}
	for _, other := range l.Links[:i] {
		if len(other.Between) == 2 && slices.Contains(link.Between, other.Between[0]) &&
			slices.Contains(link.Between, other.Between[1]) {
			d.report(path+".between", "", "there is a link between %s and %s already", link.Between[0], link.Between[1])
		}
	}
}
