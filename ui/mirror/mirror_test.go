package mirror

import (
	"math"
	"testing"
	"time"

	"github.com/vxmesh/vxmesh/tundev/ether"
	"github.com/vxmesh/vxmesh/tunnel/control"
)

var start = time.Date(2026, 11, 22, 8, 0, 0, 0, time.UTC)

// A feed sends a mirror the events of a node with one peer.
type feed struct {
	*Mirror
	now  time.Time
	peer control.Peer
	seg  control.SegmentStats
}

func newFeed() *feed {
	f := &feed{Mirror: New(), now: start, seg: control.SegmentStats{VNI: 7}}
	f.peer = control.Peer{
		Name: "nas", State: control.PeerDirect, Since: start.Add(-time.Hour), LastSeen: start,
		Path: &control.Path{Kind: "udp4", Remote: "192.0.2.2:1", RTTSeconds: 0.010},
	}
	f.Apply(control.Event{
		Type: control.EventSnapshot, Time: f.now,
		Status: &control.Status{Network: "home", Peers: []control.Peer{f.peer}, Segments: []control.SegmentStatus{{VNI: 7}}},
		Stats:  &control.Stats{Segments: []control.SegmentStats{f.seg}},
		Log:    []control.LogRecord{{Msg: "one"}, {Msg: "two"}},
	})
	return f
}

// pass lets seconds pass, in each of which so many bytes come in, in the segment and from the peer.
func (f *feed) pass(seconds int, bytes uint64) {
	for range seconds {
		f.now = f.now.Add(time.Second)
		f.peer.RxBytes += bytes
		f.seg.RxBytes += bytes
		f.seg.RxFrames += 2
		f.Apply(control.Event{Type: control.EventPeers, Time: f.now, Peers: &control.Peers{Peers: []control.Peer{f.peer}}})
		f.Apply(control.Event{Type: control.EventStats, Time: f.now, Stats: &control.Stats{Segments: []control.SegmentStats{f.seg}}})
	}
}

func (f *feed) loss(ratio float64) {
	path := *f.peer.Path
	path.LossRatio = ratio
	f.peer.Path = &path
}

func (f *feed) rtt(seconds float64) {
	path := *f.peer.Path
	path.RTTSeconds = seconds
	f.peer.Path = &path
}

func (f *feed) state() State { return f.Peer("nas").State }

func TestRates(t *testing.T) {
	f := newFeed()
	f.pass(3, 1000)
	if f.Rates.RxBytes != 1000 || f.Rates.RxFrames != 2 || f.Segment(7).RxBytes != 1000 || f.Peer("nas").Rx != 1000 {
		t.Errorf("rates %+v, segment %+v, peer %v; want 1000 bytes a second", f.Rates, f.Segment(7), f.Peer("nas").Rx)
	}
	f.pass(700, 500)
	past := f.Traffic
	if len(past.Seconds.RxBytes) != seconds || past.Seconds.RxBytes[seconds-1] != 500 {
		t.Errorf("%d seconds are kept, want %d", len(past.Seconds.RxBytes), seconds)
	}
	if n := len(past.Decades.RxBytes); n != 70 || past.Decades.RxBytes[n-1] != 500 {
		t.Errorf("%d tens of seconds are kept, the last %v", n, past.Decades.RxBytes[n-1])
	}
	f.seg.RxBytes, f.peer.RxBytes = 10, 10 // another process
	f.pass(1, 0)
	if f.Rates.RxBytes != 0 || f.Peer("nas").Rx != 0 {
		t.Errorf("a counter that went back gives rates %v and %v", f.Rates.RxBytes, f.Peer("nas").Rx)
	}
}

func TestPeerPast(t *testing.T) {
	f := newFeed()
	f.pass(2000, 100)
	p := f.Peer("nas")
	if len(p.RxPast) != peerSteps || len(p.RTTPast) != peerSteps || len(p.LossPast) != peerSteps {
		t.Fatalf("%d, %d, %d steps are kept, want %d", len(p.RxPast), len(p.RTTPast), len(p.LossPast), peerSteps)
	}
	f.peer.State, f.peer.Path = control.PeerDown, nil
	f.pass(10, 0)
	if last := p.RTTPast[peerSteps-1]; !math.IsNaN(last) {
		t.Errorf("a peer that is down has a round trip of %v", last)
	}
}

func TestDegradedByLoss(t *testing.T) {
	f := newFeed()
	f.loss(0.06)
	f.pass(29, 0)
	if f.state() != Direct {
		t.Fatal("degraded before it has been bad for 30 s")
	}
	f.pass(2, 0)
	if p := f.Peer("nas"); p.State != Degraded || p.Cause != "loss" {
		t.Fatalf("state %v because of %q after 31 s of loss", p.State, p.Cause)
	}
	f.loss(0)
	f.pass(59, 0)
	if f.state() != Degraded {
		t.Fatal("well again before it has been good for 60 s")
	}
	f.loss(0.05)
	f.pass(1, 0)
	f.loss(0)
	f.pass(59, 0)
	if f.state() != Degraded {
		t.Fatal("one bad second does not begin the 60 s anew")
	}
	f.pass(5, 0)
	if f.state() != Direct {
		t.Fatal("degraded after a minute without loss")
	}
}

