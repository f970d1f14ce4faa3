package control_test

import (
	"context"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/vxmesh/vxmesh/tunnel/control"
	"github.com/vxmesh/vxmesh/tunnel/control/controltest"
)

// fields are which of the parts of a snapshot are there.
func fields(e control.Event) (out []string) {
	for name, there := range map[string]bool{
		"status": e.Status != nil, "fdb": e.FDB != nil, "stats": e.Stats != nil,
		"history": e.History != nil, "log": e.Log != nil, "peers": e.Peers != nil,
	} {
		if there {
			out = append(out, name)
		}
	}
	slices.Sort(out)
	return out
}

// typesUntil reads a stream until an event of the last type, and gives the types of all. Once the
// snapshot is there, poke is called.
func typesUntil(t *testing.T, c control.Client, o control.EventOptions, poke func(), last control.EventType) (
	first control.Event, types []control.EventType,
) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for e, err := range c.EventsOf(ctx, o) {
		if err != nil {
			t.Fatal(err)
		}
		if e.Type == control.EventSnapshot {
			first = e
			poke()
			continue
		}
		if !slices.Contains(types, e.Type) {
			types = append(types, e.Type)
		}
		if e.Type == last {
			return first, types
		}
	}
	t.Fatalf("%v: the stream ended without %s", o.Topics, last)
	return first, types
}

