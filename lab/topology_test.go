//go:build linux && lab

package lab

import (
	"fmt"
	"net"
	"strconv"
	"strings"
	"testing"

	"github.com/vxmesh/vxmesh/lab/netns"
)

// A host is a network namespace of one case.
type host struct {
	*netns.NS
	t       testing.TB
	isQuiet bool
}

// newHost makes a namespace that goes with the case. Addresses work at once: duplicate address
// detection would take a second of every case.
func newHost(t testing.TB, name string) *host {
	t.Helper()
	ns, err := netns.New(name)
	need(t, err)
	t.Cleanup(func() { ns.Close() })
	h := &host{NS: ns, t: t}
	h.sysctl("net.ipv6.conf.default.accept_dad", "0")
	h.sysctl("net.ipv6.conf.all.accept_dad", "0")
	h.sysctl("net.ipv6.conf.default.router_solicitations", "0")
	return h
}

// newQuietHost makes a namespace with IPv4 only, whose devices say nothing by themselves.
func newQuietHost(t testing.TB, name string) *host {
	t.Helper()
	h := newHost(t, name)
	h.quiet()
	return h
}

// quiet keeps devices made from now on from having IPv6, and with it things to say.
func (h *host) quiet() {
	h.t.Helper()
	h.isQuiet = true
	h.sysctl("net.ipv6.conf.default.disable_ipv6", "1")
}

func (h *host) sysctl(key, value string) {
	h.t.Helper()
	need(h.t, h.Sysctl(key, value))
}

// run executes one command inside and returns its output.
func (h *host) run(format string, args ...any) string {
	h.t.Helper()
	out, err := h.Run(fmt.Sprintf(format, args...))
	need(h.t, err)
	return out
}

// mac is the address of a device.
func (h *host) mac(device string) string {
	h.t.Helper()
	fields := strings.Fields(h.run("ip -o link show dev %s", device))
	for i, f := range fields[:len(fields)-1] {
		if f == "link/ether" {
			return fields[i+1]
		}
	}
	h.t.Fatalf("%s: %s has no MAC address", h.Name(), device)
	return ""
}

// mtu is the MTU of a device.
func (h *host) mtu(device string) (mtu int) {
	h.t.Helper()
	fields := strings.Fields(h.run("ip -o link show dev %s", device))
	for i, f := range fields {
		if f == "mtu" {
			_, err := fmt.Sscan(fields[i+1], &mtu)
			need(h.t, err)
		}
	}
	return mtu
}

func (h *host) sender(device string) *netns.Sender {
	h.t.Helper()
	s, err := h.Sender(device)
	need(h.t, err)
	h.t.Cleanup(func() { s.Close() })
	return s
}

func (h *host) sniff(device string, want func(netns.Packet) bool) *netns.Sniffer {
	h.t.Helper()
	s, err := h.Sniff(device, want)
	need(h.t, err)
	h.t.Cleanup(func() { s.Close() })
	return s
}

// A family is the IP version of an underlay.
type family int

const (
	v4 family = 4
	v6 family = 6
)

func (f family) String() string { return fmt.Sprintf("v%d", int(f)) }

// addr is the underlay address of host number i.
func (f family) addr(i int) string {
	if f == v6 {
		return fmt.Sprintf("2001:db8::%d", i)
	}
	return fmt.Sprintf("192.0.2.%d", i)
}

// any is where all addresses of the family are listened on.
func (f family) any(port int) string {
	if f == v6 {
		return fmt.Sprintf("[::]:%d", port)
	}
	return fmt.Sprintf("0.0.0.0:%d", port)
}

// at is [family.addr] as a VTEP: with the port where that is not the standard's.
func (f family) at(i, port int) string {
	if port == 4789 {
		return f.addr(i)
	}
	return net.JoinHostPort(f.addr(i), strconv.Itoa(port))
}

// overhead is what VXLAN adds to an inner IP packet: outer IP, UDP, VXLAN, inner Ethernet.
func (f family) overhead() int {
	if f == v6 {
		return 40 + 8 + 8 + 14
	}
	return 20 + 8 + 8 + 14
}

// number gives u0 of a host both underlay addresses.
func (h *host) number(i int) {
	h.t.Helper()
	h.run("ip addr add %s/24 dev u0", v4.addr(i))
	h.run("ip addr add %s/64 dev u0 nodad", v6.addr(i))
}

// pair joins two hosts by a cable:
//
//	K [u0] 192.0.2.1, 2001:db8::1 ----- 192.0.2.2, 2001:db8::2 [u0] M
func pair(t testing.TB) (k, m *host) {
	t.Helper()
	k, m = newHost(t, "K"), newHost(t, "M")
	cable(k, m)
	return k, m
}

// quietPair is [pair] without anything that hosts say by themselves, and with IPv4 only.
func quietPair(t testing.TB) (k, m *host) {
	t.Helper()
	k, m = newQuietHost(t, "K"), newQuietHost(t, "M")
	need(t, netns.Veth(k.NS, "u0", m.NS, "u0"))
	k.run("ip addr add 192.0.2.1/24 dev u0")
	m.run("ip addr add 192.0.2.2/24 dev u0")
	return k, m
}

func cable(k, m *host) {
	k.t.Helper()
	need(k.t, netns.Veth(k.NS, "u0", m.NS, "u0"))
	k.number(1)
	m.number(2)
}

// star joins hosts by an Ethernet switch; host i has the addresses number i+1:
//
//	hosts[0] [u0] 192.0.2.1 -----+
//	hosts[1] [u0] 192.0.2.2 -----+ switch
//	hosts[2] [u0] 192.0.2.3 -----+
func star(t testing.TB, names ...string) []*host {
	t.Helper()
	sw := newHost(t, "switch")
	sw.run("ip link add br0 type bridge mcast_snooping 0")
	sw.run("ip link set br0 up")
	hosts := make([]*host, len(names))
	for i, name := range names {
		hosts[i] = newHost(t, name)
		port := fmt.Sprintf("p%d", i)
		need(t, netns.Veth(sw.NS, port, hosts[i].NS, "u0"))
		sw.run("ip link set %s master br0", port)
		hosts[i].number(i + 1)
	}
	return hosts
}

// bridge makes br0 with a host behind each name, whose only device is e0:
//
//	h: br0 [NAME] ----- [e0] NAME
func (h *host) bridge(names ...string) []*host {
	h.t.Helper()
	h.run("ip link add br0 type bridge mcast_snooping 0")
	h.run("ip link set br0 up")
	behind := make([]*host, len(names))
	for i, name := range names {
		behind[i] = newHost(h.t, name)
		if h.isQuiet {
			behind[i].quiet()
		}
		need(h.t, netns.Veth(h.NS, name, behind[i].NS, "e0"))
		h.run("ip link set %s master br0", name)
	}
	return behind
}

// plainWire makes a device carry every datagram by itself, with its checksum, as a cable would:
// what a sniffer sees is then what a network would see.
func (h *host) plainWire(device string) {
	h.t.Helper()
	h.run("ethtool -K %s tx off tso off gso off gro off tx-udp-segmentation off", device)
}
