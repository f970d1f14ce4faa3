package tundev

import (
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/vxmesh/vxmesh/tundev/ether"
	"github.com/vxmesh/vxmesh/tundev/offload"
)

const tunPath = "/dev/net/tun"

// openTun gives a descriptor that is on no interface yet. It belongs to the
// network namespace of the calling thread for good.
func openTun() (int, error) {
	fd, err := unix.Open(tunPath, unix.O_RDWR|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	switch err {
	case nil:
		return fd, nil
	case unix.EACCES, unix.EPERM:
		return -1, ErrPermission
	case unix.ENOENT, unix.ENODEV, unix.ENXIO:
		return -1, ErrNoTun
	}
	return -1, fmt.Errorf("open %s: %w", tunPath, err)
}

// attach puts a descriptor of openTun on the device called name, which is made unless adopt is set:
// then it is there already and multiQueue says how it was made. A descriptor whose device has been
// removed may be attached again.
func attach(fd int, kind Kind, name string, adopt, multiQueue bool) (Offloads, error) {
	flags := uint16(unix.IFF_TAP)
	if kind == TUN {
		flags = unix.IFF_TUN
	}
	flags |= unix.IFF_NO_PI | unix.IFF_VNET_HDR
	if !adopt {
		flags |= unix.IFF_TUN_EXCL
	}
	if multiQueue {
		flags |= unix.IFF_MULTI_QUEUE
	}
	req, err := unix.NewIfreq(name)
	if err != nil {
		return Offloads{}, causef(ErrInvalid, "the name does not fit: %v", err)
	}
	req.SetUint16(flags)
	switch err := unix.IoctlIfreq(fd, unix.TUNSETIFF, req); err {
	case nil:
	case unix.EPERM:
		return Offloads{}, ErrPermission
	case unix.EBUSY, unix.E2BIG:
		return Offloads{}, causef(ErrInUse, "another process has it")
	default:
		return Offloads{}, err
	}
	return setOffloads(fd)
}

// setOffloads agrees with the kernel on what stands before each frame, and what is left to whom.
func setOffloads(fd int) (Offloads, error) {
	if err := unix.IoctlSetPointerInt(fd, unix.TUNSETVNETHDRSZ, offload.HeaderLen); err != nil {
		return Offloads{}, fmt.Errorf("set the size of the offload header: %w", err)
	}
	if err := unix.IoctlSetPointerInt(fd, unix.TUNSETVNETLE, 1); err != nil {
		return Offloads{}, fmt.Errorf("set the byte order of the offload header: %w", err)
	}
	return negotiate(func(bits int) error { return unix.IoctlSetInt(fd, unix.TUNSETOFFLOAD, bits) })
}

// negotiate asks for all the work that the kernel can leave to us, then for less: UDP super-frames
// are known since Linux 6.2.
func negotiate(set func(bits int) error) (Offloads, error) {
	const (
		tso = unix.TUN_F_TSO4 | unix.TUN_F_TSO6 | unix.TUN_F_TSO_ECN
		uso = unix.TUN_F_USO4 | unix.TUN_F_USO6
	)
	steps := [...]struct {
		bits int
		o    Offloads
	}{
		{unix.TUN_F_CSUM | tso | uso, Offloads{Csum: true, TSO: true, USO: true}},
		{unix.TUN_F_CSUM | tso, Offloads{Csum: true, TSO: true}},
		{unix.TUN_F_CSUM, Offloads{Csum: true}},
	}
	var err error
	for _, s := range steps {
		if err = set(s.bits); err == nil {
			return s.o, nil
		}
	}
	return Offloads{}, fmt.Errorf("set offloads: %w", err)
}

// attachedTo gives the present name of the interface that fd is on, "" when it has been removed.
func attachedTo(fd int) string {
	var req unix.Ifreq
	if unix.IoctlIfreq(fd, unix.TUNGETIFF, &req) != nil {
		return ""
	}
	return req.Name()
}

// setMAC changes the address of the TAP that fd is on. Unlike netlink this needs no right beyond
// the descriptor, so the owner of a lent TAP can do it.
func setMAC(fd int, mac ether.MAC) error {
	var req struct { // struct ifreq with ifr_hwaddr
		_      [unix.IFNAMSIZ]byte
		family uint16
		addr   [22]byte // sa_data and the rest of the union
	}
	req.family = unix.ARPHRD_ETHER
	copy(req.addr[:], mac[:])
	_, _, e := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), unix.SIOCSIFHWADDR,
		uintptr(unsafe.Pointer(&req)))
	if e != 0 {
		return e
	}
	return nil
}
