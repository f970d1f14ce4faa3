package control_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"go.uber.org/goleak"

	"github.com/vxmesh/vxmesh/tunnel/control"
	"github.com/vxmesh/vxmesh/tunnel/control/controltest"
)

var update = flag.Bool("update", false, "write the golden files anew")

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// serveWithin serves n with lowered limits and gives the socket and the function that ends it.
func serveWithin(t *testing.T, n *controltest.Node, l control.Limits) (string, func()) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "home.sock")
	ln, err := control.Listen(path, "")
	if err != nil {
		t.Fatal(err)
	}
	return path, controltest.Run(t, ln, n.Backend(), control.ServeWithin(l))
}

// request makes one request over the socket, past the client, and gives the status and the body.
func request(t *testing.T, socket, method, path, body string) (int, string) {
	t.Helper()
	tr := &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", socket)
		},
	}
	req, err := http.NewRequestWithContext(t.Context(), method, "http://node"+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	res, err := tr.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(b)
}

// TestGolden pins the JSON that scripts read: fields may be added to the files, never changed.
func TestGolden(t *testing.T) {
	n := controltest.New()
	socket := n.Serve(t)
	for _, name := range []string{"status", "peers", "members", "fdb", "stats", "invitations"} {
		status, body := request(t, socket, "GET", "/v1/"+name, "")
		if status != http.StatusOK {
			t.Fatalf("%s: status %d: %s", name, status, body)
		}
		golden(t, name, body)
	}
	_, body := request(t, socket, "GET", "/v1/why?peer=office", "")
	golden(t, "why", body)
	_, body = request(t, socket, "POST", "/v1/ping", `{"peer":"nas"}`)
	golden(t, "ping", body)
	_, body = request(t, socket, "POST", "/v1/publish", `{"items":[{"kind":4,"raw":"c2VjcmV0"}]}`)
	golden(t, "publish", body)
	for _, q := range []struct{ name, path, body string }{
		{"peer_changed", "/v1/peers/pause", `{"peer":"nas"}`},
		{"invite", "/v1/invitations", `{"name":"nas","ttl_seconds":3600}`},
		{"invitations_revoked", "/v1/invitations/revoke", `{"id":"77e0"}`},
		{"peer_removed", "/v1/members/remove", `{"name":"nas"}`},
		{"peer_renamed", "/v1/members/rename", `{"name":"nas","new":"shed"}`},
	} {
		_, body = request(t, socket, "POST", q.path, q.body)
		golden(t, q.name, body)
	}
	_, body = request(t, socket, "POST", "/v1/fdb/flush", `{"all":true}`)
	golden(t, "fdb_result", body)
	n.SetChanges(control.Change{
		Key: "segments[4242].fdb.ageing", Old: "5m0s", New: "10m0s", Class: control.ChangeApplied,
	})
	_, body = request(t, socket, "POST", "/v1/reload", "")
	golden(t, "reload", body)
	n.Refuse(&control.Error{Code: control.CodeConflict, Message: "it is taken", Fix: []string{"x"}})
	_, body = request(t, socket, "POST", "/v1/reload", "")
	golden(t, "error", body)
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	var pretty bytes.Buffer
	if err := json.Indent(&pretty, []byte(got), "", "  "); err != nil {
		t.Fatalf("%s is not JSON: %v: %s", name, err, got)
	}
	file := filepath.Join("testdata", name+".json")
	if *update {
		if err := os.WriteFile(file, pretty.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), pretty.String()); diff != "" {
		t.Errorf("%s (-want +got):\n%s", file, diff)
	}
	// The path of a peer that has none is the one null there is.
	if strings.Contains(strings.ReplaceAll(got, `"path":null`, ""), "null") {
		t.Errorf("%s holds a null: %s", name, got)
	}
}

