// Package tundev gives the program an Ethernet port on this machine: a TAP device, or a TUN behind an
// Ethernet host of the program's own, that keeps its name, address and bridge for as long as the program
// runs.
//
// Use [Open] where frames have to enter or leave this machine's network stack, [OpenHost] where they do
// those of another; tests that need no stack at all use tundevtest instead. On a [Device] one goroutine reads, any number write, and the rest
// may be called from anywhere at any time.
package tundev

import (
	"context"
	"log/slog"
	"net/netip"
	"time"

	"github.com/vxmesh/vxmesh/tundev/ether"
	"github.com/vxmesh/vxmesh/tundev/offload"
)

// BufLen is the smallest buffer for [Device.ReadFrame], in bytes: 65535 bytes of IP behind an
// Ethernet header with two VLAN tags.
const BufLen = 65535 + ether.HeaderLen + 2*ether.TagLen

// MaxParts is the largest number of parts that [Device.WriteFrame] gathers: more than the chunks of
// a 64 KB frame on any path, few enough to stay on one page.
const MaxParts = 128

// A Device is an Ethernet port on this machine.
type Device interface {
	// Name is the interface's name, which may be another than was asked for on systems that have
	// a mind of their own about names.
	Name() string
	// MAC is the interface's address. It stays the same when the device is made again.
	MAC() ether.MAC
	// MTU is the largest IP packet in bytes, Ethernet header not counted, that was asked for last.
	MTU() int
	// Offloads says which unfinished frames [Device.WriteFrame] takes.
	Offloads() Offloads

	// ReadFrame reads the next frame into buf, which has at least [BufLen] bytes, and says how long
	// it is and what is left to do for it. Without wait it gives [ErrWouldBlock] at once when there
	// is none. It rides out a removal of the device; after Close it gives [ErrClosed]. Only one
	// goroutine may read at a time.
	ReadFrame(buf []byte, wait bool) (n int, h offload.Header, err error)

	// WriteFrame writes one frame, gathered from up to [MaxParts] parts that are not kept, of
	// [ether.HeaderLen] bytes together at least. It never blocks. The error is [ErrDown] while the
	// device is gone or set down, [ErrClosed] after Close, or the kernel's. Any number of goroutines
	// may write.
	WriteFrame(h offload.Header, parts [][]byte) error

	// Run keeps the device alive: it watches for removal and changes by others and sets right what
	// it finds, with a back-off. It gives nil when ctx ends or the device is closed, and is called
	// once.
	Run(ctx context.Context) error

	// Reconfigure changes MTU, Addresses and Bridge of the living device to those of o; anything
	// else that differs is an error that names it, and then nothing is changed.
	Reconfigure(o Options) error

	// State says whether frames can pass, for status.
	State() State

	// Close removes what was made and wakes ReadFrame. A second Close does nothing.
	Close() error
}

// Offloads says what [Device.WriteFrame] takes beside finished frames.
type Offloads struct {
	Csum bool // a transport checksum that is only the pseudo-header's sum
	TSO  bool // TCP super-frames over IPv4 and IPv6
	USO  bool // UDP super-frames over IPv4 and IPv6
}

// A State says whether a device passes frames.
type State struct {
	Up     bool
	Reason string    // why it is down, as the end of a sentence; "" when it is up
	Since  time.Time // when it became so
}

// A Kind is what a device is to the system.
type Kind string

// The kinds of devices that [Open] makes.
const (
	TAP Kind = "tap" // an Ethernet device
	TUN Kind = "tun" // an IP device; what Ethernet needs beside, the program does itself
)

// Userspace is the kind of a [Host]: no interface of the system's, but a stack of the program's own.
const Userspace Kind = "userspace"

// Options is what [Open] makes a device of.
type Options struct {
	Kind      Kind           // "" is [TAP]; for [OpenHost] it is [Userspace]
	Name      string         // 1-15 bytes, required
	MTU       int            // bytes of IP packet, 576-9000; 0 is 1500
	MAC       ether.MAC      // required; see [StableMAC]
	Bridge    string         // an existing bridge to join; "" joins none, and a [TUN] can join none
	Addresses []netip.Prefix // on the interface itself
	Log       *slog.Logger   // nil discards
	OnChange  func(State)    // told every change of State, by Run; nil tells nobody
}
