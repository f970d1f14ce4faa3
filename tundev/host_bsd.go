//go:build darwin || freebsd || openbsd

package tundev

import (
	"fmt"
	"net/netip"
	"unsafe"

	"golang.org/x/net/route"
	"golang.org/x/sys/unix"

	"github.com/vxmesh/vxmesh/internal/routesock"
	"github.com/vxmesh/vxmesh/tundev/ether"
)

// What belongs to an interface is set by ioctls; addresses and routes by ifconfig(8) and route(8),
// because what the kernel is given for these differs with the system and its release.

func (host) setMAC(name string, mac ether.MAC) error {
	r := ifRequest{name: nameOf(name)}
	r.setMAC(mac)
	return ask(unix.SIOCSIFLLADDR, unsafe.Pointer(&r))
}

func (host) setMTU(name string, mtu int) error {
	r := ifRequest{name: nameOf(name)}
	r.setInt(mtu)
	return ask(unix.SIOCSIFMTU, unsafe.Pointer(&r))
}

func (host) setUp(name string, kind Kind, mac ether.MAC) error {
	if err := setFlagUp(name); err != nil || kind != TUN {
		return err
	}
	return addLinkLocal(name, linkLocal(mac))
}

func setFlagUp(name string) error {
	r := ifRequest{name: nameOf(name)}
	if err := ask(unix.SIOCGIFFLAGS, unsafe.Pointer(&r)); err != nil {
		return err
	}
	r.setFlags(r.flags() | unix.IFF_UP)
	return ask(unix.SIOCSIFFLAGS, unsafe.Pointer(&r))
}

// ask does an ioctl about an interface, by a socket of its own.
func ask(request uint, arg unsafe.Pointer) error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM, 0)
	if err != nil {
		return fmt.Errorf("open socket: %w", err)
	}
	unix.CloseOnExec(fd)
	defer func() { _ = unix.Close(fd) }()
	return ioctl(uintptr(fd), request, arg)
}

func ioctl(fd uintptr, request uint, arg unsafe.Pointer) error {
	if _, _, e := unix.Syscall(unix.SYS_IOCTL, fd, uintptr(request), uintptr(arg)); e != 0 {
		return e
	}
	return nil
}

// A routeListener hears what the kernel tells on a routing socket.
type routeListener struct {
	socket *routesock.Socket
	left   []route.Message
}

func (host) listen() (listener, error) {
	s, err := routesock.Open()
	return &routeListener{socket: s}, err
}

func (l *routeListener) close() { l.socket.Close() }

func (l *routeListener) next() (news, error) {
	if len(l.left) == 0 {
		var err error
		if l.left, err = l.socket.Next(); err != nil || len(l.left) == 0 {
			return news{}, err
		}
	}
	m := l.left[0]
	l.left = l.left[1:]
	switch m := m.(type) {
	case *route.InterfaceMessage:
		return news{m.Index, m.Name}, nil
	case *route.InterfaceAnnounceMessage:
		return news{m.Index, m.Name}, nil
	case *route.InterfaceAddrMessage:
		return news{index: m.Index}, nil
	case *route.RouteMessage:
		return news{index: m.Index}, nil
	}
	return news{}, nil
}

// family is what ifconfig calls the family of an address.
func family(p netip.Prefix) string {
	if p.Addr().Is6() {
		return "inet6"
	}
	return "inet"
}

func ifconfig(args ...string) error { return command("/sbin/ifconfig", args...) }