// TestEmptyIsNeverNull asks a node that fills in nothing at all.
func TestEmptyIsNeverNull(t *testing.T) {
	for _, v := range []any{
		control.Status{Segments: []control.SegmentStatus{{}}},
		control.Peers{},
		control.FDB{},
		control.Stats{
			Segments: []control.SegmentStats{{}}, VTEPs: []control.VTEPStats{{}},
			Sockets: []control.SocketStats{{}}, Peers: []control.PeerStats{{}},
		},
		control.ReloadResult{},
		control.FDBResult{},
		control.Why{Peer: control.Peer{Path: &control.Path{}}},
		control.PingReply{},
		control.Netcheck{},
		control.PingPaths{},
		control.History{Peers: []control.PeerSeries{{}}},
		control.PeerResult{Peer: control.Peer{Path: &control.Path{}}},
		control.Invitations{Invitations: []control.Invitation{{}}},
		control.Removed{},
		control.Event{Type: control.EventSnapshot, Log: control.List[control.LogRecord]{}},
		&control.Error{},
	} {
		b, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(b, []byte("null")) {
			t.Errorf("%T: %s", v, b)
		}
	}
}

func TestClientRoundTrip(t *testing.T) {
	ctx := t.Context()
	n := controltest.New()
	c := control.Client{Socket: n.Serve(t)}
	want := controltest.Status()
	want.Schema = control.SchemaStatus
	if got, err := c.Status(ctx); err != nil || !cmp.Equal(got, want) {
		t.Errorf("status: %v\n%s", err, cmp.Diff(want, got))
	}
	if got, err := c.FDB(ctx, control.FDBFilter{VNI: 4242}); err != nil || len(got.Entries) != 4 {
		t.Errorf("fdb: %v, %v", got, err)
	}
	if got, err := c.FDB(ctx, control.FDBFilter{VNI: 7}); err != nil || len(got.Entries) != 0 {
		t.Errorf("fdb of another segment: %v, %v", got, err)
	}
	if got, err := c.Stats(ctx); err != nil || got.Sockets[0].Drops.Total() != 9 {
		t.Errorf("stats: %v, %v", got, err)
	}
	if got, err := c.Peers(ctx); err != nil || got.Schema != control.SchemaPeers ||
		!cmp.Equal([]control.Peer(got.Peers), controltest.Peers()) {
		t.Errorf("peers: %v, %v", got, err)
	}
}

func TestClientChanges(t *testing.T) {
	ctx := t.Context()
	n := controltest.New()
	c := control.Client{Socket: n.Serve(t)}
	vlan, mac := uint16(0), controltest.MAC(1)
	add := control.FDBAdd{VNI: 4242, VLAN: 20, MAC: mac, Port: "192.0.2.7"}
	del := control.FDBDel{MAC: mac, Port: "device"}
	flush := control.FDBFlush{VLAN: &vlan, MAC: &mac}
	res, err := c.AddFDB(ctx, add)
	want := control.FDBResult{Schema: control.SchemaFDBResult, VNI: 4242, Added: 1}
	if err != nil || res != want {
		t.Errorf("add: %+v, %v", res, err)
	}
	if _, err := c.DelFDB(ctx, del); err != nil {
		t.Error(err)
	}
	if _, err := c.FlushFDB(ctx, flush); err != nil {
		t.Error(err)
	}
	if diff := cmp.Diff([]any{add, del, flush}, n.Requests()); diff != "" {
		t.Errorf("what the node was asked (-want +got):\n%s", diff)
	}
}

func TestClientPing(t *testing.T) {
	n := controltest.New()
	c := control.Client{Socket: n.Serve(t)}
	ask := control.PingRequest{Peer: "nas", Size: 1400, TimeoutSeconds: 0.5}
	got, err := c.Ping(t.Context(), ask)
	want := control.PingReply{
		Schema: control.SchemaPing, Peer: "nas", Remote: "192.0.2.20:42420",
		RTTSeconds: 0.0004, MTU: 1500,
	}
	if err != nil || got != want {
		t.Errorf("got %+v, %v", got, err)
	}
	if diff := cmp.Diff([]any{ask}, n.Requests()); diff != "" {
		t.Errorf("what the node was asked (-want +got):\n%s", diff)
	}
	_, err = c.Ping(t.Context(), control.PingRequest{Peer: "office", TimeoutSeconds: 0.01})
	e := control.AsError(err)
	if e.Code != control.CodeTimeout || e.Message != "no answer from office within 10ms" {
		t.Errorf("a peer that is down: %+v", e)
	}
}

