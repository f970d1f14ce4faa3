package bridge_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vxmesh/vxmesh/tundev/ether"
	"github.com/vxmesh/vxmesh/tunnel/bridge"
)

// The ports of most tests: the device, two VTEPs and two peers.
const (
	dev bridge.Port = iota + 1
	vtep1
	vtep2
	peer1
	peer2
)

const sec = time.Second

// newSwitch makes a switch with the five ports.
func newSwitch(o bridge.Options) *bridge.Switch {
	s := bridge.New(o)
	s.AddPort(dev, bridge.Device, true)
	s.AddPort(vtep1, bridge.VTEP, true)
	s.AddPort(vtep2, bridge.VTEP, true)
	s.AddPort(peer1, bridge.Mesh, true)
	s.AddPort(peer2, bridge.Mesh, true)
	return s
}

// mac is a unicast address that differs for every n.
func mac(n int) ether.MAC { return ether.MACFromUint64(0x525400000000 + uint64(n)) }

func wantLookup(
	t *testing.T, s *bridge.Switch, from bridge.Port, dst ether.MAC, now time.Duration,
	port bridge.Port, v bridge.Verdict,
) {
	t.Helper()
	if p, got := s.Lookup(from, 0, dst, now); p != port || got != v {
		t.Errorf("at %v from %d to %s: port %d verdict %d, want port %d verdict %d",
			now, from, dst, p, got, port, v)
	}
}

func wantLearn(
	t *testing.T, s *bridge.Switch, p bridge.Port, src ether.MAC, now time.Duration,
	want bridge.Outcome,
) {
	t.Helper()
	if got, _ := s.Learn(p, 0, src, now); got != want {
		t.Errorf("at %v learn %s on %d: outcome %d, want %d", now, src, p, got, want)
	}
}

func wantLen(t *testing.T, s *bridge.Switch, n int) {
	t.Helper()
	if s.Len() != n {
		t.Errorf("%d entries, want %d", s.Len(), n)
	}
}

func pin(t *testing.T, s *bridge.Switch, k bridge.Kind, p bridge.Port, m ether.MAC) {
	t.Helper()
	if err := s.Add(bridge.Entry{MAC: m, Port: p, Kind: k}); err != nil {
		t.Fatal(err)
	}
}

func TestLearnAndDelete(t *testing.T) {
	s := newSwitch(bridge.Options{Ageing: 5 * time.Minute, Learn: true})
	wantLookup(t, s, dev, mac(1), 0, bridge.NoPort, bridge.Flood)
	wantLearn(t, s, vtep1, mac(1), 0, bridge.Added)
	wantLearn(t, s, vtep1, mac(1), sec, bridge.Refreshed)
	wantLookup(t, s, dev, mac(1), sec, vtep1, bridge.Unicast)
	wantLookup(t, s, peer1, mac(1), sec, vtep1, bridge.Unicast)

	want := bridge.Entry{MAC: mac(1), Port: vtep1, Kind: bridge.Learned, Age: 2 * sec}
	if e, ok := s.Get(0, mac(1), 3*sec); !ok || e != want {
		t.Errorf("Get: %+v %v, want %+v", e, ok, want)
	}
	if !s.Delete(0, mac(1)) || s.Delete(0, mac(1)) {
		t.Error("Delete did not remove the entry exactly once")
	}
	wantLookup(t, s, dev, mac(1), sec, bridge.NoPort, bridge.Flood)
	if _, ok := s.Get(0, mac(1), sec); ok {
		t.Error("Get finds a deleted entry")
	}
	wantLen(t, s, 0)
	wantLearn(t, s, vtep2, mac(1), sec, bridge.Added)
	wantLookup(t, s, dev, mac(1), sec, vtep2, bridge.Unicast)
}

func TestVLANsAreSeparate(t *testing.T) {
	s := newSwitch(bridge.Options{Learn: true})
	s.Learn(vtep1, 10, mac(1), 0)
	s.Learn(vtep2, 20, mac(1), 0)
	for vlan, want := range map[uint16]bridge.Port{10: vtep1, 20: vtep2, 0: bridge.NoPort} {
		if p, _ := s.Lookup(dev, vlan, mac(1), 0); p != want {
			t.Errorf("VLAN %d: port %d, want %d", vlan, p, want)
		}
	}
}

