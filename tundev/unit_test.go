package tundev

import (
	"testing"

	"github.com/vxmesh/vxmesh/tundev/ether"
)

func TestUnits(t *testing.T) {
	for _, c := range []struct {
		driver, name string
		unit         int
		ok           bool
	}{
		{"tap", "tap0", 0, true},
		{"tap", "tap17", 17, true},
		{"feth", "feth32767", 32767, true},
		{"feth", "feth32768", 0, false},
		{"tap", "tap", 0, false},
		{"tap", "tap01", 0, false},
		{"tap", "tap-1", 0, false},
		{"tap", "tap+1", 0, false},
		{"tap", "tap1x", 0, false},
		{"tun", "utun1", 0, false},
		{"tap", "vxm0", 0, false},
		{"tap", "", 0, false},
	} {
		unit, ok := unitOf(c.driver, c.name)
		if unit != c.unit || ok != c.ok {
			t.Errorf("%s %q: %d, %v", c.driver, c.name, unit, ok)
		}
		want := c.driver
		if c.ok {
			want = c.name
		}
		if got := driverName(c.driver, c.name); got != want {
			t.Errorf("%s %q is asked for as %q", c.driver, c.name, got)
		}
	}
}

func TestTapWindows(t *testing.T) {
	for component, want := range map[string]bool{
		"tap0901": true, `root\tap0901`: true, `ROOT\TAP0901`: true,
		"tap0801": false, "tap09011": false, "wintun": false, "": false,
	} {
		if isTapWindows(component) != want {
			t.Errorf("%q: %v", component, !want)
		}
	}
	// CTL_CODE(0x22, request, 0, 0), as compiled into programs that use the driver.
	for request, want := range map[uint32]uint32{
		tapGetMAC: 0x220004, tapGetMTU: 0x22000c, tapSetMediaStatus: 0x220018,
	} {
		if got := tapControl(request); got != want {
			t.Errorf("request %d is %#x, want %#x", request, got, want)
		}
	}
	a := tapAdapter{key: "0007", guid: "{8F1D}", name: "OpenVPN TAP"}
	b := tapAdapter{key: "0008", guid: "{9A2E}", name: "VXM0"}
	if a.path() != `\\.\Global\{8F1D}.tap` {
		t.Errorf("the file is %s", a.path())
	}
	all := []tapAdapter{a, b}
	if got := pickTAP(all, "vxm0"); len(got) != 1 || got[0] != b {
		t.Errorf("the adapter of that name is not the only one: %v", got)
	}
	if got := pickTAP(all, "vxm1"); len(got) != 2 || got[0] != a {
		t.Errorf("without one of that name: %v", got)
	}
	if got := networkAddress(ether.MAC{0xfe, 0xab, 0, 1, 2, 0x3c}); got != "FEAB0001023C" {
		t.Errorf("the mac is %s", got)
	}
}
