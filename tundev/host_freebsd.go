package tundev

import "net/netip"

// tunName is what tun can be called: anything.
func tunName(name string) string { return name }

// addLinkLocal gives a TUN its link-local address: WireGuard's package keeps the system from
// choosing one. A host may be without IPv6.
func addLinkLocal(name string, own netip.Prefix) error {
	_ = ifconfig(name, "inet6", own.String(), "alias")
	return nil
}

func (host) addAddress(name string, _ Kind, p netip.Prefix) error {
	return ifconfig(name, family(p), p.String(), "alias")
}

func (host) dropAddress(name string, _ Kind, p netip.Prefix) error {
	return ifconfig(name, family(p), p.Addr().String(), "-alias")
}