func TestInvalidSources(t *testing.T) {
	s := newSwitch(bridge.Options{Learn: true})
	wantLearn(t, s, vtep1, ether.MAC{}, 0, bridge.Invalid)
	wantLearn(t, s, vtep1, ether.Broadcast, 0, bridge.Invalid)
	wantLearn(t, s, vtep1, ether.MAC{1, 0, 0x5e, 0, 0, 1}, 0, bridge.Invalid)
	wantLearn(t, s, 99, mac(1), 0, bridge.Off)
	wantLearn(t, s, bridge.NoPort, mac(1), 0, bridge.Off)
	wantLen(t, s, 0)
	if n := s.Stats().Invalid; n != 3 {
		t.Errorf("%d invalid sources counted, want 3", n)
	}
}

func TestLearningOff(t *testing.T) {
	s := newSwitch(bridge.Options{Ageing: 10 * sec, Learn: true})
	s.Learn(vtep1, 0, mac(1), 0)
	s.SetOptions(bridge.Options{Ageing: 10 * sec})
	wantLearn(t, s, vtep1, mac(1), 5*sec, bridge.Off)
	wantLearn(t, s, vtep2, mac(2), 5*sec, bridge.Off)
	wantLookup(t, s, dev, mac(1), 9*sec, vtep1, bridge.Unicast)
	wantLookup(t, s, dev, mac(1), 10*sec, bridge.NoPort, bridge.Flood)
	wantLen(t, s, 1)
	s.SetOptions(bridge.Options{Ageing: 10 * sec, Learn: true})
	wantLearn(t, s, vtep2, mac(2), 10*sec, bridge.Added)
}

func TestAgeingIsExact(t *testing.T) {
	s := newSwitch(bridge.Options{Ageing: 30 * sec, Learn: true})
	s.Learn(vtep1, 0, mac(1), 100*sec)
	s.Learn(vtep1, 0, mac(2), 100*sec)
	for now := 100 * sec; now < 130*sec; now += sec { // sending to it does not keep it
		wantLookup(t, s, dev, mac(1), now, vtep1, bridge.Unicast)
		if n := s.Expire(now); n != 0 {
			t.Fatalf("%d entries expired at %v", n, now)
		}
	}
	wantLearn(t, s, vtep1, mac(2), 115*sec, bridge.Refreshed)
	wantLookup(t, s, dev, mac(1), 130*sec-1, vtep1, bridge.Unicast)
	wantLookup(t, s, dev, mac(1), 130*sec, bridge.NoPort, bridge.Flood) // without Expire
	if list := s.Entries(130 * sec); len(list) != 1 || list[0].Age != 15*sec {
		t.Errorf("entries at 130 s: %+v", list)
	}
	wantLen(t, s, 2)
	if n := s.Expire(130 * sec); n != 1 || s.Len() != 1 || s.Stats().Aged != 1 {
		t.Errorf("expired %d, %d left, %d counted", n, s.Len(), s.Stats().Aged)
	}
	wantLookup(t, s, dev, mac(2), 145*sec-1, vtep1, bridge.Unicast)
	wantLookup(t, s, dev, mac(2), 145*sec, bridge.NoPort, bridge.Flood)
	wantLearn(t, s, vtep2, mac(2), 145*sec, bridge.Added) // it had aged out: no move
	if e, _ := s.Get(0, mac(2), 145*sec); e.Moves != 0 || e.Port != vtep2 {
		t.Errorf("after ageing: %+v", e)
	}
}

func TestAgeingChangesLive(t *testing.T) {
	s := newSwitch(bridge.Options{Learn: true})
	s.Learn(vtep1, 0, mac(1), 0)
	wantLookup(t, s, dev, mac(1), 1e6*time.Hour, vtep1, bridge.Unicast)
	if n := s.Expire(1e6 * time.Hour); n != 0 {
		t.Errorf("%d entries expired with ageing off", n)
	}
	s.SetOptions(bridge.Options{Ageing: sec, Learn: true})
	wantLookup(t, s, dev, mac(1), sec, bridge.NoPort, bridge.Flood)
}

func TestMoves(t *testing.T) {
	s := newSwitch(bridge.Options{Ageing: 10 * sec, Learn: true})
	wantLearn(t, s, vtep1, mac(1), 0, bridge.Added)
	wantLearn(t, s, peer1, mac(1), sec, bridge.Moved)
	wantLookup(t, s, dev, mac(1), sec, peer1, bridge.Unicast)
	wantLearn(t, s, vtep1, mac(1), 2*sec, bridge.Moved)
	e, _ := s.Get(0, mac(1), 2*sec)
	if e.Moves != 2 || e.Port != vtep1 || s.Stats().Moved != 2 {
		t.Errorf("after two moves: %+v, %d counted", e, s.Stats().Moved)
	}
	if s.PortLen(vtep1) != 1 || s.PortLen(peer1) != 0 || s.PortLen(99) != 0 {
		t.Errorf("ports hold %d and %d entries", s.PortLen(vtep1), s.PortLen(peer1))
	}
}

