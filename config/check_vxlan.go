package config

import (
	"fmt"
	"net/netip"
	"slices"
)

// checkVXLAN checks a segment's plain leg, whose table is at path.
func (d *document) checkVXLAN(path string, c *Config, s *Segment) {
	v := s.VXLAN
	if len(c.Listen.VXLAN) == 0 {
		d.report(path, `listen.vxlan = [":4789"] is usual`, "a plain leg needs listen.vxlan")
	}
	d.checkCompany(path, s)
	d.checkGroup(path, v)
	d.checkUnderlay(path, c, v)
	if v.Local.IsValid() {
		if err := checkUnicast(v.Local); err != nil {
			d.report(path+".local", "", "%s", err)
			return
		}
		d.checkZone(path+".local", v.Local, v)
	}
	seen := make(map[VTEP]bool)
	for i, r := range v.Remotes {
		p := fmt.Sprintf("%s.remotes[%d]", path, i)
		d.checkRemote(p, r, c, s)
		if seen[r] {
			d.report(p, "", "%s is there twice", r)
		}
		seen[r] = true
	}
	for i, e := range s.FDB.Static {
		p := fmt.Sprintf("%s.fdb.static[%d].vtep", parent(path), i)
		d.checkRemote(p, e.VTEP, c, s)
	}
}

// checkRemote checks one VTEP that datagrams will be sent to.
func (d *document) checkRemote(path string, r VTEP, c *Config, s *Segment) {
	if !r.IsValid() {
		return
	}
	a, local := r.Addr(), s.VXLAN.Local
	switch {
	case a == local:
		d.report(path, "", "%s is this node itself, as local says", a)
		return
	case local.IsValid() && local.Is4() != a.Is4():
		d.report(path, "", "%s cannot be reached from local = %q, which is %s", a, local, family(local))
		return
	}
	inside := func(p netip.Prefix) bool { return p.Contains(a) }
	if i := slices.IndexFunc(s.Device.Addresses, inside); i >= 0 && s.Device.Kind.IsSystems() {
		d.report(path, "a VTEP is reached through the underlay",
			"%s would be routed into its own device, which has %s", a, s.Device.Addresses[i])
		return
	}
	d.checkZone(path, a, s.VXLAN)
	d.checkReachable(path, a, c.Listen.VXLAN)
}

// checkCompany refuses a plain leg that could neither send nor receive a frame: what comes from
// an address that is not listed is dropped.
func (d *document) checkCompany(path string, s *Segment) {
	v := s.VXLAN
	static := func(e Static) bool { return e.VTEP.IsValid() }
	if len(v.Remotes) > 0 || v.Group.IsValid() || v.LearnNewVTEPs ||
		slices.ContainsFunc(s.FDB.Static, static) {
		return
	}
	for _, key := range []string{
		".vxlan.remotes", ".vxlan.group", ".vxlan.learn_new_vteps", ".fdb.static",
	} {
		if d.bad[parent(path)+key] {
			return // it may have been meant to name somebody
		}
	}
	d.report(path, `list the other ends: remotes = ["192.0.2.7"]`,
		"the plain leg of VNI %d has nobody to talk to", s.VNI)
}

// checkZone refuses a link-local address of which nobody knows the link (RFC 4007, 6).
func (d *document) checkZone(path string, a netip.Addr, v *VXLAN) {
	if a.Is6() && a.IsLinkLocalUnicast() && a.Zone() == "" && v.Interface == "" {
		d.report(path, fmt.Sprintf(`write "%s%%eth0", for example`, a),
			"%s is a link-local address, and its interface is not said", a)
	}
}

func (d *document) checkGroup(path string, v *VXLAN) {
	switch {
	case !v.Group.IsValid():
	case !v.Group.IsMulticast():
		d.report(path+".group", "one machine's address belongs in remotes",
			"%s is not a multicast address", v.Group)
	case v.Interface == "":
		d.report(path+".group", `add interface = "eth0", for example`,
			"a group needs the interface on which to join it")
	case v.Local.IsValid() && v.Local.Is4() != v.Group.Is4():
		d.report(path+".group", "", "%s cannot be reached from local = %q, which is %s",
			v.Group, v.Local, family(v.Local))
	}
}

// checkUnderlay refuses an interface that is itself a segment's device: a tunnel inside itself.
func (d *document) checkUnderlay(path string, c *Config, v *VXLAN) {
	if v.Interface == "" {
		return
	}
	if !isInterfaceName(v.Interface) {
		d.report(path+".interface", "", "%q is not an interface name", v.Interface)
		return
	}
	own := func(s Segment) bool { return s.Device.Kind.IsSystems() && s.Device.Name == v.Interface }
	if slices.ContainsFunc(c.Segments, own) {
		d.report(path+".interface", "name the interface of the underlay",
			"%q is a segment's own device", v.Interface)
	}
}

// checkReachable refuses an address of a family that no socket has.
func (d *document) checkReachable(path string, a netip.Addr, socks []ListenAddr) {
	serves := func(l ListenAddr) bool { return !l.Addr.IsValid() || l.Addr.Is4() == a.Is4() }
	if len(socks) > 0 && !slices.ContainsFunc(socks, serves) {
		d.report(path, "", "%s is %s, and listen.vxlan has no such address", a, family(a))
	}
}

func family(a netip.Addr) string {
	if a.Is4() {
		return "IPv4"
	}
	return "IPv6"
}
