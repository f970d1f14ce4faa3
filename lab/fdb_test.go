//go:build linux && lab

// What the switch knows, when stations say something behind two remote VTEPs and behind the
// device.
//
//	w1 [e0]--+ br0                                  +--[u0] K1 vx0 (or raw datagrams)
//	         +------ vxm0 M [u0]------ switch ------+
//	w2 [e0]--+                                      +--[u0] K2 vx0

package lab

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

// speaker makes a station behind a VTEP or behind a device speak.
type speaker func(mac string)

// hello is a broadcast that teaches where its sender is.
func hello(mac string) []byte { return eth(broadcast, mac, 0x88b5, []byte("hello")) }

// speakers gives every end of a flood lab a voice: w1, w2, K1, K2.
func (l *floodLab) speakers() [4]speaker {
	var s [4]speaker
	for i, end := range []struct {
		h      *host
		device string
	}{{l.w1, "e0"}, {l.w2, "e0"}, {l.k1, "vx0"}, {l.k2, "vx0"}} {
		sender := end.h.sender(end.device)
		s[i] = func(mac string) { l.t.Helper(); need(l.t, sender.Send(hello(mac))) }
	}
	return s
}

// expectEntry waits until the FDB has a MAC address with this port: "device", a
// VTEP's address, or a peer's name; "" for none.
func (n *node) expectEntry(mac, port string) (e fdbEntry) {
	n.t.Helper()
	eventually(n.t, func() error {
		var ok bool
		e, ok = n.lookup(mac)
		got := ""
		if ok && e.Port.Kind == "device" {
			got = e.Port.Kind
		} else if ok {
			got = e.Port.Name
		}
		if got != port {
			return fmt.Errorf("%s is behind %q, want %q", mac, got, port)
		}
		return nil
	})
	return e
}

// TestFDBShowsTraffic: the table is what the traffic implies, no less and no more.
func TestFDBShowsTraffic(t *testing.T) {
	t.Parallel()
	k, m := quietPair(t)
	k.kernel(segment{
		local: "192.0.2.1", remotes: []string{"192.0.2.2"}, addresses: []string{"10.0.0.1/24"},
		mac: "02:00:00:00:00:0a",
	}, 4789)
	n := join(m, segment{
		remotes: []string{"192.0.2.1"}, addresses: []string{"10.0.0.2/24"},
		static: []string{`{ mac = "02:00:00:00:00:0b", vtep = "192.0.2.1" }`},
	})
	k.ping("10.0.0.2", 56)
	sender := k.sender("vx0")
	need(t, sender.Send(tagged(hello("02:00:00:00:00:0c"), 0x8100, 42)))
	n.mustCtl("fdb", "add", "02:00:00:00:00:0d", "device", "--vlan", "7")

	want := []string{
		"100 0 02:00:00:00:00:0a vtep 192.0.2.1 learned",
		"100 0 02:00:00:00:00:0b vtep 192.0.2.1 static",
		"100 42 02:00:00:00:00:0c vtep 192.0.2.1 learned",
		"100 7 02:00:00:00:00:0d device vxm0 static",
		"100 0 " + m.mac("vxm0") + " device vxm0 local",
	}
	slices.Sort(want)
	eventually(t, func() error {
		var got []string
		for _, e := range n.fdb() {
			got = append(got, e.String())
		}
		slices.Sort(got)
		if !slices.Equal(got, want) {
			return fmt.Errorf("FDB:\n%s\nwant:\n%s", strings.Join(got, "\n"),
				strings.Join(want, "\n"))
		}
		return nil
	})
	if out := k.run("bridge fdb show dev vx0"); !strings.Contains(out,
		m.mac("vxm0")+" dst 192.0.2.2") {
		t.Errorf("the kernel did not learn the node's device:\n%s", out)
	}
}

// TestAgeing is ageing (case 21): what we send to a station does not keep its entry, what it
// sends does.
func TestAgeing(t *testing.T) {
	t.Parallel()
	const ageing, silent, talking = 3 * time.Second, "02:00:00:00:03:01", "02:00:00:00:03:02"
	l, n := newFloodLab(t, v4, segment{ageing: "3s"})
	say := l.speakers()
	before := time.Now()
	say[2](silent)
	n.expectEntry(silent, "192.0.2.1")
	after := time.Now() // it was heard between the two
	toSilent := ip{src: "10.0.0.11", dst: "10.0.0.99"}.frame(silent, "02:00:00:00:00:03",
		datagram(1, 2, []byte("to the silent one")))

	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for time.Since(after) < 2*ageing {
		<-tick.C
		say[2](talking)
		need(t, l.sender.Send(toSilent))
		asked := time.Now()
		_, there := n.lookup(silent)
		if there && asked.Sub(after) > ageing+time.Second {
			t.Fatalf("the entry of a silent station is there after %s", asked.Sub(after))
		}
		if !there && time.Since(before) < ageing {
			t.Fatalf("the entry of a silent station is gone after %s", time.Since(before))
		}
	}
	if _, there := n.lookup(talking); !there {
		t.Error("the entry of a talking station is gone after two ageing times")
	}
	if aged := n.stats().Segments[0].FDB.Aged; aged != 1 {
		t.Errorf("%d entries aged, want 1", aged)
	}
	// The bridge in M still knows that it was not w2.
	l.expect("after ageing", silent, [3]int{0, 10, 10})
}

