//go:build !linux

package vtep

import (
	"context"
	"errors"
	"net/netip"
)

var errLinux = errors.New("have the kernel be a VXLAN endpoint: only Linux has namespaces to do it in")

// Isolated reports whether this process is in a namespace that [Isolate] made.
func Isolated() bool { return false }

// Isolate refuses.
func Isolate(context.Context) (code int, err error) { return 0, errLinux }

// Start refuses.
func Start(uint32, netip.Prefix) (*Kernel, error) { return nil, errLinux }

// A Kernel is there on Linux alone.
type Kernel struct{ Listen, Remote netip.AddrPort }

// Close does nothing.
func (*Kernel) Close() error { return nil }
