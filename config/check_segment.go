package config

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"
	"unicode"
)

// maxVNI is the largest of the 24-bit VXLAN network identifiers (RFC 7348, 5).
const maxVNI = 1<<24 - 1

// maxEntries bounds a forwarding table to what a machine can hold.
const maxEntries = 1 << 24

func (d *document) checkSegments(c *Config) {
	if len(c.Segments) == 0 && !d.bad["segments"] {
		d.report("", "add [[segments]] with a vni", "there is no segment")
	}
	vnis, names := make(map[uint32]bool), make(map[string]bool)
	for i := range c.Segments {
		s, path := &c.Segments[i], fmt.Sprintf("segments[%d]", i)
		switch {
		case !d.has(path + ".vni"):
			d.report(path+".vni", "add vni = 4242, for example", "required, and not there")
		case s.VNI < 1 || s.VNI > maxVNI:
			d.report(path+".vni", "", "%d is out of range, which is 1 to %d", s.VNI, maxVNI)
		case vnis[s.VNI]:
			d.report(path+".vni", "", "%d is there twice", s.VNI)
		}
		if names[s.Device.Name] {
			d.report(path+".device.name", "", "%q is there twice", s.Device.Name)
		}
		vnis[s.VNI], names[s.Device.Name] = true, true
		d.checkDevice(path+".device", &s.Device)
		d.checkUserspace(path+".userspace", s)
		d.checkFDB(path+".fdb", &s.FDB, s.VXLAN != nil)
		if len(c.Peers) > 0 || c.Security.Admit == AdmitListed {
			d.checkMembers(path, s, c.Peers) // else the names are those of members, who come and go
		}
		d.checkAlone(path, s, c)
		if s.VXLAN != nil {
			d.checkVXLAN(path+".vxlan", c, s)
		}
	}
	d.checkLocals(c)
}

func (d *document) checkDevice(path string, dev *Device) {
	switch {
	case !isInterfaceName(dev.Name):
		d.report(path+".name", "", "%q is not an interface name of 1 to 15 bytes", dev.Name)
	case dev.Name == "all" || dev.Name == "default": // directories of net.ipv4.conf
		d.report(path+".name", "", "%q means something else to sysctl, so no interface can have it",
			dev.Name)
	}
	switch {
	case dev.Bridge == "":
	case !isInterfaceName(dev.Bridge):
		d.report(path+".bridge", "", "%q is not an interface name", dev.Bridge)
	case dev.Bridge == dev.Name:
		d.report(path+".bridge", "", "the device cannot join itself")
	case dev.Kind != KindTAP:
		d.report(path+".bridge", `a bridge needs kind = "tap"`,
			"a device of kind %q cannot join a bridge", dev.Kind)
	}
	if dev.Kind == KindNone && len(dev.Addresses) > 0 {
		d.report(path+".addresses", "", `kind "none" has no device to give them to`)
	}
	if (dev.Kind == KindTUN || dev.Kind == KindUserspace) && len(dev.Addresses) == 0 {
		d.report(path+".kind", `add addresses = ["10.42.0.11/24"], for example, or ["auto"]`,
			`a device of kind %q is a host, and this one has no addresses`, dev.Kind)
	}
	for i, p := range dev.Addresses {
		if why, hint := refuseAddress(p, dev.MTU); why != "" {
			d.report(fmt.Sprintf("%s.addresses[%d]", path, i), hint, "%s", why)
		} else if slices.Contains(dev.Addresses[:i], p) {
			d.report(fmt.Sprintf("%s.addresses[%d]", path, i), "", "%s is there twice", p)
		}
	}
}

