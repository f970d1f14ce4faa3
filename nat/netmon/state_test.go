package netmon

import (
	"net"
	"net/netip"
	"testing"
	"time"
)

func prefixes(s ...string) (out []netip.Prefix) {
	for _, p := range s {
		out = append(out, netip.MustParsePrefix(p))
	}
	return out
}

// home is a machine with a LAN, a tunnel, and a container's device in a bridge.
func home() State {
	return State{
		Interfaces: []Interface{
			{Name: "lo", Index: 1, Up: true, Loopback: true, Prefixes: prefixes("127.0.0.1/8")},
			{Name: "eth0", Index: 2, Up: true, Prefixes: prefixes("192.168.1.9/24", "fe80::9/64")},
			{Name: "wlan0", Index: 3, Prefixes: prefixes("192.168.2.9/24")},
			{Name: "tun0", Index: 4, Up: true, Tunnel: true, Prefixes: prefixes("10.8.0.2/24")},
			{Name: "veth0", Index: 5, Up: true, Port: true, Prefixes: prefixes("fe80::5/64")},
			{Name: "ours", Index: 6, Up: true, Prefixes: prefixes("10.9.0.2/24")},
		},
		Gateway4: netip.MustParseAddr("192.168.1.1"), DefaultInterface: "eth0",
	}
}

func TestChanges(t *testing.T) {
	one := func(i int, f func(*Interface)) func(*State) { return func(s *State) { f(&s.Interfaces[i]) } }
	longer := func(i *Interface) { i.Prefixes[0] = prefixes("192.168.1.9/16")[0] }
	other := func(i *Interface) { i.Prefixes = prefixes("198.51.100.7/24") }
	for name, c := range map[string]struct {
		change func(*State)
		want   Kinds
	}{
		"nothing":             {func(*State) {}, 0},
		"address":             {one(1, other), AddressChange},
		"length of a network": {one(1, longer), AddressChange},
		"carrier lost":        {one(1, func(i *Interface) { i.Up = false }), AddressChange},
		"carrier found":       {one(2, func(i *Interface) { i.Up = true }), AddressChange},
		"MTU":                 {one(1, func(i *Interface) { i.MTU = 1400 }), 0},
		"loopback":            {one(0, other), 0},
		"down anyway":         {one(2, other), 0},
		"tunnel":              {one(3, other), 0},
		"port of a bridge":    {one(4, other), 0},
		"ignored":             {one(5, other), 0},
		"gateway":             {func(s *State) { s.Gateway4 = netip.MustParseAddr("192.168.1.2") }, RouteChange},
		"gateway of IPv6":     {func(s *State) { s.Gateway6 = netip.MustParseAddr("fe80::1%eth0") }, RouteChange},
		"interface":           {func(s *State) { s.DefaultInterface = "tun0" }, RouteChange},
	} {
		t.Run(name, func(t *testing.T) {
			now := home()
			c.change(&now)
			ignore := func(i Interface) bool { return i.Name == "ours" }
			if got := now.changes(home(), ignore); got != c.want {
				t.Errorf("changes %v, want %v", got, c.want)
			}
		})
	}
}

func TestDefaults(t *testing.T) {
	gw := netip.MustParseAddr
	for name, c := range map[string]struct {
		routes     []defaultRoute
		four, six  netip.Addr
		through    string
		wlanIsDown bool
	}{
		"none": {},
		"the least metric": {
			routes: []defaultRoute{
				{index: 6, gateway: gw("10.9.0.1"), metric: 600}, {index: 2, gateway: gw("192.168.1.1"), metric: 100},
			},
			four: gw("192.168.1.1"), through: "eth0",
		},
		"the first of equals": {
			routes: []defaultRoute{{index: 2, gateway: gw("192.168.1.1")}, {index: 2, gateway: gw("192.168.1.2")}},
			four:   gw("192.168.1.1"), through: "eth0",
		},
		"not one that is down": {
			routes: []defaultRoute{{index: 3, gateway: gw("192.168.2.1")}},
		},
		"not one that has gone": {routes: []defaultRoute{{index: 9, gateway: gw("192.168.9.1")}}},
		"a tunnel last": {
			routes: []defaultRoute{
				{index: 4, metric: 1}, {index: 2, gateway: gw("192.168.1.1"), metric: 100}, {index: 4, metric: 2},
			},
			four: gw("192.168.1.1"), through: "eth0",
		},
		"only a tunnel": {routes: []defaultRoute{{index: 4}}, through: "tun0"},
		"IPv6 alone, link-local": {
			routes: []defaultRoute{{index: 2, gateway: gw("fe80::1"), six: true}},
			six:    gw("fe80::1%eth0"), through: "eth0",
		},
		"IPv4 without a router, IPv6 by another way": {
			routes: []defaultRoute{{index: 6}, {index: 2, gateway: gw("2001:db8::1"), six: true}},
			six:    gw("2001:db8::1"), through: "ours",
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := State{Interfaces: home().Interfaces}
			s.setDefaults(c.routes)
			if s.Gateway4 != c.four || s.Gateway6 != c.six || s.DefaultInterface != c.through {
				t.Errorf("%v, %v through %q; want %v, %v through %q", s.Gateway4, s.Gateway6,
					s.DefaultInterface, c.four, c.six, c.through)
			}
		})
	}
}

