package bridge_test

import (
	"cmp"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/vxmesh/vxmesh/tundev/ether"
	"github.com/vxmesh/vxmesh/tunnel/bridge"
)

type address struct {
	vlan uint16
	mac  ether.MAC
}

type heard struct {
	bridge.Entry
	seen time.Duration
}

// A model is what a switch should be: a plain map and no hurry.
type model struct {
	o       bridge.Options
	entries map[address]heard
	ports   map[bridge.Port]bool
	stats   bridge.Stats
}

func (m *model) known(a address, now time.Duration) bool {
	e, ok := m.entries[a]
	aged := e.Kind == bridge.Learned && m.o.Ageing > 0 && now-e.seen >= m.o.Ageing
	return ok && !aged
}

func (m *model) learnedOn(p bridge.Port) (n int) {
	for _, e := range m.entries {
		if e.Port == p && e.Kind == bridge.Learned {
			n++
		}
	}
	return n
}

func (m *model) learn(p bridge.Port, a address, now time.Duration) bridge.Outcome {
	e, there := m.entries[a]
	switch {
	case there && e.Kind != bridge.Learned && e.Port == p:
		return bridge.Refreshed
	case there && e.Kind != bridge.Learned:
		m.stats.Pinned++
		return bridge.Pinned
	case !m.o.Learn:
		return bridge.Off
	}
	known := m.known(a, now)
	if there && !known {
		delete(m.entries, a)
		m.stats.Aged++
	}
	portFull := m.learnedOn(p) >= m.o.MaxPerPort
	switch {
	case !m.ports[p]:
		return bridge.Off
	case known && e.Port == p:
		m.entries[a] = heard{e.Entry, now}
		return bridge.Refreshed
	case !known && len(m.entries) >= m.o.MaxEntries:
		m.stats.TableFull++
		return bridge.TableFull
	case portFull:
		m.stats.PortFull++
		return bridge.PortFull
	case known:
		e.Port, e.seen, e.Moves = p, now, e.Moves+1
		m.entries[a] = e
		m.stats.Moved++
		return bridge.Moved
	}
	n := bridge.Entry{VLAN: a.vlan, MAC: a.mac, Port: p, Kind: bridge.Learned}
	m.entries[a] = heard{n, now}
	m.stats.Learned++
	return bridge.Added
}

func (m *model) add(e bridge.Entry) bool {
	a := address{e.VLAN, e.MAC}
	old, there := m.entries[a]
	if !m.ports[e.Port] || (old.Kind == bridge.Local && e.Kind == bridge.Static) {
		return false
	}
	e.Moves = old.Moves
	if there && old.Port != e.Port {
		e.Moves++
		m.stats.Moved++
	}
	m.entries[a] = heard{e, 0}
	return true
}

// removeIf counts nothing: the caller knows why.
func (m *model) removeIf(f func(address, heard) bool) int {
	before := len(m.entries)
	maps.DeleteFunc(m.entries, f)
	return before - len(m.entries)
}

func (m *model) list(now time.Duration) []bridge.Entry {
	list := []bridge.Entry{}
	for a, e := range m.entries {
		if m.known(a, now) {
			if e.Kind == bridge.Learned {
				e.Age = now - e.seen
			}
			list = append(list, e.Entry)
		}
	}
	slices.SortFunc(list, func(a, b bridge.Entry) int {
		return cmp.Or(cmp.Compare(a.VLAN, b.VLAN), cmp.Compare(a.MAC.Uint64(), b.MAC.Uint64()))
	})
	return list
}

// A pair drives a switch and its model with the same random operations.
type pair struct {
	t   *testing.T
	r   *rand.Rand
	s   *bridge.Switch
	m   *model
	now time.Duration
}

func (p *pair) address() address {
	return address{uint16(p.r.IntN(3)), mac(p.r.IntN(150))}
}

func (p *pair) port() bridge.Port { return bridge.Port(1 + p.r.IntN(6)) }

func (p *pair) learn() {
	port, a := p.port(), p.address()
	before := p.m.entries[a].Port
	got, was := p.s.Learn(port, a.vlan, a.mac, p.now)
	want := p.m.learn(port, a, p.now)
	if got == bridge.Moved && was != before {
		p.t.Fatalf("at %v %v moved from %d, model %d", p.now, a, was, before)
	}
	if got != want {
		p.t.Fatalf("at %v learn %v on %d: outcome %d, model %d", p.now, a, port, got, want)
	}
}

func (p *pair) lookup() {
	a := p.address()
	e, ok := p.s.Get(a.vlan, a.mac, p.now)
	port, v := p.s.Lookup(bridge.NoPort, a.vlan, a.mac, p.now)
	want := p.m.known(a, p.now)
	if ok != want || (v == bridge.Unicast) != want {
		p.t.Fatalf("at %v %v: Get %v, verdict %d, model knows it: %v", p.now, a, ok, v, want)
	}
	if want && (port != p.m.entries[a].Port || e.Port != port) {
		p.t.Fatalf("at %v %v: port %d, model %d", p.now, a, port, p.m.entries[a].Port)
	}
}

