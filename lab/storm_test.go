//go:build linux && lab

// A VTEP gone mad beside one that is not.
//
//	K1 crafted frames from 100,000 stations [u0]--+
//	                                              +-- switch --[u0] M vxm0 10.0.0.3
//	K2 vx0 10.0.0.2 ------------------------[u0]--+

package lab

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

// TestMACStorm: the table stays within its limits, the other VTEP is still learned and talked to,
// and memory does not grow with the storm.
func TestMACStorm(t *testing.T) {
	t.Parallel()
	vxmeshOnly(t)
	const stations, memory = 100_000, 32 << 10 // kB
	hosts := star(t, "K1", "K2", "M")
	k1, k2, m := hosts[0], hosts[1], hosts[2]
	k2.kernel(segment{
		local: "192.0.2.2", remotes: []string{"192.0.2.3"}, addresses: []string{"10.0.0.2/24"},
	}, 4789)
	n := join(m, segment{
		local: "192.0.2.3", remotes: []string{"192.0.2.1", "192.0.2.2"},
		addresses: []string{"10.0.0.3/24"},
	})
	raw := k1.rawSocket("192.0.2.1", "192.0.2.3:4789")
	before := n.residentKB()
	for i := range stations {
		mac := fmt.Sprintf("02:00:00:%02x:%02x:%02x", 1+i>>16, i>>8&255, i&255)
		raw.send(vxlan(100, hello(mac)))
		if i == stations/2 {
			m.ping("10.0.0.2", 56) // learns K2 in the middle of it
		}
	}
	n.expectEntry(k2.mac("vx0"), "192.0.2.2")
	k2.ping("10.0.0.3", 56)
	tcp(t, k2, m, "10.0.0.3", 1<<20)

	behind := make(map[string]int)
	for _, e := range n.fdb() {
		behind[e.Port.Name]++
	}
	if behind["192.0.2.1"] != 1024 {
		t.Errorf("%d entries behind the mad VTEP, want the default limit of 1024", behind["192.0.2.1"])
	}
	s := n.stats().Segments[0].FDB
	// The host may drop some of the storm before the node sees it, but not most of it.
	if seen := s.Learned + s.PortFull + s.TableFull; seen < stations/2 || s.PortFull == 0 {
		t.Errorf("%d of %d stations are counted: %+v", seen, stations, s)
	}
	if grown := n.residentKB() - before; grown > memory {
		t.Errorf("the storm took %d kB, want at most %d", grown, memory)
	}
}

// residentKB is the memory the node occupies.
func (n *node) residentKB() (kb int) {
	n.t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", n.proc.PID()))
	need(n.t, err)
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			_, err := fmt.Sscan(rest, &kb)
			need(n.t, err)
		}
	}
	return kb
}
