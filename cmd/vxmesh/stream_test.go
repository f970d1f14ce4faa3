package main

import (
	"context"
	"log/slog"
	"net"
	"path/filepath"
	"strings"
	"testing"

	"github.com/vxmesh/vxmesh/tunnel/control"
	"github.com/vxmesh/vxmesh/tunnel/control/controltest"
)

func TestLogText(t *testing.T) {
	n := controltest.New()
	socket := n.Serve(t)
	log := slog.New(n.Log)
	log.Info("up", "network", "home", "vni", 2319373, "reason", "")
	log.Warn("VTEP is gone", "vtep", "192.0.2.7", "err", "no route to host")
	r := vxmesh(t, "log", "--socket", socket)
	lines := strings.Split(r.out, "\n")
	if r.code != exitOK || len(lines) != 3 ||
		!strings.HasSuffix(lines[0], "  info   up  network=home  vni=2319373") ||
		!strings.HasSuffix(lines[1], `  warn   VTEP is gone  err="no route to host"  vtep=192.0.2.7`) {
		t.Errorf("%+v", r)
	}
	r = vxmesh(t, "log", "--level", "warn", "--json", "--socket", socket)
	if r.code != exitOK || strings.Count(r.out, "\n") != 1 || !strings.Contains(r.out, `"level":"warn"`) {
		t.Errorf("%+v", r)
	}
}

func TestLogFollow(t *testing.T) {
	n := controltest.New()
	socket := n.Serve(t)
	log := slog.New(n.Log)
	log.Info("first")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	out := &cancelAfter{n: 2, cancel: cancel}
	out.onLine = func() { log.Info("second") }
	if code := new(globals).run(ctx, []string{"log", "-f", "--socket", socket}, nil, out, out); code != exitOK {
		t.Errorf("exit code %d", code)
	}
	if got := out.String(); !strings.Contains(got, "first\n") || !strings.Contains(got, "second\n") {
		t.Errorf("got %q", got)
	}
}

