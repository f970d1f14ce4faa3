//go:build linux && lab

// Two VTEPs that know each other's address.
//
//	K vx0 10.0.0.1, fd42::1                               M vxm0 10.0.0.2, fd42::2
//	  [u0] 192.0.2.1, 2001:db8::1 ----------- 192.0.2.2, 2001:db8::2 [u0]

package lab

import (
	"fmt"
	"strings"
	"testing"
)

// A unicastCase is one way to set up both ends.
type unicastCase struct {
	name       string
	underlay   family
	port       int
	noChecksum bool
	sourcePort string
}

// TestUnicast is ping_ipv4 and its variants of vxlan_bridge_1d{,_ipv6}{,_port_8472} (case 1), and
// rows I1 to I4 of the interoperability matrix.
func TestUnicast(t *testing.T) {
	t.Parallel()
	for _, c := range []unicastCase{
		{"v4", v4, 4789, false, "hash"},
		{"v6", v6, 4789, false, "hash"},
		{"v4 port 8472", v4, 8472, false, "hash"},
		{"v6 port 8472", v6, 8472, false, "hash"},
		{"v4 without checksum", v4, 4789, true, "hash"},
		{"v6 without checksum", v6, 4789, true, "hash"},
		{"v4 fixed source port", v4, 4789, false, "fixed"},
		{"v6 fixed source port", v6, 4789, false, "fixed"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			k, m := pair(t)
			k.plainWire("u0")
			m.plainWire("u0")
			wire := k.sniff("u0", fromM)
			k.kernel(c.segment(1, 2), c.port)
			joinPort(m, c.port, c.segment(2, 1))
			// What came before the node listened was refused by the host, not by the node.
			errorsK, errorsM := k.checksumErrors(), m.checksumErrors()

			if got, want := m.mtu("vxm0"), 1500-c.underlay.overhead(); got != want {
				t.Errorf("MTU %d, want %d", got, want)
			}
			exchange(t, k, m)
			c.checkWire(t, wire.Packets())
			if got := k.checksumErrors(); got != errorsK {
				t.Errorf("K: UDP checksum errors %s, before %s", got, errorsK)
			}
			if got := m.checksumErrors(); got != errorsM {
				t.Errorf("M: UDP checksum errors %s, before %s", got, errorsM)
			}
		})
	}
}

// segment is the end with number i of the drawing.
func (c unicastCase) segment(i, remote int) segment {
	return segment{
		addresses:  []string{fmt.Sprintf("10.0.0.%d/24", i), fmt.Sprintf("fd42::%d/64", i)},
		noChecksum: c.noChecksum, sourcePort: c.sourcePort,
		local: c.underlay.addr(i), remotes: []string{c.underlay.at(remote, c.port)},
	}
}

// exchange runs every kind of traffic both ways at the largest size that fits.
func exchange(t *testing.T, k, m *host) {
	mtu := m.mtu("vxm0")
	for _, way := range []struct {
		from, to *host
		v4, v6   string
	}{
		{k, m, "10.0.0.2", "fd42::2"},
		{m, k, "10.0.0.1", "fd42::1"},
	} {
		way.from.ping(way.v4, mtu-28, "-M do")
		way.from.ping(way.v6, mtu-48, "-M do")
		tcp(t, way.from, way.to, way.v4, 1<<20)
		tcp(t, way.from, way.to, way.v6, 1<<20)
		udp(t, way.from, way.to, way.v4, mtu-28)
		udp(t, way.from, way.to, way.v6, mtu-48)
	}
}

// checkWire wants what the strictest receiver wants of every datagram (RFC 7348, 5).
func (c unicastCase) checkWire(t *testing.T, packets []packet) {
	t.Helper()
	for _, p := range packets {
		o, _ := parseOuter(p.Data)
		if want := [8]byte{8, 0, 0, 0, 0, 0, 100, 0}; o.vxlan != want {
			t.Errorf("VXLAN header %x, want %x", o.vxlan, want)
		}
		if int(o.dport) != c.port {
			t.Errorf("destination port %d, want %d", o.dport, c.port)
		}
		if fixed := int(o.sport) == c.port; fixed != (c.sourcePort == "fixed") {
			t.Errorf("source port %d, want it %s", o.sport, c.sourcePort)
		}
		if none := o.checksum == 0; none != c.noChecksum {
			t.Errorf("UDP checksum %#04x, left out: %v", o.checksum, c.noChecksum)
		}
		if o.ttl != 64 {
			t.Errorf("TTL %d, want 64", o.ttl)
		}
	}
}

// checksumErrors are the datagrams the stack refused for their checksum, IPv4 and IPv6.
func (h *host) checksumErrors() string {
	h.t.Helper()
	v4, err := h.ReadFile("/proc/net/snmp")
	need(h.t, err)
	v6, err := h.ReadFile("/proc/net/snmp6")
	need(h.t, err)
	return snmp(v4, "Udp:", "InCsumErrors") + " " + snmp6(v6, "Udp6InCsumErrors")
}

// snmp finds a counter in /proc/net/snmp: a line of names, then a line of values.
func snmp(text, prefix, name string) string {
	var names []string
	for line := range strings.Lines(text) {
		f := strings.Fields(line)
		if f[0] != prefix {
			continue
		}
		for i, n := range names {
			if n == name {
				return f[i]
			}
		}
		names = f
	}
	return "missing"
}

func snmp6(text, name string) string {
	for line := range strings.Lines(text) {
		if f := strings.Fields(line); f[0] == name {
			return f[1]
		}
	}
	return "missing"
}