func TestClientMembers(t *testing.T) {
	n := controltest.New()
	c := control.Client{Socket: n.Serve(t)}
	want := controltest.Members()
	want.Schema = control.SchemaMembers
	got, err := c.Members(t.Context())
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); err != nil || diff != "" {
		t.Errorf("members: %v\n%s", err, diff)
	}
	items := []control.Item{{Kind: 1, Raw: []byte("a")}, {Kind: 3, Raw: []byte("b")}}
	res, err := c.Publish(t.Context(), items)
	if err != nil || res != (control.PublishResult{Schema: control.SchemaPublish, Items: 2}) {
		t.Errorf("publish: %+v, %v", res, err)
	}
	if diff := cmp.Diff([]any{control.Publish{Items: items}}, n.Requests()); diff != "" {
		t.Errorf("what the node was asked (-want +got):\n%s", diff)
	}
	if _, err := c.Publish(t.Context(), nil); control.AsError(err).Code != control.CodeUsage {
		t.Errorf("no items: %v", err)
	}
	n.Refuse(control.Errorf(control.CodeFailed, "not taken"))
	if _, err := c.Publish(t.Context(), items); control.AsError(err).Message != "not taken" {
		t.Errorf("refused: %v", err)
	}
}

func TestClientWhy(t *testing.T) {
	c := control.Client{Socket: controltest.New().Serve(t)}
	got, err := c.Why(t.Context(), "nas")
	if err != nil || got.Schema != control.SchemaWhy || len(got.Candidates) != 2 ||
		!cmp.Equal(got.Peer, controltest.Peers()[0]) {
		t.Errorf("got %+v, %v", got, err)
	}
	if _, err = c.Why(t.Context(), "a&peer=nas"); control.AsError(err).Code != control.CodeNotFound {
		t.Errorf("an odd name: %v", err)
	}
}

// TestClientAdministers has each method ask for what it says, and give a refusal back.
func TestClientAdministers(t *testing.T) {
	n := controltest.New()
	c, ctx := control.Client{Socket: n.Serve(t)}, t.Context()
	ask := func() (errs []error) {
		invite := control.InviteRequest{Name: "tablet", TTLSeconds: 60, Uses: 1, Admin: true}
		paused, err := c.PausePeer(ctx, "nas")
		if errs = append(errs, err); err == nil && (paused.Peer.Reason != "paused" || paused.Peer.Path != nil) {
			t.Errorf("paused: %+v", paused)
		}
		_, err = c.ResumePeer(ctx, "nas")
		errs = append(errs, err)
		_, err = c.ReconnectPeer(ctx, "nas")
		errs = append(errs, err)
		_, err = c.Invite(ctx, invite)
		errs = append(errs, err)
		_, err = c.RevokeInvitation(ctx, "77e0")
		errs = append(errs, err)
		_, err = c.RemoveMember(ctx, "nas")
		errs = append(errs, err)
		_, err = c.RenameMember(ctx, "nas", "shed")
		return append(errs, err)
	}
	for i, err := range ask() {
		if err != nil {
			t.Errorf("request %d: %v", i, err)
		}
	}
	want := []any{
		controltest.PeerChange{Do: "pause", Peer: "nas"},
		controltest.PeerChange{Do: "resume", Peer: "nas"},
		controltest.PeerChange{Do: "reconnect", Peer: "nas"},
		control.InviteRequest{Name: "tablet", TTLSeconds: 60, Uses: 1, Admin: true},
		control.RevokeRequest{ID: "77e0"},
		control.RemoveRequest{Name: "nas"},
		control.RenameRequest{Name: "nas", New: "shed"},
	}
	if diff := cmp.Diff(want, n.Requests()); diff != "" {
		t.Errorf("what the node was asked (-want +got):\n%s", diff)
	}
	if list, err := c.Invitations(ctx); err != nil || !cmp.Equal(list, controltest.Invitations(), cmpopts.EquateEmpty()) {
		t.Errorf("invitations: %+v, %v", list, err)
	}
	n.Refuse(control.Errorf(control.CodePermission, "this node is no admin"))
	_, err := c.Invitations(ctx)
	for i, err := range append(ask(), err) {
		if control.AsError(err) == nil || control.AsError(err).Code != control.CodePermission {
			t.Errorf("request %d, refused: %v", i, err)
		}
	}
}