// TestMoves: a station that is heard elsewhere is sent to there from then on.
func TestMoves(t *testing.T) {
	t.Parallel()
	const station = "02:00:00:00:03:01"
	l, n := newFloodLab(t, v4, segment{})
	say := l.speakers()
	for i, where := range []struct {
		by   int
		port string
		want [3]int
	}{
		{2, "192.0.2.1", [3]int{0, 10, 0}},
		{3, "192.0.2.2", [3]int{0, 0, 10}},
		{2, "192.0.2.1", [3]int{0, 10, 0}},
		{0, "device", [3]int{0, 0, 0}}, // w1 itself: the bridge keeps it
	} {
		say[where.by](station)
		if e := n.expectEntry(station, where.port); e.Moves != i {
			t.Errorf("moves %d, want %d", e.Moves, i)
		}
		l.expect("behind "+where.port, station, where.want)
	}
}

// TestLimits is maxaddr of t_rtable (case 84): what does not fit is delivered and counted, and
// one VTEP cannot take the others' room.
func TestLimits(t *testing.T) {
	t.Parallel()
	l, n := newFloodLab(t, v4, segment{maxEntries: 32, maxPerPort: 10})
	say := l.speakers()
	atW1 := l.w1.sniff("e0", func(p packet) bool {
		return !p.Out && p.Data[6] == 2 && p.Data[10] == 9
	})
	for i := range 20 {
		say[2](fmt.Sprintf("02:00:00:00:09:%02x", i))
	}
	_, err := atW1.Wait(20, patience)
	need(t, err)
	learned := 0
	for _, e := range n.fdb() {
		if e.Port.Name == "192.0.2.1" {
			learned++
		}
	}
	if learned != 10 {
		t.Errorf("%d entries behind one VTEP, want 10", learned)
	}
	if s := n.stats().Segments[0].FDB; s.PortFull == 0 {
		t.Errorf("no limit is counted: %+v", s)
	}
	say[3]("02:00:00:00:0a:01")
	n.expectEntry("02:00:00:00:0a:01", "192.0.2.2")
}

// TestFlush is flush of t_rtable and fdb_flush.sh (cases 56, 82) with the filters there are.
func TestFlush(t *testing.T) {
	t.Parallel()
	const one, two, three, static = "02:00:00:00:03:01", "02:00:00:00:03:02",
		"02:00:00:00:03:03", "02:00:00:00:03:04"
	l, n := newFloodLab(t, v4, segment{
		static: []string{`{ mac = "` + static + `", vtep = "192.0.2.1" }`},
	})
	say := l.speakers()
	teach := func() {
		t.Helper()
		say[2](one)
		say[3](two)
		say[0](three)
		n.expectEntry(one, "192.0.2.1")
		n.expectEntry(two, "192.0.2.2")
		n.expectEntry(three, "device")
	}
	for _, c := range []struct {
		args []string
		left [4]bool // one, two, three, static
	}{
		{[]string{"--port", "192.0.2.1"}, [4]bool{false, true, true, true}},
		{[]string{"--mac", two}, [4]bool{true, false, true, true}},
		{[]string{"--vlan", "5"}, [4]bool{true, true, true, true}},
		{[]string{"--port", "device", "--mac", one}, [4]bool{true, true, true, true}},
		{[]string{"--all"}, [4]bool{false, false, false, true}},
	} {
		teach()
		n.mustCtl(append([]string{"fdb", "flush"}, c.args...)...)
		var left [4]bool
		for i, mac := range []string{one, two, three, static} {
			_, left[i] = n.lookup(mac)
		}
		if left != c.left {
			t.Errorf("flush %v left %v, want %v", c.args, left, c.left)
		}
	}
}

// TestReloadKeepsEntries is test_vxlan_fdb_changelink (case 55): entries that a person made
// survive a change of the remotes, and so does everything learned from remotes that stay.
func TestReloadKeepsEntries(t *testing.T) {
	t.Parallel()
	const station, user = "02:00:00:00:03:01", "02:00:00:00:03:05"
	l, n := newFloodLab(t, v4, segment{})
	l.speakers()[2](station)
	n.expectEntry(station, "192.0.2.1")
	n.mustCtl("fdb", "add", user, "192.0.2.1")

	text, err := os.ReadFile(n.config)
	need(t, err)
	changed := strings.Replace(string(text), `, "192.0.2.2"]`, "]", 1)
	if changed == string(text) {
		t.Fatalf("no second remote in\n%s", text)
	}
	need(t, os.WriteFile(n.config, []byte(changed), 0o600))
	if out := n.mustCtl("reload"); !strings.Contains(out, "remotes") {
		t.Errorf("reload does not say what it did: %q", out)
	}
	n.expectEntry(station, "192.0.2.1")
	if e := n.expectEntry(user, "192.0.2.1"); e.Kind != "static" {
		t.Errorf("the user's entry became %s", e.Kind)
	}
	need(t, l.sender.Send(hello(senderMAC)))
	for i, want := range [3]int{1, 1, 0} {
		if _, err := l.at[i].Wait(want, patience); err != nil || l.at[i].Count() != want {
			t.Errorf("one remote is left: %d frames at %d, want %d (%v)", l.at[i].Count(), i, want,
				err)
		}
	}
}