func TestDegradedByRTT(t *testing.T) {
	f := newFeed()
	f.pass(300, 0)
	f.rtt(0.025) // not three times of what is usual
	f.pass(100, 0)
	if f.state() != Direct {
		t.Fatal("degraded at 2.5 times the usual round trip")
	}
	f.rtt(0.1)
	f.pass(90, 0)
	if p := f.Peer("nas"); p.State != Degraded || p.Cause != "rtt" {
		t.Fatalf("state %v because of %q at ten times the usual round trip", p.State, p.Cause)
	}
}

func TestStates(t *testing.T) {
	for _, c := range []struct {
		state  control.PeerState
		reason string
		since  time.Duration
		seen   bool
		want   State
	}{
		{control.PeerDirect, "", time.Hour, true, Direct},
		{control.PeerRelayed, "nat_both", time.Hour, true, Relayed},
		{control.PeerPunching, "", time.Second, true, Relayed},
		{control.PeerDown, "no_answer", time.Second, false, Connecting},
		{control.PeerDown, "no_answer", time.Minute, false, Down},
		{control.PeerDown, "no_answer", time.Second, true, Down},
		{control.PeerDown, "paused", time.Minute, true, Paused},
		{control.PeerDown, "revoked", time.Minute, true, Failed},
	} {
		m := New()
		p := control.Peer{Name: "x", State: c.state, Reason: c.reason, Since: start.Add(-c.since)}
		if c.seen {
			p.LastSeen = start
		}
		m.Apply(control.Event{Type: control.EventPeerState, Time: start, Peer: &p})
		if got := m.Peer("x").State; got != c.want {
			t.Errorf("%+v is %v, want %v", c, got, c.want)
		}
	}
}

func TestPeersThatAreGone(t *testing.T) {
	f := newFeed()
	f.Apply(control.Event{Type: control.EventPeers, Time: f.now, Peers: &control.Peers{}})
	if len(f.Peers) != 0 {
		t.Error("a peer that is no longer listed is still there")
	}
}

func entry(last byte, port string) control.FDBEntry {
	return control.FDBEntry{
		VNI: 7, MAC: ether.MAC{2, 0, 0, 0, 0, last}, Kind: control.EntryLearned,
		Port: control.FDBPort{Kind: control.PortPeer, Name: port}, AgeSeconds: 2,
	}
}

func TestFDB(t *testing.T) {
	f := newFeed()
	f.SetFDB(control.FDB{Entries: []control.FDBEntry{entry(1, "nas")}}, start)
	a := Address{7, 0, ether.MAC{2, 0, 0, 0, 0, 1}}
	if got := f.FDB[a]; got == nil || got.Seen != start.Add(-2*time.Second) || !f.FDBKnown {
		t.Fatalf("entry %+v", got)
	}
	moved, learned := entry(1, "vps"), entry(2, "nas")
	for i := range 3 {
		f.Apply(control.Event{Type: control.EventFDBMoved, Time: start.Add(time.Duration(i) * time.Minute), VNI: 7, Entry: &moved})
	}
	f.Apply(control.Event{Type: control.EventFDBLearned, Time: f.now, VNI: 7, Entry: &learned})
	if len(f.FDB) != 2 || f.FDB[a].Port.Name != "vps" || f.MovesOf(a, 10*time.Minute) != 3 || f.Moves[0].From != "nas" {
		t.Errorf("%d entries, %v, moves %v", len(f.FDB), f.FDB[a], f.Moves)
	}
	f.Apply(control.Event{Type: control.EventFDBDeleted, Time: f.now, VNI: 7, Entry: &moved})
	if f.FDB[a] != nil || f.FDBStale {
		t.Error("a deleted entry is there")
	}
	f.Apply(control.Event{Type: control.EventFDBAged, Time: f.now, VNI: 7, Count: 1})
	if !f.FDBStale {
		t.Error("entries aged, and the table is not to be asked for again")
	}
}

func TestProblems(t *testing.T) {
	f := newFeed()
	f.loss(0.1)
	f.pass(40, 0)
	f.Apply(control.Event{Type: control.EventWarning, Time: f.now, Warning: &control.Warning{Code: "x", Message: "something", Fix: "do"}})
	relayed := control.Peer{Name: "lab", State: control.PeerRelayed, Reason: "nat_both", Path: &control.Path{Via: "vps"}}
	f.Apply(control.Event{Type: control.EventPeerState, Time: f.now, Peer: &relayed})
	refused := control.Peer{Name: "bad", State: control.PeerDown, Reason: "revoked"}
	f.Apply(control.Event{Type: control.EventPeerState, Time: f.now, Peer: &refused})
	var got []string
	for _, p := range f.Problems() {
		got = append(got, p.Subject+": "+p.Text)
	}
	want := []string{"bad: refused: revoked", "node: something", "nas: 10.0 % loss for 39 s", "lab: relayed via vps: nat both"}
	if len(got) != len(want) {
		t.Fatalf("problems %q, want %q", got, want)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("problem %q, want %q", got[i], want[i])
		}
	}
}

