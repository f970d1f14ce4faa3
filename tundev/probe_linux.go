package tundev

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"

	"golang.org/x/sys/unix"

	"github.com/vxmesh/vxmesh/tundev/ether"
)

// Probe asks on an Ethernet interface of this machine whether another station has an address, and
// gives the station's; zero when nobody answers within a second. It may be called from any goroutine.
func Probe(ctx context.Context, device string, a netip.Addr) (ether.MAC, error) {
	link, err := net.InterfaceByName(device)
	if err != nil {
		return ether.MAC{}, fmt.Errorf("probe %s: %w", a, err)
	}
	if len(link.HardwareAddr) != len(ether.MAC{}) {
		return ether.MAC{}, fmt.Errorf("probe %s: %s is no Ethernet interface", a, device)
	}
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return ether.MAC{}, fmt.Errorf("probe %s on %s: %w", a, device, err)
	}
	defer func() { _ = unix.Close(fd) }()
	all := binary.BigEndian.Uint16(binary.NativeEndian.AppendUint16(nil, unix.ETH_P_ALL))
	where := &unix.SockaddrLinklayer{Protocol: all, Ifindex: link.Index}
	if err := unix.Bind(fd, where); err != nil {
		return ether.MAC{}, fmt.Errorf("probe %s on %s: %w", a, device, err)
	}
	own := ether.MAC(link.HardwareAddr)
	for range probes {
		if err := unix.Sendto(fd, probeFrame(own, a), 0, where); err != nil {
			return ether.MAC{}, fmt.Errorf("probe %s on %s: %w", a, device, err)
		}
		if mac := listen(ctx, fd, own, a); !mac.IsZero() || ctx.Err() != nil {
			return mac, ctx.Err()
		}
	}
	return ether.MAC{}, nil
}

// listen waits for an answer until the next probe is due.
func listen(ctx context.Context, fd int, own ether.MAC, a netip.Addr) ether.MAC {
	frame := make([]byte, 2048)
	for until := time.Now().Add(probeEvery); ctx.Err() == nil; {
		left := time.Until(until)
		if left <= 0 {
			return ether.MAC{}
		}
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, int(left.Milliseconds())+1)
		if errors.Is(err, unix.EINTR) || n == 0 {
			continue
		}
		n, _, err = unix.Recvfrom(fd, frame, unix.MSG_DONTWAIT)
		if err != nil && !errors.Is(err, unix.EAGAIN) && !errors.Is(err, unix.EINTR) {
			return ether.MAC{}
		}
		if mac := holder(frame[:max(n, 0)], own, a); !mac.IsZero() {
			return mac
		}
	}
	return ether.MAC{}
}
