//go:build linux && lab

package tundev

import (
	"errors"
	"strings"
	"testing"

	"github.com/vxmesh/vxmesh/tundev/ether"
)

// TestLabTUNIsAsAsked: the interface is an IP one with the addresses, and the link-local one of its MAC; it
// comes back when it is removed, and goes with Close.
func TestLabTUNIsAsAsked(t *testing.T) {
	n := newNamespace(t)
	d := n.open(Options{Kind: TUN, Name: "vxm0", MTU: 1400, Addresses: prefixes("192.0.2.1/24", "2001:db8::1/64")})
	keep(t, d)
	check := func() {
		t.Helper()
		s := n.show("vxm0")
		out := n.ip("-d addr show dev vxm0")
		if !s.isUp() || s.MTU != 1400 || s.addrs() != "192.0.2.1/24 2001:db8::1/64" ||
			!strings.Contains(out, "tun type tun") || strings.Count(out, "inet6 fe80") != 1 ||
			!strings.Contains(out, "inet6 "+linkLocal(labMAC).String()) {
			t.Errorf("interface is %+v:\n%s", s, out)
		}
	}
	check()
	if d.MAC() != labMAC || d.Name() != "vxm0" || d.MTU() != 1400 || !d.Offloads().TSO {
		t.Errorf("device says %s %s %d %+v", d.Name(), d.MAC(), d.MTU(), d.Offloads())
	}
	n.ip("link del vxm0")
	eventually(t, "it comes back", func() bool { s := n.show("vxm0"); return s.isUp() && d.State().Up })
	check()
	if err := d.Reconfigure(Options{Kind: TUN, Name: "vxm0", MAC: labMAC, MTU: 9000, Addresses: prefixes("192.0.2.9/24")}); err != nil {
		t.Error(err)
	}
	if s := n.show("vxm0"); s.MTU != 9000 || s.addrs() != "192.0.2.9/24" {
		t.Errorf("changed it is %+v", s)
	}
	for what, o := range map[string]Options{
		"kind":   {Kind: TAP, Name: "vxm0", MAC: labMAC},
		"mac":    {Kind: TUN, Name: "vxm0", MAC: ether.MAC{2}},
		"bridge": {Kind: TUN, Name: "vxm0", MAC: labMAC, Bridge: "br0"},
	} {
		if err := d.Reconfigure(o); !errors.Is(err, ErrInvalid) {
			t.Errorf("another %s: %v", what, err)
		}
	}
	if err := d.Close(); err != nil || n.show("vxm0") != nil {
		t.Errorf("it is there after close: %v", err)
	}
}

// TestLabTUNAdoptsALentDevice: a persistent TUN is used and left as it was; a TAP is not.
func TestLabTUNAdoptsALentDevice(t *testing.T) {
	n := newNamespace(t)
	n.ip("tuntap add vxm0 mode tun")
	n.ip("tuntap add tap0 mode tap")
	d := n.open(Options{Kind: TUN, Name: "vxm0", Addresses: prefixes("192.0.2.1/24")})
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	if s := n.show("vxm0"); s == nil || s.addrs() != "" || strings.Contains(n.ip("addr show dev vxm0"), "fe80") {
		t.Errorf("it is left as %+v", s)
	}
	_, err := n.tryOpen(Options{Kind: TUN, Name: "tap0"})
	if want := "cannot create tun device tap0: a tap interface has this name"; err == nil || err.Error() != want ||
		!errors.Is(err, ErrInUse) {
		t.Errorf("a TAP: %v", err)
	}
}
