package screen

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/vxmesh/vxmesh/tundev/ether"
	"github.com/vxmesh/vxmesh/tunnel/control"
	"github.com/vxmesh/vxmesh/tunnel/control/controltest"
)

// fdbWorld is the page of addresses, just asked for, with the cursor on one of them.
func fdbWorld(t testing.TB, mac string) (*UI, *fdbPage) {
	t.Helper()
	u := world(t)
	moved(u, ago(5*time.Minute), 1)
	moved(u, ago(4*time.Minute), 2)
	f := worldFDB()
	f.Entries[3].Moves = 5
	u.Net.SetFDB(f, worldTime)
	u.Show(FDB)
	p := u.bodies[FDB].(*fdbPage)
	u.Draw()
	for i, r := range p.list.rows {
		if r.mac == mac {
			p.list.goTo(i)
		}
	}
	return u, p
}

// carriedOut runs an effect against a node and gives the requests that it got.
func carriedOut(t testing.TB, u *UI, e Effect) []any {
	t.Helper()
	do, ok := e.(Do)
	if !ok {
		t.Fatalf("%T is nothing to do", e)
	}
	n := controltest.New()
	u.Started(&do)
	result, err := do.Run(context.Background(), control.Client{Socket: n.Serve(t)})
	if err != nil {
		t.Fatal(err)
	}
	u.Done(&do, result, err)
	return n.Requests()
}

func mustMAC(t testing.TB, s string) ether.MAC {
	t.Helper()
	m, err := ether.ParseMAC(s)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

const (
	flapper = "52:54:00:9c:11:02"
	static  = "52:54:00:1a:22:01"
	own     = "02:42:ac:11:00:02"
)

func TestFDBFrames(t *testing.T) {
	u, _ := fdbWorld(t, flapper)
	golden(t, u, "fdb")
	u.Resize(120, 36)
	press(u, "enter")
	golden(t, u, "fdb-entry")
	press(u, "esc", "/")
	typeIn(u, "port:nas,lab-rack,vxm0 !mac:bc:24")
	press(u, "enter", "F")
	golden(t, u, "fdb-flush")
}

func TestFDBEverySize(t *testing.T) {
	everySize(t, FDB, "j", "G", "k", "enter", "z", "esc", "/", "x", "i", "a", "F", "backspace", "y", ">", "r", "space", "ctrl+a")
}

func TestFDBWide(t *testing.T) {
	u, _ := fdbWorld(t, flapper)
	u.Resize(180, 40)
	got := frame(t, u)
	for _, want := range []string{"▲ 5", "nas → lab-rack", "vlan 20", "learned 39", "moved 3 times in 10 min"} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is not in\n%s", want, got)
		}
	}
}

func TestFDBPin(t *testing.T) {
	u, _ := fdbWorld(t, flapper)
	pin := press(u, "i")
	mac := mustMAC(t, flapper)
	if got, want := pin.(Do).CLI, "vxmesh fdb add "+flapper+" lab-rack --vlan 20"; got != want {
		t.Errorf("the command is %q, not %q", got, want)
	}
	if diff := cmp.Diff([]any{control.FDBAdd{VNI: 4242, VLAN: 20, MAC: mac, Port: "lab-rack"}}, carriedOut(t, u, pin)); diff != "" {
		t.Error(diff)
	}
	undo := press(u, "U")
	if diff := cmp.Diff([]any{control.FDBDel{VNI: 4242, VLAN: 20, MAC: mac, Port: "lab-rack"}}, carriedOut(t, u, undo)); diff != "" {
		t.Error(diff)
	}
}

func TestFDBUnpin(t *testing.T) {
	u, _ := fdbWorld(t, static)
	unpin := press(u, "i")
	mac := mustMAC(t, static)
	if diff := cmp.Diff([]any{control.FDBDel{VNI: 4242, MAC: mac, Port: "nas"}}, carriedOut(t, u, unpin)); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]any{control.FDBAdd{VNI: 4242, MAC: mac, Port: "nas"}}, carriedOut(t, u, press(u, "U"))); diff != "" {
		t.Error(diff)
	}
}

