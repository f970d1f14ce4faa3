package screen

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vxmesh/vxmesh/tunnel/control"
	"github.com/vxmesh/vxmesh/ui/mirror"
)

// labWhy is what a node says of lab-rack.
func labWhy() control.Why {
	silent := func(kind control.CandidateKind, address, tries string) control.Candidate {
		return control.Candidate{
			Address: address, Kind: kind, State: control.CandidateNoAnswer, LastResult: "none of " + tries + " pings came back",
		}
	}
	return control.Why{
		Summary: "lab-rack is reached via vps-fra, because the NATs of both give every destination another port",
		Candidates: []control.Candidate{
			{
				Address: "via vps-fra", Kind: control.CandidateRelay, State: control.CandidateInUse,
				LastResult: "our own number came back from there", RTTSeconds: 0.041,
			},
			silent(control.CandidateSeen, "91.64.2.9:51190", "12"), silent(control.CandidateGuess, "91.64.2.9:51192", "9"),
			{
				Address: "192.168.7.4:42420", Kind: control.CandidateHost, State: control.CandidateNoRoute,
				LastResult: "network is unreachable",
			},
		},
		Fixes: []string{
			"forward UDP port 42420 to this machine in its router, or the other one's port there",
			"turn on UPnP, NAT-PMP or PCP in one of the two routers", "give both nodes IPv6",
		},
	}
}

// peersWorld is the page of peers with the cursor on one of them.
func peersWorld(t testing.TB, name string) (*UI, *peersPage) {
	t.Helper()
	u := world(t)
	u.Show(Peers)
	p := u.bodies[Peers].(*peersPage)
	p.list.cursor = name
	u.Draw()
	return u, p
}

// asked is the question that an effect is.
func asked(t testing.TB, e Effect) Do {
	t.Helper()
	do, ok := e.(Do)
	if !ok {
		t.Fatalf("%T is nothing to do", e)
	}
	return do
}

// answered is u after the node has answered what it was asked.
func answered(t testing.TB, u *UI, e Effect, result any, err error) Effect {
	t.Helper()
	do := asked(t, e)
	u.Started(&do)
	return u.Done(&do, result, err)
}

func TestPeersFrames(t *testing.T) {
	u, _ := peersWorld(t, "lab-rack")
	golden(t, u, "peers")
	u.Resize(120, 36)
	answered(t, u, press(u, "enter"), labWhy(), nil)
	golden(t, u, "peers-detail")
	press(u, "z")
	golden(t, u, "peers-zoom")
	press(u, "esc", "G", "k", "k", "k")
	golden(t, u, "peers-unasked")
}

func TestPeersBesideEachOther(t *testing.T) {
	u, _ := peersWorld(t, "lab-rack")
	answered(t, u, press(u, "enter"), labWhy(), nil)
	u.Resize(160, 40)
	first := strings.Split(frame(t, u), "\n")[2]
	if !strings.Contains(first, "Peers  6 of 6") || !strings.Contains(first, "─┐┌─ lab-rack  ◐ relayed 16 min") {
		t.Errorf("the boxes are not beside each other: %s", first)
	}
}

func TestPeersEverySize(t *testing.T) {
	everySize(t, Peers, "enter", "z", "esc", "j", "k", "G", "J", "K", "<", "r", "space", "/", "x", "down")
}