// refuseAddress says why a device cannot have the address p; "" when it can.
func refuseAddress(p netip.Prefix, mtu MTU) (why, hint string) {
	a := p.Addr()
	switch {
	case !p.IsValid(): // "auto"
	case a.IsMulticast() || a.IsUnspecified():
		return fmt.Sprintf("%s is not the address of one machine", a), ""
	case a.Is4In6():
		return fmt.Sprintf("%s is an IPv4 address in IPv6 clothes", a),
			fmt.Sprintf("write it like %q", exampleFor(a.Unmap()))
	case a.IsLoopback():
		return fmt.Sprintf("%s is a loopback address, which stays on its machine", a), ""
	case a.Is4() && p.Bits() < 31 && a == broadcast(p):
		return fmt.Sprintf("%s is the broadcast address of %s", a, p.Masked()), ""
	case a.Is4() && p.Bits() < 31 && a == p.Masked().Addr():
		return fmt.Sprintf("%s is the network itself", p),
			fmt.Sprintf("write \"%s/%d\" for its first address", a.Next(), p.Bits())
	case a.Is6() && mtu > 0 && mtu < 1280: // RFC 8200, 5
		return fmt.Sprintf("IPv6 needs an MTU of 1280, this device has %d", mtu), ""
	}
	return "", ""
}

// broadcast is the last address of an IPv4 network.
func broadcast(p netip.Prefix) netip.Addr {
	a := p.Addr().As4()
	host := ^uint32(0) >> p.Bits()
	binary.BigEndian.PutUint32(a[:], binary.BigEndian.Uint32(a[:])|host)
	return netip.AddrFrom4(a)
}

// isInterfaceName accepts what every system's kernel does: no white space, / or :, and no % because
// Linux would number the device by it.
func isInterfaceName(s string) bool {
	refused := func(r rune) bool { return strings.ContainsRune("/:%", r) || unicode.IsSpace(r) }
	return len(s) >= 1 && len(s) <= 15 && s != "." && s != ".." && !strings.ContainsFunc(s, refused)
}

func (d *document) checkFDB(path string, f *FDB, plain bool) {
	if f.Ageing > 0 && f.Ageing < time.Second {
		d.report(path+".ageing", `"0s" means never`, "%s is shorter than a second", f.Ageing)
	}
	if f.MaxEntries < 1 || f.MaxEntries > maxEntries {
		d.report(path+".max_entries", "",
			"%d is out of range, which is 1 to %d", f.MaxEntries, maxEntries)
		return
	}
	switch {
	case !d.has(path + ".max_per_port"):
		f.MaxPerPort = min(f.MaxPerPort, f.MaxEntries)
	case f.MaxPerPort < 1:
		d.report(path+".max_per_port", "", "%d is less than 1", f.MaxPerPort)
	case f.MaxPerPort > f.MaxEntries && !d.bad[path+".max_entries"]:
		d.report(path+".max_per_port", "",
			"%d is more than max_entries, which is %d", f.MaxPerPort, f.MaxEntries)
	}
	d.checkStatic(path+".static", f.Static, plain)
}

func (d *document) checkStatic(path string, entries []Static, plain bool) {
	type station struct {
		mac  MAC
		vlan uint16
	}
	seen := make(map[station]bool)
	for i, e := range entries {
		p := fmt.Sprintf("%s[%d]", path, i)
		if e.MAC == (MAC{}) {
			d.report(p+".mac", "", "an entry needs the mac that it pins")
			continue
		}
		if e.VLAN > 4094 { // IEEE 802.1Q, 9.6: 4095 is reserved
			d.report(p+".vlan", "", "%d is out of range, which is 0 to 4094", e.VLAN)
		}
		hasPeer, hasVTEP := d.has(p+".peer"), d.has(p+".vtep")
		switch {
		case d.bad[p+".peer"] || d.bad[p+".vtep"]:
		case hasPeer == hasVTEP:
			d.report(p, "", "%s needs exactly one of peer and vtep", e.MAC)
		case hasPeer && !isNodeName(e.Peer):
			d.report(p+".peer", "", "%q is not the name of a node", e.Peer)
		case hasVTEP && !e.VTEP.IsValid():
			d.report(p+".vtep", "", "an address is needed")
		case hasVTEP && !plain:
			d.report(p+".vtep", "add [segments.vxlan]", "the segment has no plain leg")
		}
		if k := (station{e.MAC, e.VLAN}); seen[k] {
			d.report(p, "", "%s in VLAN %d is there twice", e.MAC, e.VLAN)
		} else {
			seen[k] = true
		}
	}
}
