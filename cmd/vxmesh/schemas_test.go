package main

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/vxmesh/vxmesh/tunnel/control"
	"github.com/vxmesh/vxmesh/tunnel/control/controltest"
)

// TestMoreSchemas: what commands print that do one of several things, and what only the node answers.
func TestMoreSchemas(t *testing.T) {
	n := controltest.New()
	n.SetMembers(controltest.Members())
	socket := n.Serve(t)
	r := vxmesh(t, "ping", "nas", "--paths", "--json", "--socket", socket)
	r.wantCode(t, exitOK)
	validate(t, "ping_paths", r.out)
	r = vxmesh(t, "ping", "nas", "--mtu", "--json", "--socket", socket)
	r.wantCode(t, exitOK)
	validate(t, "ping_mtu", r.out)

	h := newAttic(t)
	h.add("barn", h.admin())
	removed := h.run("", "peer", "remove", "barn", "--json")
	removed.wantCode(t, exitOK)
	validate(t, "peer_removed", removed.out)

	if r := h.run("", "invite", "--qr", "--json"); r.code != exitUsage || r.out != "" {
		t.Errorf("a QR code is no JSON: %+v", r)
	}

	for _, q := range []struct{ method, path, body, schema string }{
		{"GET", "/v1/history", "", "history"},
		{"GET", "/v1/members", "", "members"},
		{"POST", "/v1/ping", `{"peer": "nas"}`, "ping"},
		{"POST", "/v1/ping/overlay", `{"to": "nas"}`, "ping_overlay"},
		{"POST", "/v1/publish", `{"items": [{"kind": 1, "raw": "AA=="}]}`, "publish"},
		{"GET", "/v1/invitations", "", "invitations"},
		{"POST", "/v1/invitations", `{"name": "loft"}`, "invite"},
		{"POST", "/v1/members/remove", `{"name": "loft"}`, "peer_removed"},
		{"POST", "/v1/members/rename", `{"name": "loft", "new": "shed"}`, "peer_renamed"},
		{"POST", "/v1/fdb/add", `{"mac": "52:54:00:1a:22:01"}`, "error"},
	} {
		validate(t, q.schema, requested(t, socket, q.method, q.path, q.body))
	}
}

// requested is what a node answers, as curl has it.
func requested(t *testing.T, socket, method, path, body string) string {
	t.Helper()
	c := http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", socket)
		},
		DisableKeepAlives: true,
	}}
	r, err := http.NewRequestWithContext(t.Context(), method, "http://vxmesh"+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	answer, err := c.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestEventSchema: each topic's snapshot, and each kind of event that goes with it.
func TestEventSchema(t *testing.T) {
	n := controltest.New()
	c := control.Client{Socket: n.Serve(t)}
	seen := map[control.EventType]bool{}
	for _, topic := range control.Topics() {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		o := control.EventOptions{Topics: []control.Topic{topic}, Rate: control.MinRate}
		more := 1
		for e, err := range c.EventsOf(ctx, o) {
			if err != nil {
				t.Fatal(err)
			}
			seen[e.Type] = true
			validate(t, "events", string(ok[[]byte](t)(json.Marshal(e))))
			if e.Type == control.EventSnapshot {
				more = happen(n, topic)
			} else if more--; more <= 0 {
				break
			}
		}
		cancel()
	}
	for _, want := range []control.EventType{
		control.EventSnapshot, control.EventMember, control.EventStatus, control.EventPeers, control.EventStats,
		control.EventFDBFlushed, control.EventLog, control.EventPeerState,
	} {
		if !seen[want] {
			t.Errorf("no event %s", want)
		}
	}
}

// happen has something happen that goes with a topic, and gives how many events come of it.
func happen(n *controltest.Node, topic control.Topic) (events int) {
	s := controltest.Status()
	switch topic {
	case control.TopicState:
		s.State = control.StateDegraded
		s.Peers[0].State = control.PeerPunching
		n.SetStatus(s)
		n.Events.Publish(control.Event{Type: control.EventMember, Name: "loft", Reason: "joined"})
		n.Events.Publish(control.Event{Type: control.EventPeerState, Peer: &s.Peers[0]})
		return 3
	case control.TopicFDB:
		n.Events.Publish(control.Event{Type: control.EventFDBFlushed, Count: 3})
	case control.TopicLog:
		slog.New(n.Log).Warn("gone", "vtep", "192.0.2.7", "vni", 4242)
	}
	return 1
}