func TestFDBPinsMarked(t *testing.T) {
	u, p := fdbWorld(t, flapper)
	press(u, "space", "space")
	pin := press(u, "i").(Do)
	if got := carriedOut(t, u, pin); len(got) != 2 || !strings.Contains(pin.CLI, " && ") {
		t.Errorf("%v by %q", got, pin.CLI)
	}
	if undo := carriedOut(t, u, press(u, "U")); len(undo) != 2 {
		t.Errorf("undone by %v", undo)
	}
	press(u, "ctrl+a")
	if pin := press(u, "i").(Do); pin.CLI != "" || pin.What != "pin 39 addresses" {
		t.Errorf("%q by %q of %d", pin.What, pin.CLI, len(p.list.rows))
	}
}

func TestFDBOwnAddress(t *testing.T) {
	u, _ := fdbWorld(t, own)
	for _, key := range []string{"i", "backspace"} {
		u.toast = toast{}
		if e := press(u, key); e != nil || len(u.dialogs) > 0 || u.toast.text == "" {
			t.Errorf("%s does %v, with %d dialogs, and says %q", key, e, len(u.dialogs), u.toast.text)
		}
	}
}

func TestFDBReadOnly(t *testing.T) {
	u, _ := fdbWorld(t, flapper)
	u.ReadOnly = true
	for _, key := range []string{"i", "a", "F", "backspace"} {
		if e := press(u, key); e != nil || len(u.dialogs) > 0 {
			t.Errorf("%s changes something: %v", key, e)
		}
	}
}

func TestFDBAdd(t *testing.T) {
	u, p := fdbWorld(t, flapper)
	press(u, "a")
	typeIn(u, "52:54:00:00:00:01 nas vlan:7")
	want := control.FDBAdd{VLAN: 7, MAC: mustMAC(t, "52:54:00:00:00:01"), Port: "nas"}
	if diff := cmp.Diff([]any{want}, carriedOut(t, u, press(u, "enter"))); diff != "" {
		t.Error(diff)
	}
	for text, wrong := range map[string]string{
		"":                                    "missing",
		"52:54":                               "no MAC address",
		"52:54:00:00:00:01":                   "port is missing",
		"52:54:00:00:00:01 naz":               "did you mean nas",
		"52:54:00:00:00:01 elsewhere":         "neither a peer",
		"52:54:00:00:00:01 nas vlan:4095":     "neither vlan",
		"52:54:00:00:00:01 nas x":             "neither vlan",
		"01:00:5e:00:00:01 nas":               "not the address of one station",
		"52:54:00:00:00:01 192.0.2.7":         "",
		"52:54:00:00:00:01 [2001:db8::1]:472": "",
		"52:54:00:00:00:01 device vni:4242":   "",
	} {
		if _, got := p.parse(u, text); !strings.Contains(got, wrong) || wrong == "" && got != "" {
			t.Errorf("%q: %q, not %q", text, got, wrong)
		}
	}
}

// later is a moment after a question came up: it takes an answer then.
func later(u *UI) { u.Now = u.Now.Add(time.Second) }

func TestFDBFlushShown(t *testing.T) {
	u, p := fdbWorld(t, flapper)
	p.setFilter("port:nas vlan:0 !vendor:qemu")
	press(u, "F")
	later(u)
	learned := []string{"70:85:c2:d1:90:aa", "d8:3a:dd:01:7c:33"}
	flush := press(u, "y")
	var macs []string
	for _, r := range carriedOut(t, u, flush) {
		r := r.(control.FDBFlush)
		if r.All || r.Port != "nas" || r.VLAN == nil || *r.VLAN != 0 || r.VNI != 4242 {
			t.Errorf("asks for %+v", r)
		}
		macs = append(macs, r.MAC.String())
	}
	if !slices.Equal(macs, learned) {
		t.Errorf("flushes %v, not %v", macs, learned)
	}
	if want := "vxmesh fdb flush --mac " + learned[0] + " --port nas --vlan 0 && "; !strings.HasPrefix(flush.(Do).CLI, want) {
		t.Errorf("by %q", flush.(Do).CLI)
	}
}

