//go:build linux && lab

// A bridged host whose packets do not fit the path between the VTEPs.
//
//	C [e0] --- br0 - vxm0 M [u0] --1500-- R1 --1400-- R2 --1500-- [u0] K vx0
//	10.0.0.3                192.0.2.2                  198.51.100.2     10.0.0.1
//	fd42::3            2001:db8:1::2                  2001:db8:3::2     fd42::1
//
// Every device of the overlay has MTU 1500, so that only the node can tell C the truth.

package lab

import (
	"fmt"
	"regexp"
	"strconv"
	"testing"

	"github.com/vxmesh/vxmesh/lab/netns"
)

const narrow = 1400 // between R1 and R2

// v4Nets are the three links of the underlay, M to R1 first; on IPv6 they are 2001:db8:1:: to
// 2001:db8:3::.
var v4Nets = [...]string{1: "192.0.2", 2: "203.0.113", 3: "198.51.100"}

// newNarrowPath builds the underlay: M and K, with two routers between them.
func newNarrowPath(t *testing.T) (m, k *host) {
	t.Helper()
	m, r1, r2, k := newRoutedPath(t, "M", "K")
	r1.run("ip link set dev r mtu %d", narrow)
	r2.run("ip link set dev r mtu %d", narrow)
	return m, k
}

// newRoutedPath is the drawing with MTU 1500 everywhere and other names for M and K.
func newRoutedPath(t *testing.T, left, right string) (m, r1, r2, k *host) {
	t.Helper()
	m, k = newHost(t, left), newHost(t, right)
	r1, r2 = newHost(t, "R1"), newHost(t, "R2")
	need(t, netns.Veth(m.NS, "u0", r1.NS, "m"))
	need(t, netns.Veth(r1.NS, "r", r2.NS, "r"))
	need(t, netns.Veth(r2.NS, "k", k.NS, "u0"))
	for i, link := range []struct {
		h      *host
		device string
		net    int
		host   int
	}{
		{m, "u0", 1, 2},
		{r1, "m", 1, 1},
		{r1, "r", 2, 1},
		{r2, "r", 2, 2},
		{r2, "k", 3, 1},
		{k, "u0", 3, 2},
	} {
		v4net := v4Nets[link.net]
		link.h.run("ip addr add %s.%d/24 dev %s", v4net, link.host, link.device)
		link.h.run("ip addr add 2001:db8:%d::%d/64 dev %s nodad", link.net, link.host, link.device)
		if i > 0 && i < 5 {
			for _, key := range []string{
				"net.ipv4.ip_forward", "net.ipv6.conf.all.forwarding",
			} {
				link.h.sysctl(key, "1")
			}
			link.h.sysctl("net.ipv4.icmp_ratelimit", "0")
			link.h.sysctl("net.ipv6.icmp.ratelimit", "0")
		}
	}
	for _, route := range []struct {
		h   *host
		via int
		net int
	}{{m, 1, 1}, {k, 1, 3}, {r1, 2, 2}, {r2, 1, 2}} {
		route.h.run("ip route add default via %s.%d", v4Nets[route.net], route.via)
		route.h.run("ip -6 route add default via 2001:db8:%d::%d", route.net, route.via)
	}
	return m, r1, r2, k
}

// joinNarrow starts both VTEPs. What is too long for the path is not to be cut on it.
func joinNarrow(m, k *host, f family) {
	m.t.Helper()
	addrM, addrK := "192.0.2.2", "198.51.100.2"
	if f == v6 {
		addrM, addrK = "2001:db8:1::2", "2001:db8:3::2"
	}
	k.kernel(segment{
		mtu: 1500, local: addrK, remotes: []string{addrM},
		addresses: []string{"10.0.0.1/24", "fd42::1/64"},
	}, 4789)
	join(m, segment{
		bridge: "br0", mtu: 1500, local: addrM, remotes: []string{addrK}, df: "set",
	})
}

