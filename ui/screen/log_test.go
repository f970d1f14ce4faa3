package screen

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vxmesh/vxmesh/tunnel/control"
)

func logOf(t testing.TB) (*UI, *logPage) {
	t.Helper()
	u := world(t)
	u.Show(Log)
	u.Draw()
	return u, u.bodies[Log].(*logPage)
}

// logged adds a record a second later.
func logged(u *UI, level, msg string) {
	u.Now = u.Now.Add(time.Second)
	r := control.LogRecord{Time: u.Now, Level: level, Msg: msg}
	u.Net.Apply(control.Event{Time: u.Now, Type: control.EventLog, Record: &r})
}

// under is the message under the cursor.
func under(p *logPage) string {
	r, _ := p.selected()
	return r.Msg
}

func TestLogFrames(t *testing.T) {
	u, _ := logOf(t)
	golden(t, u, "log")
	u.Resize(120, 36)
	press(u, "/")
	typeIn(u, "lab-rack")
	golden(t, u, "log-search")
	u.Resize(120, 36)
	press(u, "enter", "enter")
	golden(t, u, "log-record")
	press(u, "esc", "w")
	u.Resize(80, 24)
	got := frame(t, u)
	for _, part := range []string{"server=stun.example.net:3478", "address=198.51.100.7:42420"} {
		if !strings.Contains(got, part) {
			t.Errorf("not wrapped, but cut:\n%s", got)
		}
	}
}

func TestLogEverySize(t *testing.T) {
	everySize(t, Log, "L", "s", "/", "x", "enter", "n", "N", "&", "f", "w", "j", "k", "G", "g", "ctrl+d", "pgup", "esc")
}

func TestLogLevel(t *testing.T) {
	u, p := logOf(t)
	for _, want := range []struct {
		level string
		n     int
		line  string
	}{
		{"info", 11, "vxmesh log --level info"},
		{"warn", 3, "vxmesh log --level warn"},
		{"error", 1, "vxmesh log --level error"},
		{"debug", 13, "vxmesh log"},
	} {
		press(u, "L")
		u.Draw()
		if len(p.rows) != want.n || p.line(u) != want.line {
			t.Errorf("from %s: %d rows, not %d, %q", want.level, len(p.rows), want.n, p.line(u))
		}
	}
}

func TestLogSubsystems(t *testing.T) {
	u, p := logOf(t)
	var names []string
	sum := 0
	for {
		press(u, "s")
		u.Draw()
		if p.subsystem == "" {
			break
		}
		names = append(names, p.subsystem)
		sum += len(p.rows)
	}
	if want := []string{"config", "fdb", "peer", "punch", "stun"}; !slices.Equal(names, want) || sum != 13 {
		t.Errorf("%v with %d rows", names, sum)
	}
	for msg, want := range map[string]string{
		"up": "node", "down": "node", "device is up again": "device", "path mtu": "peer", "port mapped": "portmap",
		"reload refused, nothing changed": "config", "this machine's network changed": "network",
		"certificate renewed": "member", "invitation redeemed": "invite", "cannot hear on the LAN": "lan", "receive": "socket",
		"handshake of a key that is no peer's": "peer", "something else": "node", "": "node",
	} {
		if got := subsystemOf(control.LogRecord{Msg: msg}); got != want {
			t.Errorf("%q is of %s, not %s", msg, got, want)
		}
	}
	for key, want := range map[string]string{"subsystem": "x", "peer": "peer", "vni": "segment", "mac": "fdb", "group": "group"} {
		if got := subsystemOf(control.LogRecord{Msg: "it is so", Attrs: map[string]any{key: "x"}}); got != want {
			t.Errorf("one with %s is of %s, not %s", key, got, want)
		}
	}
}

func TestLogSearch(t *testing.T) {
	u, p := logOf(t)
	press(u, "n")
	if u.toast.text == "" {
		t.Error("n without a search says nothing")
	}
	press(u, "/")
	typeIn(u, "peer:lab-rack")
	press(u, "enter")
	want := []string{"punch has no answer", "peer is relayed", "no direct way", "peer handshake"}
	for _, msg := range want {
		if under(p) != msg {
			t.Errorf("on %q, not on %q", under(p), msg)
		}
		press(u, "n")
	}
	if under(p) != want[0] {
		t.Errorf("does not begin again, but on %q", under(p))
	}
	if press(u, "N"); under(p) != want[3] {
		t.Errorf("N leads to %q", under(p))
	}
	press(u, "&")
	u.Draw()
	if len(p.rows) != 4 || under(p) != want[3] {
		t.Errorf("%d rows alone, on %q", len(p.rows), under(p))
	}
	press(u, "esc")
	u.Draw()
	if len(p.rows) != 13 || p.found != 0 {
		t.Errorf("esc leaves %d rows", len(p.rows))
	}
	press(u, "/")
	typeIn(u, "lvl:warn")
	if !strings.Contains(p.search.err, "level") {
		t.Errorf("says %q", p.search.err)
	}
}

