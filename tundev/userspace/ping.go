package userspace

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv4"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv6"
	"gvisor.dev/gvisor/pkg/tcpip/transport/icmp"
	"gvisor.dev/gvisor/pkg/waiter"

	"github.com/vxmesh/vxmesh/tundev"
)

const (
	// echoLen is the header of an echo request, the same for both families (RFC 792; RFC 4443, 4.1).
	echoLen = header.ICMPv4MinimumSize
	// MaxPing is the largest payload of [Device.Ping]: with its header the largest IPv4 packet.
	MaxPing = 65535 - header.IPv4MinimumSize - echoLen
)

// Ping sends a host of the segment one ICMP echo request with size bytes of payload, 0 to [MaxPing], and
// waits for the answer until ctx ends. What is larger than the MTU goes in fragments.
func (d *Device) Ping(ctx context.Context, to netip.Addr, size int) (rtt time.Duration, err error) {
	to = to.Unmap().WithZone("")
	switch {
	case !to.IsValid():
		err = errors.New("there is no address")
	case size < 0 || size > MaxPing:
		err = fmt.Errorf("%d bytes are not between 0 and %d", size, MaxPing)
	case d.stack.link.isClosed():
		err = tundev.ErrClosed
	default:
		rtt, err = d.stack.ping(ctx, to, size)
	}
	if err != nil {
		return 0, fmt.Errorf("ping %s: %w", to, err)
	}
	return rtt, nil
}

func (s *ipStack) ping(ctx context.Context, to netip.Addr, size int) (time.Duration, error) {
	var queue waiter.Queue
	entry, readable := waiter.NewChannelEntry(waiter.ReadableEvents)
	queue.EventRegister(&entry)
	defer queue.EventUnregister(&entry)
	transport, network := icmp.ProtocolNumber4, ipv4.ProtocolNumber
	if to.Is6() {
		transport, network = icmp.ProtocolNumber6, ipv6.ProtocolNumber
	}
	ep, err := s.NewEndpoint(transport, network, &queue)
	if err != nil {
		return 0, causeOf(err)
	}
	defer ep.Close()
	if err := ep.Connect(fullAddress(netip.AddrPortFrom(to, 0))); err != nil {
		return 0, causeOf(err)
	}
	request := echo(to, size)
	begin := time.Now()
	if _, err := ep.Write(bytes.NewReader(request), tcpip.WriteOptions{}); err != nil {
		return 0, causeOf(err)
	}
	for {
		select {
		case <-readable:
		case <-s.link.done:
			return 0, tundev.ErrClosed
		case <-ctx.Done():
			return 0, fmt.Errorf("no answer: %w", ctx.Err())
		}
		if answered(ep, request) {
			return time.Since(begin), nil
		}
	}
}

// echo is an echo request whose payload nobody can guess. Its identifier and checksum the stack fills in.
func echo(to netip.Addr, size int) []byte {
	b := make([]byte, echoLen+size)
	b[0] = byte(header.ICMPv4Echo)
	if to.Is6() {
		b[0] = byte(header.ICMPv6EchoRequest)
	}
	_, _ = rand.Read(b[echoLen:]) // it never fails
	return b
}

// answered reports whether the answer to a request is among what an endpoint has received.
func answered(ep tcpip.Endpoint, request []byte) bool {
	for {
		var got bytes.Buffer
		if _, err := ep.Read(&got, tcpip.ReadOptions{}); err != nil {
			return false
		}
		if b := got.Bytes(); len(b) >= echoLen && bytes.Equal(b[echoLen:], request[echoLen:]) {
			return true
		}
	}
}
