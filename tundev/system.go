package tundev

import (
	"net"
	"net/netip"

	"github.com/vxmesh/vxmesh/tundev/ether"
)

// headroom is what a [card] may use before a frame that is written: WireGuard's package wants it
// for the address family.
const headroom = 4

// A card is one life of an interface that frames are read from and written to, until it is
// removed.
type card interface {
	// name is the interface's present name, "" once that cannot be told.
	name() string
	// read waits for frames and hands them to take, which keeps none. After an error there are no
	// more.
	read(take func(frame []byte)) error
	// write writes the frame that follows headroom bytes of buf. One goroutine at a time calls it.
	write(buf []byte) error
	// close ends read, and removes the interface unless it was lent. A second close does nothing.
	close() error
}

// A system is what an [adapter] needs of the machine that it is on. Interfaces are called by their
// names.
type system interface {
	// open makes the interface that o asks for, or borrows one that stays.
	open(o Options) (c card, lent bool, err error)
	// look gives the interface as it is; nil when there is none of that name.
	look(name string) (*facts, error)
	// listen hears of changes.
	listen() (listener, error)

	linkSetter
	addressSetter
	bridger
}

// A linkSetter changes what belongs to an interface whatever is sent over it.
type linkSetter interface {
	rename(from, to string) error
	setMAC(name string, mac ether.MAC) error
	setMTU(name string, mtu int) error
	// setUp sets the interface up; a TUN with the link-local address that its MAC would have.
	setUp(name string, kind Kind, mac ether.MAC) error
}

// An addressSetter changes the addresses of an interface, and with them the routes to their
// networks.
type addressSetter interface {
	addAddress(name string, kind Kind, a netip.Prefix) error
	dropAddress(name string, kind Kind, a netip.Prefix) error
}

// A bridger makes interfaces ports of bridges. Errors are of kind [ErrNoBridge] when there is no
// such bridge.
type bridger interface {
	isPort(bridge, name string) (bool, error)
	join(bridge, name string) error
	leave(bridge, name string) error
}

// A listener hears of changes of interfaces, addresses and routes.
type listener interface {
	// next waits for news. After an error there are no more.
	next() (news, error)
	// close ends next.
	close()
}

// news are of the interface with that index or, if it came or went, that name. The zero value may
// be about anything.
type news struct {
	index int
	name  string
}

// facts are what an interface is like.
type facts struct {
	index     int
	up        bool
	mtu       int
	mac       ether.MAC // zero when it is no Ethernet
	addresses []netip.Prefix
}

// lookUp gives the interface of that name as the standard library sees it, nil when there is none.
func lookUp(name string) (*facts, error) {
	all, err := net.Interfaces()
	if err != nil {
		return nil, err
	}
	for _, i := range all {
		if i.Name == name {
			return factsOf(i)
		}
	}
	return nil, nil
}

func factsOf(i net.Interface) (*facts, error) {
	f := &facts{index: i.Index, up: i.Flags&net.FlagUp != 0, mtu: i.MTU}
	if len(i.HardwareAddr) == len(f.mac) {
		f.mac = ether.MAC(i.HardwareAddr)
	}
	addrs, err := i.Addrs()
	for _, a := range addrs {
		if n, ok := a.(*net.IPNet); ok {
			ip, _ := netip.AddrFromSlice(n.IP)
			bits, _ := n.Mask.Size()
			f.addresses = append(f.addresses, netip.PrefixFrom(ip.Unmap(), bits))
		}
	}
	return f, err
}

// has gives the addresses that the interface has. Some systems have a mind of their own about the
// masks of those that are wanted.
func (f *facts) has(wanted []netip.Prefix) (have []netip.Prefix) {
	for _, a := range f.addresses {
		for _, w := range wanted {
			if w.Addr() == a.Addr() {
				a = w
			}
		}
		have = append(have, a)
	}
	return have
}
