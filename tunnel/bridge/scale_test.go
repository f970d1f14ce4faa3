package bridge

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/vxmesh/vxmesh/tundev/ether"
)

func scaleMAC(n uint64) ether.MAC { return ether.MACFromUint64(0x020000000000 | n) }

// filled makes a switch with n learned addresses on four ports.
func filled(n int) *Switch {
	s := New(Options{Ageing: 5 * time.Minute, Learn: true})
	for p := Port(1); p <= 4; p++ {
		s.AddPort(p, VTEP, true)
	}
	s.AddPort(5, Device, true)
	for i := range n {
		s.Learn(Port(1+i%4), 0, scaleMAC(uint64(i)), 0)
	}
	return s
}

func TestHotPathsDoNotAllocate(t *testing.T) {
	s := filled(1000)
	now, n := time.Second, uint64(0)
	for name, f := range map[string]func(){
		"refresh": func() { now += time.Second / 50; s.Learn(1, 0, scaleMAC(0), now) },
		"move":    func() { n++; s.Learn(Port(2+n%2), 0, scaleMAC(1), now) },
		"lookup":  func() { s.Lookup(5, 0, scaleMAC(n%1000), now) },
		"unknown": func() { s.Lookup(5, 0, scaleMAC(5000), now) },
		"flood":   func() { s.FloodPorts(5) },
	} {
		if a := testing.AllocsPerRun(1000, f); a != 0 {
			t.Errorf("%s allocates %v times", name, a)
		}
	}
}

// TestChosenAddressesDoNotCollide fills tables with the patterns an attacker or a vendor makes and
// measures how far a search has to go.
func TestChosenAddressesDoNotCollide(t *testing.T) {
	r := rand.New(rand.NewPCG(4, 5))
	for name, gen := range map[string]func(i uint64) ether.MAC{
		"counting":        scaleMAC,
		"upper bits":      func(i uint64) ether.MAC { return ether.MACFromUint64(i<<24 | 2<<40) },
		"stride of 2^17":  func(i uint64) ether.MAC { return scaleMAC(i << 17) },
		"stride of 4093":  func(i uint64) ether.MAC { return scaleMAC(i * 4093) },
		"few bits":        func(i uint64) ether.MAC { return scaleMAC(i&0xff | i>>8<<28) },
		"random":          func(uint64) ether.MAC { return scaleMAC(r.Uint64N(1 << 40)) },
		"golden multiple": func(i uint64) ether.MAC { return scaleMAC(i * 0x9e3779b97f % (1 << 40)) },
	} {
		s := New(Options{Learn: true})
		s.AddPort(1, VTEP, true)
		for i := range uint64(31_000) {
			s.Learn(1, 0, gen(i), 0)
			if i != 20_000 && i != 30_999 { // the table just before and after it grows
				continue
			}
			if longest, mean := probes(s.table.Load()); longest > 256 || mean > 3 {
				t.Errorf("%s: a search looks at %.1f slots, %d at most", name, mean, longest)
			}
		}
	}
}

// probes measures searches for the keys of t, in slots looked at.
func probes(t *table) (longest int, mean float64) {
	index := make(map[*slot]int, t.used)
	for i := range t.slots {
		index[&t.slots[i]] = i
	}
	size, sum := len(t.slots), 0
	for e := range t.all() {
		home := int(t.home(key(e.key.Load())) % uint64(size))
		n := (index[e]-home+size)%size + 1
		sum, longest = sum+n, max(longest, n)
	}
	return longest, float64(sum) / float64(t.used)
}

// TestSweepSurvivesRebuild has the table replaced while a sweep scans it.
func TestSweepSurvivesRebuild(t *testing.T) {
	const n = 1000
	s := filled(n)
	calls := 0
	removed := s.sweep(func(key, value, time.Duration) bool {
		if calls++; calls == 100 { // in the first scan, when the lock is free
			s.mu.Lock()
			s.rebuild()
			s.mu.Unlock()
		}
		return true
	})
	if removed != n || s.Len() != 0 || len(s.Entries(0)) != 0 {
		t.Errorf("removed %d of %d, %d left", removed, n, s.Len())
	}
}

// TestStormLeavesNothingBehind is 100,000 sources that are heard once: the table follows them up
// and down again, and removed entries do not fill it.
func TestStormLeavesNothingBehind(t *testing.T) {
	s := filled(0)
	small := len(s.table.Load().slots)
	for i := range uint64(100_000) {
		s.Learn(1, 0, scaleMAC(i), 0)
	}
	if n := s.Expire(5 * time.Minute); n != 100_000 || s.PortLen(1) != 0 {
		t.Errorf("expired %d, the port holds %d", n, s.PortLen(1))
	}
	if n := len(s.table.Load().slots); n != small {
		t.Errorf("the empty table has %d slots, a new one %d", n, small)
	}
	for i := range uint64(10_000) {
		s.Learn(1, 0, scaleMAC(i), 0)
		s.Delete(0, scaleMAC(i))
	}
	if n := len(s.table.Load().slots); n != small {
		t.Errorf("a table with one entry at a time has %d slots, a new one %d", n, small)
	}
}
