package demo_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/vxmesh/vxmesh/tundev/ether"
	"github.com/vxmesh/vxmesh/tunnel/control"
	"github.com/vxmesh/vxmesh/ui/demo"
	"github.com/vxmesh/vxmesh/ui/mirror"
	"github.com/vxmesh/vxmesh/ui/oui"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var start = time.Date(2026, 11, 22, 8, 0, 0, 0, time.UTC)

// A world is a network whose time a test lets pass, and a mirror that hears of it.
type world struct {
	*demo.Network
	now    time.Time
	step   int
	b      control.Backend
	mirror *mirror.Mirror
	events <-chan control.Event
	heard  []control.Event
}

func newWorld(t testing.TB, seed uint64) *world {
	t.Helper()
	w := &world{now: start, mirror: mirror.New()}
	w.Network = demo.New(seed, func() time.Time { return w.now })
	w.b = w.Backend()
	var cancel func()
	w.events, cancel = w.b.Events.Subscribe()
	t.Cleanup(cancel)
	status, fdb, stats, history := w.b.Status(), w.b.FDB(control.FDBFilter{}), w.b.Stats(), w.b.History()
	w.mirror.Apply(control.Event{
		Time: w.now, Type: control.EventSnapshot, Status: &status, FDB: &fdb, Stats: &stats, History: &history,
		Log: w.b.Log.Records(),
	})
	return w
}

// steps lets seconds pass, and tells the mirror as a stream would.
func (w *world) steps(n int) {
	for range n {
		before := len(w.heard)
		w.pass()
		for _, e := range w.heard[before:] {
			w.mirror.Apply(e)
		}
		status, peers, stats := w.b.Status(), w.b.Peers(), w.b.Stats()
		w.mirror.Apply(control.Event{Time: w.now, Type: control.EventStatus, Status: &status})
		w.mirror.Apply(control.Event{Time: w.now, Type: control.EventPeers, Peers: &peers})
		w.mirror.Apply(control.Event{Time: w.now, Type: control.EventStats, Stats: &stats})
	}
}

// pass lets a second pass without the mirror.
func (w *world) pass() {
	w.now = w.now.Add(time.Second)
	w.step++
	w.Step()
	for len(w.events) > 0 {
		w.heard = append(w.heard, <-w.events)
	}
}

// print writes everything that the network says of itself.
func (w *world) print(t *testing.T, to io.Writer) {
	t.Helper()
	e := json.NewEncoder(to)
	for _, v := range []any{
		w.b.Status(), w.b.Peers(), w.b.FDB(control.FDBFilter{}), w.b.Stats(), w.b.Members(), w.heard,
	} {
		if err := e.Encode(v); err != nil {
			t.Fatal(err)
		}
	}
}

func TestSameSeedSameNetwork(t *testing.T) {
	sums := make(map[string]int)
	for _, seed := range []uint64{1, 1, 2} {
		w, h := newWorld(t, seed), sha256.New()
		for i := range 600 {
			if w.pass(); i%10 == 9 {
				w.print(t, h)
				w.heard = nil
			}
		}
		e := json.NewEncoder(h)
		_, _ = e.Encode(w.b.History()), e.Encode(w.b.Log.Records())
		sums[fmt.Sprintf("%x", h.Sum(nil))]++
	}
	if len(sums) != 2 {
		t.Errorf("three runs of two seeds gave %d networks", len(sums))
	}
}

// TestStates follows the peers for some minutes as the mirror tells of them.
func TestStates(t *testing.T) {
	w := newWorld(t, 7)
	for _, tt := range []struct {
		step  int
		peers map[string]mirror.State
	}{
		{1, map[string]mirror.State{
			"nas": mirror.Direct, "vps-fra": mirror.Direct, "pi-attic": mirror.Direct,
			"lab-rack": mirror.Relayed, "office": mirror.Direct, "laptop": mirror.Down,
		}},
		{19, map[string]mirror.State{"lab-rack": mirror.Relayed}},
		{20, map[string]mirror.State{"lab-rack": mirror.Direct}},
		{44, map[string]mirror.State{"laptop": mirror.Down}},
		{45, map[string]mirror.State{"laptop": mirror.Direct}},
		{60, map[string]mirror.State{"office": mirror.Direct}},
		{72, map[string]mirror.State{"office": mirror.Degraded, "nas": mirror.Direct, "pi-attic": mirror.Direct}},
		{224, map[string]mirror.State{"laptop": mirror.Direct, "office": mirror.Degraded}},
		{225, map[string]mirror.State{"laptop": mirror.Down}},
		{260, map[string]mirror.State{"lab-rack": mirror.Relayed, "office": mirror.Degraded}},
		{400, map[string]mirror.State{"office": mirror.Direct, "lab-rack": mirror.Relayed, "nas": mirror.Direct}},
	} {
		w.steps(tt.step - w.step)
		for name, want := range tt.peers {
			if p := w.mirror.Peer(name); p == nil || p.State != want {
				t.Errorf("step %d: %s is %v, want %v", tt.step, name, p.State, want)
			}
		}
	}
	if loss := w.mirror.Peer("office").LossPast; len(loss) < 100 || slices.Max(loss) < 0.05 || slices.Max(loss) > 0.08 {
		t.Errorf("office lost %v", loss)
	}
}

