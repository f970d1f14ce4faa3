package demo_test

import (
	"bytes"
	"context"
	"errors"
	"regexp"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/vxmesh/vxmesh/tundev/ether"
	"github.com/vxmesh/vxmesh/tunnel/control"
	"github.com/vxmesh/vxmesh/ui/demo"
)

// inDemo runs a test against a network that runs, in a time of its own.
func inDemo(t *testing.T, test func(ctx context.Context, t *testing.T, c control.Client)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		test(ctx, t, demo.Start(ctx, 7))
		cancel()
		time.Sleep(time.Second) // answers under way are given a moment
	})
}

func code(err error) control.Code {
	if e := control.AsError(err); e != nil {
		return e.Code
	}
	return ""
}

func must[T any](v T, err error) func(*testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// wants fails when an error is not of a code.
func wants[T any](t *testing.T, want control.Code, what string) func(T, error) {
	t.Helper()
	return func(_ T, err error) {
		t.Helper()
		if code(err) != want {
			t.Errorf("%s: %v, want %s", what, err, want)
		}
	}
}

func TestLooking(t *testing.T) {
	inDemo(t, func(ctx context.Context, t *testing.T, c control.Client) {
		time.Sleep(1500 * time.Millisecond)
		st := must(c.Status(ctx))(t)
		if st.Network != "home" || st.Node.Name != "pve1" || len(st.Peers) != 6 ||
			st.Segments[0].Device.Bridge != "br0" {
			t.Errorf("status: %+v", st)
		}
		if p := must(c.Peers(ctx))(t); len(p.Peers) != 6 {
			t.Errorf("%d peers", len(p.Peers))
		}
		if m := must(c.Members(ctx))(t); len(m.Members) != 7 || m.Name != "home" {
			t.Errorf("%d members of %q", len(m.Members), m.Name)
		}
		if f := must(c.FDB(ctx, control.FDBFilter{VNI: 4242}))(t); len(f.Entries) != 41 {
			t.Errorf("%d entries", len(f.Entries))
		}
		if h := must(c.History(ctx))(t); len(h.Seconds.RxBytesPerSecond) != 600 {
			t.Errorf("%d seconds of history", len(h.Seconds.RxBytesPerSecond))
		}
		if s := must(c.Stats(ctx))(t); s.Segments[0].RxBytes == 0 || len(s.Sockets) != 1 {
			t.Errorf("stats: %+v", s)
		}
		if r := must(c.Reload(ctx))(t); r.Network != "home" || len(r.Changes) != 0 {
			t.Errorf("reload: %+v", r)
		}
		n := must(c.Netcheck(ctx))(t)
		if len(n.Peers) != 6 || len(n.Relays) != 1 || n.Relays[0].Users != 1 || len(n.LAN) != 1 ||
			len(n.Reflectors) != 4 {
			t.Errorf("netcheck: %+v", n)
		}
		item := control.Item{Kind: 1, Raw: []byte{1}}
		wants[control.PublishResult](t, control.CodeFailed, "publish")(c.Publish(ctx, []control.Item{item}))
	})
}

func TestPingAndWhy(t *testing.T) {
	inDemo(t, func(ctx context.Context, t *testing.T, c control.Client) {
		if r := must(c.Ping(ctx, control.PingRequest{Peer: "vps-fra"}))(t); r.RTTSeconds < 0.01 || r.MTU != 1500 {
			t.Errorf("ping: %+v", r)
		}
		ping := func(r control.PingRequest, want control.Code) {
			t.Helper()
			wants[control.PingReply](t, want, "ping "+r.Peer)(c.Ping(ctx, r))
		}
		ping(control.PingRequest{Peer: "laptop"}, control.CodeTimeout)
		ping(control.PingRequest{Peer: "nas", Size: 9000}, control.CodeTimeout)
		ping(control.PingRequest{Peer: "nsa"}, control.CodeNotFound)
		paths := must(c.PingPaths(ctx, control.PingRequest{Peer: "lab-rack"}))(t).Paths
		if len(paths) != 4 || !paths[0].InUse || paths[0].Address != "via vps-fra" || paths[1].Answered {
			t.Errorf("paths: %+v", paths)
		}
		wants[control.PingPaths](t, control.CodeTimeout, "paths")(c.PingPaths(ctx, control.PingRequest{Peer: "laptop"}))
		for name, want := range map[string]string{
			"nas":      "nas is reached directly at 192.168.1.20:42420; it sees this node at 192.168.1.10:42420",
			"lab-rack": "lab-rack is reached via vps-fra, because the NATs of both give every destination another port",
			"laptop":   "laptop is down: nothing answers at its addresses",
		} {
			w := must(c.Why(ctx, name))(t)
			if w.Summary != want || len(w.Candidates) < 2 || (w.Peer.State != control.PeerDirect) != (len(w.Fixes) == 3) {
				t.Errorf("why %s: %+v", name, w)
			}
		}
		wants[control.Why](t, control.CodeNotFound, "why")(c.Why(ctx, "nobody"))
	})
}

func TestChangingPeers(t *testing.T) {
	inDemo(t, func(ctx context.Context, t *testing.T, c control.Client) {
		behind := func(name string) (n int) {
			for _, e := range must(c.FDB(ctx, control.FDBFilter{}))(t).Entries {
				if e.Port.Name == name && e.Kind == control.EntryLearned {
					n++
				}
			}
			return n
		}
		if p := must(c.PausePeer(ctx, "vps-fra"))(t).Peer; p.State != control.PeerDown || p.Reason != "paused" {
			t.Errorf("paused: %+v", p)
		}
		wants[control.PeerResult](t, control.CodeConflict, "reconnect")(c.ReconnectPeer(ctx, "vps-fra"))
		time.Sleep(1500 * time.Millisecond)
		if n := behind("vps-fra"); n != 0 {
			t.Errorf("%d entries stay", n)
		}
		if p := must(c.Why(ctx, "lab-rack"))(t).Peer; p.State != control.PeerDown {
			t.Errorf("without its relay lab-rack is %s", p.State)
		}
		must(c.ResumePeer(ctx, "vps-fra"))(t)
		time.Sleep(20 * time.Second)
		if p := must(c.ResumePeer(ctx, "vps-fra"))(t).Peer; p.State != control.PeerDirect || behind("vps-fra") == 0 {
			t.Errorf("resumed: %+v", p)
		}
		if p := must(c.ReconnectPeer(ctx, "nas"))(t).Peer; p.State != control.PeerDirect || p.HandshakeAgeSeconds > 1 {
			t.Errorf("reconnected: %+v", p)
		}
		wants[control.PeerResult](t, control.CodeNotFound, "pause")(c.PausePeer(ctx, "nobody"))
	})
}

func TestChangingFDB(t *testing.T) {
	inDemo(t, func(ctx context.Context, t *testing.T, c control.Client) {
		own := must(c.Status(ctx))(t).Segments[0].Device.MAC
		mac, pinned := ether.MAC{2, 0, 0, 0, 0, 1}, ether.MAC{0x52, 0x54, 0, 0x1a, 0x22, 1}
		add := func(r control.FDBAdd, want control.Code) {
			t.Helper()
			wants[control.FDBResult](t, want, "add")(c.AddFDB(ctx, r))
		}
		add(control.FDBAdd{MAC: mac, Port: "nas"}, "")
		add(control.FDBAdd{MAC: mac, Port: "nas"}, "")
		add(control.FDBAdd{MAC: mac, Port: "office"}, control.CodeConflict)
		add(control.FDBAdd{MAC: own, Port: "device"}, control.CodeConflict)
		add(control.FDBAdd{MAC: pinned, Port: "offise"}, control.CodeConflict)
		add(control.FDBAdd{MAC: ether.MAC{2, 1}, Port: "offise"}, control.CodeNotFound)
		add(control.FDBAdd{MAC: ether.MAC{2, 1}, Port: "192.0.2.1"}, control.CodeUsage)
		add(control.FDBAdd{VNI: 7, MAC: mac, Port: "nas"}, control.CodeNotFound)
		del := func(r control.FDBDel, want control.Code) {
			t.Helper()
			wants[control.FDBResult](t, want, "del")(c.DelFDB(ctx, r))
		}
		del(control.FDBDel{MAC: mac, Port: "office"}, control.CodeNotFound)
		del(control.FDBDel{MAC: own}, control.CodeNotFound)
		del(control.FDBDel{MAC: mac}, "")
		del(control.FDBDel{MAC: mac}, control.CodeNotFound)

		vlan := uint16(20)
		if r := must(c.FlushFDB(ctx, control.FDBFlush{Port: "nas", VLAN: &vlan}))(t); r.Removed != 3 {
			t.Errorf("flushed %d of nas", r.Removed)
		}
		wants[control.FDBResult](t, control.CodeNotFound, "flush")(c.FlushFDB(ctx, control.FDBFlush{Port: "nobody"}))
		if r := must(c.FlushFDB(ctx, control.FDBFlush{All: true}))(t); r.Removed != 35 {
			t.Errorf("flushed %d of all", r.Removed)
		}
		if left := must(c.FDB(ctx, control.FDBFilter{}))(t).Entries; len(left) != 3 {
			t.Errorf("left are %v", left)
		}
	})
}

// TestInvitation has a machine come, which everybody is told, be renamed and removed again.
func TestInvitation(t *testing.T) {
	inDemo(t, func(ctx context.Context, t *testing.T, c control.Client) {
		r := must(c.Invite(ctx, control.InviteRequest{Name: "tablet", TTLSeconds: 3600}))(t)
		if !regexp.MustCompile(`^vxm1[a-z2-7]{200,}$`).MatchString(r.Token) || r.Uses != 1 {
			t.Errorf("invited with %+v", r)
		}
		spare := must(c.Invite(ctx, control.InviteRequest{}))(t)
		gone := must(c.RevokeInvitation(ctx, spare.ID[:4]))(t).Invitations
		if len(gone) != 1 || gone[0].State != "revoked" {
			t.Errorf("revoked: %+v", gone)
		}
		wants[control.Invitations](t, control.CodeNotFound, "revoke")(c.RevokeInvitation(ctx, "zz"))
		wants[control.InviteResult](t, control.CodeUsage, "invite")(c.Invite(ctx, control.InviteRequest{Name: "A b"}))
		wants[control.InviteResult](t, control.CodeUsage, "invite")(c.Invite(ctx, control.InviteRequest{Name: "a", Uses: 2}))

		var reasons []string
		for e, err := range c.EventsOf(ctx, control.EventOptions{Topics: []control.Topic{control.TopicState}}) {
			if err != nil {
				t.Fatal(err)
			}
			if e.Type == control.EventMember {
				reasons = append(reasons, e.Name+" "+e.Reason)
				break
			}
		}
		if want := []string{"tablet joined"}; !slices.Equal(reasons, want) {
			t.Errorf("heard %q", reasons)
		}
		list := must(c.Invitations(ctx))(t).Invitations
		if len(list) != 2 || list[0].State != "spent" || !slices.Equal(list[0].Spent, []string{"tablet"}) {
			t.Errorf("invitations: %+v", list)
		}
		time.Sleep(4 * time.Second)
		if p := must(c.Why(ctx, "tablet"))(t).Peer; p.State != control.PeerDirect {
			t.Errorf("the tablet is %+v", p)
		}
		wants[control.Renamed](t, control.CodeConflict, "rename")(c.RenameMember(ctx, "tablet", "nas"))
		wants[control.Renamed](t, control.CodeUsage, "rename")(c.RenameMember(ctx, "tablet", "-"))
		renamed := must(c.RenameMember(ctx, "tablet", "slate"))(t)
		removed := must(c.RemoveMember(ctx, renamed.ID[:8]))(t)
		if renamed.Old != "tablet" || removed.Name != "slate" || removed.Secret != 2 || !removed.Told {
			t.Errorf("renamed %+v, removed %+v", renamed, removed)
		}
		wants[control.Removed](t, control.CodeUsage, "remove")(c.RemoveMember(ctx, "pve1"))
		wants[control.Removed](t, control.CodeNotFound, "remove")(c.RemoveMember(ctx, "slate"))
		if m := must(c.Members(ctx))(t).Members; len(m) != 7 {
			t.Errorf("%d members", len(m))
		}
	})
}

// TestStreams follows the events, the log and a capture until they are left.
func TestStreams(t *testing.T) {
	inDemo(t, func(ctx context.Context, t *testing.T, c control.Client) {
		seen := make(map[control.EventType]int)
		for e, err := range c.EventsOf(ctx, control.EventOptions{Topics: control.Topics()}) {
			if err != nil {
				t.Fatal(err)
			}
			if seen[e.Type]++; e.Type == control.EventStats && seen[e.Type] == 60 {
				break
			}
		}
		for _, want := range []control.EventType{
			control.EventSnapshot, control.EventStatus, control.EventPeers, control.EventLog, control.EventPeerState,
			control.EventFDBLearned,
		} {
			if seen[want] == 0 {
				t.Errorf("no %s in %v", want, seen)
			}
		}
		records := 0
		for _, err := range c.Log(ctx, control.LogOptions{Level: "info"}) {
			if records++; err != nil {
				t.Fatal(err)
			}
		}
		if records < 10 {
			t.Errorf("%d records", records)
		}
		err := c.Capture(ctx, new(bytes.Buffer), control.CaptureOptions{VNI: 7})
		wants[int](t, control.CodeNotFound, "capture")(0, err)
		short, cancel := context.WithTimeout(ctx, 3*time.Second)
		defer cancel()
		var out bytes.Buffer
		if err := c.Capture(short, &out, control.CaptureOptions{}); err != nil || out.Len() > 0 {
			t.Errorf("captured %d bytes: %v", out.Len(), err)
		}
	})
}

// TestEnd has nobody answer when the network has ended; what follows it ends with it.
func TestEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		c := demo.Start(ctx, 1)
		go func() {
			time.Sleep(5 * time.Second)
			cancel()
		}()
		n := 0
		for range c.Events(t.Context()) {
			n++
		}
		if n < 4 {
			t.Errorf("%d events", n)
		}
		time.Sleep(time.Second)
		if _, err := c.Status(t.Context()); !errors.Is(err, control.ErrNoNode) {
			t.Errorf("the end: %v", err)
		}
	})
}
