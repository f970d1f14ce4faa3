package tundev

import (
	"errors"
	"net/netip"
)

// tunName is what utun can be called: a number, or any.
func tunName(name string) string { return driverName("utun", name) }

func (host) rename(string, string) error { return errors.New("macOS renames no interfaces") }

// addLinkLocal has nothing to do: the system gives a TUN such an address with the first one of
// IPv6.
func addLinkLocal(string, netip.Prefix) error { return nil }

// addAddress gives the interface an address. On a TUN it is a point-to-point one, so that IPv4
// needs the route to the network besides.
func (host) addAddress(name string, kind Kind, p netip.Prefix) error {
	if kind == TAP || p.Addr().Is6() {
		return ifconfig(name, family(p), p.String(), "alias")
	}
	if err := ifconfig(name, "inet", p.String(), p.Addr().String(), "alias"); err != nil {
		return err
	}
	return command("/sbin/route", "-q", "-n", "add", "-inet", p.Masked().String(), "-interface", name)
}

func (host) dropAddress(name string, kind Kind, p netip.Prefix) error {
	if kind == TUN && p.Addr().Is4() {
		_ = command("/sbin/route", "-q", "-n", "delete", "-inet", p.Masked().String(), "-interface", name)
	}
	return ifconfig(name, family(p), p.Addr().String(), "-alias")
}
