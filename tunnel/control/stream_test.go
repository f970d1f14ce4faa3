package control_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/vxmesh/vxmesh/tunnel/control"
	"github.com/vxmesh/vxmesh/tunnel/control/controltest"
)

func TestEventsBeginWithSnapshot(t *testing.T) {
	n := controltest.New()
	c := control.Client{Socket: n.Serve(t)}
	entry := control.FDBEntry{VNI: 4242, MAC: controltest.MAC(7), Kind: control.EntryLearned}
	published := control.Event{
		Time: controltest.Start, Type: control.EventFDBMoved, VNI: 4242, Entry: &entry,
		From: &control.FDBPort{Kind: control.PortVTEP, Name: "192.0.2.7"},
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var types []control.EventType
	for e, err := range c.Events(ctx) {
		if err != nil {
			t.Fatal(err)
		}
		types = append(types, e.Type)
		switch e.Type {
		case control.EventSnapshot:
			if e.Schema != control.SchemaEvents || e.Status.Network != "home" ||
				len(e.FDB.Entries) != 4 || len(e.Stats.Sockets) != 1 {
				t.Errorf("snapshot %+v", e)
			}
			n.Events.Publish(published)
		case control.EventFDBMoved:
			if diff := cmp.Diff(published, e); diff != "" {
				t.Errorf("event (-want +got):\n%s", diff)
			}
			cancel()
		}
	}
	if !cmp.Equal(types, []control.EventType{control.EventSnapshot, control.EventFDBMoved}) {
		t.Errorf("got %v", types)
	}
	eventually(t, "the subscription to end", func() bool { return !n.Events.Followed() })
}

// TestNothingIsLostAroundTheSnapshot publishes one event while the snapshot is being taken.
func TestNothingIsLostAroundTheSnapshot(t *testing.T) {
	n := controltest.New()
	b := n.Backend()
	taken := b.Status
	b.Status = func() control.Status {
		s := taken()
		n.Events.Publish(control.Event{Type: control.EventReload, Reason: "just then"})
		return s
	}
	socket := serveBackend(t, b)
	for e, err := range (control.Client{Socket: socket}).Events(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		if e.Type == control.EventReload {
			return
		}
		if e.Type == control.EventStats {
			break
		}
	}
	t.Error("the event published during the snapshot never came")
}

func serveBackend(t *testing.T, b control.Backend) string {
	t.Helper()
	path := t.TempDir() + "/home.sock"
	l, err := control.Listen(path, "")
	if err != nil {
		t.Fatal(err)
	}
	controltest.Run(t, l, b, control.Serve)
	return path
}

func TestStatsComeWithEvents(t *testing.T) {
	socket, _ := serveWithin(t, controltest.New(), control.Limits{StatsEvery: time.Millisecond})
	seen := 0
	for e, err := range (control.Client{Socket: socket}).Events(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		if e.Type == control.EventStats && e.Stats.Schema == control.SchemaStats {
			if seen++; seen == 3 {
				return
			}
		}
	}
	t.Errorf("%d stats events", seen)
}

// neverRead opens the stream of events and reads nothing.
func neverRead(t *testing.T, socket string) net.Conn {
	t.Helper()
	c, err := net.Dial("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	if _, err := io.WriteString(c, "GET /v1/events HTTP/1.1\r\nHost: node\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	return c
}

// ackEvery is after how many events the reader of the next test tells how far it is.
const ackEvery = control.FollowBuffer / 2

// TestNeverReadingClientHarmsNobody publishes 100,000 events beside one client that reads none and
// one that reads all: publishing does not wait, the first is cut off, the second misses nothing.
func TestNeverReadingClientHarmsNobody(t *testing.T) {
	const total = 100_000
	n := controltest.New()
	socket, _ := serveWithin(t, n, control.Limits{Write: 2 * time.Second})
	neverRead(t, socket)
	eventually(t, "the subscription", n.Events.Followed)

	read := make(chan uint64, 1)
	ready, ack := make(chan struct{}), make(chan struct{}, 1)
	go follow(t, socket, total, ready, ack, read)
	<-ready
	entry := controltest.FDB(control.FDBFilter{}).Entries[1]
	var longest time.Duration
	for i := range total {
		begin := time.Now()
		n.Events.Publish(control.Event{
			Time: begin, Type: control.EventFDBLearned, VNI: 4242, Entry: &entry,
			Count: uint64(i + 1),
		})
		longest = max(longest, time.Since(begin))
		if (i+1)%ackEvery == 0 {
			<-ack // keeps the reader within its buffer, as a real engine's rate does
		}
	}
	if got := <-read; got != total {
		t.Errorf("the reading client got %d events of %d", got, total)
	}
	if longest > time.Second {
		t.Errorf("publishing one event took %v", longest)
	}
	eventually(t, "the other client to be cut off", func() bool { return !n.Events.Followed() })
}

// follow counts events until it has them all, checking that none is missing.
func follow(
	t *testing.T, socket string, total uint64, ready, ack chan<- struct{}, read chan<- uint64,
) {
	var got uint64
	start := sync.OnceFunc(func() { close(ready) })
	defer func() { // whatever happened, nobody waits for this reader any more
		start()
		close(ack)
		read <- got
	}()
	for e, err := range (control.Client{Socket: socket}).Events(context.Background()) {
		switch {
		case err != nil:
			t.Error(err)
			return
		case e.Type == control.EventSnapshot:
			start()
		case e.Type == control.EventFDBLearned:
			if got++; e.Count != got {
				t.Errorf("event %d came as number %d", e.Count, got)
				return
			}
			if got%ackEvery == 0 {
				ack <- struct{}{}
			}
		}
		if got == total {
			return
		}
	}
}

// TestSlowClientSeesThatItWasCutOff lets a client begin to read only after its buffer is full.
func TestSlowClientSeesThatItWasCutOff(t *testing.T) {
	n := controltest.New()
	c := control.Client{Socket: n.Serve(t)}
	var last error
	first := true
	for _, err := range c.Events(t.Context()) {
		if first {
			first = false
			publishUntilCutOff(t, n)
		}
		last = err
	}
	const want = "broke off the answer: this reader fell behind"
	if last == nil || control.AsError(last).Code != control.CodeFailed ||
		!strings.Contains(last.Error(), want) {
		t.Errorf("the stream ended with %v, want an error", last)
	}
}

func publishUntilCutOff(t *testing.T, n *controltest.Node) {
	t.Helper()
	eventually(t, "the client to be cut off", func() bool {
		for range 1000 {
			n.Events.Publish(control.Event{Type: control.EventVTEPState, VNI: 4242})
		}
		return !n.Events.Followed()
	})
}

func TestLogKeepsTheLast(t *testing.T) {
	n := controltest.New()
	c := control.Client{Socket: n.Serve(t)}
	log := slog.New(n.Log)
	for i := range control.LogKept + 5 {
		log.Info("old", "i", i)
	}
	var all []control.LogRecord
	for r, err := range c.Log(t.Context(), control.LogOptions{}) {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, r)
	}
	if len(all) != control.LogKept || all[0].Attrs["i"] != 5.0 {
		t.Errorf("%d records, the first is %+v", len(all), all[0])
	}
}

func TestLogFollows(t *testing.T) {
	n := controltest.New()
	c := control.Client{Socket: n.Serve(t)}
	log := slog.New(n.Log)
	log.Warn("look", "err", io.ErrUnexpectedEOF, "after", 90*time.Second, "ratio", 0.25)
	var got []control.LogRecord
	for r, err := range c.Log(t.Context(), control.LogOptions{Level: "warn", Follow: true}) {
		if err != nil {
			t.Fatal(err)
		}
		if got = append(got, r); len(got) == 2 {
			break
		}
		log.Info("not this")
		log.Error("this")
	}
	if got[0].Msg != "look" || got[1].Msg != "this" || got[1].Level != "error" {
		t.Errorf("got %+v", got)
	}
	want := map[string]any{"err": "unexpected EOF", "after": "1m30s", "ratio": 0.25}
	if diff := cmp.Diff(want, got[0].Attrs); diff != "" {
		t.Errorf("attributes (-want +got):\n%s", diff)
	}
}

func TestCapture(t *testing.T) {
	n := controltest.New()
	c := control.Client{Socket: n.Serve(t)}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var got bytes.Buffer
	w := writerFunc(func(b []byte) (int, error) {
		cancel()
		return got.Write(b)
	})
	if err := c.Capture(ctx, w, control.CaptureOptions{VNI: 4242, SnapLen: 96}); err != nil {
		t.Fatal(err)
	}
	if got.String() != "capture of 4242, 96 bytes" {
		t.Errorf("got %q", got.String())
	}
	n.Refuse(control.Errorf(control.CodeNotFound, "there is no segment 7"))
	err := c.Capture(t.Context(), io.Discard, control.CaptureOptions{VNI: 7})
	if e := control.AsError(err); e == nil || e.Code != control.CodeNotFound {
		t.Errorf("got %v, want not found", err)
	}
}

type writerFunc func([]byte) (int, error)

// Write implements [io.Writer].
func (f writerFunc) Write(b []byte) (int, error) { return f(b) }

// A fullDisk takes no byte.
type fullDisk struct{}

var errFull = errors.New("write home.pcapng: no space left on device")

func (fullDisk) Write([]byte) (int, error) { return 0, errFull }

// TestCaptureToAFullDisk does not blame the node.
func TestCaptureToAFullDisk(t *testing.T) {
	c := control.Client{Socket: controltest.New().Serve(t)}
	err := c.Capture(t.Context(), fullDisk{}, control.CaptureOptions{})
	if !errors.Is(err, errFull) || err.Error() != errFull.Error() {
		t.Errorf("it ended with %v", err)
	}
}
