package tundev

import (
	"net/netip"
	"strconv"
	"strings"

	"github.com/vxmesh/vxmesh/tundev/ether"
)

// systemName is what utun can be called: a number, or any.
func systemName(name string) string {
	if n, ok := strings.CutPrefix(name, "utun"); ok {
		if _, err := strconv.ParseUint(n, 10, 16); err == nil {
			return name
		}
	}
	return "utun"
}

// bringUp sets the interface up; the system gives it a link-local address with the first one of IPv6.
func bringUp(name string, _ ether.MAC) error { return command("/sbin/ifconfig", name, "up") }

func setMTU(name string, mtu int) error {
	return command("/sbin/ifconfig", name, "mtu", strconv.Itoa(mtu))
}

// addAddress gives the interface an address. It is a point-to-point one, so that IPv4 needs the route to
// the network besides.
func addAddress(name string, p netip.Prefix) error {
	if p.Addr().Is6() {
		return command("/sbin/ifconfig", name, "inet6", p.String(), "alias")
	}
	if err := command("/sbin/ifconfig", name, "inet", p.String(), p.Addr().String(), "alias"); err != nil {
		return err
	}
	return command("/sbin/route", "-q", "-n", "add", "-inet", p.Masked().String(), "-interface", name)
}

func dropAddress(name string, p netip.Prefix) error {
	if p.Addr().Is6() {
		return command("/sbin/ifconfig", name, "inet6", p.Addr().String(), "-alias")
	}
	_ = command("/sbin/route", "-q", "-n", "delete", "-inet", p.Masked().String(), "-interface", name)
	return command("/sbin/ifconfig", name, "inet", p.Addr().String(), "-alias")
}