func TestEventsJSON(t *testing.T) {
	n := controltest.New()
	socket := n.Serve(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	out := &cancelAfter{n: 2, cancel: cancel}
	out.onLine = func() { n.Events.Publish(control.Event{Type: control.EventFDBFlushed, Count: 3}) }
	args := []string{"events", "--json", "--socket", socket}
	if code := new(globals).run(ctx, args, nil, out, out); code != exitOK {
		t.Errorf("exit code %d", code)
	}
	first, rest, _ := strings.Cut(out.String(), "\n")
	if !strings.HasPrefix(first, `{"schema":"vxmesh.events/1",`) ||
		!strings.Contains(rest, `"type":"fdb_flushed","count":3`) {
		t.Errorf("got %s", out.String())
	}
}

// TestEventsOfTopics shows what is asked for, and says which topics there are.
func TestEventsOfTopics(t *testing.T) {
	n := controltest.New()
	socket := n.Serve(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	out := &cancelAfter{n: 2, cancel: cancel}
	out.onLine = func() {
		n.Events.Publish(control.Event{Type: control.EventFDBFlushed, Count: 3}) // of another topic
		n.Events.Publish(control.Event{Type: control.EventReload, Reason: "no"})
	}
	args := []string{"events", "--topics", "state", "--socket", socket}
	if code := new(globals).run(ctx, args, nil, out, out); code != exitOK {
		t.Errorf("exit code %d", code)
	}
	if got := out.String(); strings.Contains(got, "fdb") || !strings.Contains(got, "refused: no") {
		t.Errorf("got %s", got)
	}
	r := vxmesh(t, "events", "--topics", "peer", "--socket", socket)
	if r.code != exitUsage || !strings.Contains(r.errOut, `there is no topic "peer"; did you mean "peers"?`) {
		t.Errorf("%+v", r)
	}
	if got := eventTopics([]string{"fdb", "all"}); len(got) != len(control.Topics()) {
		t.Errorf("all is %v", got)
	}
}

// TestEventsOfANodeThatLeaves ends with the code that says so.
func TestEventsOfANodeThatLeaves(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "home.sock")
	l, err := control.Listen(socket, "")
	if err != nil {
		t.Fatal(err)
	}
	stop := controltest.Run(t, l, controltest.New().Backend(), control.Serve)
	out := &cancelAfter{n: 1, cancel: func() { go stop() }}
	code := new(globals).run(t.Context(), []string{"events", "--socket", socket}, nil, out, out)
	if code != exitNoNode || !strings.Contains(out.String(), "vxmesh: the node has left\n") {
		t.Errorf("exit code %d: %s", code, out.String())
	}
}

func TestEventText(t *testing.T) {
	status, fdb := controltest.Status(), controltest.FDB(control.FDBFilter{})
	learned, stats := fdb.Entries[1], controltest.Stats()
	device := control.FDBPort{Kind: control.PortDevice, Name: "vxm0"}
	for _, tt := range []struct {
		e    control.Event
		want string
	}{
		{
			control.Event{Type: control.EventSnapshot, Status: &status, FDB: &fdb},
			"snapshot      home is degraded, 1 segment, 4 entries",
		},
		{
			control.Event{Type: control.EventStatus, Status: &status},
			"status        home is degraded, 1 segment",
		},
		{
			control.Event{Type: control.EventFDBLearned, VNI: 4242, Entry: &learned},
			"fdb_learned   vni 4242  52:54:00:1a:22:01 vlan 20  192.0.2.7",
		},
		{
			control.Event{Type: control.EventFDBMoved, VNI: 4242, Entry: &learned, From: &device},
			"fdb_moved     vni 4242  52:54:00:1a:22:01 vlan 20  device (vxm0) -> 192.0.2.7",
		},
		{
			control.Event{Type: control.EventFDBLimit, VNI: 4242, Count: 1, Reason: "port_full"},
			"fdb_limit     vni 4242  1 address not learned: port_full",
		},
		{
			control.Event{Type: control.EventVTEPState, VNI: 4242, VTEP: &status.Segments[0].VTEPs[1]},
			"vtep_state    vni 4242  [2001:db8::7]:8472 (remote) is unreachable: port unreachable",
		},
		{
			control.Event{Type: control.EventDeviceState, VNI: 4242, Device: &status.Segments[0].Device},
			"device_state  vni 4242  vxm0 is up",
		},
		{
			control.Event{Type: control.EventPeerState, Peer: &status.Peers[0]},
			"peer_state    nas is direct",
		},
		{
			control.Event{Type: control.EventPeerState, Peer: &status.Peers[1]},
			"peer_state    office is down: no_answer",
		},
		{
			control.Event{Type: control.EventPeerMTU, Peer: &status.Peers[0], Reason: "grew"},
			"peer_mtu      nas: the path carries 1500 bytes",
		},
		{
			control.Event{Type: control.EventReload, Reload: &control.ReloadResult{}},
			"reload        0 changes",
		},
		{
			control.Event{Type: control.EventReload, Reason: "home.toml has 1 error"},
			"reload        refused: home.toml has 1 error",
		},
		{
			control.Event{Type: control.EventWarning, Warning: &status.Warnings[0]},
			"warning       nobody listens at [2001:db8::7]:8472",
		},
		{control.Event{Type: "not_yet_known", Reason: "new"}, "not_yet_known  -: new"},
	} {
		const clock = "15:04:05  "
		if got := eventText(tt.e); len(got) < len(clock) || got[len(clock):] != tt.want {
			t.Errorf("got %q, want %q", got, tt.want)
		}
	}
	if got := eventText(control.Event{Type: control.EventStats, Stats: &stats}); got != "" {
		t.Errorf("the counters show as %q", got)
	}
}

// TestBrokenStream ends with an error when the node's end dies in the middle of a line.
func TestBrokenStream(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "home.sock")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	go func() {
		c, err := l.Accept()
		if err != nil {
			return // the test is over
		}
		_ = l.Close() // or it would look as if the node lived on
		_, _ = c.Read(make([]byte, 4096))
		_, _ = c.Write([]byte("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{\"typ"))
		_ = c.Close()
	}()
	r := vxmesh(t, "events", "--socket", socket)
	if r.code != exitFailed || !strings.Contains(r.errOut, "broke off the answer: unexpected EOF") {
		t.Errorf("%+v", r)
	}
}

func TestShortTexts(t *testing.T) {
	for seconds, want := range map[float64]string{
		0: "0s", 59.9: "59s", 60: "1m00s", 270: "4m30s", 8040: "2h14m", 273600.5: "3d04h",
	} {
		if got := shortDuration(seconds); got != want {
			t.Errorf("%v seconds show as %q, want %q", seconds, got, want)
		}
	}
	for n, want := range map[uint64]string{
		0: "0 B", 999: "999 B", 1000: "1.0 kB", 999949: "999.9 kB", 999999: "1.0 MB",
		1500000: "1.5 MB", 1<<64 - 1: "18.4 EB",
	} {
		if got := byteCount(n); got != want {
			t.Errorf("%d bytes show as %q, want %q", n, got, want)
		}
	}
}