func TestErrorsCrossTheSocketUnchanged(t *testing.T) {
	n := controltest.New()
	c := control.Client{Socket: n.Serve(t)}
	for _, code := range []control.Code{
		control.CodeFailed, control.CodeUsage, control.CodeConfig, control.CodePermission,
		control.CodeNotFound, control.CodeTimeout, control.CodeConflict,
	} {
		sent := &control.Error{
			Code: code, Message: "no " + string(code), Fix: []string{"try"}, Details: []string{"d"},
		}
		n.Refuse(fmt.Errorf("wrapped: %w", sent))
		_, err := c.Reload(t.Context())
		got, ok := errors.AsType[*control.Error](err)
		if !ok || got.Code != code || got.Message != sent.Message ||
			!cmp.Equal(got.Fix, sent.Fix) || !cmp.Equal(got.Details, sent.Details) {
			t.Errorf("sent %+v, got %+v", sent, err)
		}
	}
	n.Refuse(io.ErrShortBuffer)
	_, err := c.Reload(t.Context())
	if e := control.AsError(err); e.Code != control.CodeFailed || e.Message != "short buffer" {
		t.Errorf("a plain error became %+v", e)
	}
}

func TestBadRequests(t *testing.T) {
	n := controltest.New()
	socket := n.Serve(t)
	const mac = `"mac":"52:54:00:1a:22:01"`
	for _, tt := range []struct {
		method, path, body string
		status             int
		message            string
	}{
		{"GET", "/v1/nothing", "", 404, "knows no GET /v1/nothing"},
		{"DELETE", "/v1/fdb", "", 404, "knows no DELETE /v1/fdb"},
		{"GET", "/v1/fdb?vni=x", "", 400, "vni is a number"},
		{"GET", "/v1/fdb?vni=16777216", "", 400, "vni is a number from 0 to 16777215"},
		{"GET", "/v1/log?level=loud", "", 400, "level is"},
		{"GET", "/v1/capture?snaplen=-1", "", 400, "snaplen is a number"},
		{"POST", "/v1/fdb/add", "", 400, "not what was expected"},
		{"POST", "/v1/fdb/add", "[]", 400, "not what was expected"},
		{"POST", "/v1/fdb/add", "{" + mac + `,"port":"device"} {}`, 400, "goes on after its end"},
		{"POST", "/v1/fdb/add", "{" + mac + `,"port":"device","ttl":1}`, 400, "unknown field"},
		{"POST", "/v1/fdb/add", "{" + mac + "}", 400, "port is missing"},
		{"POST", "/v1/fdb/add", "{" + mac + `,"port":"device","vlan":4095}`, 400, "at most 4094"},
		{"POST", "/v1/fdb/add", "{" + mac + `,"port":"device","vni":16777216}`, 400, "at most"},
		{"POST", "/v1/fdb/add", `{"mac":"01:00:5e:00:00:01","port":"device"}`, 400, "one station"},
		{"POST", "/v1/fdb/add", `{"mac":"52:54","port":"device"}`, 400, "not a MAC address"},
		{"POST", "/v1/fdb/del", `{}`, 400, "one station"},
		{"GET", "/v1/why", "", 400, "peer is missing"},
		{"GET", "/v1/why?peer=naas", "", 404, `there is no peer "naas"`},
		{"POST", "/v1/ping", `{}`, 400, "peer is missing"},
		{"POST", "/v1/ping", `{"peer":"nas","size":-1}`, 400, "size is a number"},
		{"POST", "/v1/ping", `{"peer":"nas","size":65536}`, 400, "size is a number"},
		{"POST", "/v1/ping", `{"peer":"nas","timeout_seconds":11}`, 400, "from 0 to 10, not 11"},
		{"POST", "/v1/ping", `{"peer":"nas","timeout_seconds":-1}`, 400, "from 0 to 10"},
		{"POST", "/v1/ping", `{"peer":"nas","count":1}`, 400, "unknown field"},
		{"POST", "/v1/ping/overlay", `{}`, 400, "to is missing"},
		{"POST", "/v1/ping/overlay", `{"to":"nas","size":-1}`, 400, "size is a number"},
		{"POST", "/v1/ping/overlay", `{"to":"nas","vni":16777216}`, 400, "at most"},
		{"POST", "/v1/dial", `{}`, 400, "protocol is tcp or udp"},
		{"POST", "/v1/dial", `{"protocol":"tcp","address":"nas"}`, 400, "address is host:port"},
		{"POST", "/v1/dial", `{"protocol":"tcp","address":"nas:0"}`, 400, "a port is a number"},
		{"POST", "/v1/dial", `{"protocol":"tcp","address":":22"}`, 400, "no host"},
		{"POST", "/v1/dial", `{"protocol":"udp","address":":1","listen":true,"timeout_seconds":-1}`, 400, "timeout_seconds"},
		{"POST", "/v1/dial", `{"protocol":"tcp","address":"nas:22"}`, 400, "wants the header Upgrade: vxmesh-stream"},
		{"POST", "/v1/peers/pause", `{}`, 400, "peer is missing"},
		{"POST", "/v1/peers/pause", `{"peer":"x"}`, 404, "there is no peer"},
		{"POST", "/v1/peers/reconnect", `{"peer":"x"}`, 404, "there is no peer"},
		{"GET", "/v1/peers/pause", "", 404, "knows no GET"},
		{"POST", "/v1/invitations", `{"uses":-1}`, 400, "uses is a number from 1 to 1000"},
		{"POST", "/v1/invitations", `{"uses":1001}`, 400, "uses is a number"},
		{"POST", "/v1/invitations", `{"uses":2,"name":"nas"}`, 400, "a name is for one machine"},
		{"POST", "/v1/invitations", `{"ttl_seconds":0.5}`, 400, "ttl_seconds is a number from 1"},
		{"POST", "/v1/invitations", `{"ttl_seconds":1e300}`, 400, "ttl_seconds is a number from 1"},
		{"POST", "/v1/invitations", `{"bridge":true}`, 400, "unknown field"},
		{"POST", "/v1/invitations/revoke", `{}`, 400, "id is missing"},
		{"POST", "/v1/members/remove", `{}`, 400, "name is missing"},
		{"POST", "/v1/members/rename", `{"name":"nas"}`, 400, "name and new"},
		{"POST", "/v1/fdb/flush", `{}`, 400, "say what to flush"},
		{"POST", "/v1/fdb/flush", `{"vni":4242}`, 400, "say what to flush"},
		{"POST", "/v1/fdb/flush", `{"all":true,"port":"device"}`, 400, "goes with no port"},
		{"POST", "/v1/fdb/flush", `{"vlan":5000}`, 400, "at most 4094"},
		{"POST", "/v1/fdb/flush", strings.Repeat(" ", 1<<20+1), 400, "larger than"},
	} {
		status, body := request(t, socket, tt.method, tt.path, tt.body)
		e := &control.Error{}
		if err := json.Unmarshal([]byte(body), e); err != nil {
			t.Errorf("%s %s %.60s: %v: %s", tt.method, tt.path, tt.body, err, body)
		}
		if status != tt.status || !strings.Contains(e.Message, tt.message) {
			t.Errorf("%s %s %.60s: %d %q", tt.method, tt.path, tt.body, status, e.Message)
		}
	}
	if got := n.Requests(); len(got) != 0 {
		t.Errorf("the node was asked for %v", got)
	}
}