func TestPeersFilter(t *testing.T) {
	u, p := peersWorld(t, "nas")
	for filter, want := range map[string]string{
		"state:relayed,degraded": "lab-rack office", "rtt>40": "lab-rack office", "loss>=0.3": "lab-rack office",
		"via:fra": "lab-rack", "path:udp6": "vps-fra", "kind:relay": "lab-rack", "endpoint:203.0": "office",
		"name=nas":         "nas",
		"reason:no_answer": "laptop", "rx>1M": "lab-rack nas pi-attic", "tx<100k": "office vps-fra",
		"macs<4": "laptop pi-attic vps-fra",
		"macs:9": "nas", "reason:loss": "office", `"nat both"`: "lab-rack", "id:7710": "pi-attic",
		"!direct": "lab-rack laptop office",
	} {
		p.list.setFilter(filter)
		p.refresh(u)
		if got := strings.Join(namesOf(p.list.rows), " "); got != want || p.list.filter.err != "" {
			t.Errorf("%s shows %q %s, want %q", filter, got, p.list.filter.err, want)
		}
	}
	u.Look.Bytes = true // rates are those that are shown
	p.list.setFilter("rx>1M")
	p.refresh(u)
	if got := namesOf(p.list.rows); !slices.Equal(got, []string{"nas"}) {
		t.Errorf("rx>1M in bytes shows %v", got)
	}
	if p.list.setFilter("rtr>5"); !strings.Contains(p.list.filter.err, "did you mean") {
		t.Errorf("rtr is taken: %q", p.list.filter.err)
	}
}

func TestPeersOrder(t *testing.T) {
	u, p := peersWorld(t, "office")
	for _, want := range []struct{ column, names string }{
		{"STATE", "nas pi-attic vps-fra lab-rack office laptop"},
		{"RTT", "nas vps-fra pi-attic lab-rack office laptop"},
		{"↓ RX", "vps-fra office pi-attic lab-rack nas laptop"},
		{"MAC", "laptop vps-fra pi-attic office lab-rack nas"},
		{"SEEN", "lab-rack nas office pi-attic vps-fra laptop"},
	} {
		i := slices.IndexFunc(p.list.fields, func(f field[*mirror.Peer]) bool { return f.Title == want.column })
		p.click(u, Click{Zone: heading{&p.list, i}})
		p.refresh(u)
		if got := strings.Join(namesOf(p.list.rows), " "); got != want.names {
			t.Errorf("by %s: %s, want %s", want.column, got, want.names)
		}
		if v, _ := p.selected(u); v.Name != "office" {
			t.Errorf("by %s: the cursor went to %s", want.column, v.Name)
		}
	}
	p.click(u, Click{Zone: heading{&p.list, p.list.sort}})
	if p.refresh(u); p.list.rows[0].Name != "laptop" {
		t.Errorf("the other way round %s is first", p.list.rows[0].Name)
	}
}

// TestPeerDetailAsks sees when the node is asked for the ways to a peer.
func TestPeerDetailAsks(t *testing.T) {
	u, p := peersWorld(t, "lab-rack")
	if e := press(u, "j", "k"); e != nil {
		t.Fatalf("the closed details ask %v", e)
	}
	first := press(u, "enter")
	if do := asked(t, first); !do.Quiet || do.CLI != "vxmesh why lab-rack" {
		t.Errorf("it asks %+v", do)
	}
	if e := press(u, "j"); e != nil {
		t.Errorf("two questions are open: %v", e)
	}
	next := answered(t, u, first, labWhy(), nil) // the cursor is at laptop by now
	if do := asked(t, next); do.CLI != "vxmesh why laptop" {
		t.Errorf("then it asks %s", do.CLI)
	}
	if e := answered(t, u, next, nil, errors.New("no such peer")); e != nil {
		t.Errorf("after an error it asks %v", e)
	}
	if len(u.dialogs) > 0 || !strings.Contains(frame(t, u), "no such peer") {
		t.Error("the error is not shown where the ways are")
	}
	if e := press(u, "k"); e != nil || !strings.Contains(frame(t, u), "91.64.2.9:51190") {
		t.Errorf("the answer was not kept: %v", e)
	}
	changed := u.Net.Peer("lab-rack").Peer
	changed.State, changed.Reason = control.PeerDown, "no_answer"
	u.Net.Apply(control.Event{Time: worldTime, Type: control.EventPeerState, Peer: &changed})
	again := u.Asks()
	if asked(t, again).CLI != "vxmesh why lab-rack" {
		t.Error("a change of the state does not ask again")
	}
	if u.Tick(u.Now.Add(askAgain)); asked(t, u.Asks()).CLI != "vxmesh why lab-rack" {
		t.Error("a lost question is not asked again")
	}
	u.Tick(u.Now.Add(askAgain))
	if u.Link.State = Lost; u.Asks() != nil {
		t.Error("it asks a node that is not there")
	}
	if press(u, "esc"); p.detail.open {
		t.Error("esc does not close the details")
	}
}

