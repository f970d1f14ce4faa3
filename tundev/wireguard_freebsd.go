package tundev

import (
	"net/netip"
	"strconv"

	"github.com/vxmesh/vxmesh/tundev/ether"
)

// systemName is what tun can be called: anything.
func systemName(name string) string { return name }

// bringUp sets the interface up, with the link-local address that an Ethernet interface would have: WireGuard's
// package keeps the system from choosing one.
func bringUp(name string, mac ether.MAC) error {
	if err := command("/sbin/ifconfig", name, "up"); err != nil {
		return err
	}
	own := linkLocal(mac)
	_ = command("/sbin/ifconfig", name, "inet6", own.String(), "alias") // or there is no IPv6
	return nil
}

func setMTU(name string, mtu int) error {
	return command("/sbin/ifconfig", name, "mtu", strconv.Itoa(mtu))
}

// addAddress gives the interface an address, and with it the route to its network.
func addAddress(name string, p netip.Prefix) error {
	return command("/sbin/ifconfig", name, family(p), p.String(), "alias")
}

func dropAddress(name string, p netip.Prefix) error {
	return command("/sbin/ifconfig", name, family(p), p.Addr().String(), "-alias")
}

func family(p netip.Prefix) string {
	if p.Addr().Is6() {
		return "inet6"
	}
	return "inet"
}
