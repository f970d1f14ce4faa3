package main

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"syscall"

	"github.com/vxmesh/vxmesh/tunnel/control"
)

// metricsError says why the address of the metrics cannot be had. It is told to whoever asked for
// it: at the start or by a reload.
func metricsError(at string, err error) error {
	e := control.Errorf(control.AsError(err).Code, "cannot listen for metrics: %v", reason(err))
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		_, port, _ := net.SplitHostPort(at)
		e.Code = control.CodeConflict
		e.Fix = []string{
			"see who holds the port     ss -ltnp 'sport = :" + port + "'",
			"or take another            listen in [metrics]",
		}
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		e.Fix = []string{"metrics.listen names an address that this machine does not have: ip addr"}
	}
	return e
}

// reason is an error of the net package with its address, but without its verbs.
func reason(err error) string {
	if op, ok := errors.AsType[*net.OpError](err); ok && op.Addr != nil {
		return op.Addr.String() + ": " + unwrapSyscall(op.Err).Error()
	}
	return err.Error()
}

func unwrapSyscall(err error) error {
	if call, ok := errors.AsType[*os.SyscallError](err); ok {
		return call.Err
	}
	return err
}

// inUseHints are what to do when an address is taken. Only the VXLAN sockets and the control
// socket get here: the metrics have their own words.
func inUseHints(err error) []string {
	if op, ok := errors.AsType[*net.OpError](err); ok && op.Net == "unix" {
		return []string{
			"see who holds the socket   ss -lxp",
			"or take another            socket in [control]",
		}
	}
	return []string{
		"see who holds the port       ss -lunp",
		"the kernel's own vxlan devices show with     ip -d link show type vxlan",
		"or take another port         [listen] vxlan = [\":8472\"]",
	}
}

// meshPortError says what to do when an address of the sealed mesh cannot be had; any other error
// comes back as it is.
func meshPortError(mesh []netip.AddrPort, err error) error {
	failed := func(a netip.AddrPort) bool {
		return strings.Contains(err.Error(), "listen on "+a.String()+":")
	}
	i := slices.IndexFunc(mesh, failed)
	if i < 0 {
		return err
	}
	e := control.Errorf(control.AsError(err).Code, "%v", err)
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		e.Code = control.CodeConflict
		e.Fix = []string{
			fmt.Sprintf("see who holds the port     ss -lunp 'sport = :%d'", mesh[i].Port()),
			"or take another            [listen] mesh = [\":42420\"], and tell the peers",
		}
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		e.Fix = []string{"listen.mesh names an address that this machine does not have: ip addr"}
	}
	return e
}

// ipv6Switch is where Linux keeps whether IPv6 is off on the whole machine.
const ipv6Switch = "/proc/sys/net/ipv6/conf/all/disable_ipv6"

// refusedForIPv6 tells whether the kernel refused an address because of its family. Linux says
// EACCES then, which has nothing to do with rights: those are EPERM. The file says whether IPv6 is
// off.
func refusedForIPv6(err error, switchFile string) bool {
	if !errors.Is(err, syscall.EACCES) || !strings.Contains(err.Error(), "add address ") {
		return false
	}
	off, readErr := os.ReadFile(switchFile)
	return readErr == nil && strings.TrimSpace(string(off)) != "0"
}

// ipv6Hint is what to do when it is so.
const ipv6Hint = "IPv6 is off on this machine (sysctl net.ipv6.conf.all.disable_ipv6): " +
	"remove the IPv6 address"
