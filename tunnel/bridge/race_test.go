package bridge_test

import (
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/vxmesh/vxmesh/tunnel/bridge"
)

// A crowd works on one switch from many goroutines. Address n is only ever behind one of two
// ports, 1 + n%ports and that plus ports, so a reader can tell a wrong answer.
type crowd struct {
	s     *bridge.Switch
	clock atomic.Int64
	hits  atomic.Int64
	done  chan struct{}
}

const (
	crowdMACs  = 5000
	crowdPorts = 16
)

func (c *crowd) write(seed uint64) {
	r := rand.New(rand.NewPCG(seed, 2))
	for i := range 15_000 {
		now := time.Duration(c.clock.Add(int64(200 * time.Microsecond)))
		n := r.IntN(crowdMACs)
		c.s.Learn(bridge.Port(1+n%crowdPorts+crowdPorts*r.IntN(2)), 0, mac(n), now)
		switch {
		case i%500 == 0:
			c.s.Expire(now)
		case i%3001 == 0:
			c.s.Flush(bridge.Filter{})
		case i%7 == 0:
			c.s.Delete(0, mac(r.IntN(crowdMACs)))
		}
	}
}

func (c *crowd) read(t *testing.T, seed uint64) {
	r := rand.New(rand.NewPCG(seed, 3))
	for {
		select {
		case <-c.done:
			return
		default:
		}
		n := r.IntN(crowdMACs)
		p, v := c.s.Lookup(bridge.NoPort, 0, mac(n), time.Duration(c.clock.Load()))
		if v != bridge.Unicast {
			continue
		}
		c.hits.Add(1)
		if (int(p)-1)%crowdPorts != n%crowdPorts {
			t.Errorf("address %d is given port %d", n, p)
			return
		}
	}
}

// TestReadersNeverSeeAWrongPort looks up while the table grows, shrinks, ages and is flushed.
func TestReadersNeverSeeAWrongPort(t *testing.T) {
	c := &crowd{
		s:    bridge.New(bridge.Options{Ageing: sec, Learn: true}),
		done: make(chan struct{}),
	}
	for p := range bridge.Port(2 * crowdPorts) {
		c.s.AddPort(1+p, bridge.Device, true)
	}
	var writers, readers sync.WaitGroup
	for w := range uint64(3) {
		writers.Go(func() { c.write(w) })
	}
	for w := range uint64(2) {
		readers.Go(func() { c.read(t, w) })
	}
	writers.Wait()
	close(c.done)
	readers.Wait()
	if c.hits.Load() == 0 {
		t.Error("the readers never found anything")
	}
	c.s.Flush(bridge.Filter{})
	wantLen(t, c.s, 0)
	for p := range bridge.Port(2 * crowdPorts) {
		if n := c.s.PortLen(1 + p); n != 0 {
			t.Errorf("the empty switch counts %d entries on port %d", n, 1+p)
		}
	}
}

// sendFrom learns on a VTEP and floods from it, as a receiving loop does.
func sendFrom(t *testing.T, s *bridge.Switch, from bridge.Port) {
	for i := range 50_000 {
		s.Learn(from, 0, mac(i%2000), time.Duration(i)*time.Millisecond)
		for _, p := range s.FloodPorts(from) {
			if p == vtep1 || p == vtep2 {
				t.Errorf("VTEP %d floods to VTEP %d", from, p)
				return
			}
		}
	}
}

// bounce removes vtep1 and adds it again: no entry may outlive its port.
func bounce(t *testing.T, s *bridge.Switch) {
	for range 300 {
		s.RemovePort(vtep1)
		for _, e := range s.Entries(0) {
			if e.Port == vtep1 {
				t.Errorf("%s points to a port that was removed", e.MAC)
				return
			}
		}
		s.AddPort(vtep1, bridge.VTEP, true)
	}
}

// TestPortsComeAndGo removes ports and changes limits under traffic.
func TestPortsComeAndGo(t *testing.T) {
	s := newSwitch(bridge.Options{Ageing: sec, MaxPerPort: 500, Learn: true})
	var wg sync.WaitGroup
	wg.Go(func() { sendFrom(t, s, vtep1) })
	wg.Go(func() { sendFrom(t, s, vtep2) })
	wg.Go(func() { bounce(t, s) })
	wg.Go(func() {
		for i := range 300 {
			s.SetOptions(bridge.Options{Ageing: sec, MaxPerPort: 100 + i, Learn: true})
		}
	})
	wg.Wait()
	s.RemovePort(vtep1)
	s.RemovePort(vtep2)
	wantLen(t, s, 0)
}