// TestLogFollow stays with the newest, or with the record that is being read.
func TestLogFollow(t *testing.T) {
	u, p := logOf(t)
	for range 50 {
		logged(u, "info", "more than there is room for")
	}
	logged(u, "info", "the newest")
	u.Draw()
	if under(p) != "the newest" || !p.follow {
		t.Errorf("follows, but is on %q", under(p))
	}
	press(u, "j", "j")
	was, top := under(p), p.index-p.top
	logged(u, "info", "newer")
	u.Draw()
	if p.follow || under(p) != was || p.index-p.top != top {
		t.Errorf("on %q in line %d, not on %q in line %d", under(p), p.index-p.top, was, top)
	}
	press(u, "f")
	u.Draw()
	if !p.follow || under(p) != "newer" {
		t.Errorf("f leads to %q", under(p))
	}
}

// TestLogReconnected finds the record again among those that a snapshot brought.
func TestLogReconnected(t *testing.T) {
	u, p := logOf(t)
	press(u, "j", "j", "j")
	was := under(p)
	status := worldStatus()
	u.Net.Apply(control.Event{Time: u.Now, Type: control.EventSnapshot, Status: &status, Log: worldLog()[2:]})
	u.Draw()
	if under(p) != was || len(p.rows) != 11 {
		t.Errorf("on %q, not on %q", under(p), was)
	}
}

func TestLogBadge(t *testing.T) {
	u := world(t)
	p := u.bodies[Log].(*logPage)
	if got := p.badge(u); got != "▲ 3" {
		t.Errorf("shows %q", got)
	}
	u.Show(Log)
	u.Draw()
	if got := p.badge(u); got != "" {
		t.Errorf("shows %q of what has been looked at", got)
	}
	u.Show(Peers)
	logged(u, "info", "all is well")
	logged(u, "error", "it is not")
	if got := p.badge(u); got != "▲ 1" {
		t.Errorf("shows %q", got)
	}
}

func TestLogCopyAndExport(t *testing.T) {
	u, _ := logOf(t)
	press(u, "y")
	if got := press(u, "a"); got != (Copy{"loss=0.061 peer=office remote=203.0.113.9:42420", "attributes"}) {
		t.Errorf("copies %v", got)
	}
	lines := strings.Split(strings.TrimSpace(string(press(u, "E").(Save).Data)), "\n")
	if want := `2026-11-22T04:22:19.860Z,error,stun,,STUN lookup failed,"err=""no such host"" server=stun2.example.net"`; len(lines) != 14 || lines[1] != want {
		t.Errorf("%d lines, the second\n%s", len(lines), lines[1])
	}
}

func TestLogAttributes(t *testing.T) {
	for want, v := range map[string]any{
		"4242": 4242.0, "1000000": 1e6, "0.5": 0.5, "true": true, `"a b"`: "a b", `""`: "", "x": "x", `{"a":1}`: map[string]any{"a": 1},
	} {
		if got := attrValue(v); got != want {
			t.Errorf("%v is %s, not %s", v, got, want)
		}
	}
}

func TestLogMouse(t *testing.T) {
	u, p := logOf(t)
	clickRow(t, u, p, 3, false)
	if p.index != 3 || p.follow || p.open {
		t.Errorf("on %d", p.index)
	}
	clickRow(t, u, p, 5, true)
	if p.index != 5 || !p.open {
		t.Errorf("a double click opens nothing: on %d", p.index)
	}
}

// clickRow clicks on a row of the log.
func clickRow(t testing.TB, u *UI, p *logPage, i int, double bool) {
	t.Helper()
	u.Draw()
	for y := range u.h {
		if zone, _, _, ok := u.last.At(4, y); ok && zone == (row{p, i}) {
			u.Press(4, y, 0, double)
			return
		}
	}
	t.Fatalf("row %d is not to be clicked on", i)
}

// TestLogIsVirtual draws 2,000 records in wrapped lines, wherever the cursor is.
func TestLogIsVirtual(t *testing.T) {
	u, p := logOf(t)
	for i := range 2000 {
		logged(u, "info", fmt.Sprintf("record %d %s", i, strings.Repeat("word ", i%60)))
	}
	press(u, "w")
	for _, key := range []string{"G", "pgup", "ctrl+u", "k", "g", "pgdown", "j"} {
		for range 5 {
			press(u, key)
			got := frame(t, u)
			if r, _ := p.selected(); !strings.Contains(got, "▌") || !strings.Contains(got, strings.Join(strings.Fields(r.Msg)[:2], " ")) {
				t.Fatalf("the cursor is out of sight after %s:\n%s", key, got)
			}
		}
	}
}
