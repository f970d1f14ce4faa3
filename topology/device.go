package topology

import (
	"context"
	"net"
	"net/netip"
	"slices"
	"time"

	"github.com/vxmesh/vxmesh/tundev"
	"github.com/vxmesh/vxmesh/tundev/ether"
	"github.com/vxmesh/vxmesh/tundev/offload"
)

// A Stack is a device with an IP host of its own behind it, such as package userspace makes.
type Stack interface {
	tundev.Device
	// Ping sends one ICMP echo and waits for the answer.
	Ping(ctx context.Context, to netip.Addr, size int) (rtt time.Duration, err error)
	// DialContext and Listen are as those of package net, with addresses of the segment.
	DialContext(ctx context.Context, network, address string) (net.Conn, error)
	Listen(network, address string) (net.Listener, error)
}

// A Frame is one that passed between a host and its node's segment.
type Frame struct {
	Host  *Host
	VNI   uint32
	Out   bool // the host sent it
	Time  time.Time
	Bytes ether.Frame // borrowed
}

// A device shows its frames to who watches.
type device struct {
	Stack
	h   *Host
	vni uint32
}

// ReadFrame implements [tundev.Device].
func (d *device) ReadFrame(buf []byte, wait bool) (int, offload.Header, error) {
	n, head, err := d.Stack.ReadFrame(buf, wait)
	if err == nil && n > 0 {
		d.show(true, buf[:n])
	}
	return n, head, err
}

// WriteFrame implements [tundev.Device].
func (d *device) WriteFrame(head offload.Header, parts [][]byte) error {
	d.show(false, slices.Concat(parts...))
	return d.Stack.WriteFrame(head, parts)
}

func (d *device) show(out bool, frame []byte) {
	if len(frame) >= ether.HeaderLen {
		d.h.w.frame(&Frame{Host: d.h, VNI: d.vni, Out: out, Time: time.Now(), Bytes: frame})
	}
}