func TestLogIsBounded(t *testing.T) {
	f := newFeed()
	for range 3 * logKept {
		f.Apply(control.Event{Type: control.EventLog, Time: f.now, Record: &control.LogRecord{Msg: "x"}})
	}
	if n := len(f.LastLog()); n != logKept || len(f.Log) > 2*logKept {
		t.Errorf("%d records are shown and %d kept", n, len(f.Log))
	}
}

func TestDropsWithin(t *testing.T) {
	m := New()
	for i := range 120 {
		at := start.Add(time.Duration(i) * 10 * time.Second)
		m.Apply(control.Event{Type: control.EventStats, Time: at, Stats: &control.Stats{
			Segments: []control.SegmentStats{{VNI: 7, Drops: control.Counts{"no_port": uint64(100 + i)}}},
		}})
	}
	if got := m.DropsWithin(10 * time.Minute)["no_port"]; got != 60 {
		t.Errorf("%d drops in the last ten minutes, want 60", got)
	}
}

func TestHistory(t *testing.T) {
	m := New()
	m.Apply(control.Event{
		Type: control.EventSnapshot, Time: start,
		Status: &control.Status{Peers: []control.Peer{{Name: "nas", State: control.PeerDirect, Path: &control.Path{}}}},
		Stats:  &control.Stats{},
		History: &control.History{
			Seconds: control.Series{StepSeconds: 1, RxBytesPerSecond: []float64{1, 2, 3}, TxBytesPerSecond: []float64{0, 0, 0}},
			Peers: []control.PeerSeries{{
				Name: "nas", RxBytesPerSecond: []float64{5, 6}, TxBytesPerSecond: []float64{1, 1},
				RTTSeconds: []float64{-1, 0.01}, LossRatio: []float64{0, 0},
			}},
		},
	})
	p := m.Peer("nas")
	if len(m.Traffic.Seconds.RxBytes) != 3 || len(p.RxPast) != 2 || !math.IsNaN(p.RTTPast[0]) || p.RTTPast[1] != 0.01 {
		t.Errorf("history %v, peer's %v %v", m.Traffic.Seconds.RxBytes, p.RxPast, p.RTTPast)
	}
}

// TestHalfEvents: what lacks what its type promises, or is of tomorrow, changes nothing.
func TestHalfEvents(t *testing.T) {
	f := newFeed()
	was, fdb := f.Generation, f.FDBGeneration
	for _, kind := range []control.EventType{
		control.EventStatus, control.EventPeers, control.EventPeerState, control.EventPeerMTU, control.EventStats,
		control.EventLog, control.EventDeviceState, control.EventWarning, control.EventFDBLearned, control.EventFDBAdded,
		control.EventFDBMoved, control.EventFDBDeleted, "of tomorrow", "",
	} {
		f.Apply(control.Event{Type: kind, Time: f.now})
	}
	if f.Generation != was || f.FDBGeneration != fdb || len(f.Peers) != 1 {
		t.Errorf("generation %d, then %d", was, f.Generation)
	}
}

// TestRatesWithoutTopics: who recorded without topics has no peers events, but the node's counters.
func TestRatesWithoutTopics(t *testing.T) {
	f := newFeed()
	for i := range 20 {
		f.now = f.now.Add(time.Second)
		f.Apply(control.Event{Type: control.EventStats, Time: f.now, Stats: &control.Stats{
			Peers: []control.PeerStats{{Name: "nas", RxBytes: uint64(1000 * i)}, {Name: "of nobody"}},
		}})
	}
	p := f.Peer("nas")
	if p.Rx != 1000 || len(p.RxPast) < 4 || p.RxBytes != 19000 || !p.LastSeen.Equal(f.now) {
		t.Errorf("%v B/s, %d steps, %d bytes, seen %v", p.Rx, len(p.RxPast), p.RxBytes, p.LastSeen)
	}
	for _, rtt := range p.RTTPast {
		if !math.IsNaN(rtt) {
			t.Errorf("a round trip of %v was measured by nobody", rtt)
		}
	}
	f.peer.RxBytes = 19000
	f.pass(3, 500) // and where there are some, they count
	if p.Rx != 500 {
		t.Errorf("%v B/s, want 500", p.Rx)
	}
}

// TestHistoryBeginsTheRates: until two readings make a rate, it is the last one that the node remembers.
func TestHistoryBeginsTheRates(t *testing.T) {
	f := newFeed()
	f.Apply(control.Event{Type: control.EventSnapshot, Time: f.now, History: &control.History{Peers: []control.PeerSeries{{
		Name: "nas", RxBytesPerSecond: []float64{1, 70}, TxBytesPerSecond: []float64{2, 80},
		RTTSeconds: []float64{0.01, 0.02}, LossRatio: []float64{0, 0},
	}}}})
	if p := f.Peer("nas"); p.Rx != 70 || p.Tx != 80 {
		t.Errorf("%v and %v B/s", p.Rx, p.Tx)
	}
}