func TestNobodyThere(t *testing.T) {
	path := filepath.Join(t.TempDir(), "home.sock")
	for range 2 { // no socket at all, then one that is stale
		_, err := control.Client{Socket: path}.Status(t.Context())
		if !errors.Is(err, control.ErrNoNode) || control.AsError(err).Code != control.CodeNoNode {
			t.Errorf("got %v, want ErrNoNode", err)
		}
		if _, err := os.Lstat(path); err != nil {
			leaveStale(t, path)
		}
	}
}

// TestNoPermission feeds the client the kernel's answer, which root, who may run tests, never gets.
func TestNoPermission(t *testing.T) {
	err := os.NewSyscallError("connect", syscall.EACCES)
	e := control.DialError(control.Client{Socket: "/run/x.sock"}, err)
	if e.Code != control.CodePermission || len(e.Fix) == 0 || !strings.Contains(e.Message, "/run/x.sock") {
		t.Errorf("got %+v", e)
	}
}

func TestTooManyConnectionsAreTurnedAway(t *testing.T) {
	socket, _ := serveWithin(t, controltest.New(), control.Limits{Conns: 2, Read: time.Minute})
	var held []net.Conn
	for range 2 {
		c, err := net.Dial("unix", socket)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = c.Close() }()
		held = append(held, c)
	}
	status, body := request(t, socket, "GET", "/v1/status", "")
	if status != http.StatusServiceUnavailable || !strings.Contains(body, "too many") {
		t.Fatalf("third connection: %d %s", status, body)
	}
	_ = held[0].Close()
	eventually(t, "a place to become free", func() bool {
		_, err := control.Client{Socket: socket}.Status(t.Context())
		return err == nil
	})
}

