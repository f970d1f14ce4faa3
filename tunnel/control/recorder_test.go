package control_test

import (
	"fmt"
	"runtime"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/vxmesh/vxmesh/tunnel/control"
	"github.com/vxmesh/vxmesh/tunnel/control/controltest"
)

// A meter is a node whose counters a test turns, on a clock of the test's own.
type meter struct {
	*control.Recorder
	now   time.Time
	stats control.Stats
	peers []control.Peer
}

func newMeter() *meter {
	m := &meter{now: controltest.Start, stats: control.Stats{Segments: []control.SegmentStats{{}}}}
	m.Recorder = control.NewRecorder(
		func() control.Stats { return m.stats }, func() control.Peers { return control.Peers{Peers: m.peers} },
	)
	m.Record(m.now)
	return m
}

// carry lets time pass in which so many bytes come in each second, and looks once.
func (m *meter) carry(d time.Duration, rate uint64) {
	m.now = m.now.Add(d)
	m.stats.Segments[0].RxBytes += uint64(d.Seconds() * float64(rate))
	for i := range m.peers {
		m.peers[i].TxBytes += uint64(d.Seconds() * float64(rate))
	}
	m.Record(m.now)
}

func tail(l control.List[float64], n int) []float64 { return l[max(0, len(l)-n):] }

func TestRecorder(t *testing.T) {
	m := newMeter()
	if h := m.History(); len(h.Seconds.RxBytesPerSecond) != 0 || h.Seconds.StepSeconds != 1 ||
		h.Schema != control.SchemaHistory {
		t.Errorf("before the first second: %+v", h)
	}
	for i := range 25 {
		m.carry(time.Second, uint64(1000+i))
	}
	m.carry(3100*time.Millisecond, 10) // nobody looked for three seconds
	h := m.History()
	if diff := cmp.Diff([]float64{1023, 1024, 10, 10, 10}, tail(h.Seconds.RxBytesPerSecond, 5)); diff != "" {
		t.Errorf("seconds (-want +got):\n%s", diff)
	}
	if len(h.Seconds.TxFramesPerSecond) != 28 || len(h.Seconds.DropsPerSecond) != 28 {
		t.Errorf("%d frames, %d drops", len(h.Seconds.TxFramesPerSecond), len(h.Seconds.DropsPerSecond))
	}
	if !h.Seconds.Start.Equal(m.now.Add(-28 * time.Second)) {
		t.Errorf("begins at %v", h.Seconds.Start)
	}
	if diff := cmp.Diff([]float64{1005, 1015}, tail(h.Long.RxBytesPerSecond, 3)); diff != "" { // 1004.5, 1014.5
		t.Errorf("long (-want +got):\n%s", diff)
	}
	m.stats.Segments[0].RxBytes = 0 // the segment has gone, and another has come
	m.carry(time.Second, 7)
	if got := tail(m.History().Seconds.RxBytesPerSecond, 1)[0]; got != 0 {
		t.Errorf("counters that go back: %v", got)
	}
}

func TestRecorderIsBounded(t *testing.T) {
	m := newMeter()
	for range 4000 {
		m.carry(time.Second, 1)
	}
	m.carry(1000*time.Hour, 0)
	h := m.History()
	if len(h.Seconds.RxBytesPerSecond) != 600 || len(h.Long.RxBytesPerSecond) != 360 {
		t.Errorf("%d seconds, %d long", len(h.Seconds.RxBytesPerSecond), len(h.Long.RxBytesPerSecond))
	}
}

