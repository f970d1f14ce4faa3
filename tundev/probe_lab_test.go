//go:build linux && lab

package tundev

import (
	"net/netip"
	"testing"

	"github.com/vxmesh/vxmesh/tundev/ether"
)

// TestProbe asks the kernel at the other end of the pair for addresses that it has, and for others.
func TestProbe(t *testing.T) {
	p := newPair(t, TAP)
	for a, want := range map[string]ether.MAC{
		"192.0.2.2": {0xfe, 0, 0, 0, 0, 2}, "192.0.2.3": {},
		"2001:db8::2": {0xfe, 0, 0, 0, 0, 2}, "2001:db8::3": {},
	} {
		var got ether.MAC
		var err error
		p.a.do(func() { got, err = Probe(t.Context(), "vxm0", netip.MustParseAddr(a)) })
		if err != nil || got != want {
			t.Errorf("%s: %s, %v, want %s", a, got, err, want)
		}
	}
	p.a.do(func() {
		if _, err := Probe(t.Context(), "none", netip.MustParseAddr("192.0.2.2")); err == nil {
			t.Error("a device that there is not")
		}
	})
}