func TestPeerDetailKeys(t *testing.T) {
	u, p := peersWorld(t, "lab-rack")
	u.Resize(80, 24)
	answered(t, u, press(u, "enter"), labWhy(), nil)
	u.Draw()
	press(u, "J", "J", "K")
	if u.Draw(); p.detail.top != 1 || p.detail.over == 0 {
		t.Errorf("line %d of %d more is the first", p.detail.top, p.detail.over)
	}
	p.click(u, Click{Zone: &p.detail, Wheel: 1})
	press(u, "j")
	if u.Draw(); p.detail.top != 0 {
		t.Error("another peer is not shown from the beginning")
	}
	press(u, "enter")
	if !p.detail.zoom {
		t.Error("enter on open details does not zoom")
	}
	if press(u, "esc"); p.detail.zoom || !p.detail.open {
		t.Error("esc leaves more than the zoom")
	}
	if press(u, "z", "z"); p.detail.zoom {
		t.Error("z does not end the zoom")
	}
}

func TestPeersMouse(t *testing.T) {
	u, p := peersWorld(t, "lab-rack")
	lines := strings.Split(frame(t, u), "\n")
	y := slices.IndexFunc(lines, func(l string) bool { return strings.Contains(l, "office") })
	u.Press(20, y, 0, false)
	if v, _ := p.selected(u); v.Name != "office" || p.detail.open {
		t.Errorf("a click chose %s, open: %t", v.Name, p.detail.open)
	}
	if do := asked(t, u.Press(20, y, 0, true)); do.CLI != "vxmesh why office" {
		t.Errorf("a double click asks %s", do.CLI)
	}
	u.Draw()
	if u.Press(18, 3, 0, false); p.list.fields[p.list.sort].name != "name" || !p.list.reverse {
		t.Error("a click on a title does not sort")
	}
}

func TestPeersCopyAndExport(t *testing.T) {
	u, p := peersWorld(t, "lab-rack")
	got := map[string]string{}
	for _, it := range p.copies(u) {
		got[it.key] = it.value
	}
	want := map[string]string{
		"n": "lab-rack", "i": strings.Repeat("1c0277aa9e3104f8", 4), "e": "via vps-fra", "c": "vxmesh peer show lab-rack",
	}
	for k, v := range want {
		if got[k] != v {
			t.Errorf("y %s copies %q, want %q", k, got[k], v)
		}
	}
	if !strings.Contains(got["j"], `"name": "lab-rack"`) {
		t.Errorf("y j copies %s", got["j"])
	}
	save := press(u, "E").(Save)
	lines := strings.Split(string(save.Data), "\n")
	if len(lines) != 8 || !strings.HasPrefix(lines[1], "lab-rack,1c0277aa9e3104f8") ||
		!strings.Contains(lines[1], ",relayed,nat_both,relay,,vps-fra,0.041,0.003,") {
		t.Errorf("E saves\n%s", save.Data)
	}
	down := ",down,no_answer,,,,,,,,61000000,9000000,80000,31000,0,2026-11-22T06:00:52Z"
	if lines[2] != "laptop,"+strings.Repeat("e3f02b6a7751c809", 4)+down {
		t.Errorf("a peer that is down: %s", lines[2])
	}
}

// TestPeersOfAll sees that a frame of many peers takes no longer than a person notices.
func TestPeersOfAll(t *testing.T) {
	u := bigWorld(t)
	u.Show(Peers)
	press(u, "enter", "G")
	began := time.Now()
	for range 10 {
		u.Net.Generation++
		u.Draw()
	}
	if took := time.Since(began) / 10; took > 200*time.Millisecond {
		t.Errorf("a frame takes %v", took)
	}
	if !strings.Contains(frame(t, u), "500 of 500") {
		t.Error("not all peers are counted")
	}
}
