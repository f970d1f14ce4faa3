package tundev

import (
	"errors"
	"net"
	"net/netip"
	"slices"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// add gives the interface the wanted addresses it does not have.
func (p *port) add(s *steps, link netlink.Link, have, wanted []netip.Prefix) {
	for _, a := range wanted {
		if slices.Contains(have, a) {
			continue
		}
		if here, known := p.put[a]; known {
			p.miss(s.name, a, here)
			continue
		}
		s.do("add address "+a.String()+" to device", true, func() error {
			err := p.nl.AddrAdd(link, linkAddr(a))
			if err == nil {
				p.put[a] = true
			}
			return err
		})
	}
}

// drop takes away the addresses that were added once and are not wanted any more. With the first
// IPv4 address of a subnet Linux may remove the others.
func (p *port) drop(s *steps, link netlink.Link, wanted []netip.Prefix) (dropped bool) {
	for a, here := range p.put {
		if slices.Contains(wanted, a) {
			continue
		}
		delete(p.put, a)
		s.do("remove address "+a.String()+" from device", here, func() error {
			dropped = true
			err := p.nl.AddrDel(link, linkAddr(a))
			if errors.Is(err, unix.EADDRNOTAVAIL) {
				return nil // somebody was faster
			}
			return err
		})
	}
	return dropped
}

// miss notes that an address which was added is not there any more: it stays away.
func (p *port) miss(name string, a netip.Prefix, here bool) {
	if here {
		p.log.Warn("address was removed by somebody else and stays away",
			"device", name, "address", a)
	}
	p.put[a] = false
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