// eventually waits for a condition that another goroutine brings about.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	limit := time.After(20 * time.Second)
	poll := time.NewTicker(2 * time.Millisecond)
	defer poll.Stop()
	for !ok() {
		select {
		case <-limit:
			t.Fatalf("waited in vain for %s", what)
		case <-poll.C:
		}
	}
}

// TestHalfARequestIsCutOff sends the beginning of a header, and of a body, and then nothing.
func TestHalfARequestIsCutOff(t *testing.T) {
	limits := control.Limits{Read: 50 * time.Millisecond}
	socket, _ := serveWithin(t, controltest.New(), limits)
	for _, half := range []string{
		"GET /v1/st",
		"POST /v1/fdb/flush HTTP/1.1\r\nHost: node\r\nContent-Length: 100\r\n\r\n{",
	} {
		c, err := net.Dial("unix", socket)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = c.Close() }()
		if _, err := io.WriteString(c, half); err != nil {
			t.Fatal(err)
		}
		_ = c.SetReadDeadline(time.Now().Add(20 * time.Second))
		if _, err := io.Copy(io.Discard, c); errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("%q: the node still waits", half)
		}
	}
}

func TestServeEndsWithStreamsOpen(t *testing.T) {
	n := controltest.New()
	socket, stop := serveWithin(t, n, control.Limits{})
	idle, err := net.Dial("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = idle.Close() }()
	ended := make(chan error, 1)
	first := make(chan struct{})
	go func() {
		var last error
		for e, err := range (control.Client{Socket: socket}).Events(context.Background()) {
			if e.Type == control.EventSnapshot {
				close(first)
			}
			last = err
		}
		ended <- last
	}()
	<-first
	begin := time.Now()
	stop()
	if d := time.Since(begin); d > time.Second {
		t.Errorf("leaving took %v", d)
	}
	if err := <-ended; err != nil {
		t.Errorf("the stream ended with %v, want a plain end", err)
	}
	if _, err := os.Lstat(socket); !os.IsNotExist(err) {
		t.Errorf("the socket is still there: %v", err)
	}
}
