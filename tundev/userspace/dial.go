package userspace

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"syscall"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/adapters/gonet"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv4"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv6"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"
	"gvisor.dev/gvisor/pkg/waiter"

	"github.com/vxmesh/vxmesh/tundev"
)

// DialContext connects to a host of the segment, by network "tcp" or "udp", or one of these with the digit
// of a family. The address is host:port, and the host an IP address: who has names resolves them before. The
// connection of TCP has CloseRead and CloseWrite. Refusals and silence are syscall.ECONNREFUSED and its like.
func (d *Device) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	c, err := d.dial(ctx, network, address)
	if err != nil {
		return nil, fmt.Errorf("dial %s %s: %w", network, address, plain(err))
	}
	return c, nil
}

func (d *Device) dial(ctx context.Context, network, address string) (net.Conn, error) {
	to, err := d.parseAddress(network, address)
	switch {
	case err != nil:
		return nil, err
	case !to.Addr().IsValid():
		return nil, errors.New("the host is missing")
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case strings.HasPrefix(network, "udp"):
		full := fullAddress(to)
		return gonet.DialUDP(d.stack.Stack, nil, &full, protocolOf(to.Addr()))
	}
	return gonet.DialContextTCP(ctx, d.stack.Stack, fullAddress(to), protocolOf(to.Addr()))
}

// Listen accepts connections from the segment, by network "tcp". Without a host, as in ":22", the address is
// every one that the device has or will have, of both families; with port 0 it is a free port.
func (d *Device) Listen(network, address string) (net.Listener, error) {
	at, err := d.parseAddress(network, address)
	if err == nil && network != "tcp" {
		err = errNetwork
	}
	if err != nil {
		return nil, listenError(network, address, err)
	}
	l, err := d.stack.listen(at)
	if err != nil {
		return nil, listenError(network, address, err)
	}
	return listener{l}, nil
}

// backlog is how many connections may wait to be accepted, as on Linux (net.core.somaxconn).
const backlog = 4096

// listen does as gonet.ListenTCP, but takes a port that connections of the last listener still linger on.
func (s *ipStack) listen(at netip.AddrPort) (*gonet.TCPListener, error) {
	var queue waiter.Queue
	ep, err := s.NewEndpoint(tcp.ProtocolNumber, protocolOf(at.Addr()), &queue)
	if err != nil {
		return nil, causeOf(err)
	}
	ep.SocketOptions().SetReuseAddress(true)
	if err = ep.Bind(fullAddress(at)); err == nil {
		err = ep.Listen(backlog)
	}
	if err != nil {
		ep.Close()
		return nil, causeOf(err)
	}
	return gonet.NewTCPListener(s.Stack, &queue, ep), nil
}

// ListenPacket takes datagrams from the segment, by network "udp", at an address as for [Device.Listen].
func (d *Device) ListenPacket(network, address string) (net.PacketConn, error) {
	at, err := d.parseAddress(network, address)
	if err == nil && network != "udp" {
		err = errNetwork
	}
	if err != nil {
		return nil, listenError(network, address, err)
	}
	full := fullAddress(at)
	c, err := gonet.DialUDP(d.stack.Stack, &full, nil, protocolOf(at.Addr()))
	if err != nil {
		return nil, listenError(network, address, err)
	}
	return packetConn{c}, nil
}

func listenError(network, address string, err error) error {
	return fmt.Errorf("listen on %s %s: %w", network, address, plain(err))
}

// A listener is gonet's, whose Close would leave Accept waiting.
type listener struct{ *gonet.TCPListener }

// Accept gives the next connection; after Close, or that of the device, it gives [net.ErrClosed].
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

// A packetConn is gonet's, which knows only one form of an address.
type packetConn struct{ *gonet.UDPConn }

// ReadFrom gives [net.ErrClosed] after Close, or that of the device.
func (c packetConn) ReadFrom(b []byte) (int, net.Addr, error) {
	n, from, err := c.UDPConn.ReadFrom(b)
	if errors.Is(err, io.EOF) {
		err = fmt.Errorf("read: %w", net.ErrClosed)
	}
	return n, from, err
}

func (c packetConn) WriteTo(b []byte, to net.Addr) (int, error) {
	udp, ok := to.(*net.UDPAddr)
	if !ok {
		return 0, fmt.Errorf("write to %v: not an address of UDP", to)
	}
	a := udp.AddrPort()
	a = netip.AddrPortFrom(a.Addr().Unmap().WithZone(""), a.Port())
	return c.UDPConn.WriteTo(b, net.UDPAddrFromAddrPort(a))
}

// errNetwork refuses networks that the function called has nothing to do with.
var errNetwork = errors.New("this network is not possible here")

// parseAddress reads host:port, where the host is an IP address of the network's family, or missing. A device
// that is closed has no use for any.
func (d *Device) parseAddress(network, address string) (a netip.AddrPort, err error) {
	switch network {
	case "tcp", "tcp4", "tcp6", "udp", "udp4", "udp6":
	default:
		return a, errNetwork
	}
	if d.stack.link.isClosed() {
		return a, tundev.ErrClosed
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
	if strings.HasSuffix(network, "4") && !ip.Is4() || strings.HasSuffix(network, "6") && !ip.Is6() {
		return a, fmt.Errorf("%s is not an address of that family", ip)
	}
	if ip.IsUnspecified() {
		ip = netip.Addr{}
	}
	return netip.AddrPortFrom(ip, uint16(n)), nil
}

// fullAddress names the interface only where the address does not say which: with it gVisor takes any IPv4
// address for its own.
func fullAddress(a netip.AddrPort) tcpip.FullAddress {
	full := tcpip.FullAddress{Port: a.Port()}
	if ip := a.Addr(); ip.IsValid() {
		full.Addr = address(ip)
		if ip.Is6() && (ip.IsLinkLocalUnicast() || ip.IsMulticast()) {
			full.NIC = nic
		}
	}
	return full
}

// protocolOf is the protocol of an address; that of none is IPv6, whose listeners stand for both.
func protocolOf(a netip.Addr) tcpip.NetworkProtocolNumber {
	if a.Is4() {
		return ipv4.ProtocolNumber
	}
	return ipv6.ProtocolNumber
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
