//go:build linux && lab && lablong

// What tests of NATs take minutes for: every number many times over, and what must not happen for long.
// It is run by `make natlab`.

package lab

import (
	"cmp"
	"flag"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/vxmesh/vxmesh/lab/natlab"
	"github.com/vxmesh/vxmesh/lab/netns"
)

// natRuns is how often what has a number is measured.
var natRuns = flag.Int("natruns", 20, "how often each number of NAT traversal is measured")

// A sample is what was measured of one thing.
type sample struct {
	mu   sync.Mutex
	took []time.Duration
}

func (s *sample) add(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.took = append(s.took, d)
}

// judge logs what was measured, and wants 19 of 20 to be within the limit.
func (s *sample) judge(t *testing.T, limit time.Duration) {
	t.Helper()
	if len(s.took) == 0 {
		t.Error("nothing was measured")
		return
	}
	slices.Sort(s.took)
	at := func(percent int) time.Duration {
		return s.took[(len(s.took)*percent+99)/100-1].Round(time.Millisecond)
	}
	t.Logf("p50 %v, p95 %v, max %v of %d; limit %v", at(50), at(95), at(100), len(s.took), limit)
	if at(95) > limit {
		t.Errorf("p95 is %v, want at most %v", at(95), limit)
	}
}

// often measures something many times, a few at once.
func often(t *testing.T, limit time.Duration, measure func(testing.TB) time.Duration) {
	t.Helper()
	repeat(t, *natRuns, limit, measure)
}

// repeat is [often] with a number of times.
func repeat(t *testing.T, times int, limit time.Duration, measure func(testing.TB) time.Duration) {
	t.Helper()
	var s sample
	t.Run("runs", func(t *testing.T) {
		for i := range times {
			t.Run(fmt.Sprint(i), func(t *testing.T) {
				t.Parallel()
				s.add(measure(t))
			})
		}
	})
	s.judge(t, limit)
}

// TestNATLongEvents: every event, many times.
func TestNATLongEvents(t *testing.T) {
	for _, e := range append(slices.Clone(natEvents), stuck) {
		t.Run(e.name, func(t *testing.T) {
			var most, again sample
			repeat(t, min(*natRuns, cmp.Or(e.runs, *natRuns)), e.limit, func(t testing.TB) time.Duration {
				c := e.run(t)
				t.Log(c)
				most.add(time.Duration(c.lost))
				again.add(c.again)
				return c.took
			})
			t.Log("the last way:")
			again.judge(t, cmp.Or(e.again, time.Minute))
			slices.Sort(most.took)
			if n := len(most.took); n > 0 && e.lost > 0 && int(most.took[(n*95+99)/100-1]) > e.lost {
				t.Errorf("%d pings were lost in 19 of 20 runs, want at most %d", most.took[(n*95+99)/100-1], e.lost)
			}
		})
	}
}

// TestNATLongFirstPing: the peer is known, and a relay is up.
func TestNATLongFirstPing(t *testing.T) { often(t, 500*time.Millisecond, firstPing) }

// TestNATLongIdleMove: the first ping after a change that nobody was there to see.
func TestNATLongIdleMove(t *testing.T) {
	for _, y := range []string{"open", "fullcone", "port"} {
		t.Run(y, func(t *testing.T) {
			often(t, time.Second, func(t testing.TB) time.Duration { return idle(t, y) })
		})
	}
}

// TestNATLongDirect: how long after the first answer both ends talk directly.
func TestNATLongDirect(t *testing.T) {
	for _, c := range natTopologies {
		if c.state != "direct" {
			continue
		}
		t.Run(c.name, func(t *testing.T) {
			often(t, time.Second, func(t testing.TB) time.Duration {
				_, took, _ := c.run(t)
				return took
			})
		})
	}
}

func TestNATLongOneWay(t *testing.T) {
	t.Parallel()
	oneWay(t, 10*time.Minute)
}

