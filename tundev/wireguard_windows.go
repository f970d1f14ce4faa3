package tundev

import (
	"fmt"
	"net/netip"

	wgtun "golang.zx2c4.com/wireguard/tun"

	"github.com/vxmesh/vxmesh/tundev/ether"
)

// Adapters are shown under this name, and not under the package's own.
func init() { wgtun.WintunTunnelType = "vxmesh" }

// systemName is what Wintun can be called: anything.
func systemName(name string) string { return name }

// bringUp has nothing to do: the interface is up, and has a link-local address, from the beginning.
func bringUp(string, ether.MAC) error { return nil }

func setMTU(name string, mtu int) error {
	for _, family := range []string{"ipv4", "ipv6"} {
		err := command("netsh", "interface", family, "set", "subinterface", name, fmt.Sprintf("mtu=%d", mtu),
			"store=active")
		if err != nil && family == "ipv4" { // a host may be without IPv6
			return err
		}
	}
	return nil
}

// addAddress gives the interface an address. The system's own duplicate address detection has nobody to
// ask there, and so is left out.
func addAddress(name string, p netip.Prefix) error {
	return command("netsh", "interface", family(p), "add", "address", name, p.String(), "store=active")
}

func dropAddress(name string, p netip.Prefix) error {
	return command("netsh", "interface", family(p), "delete", "address", name, p.Addr().String(), "store=active")
}

func family(p netip.Prefix) string {
	if p.Addr().Is6() {
		return "ipv6"
	}
	return "ipv4"
}