func TestFDBFlushAll(t *testing.T) {
	u, _ := fdbWorld(t, flapper)
	press(u, "F")
	u.Resize(100, 30)
	if got := frame(t, u); !strings.Contains(got, "39 of the 41 shown") || !strings.Contains(got, "What stays: 1 static, 1 local.") {
		t.Errorf("asks\n%s", got)
	}
	if e := press(u, "y"); e != nil {
		t.Error("a key that was held down says yes")
	}
	later(u)
	if diff := cmp.Diff([]any{control.FDBFlush{All: true}}, carriedOut(t, u, press(u, "y"))); diff != "" {
		t.Error(diff)
	}
}

func TestFDBFlushOne(t *testing.T) {
	u, _ := fdbWorld(t, flapper)
	press(u, "backspace")
	later(u)
	for _, no := range []string{"n", "esc", "enter"} {
		if e := press(u, no); e != nil || len(u.dialogs) > 0 {
			t.Errorf("%s flushes: %v", no, e)
		}
		press(u, "backspace")
		later(u)
	}
	vlan, mac := uint16(20), mustMAC(t, flapper)
	want := control.FDBFlush{VNI: 4242, VLAN: &vlan, MAC: &mac, Port: "lab-rack"}
	if diff := cmp.Diff([]any{want}, carriedOut(t, u, press(u, "y"))); diff != "" {
		t.Error(diff)
	}
}

// TestFDBFlushFails says how far it came.
func TestFDBFlushFails(t *testing.T) {
	u, p := fdbWorld(t, flapper)
	p.update(u)
	n := controltest.New()
	n.Refuse(control.Errorf(control.CodePermission, "no"))
	_, err := flushAll(learnedOf(p.list.rows), false).Run(context.Background(), control.Client{Socket: n.Serve(t)})
	if got := control.AsError(err); got == nil || got.Code != control.CodePermission || len(got.Details) != 1 {
		t.Errorf("fails with %+v", got)
	}
}

func TestFDBSeveralSegments(t *testing.T) {
	u, p := fdbWorld(t, flapper)
	p.list.sort = 3 // kind
	u.Net.Status.Segments = append(u.Net.Status.Segments, control.SegmentStatus{VNI: 7})
	u.Net.Generation++
	if got := frame(t, u); !strings.Contains(got, "  VNI") || !strings.Contains(got, "KIND ▴") {
		t.Errorf("shows\n%s", got)
	}
	p.list.goTo(slices.IndexFunc(p.list.rows, func(r *fdbRow) bool { return r.mac == flapper }))
	if got := press(u, "i").(Do).CLI; !strings.HasSuffix(got, "--vlan 20 --vni 4242") {
		t.Errorf("pins by %q", got)
	}
	if _, wrong := p.parse(u, "52:54:00:00:00:01 nas"); !strings.Contains(wrong, "vni:4242") {
		t.Errorf("says %q", wrong)
	}
}

// TestFDBGuest: an address can be pinned to a guest, which the detail calls so.
func TestFDBGuest(t *testing.T) {
	u, p := fdbWorld(t, flapper)
	if _, wrong := p.parse(u, "52:54:00:00:00:01 curl vni:4242"); !strings.HasPrefix(wrong, "curl is ") {
		t.Errorf("without a guest: %q", wrong)
	}
	u.Net.Status.Segments[0].Guests = []control.Guest{{Name: "curl"}}
	e, wrong := p.parse(u, "52:54:00:00:00:01 curl vni:4242")
	if want := (control.FDBPort{Kind: control.PortGuest, Name: "curl"}); e.Port != want || wrong != "" {
		t.Errorf("%+v, %q", e, wrong)
	}
	if cells := portCells(u, e.Port); len(cells) != 2 || !strings.Contains(cells[1].Text, "a guest") {
		t.Errorf("shown as %v", cells)
	}
}

