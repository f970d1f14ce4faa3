//go:build linux && lab

// A node whose device is a TUN behind an Ethernet host of the program's own, against the kernel's.
//
//	K vx0 10.0.0.1, fd42::1                             M vxm0 10.0.0.2, fd42::2 (TUN)
//	  [u0] 192.0.2.1 ------------- VXLAN ------------- 192.0.2.2 [u0]

package lab

import (
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"
)

// tunSegment is M's segment in the drawing.
func tunSegment() segment {
	return segment{
		kind: "tun", remotes: []string{"192.0.2.1"}, addresses: []string{"10.0.0.2/24", "fd42::2/64"},
	}
}

// newTUNLab is the drawing, up.
func newTUNLab(t *testing.T) (k *host, n *node) {
	t.Helper()
	vxmeshOnly(t)
	k, m := pair(t)
	k.kernel(segment{
		local: "192.0.2.1", remotes: []string{"192.0.2.2"}, addresses: []string{"10.0.0.1/24"},
	}, 4789)
	k.run("ip addr add fd42::1/64 dev vx0 nodad")
	return k, join(m, tunSegment())
}

// stationMAC is the address of the host on the segment; the interface has none.
func (n *node) stationMAC() string {
	n.t.Helper()
	return n.status().Segments[0].Device.MAC
}

// neighbour is the MAC that a host has for an address, "" for none.
func (h *host) neighbour(addr, device string) string {
	h.t.Helper()
	fields := strings.Fields(h.run("ip neigh show to %s dev %s", addr, device))
	for i, f := range fields[:max(0, len(fields)-1)] {
		if f == "lladdr" {
			return fields[i+1]
		}
	}
	return ""
}

// TestTUNKernel: everything crosses between a TUN and the kernel's vxlan, and to K it is a host as any.
func TestTUNKernel(t *testing.T) {
	t.Parallel()
	k, n := newTUNLab(t)
	exchange(t, k, n.host)
	for _, addr := range []string{"10.0.0.2", "fd42::2"} {
		if mac := k.neighbour(addr, "vx0"); mac != n.stationMAC() {
			t.Errorf("to K %s is at %q, want %s", addr, mac, n.stationMAC())
		}
	}
	if out := n.run("ip -d link show vxm0"); !strings.Contains(out, "tun type tun") {
		t.Errorf("the device is %s", out)
	}
	expectWords(t, n.mustCtl("status", "--json"), `"kind": "tun"`)
	k.run("ping -n -q -c 1 -W 5 -I vx0 %s", "fe80::"+linkLocalOf(n.stationMAC()))
	n.sysctl("net.ipv4.icmp_echo_ignore_broadcasts", "0")
	k.run("ping -n -q -c 1 -W 5 -b -I vx0 10.0.0.255")
	k.sysctl("net.ipv4.icmp_echo_ignore_broadcasts", "0")
	n.run("ping -n -q -c 1 -W 5 -b -I vxm0 10.0.0.255")
	n.ping("10.0.0.1", 4000) // in fragments
	k.ping("fd42::2", 4000)
}

// linkLocalOf is the interface part of an IPv6 address made of a MAC (RFC 4291, appendix A).
func linkLocalOf(mac string) string {
	b := hardware(mac)
	return fmt.Sprintf("%02x%02x:%02xff:fe%02x:%02x%02x", b[0]^2, b[1], b[2], b[3], b[4], b[5])
}