func (p *pair) add() {
	a := p.address()
	e := bridge.Entry{VLAN: a.vlan, MAC: a.mac, Port: p.port(), Kind: bridge.Static}
	if p.r.IntN(4) == 0 {
		e.Kind = bridge.Local
	}
	if err := p.s.Add(e); (err == nil) != p.m.add(e) {
		p.t.Fatalf("Add(%+v): %v, the model disagrees", e, err)
	}
}

func (p *pair) delete() {
	a := p.address()
	_, want := p.m.entries[a]
	delete(p.m.entries, a)
	if p.s.Delete(a.vlan, a.mac) != want {
		p.t.Fatalf("Delete(%v) is not %v", a, want)
	}
}

func (p *pair) flush() {
	f := bridge.Filter{Port: bridge.Port(p.r.IntN(7)), Static: p.r.IntN(2) == 0}
	if p.r.IntN(2) == 0 {
		vlan := uint16(p.r.IntN(3))
		f.VLAN = &vlan
	}
	if p.r.IntN(3) == 0 {
		f.MAC = p.address().mac
	}
	want := p.m.removeIf(func(a address, e heard) bool {
		return (f.Port == 0 || e.Port == f.Port) && (f.VLAN == nil || a.vlan == *f.VLAN) &&
			(f.MAC.IsZero() || a.mac == f.MAC) &&
			(e.Kind == bridge.Learned || (f.Static && e.Kind == bridge.Static))
	})
	p.m.stats.Flushed += uint64(want)
	if got := p.s.Flush(f); got != want {
		p.t.Fatalf("Flush(%+v): %d, model %d", f, got, want)
	}
}

func (p *pair) expire() {
	want := p.m.removeIf(func(a address, _ heard) bool { return !p.m.known(a, p.now) })
	p.m.stats.Aged += uint64(want)
	if got := p.s.Expire(p.now); got != want {
		p.t.Fatalf("at %v expired %d, model %d", p.now, got, want)
	}
}

func (p *pair) togglePort() {
	port := p.port()
	if !p.m.ports[port] {
		p.m.ports[port] = true
		p.s.AddPort(port, bridge.Device, true)
		return
	}
	delete(p.m.ports, port)
	want := p.m.removeIf(func(_ address, e heard) bool { return e.Port == port })
	p.m.stats.Flushed += uint64(want)
	if got := p.s.RemovePort(port); got != want {
		p.t.Fatalf("RemovePort(%d): %d, model %d", port, got, want)
	}
}

func (p *pair) learning() {
	p.m.o.Learn = p.r.IntN(4) > 0
	p.s.SetOptions(p.m.o)
}

func (p *pair) check() {
	if got, want := p.s.Entries(p.now), p.m.list(p.now); !slices.Equal(got, want) {
		p.t.Fatalf("at %v the entries differ:\n%s", p.now, gocmp.Diff(want, got))
	}
	if p.s.Len() != len(p.m.entries) || p.s.Stats() != p.m.stats {
		p.t.Fatalf("at %v: %d entries, %+v; model %d, %+v",
			p.now, p.s.Len(), p.s.Stats(), len(p.m.entries), p.m.stats)
	}
	for port := bridge.Port(1); port <= 6; port++ {
		if got, want := p.s.PortLen(port), p.m.learnedOn(port); got != want {
			p.t.Fatalf("port %d holds %d, model %d", port, got, want)
		}
	}
}

// TestModel compares the switch with a plain map over many random histories.
func TestModel(t *testing.T) {
	for seed := range uint64(4) {
		o := bridge.Options{Ageing: 20 * sec, MaxEntries: 300, MaxPerPort: 60, Learn: true}
		p := &pair{
			t: t, r: rand.New(rand.NewPCG(seed, 1)), s: bridge.New(o),
			m: &model{o: o, entries: map[address]heard{}, ports: map[bridge.Port]bool{}},
		}
		ops := []struct {
			weight int
			do     func()
		}{
			{500, p.learn},
			{300, p.lookup},
			{60, p.add},
			{60, p.delete},
			{5, p.flush},
			{5, p.expire},
			{5, p.togglePort},
			{3, p.learning},
			{10, p.check},
			{300, func() { p.now += time.Duration(1+p.r.IntN(20)) * 10 * time.Millisecond }},
		}
		var deck []func()
		for _, op := range ops {
			deck = append(deck, slices.Repeat([]func(){op.do}, op.weight)...)
		}
		for range 30_000 {
			deck[p.r.IntN(len(deck))]()
		}
		p.check()
	}
}
