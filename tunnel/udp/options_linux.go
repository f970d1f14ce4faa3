package udp

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// setOptions prepares a socket before it is bound.
func setOptions(c syscall.RawConn, v6 bool, o Options) error {
	var err error
	if cerr := c.Control(func(fd uintptr) { err = setSockopts(int(fd), v6, o) }); cerr != nil {
		return cerr
	}
	return err
}

func setSockopts(fd int, v6 bool, o Options) error {
	if o.Buffer > 0 {
		// The forced form is root's way past net.core.{r,w}mem_max; without rights the
		// other gives as much as is allowed. Neither failing is a reason not to run.
		if unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_SNDBUFFORCE, o.Buffer) != nil {
			_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_SNDBUF, o.Buffer)
		}
		if !o.SendOnly && unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, o.Buffer) != nil {
			_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, o.Buffer)
		}
	}
	if o.SendOnly {
		_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, 1) // rounded up to the least
	} else {
		// Kernels before 5.0 have no GRO: datagrams then come one by one.
		_ = unix.SetsockoptInt(fd, unix.IPPROTO_UDP, unix.UDP_GRO, 1)
	}
	if err := setMode(fd, v6, Mode{}); err != nil { // the kernel's own default is to set DF
		return err
	}
	if v6 {
		return setSockoptsIPv6(fd)
	}
	if err := unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_RECVTOS, 1); err != nil {
		return err
	}
	// A VTEP must not hear its own multicast again.
	return unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_MULTICAST_LOOP, 0)
}

func setSockoptsIPv6(fd int) error {
	if err := unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_RECVTCLASS, 1); err != nil {
		return err
	}
	if err := unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_MULTICAST_LOOP, 0); err != nil {
		return err
	}
	// FreeBSD sends tunnels over IPv6 without a UDP checksum (RFC 6935, 5).
	return unix.SetsockoptInt(fd, unix.IPPROTO_UDP, unix.UDP_NO_CHECK6_RX, 1)
}

// setMode changes the socket to mode.
func (s *Socket) setMode(mode Mode) error {
	var err error
	if cerr := s.file.Do(func(fd uintptr) { err = setMode(int(fd), s.v6, mode) }); cerr != nil {
		return closedError(cerr)
	}
	return err
}

func setMode(fd int, v6 bool, mode Mode) error {
	pmtu := unix.IP_PMTUDISC_DONT // the numbers are the same for IPv6
	switch {
	case mode.DF && mode.Probe:
		pmtu = unix.IP_PMTUDISC_PROBE
	case mode.DF:
		pmtu = unix.IP_PMTUDISC_DO
	}
	noCheck := 0
	if mode.NoChecksum {
		noCheck = 1
	}
	if !v6 {
		if err := unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_MTU_DISCOVER, pmtu); err != nil {
			return err
		}
		return unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_NO_CHECK, noCheck)
	}
	if err := unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_MTU_DISCOVER, pmtu); err != nil {
		return err
	}
	return unix.SetsockoptInt(fd, unix.IPPROTO_UDP, unix.UDP_NO_CHECK6_TX, noCheck)
}

// Lost is how many datagrams the kernel dropped because the socket's buffer was full.
func (s *Socket) Lost() uint64 {
	const skMeminfoDrops = 8 // index in SO_MEMINFO's array (linux/sock_diag.h)
	var info [9]uint32
	_ = s.file.Do(func(fd uintptr) { getMeminfo(fd, &info) })
	return uint64(info[skMeminfoDrops])
}
