package proxy

import (
	"net"
	"strings"
)

// A place is where a service listens.
type place struct {
	stack           Stack // nil: this machine
	network, listen string
}

// placeOf says where a service listens; ok is whether that exists.
func (p *Proxies) placeOf(want Service) (at place, ok bool) {
	at = place{network: want.Network, listen: want.Listen}
	if want.Kind == Publish {
		at.stack = p.options.Stack(want.VNI)
		return at, at.stack != nil
	}
	return at, true
}

func (at place) listenStream() (net.Listener, error) {
	if at.stack != nil {
		return at.stack.Listen(at.network, at.listen)
	}
	return net.Listen(at.network, at.listen)
}

func (at place) listenPacket() (net.PacketConn, error) {
	if at.stack != nil {
		return at.stack.ListenPacket(at.network, at.listen)
	}
	return net.ListenPacket(at.network, at.listen)
}

// overlaps reports whether two places have the same port.
func (at place) overlaps(o place) bool {
	_, port, _ := net.SplitHostPort(at.listen)
	_, other, _ := net.SplitHostPort(o.listen)
	return at.stack == o.stack && at.network == o.network && port == other
}

// String names the place for people.
func (at place) String() string {
	if at.stack != nil {
		return at.network + " port " + strings.TrimPrefix(at.listen, ":") + " of the device"
	}
	return at.network + " " + at.listen
}