func TestNATLongLoss(t *testing.T) {
	t.Parallel()
	lossy(t, 5*time.Minute)
}

// TestNATLongJitter: two relays that are as far, by a line whose delay changes all the time.
func TestNATLongJitter(t *testing.T) {
	t.Parallel()
	p := newNATHosts(t, "symrand", "symrand", natlab.Distant(20*time.Millisecond, 8*time.Millisecond))
	p.start()
	ping := p.nodes[0].keepPinging("10.0.0.2")
	p.become("relayed", patience)
	ping.settle(time.Now(), patience)
	before := [2]int{len(p.nodes[0].switches("b")), len(p.nodes[1].switches("a"))}
	ping.settle(time.Now().Add(10*time.Minute), 11*time.Minute)
	for k, n := range p.nodes {
		ways := n.switches([...]string{"b", "a"}[k])[before[k]:]
		t.Logf("%s: %q", n.name, ways)
		if len(ways) > 1 {
			t.Errorf("%s went over %d times between two ways that are the same: %q", n.name, len(ways), ways)
		}
	}
}

// udpTo counts what a host sends to another's outside address, and keeps the longest packet.
func udpTo(h *host, device string, to netip.Addr) *netns.Sniffer {
	return h.sniff(device, func(p netns.Packet) bool {
		const header = 14
		d := p.Data
		return p.Out && len(d) >= header+20 && d[12] == 8 && d[13] == 0 && d[header+9] == 17 &&
			netip.AddrFrom4([4]byte(d[header+16:header+20])) == to
	})
}

// TestNATLongProbes: two that no punch joins look for a direct way now and then only, while they talk.
func TestNATLongProbes(t *testing.T) {
	t.Parallel()
	p := newNATHosts(t, "port", "symrand")
	p.start()
	ping := p.nodes[0].keepPinging("10.0.0.2")
	p.become("relayed", patience)
	ping.settle(time.Now().Add(70*time.Second), 2*time.Minute) // by then the attempts are a minute apart
	probes := udpTo(p.nodes[0].host, p.hosts[0].Device, p.hosts[1].Outside())
	const watched = 3 * time.Minute
	ping.settle(time.Now().Add(watched), watched+patience)
	perMinute := probes.Count() / int(watched.Minutes())
	t.Logf("%d datagrams a minute", perMinute)
	if perMinute > 40 {
		t.Errorf("%d datagrams a minute look for a direct way, want at most 40", perMinute)
	}
}

// TestNATLongIdle: what two that have nothing to say keep their way open with.
func TestNATLongIdle(t *testing.T) {
	t.Parallel()
	p := newNATHosts(t, "port", "port")
	for _, n := range p.nodes { // whose kernels are to say nothing either
		n.quiet()
		n.segments[0].addresses = n.segments[0].addresses[:1]
		n.rewrite()
	}
	p.start()
	p.nodes[0].firstPing("10.0.0.2")
	p.become("direct", patience)
	<-time.After(20 * time.Second) // until all has been said that is to be said at first
	var sniffers [2]*netns.Sniffer
	for k, n := range p.nodes {
		sniffers[k] = udpTo(n.host, p.hosts[k].Device, p.hosts[1-k].Outside())
	}
	const watched = 80 * time.Second // before the keys are two minutes old
	<-time.After(watched)            // that is what is measured
	for k, s := range sniffers {
		var sizes []int
		for _, q := range s.Packets() {
			const header = 14
			sizes = append(sizes, len(q.Data)-header)
		}
		t.Logf("%s sent packets of %d bytes", p.nodes[k].name, sizes)
		if len(sizes) > int(watched/(20*time.Second))+1 || len(sizes) > 0 && slices.Max(sizes) > 110 {
			t.Errorf("%s sent %d bytes in %v, want at most 110 in 20 s", p.nodes[k].name, sizes, watched)
		}
	}
	p.become("direct", patience)
}