// TestTopics asks for each topic alone: it brings its part of the snapshot, its events, and no others.
func TestTopics(t *testing.T) {
	for _, tt := range []struct {
		topic    control.Topic
		snapshot []string
		events   []control.EventType // in this order; the last one ends the test
	}{
		{"state", []string{"status"}, []control.EventType{
			control.EventPeerState, control.EventMember, control.EventReload, control.EventStatus,
		}},
		{"peers", []string{"status"}, []control.EventType{control.EventPeers}},
		{"stats", []string{"history", "stats", "status"}, []control.EventType{control.EventStats}},
		{"fdb", []string{"fdb", "status"}, []control.EventType{
			control.EventVTEPState, control.EventFDBFlushed, control.EventFDBAged,
		}},
		{"log", []string{"log", "status"}, []control.EventType{control.EventLog}},
	} {
		t.Run(string(tt.topic), func(t *testing.T) {
			n := controltest.New()
			c := control.Client{Socket: n.Serve(t)}
			poke := func() {
				for _, e := range []control.EventType{
					control.EventPeerState, control.EventVTEPState, control.EventMember,
					control.EventFDBFlushed, control.EventReload, control.EventFDBAged,
				} {
					n.Events.Publish(control.Event{Type: e})
				}
				st := controltest.Status()
				st.Warnings = nil
				n.SetStatus(st)
				slog.New(n.Log).Info("a line")
			}
			o := control.EventOptions{Topics: []control.Topic{tt.topic}, Rate: control.MinRate}
			first, types := typesUntil(t, c, o, poke, tt.events[len(tt.events)-1])
			if diff := cmp.Diff(tt.snapshot, fields(first)); diff != "" || first.Schema != control.SchemaEvents {
				t.Errorf("snapshot (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tt.events, types); diff != "" {
				t.Errorf("events (-want +got):\n%s", diff)
			}
			eventually(t, "the subscription to end", func() bool { return !n.Events.Followed() })
		})
	}
}

// TestOldClientSeesNothingNew asks as clients do that know of no topics.
func TestOldClientSeesNothingNew(t *testing.T) {
	n := controltest.New()
	socket, _ := serveWithin(t, n, control.Limits{StatsEvery: time.Millisecond})
	first, types := typesUntil(t, control.Client{Socket: socket}, control.EventOptions{}, func() {
		slog.New(n.Log).Info("a line")
		n.SetStatus(control.Status{Network: "home"})
		n.Events.Publish(control.Event{Type: control.EventFDBLearned})
		time.AfterFunc(20*time.Millisecond, func() { n.Events.Publish(control.Event{Type: control.EventReload}) })
	}, control.EventReload)
	if diff := cmp.Diff([]string{"fdb", "stats", "status"}, fields(first)); diff != "" {
		t.Errorf("snapshot (-want +got):\n%s", diff)
	}
	for _, e := range types {
		if !slices.Contains([]control.EventType{control.EventFDBLearned, control.EventStats, control.EventReload}, e) {
			t.Errorf("got %s", e)
		}
	}
}

// TestStatusComesWhenItDiffers and not because counters and clocks go on.
func TestStatusComesWhenItDiffers(t *testing.T) {
	n := controltest.New()
	c := control.Client{Socket: n.Serve(t)}
	ticks, told := 0, 0
	o := control.EventOptions{Topics: []control.Topic{"state", "peers"}, Rate: control.MinRate}
	for e, err := range c.EventsOf(t.Context(), o) {
		if err != nil {
			t.Fatal(err)
		}
		switch e.Type {
		case control.EventStatus:
			if told++; ticks != 3 || len(e.Status.Warnings) != 1 || e.Status.Schema != control.SchemaStatus {
				t.Errorf("a status after %d ticks: %+v", ticks, e.Status.Warnings)
			}
		case control.EventPeers:
			ticks++
		}
		if ticks == 5 {
			break
		}
		st := controltest.Status()
		st.UptimeSeconds += float64(ticks)
		st.Peers[0].RxBytes += uint64(ticks)
		path := *st.Peers[0].Path
		path.RTTSeconds += float64(ticks)
		st.Peers[0].Path, st.Peers[0].LastSeen = &path, st.Peers[0].LastSeen.Add(time.Duration(ticks))
		if st.Warnings[0].Code = "x"; ticks < 3 {
			st.Warnings[0] = controltest.Status().Warnings[0]
		}
		n.SetStatus(st)
	}
	if told != 1 {
		t.Errorf("%d status events", told)
	}
}

func TestTopicsRefused(t *testing.T) {
	socket := controltest.New().Serve(t)
	for query, message := range map[string]string{
		"topics=stat":                             "there is no topic \"stat\"; did you mean \"state\"?",
		"topics=state,quark":                      "there is no topic \"quark\"",
		"topics=fdb&rate=99ms":                    "rate is a time from 100ms to 1m0s, not \"99ms\"",
		"topics=fdb&rate=61s":                     "rate is a time",
		"topics=fdb&rate=1":                       "rate is a time",
		"topics=fdb&topics=quark":                 "there is no topic",
		"topics=fdb&rate=-1s":                     "rate is a time",
		"topics=" + url.QueryEscape("fdb, state"): "there is no topic \" state\"",
	} {
		status, body := request(t, socket, "GET", "/v1/events?"+query, "")
		if status != 400 || !strings.Contains(strings.ReplaceAll(body, `\"`, `"`), message) {
			t.Errorf("%s: %d %s", query, status, body)
		}
	}
}

// TestSlowFollowerIsCutOff, and what it did not ask for does not count.
func TestSlowFollowerIsCutOff(t *testing.T) {
	n := controltest.New()
	c := control.Client{Socket: n.Serve(t)}
	var last error
	first := true
	for e, err := range c.EventsOf(t.Context(), control.EventOptions{Topics: []control.Topic{"fdb"}}) {
		if first {
			first = false
			for range 3 * control.FollowBuffer {
				n.Events.Publish(control.Event{Type: control.EventPeerState})
			}
			if !n.Events.Followed() {
				t.Error("events of another topic cut it off")
			}
			publishUntilCutOff(t, n)
		} else if err == nil && e.Type != control.EventVTEPState {
			t.Errorf("got %s", e.Type)
		}
		last = err
	}
	if last == nil || !strings.Contains(last.Error(), "this reader fell behind") {
		t.Errorf("the stream ended with %v", last)
	}
}

// nowhere is a client that takes everything at once.
type nowhere struct{ http.ResponseWriter }

func (nowhere) Header() http.Header         { return http.Header{} }
func (nowhere) Write(b []byte) (int, error) { return len(b), nil }
func (nowhere) FlushError() error           { return nil }

// BenchmarkFollower is what one client costs at each tick, of which there is one a second unless it wants
// more, but for what the engine's own functions cost.
func BenchmarkFollower(b *testing.B) {
	st, ps := many(50)
	backend := controltest.New().Backend()
	status := controltest.Status()
	status.Peers = ps.Peers
	backend.Status = func() control.Status { return status }
	backend.Stats = func() control.Stats { return st }
	backend.Peers = func() control.Peers { return ps }
	tick := control.Ticker(backend, nowhere{}, "state", "peers", "stats", "fdb", "log")
	b.ReportAllocs()
	for b.Loop() {
		if err := tick(); err != nil {
			b.Fatal(err)
		}
	}
}

// TestFollowersShareLines has two clients ask at the same rate: what both are sent is made once.
func TestFollowersShareLines(t *testing.T) {
	var asked atomic.Int64
	b := controltest.New().Backend()
	b.Stats = func() control.Stats {
		asked.Add(1)
		return controltest.Stats()
	}
	b.History = func() control.History { return control.History{} }
	c := control.Client{Socket: serveBackend(t, b)}
	lines := func() (got []time.Time) {
		o := control.EventOptions{Topics: []control.Topic{"stats"}, Rate: control.MinRate}
		for e, err := range c.EventsOf(t.Context(), o) {
			if err != nil {
				t.Error(err)
			}
			if got = append(got, e.Time); len(got) == 6 {
				break
			}
		}
		return got
	}
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() { lines() })
	}
	all.Wait()
	// A client that was kept waiting has two lines at once, and then they may be one.
	if n := asked.Load(); n < 4+2 || n > 4+15 {
		t.Errorf("asked %d times for 4 snapshots and 20 lines", n)
	}
}