// TestPathMTU is pmtu_ipv{4,6}_br_vxlan{4,6}_exception (cases 60 to 64) and row I17: the bridged
// host learns the path's MTU less the overhead, and what it sends afterwards arrives.
func TestPathMTU(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name       string
		outer      family
		to         string // inner address of K
		ipAndICMP  int    // header bytes of a ping
		isTooBig   func(packet) bool
		overlayMTU int
	}{
		{"ipv4 over ipv4", v4, "10.0.0.1", 28, fragNeeded, narrow - 50},
		{"ipv6 over ipv4", v4, "fd42::1", 48, packetTooBig, narrow - 50},
		{"ipv4 over ipv6", v6, "10.0.0.1", 28, fragNeeded, narrow - 70},
		{"ipv6 over ipv6", v6, "fd42::1", 48, packetTooBig, narrow - 70},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			m, k := newNarrowPath(t)
			host := m.bridge("C")[0]
			host.run("ip addr add 10.0.0.3/24 dev e0")
			host.run("ip addr add fd42::3/64 dev e0 nodad")
			joinNarrow(m, k, c.outer)
			host.ping(c.to, 56)

			answers := host.sniff("e0", func(p packet) bool { return !p.Out && c.isTooBig(p) })
			eventually(t, func() error {
				mtu := host.pathMTU(c.to)
				if mtu == c.overlayMTU {
					return nil
				}
				// A ping of exactly the size that is believed to fit.
				_, _ = host.Run(fmt.Sprintf("ping -n -q -c 1 -W 1 -M do -s %d %s",
					mtu-c.ipAndICMP, c.to))
				return fmt.Errorf("path MTU %d, want %d", mtu, c.overlayMTU)
			})
			for _, p := range answers.Packets() {
				checkTooBig(t, p.Data, k.mac("vx0"), host.mac("e0"))
			}
			host.ping(c.to, c.overlayMTU-c.ipAndICMP, "-M do")
			tcp(t, host, k, c.to, 1<<20)
		})
	}
}

// TestPathMTUFromTCP: nobody pings first; a stream alone finds the way.
func TestPathMTUFromTCP(t *testing.T) {
	t.Parallel()
	m, k := newNarrowPath(t)
	host := m.bridge("C")[0]
	host.run("ip addr add 10.0.0.3/24 dev e0")
	joinNarrow(m, k, v4)
	tcp(t, host, k, "10.0.0.1", 4<<20)
	if mtu := host.pathMTU("10.0.0.1"); mtu != narrow-50 {
		t.Errorf("path MTU %d after a stream, want %d", mtu, narrow-50)
	}
}

var routeMTU = regexp.MustCompile(` mtu (\d+)`)

// pathMTU is what the host believes about the way to an address.
func (h *host) pathMTU(to string) int {
	h.t.Helper()
	m := routeMTU.FindStringSubmatch(h.run("ip route get %s", to))
	if m == nil {
		return h.mtu("e0")
	}
	mtu, err := strconv.Atoi(m[1])
	need(h.t, err)
	return mtu
}

// fragNeeded is ICMP type 3 code 4 (RFC 792), packetTooBig ICMPv6 type 2 (RFC 4443, 3.2).
func fragNeeded(p packet) bool {
	b := p.Data
	return len(b) > 36 && b[12] == 8 && b[13] == 0 && b[23] == 1 && b[34] == 3 && b[35] == 4
}

func packetTooBig(p packet) bool {
	b := p.Data
	return len(b) > 56 && b[12] == 0x86 && b[20] == 58 && b[54] == 2
}

// checkTooBig wants the answer to come as if from the station it was meant for, with checksums
// that are right and no larger than a host has to take (RFC 1812, 4.3.2.3; RFC 4443, 2.4).
func checkTooBig(t *testing.T, b []byte, from, to string) {
	t.Helper()
	if string(b[:6]) != string(hardware(to)) || string(b[6:12]) != string(hardware(from)) {
		t.Errorf("ICMP goes from %x to %x, want from %s to %s", b[6:12], b[:6], from, to)
	}
	body := b[14:]
	if body[0]>>4 == 4 {
		if checksum(body[:20]) != 0 || checksum(body[20:]) != 0 || len(body) > 576 {
			t.Errorf("checksums %#04x and %#04x, %d bytes", checksum(body[:20]),
				checksum(body[20:]), len(body))
		}
		return
	}
	message := body[40:]
	pseudo := append(append([]byte(nil), body[8:40]...), 0, 0, byte(len(message)>>8),
		byte(len(message)), 0, 0, 0, 58)
	if sum := checksum(append(pseudo, message...)); sum != 0 || len(body) > 1280 {
		t.Errorf("ICMPv6 checksum is off by %#04x, %d bytes", sum, len(body))
	}
}
