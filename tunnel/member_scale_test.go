//go:build !race

package tunnel_test

import (
	"fmt"
	"maps"
	"net/netip"
	"os"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/vxmesh/vxmesh/tunnel/simnet"
)

// What a network is to hold, whatever its size.
const (
	scaleUp   = 30 * time.Second // until all know all, and have paths to all
	scaleIdle = 2048             // bytes that a node sends in a second, with 200 nodes
	scaleGone = 10 * time.Second // until nobody has who was removed
)

// scaleSizes are as many nodes as there is time for, or as many as VXMESH_SCALE lists, such as
// "100,200", which takes minutes.
func scaleSizes(t *testing.T) (sizes []int) {
	list := os.Getenv("VXMESH_SCALE")
	if list == "" {
		return []int{20, 50}
	}
	for word := range strings.SplitSeq(list, ",") {
		n, err := strconv.Atoi(word)
		if err != nil || n < 4 || n > 500 {
			t.Fatalf("VXMESH_SCALE: %q is no number from 4 to 500", word)
		}
		sizes = append(sizes, n)
	}
	return sizes
}

// TestScale has many nodes that know one start at once, and measures what that takes, and what it
// costs when nobody says anything. docs/scale.md has the figures.
func TestScale(t *testing.T) {
	for _, size := range scaleSizes(t) {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			simulateGuild(t, 40, size, func(g *guild) {
				if size <= 200 { // faster; more would not fit the machine
					defer debug.SetGCPercent(debug.SetGCPercent(300))
				}
				for i, f := range g.fellows {
					f.options.Log = nil // it would be gigabytes
					for j, other := range g.fellows[:i] {
						delay := time.Duration(5+(7*i+11*j)%40) * time.Millisecond
						g.link(f.member, other.member).Set(simnet.Conditions{Delay: delay})
					}
				}
				g.allMeet()
				g.measure()
			})
		})
	}
}

// measure has the fellows meet, be idle, and tell news.
func (g *guild) measure() {
	size := len(g.fellows)
	joining, before := g.traffic(), heap()
	begin(g.fellows...)
	up := g.full(scaleUp)
	g.pass(10 * time.Second) // the paths' sizes are found as well
	said, most := joining.each(size)
	g.t.Logf("%d nodes: up after %v, for which a node sends %d KB, the busiest %d KB", size, up, said/1000, most/1000)
	g.t.Logf("%d bytes of memory for each node that a node knows", (heap()-before)/uint64(size*size))
	const window = 120
	idle := g.traffic()
	g.pass(window * time.Second)
	said, most = idle.each(size)
	g.t.Logf("idle: %d bytes a second, the busiest node %d", said/window, most/window)
	if limit := max(scaleIdle, scaleIdle*size/200); said/window > limit {
		g.t.Errorf("an idle node sends %d bytes a second, at most %d", said/window, limit)
	}
	g.tapping(nil)
	g.t.Logf("a record is everywhere after %v", g.spreads(g.fellows[size/2], netip.MustParseAddrPort("203.0.113.9:7")))
	out := g.fellows[size-1]
	g.fellows[0].publish(g.authority.Remove(out.id(), g.wall()).Item())
	left := slices.Clone(g.fellows[:size-1])
	g.t.Logf("who is removed is gone everywhere after %v", g.within(scaleGone, "all have heard", func() bool {
		left = slices.DeleteFunc(left, func(f *fellow) bool { return !f.lists(out) })
		return len(left) == 0
	}))
	refused := 0
	for _, f := range g.fellows {
		for _, p := range f.Stats().Peers {
			refused += int(p.Drops["refused"])
		}
	}
	g.t.Logf("%d items refused by %d nodes", refused, size)
}

// A traffic is what each host sent, in bytes, with IP and UDP headers.
type traffic struct {
	mu   sync.Mutex
	sent map[netip.Addr]int
}

// traffic counts from now on.
func (g *guild) traffic() *traffic {
	c := &traffic{sent: make(map[netip.Addr]int)}
	g.tapping(func(from, _ netip.AddrPort, datagram []byte) bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.sent[from.Addr()] += 20 + 8 + len(datagram)
		return true
	})
	return c
}

// each tells what one of so many nodes sent, and the one that sent the most.
func (c *traffic) each(nodes int) (average, most int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for n := range maps.Values(c.sent) {
		average += n
		most = max(most, n)
	}
	return average / nodes, most
}
