package vxlan_test

import (
	"testing"

	"github.com/vxmesh/vxmesh/tundev/ether"
	"github.com/vxmesh/vxmesh/tunnel/vxlan"
)

func TestOuterFor(t *testing.T) {
	var (
		arp     = ether.IP{}
		four    = ether.IP{Version: 4, TTL: 17, TOS: 0x14, DF: true}
		fourNDF = ether.IP{Version: 4, TTL: 1, TOS: 0x15}
		six     = ether.IP{Version: 6, TTL: 255, TOS: 0xb8}
		noTTL   = ether.IP{Version: 4}
		same    = vxlan.Outer{TTL: vxlan.Inherit, TOS: vxlan.Inherit, DF: vxlan.DFInherit}
	)
	_, tagged := tosFrame(t, tagged4, 0x28)
	for _, c := range []struct {
		name     string
		o        vxlan.Outer
		ip       ether.IP
		ttl, tos uint8
		df       bool
	}{
		{"numbers", vxlan.Outer{TTL: 100, TOS: 0x20}, four, 100, 0x20, false},
		{"numbers for IPv6", vxlan.Outer{TTL: 1, TOS: 0x20}, six, 1, 0x20, false},
		{"numbers for ARP", vxlan.Outer{TTL: 255, TOS: 0x20}, arp, 255, 0x20, false},
		{"of a number only DSCP counts", vxlan.Outer{TTL: 64, TOS: 0x23}, four, 64, 0x20, false},
		{"ECN crosses beside a number", vxlan.Outer{TTL: 64, TOS: 0x20}, fourNDF, 64, 0x21, false},
		{"inherit", same, four, 17, 0x14, true},
		{"inherit without DF", same, fourNDF, 1, 0x15, false},
		{"inherit from IPv6", same, six, 255, 0xb8, true},
		{"inherit from ARP", same, arp, vxlan.DefaultTTL, 0, false},
		{"inherit through a tag", same, tagged, 64, 0x28, true},
		{"a TTL of 0 cannot be sent", same, noTTL, vxlan.DefaultTTL, 0, false},
		{"DF set", vxlan.Outer{TTL: 64, DF: vxlan.DFSet}, fourNDF, 64, 1, true},
		{"DF set for ARP", vxlan.Outer{TTL: 64, DF: vxlan.DFSet}, arp, 64, 0, true},
		{"DF unset", vxlan.Outer{TTL: 64, DF: vxlan.DFUnset}, four, 64, 0, false},
	} {
		ttl, tos, df := c.o.For(c.ip)
		if ttl != c.ttl || tos != c.tos || df != c.df {
			t.Errorf("%s: TTL %d, TOS %#02x, DF %v; want %d, %#02x, %v",
				c.name, ttl, tos, df, c.ttl, c.tos, c.df)
		}
	}
}