func TestRecorderOfPeers(t *testing.T) {
	m := newMeter()
	nas := controltest.Peers()[0]
	nas.Path = &control.Path{RTTSeconds: 0.0123456789, LossRatio: 0.25}
	m.peers = []control.Peer{{Name: "office"}, nas}
	for range 16 {
		m.carry(time.Second, 2000)
	}
	h := m.History()
	if len(h.Peers) != 2 || h.Peers[0].Name != "nas" || h.Peers[1].Name != "office" {
		t.Fatalf("%+v", h.Peers)
	}
	p := h.Peers[0]
	want := control.PeerSeries{
		Name: "nas", Start: controltest.Start.Add(5 * time.Second), StepSeconds: 5,
		RxBytesPerSecond: []float64{0, 0}, TxBytesPerSecond: []float64{2000, 2000},
		RTTSeconds: []float64{0.012346, 0.012346}, LossRatio: []float64{0.25, 0.25},
	}
	if diff := cmp.Diff(want, p); diff != "" {
		t.Errorf("nas (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(control.List[float64]{-1, -1}, h.Peers[1].RTTSeconds); diff != "" {
		t.Errorf("office (-want +got):\n%s", diff)
	}
	m.peers = m.peers[:1]
	for range 5 {
		m.carry(time.Second, 0)
	}
	if h = m.History(); len(h.Peers) != 1 || h.Peers[0].Name != "office" {
		t.Errorf("after nas is gone: %+v", h.Peers)
	}
}

// TestDropsAreCountedOnce where both the segment and the peer count them.
func TestDropsAreCountedOnce(t *testing.T) {
	m := newMeter()
	m.stats = controltest.Stats()
	m.Record(m.now.Add(time.Second))
	// own_mac 1, too_big 4, replay 2, no_session 7, vni_unknown 9 and 3 that the kernel lost
	if got := tail(m.History().Seconds.DropsPerSecond, 1)[0]; got != 26 {
		t.Errorf("%v drops", got)
	}
	m.stats.Peers[0].Drops = control.Counts{"replay": 2, "own_mac": 1} // the segment's one
	m.Record(m.now.Add(2 * time.Second))
	if got := tail(m.History().Seconds.DropsPerSecond, 1)[0]; got != 0 {
		t.Errorf("%v more drops", got)
	}
}

// TestServeRecords has a node that serves record by itself, until it ends.
func TestServeRecords(t *testing.T) {
	c := control.Client{Socket: controltest.New().Serve(t)}
	h, err := c.History(t.Context())
	if err != nil || h.Schema != control.SchemaHistory || h.Long.StepSeconds != 10 {
		t.Errorf("%+v, %v", h, err)
	}
	eventually(t, "the first second", func() bool {
		h, err = c.History(t.Context())
		return err != nil || len(h.Seconds.RxBytesPerSecond) > 0
	})
	if err != nil {
		t.Error(err)
	}
}

// many is a node with so many peers, all with a path.
func many(n int) (control.Stats, control.Peers) {
	st, ps := controltest.Stats(), control.Peers{}
	st.Peers = nil
	for i := range n {
		p := controltest.Peers()[0]
		p.Name = fmt.Sprintf("peer-%03d", i)
		ps.Peers = append(ps.Peers, p)
		s := controltest.PeerStats()[0]
		s.Name = p.Name
		st.Peers = append(st.Peers, s)
	}
	return st, ps
}

// BenchmarkRecorder is one look at 50 peers, of which there is one a second; every fifth of these looks
// at the peers.
func BenchmarkRecorder(b *testing.B) {
	st, ps := many(50)
	r := control.NewRecorder(func() control.Stats { return st }, func() control.Peers { return ps })
	now := controltest.Start
	b.ReportAllocs()
	for b.Loop() {
		now = now.Add(time.Second)
		r.Record(now)
	}
}

// TestRecorderMemory holds the promise of the doc comment.
func TestRecorderMemory(t *testing.T) {
	const peers = 200
	st, ps := many(peers)
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	r := control.NewRecorder(func() control.Stats { return st }, func() control.Peers { return ps })
	for i := range 4000 {
		r.Record(controltest.Start.Add(time.Duration(i) * time.Second))
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	if each := (int64(after.HeapAlloc) - int64(before.HeapAlloc) - 40_000) / peers; each > 4_000 {
		t.Errorf("%d bytes for each peer", each)
	}
	runtime.KeepAlive(r)
}
