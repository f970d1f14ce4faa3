package vxlan_test

import (
	"encoding/binary"
	"testing"

	"github.com/vxmesh/vxmesh/tundev/ether"
	"github.com/vxmesh/vxmesh/tunnel/vxlan"
)

// hash is the flow hash after a change to a frame.
func hash(t testing.TB, s string, change func(f []byte)) uint32 {
	t.Helper()
	f := ether.Frame(unhex(t, s))
	change(f)
	ip, ok := ether.ParseIP(f)
	if !ok {
		t.Fatal("the change broke the packet")
	}
	return vxlan.FlowHash(f, ip, 42)
}

const arp = "ffffffffffff 020000000002 0806 0001080006040001 020000000002c0000201000000000000c0000202"

// TestFlowHash says what belongs to a flow and what does not.
func TestFlowHash(t *testing.T) {
	put16 := func(at int, v uint16) func([]byte) {
		return func(f []byte) { binary.BigEndian.PutUint16(f[at:], v) }
	}
	for _, c := range []struct {
		name, frame string
		change      func(f []byte)
		same        bool
	}{
		{"IPv4 source", udp4, func(f []byte) { f[29]++ }, false},
		{"IPv4 destination", udp4, func(f []byte) { f[33]++ }, false},
		{"IPv4 source port", udp4, func(f []byte) { f[35]++ }, false},
		{"IPv4 destination port", udp4, func(f []byte) { f[37]++ }, false},
		{"IPv4 protocol", udp4, func(f []byte) { f[23] = 6 }, false},
		{"IPv4 identification", udp4, put16(18, 7), true},
		{"IPv4 TTL and TOS", udp4, func(f []byte) { f[22]--; f[15] = 4 }, true},
		{"IPv4 MAC addresses", udp4, func(f []byte) { f[5]++; f[11]++ }, true},
		{"IPv6 source", udp6, func(f []byte) { f[37]++ }, false},
		{"IPv6 destination", udp6, func(f []byte) { f[53]++ }, false},
		{"IPv6 port", udp6, func(f []byte) { f[55]++ }, false},
		{"IPv6 next header", udp6, func(f []byte) { f[20] = 6 }, false},
		{"IPv6 hop limit", udp6, func(f []byte) { f[21]-- }, true},
		{"tag", tagged4, func(f []byte) { f[15]++ }, true},
		{"port behind a tag", tagged4, func(f []byte) { f[41]++ }, false},
		{"ARP's first source byte", arp, func(f []byte) { f[6]++ }, false},
		{"ARP's last source byte", arp, func(f []byte) { f[11]++ }, false},
		{"ARP's destination", arp, func(f []byte) { f[0]-- }, false},
		{"ARP's payload", arp, func(f []byte) { f[30]++ }, true},
	} {
		before := hash(t, c.frame, func([]byte) {})
		if after := hash(t, c.frame, c.change); (before == after) != c.same {
			t.Errorf("%s: %#08x, then %#08x", c.name, before, after)
		}
	}
}

// TestFlowHashFragments wants all fragments of a packet to leave by one port, though only the first
// has the ports in it, and ICMP to have no ports at all.
func TestFlowHashFragments(t *testing.T) {
	first := hash(t, udp4, func(f []byte) { f[20] = 0x20 })
	last := hash(t, udp4, func(f []byte) { f[20] = 0; f[21] = 1; f[35]++; f[37]++ })
	if first != last {
		t.Errorf("IPv4: %#08x and %#08x", first, last)
	}
	six := func(f []byte) { f[20] = 44 }
	if a, b := hash(t, udp6, six), hash(t, udp6, func(f []byte) { six(f); f[55]++; f[57]++ }); a != b {
		t.Errorf("IPv6: %#08x and %#08x", a, b)
	}
	echo := func(f []byte) { f[23] = 1 }
	if a, b := hash(t, udp4, echo), hash(t, udp4, func(f []byte) { echo(f); f[37]++ }); a != b {
		t.Errorf("ICMP: %#08x and %#08x", a, b)
	}
}

// TestFlowHashSpread puts flows that differ little into 16 buckets, as the pool of source ports
// does.
func TestFlowHashSpread(t *testing.T) {
	const flows, buckets = 4096, 16
	for name, change := range map[string]func(f []byte, i int){
		"IPv4 ports":     func(f []byte, i int) { binary.BigEndian.PutUint16(f[34:], uint16(i)) },
		"IPv4 addresses": func(f []byte, i int) { binary.BigEndian.PutUint16(f[28:], uint16(i)) },
	} {
		checkSpread(t, name, udp4, flows, buckets, change)
	}
	checkSpread(t, "IPv6 ports", udp6, flows, buckets,
		func(f []byte, i int) { binary.BigEndian.PutUint16(f[56:], uint16(i)) })
	checkSpread(t, "IPv6 addresses", udp6, flows, buckets,
		func(f []byte, i int) { binary.BigEndian.PutUint16(f[52:], uint16(i)) })
	checkSpread(t, "MAC addresses", arp, flows, buckets,
		func(f []byte, i int) { binary.BigEndian.PutUint16(f[10:], uint16(i)) })
}

func checkSpread(t *testing.T, name, s string, flows, buckets int, change func(f []byte, i int)) {
	t.Helper()
	for _, seed := range []uint64{0, 1, 0x9e3779b97f4a7c15, 1<<64 - 1} {
		counts := make([]int, buckets)
		f := ether.Frame(unhex(t, s))
		for i := range flows {
			change(f, i)
			ip, _ := ether.ParseIP(f)
			counts[uint64(vxlan.FlowHash(f, ip, seed))*uint64(buckets)>>32]++
		}
		for _, n := range counts { // 256 each, with a deviation of 16
			if n < 128 || n > 512 {
				t.Errorf("%s, seed %#x: %v", name, seed, counts)
				break
			}
		}
	}
}

// TestFlowHashSeed wants the choice to be another with another seed.
func TestFlowHashSeed(t *testing.T) {
	f := ether.Frame(unhex(t, udp4))
	ip, _ := ether.ParseIP(f)
	if vxlan.FlowHash(f, ip, 1) == vxlan.FlowHash(f, ip, 2) {
		t.Error("the seed does not matter")
	}
}

func TestNothingAllocates(t *testing.T) {
	b := unhex(t, "08000000 00006400"+tagged4)
	reply := make([]byte, 0, vxlan.MaxTooBig)
	allocs := testing.AllocsPerRun(100, func() {
		_, inner, _ := vxlan.Parse(b)
		ip, _ := vxlan.CheckInner(inner)
		vxlan.Decap(inner, ip, ether.ECT1)
		ttl, _, _ := vxlan.Outer{TTL: vxlan.Inherit, TOS: vxlan.Inherit}.For(ip)
		vxlan.FlowHash(inner, ip, uint64(ttl))
		vxlan.AppendTooBig(reply, inner, ip, 1000)
		vxlan.PutHeader(b, 100)
	})
	if allocs != 0 {
		t.Errorf("%v allocations per frame", allocs)
	}
}
