package tundev

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/vxmesh/vxmesh/tundev/ether"
)

// A port is the device as netlink shows it, and what this program has added there. Its owner sees to
// it that one goroutine at a time uses it.
type port struct {
	log *slog.Logger
	nl  *netlink.Handle // nil before newPort

	index  int  // of the interface that was set up last, 0 before
	lent   bool // it was there before us and stays
	joined bool // we made it a port of a bridge
	put    given

	linkLocal netip.Prefix // the one we added, of a TUN
}

func newPort(log *slog.Logger) (port, error) {
	h, err := netlink.NewHandle(unix.NETLINK_ROUTE)
	if err != nil {
		return port{}, fmt.Errorf("open netlink: %w", err)
	}
	return port{log: log, nl: h, put: make(given)}, nil
}

func (p *port) close() {
	if p.nl != nil {
		p.nl.Close()
	}
}

// find gives the interface of that name, nil when there is none.
func (p *port) find(name string) (netlink.Link, error) {
	link, err := p.nl.LinkByName(name)
	if _, none := errors.AsType[netlink.LinkNotFoundError](err); none {
		return nil, nil
	}
	return link, err
}

// bridge gives the index of the bridge of that name.
func (p *port) bridge(name string) (int, error) {
	link, err := p.find(name)
	switch {
	case err != nil:
		return 0, &Error{"join bridge", name, err}
	case link == nil:
		return 0, &Error{"join bridge", name, ErrNoBridge}
	case link.Type() != "bridge":
		return 0, &Error{
			"join bridge", name,
			causef(ErrNoBridge, "it is %s, not a bridge", describe(link)),
		}
	}
	return link.Attrs().Index, nil
}

// claim attaches fd to the device of that name: a new one, or a persistent one that nobody uses.
func (p *port) claim(fd int, kind Kind, name string) (Offloads, error) {
	link, err := p.find(name)
	if err != nil {
		return Offloads{}, err
	}
	multiQueue := false
	if link != nil {
		tun, ok := link.(*netlink.Tuntap)
		if !ok || tun.Mode != modes[kind] {
			return Offloads{}, causef(ErrInUse, "%s has this name", describe(link))
		}
		multiQueue = tun.Flags&netlink.TUNTAP_MULTI_QUEUE != 0
	}
	offloads, err := attach(fd, kind, name, link != nil, multiQueue)
	if err == nil {
		p.lent = link != nil
		p.forget()
	}
	return offloads, err
}

// modes are netlink's names for the kinds.
var modes = map[Kind]netlink.TuntapMode{TAP: netlink.TUNTAP_MODE_TAP, TUN: netlink.TUNTAP_MODE_TUN}

// forget drops what was known of an interface that is no more.
func (p *port) forget() {
	p.index, p.joined = 0, false
	clear(p.put)
}

// settle makes the interface that fd is on be as o says: its address before it is up, so that
// nobody sees another one. A missing bridge does not keep the rest from being done. fell says that
// the interface was down meanwhile, which takes IPv6 addresses away.
func (p *port) settle(fd int, o Options, fell bool) (was finding, err error) {
	link, err := p.find(o.Name)
	if err == nil && link == nil {
		err = errors.New("it is in another network namespace")
	}
	if err != nil {
		return was, &Error{"set up device", o.Name, err}
	}
	a := link.Attrs()
	p.index = a.Index
	isDown := a.Flags&net.FlagUp == 0
	s := steps{name: o.Name}
	at := addressee{p.nl, link}
	dropped := p.put.drop(&s, at, o.Addresses)
	addrs, err := p.addresses(link)
	if err != nil {
		return s.finding, &Error{"read the addresses of device", o.Name, err}
	}
	if fell || isDown {
		s.fault = faultDown
	}
	if fell || isDown || dropped { // with the first IPv4 address of a subnet Linux may remove the others
		p.put.lose(addrs)
	}
	s.do("set the mac of device", o.Kind == TAP && !sameMAC(a.HardwareAddr, o.MAC), func() error {
		return setMAC(fd, o.MAC)
	})
	s.do("set the mtu of device", a.MTU != o.MTU, func() error {
		return p.nl.LinkSetMTU(link, o.MTU)
	})
	bridgeErr := p.join(&s, link, o.Bridge)
	s.do("set up device", isDown, func() error {
		if o.Kind == TUN {
			p.ownLinkLocal(link)
		}
		return p.nl.LinkSetUp(link)
	})
	if o.Kind == TUN {
		p.addLinkLocal(link, addrs, o.MAC)
	}
	p.put.add(&s, p.log, at, addrs, o.Addresses)
	if s.err == nil {
		s.err = bridgeErr
	}
	return s.finding, s.err
}

// rename gives the interface its name back. Older kernels do that only while it is down.
func (p *port) rename(from, to string) error {
	link, err := p.find(from)
	if err == nil && link == nil {
		err = errors.New("it is in another network namespace")
	}
	if err != nil {
		return &Error{"find device", from, err}
	}
	s := steps{name: from}
	s.do("set down device", true, func() error { return p.nl.LinkSetDown(link) })
	s.do("rename to "+to+" device", true, func() error { return p.nl.LinkSetName(link, to) })
	return s.err
}

// join makes the interface a port of the bridge, or no port of the bridge it joined before when
// name is empty; where somebody else put it is their business then.
func (p *port) join(s *steps, link netlink.Link, name string) error {
	if name == "" {
		s.do("take out of its bridge device", p.joined, func() error {
			return p.nl.LinkSetNoMaster(link)
		})
		p.joined = p.joined && s.err != nil
		return nil
	}
	index, err := p.bridge(name)
	if err != nil {
		return err
	}
	out := link.Attrs().MasterIndex != index
	if out && s.fault == "" {
		s.fault = faultBridge + name
	}
	s.do("join bridge "+name+" with device", out, func() error {
		if err := p.nl.LinkSetMasterByIndex(link, index); err != nil {
			return err
		}
		p.joined = true
		return nil
	})
	return nil
}

// leave takes off a lent interface what was added to it.
func (p *port) leave() error {
	if p.nl == nil || !p.lent || p.index == 0 {
		return nil
	}
	link, err := p.nl.LinkByIndex(p.index)
	if err != nil {
		return nil // it is gone, and with it all that was added
	}
	s := steps{name: link.Attrs().Name}
	_ = p.join(&s, link, "")
	p.put.drop(&s, addressee{p.nl, link}, nil)
	p.dropLinkLocal(link)
	return s.err
}

func sameMAC(a net.HardwareAddr, m ether.MAC) bool { return string(a) == string(m[:]) }

// describe says what an interface is, as in "a veth interface".
func describe(link netlink.Link) string {
	kind := link.Type()
	if tun, ok := link.(*netlink.Tuntap); ok {
		kind = tun.Mode.String()
	}
	if kind == "device" || kind == "" {
		return "a network card"
	}
	return "a " + kind + " interface"
}
