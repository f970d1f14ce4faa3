package main

import (
	"fmt"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/vxmesh/vxmesh/config"
	"github.com/vxmesh/vxmesh/tundev"
	"github.com/vxmesh/vxmesh/tunnel/session"
)

// TestHintsFitWhatIsInUse takes every kind of address twice.
func TestHintsFitWhatIsInUse(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	_, metrics := listenMetrics(config.HostPort(l.Addr().String()))
	unix := &net.OpError{Op: "listen", Net: "unix", Err: os.NewSyscallError("bind", syscall.EADDRINUSE)}
	for _, c := range []struct {
		name, message, hint string
		err                 error
	}{
		{
			"metrics", "cannot listen for metrics: " + l.Addr().String() + ": address already in use\n",
			"[metrics]", metrics,
		},
		{"control", "address already in use", "[control]", fmt.Errorf("control socket: %w", unix)},
		{"vxlan", "address already in use", "vxlan", fmt.Errorf("listen: %w", syscall.EADDRINUSE)},
	} {
		var out strings.Builder
		code := printError(&out, joinError(c.err), false)
		got := out.String()
		if code != exitConflict || !strings.Contains(got, c.message) || !strings.Contains(got, c.hint) {
			t.Errorf("%s: code %d: %s", c.name, code, got)
		}
		if c.name != "vxlan" && strings.Contains(got, "vxlan =") {
			t.Errorf("%s: the hint is for another socket: %s", c.name, got)
		}
	}
}

// TestHintWhenIPv6IsOff tells the kernel's refusal of a family from missing rights.
func TestHintWhenIPv6IsOff(t *testing.T) {
	off := t.TempDir() + "/disable_ipv6"
	write := func(text string) {
		if err := os.WriteFile(off, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	add := func(err error) error {
		return &tundev.Error{Op: "add address fd42::1/64 to device", Name: "vxm0", Err: err}
	}
	write("1\n")
	if !refusedForIPv6(add(syscall.EACCES), off) {
		t.Error("IPv6 is off, and nobody is told")
	}
	if refusedForIPv6(add(syscall.EPERM), off) || refusedForIPv6(syscall.EACCES, off) {
		t.Error("missing rights are taken for it")
	}
	write("0\n")
	if refusedForIPv6(add(syscall.EACCES), off) || refusedForIPv6(add(syscall.EACCES), off+"x") {
		t.Error("IPv6 is on")
	}
}

// TestCheckCipher: a machine that cannot do the only cipher it may use says so at once.
func TestCheckCipher(t *testing.T) {
	without := func(c session.Cipher) bool { return c != session.AEGIS256X2 }
	for name := range ciphers {
		err := checkCipher(name, without)
		if name != "aegis-256x2" {
			if err != nil {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		var out strings.Builder
		if code := printError(&out, err, false); code != exitConfig || !strings.Contains(out.String(), `security.cipher = "auto"`) {
			t.Errorf("%s: exit %d: %s", name, code, out.String())
		}
		if err := checkCipher(name, func(session.Cipher) bool { return true }); err != nil {
			t.Errorf("%s, on a machine that can: %v", name, err)
		}
	}
}
