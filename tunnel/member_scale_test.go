package tunnel_test

import (
	"fmt"
	"net/netip"
	"os"
	"testing"
	"time"

	"github.com/vxmesh/vxmesh/tunnel/wire"
)

// traffic counts what each host sends, with IP and UDP headers.
type traffic struct {
	bytes, datagrams map[netip.Addr]int
	kinds            map[string]int
}

func (g *guild) traffic() *traffic {
	tr := &traffic{make(map[netip.Addr]int), make(map[netip.Addr]int), make(map[string]int)}
	g.tapping(func(from, _ netip.AddrPort, datagram []byte) bool {
		const headers = 28
		tr.bytes[from.Addr()] += len(datagram) + headers
		tr.datagrams[from.Addr()]++
		tr.kinds[fmt.Sprint(wire.KindOf(datagram), " ", len(datagram))] += len(datagram) + headers
		return true
	})
	return tr
}

func TestScaleX(t *testing.T) {
	n := 20
	fmt.Sscan(os.Getenv("N"), &n)
	simulateGuild(t, 1, n, func(g *guild) {
		for _, f := range g.fellows {
			f.options.Log = nil
		}
		tr := g.traffic()
		g.allMeet()
		real := time.Now()
		_ = real
		start := time.Now()
		begin(g.fellows...)
		took := g.full(60 * time.Second)
		t.Logf("up after %v %v", took, time.Since(start))
		sum := 0
		for _, b := range tr.bytes {
			sum += b
		}
		t.Logf("bytes per node for joining %d", sum/n)
		for k, v := range tr.kinds {
			t.Logf("  %s: %d", k, v/n)
		}
		g.pass(30 * time.Second)
		tr = g.traffic()
		g.pass(120 * time.Second)
		sum = 0
		for _, b := range tr.bytes {
			sum += b
		}
		t.Logf("bytes per node and second idle: %d", sum/n/120)
		for k, v := range tr.kinds {
			t.Logf("  %s: %d", k, v/n/120)
		}
		for _, f := range g.fellows[:2] {
			for _, p := range f.Stats().Peers[:3] {
				t.Log(f.name, p.Name, p.Handshakes, p.Drops)
			}
		}
	})
}