func TestMaxEntries(t *testing.T) {
	s := newSwitch(bridge.Options{Learn: true})
	for i := range 4 {
		wantLearn(t, s, vtep1, mac(i), time.Duration(4-i)*sec, bridge.Added) // 3 is the oldest
	}
	pin(t, s, bridge.Static, vtep1, mac(10))
	s.SetOptions(bridge.Options{MaxEntries: 2, Learn: true})
	list := s.Entries(4 * sec)
	if len(list) != 2 || list[0].MAC != mac(0) || list[1].MAC != mac(10) {
		t.Fatalf("left after the limit fell to 2: %+v", list)
	}
	wantLearn(t, s, vtep2, mac(20), 5*sec, bridge.TableFull)
	wantLearn(t, s, vtep1, mac(0), 5*sec, bridge.Refreshed)
	wantLearn(t, s, vtep2, mac(0), 5*sec, bridge.Moved)
	pin(t, s, bridge.Local, dev, mac(11)) // never refused
	wantLen(t, s, 3)
	if st := s.Stats(); st.TableFull != 1 || st.Flushed != 3 {
		t.Errorf("stats %+v", st)
	}
	s.SetOptions(bridge.Options{MaxEntries: 1, Learn: true}) // pinned ones stay, whatever the limit
	wantLen(t, s, 2)
	s.SetOptions(bridge.Options{MaxEntries: 4, Learn: true})
	wantLearn(t, s, vtep2, mac(20), 5*sec, bridge.Added)
}

func TestMaxPerPort(t *testing.T) {
	o := bridge.Options{MaxPerPort: 2, Learn: true}
	s := newSwitch(o)
	pin(t, s, bridge.Static, vtep1, mac(10)) // does not count
	wantLearn(t, s, vtep1, mac(1), 1*sec, bridge.Added)
	wantLearn(t, s, vtep1, mac(2), 2*sec, bridge.Added)
	wantLearn(t, s, vtep1, mac(3), 3*sec, bridge.PortFull)
	wantLearn(t, s, vtep2, mac(3), 3*sec, bridge.Added)
	wantLearn(t, s, vtep1, mac(3), 4*sec, bridge.PortFull) // it cannot be taken over either
	wantLookup(t, s, dev, mac(3), 4*sec, vtep2, bridge.Unicast)
	wantLearn(t, s, vtep1, mac(1), 5*sec, bridge.Refreshed)

	o.MaxPerPort = 1
	s.SetOptions(o)
	wantLookup(t, s, dev, mac(1), 5*sec, vtep1, bridge.Unicast)
	wantLookup(t, s, dev, mac(2), 5*sec, bridge.NoPort, bridge.Flood) // the older one
	wantLookup(t, s, dev, mac(3), 5*sec, vtep2, bridge.Unicast)
	if s.PortLen(vtep1) != 1 || s.Stats().PortFull != 2 {
		t.Errorf("port holds %d, stats %+v", s.PortLen(vtep1), s.Stats())
	}
}

func TestStaticWins(t *testing.T) {
	s := newSwitch(bridge.Options{Ageing: sec, Learn: true})
	s.Learn(vtep1, 0, mac(1), 0)
	pin(t, s, bridge.Static, vtep2, mac(1))
	pin(t, s, bridge.Local, dev, mac(2))
	wantLearn(t, s, vtep1, mac(1), 0, bridge.Pinned)
	wantLearn(t, s, vtep1, mac(2), 0, bridge.Pinned)
	wantLearn(t, s, vtep2, mac(1), 0, bridge.Refreshed)
	wantLookup(t, s, dev, mac(1), time.Hour, vtep2, bridge.Unicast)
	e, _ := s.Get(0, mac(1), time.Hour)
	want := bridge.Entry{MAC: mac(1), Port: vtep2, Kind: bridge.Static, Moves: 1}
	if e != want {
		t.Errorf("static entry: %+v, want %+v", e, want)
	}
	if s.Expire(time.Hour) != 0 || s.PortLen(vtep1) != 0 || s.PortLen(vtep2) != 0 {
		t.Error("a static entry aged, or counts as learned")
	}
	s.SetOptions(bridge.Options{})
	wantLearn(t, s, vtep1, mac(1), 0, bridge.Pinned) // also when nothing is learned
	if n := s.Stats().Pinned; n != 3 {
		t.Errorf("%d pinned counted, want 3", n)
	}
}

