package tundev

import (
	"errors"
	"net/netip"
	"strings"
	"testing"

	"github.com/vxmesh/vxmesh/tundev/ether"
)

func goodOptions() Options {
	return Options{Name: "vxm0", MAC: ether.MAC{0xfe, 0, 0, 0, 0, 1}}
}

func TestOptionsDefaults(t *testing.T) {
	o, err := goodOptions().complete()
	if err != nil || o.MTU != 1500 || o.Log == nil {
		t.Errorf("%+v, %v", o, err)
	}
}

func TestOptionsRefused(t *testing.T) {
	addresses := func(ss ...string) func(*Options) {
		return func(o *Options) {
			for _, s := range ss {
				o.Addresses = append(o.Addresses, netip.MustParsePrefix(s))
			}
		}
	}
	for _, c := range []struct {
		change func(*Options)
		want   string
	}{
		{func(o *Options) { o.Name = "" }, "it has no name"},
		{func(o *Options) { o.Name = "a234567890123456" }, "the name has 16 bytes, 15 are allowed"},
		{func(o *Options) { o.Name = ".." }, "the name is a directory's"},
		{func(o *Options) { o.Name = "vx/0" }, "the name has '/' in it"},
		{func(o *Options) { o.Name = "vxm%d" }, "the name has '%' in it"},
		{func(o *Options) { o.Name = "vx 0" }, "the name has ' ' in it"},
		{func(o *Options) { o.Name = "vxü0" }, "the name has 'ü' in it"},
		{func(o *Options) { o.Name = "vx:0" }, "the name has ':' in it"},
		{func(o *Options) { o.Bridge = "b\n" }, `bridge "b\n": the name has '\n' in it`},
		{func(o *Options) { o.Bridge = "vxm0" }, "it cannot join itself as a bridge"},
		{func(o *Options) { o.MAC = ether.MAC{} }, "mac 00:00:00:00:00:00 is not"},
		{func(o *Options) { o.MAC = ether.Broadcast }, "mac ff:ff:ff:ff:ff:ff is not"},
		{func(o *Options) { o.MTU = 575 }, "mtu 575 is not between 576 and 9000"},
		{func(o *Options) { o.MTU = 9001 }, "mtu 9001 is not between 576 and 9000"},
		{addresses("224.0.0.1/4"), "224.0.0.1/4 is not an address for an interface"},
		{addresses("0.0.0.0/0"), "0.0.0.0/0 is not an address for an interface"},
		{addresses("192.0.2.1/24", "192.0.2.1/24"), "address 192.0.2.1/24 is listed twice"},
		{func(o *Options) { o.Addresses = make([]netip.Prefix, 1) }, "is not an address for"},
		{func(o *Options) { o.MTU = 1279; addresses("2001:db8::1/64")(o) }, "IPv6 needs 1280"},
	} {
		o := goodOptions()
		c.change(&o)
		_, err := o.complete()
		if !errors.Is(err, ErrInvalid) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q: %v", c.want, err)
		}
	}
}

func TestOpenRefusesBeforeAnythingIsMade(t *testing.T) {
	o := goodOptions()
	o.Name = "vx/0"
	d, err := Open(o)
	want := "cannot create tap device vx/0: the name has '/' in it"
	if d != nil || !errors.Is(err, ErrInvalid) || err.Error() != want {
		t.Errorf("%v, %v", d, err)
	}
}

func TestOptionsChangeable(t *testing.T) {
	o := goodOptions()
	n := o
	n.MTU, n.Bridge, n.Addresses = 9000, "br0", []netip.Prefix{netip.MustParsePrefix("192.0.2.1/24")}
	if err := o.changeable(n); err != nil {
		t.Error(err)
	}
	n.Name = "vxm1"
	if err := o.changeable(n); !errors.Is(err, ErrInvalid) || !strings.Contains(err.Error(), "name") {
		t.Errorf("name: %v", err)
	}
	n = o
	n.MAC[5]++
	if err := o.changeable(n); !errors.Is(err, ErrInvalid) || !strings.Contains(err.Error(), "mac") {
		t.Errorf("mac: %v", err)
	}
}