// TestTUNSealed: between a TUN and a TAP frames of a LAN's size and of 9000 bytes cross, super-frames too.
func TestTUNSealed(t *testing.T) {
	t.Parallel()
	for _, mtu := range []int{1500, 9000} {
		t.Run(fmt.Sprint(mtu), func(t *testing.T) {
			t.Parallel()
			a, b := newSealedPair(t, v4)
			for _, n := range []*node{a, b} {
				n.setMTU(mtu)
			}
			b.segments[0].kind = "tun"
			b.rewrite()
			joinAll(a, b)
			exchange(t, a.host, b.host)
			tcp(t, a.host, b.host, "10.0.0.2", 32<<20)
			tcp(t, b.host, a.host, "fd42::1", 32<<20)
			b.run("ip link del vxm0") // it comes back as it was
			eventually(t, func() error { return b.canPing("10.0.0.1") })
			a.ping("fd42::2", mtu-48)
			b.stop()
			if b.hasDevice("vxm0") {
				t.Error("vxm0 is left behind")
			}
		})
	}
}

// TestTUNDuplicate: an address that K has is not used, and status says whose it is.
func TestTUNDuplicate(t *testing.T) {
	t.Parallel()
	k, m := pair(t)
	k.kernel(segment{
		local: "192.0.2.1", remotes: []string{"192.0.2.2"}, addresses: []string{"10.0.0.1/24", "10.0.0.2/24"},
	}, 4789)
	k.run("ip addr add fd42::2/64 dev vx0 nodad")
	n := join(m, tunSegment())
	eventually(t, func() error {
		out, err := n.ctl("status")
		if err != nil || !strings.Contains(out, "uses 10.0.0.2") || !strings.Contains(out, "uses fd42::2") {
			return fmt.Errorf("status says nothing of it: %s", out)
		}
		return nil
	})
	if n.canPing("10.0.0.1") == nil {
		t.Error("the address of another station is used")
	}
}

// TestTUNKernelDetects: the kernel, which tries an IPv6 address that M has, hears of it.
func TestTUNKernelDetects(t *testing.T) {
	t.Parallel()
	k, n := newTUNLab(t)
	n.ping("fd42::1", 56) // the address is in use by now
	k.run("sysctl -qw net.ipv6.conf.vx0.accept_dad=1 net.ipv6.conf.all.accept_dad=1")
	k.run("ip addr add fd42::2/64 dev vx0")
	eventually(t, func() error {
		if out := k.run("ip -6 addr show dev vx0 dadfailed"); !strings.Contains(out, "fd42::2") {
			return fmt.Errorf("the kernel has not noticed: %s", out)
		}
		return nil
	})
	n.ping("fd42::1", 56)
}

// arpReply says, unasked or not, that from is at src.
func arpReply(dst, src, from, to string) []byte {
	f := arp(src, from, to)
	copy(f, hardware(dst))
	binary.BigEndian.PutUint16(f[20:], 2)
	copy(f[32:], hardware(dst))
	return f
}

// advert is an unasked neighbour advertisement that target is at src.
func advert(src, target string) []byte {
	to, all := netip.MustParseAddr(target).As16(), netip.MustParseAddr("ff02::1").As16()
	m := append([]byte{136, 0, 0, 0, 0x20, 0, 0, 0}, to[:]...)
	m = append(append(m, 2, 1), hardware(src)...)
	pseudo := append(append(append([]byte(nil), to[:]...), all[:]...), 0, 0, 0, byte(len(m)), 0, 0, 0, 58)
	binary.BigEndian.PutUint16(m[2:], checksum(append(pseudo, m...)))
	return ip{src: target, dst: "ff02::1", proto: 58, ttl: 255}.frame("33:33:00:00:00:01", src, m)
}

