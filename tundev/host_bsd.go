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

func (host) look(name string) (*facts, error) { return lookUp(name) }

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

// next leaves routes out, since devices do not look at them; each neighbour is one here.
func (l *routeListener) next() (news, error) {
	for {
		for i, m := range l.left {
			if n, ok := newsOf(m); ok {
				l.left = l.left[i+1:]
				return n, nil
			}
		}
		var err error
		if l.left, err = l.socket.Next(); err != nil || len(l.left) == 0 {
			return news{}, err
		}
	}
}

func newsOf(m route.Message) (n news, ok bool) {
	switch m := m.(type) {
	case *route.InterfaceMessage:
		return news{m.Index, m.Name}, true
	case *route.InterfaceAnnounceMessage:
		return news{m.Index, m.Name}, true
	case *route.InterfaceAddrMessage:
		return news{index: m.Index}, true
	}
	return news{}, false
}

// family is what ifconfig calls the family of an address.
func family(p netip.Prefix) string {
	if p.Addr().Is6() {
		return "inet6"
	}
	return "inet"
}

func ifconfig(args ...string) error { return command("/sbin/ifconfig", args...) }