func TestSort(t *testing.T) {
	s := State{Interfaces: []Interface{
		{Index: 2, Prefixes: prefixes("fe80::1/64", "10.0.0.2/24", "10.0.0.2/8")}, {Index: 1},
	}}
	s.sort()
	if s.Interfaces[0].Index != 1 {
		t.Error("interfaces are not in order")
	}
	for i, p := range prefixes("10.0.0.2/8", "10.0.0.2/24", "fe80::1/64") {
		if got := s.Interfaces[1].Prefixes[i]; got != p {
			t.Errorf("prefix %d is %v, want %v", i, got, p)
		}
	}
}

func TestPrefixOfNet(t *testing.T) {
	for _, c := range []struct {
		ip   net.IP
		mask net.IPMask
		want string
	}{
		{net.IP{10, 0, 0, 1}, net.CIDRMask(8, 32), "10.0.0.1/8"},
		{net.ParseIP("10.0.0.1"), net.CIDRMask(8, 32), "10.0.0.1/8"},
		{net.ParseIP("10.0.0.1"), net.CIDRMask(104, 128), "10.0.0.1/8"},
		{net.ParseIP("2001:db8::1"), net.CIDRMask(64, 128), "2001:db8::1/64"},
		{net.IP{10, 0, 0}, net.CIDRMask(8, 32), ""},
		{net.IP{10, 0, 0, 1}, net.IPMask{255, 0, 255, 0}, ""},
		{net.IP{10, 0, 0, 1}, net.CIDRMask(64, 128), ""},
	} {
		p, ok := prefixOfNet(&net.IPNet{IP: c.ip, Mask: c.mask})
		if ok != (c.want != "") || ok && p != netip.MustParsePrefix(c.want) {
			t.Errorf("%v/%v: %v, %v; want %q", c.ip, c.mask, p, ok, c.want)
		}
	}
}

func TestTunnelNames(t *testing.T) {
	for name, want := range map[string]bool{
		"utun3": true, "wg0": true, "tap10": true, "en0": false, "tun": false, "gif0": false, "tunnel0": false,
	} {
		if got := isTunnelName(name); got != want {
			t.Errorf("%s is a tunnel: %v", name, got)
		}
	}
}

func TestKinds(t *testing.T) {
	for k, want := range map[Kinds]string{
		0: "none", First: "first", AddressChange | RouteChange: "address+route", Resume: "resume",
	} {
		if got := k.String(); got != want {
			t.Errorf("%d is %q, want %q", k, got, want)
		}
	}
}

// TestClocks: each clock alone shows that time went by.
func TestClocks(t *testing.T) {
	then := clocks{wall: time.Unix(1000, 0), mono: 50, boot: 70}
	for _, now := range []clocks{
		{wall: time.Unix(1008, 0), mono: 50, boot: 70},
		{wall: time.Unix(0, 0), mono: 50 + 8*time.Second, boot: 70},
		{wall: time.Unix(1001, 0), mono: 51, boot: 70 + 8*time.Second},
	} {
		if got := now.since(then); got != 8*time.Second {
			t.Errorf("%v went by on %+v", got, now)
		}
	}
}
