package userspace

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"syscall"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/adapters/gonet"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv4"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv6"
)

// DialContext connects to a host of the segment, by network "tcp" or "udp", or one of these with the digit
// of a family. The address is host:port, and the host an IP address: who has names resolves them before. The
// connection of TCP has CloseRead and CloseWrite. Refusals and silence are syscall.ECONNREFUSED and its like.
func (d *Device) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	to, err := parseAddress(network, address)
	if err == nil && !to.Addr().IsValid() {
		err = errors.New("the host is missing")
	}
	if err == nil {
		err = ctx.Err()
	}
	if err != nil {
		return nil, dialError(network, address, err)
	}
	if strings.HasPrefix(network, "udp") {
		full := fullAddress(to)
		c, err := gonet.DialUDP(d.stack.Stack, nil, &full, protocolOf(to.Addr()))
		if err != nil {
			return nil, dialError(network, address, err)
		}
		return c, nil
	}
	c, err := gonet.DialContextTCP(ctx, d.stack.Stack, fullAddress(to), protocolOf(to.Addr()))
	if err != nil {
		return nil, dialError(network, address, err)
	}
	return c, nil
}

func dialError(network, address string, err error) error {
	return fmt.Errorf("dial %s %s: %w", network, address, plain(err))
}

// Listen accepts connections from the segment, by network "tcp", "tcp4" or "tcp6". Without a host, as in
// ":22", the address is every one that the device has or will have; with port 0 it is a free port.
func (d *Device) Listen(network, address string) (net.Listener, error) {
	at, err := parseAddress(network, address)
	if err == nil && !strings.HasPrefix(network, "tcp") {
		err = errNetwork
	}
	if err != nil {
		return nil, fmt.Errorf("listen on %s %s: %w", network, address, err)
	}
	l, err := gonet.ListenTCP(d.stack.Stack, fullAddress(at), familyOf(network, at.Addr()))
	if err != nil {
		return nil, fmt.Errorf("listen on %s %s: %w", network, address, plain(err))
	}
	return listener{l}, nil
}

// A listener is gonet's, whose Close would leave Accept waiting.
type listener struct{ *gonet.TCPListener }

// Accept gives the next connection; after Close it gives [net.ErrClosed].
func (l listener) Accept() (net.Conn, error) {
	c, err := l.TCPListener.Accept()
	if err != nil {
		return nil, fmt.Errorf("accept: %w", net.ErrClosed)
	}
	return c, nil
}

func (l listener) Close() error {
	l.Shutdown()
	return l.TCPListener.Close()
}

// ListenPacket takes datagrams from the segment, by network "udp", "udp4" or "udp6", at an address as for
// [Device.Listen].
func (d *Device) ListenPacket(network, address string) (net.PacketConn, error) {
	at, err := parseAddress(network, address)
	if err == nil && !strings.HasPrefix(network, "udp") {
		err = errNetwork
	}
	if err != nil {
		return nil, fmt.Errorf("listen on %s %s: %w", network, address, err)
	}
	full := fullAddress(at)
	c, err := gonet.DialUDP(d.stack.Stack, &full, nil, familyOf(network, at.Addr()))
	if err != nil {
		return nil, fmt.Errorf("listen on %s %s: %w", network, address, plain(err))
	}
	return c, nil
}

var errNetwork = errors.New("the network is not one of those")

// parseAddress reads host:port, where the host is an IP address of the network's family, or missing.
func parseAddress(network, address string) (a netip.AddrPort, err error) {
	four, six := strings.HasSuffix(network, "4"), strings.HasSuffix(network, "6")
	switch network {
	case "tcp", "tcp4", "tcp6", "udp", "udp4", "udp6":
	default:
		return a, errNetwork
	}
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return a, err
	}
	n, err := net.LookupPort(network, port)
	if err != nil || host == "" {
		return netip.AddrPortFrom(netip.Addr{}, uint16(n)), err
	}
	ip, err := netip.ParseAddr(host)
	if err != nil {
		return a, fmt.Errorf("%q is not an IP address", host)
	}
	ip = ip.Unmap().WithZone("") // there is one interface only
	if four && !ip.Is4() || six && !ip.Is6() {
		return a, fmt.Errorf("%s is not an address of that family", ip)
	}
	if ip.IsUnspecified() {
		ip = netip.Addr{}
	}
	return netip.AddrPortFrom(ip, uint16(n)), nil
}

func fullAddress(a netip.AddrPort) tcpip.FullAddress {
	full := tcpip.FullAddress{NIC: nic, Port: a.Port()}
	if a.Addr().IsValid() {
		full.Addr = address(a.Addr())
	}
	return full
}

func protocolOf(a netip.Addr) tcpip.NetworkProtocolNumber {
	if a.Is4() {
		return ipv4.ProtocolNumber
	}
	return ipv6.ProtocolNumber
}

// familyOf is the protocol of a listener: without an address or a family, IPv6's stands for both.
func familyOf(network string, a netip.Addr) tcpip.NetworkProtocolNumber {
	if strings.HasSuffix(network, "4") {
		return ipv4.ProtocolNumber
	}
	return protocolOf(a)
}

// errnos are the system's words for what gVisor says, so that callers need to know only those.
var errnos = map[string]error{
	(&tcpip.ErrConnectionRefused{}).String():  syscall.ECONNREFUSED,
	(&tcpip.ErrConnectionReset{}).String():    syscall.ECONNRESET,
	(&tcpip.ErrHostUnreachable{}).String():    syscall.EHOSTUNREACH,
	(&tcpip.ErrNetworkUnreachable{}).String(): syscall.ENETUNREACH,
	(&tcpip.ErrTimeout{}).String():            syscall.ETIMEDOUT,
	(&tcpip.ErrPortInUse{}).String():          syscall.EADDRINUSE,
	(&tcpip.ErrBadLocalAddress{}).String():    syscall.EADDRNOTAVAIL,
}

// plain gives the cause in an error of gonet's.
func plain(err error) error {
	if op := (*net.OpError)(nil); errors.As(err, &op) {
		err = op.Err
	}
	if errno, ok := errnos[err.Error()]; ok {
		return errno
	}
	return err
}

// causeOf is plain for who talks to the stack itself.
func causeOf(err tcpip.Error) error { return plain(errors.New(err.String())) }