func TestAddRefuses(t *testing.T) {
	s := newSwitch(bridge.Options{})
	pin(t, s, bridge.Local, dev, mac(1))
	for want, e := range map[string]bridge.Entry{
		"address of this machine": {MAC: mac(1), Port: vtep1, Kind: bridge.Static},
		"not learned":             {MAC: mac(2), Port: vtep1, Kind: bridge.Learned},
		"not invalid":             {MAC: mac(2), Port: vtep1},
		"zero address":            {Port: vtep1, Kind: bridge.Static},
		"VLAN 4095":               {MAC: mac(2), VLAN: 4095, Port: vtep1, Kind: bridge.Static},
		"no port 77":              {MAC: mac(2), Port: 77, Kind: bridge.Static},
		"no port 0":               {MAC: mac(2), Kind: bridge.Static},
	} {
		if err := s.Add(e); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Add(%+v): %v, want %q", e, err, want)
		}
	}
	wantLen(t, s, 1)
}

func TestMulticastEntry(t *testing.T) {
	s := newSwitch(bridge.Options{})
	group := ether.MAC{1, 0, 0x5e, 1, 1, 42}
	wantLookup(t, s, dev, group, 0, bridge.NoPort, bridge.Flood)
	wantLookup(t, s, dev, ether.Broadcast, 0, bridge.NoPort, bridge.Flood)
	pin(t, s, bridge.Static, vtep2, group)
	wantLookup(t, s, dev, group, 0, vtep2, bridge.Unicast)
}

func TestSplitHorizon(t *testing.T) {
	s := newSwitch(bridge.Options{Learn: true})
	s.AddPort(6, bridge.Device, true)
	for p := dev; p <= 6; p++ {
		s.Learn(p, 0, mac(int(p)), 0)
	}
	groups := map[bridge.Port]bridge.Group{
		dev: bridge.Device, vtep1: bridge.VTEP, vtep2: bridge.VTEP,
		peer1: bridge.Mesh, peer2: bridge.Mesh, 6: bridge.Device,
	}
	for from, g := range groups {
		var flood []bridge.Port
		for to := dev; to <= 6; to++ {
			want := bridge.Unicast
			switch {
			case from == to:
				want = bridge.SamePort
			case g == groups[to] && g != bridge.Device:
				want = bridge.Horizon
			default:
				flood = append(flood, to)
			}
			wantLookup(t, s, from, mac(int(to)), 0, to, want)
		}
		if got := s.FloodPorts(from); !slices.Equal(got, flood) {
			t.Errorf("from %d: floods to %v, want %v", from, got, flood)
		}
	}
	if got := s.FloodPorts(bridge.NoPort); len(got) != 6 {
		t.Errorf("own frames flood to %v, want all six ports", got)
	}
	wantLookup(t, s, bridge.NoPort, mac(int(vtep1)), 0, vtep1, bridge.Unicast)
}

func TestFloodPorts(t *testing.T) {
	s := newSwitch(bridge.Options{})
	s.AddPort(vtep2, bridge.VTEP, false)
	before := s.FloodPorts(dev)
	if want := []bridge.Port{vtep1, peer1, peer2}; !slices.Equal(before, want) {
		t.Errorf("floods to %v, want %v", before, want)
	}
	s.RemovePort(peer1)
	if want := []bridge.Port{vtep1, peer2}; !slices.Equal(s.FloodPorts(dev), want) {
		t.Errorf("floods to %v, want %v", s.FloodPorts(dev), want)
	}
	if len(before) != 3 || before[1] != peer1 {
		t.Errorf("the slice handed out before changed to %v", before)
	}
	s.AddPort(vtep2, bridge.Mesh, true) // changes the group
	if want := []bridge.Port{dev, vtep1}; !slices.Equal(s.FloodPorts(vtep2), want) {
		t.Errorf("from the changed port: %v, want %v", s.FloodPorts(vtep2), want)
	}
	for _, gone := range []bridge.Port{peer1, 77} {
		if got := s.FloodPorts(gone); len(got) != 0 {
			t.Errorf("port %d is not there and floods to %v", gone, got)
		}
	}
}

