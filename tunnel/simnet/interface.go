package simnet

import (
	"fmt"
	"net/netip"
	"slices"
	"syscall"

	"github.com/vxmesh/vxmesh/tunnel/udp"
)

// An Interface is where a [Host] is attached to a LAN or to the internet.
type Interface struct {
	h     *Host
	lan   *lan
	index int
	addrs []netip.Addr // guarded by the Internet's lock
}

// Index is the number of the interface on its host, from 1, as [udp.Message] has it.
func (f *Interface) Index() int { return f.index }

// Addrs are the addresses of the interface.
func (f *Interface) Addrs() []netip.Addr {
	f.h.i.mu.Lock()
	defer f.h.i.mu.Unlock()
	return slices.Clone(f.addrs)
}

// Detach takes the interface away, with its addresses. Detaching it twice is nothing.
func (f *Interface) Detach() {
	f.h.i.mu.Lock()
	defer f.h.i.mu.Unlock()
	f.detach()
}

func (f *Interface) detach() {
	is := func(other *Interface) bool { return other == f }
	f.h.interfaces = slices.DeleteFunc(f.h.interfaces, is)
	f.lan.interfaces = slices.DeleteFunc(f.lan.interfaces, is)
}

// Attach gives the host one more interface: behind a NAT, or on the internet itself where n is nil.
// It is the last that is asked for a way; see [Host.Interfaces].
func (h *Host) Attach(n *NAT, addrs ...netip.Addr) *Interface {
	h.i.mu.Lock()
	defer h.i.mu.Unlock()
	return h.attach(h.i.inside(n), addrs)
}

func (h *Host) attach(l *lan, addrs []netip.Addr) *Interface {
	h.lastIndex++
	f := &Interface{h: h, lan: l, index: h.lastIndex}
	for _, a := range addrs {
		l.mustBeFree(a)
		f.addrs = append(f.addrs, a.Unmap())
	}
	h.interfaces = append(h.interfaces, f)
	l.interfaces = append(l.interfaces, f)
	return f
}

// Move takes all interfaces of the host away and gives it a new one, as Attach does. Sockets stay;
// those bound to all addresses go on with the new ones.
func (h *Host) Move(n *NAT, addrs ...netip.Addr) *Interface {
	h.i.mu.Lock()
	defer h.i.mu.Unlock()
	for _, f := range slices.Clone(h.interfaces) {
		f.detach()
	}
	return h.attach(h.i.inside(n), addrs)
}

// Interfaces of the host. A datagram that does not say its interface or source leaves by the first
// in whose LAN its destination is, else by the first that has an address of its family.
func (h *Host) Interfaces() []*Interface {
	h.i.mu.Lock()
	defer h.i.mu.Unlock()
	return slices.Clone(h.interfaces)
}

// Addrs are the addresses of all interfaces.
func (h *Host) Addrs() (all []netip.Addr) {
	h.i.mu.Lock()
	defer h.i.mu.Unlock()
	for _, f := range h.interfaces {
		all = append(all, f.addrs...)
	}
	return all
}

// SetAddr changes one of the host's addresses to another, of either family: sockets bound to the
// old one send and receive nothing any more, those bound to all addresses go on with the new.
func (h *Host) SetAddr(old, addr netip.Addr) {
	h.i.mu.Lock()
	defer h.i.mu.Unlock()
	for _, f := range h.interfaces {
		if n := slices.Index(f.addrs, old.Unmap()); n >= 0 {
			f.lan.mustBeFree(addr)
			f.addrs[n] = addr.Unmap()
			return
		}
	}
	panic(fmt.Sprintf("simnet: the host does not have the address %s", old))
}

// has reports whether an address is the host's.
func (h *Host) has(a netip.Addr) bool {
	return slices.ContainsFunc(h.interfaces, func(f *Interface) bool { return slices.Contains(f.addrs, a) })
}

// route chooses the address and the LAN that a message leaves with. An address that is asked for
// must be the host's.
func (h *Host) route(local netip.Addr, m *udp.Message) (netip.Addr, *lan, error) {
	ways, err := h.ways(m)
	if err != nil {
		return netip.Addr{}, nil, err
	}
	wanted := local
	if m.From.IsValid() {
		wanted = m.From
	}
	for _, f := range ways {
		for _, a := range f.addrs {
			if a == wanted || wanted.IsUnspecified() && a.Is6() == local.Is6() {
				return a, f.lan, nil
			}
		}
	}
	if m.From.IsValid() {
		return netip.Addr{}, nil, syscall.EINVAL
	}
	return netip.Addr{}, nil, syscall.ENETUNREACH
}

// ways are the interfaces that a message may leave by, the best first.
func (h *Host) ways(m *udp.Message) ([]*Interface, error) {
	var near, far []*Interface
	for _, f := range h.interfaces {
		switch {
		case m.IfIndex != 0 && m.IfIndex != f.index:
		case f.lan.nat != nil && f.lan.reaches(m.To.Addr()):
			near = append(near, f)
		default:
			far = append(far, f)
		}
	}
	if m.IfIndex != 0 && len(near)+len(far) == 0 {
		return nil, syscall.ENODEV
	}
	return append(near, far...), nil
}
