package tundev

import (
	"errors"
	"net/netip"
	"strconv"
	"unsafe"

	"golang.org/x/sys/unix"
)

// tunName is what tun can be called: a number, or any.
func tunName(name string) string { return driverName("tun", name) }

func (host) rename(string, string) error { return errors.New("OpenBSD renames no interfaces") }

// addLinkLocal gives a TUN the link-local address that an Ethernet interface would have. A host
// may be without IPv6.
func addLinkLocal(name string, own netip.Prefix) error {
	_ = ifconfig(name, "inet6", own.Addr().String(), "prefixlen", strconv.Itoa(own.Bits()))
	return nil
}

// addAddress gives the interface an address. On a TUN it is a point-to-point one, so that IPv4
// needs the route to the network besides.
func (host) addAddress(name string, kind Kind, p netip.Prefix) error {
	a := p.Addr().String()
	if kind == TAP || p.Addr().Is6() {
		return ifconfig(name, family(p), a, "prefixlen", strconv.Itoa(p.Bits()), "alias")
	}
	if err := ifconfig(name, "inet", p.String(), a, "alias"); err != nil {
		return err
	}
	return command("/sbin/route", "-q", "-n", "add", "-inet", p.Masked().String(), "-iface", a)
}

func (host) dropAddress(name string, kind Kind, p netip.Prefix) error {
	if kind == TUN && p.Addr().Is4() {
		_ = command("/sbin/route", "-q", "-n", "delete", "-inet", p.Masked().String())
	}
	return ifconfig(name, family(p), p.Addr().String(), "delete")
}

// port asks bridge(4) or veb(4) for something about a port.
func port(request uint, bridge, name string) error {
	there, err := lookUp(bridge)
	if err != nil {
		return err
	}
	if there == nil {
		return ErrNoBridge
	}
	err = ask(request, unsafe.Pointer(&vebPort{bridge: nameOf(bridge), port: nameOf(name)}))
	if errors.Is(err, unix.ENOTTY) || errors.Is(err, unix.EOPNOTSUPP) {
		return causef(ErrNoBridge, "it is neither a bridge nor a veb")
	}
	return err
}

func (host) isPort(bridge, name string) (bool, error) {
	err := port(unix.SIOCBRDGGIFFLGS, bridge, name)
	if errors.Is(err, unix.ESRCH) || errors.Is(err, unix.ENOENT) {
		return false, nil
	}
	return err == nil, err
}

func (host) join(bridge, name string) error  { return port(unix.SIOCBRDGADD, bridge, name) }
func (host) leave(bridge, name string) error { return port(unix.SIOCBRDGDEL, bridge, name) }