func TestTheStart(t *testing.T) {
	w := newWorld(t, 7)
	h := w.b.History()
	if len(h.Seconds.RxBytesPerSecond) != 600 || len(h.Long.RxBytesPerSecond) != 360 || len(h.Peers) != 6 {
		t.Errorf("the past is %d s, %d decades, %d peers", len(h.Seconds.RxBytesPerSecond),
			len(h.Long.RxBytesPerSecond), len(h.Peers))
	}
	var sum float64
	for _, v := range h.Seconds.RxBytesPerSecond {
		sum += v * 8 / 600
	}
	if sum < 330e6 || sum > 520e6 {
		t.Errorf("%.0f Mb/s on average", sum/1e6)
	}
	fdb := w.b.FDB(control.FDBFilter{}).Entries
	if len(fdb) != 41 {
		t.Errorf("%d addresses are known", len(fdb))
	}
	for _, e := range fdb {
		if oui.Vendor(e.MAC) == "" && e.Kind != control.EntryLocal {
			t.Errorf("nobody made %v", e.MAC)
		}
	}
	if log := w.b.Log.Records(); len(log) < 12 || log[0].Msg != "up" {
		t.Errorf("the log has %d records", len(log))
	}
	if st := w.b.Status(); st.State != control.StateUp || len(st.Warnings) > 0 {
		t.Errorf("%s with %v", st.State, st.Warnings)
	}
}

// TestLife has a quarter of an hour pass: counters grow, things come and go.
func TestLife(t *testing.T) {
	w := newWorld(t, 7)
	before, types, warned, clear := w.b.Stats(), map[control.EventType]int{}, 0, 0
	for range 900 {
		w.now = w.now.Add(400 * time.Millisecond)
		middle := w.b.Stats()
		w.now = w.now.Add(-400 * time.Millisecond)
		w.steps(1)
		after := w.b.Stats()
		grows(t, before, middle)
		grows(t, middle, after)
		before = after
		if len(w.mirror.Status.Warnings) > 0 {
			warned++
		} else {
			clear++
		}
	}
	for _, e := range w.heard {
		types[e.Type]++
	}
	for _, want := range []control.EventType{
		control.EventFDBLearned, control.EventFDBAged, control.EventFDBMoved, control.EventPeerState,
		control.EventPeerMTU, control.EventWarning,
	} {
		if types[want] == 0 {
			t.Errorf("no %s in %v", want, types)
		}
	}
	if warned < 60 || clear < 400 {
		t.Errorf("warnings for %d s, none for %d s", warned, clear)
	}
	if drops := mirror.Drops(before); len(drops) < 6 {
		t.Errorf("drops: %v", drops)
	}
	if f := len(w.mirror.FDB); f < 33 || f > 48 {
		t.Errorf("%d addresses are known", f)
	}
}

func grows(t *testing.T, a, b control.Stats) {
	t.Helper()
	for i, p := range b.Peers {
		old := a.Peers[i]
		if p.RxBytes < old.RxBytes || p.TxBytes < old.TxBytes || p.RxFrames < old.RxFrames ||
			p.RxDatagrams < old.RxDatagrams || p.Drops.Total() < old.Drops.Total() || p.Handshakes < old.Handshakes {
			t.Fatalf("%+v after %+v", p, old)
		}
	}
	s, old := b.Segments[0], a.Segments[0]
	if s.RxBytes < old.RxBytes || s.TxBytes < old.TxBytes || s.FloodedFrames < old.FloodedFrames ||
		s.Drops.Total() < old.Drops.Total() || b.Node.CPUSeconds < a.Node.CPUSeconds {
		t.Fatalf("%+v after %+v", s, old)
	}
}

var addresses = regexp.MustCompile(`\b\d+\.\d+\.\d+\.\d+\b|\[?[0-9a-f]*:[0-9a-f:]*::[0-9a-f]+`)

// TestAddresses has nobody's address shown.
func TestAddresses(t *testing.T) {
	w, text := newWorld(t, 7), new(bytes.Buffer)
	w.steps(600)
	w.print(t, text)
	_ = json.NewEncoder(text).Encode(w.b.Log.Records())
	allowed := []netip.Prefix{}
	for _, p := range []string{
		"10.0.0.0/8", "192.168.0.0/16", "192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "2001:db8::/32",
	} {
		allowed = append(allowed, netip.MustParsePrefix(p))
	}
	found := make(map[netip.Addr]bool)
	for _, s := range addresses.FindAllString(text.String(), -1) {
		if a, err := netip.ParseAddr(strings.Trim(s, "[]")); err == nil {
			found[a] = true
		}
	}
	for a := range found {
		fine := false
		for _, p := range allowed {
			fine = fine || p.Contains(a)
		}
		if !fine {
			t.Errorf("%v may be somebody's", a)
		}
	}
	if len(found) < 10 {
		t.Errorf("only %v were found", found)
	}
}

// TestPinnedToAnother keeps a static entry where it is, whoever uses the address.
func TestPinnedToAnother(t *testing.T) {
	w := newWorld(t, 7)
	mac, _ := ether.ParseMAC("52:54:00:9c:11:04")
	if _, err := w.b.AddFDB(control.FDBAdd{VLAN: 20, MAC: mac, Port: "lab-rack"}); err != nil {
		t.Fatal(err)
	}
	before := w.b.Stats().Segments[0].Drops["static_conflict"]
	w.steps(30)
	if after := w.b.Stats().Segments[0].Drops["static_conflict"]; after <= before {
		t.Errorf("%d conflicts", after)
	}
}

func BenchmarkStep(b *testing.B) {
	for _, size := range []struct{ peers, macs int }{{6, 41}, {500, 10000}} {
		b.Run(fmt.Sprintf("peers=%d", size.peers), func(b *testing.B) {
			now := start
			n := demo.Large(1, func() time.Time { return now }, size.peers, size.macs)
			for b.Loop() {
				now = now.Add(time.Second)
				n.Step()
			}
		})
	}
}

func BenchmarkNew(b *testing.B) {
	for b.Loop() {
		demo.New(1, func() time.Time { return start })
	}
}
