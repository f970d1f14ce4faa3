package screen

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vxmesh/vxmesh/tunnel/control"
	"github.com/vxmesh/vxmesh/ui/mirror"
)

func statsOf(t testing.TB) (*UI, *statsPage) {
	t.Helper()
	u := world(t)
	u.Show(Stats)
	u.Draw()
	return u, u.bodies[Stats].(*statsPage)
}

// withStats applies the counters that the page shows, with something added.
func withStats(u *UI, change func(s *control.Stats)) {
	s := u.Net.Stats
	s.Segments = slices.Clone(s.Segments)
	s.Sockets = slices.Clone(s.Sockets)
	change(&s)
	u.Now = u.Now.Add(time.Second)
	u.Net.Apply(control.Event{Time: u.Now, Type: control.EventStats, Stats: &s})
}

func TestStatsFrames(t *testing.T) {
	u, _ := statsOf(t)
	golden(t, u, "stats")
	press(u, "j", "v")
	golden(t, u, "stats-peer")
}

func TestStatsEverySize(t *testing.T) {
	everySize(t, Stats, "w", "v", "l", "0", "j", "G", "esc", "/", "x", "enter", ">", "r", "u", "space")
}

func TestStatsWindow(t *testing.T) {
	u, p := statsOf(t)
	for _, want := range []string{"1 h", "1 min", "10 min"} {
		press(u, "w")
		u.Resize(120, 36)
		if got := frame(t, u); !strings.Contains(got, "Throughput, all peers, "+want+" ") || !strings.Contains(got, "Drops, last "+want) {
			t.Errorf("no window of %s in\n%s", want, got)
		}
		d := statsWindows[p.window].d
		if shown := p.past(u); len(shown.rx) != int(d/shown.step) || len(shown.tx) != len(shown.rx) {
			t.Errorf("%d values of %s in %s", len(shown.rx), shown.step, d)
		}
	}
}

func TestStatsPeer(t *testing.T) {
	u, p := statsOf(t)
	press(u, "j", "v")
	if v := p.peer(); v == nil || v.Name != "lab-rack" {
		t.Fatalf("shows %v", v)
	}
	for p.window != 2 {
		press(u, "w")
	}
	if got := frame(t, u); !strings.Contains(got, "lab-rack, 10 min, no more is kept of a peer") {
		t.Errorf("shows\n%s", got)
	}
	press(u, "k")
	if v := p.peer(); v == nil || v.Name != "nas" {
		t.Errorf("does not follow the cursor: %v", v)
	}
	press(u, "esc")
	if p.peer() != nil {
		t.Error("esc does not go back to all")
	}
}

func TestStatsLog(t *testing.T) {
	u, _ := statsOf(t)
	before := frame(t, u)
	press(u, "l")
	if frame(t, u) == before {
		t.Error("a logarithmic scale looks as before")
	}
}

func TestStatsZero(t *testing.T) {
	u, p := statsOf(t)
	all, since := p.counted(u)
	if all.rxFrames == 0 || since != "since the start" {
		t.Fatalf("%+v %s", all, since)
	}
	press(u, "0")
	withStats(u, func(s *control.Stats) {
		s.Segments[0].RxFrames += 5
		s.Segments[0].Drops = control.Counts{"own_mac": 3, "too_big": 36}
	})
	u.Draw()
	if got, since := p.counted(u); got != (sums{rxFrames: 5}) || since != "since 08:14:52" {
		t.Errorf("%+v %s", got, since)
	}
	if got := p.drops(u); got.Total() != 2 || got["own_mac"] != 2 {
		t.Errorf("dropped %v", got)
	}
	if lines := p.dropLines(u); len(lines) != 1 || lines[0] != (dropLine{"own_mac", 2, 2}) {
		t.Errorf("shows %v", lines)
	}
	press(u, "esc")
	if got, _ := p.counted(u); got.rxFrames != all.rxFrames+5 {
		t.Errorf("%+v after esc", got)
	}
}

// TestStatsNewProcess forgets what counters were zeroed at when they begin anew.
func TestStatsNewProcess(t *testing.T) {
	u, p := statsOf(t)
	press(u, "0")
	withStats(u, func(s *control.Stats) { s.Segments[0].RxFrames = 7 })
	u.Draw()
	if got, since := p.counted(u); got.rxFrames != 7 || since != "since the start" {
		t.Errorf("%+v %s", got, since)
	}
	press(u, "0")
	u.Net = mirror.New()
	u.Net.Known = true
	u.Draw()
	if p.zero != nil {
		t.Error("another network's counters count from those of the last")
	}
}

// TestStatsSocket warns of datagrams that the kernel dropped, and names who drops most.
func TestStatsSocket(t *testing.T) {
	u, _ := statsOf(t)
	withStats(u, func(s *control.Stats) { s.Sockets[0].RxDrops = 12 })
	u.Resize(160, 40)
	got := frame(t, u)
	for _, want := range []string{"▲ drops 12", "receive buffer", "lab-rack"} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is not in\n%s", want, got)
		}
	}
	if got := dropper(u.Net.Stats, "no_session"); got != "lab-rack" {
		t.Errorf("%q drops most", got)
	}
}

// TestStatsOrder keeps the rows where they are until it is time to sort, and the cursor on its peer.
func TestStatsOrder(t *testing.T) {
	u, p := statsOf(t)
	names := func() (out []string) {
		for _, v := range p.talkers.rows {
			out = append(out, v.Name)
		}
		return out
	}
	before := names()
	u.Net.Peer("vps-fra").Rx = 1e9
	u.Now = u.Now.Add(time.Second)
	u.Draw()
	if !slices.Equal(names(), before) {
		t.Errorf("rows jump: %v", names())
	}
	u.Now = u.Now.Add(resortEvery)
	u.Draw()
	if v, _ := p.talkers.selected(); names()[0] != "vps-fra" || v.Name != "nas" {
		t.Errorf("%v, the cursor on %s", names(), v.Name)
	}
}

func TestStatsExport(t *testing.T) {
	u, p := statsOf(t)
	saved := press(u, "E").(Save)
	if lines := strings.Count(string(saved.Data), "\n"); lines != 601 || !strings.HasPrefix(saved.Name, "vxmesh-stats-2026") {
		t.Errorf("%s has %d lines", saved.Name, lines)
	}
	press(u, "v")
	p.talkers.rows[0].Name = "../a b"
	if saved := press(u, "E").(Save); strings.ContainsAny(saved.Name, "/ ") {
		t.Errorf("saves to %q", saved.Name)
	}
}