// TestFDBCursor stays with its entry while others come before it and go.
func TestFDBCursor(t *testing.T) {
	u, p := fdbWorld(t, flapper)
	e := control.FDBEntry{MAC: ether.MAC{0, 0, 0, 0, 0, 1}, Port: control.FDBPort{Kind: control.PortPeer, Name: "nas"}, Kind: control.EntryLearned}
	u.Net.Apply(control.Event{Time: worldTime, Type: control.EventFDBLearned, VNI: 4242, Entry: &e})
	u.Draw()
	if r := p.selected(); r == nil || r.mac != flapper || p.list.rows[0].mac != "00:00:00:00:00:01" {
		t.Errorf("the cursor is on %v", r)
	}
	u.Net.Apply(control.Event{Time: worldTime, Type: control.EventFDBDeleted, VNI: 4242, Entry: &e})
	u.Draw()
	if r := p.selected(); r == nil || r.mac != flapper || len(p.rows) != 41 {
		t.Errorf("the cursor is on %v of %d", r, len(p.rows))
	}
}

func TestFDBFilter(t *testing.T) {
	u, p := fdbWorld(t, flapper)
	for text, want := range map[string]int{
		"52:54": 10, "kind:static": 1, "moves>0": 1, "vlan:20": 2, "vendor:raspberry": 5, "age>180": 1, "port=nas kind:learned": 8,
		"vni:4242": 41, "mac:bc:24 age<20": 3,
	} {
		p.setFilter(text)
		u.Draw()
		if got := len(p.list.rows); got != want || p.list.filter.err != "" {
			t.Errorf("%s: %d rows, not %d; %s", text, got, want, p.list.filter.err)
		}
	}
	p.setFilter("prt:nas")
	if !strings.Contains(p.list.filter.err, "port") {
		t.Errorf("says %q", p.list.filter.err)
	}
}

func TestFDBCopyAndExport(t *testing.T) {
	u, _ := fdbWorld(t, flapper)
	press(u, "y")
	if got := press(u, "c"); got != (Copy{"vxmesh fdb add " + flapper + " lab-rack --vlan 20", "command that pins it"}) {
		t.Errorf("copies %v", got)
	}
	saved := press(u, "E").(Save)
	lines := strings.Split(strings.TrimSpace(string(saved.Data)), "\n")
	if len(lines) != 42 || !slices.Contains(lines, flapper+",20,4242,lab-rack,peer,learned,1,QEMU/KVM,5") {
		t.Errorf("%s has %d lines:\n%s", saved.Name, len(lines), saved.Data)
	}
}

// TestFDBCached draws 10,000 entries again without making their rows again.
func TestFDBCached(t *testing.T) {
	u := bigWorld(t)
	u.Show(FDB)
	p := u.bodies[FDB].(*fdbPage)
	u.Draw()
	round := p.round
	for range 10 {
		press(u, "j")
		u.Draw()
	}
	if p.round != round || len(p.list.rows) != len(u.Net.FDB) {
		t.Errorf("made %d times for %d rows", p.round-round, len(p.list.rows))
	}
	later(u)
	before := p.all[0].age
	u.Draw()
	if p.round != round || p.all[0].age <= before {
		t.Errorf("time alone makes the rows anew, or none older: %v, then %v", before, p.all[0].age)
	}
	u.Net.FDBGeneration++
	u.Draw()
	if p.round != round+1 {
		t.Error("not made anew when something has changed")
	}
}

// TestFDBFilterOfTime: rows leave a filter of their age when it is their time.
func TestFDBFilterOfTime(t *testing.T) {
	u, p := fdbWorld(t, flapper)
	p.setFilter("age<4")
	u.Draw()
	n := len(p.list.rows)
	u.Now = u.Now.Add(3 * time.Second)
	u.Draw()
	if n == 0 || len(p.list.rows) >= n {
		t.Errorf("%d rows, and %d three seconds later", n, len(p.list.rows))
	}
}

// BenchmarkFDB draws 10,000 entries: as they were, or after all of them may have changed.
func BenchmarkFDB(b *testing.B) {
	for _, filter := range []string{"", "node-1", "port:node-1 age>10"} {
		for name, step := range map[string]uint64{"same": 0, "changed": 1} {
			b.Run(fmt.Sprintf("%s/%q", name, filter), func(b *testing.B) {
				u := bigWorld(b)
				u.Show(FDB)
				u.bodies[FDB].(*fdbPage).setFilter(filter)
				u.Draw()
				for b.Loop() {
					u.Net.FDBGeneration += step
					u.Now = u.Now.Add(time.Duration(step) * 200 * time.Millisecond)
					u.Draw()
				}
			})
		}
	}
}