func TestRemovePort(t *testing.T) {
	s := newSwitch(bridge.Options{Learn: true})
	for i := range 1000 {
		s.Learn(vtep1+bridge.Port(i%2), 0, mac(i), 0)
	}
	pin(t, s, bridge.Static, vtep1, mac(5000))
	if n := s.RemovePort(vtep1); n != 501 {
		t.Errorf("removed %d entries, want 501", n)
	}
	wantLen(t, s, 500)
	if s.PortLen(vtep1) != 0 || s.PortLen(vtep2) != 500 || s.RemovePort(vtep1) != 0 {
		t.Errorf("ports hold %d and %d", s.PortLen(vtep1), s.PortLen(vtep2))
	}
	wantLookup(t, s, dev, mac(0), 0, bridge.NoPort, bridge.Flood)
	wantLookup(t, s, vtep1, mac(1), 0, bridge.NoPort, bridge.Flood) // nothing comes from it
	wantLearn(t, s, vtep1, mac(0), 0, bridge.Off)
	s.AddPort(vtep1, bridge.Mesh, true)
	wantLearn(t, s, vtep1, mac(0), 0, bridge.Added)
	if s.PortLen(vtep1) != 1 {
		t.Errorf("the new port holds %d entries", s.PortLen(vtep1))
	}
}

func TestFlush(t *testing.T) {
	ten := uint16(10)
	for name, c := range map[string]struct {
		f    bridge.Filter
		want int
	}{
		"learned":         {bridge.Filter{}, 8},
		"all":             {bridge.Filter{Static: true}, 10},
		"port":            {bridge.Filter{Port: vtep1}, 4},
		"port and static": {bridge.Filter{Port: vtep1, Static: true}, 5},
		"vlan":            {bridge.Filter{VLAN: &ten}, 4},
		"vlan zero":       {bridge.Filter{VLAN: new(uint16)}, 4},
		"mac":             {bridge.Filter{MAC: mac(1)}, 2},
		"all three":       {bridge.Filter{Port: vtep1, VLAN: &ten, MAC: mac(0)}, 1},
		"nothing":         {bridge.Filter{Port: vtep2, MAC: mac(0)}, 0},
		"not the local":   {bridge.Filter{Port: dev, Static: true}, 0},
	} {
		s := newSwitch(bridge.Options{Learn: true})
		for i := range 4 {
			s.Learn(vtep1+bridge.Port(i%2), 0, mac(i), 0)
			s.Learn(vtep1+bridge.Port(i%2), 10, mac(i), 0)
		}
		pin(t, s, bridge.Static, vtep1, mac(8))
		pin(t, s, bridge.Static, vtep2, mac(9))
		pin(t, s, bridge.Local, dev, mac(10))
		if n := s.Flush(c.f); n != c.want || s.Len() != 11-n || s.Stats().Flushed != uint64(n) {
			t.Errorf("%s: flushed %d, want %d; %d left", name, n, c.want, s.Len())
		}
	}
}

func TestManyStatic(t *testing.T) {
	s := newSwitch(bridge.Options{MaxEntries: 1})
	for i := 1023; i >= 0; i-- {
		e := bridge.Entry{VLAN: uint16(i % 3), MAC: mac(i), Port: vtep1, Kind: bridge.Static}
		if err := s.Add(e); err != nil {
			t.Fatal(err)
		}
	}
	list := s.Entries(0)
	sorted := slices.IsSortedFunc(list, func(a, b bridge.Entry) int {
		if a.VLAN != b.VLAN {
			return int(a.VLAN) - int(b.VLAN)
		}
		return int(a.MAC.Uint64()) - int(b.MAC.Uint64())
	})
	if len(list) != 1024 || !sorted {
		t.Errorf("%d entries, sorted by VLAN and MAC: %v", len(list), sorted)
	}
	if n := s.Flush(bridge.Filter{Static: true}); n != 1024 || len(s.Entries(0)) != 0 {
		t.Errorf("flushed %d of 1024", n)
	}
}

func TestAddPortPanics(t *testing.T) {
	for _, add := range []func(*bridge.Switch){
		func(s *bridge.Switch) { s.AddPort(bridge.NoPort, bridge.Mesh, true) },
		func(s *bridge.Switch) { s.AddPort(1, bridge.Mesh+1, true) },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Error("AddPort took what is no port or no group")
				}
			}()
			add(bridge.New(bridge.Options{}))
		}()
	}
}

func TestKindNames(t *testing.T) {
	names := []string{"invalid", "local", "learned", "static"}
	for k, want := range names {
		if got := bridge.Kind(k).String(); got != want {
			t.Errorf("kind %d is %q, want %q", k, got, want)
		}
	}
}
