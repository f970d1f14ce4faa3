package tundev

import (
	"net/netip"
	"strconv"
	"strings"

	"github.com/vxmesh/vxmesh/tundev/ether"
)

// systemName is what tun can be called: a number, or any.
func systemName(name string) string {
	if n, ok := strings.CutPrefix(name, "tun"); ok {
		if _, err := strconv.ParseUint(n, 10, 8); err == nil {
			return name
		}
	}
	return "tun"
}

// bringUp sets the interface up, with the link-local address that an Ethernet interface would have.
func bringUp(name string, mac ether.MAC) error {
	own := linkLocal(mac)
	if err := command("/sbin/ifconfig", name, "up"); err != nil {
		return err
	}
	_ = command("/sbin/ifconfig", name, "inet6", own.Addr().String(), "prefixlen", "64") // or there is no IPv6
	return nil
}

func setMTU(name string, mtu int) error {
	return command("/sbin/ifconfig", name, "mtu", strconv.Itoa(mtu))
}

// addAddress gives the interface an address. It is a point-to-point one, so that IPv4 needs the route to
// the network besides.
func addAddress(name string, p netip.Prefix) error {
	a := p.Addr().String()
	if p.Addr().Is6() {
		return command("/sbin/ifconfig", name, "inet6", a, "prefixlen", strconv.Itoa(p.Bits()), "alias")
	}
	if err := command("/sbin/ifconfig", name, "inet", p.String(), a, "alias"); err != nil {
		return err
	}
	return command("/sbin/route", "-q", "-n", "add", "-inet", p.Masked().String(), "-iface", a)
}

func dropAddress(name string, p netip.Prefix) error {
	if p.Addr().Is6() {
		return command("/sbin/ifconfig", name, "inet6", p.Addr().String(), "delete")
	}
	_ = command("/sbin/route", "-q", "-n", "delete", "-inet", p.Masked().String())
	return command("/sbin/ifconfig", name, "inet", p.Addr().String(), "delete")
}
