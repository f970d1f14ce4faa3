package tundev

import (
	"errors"
	"net"
	"net/netip"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// An addressee is the interface of whose addresses is the talk.
type addressee struct {
	nl   *netlink.Handle
	link netlink.Link
}

func (x addressee) addAddress(a netip.Prefix) error { return x.nl.AddrAdd(x.link, linkAddr(a)) }

func (x addressee) dropAddress(a netip.Prefix) error {
	err := x.nl.AddrDel(x.link, linkAddr(a))
	if errors.Is(err, unix.EADDRNOTAVAIL) {
		return nil
	}
	return err
}

// addresses gives those of an interface.
func (p *port) addresses(link netlink.Link) ([]netip.Prefix, error) {
	// A dump that changes meanwhile may lack an entry that is there.
	var list []netlink.Addr
	var err error
	for range 5 {
		list, err = p.nl.AddrList(link, netlink.FAMILY_ALL)
		if !errors.Is(err, netlink.ErrDumpInterrupted) {
			break
		}
	}
	var ps []netip.Prefix
	for _, a := range list {
		ip, ok := netip.AddrFromSlice(a.IP)
		if bits, _ := a.Mask.Size(); ok {
			ps = append(ps, netip.PrefixFrom(ip.Unmap(), bits))
		}
	}
	return ps, err
}

// linkAddr has an IPv6 address work at once instead of after duplicate address detection, which
// would look for it in the whole segment (RFC 4862, 5.4).
func linkAddr(p netip.Prefix) *netlink.Addr {
	a := &netlink.Addr{IPNet: &net.IPNet{
		IP:   p.Addr().AsSlice(),
		Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen()),
	}}
	if p.Addr().Is6() {
		a.Flags = unix.IFA_F_NODAD
	}
	return a
}
