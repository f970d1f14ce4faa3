package main

import (
	"bytes"
	"context"
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/vxmesh/vxmesh/tunnel/control"
	"github.com/vxmesh/vxmesh/tunnel/control/controltest"
)

func TestWaitConditions(t *testing.T) {
	up := controltest.Status()
	starting := up
	starting.State = control.StateStarting
	bare := controltest.Status()
	bare.Segments = []control.SegmentStatus{{Device: control.Device{Name: "vxm0", Kind: "tap", State: "up"}}}
	for _, tt := range []struct {
		name    string
		status  control.Status
		missing string
	}{
		{"up", up, ""},
		{"up", starting, "the node is starting"},
		{"address", up, ""},
		{"address", bare, "device vxm0 has no address"},
		{"address", control.Status{}, "the node has no device"},
		{"peer:nas", up, ""},
		{"peer:office", up, "peer office is down: no_answer"},
		{"peer:nsa", up, `there is no peer "nsa"; did you mean "nas"?`},
		{"peers:1", up, ""},
		{"peers:2", up, "1 peer is reached, of 2"},
	} {
		c, err := conditionOf(tt.name)
		if err != nil {
			t.Fatal(err)
		}
		if got := c(tt.status); got != tt.missing {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.missing)
		}
	}
	for name, want := range map[string]string{
		"upp": "did you mean up?", "peer:": "it is up, address", "peers:0": "1 or more", "x": "it is up",
	} {
		r := vxmesh(t, "wait", "--for", name)
		if r.code != exitUsage || !strings.Contains(r.errOut, want) && !strings.Contains(r.errOut, "did you mean") {
			t.Errorf("%s: %+v", name, r)
		}
	}
	if r := vxmesh(t, "wait", "--timeout", "0s"); r.code != exitUsage {
		t.Errorf("%+v", r)
	}
}

func TestWaitTimesOut(t *testing.T) {
	socket := controltest.New().Serve(t)
	r := vxmesh(t, "wait", "--for", "up,peer:office", "--timeout", "2s", "--socket", socket)
	if r.code != exitTimeout || r.out != "" || !strings.Contains(r.errOut,
		"waited 2s in vain: peer office is down: no_answer\n  vxmesh doctor\n  vxmesh why office\n") {
		t.Errorf("%+v", r)
	}
	r = vxmesh(t, "wait", "--for", "peer:nsa", "--timeout", "300ms", "--socket", socket)
	if r.code != exitTimeout || !strings.HasSuffix(r.errOut, "did you mean \"nas\"?\n  vxmesh doctor\n") {
		t.Errorf("a peer that there is not: %+v", r)
	}
	none := filepath.Join(t.TempDir(), "home.sock")
	r = vxmesh(t, "wait", "--timeout", "50ms", "--json", "--socket", none)
	if e := errorOf(t, r); r.code != exitTimeout || !strings.Contains(e.Message, "no node answers on "+none) {
		t.Errorf("%+v", r)
	}
}

// TestWaitKeepsWhatIsMissing: that the time is up while something is asked is no reason of its own.
func TestWaitKeepsWhatIsMissing(t *testing.T) {
	w := waiter{missing: []string{"peer nas is down"}}
	ctx, cancel := context.WithTimeout(t.Context(), 0)
	defer cancel()
	if err := w.lasting(ctx, ctx.Err()); err != nil || len(w.missing) != 1 {
		t.Errorf("%v, %q", err, w.missing)
	}
	if err := w.lasting(t.Context(), noNode("home")); err != nil || len(w.missing) != 0 || w.err == nil {
		t.Errorf("%v, %q, %v", err, w.missing, w.err)
	}
}

// TestWaitForNodeAndPeer begins before there is a node, and goes by what that tells.
func TestWaitForNodeAndPeer(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "home.sock")
	n := controltest.New()
	done := make(chan result, 1)
	go func() {
		var out, errOut bytes.Buffer
		args := []string{"wait", "--for", "peers:2", "--timeout", "30s", "--json", "--socket", socket}
		code := new(globals).run(t.Context(), args, nil, &out, &errOut)
		done <- result{code, out.String(), errOut.String()}
	}()
	n.ServeAt(t, socket)
	s := controltest.Status()
	s.Peers[1].State = control.PeerRelayed
	n.SetStatus(s)
	n.Events.Publish(control.Event{Time: time.Now(), Type: control.EventPeerState, Peer: &s.Peers[1]})
	r := <-done
	var got waited
	if err := json.Unmarshal([]byte(r.out), &got); err != nil || r.code != exitOK || got.Network != "home" {
		t.Errorf("%v: %+v", err, r)
	}
}