// TestTUNPoison: nobody can have an address by saying so, not even ten thousand times, and the node answers
// for nobody but itself.
func TestTUNPoison(t *testing.T) {
	t.Parallel()
	k, n := newTUNLab(t)
	n.ping("10.0.0.1", 56)
	n.ping("fd42::1", 56)
	liar := k.sender("vx0")
	own := n.stationMAC()
	seen := k.sniff("vx0", received(own))
	for i := range 10000 {
		need(t, liar.Send(arpReply(own, senderMAC, "10.0.0.1", "10.0.0.2")))
		need(t, liar.Send(arp(senderMAC, fmt.Sprintf("10.0.0.%d", 100+i%100), "10.0.0.77")))
		need(t, liar.Send(advert(senderMAC, "fd42::1")))
	}
	n.ping("10.0.0.1", 1400)
	n.ping("fd42::1", 1400)
	tcp(t, n.host, k, "10.0.0.1", 1<<20)
	if n.drops("unasked") == 0 {
		t.Error("no lie is counted")
	}
	for _, p := range seen.Packets() {
		if f := p.Data; f[12] == 8 && f[13] == 6 && f[21] == 2 && net.IP(f[28:32]).String() != "10.0.0.2" {
			t.Errorf("M answers for %s", net.IP(f[28:32]))
		}
	}
}

// TestTUNStorm: questions from everywhere, and to everywhere, leave the node as it was.
func TestTUNStorm(t *testing.T) {
	t.Parallel()
	k, n := newTUNLab(t)
	n.ping("10.0.0.1", 56)
	before := n.residentKB()
	storm := k.sender("vx0")
	for i := range 30000 {
		need(t, storm.Send(arp(fmt.Sprintf("02:00:00:01:%02x:%02x", i>>8, i&255),
			fmt.Sprintf("10.0.0.%d", 3+i%250), "10.0.0.2")))
	}
	n.ping("10.0.0.1", 56)
	if grown := n.residentKB() - before; grown > 32<<10 {
		t.Errorf("the storm took %d kB", grown)
	}
	begin := time.Now()
	n.run("ping -n -q -c 1 -W 5 -b 10.0.0.1")
	if d := time.Since(begin); d > 2*time.Second {
		t.Errorf("a ping after the storm takes %v", d)
	}
}

// TestTUNMoves: an address moves to another station, which says so; M follows within seconds.
func TestTUNMoves(t *testing.T) {
	t.Parallel()
	k, n := newTUNLab(t)
	n.ping("10.0.0.1", 56)
	n.ping("fd42::1", 56)
	k.run("ip link add link vx0 name mv0 type macvlan mode bridge")
	k.run("ip link set mv0 up")
	k.run("ip addr del 10.0.0.1/24 dev vx0")
	k.run("ip addr del fd42::1/64 dev vx0")
	k.run("ip addr add 10.0.0.1/24 dev mv0")
	k.run("ip addr add fd42::1/64 dev mv0 nodad")
	k.run("sysctl -qw net.ipv4.conf.all.arp_ignore=1")
	need(t, k.sender("mv0").Send(arp(k.mac("mv0"), "10.0.0.1", "10.0.0.1")))
	need(t, k.sender("mv0").Send(advert(k.mac("mv0"), "fd42::1")))
	eventually(t, func() error { return n.canPing("10.0.0.1") })
	eventually(t, func() error { return n.canPing("fd42::1") })
}

// TestTUNRoutes: routes on the device are followed, by way of a gateway and without one, and where there is
// none nothing goes.
func TestTUNRoutes(t *testing.T) {
	t.Parallel()
	k, n := newTUNLab(t)
	k.run("ip addr add 10.1.0.1/32 dev lo")
	k.run("ip addr add 10.2.0.1/24 dev vx0")
	k.run("ip addr add fd43::1/128 dev lo")
	n.run("ip route add 10.1.0.0/16 via 10.0.0.1 dev vxm0")
	n.run("ip route add 10.2.0.0/24 dev vxm0")
	n.run("ip -6 route add fd43::/64 via fd42::1 dev vxm0")
	n.run("ip addr add 10.3.0.2/24 dev vxm0") // by hand, beside the file
	k.run("ip addr add 10.3.0.1/24 dev vx0")
	eventually(t, func() error { return n.canPing("10.1.0.1") })
	n.ping("10.2.0.1", 56)
	n.ping("fd43::1", 56)
	eventually(t, func() error { return k.canPing("10.3.0.2") })
	n.ping("10.3.0.1", 56)
}
