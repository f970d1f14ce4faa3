package screen

import (
	"flag"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/vxmesh/vxmesh/tundev/ether"
	"github.com/vxmesh/vxmesh/tunnel/control"
	"github.com/vxmesh/vxmesh/ui/view"
)

var update = flag.Bool("update", false, "write the frames of testdata anew")

// worldTime is when the tests take place.
var worldTime = time.Date(2026, 11, 22, 8, 14, 52, 0, time.UTC)

// ago is a time before [worldTime].
func ago(d time.Duration) time.Time { return worldTime.Add(-d) }

// A worldPeer is a peer of a test's network, with what it does in every second.
type worldPeer struct {
	control.Peer
	rx, tx  float64 // bits a second, at the end
	swing   float64 // how much that changes, 0 to 1
	rtt     float64 // seconds, at the end
	jitter  float64
	loss    float64
	lossFor time.Duration // 0: always
}

func worldPeers() []worldPeer {
	reached := func(name, id, kind, remote, via string, rtt float64, rx, tx float64) worldPeer {
		p := worldPeer{Peer: control.Peer{
			Name: name, ID: strings.Repeat(id, 4), State: control.PeerDirect, Since: ago(76 * time.Hour),
			Cipher: "chacha20-poly1305", HandshakeAgeSeconds: 42,
			Path:    &control.Path{Kind: kind, Remote: remote, Via: via, MTU: 1500},
			RxBytes: 800e6, TxBytes: 190e6, RxFrames: 700e3, TxFrames: 240e3,
		}, rx: rx, tx: tx, swing: 0.4, rtt: rtt, jitter: 0.08}
		if via != "" {
			p.State, p.Reason, p.Since, p.Path.MTU = control.PeerRelayed, "nat_both", ago(16*time.Minute+8*time.Second), 1420
		}
		return p
	}
	nas := reached("nas", "90d1c2aa01177be4", "udp4", "192.168.1.20:42420", "", 0.0004, 412e6, 38e6)
	nas.Drops = control.Counts{"replay": 2}
	fra := reached("vps-fra", "55e0113f9c0a22d7", "udp6", "[2001:db8:7::5]:42420", "", 0.0119, 21e3, 19e3)
	fra.swing = 0
	office := reached("office", "ab04c7715e3390f2", "udp4", "203.0.113.9:42420", "", 0.088, 640e3, 92e3)
	office.jitter, office.loss, office.lossFor, office.Path.MTU = 0.5, 0.061, 8*time.Minute+10*time.Second, 1280
	office.Drops = control.Counts{"too_big": 36}
	lab := reached("lab-rack", "1c0277aa9e3104f8", "relay", "", "vps-fra", 0.041, 3.4e6, 900e3)
	lab.loss, lab.Drops = 0.003, control.Counts{"no_session": 118, "auth": 3}
	return []worldPeer{
		nas, fra, office, lab,
		reached("pi-attic", "7710de93bb20ac41", "udp4", "85.10.3.7:42420", "", 0.0182, 1.2e6, 310e3),
		{Peer: control.Peer{
			Name: "laptop", ID: strings.Repeat("e3f02b6a7751c809", 4), State: control.PeerDown, Reason: "no_answer",
			Since: ago(2*time.Hour + 13*time.Minute), LastSeen: ago(2*time.Hour + 14*time.Minute),
			RxBytes: 61e6, TxBytes: 9e6, RxFrames: 80e3, TxFrames: 31e3,
		}},
	}
}

// at gives the peer as it is at a time; the counters run on from one call to the next.
func (p *worldPeer) at(now time.Time, elapsed float64) control.Peer {
	if p.Path == nil {
		return p.Peer
	}
	left := worldTime.Sub(now).Seconds()
	wave := func(of float64) float64 { return math.Sin(left/of) * math.Cos(left/(of*3.7)) }
	p.RxBytes += uint64(p.rx * elapsed / 8 * (1 + p.swing*wave(31)))
	p.TxBytes += uint64(p.tx * elapsed / 8 * (1 + p.swing*wave(23)))
	p.RxFrames += uint64(p.rx * elapsed / 8 / 1000)
	p.TxFrames += uint64(p.tx * elapsed / 8 / 1000)
	out, path := p.Peer, *p.Path
	path.RTTSeconds, path.LossRatio = p.rtt*(1+p.jitter*math.Abs(wave(47))), p.loss
	if p.lossFor > 0 && worldTime.Sub(now) > p.lossFor {
		path.LossRatio = 0.001
	}
	out.Path, out.LastSeen = &path, now
	return out
}

func worldStatus() control.Status {
	return control.Status{
		Network: "home", State: control.StateUp, Version: "0.9.2", PID: 4711,
		Node:          control.Node{Name: "pve1", ID: strings.Repeat("7f3ac91408be51d2", 4)},
		Listen:        []string{"udp [::]:42420"},
		UptimeSeconds: (76 * time.Hour).Seconds(),
		Config: control.ConfigStatus{
			File: "/etc/vxmesh/home.toml", LoadedAt: worldTime.Add(-16*time.Minute - 21*time.Second), ReloadSuccessful: true,
		},
		Segments: []control.SegmentStatus{{
			VNI: 4242, State: control.StateUp, FDBEntries: 41,
			Device: control.Device{
				Name: "vxm0", Kind: "tap", State: "up", MTU: 1380, MAC: ether.MAC{2, 0x42, 0xac, 0x11, 0, 2},
				Bridge: "br0", Addresses: []string{"10.42.0.11/24"},
			},
		}},
	}
}

// worldFDB are 41 entries: 17 behind the device, 24 behind peers.
func worldFDB() (f control.FDB) {
	add := func(mac string, vlan uint16, kind control.PortKind, port string, e control.EntryKind, age float64, moves uint64) {
		var m ether.MAC
		if err := m.UnmarshalText([]byte(mac)); err != nil {
			panic(err)
		}
		f.Entries = append(f.Entries, control.FDBEntry{
			VNI: 4242, VLAN: vlan, MAC: m, Port: control.FDBPort{Kind: kind, Name: port}, Kind: e, AgeSeconds: age, Moves: moves,
		})
	}
	add("02:42:ac:11:00:02", 0, control.PortDevice, "vxm0", control.EntryLocal, 3, 0)
	add("2c:cf:67:0a:41:7e", 0, control.PortPeer, "pi-attic", control.EntryLearned, 11, 0)
	add("52:54:00:1a:22:01", 0, control.PortPeer, "nas", control.EntryStatic, 0, 0)
	add("52:54:00:9c:11:02", 20, control.PortPeer, "lab-rack", control.EntryLearned, 1, 3)
	add("52:54:00:9c:11:03", 20, control.PortPeer, "lab-rack", control.EntryLearned, 44, 0)
	add("70:85:c2:d1:90:aa", 0, control.PortPeer, "nas", control.EntryLearned, 2, 0)
	add("b8:27:eb:55:12:90", 0, control.PortPeer, "office", control.EntryLearned, 192, 0)
	add("d8:3a:dd:01:7c:33", 0, control.PortPeer, "nas", control.EntryLearned, 18, 0)
	add("f4:92:bf:aa:00:10", 0, control.PortDevice, "vxm0", control.EntryLearned, 6, 0)
	more := func(n int, prefix string, kind control.PortKind, port string) {
		for i := range n {
			add(fmt.Sprintf("%s:%02x", prefix, 0x30+i), 0, kind, port, control.EntryLearned, float64(7*i%250), 0)
		}
	}
	more(15, "bc:24:11:07:00", control.PortDevice, "vxm0")
	more(6, "52:54:00:1a:22", control.PortPeer, "nas")
	more(5, "00:25:90:c1:77", control.PortPeer, "lab-rack")
	more(3, "3c:52:82:19:04", control.PortPeer, "office")
	more(2, "2c:cf:67:0a:42", control.PortPeer, "pi-attic")
	more(1, "52:54:00:77:01", control.PortPeer, "vps-fra")
	return f
}

// worldLog are the records of a quarter of an hour, the oldest first.
func worldLog() []control.LogRecord {
	record := func(clock, level, msg string, attrs ...any) control.LogRecord {
		at, err := time.Parse(time.DateTime+".000", "2026-11-22 "+clock)
		if err != nil {
			panic(err)
		}
		r := control.LogRecord{Time: at, Level: level, Msg: msg, Attrs: map[string]any{}}
		for i := 0; i+1 < len(attrs); i += 2 {
			r.Attrs[attrs[i].(string)] = attrs[i+1]
		}
		return r
	}
	return []control.LogRecord{
		record("04:22:19.860", "error", "STUN lookup failed", "server", "stun2.example.net", "err", "no such host"),
		record("04:23:20.101", "info", "STUN answers again", "server", "stun2.example.net", "after", "1m0s"),
		record("06:00:00.000", "info", "keys are new", "peers", 5),
		record("06:01:52.441", "info", "peer is down", "peer", "laptop", "reason", "no_answer"),
		record("07:58:31.020", "info", "config reloaded", "file", "/etc/vxmesh/home.toml", "changes", 2),
		record("07:58:32.290", "info", "peer handshake", "peer", "lab-rack", "cipher", "chacha20-poly1305"),
		record("07:58:44.307", "info", "no direct way", "peer", "lab-rack", "reason", "nat_both"),
		record("07:58:44.310", "info", "peer is relayed", "peer", "lab-rack", "via", "vps-fra", "rtt", "41ms"),
		record("08:02:10.930", "info", "address moved", "mac", "52:54:00:9c:11:02", "vlan", 20, "from", "nas", "to", "lab-rack"),
		record("08:02:10.931", "warn", "address flaps", "mac", "52:54:00:9c:11:02", "vlan", 20, "moves", 3),
		record("08:10:44.209", "debug", "STUN mapped", "server", "stun.example.net:3478", "address", "198.51.100.7:42420"),
		record("08:11:02.551", "debug", "punch has no answer", "peer", "lab-rack", "attempt", 3, "probes", 8),
		record("08:14:52.000", "warn", "peer loses packets", "peer", "office", "loss", 0.061, "remote", "203.0.113.9:42420"),
	}
}

// worldStats are the counters at a time.
func worldStats(peers []control.Peer, now time.Time) control.Stats {
	s := control.Stats{
		Segments: []control.SegmentStats{{
			VNI: 4242, FloodedFrames: uint64(now.Sub(ago(76*time.Hour)).Seconds() * 1.2),
			Drops: control.Counts{"own_mac": 1, "too_big": 36},
			FDB:   control.FDBStats{Entries: 41, Learned: 402, Moved: 9, Aged: 361},
		}},
		Sockets: []control.SocketStats{{Listen: "udp [::]:42420", Drops: control.Counts{"junk": 9}}},
		Node: control.NodeStats{
			CPUSeconds: 900 + 0.003*now.Sub(ago(time.Hour)).Seconds(), MemoryBytes: 21e6, Goroutines: 38,
		},
	}
	seg, socket := &s.Segments[0], &s.Sockets[0]
	for _, p := range peers {
		seg.RxBytes, seg.TxBytes = seg.RxBytes+p.RxBytes, seg.TxBytes+p.TxBytes
		seg.RxFrames, seg.TxFrames = seg.RxFrames+p.RxFrames, seg.TxFrames+p.TxFrames
		s.Peers = append(s.Peers, control.PeerStats{
			Name: p.Name, RxFrames: p.RxFrames, TxFrames: p.TxFrames, RxBytes: p.RxBytes, TxBytes: p.TxBytes,
			RxDatagrams: p.RxFrames * 103 / 100, TxDatagrams: p.TxFrames * 103 / 100, Handshakes: 38, Drops: p.Drops,
		})
	}
	socket.RxBytes, socket.TxBytes = seg.RxBytes*107/100, seg.TxBytes*107/100
	socket.RxDatagrams, socket.TxDatagrams = seg.RxFrames*103/100, seg.TxFrames*103/100
	return s
}

// newWorld gives a UI that is connected to the network of a snapshot.
func newWorld(t testing.TB) *UI {
	t.Helper()
	theme, err := view.ByName("ansi")
	if err != nil {
		t.Fatal(err)
	}
	u := New(Options{Look: view.Look{Theme: theme}, Texts: Texts{
		Why:      func(w control.Why) string { return w.Summary + "\n" },
		Paths:    func(p control.PingPaths) string { return fmt.Sprintf("%d ways to %s\n", len(p.Paths), p.Peer) },
		Netcheck: func(control.Netcheck) string { return "the NAT is easy\n" },
	}})
	u.Now = worldTime
	u.Link = Link{State: Live, Network: "home", Socket: "/run/vxmesh/home.sock", Since: ago(17 * time.Minute)}
	u.Resize(120, 36)
	return u
}

// world is a network with a peer in each state that people see, after ten minutes of its events.
func world(t testing.TB) *UI {
	t.Helper()
	u := newWorld(t)
	peers := worldPeers()
	all := func(now time.Time, elapsed float64) (out []control.Peer) {
		for i := range peers {
			out = append(out, peers[i].at(now, elapsed))
		}
		return out
	}
	began := ago(17 * time.Minute)
	status, fdb := worldStatus(), worldFDB()
	status.Peers = all(began, 0)
	lab := &status.Peers[3]
	lab.State, lab.Reason, lab.Since = control.PeerDirect, "", ago(76*time.Hour)
	lab.Path = &control.Path{Kind: "udp4", Remote: "91.64.2.9:51190", RTTSeconds: 0.033, MTU: 1500}
	stats := worldStats(status.Peers, began)
	u.Net.Apply(control.Event{
		Time: began, Type: control.EventSnapshot, Status: &status, FDB: &fdb, Stats: &stats, Log: worldLog(),
	})
	punching := peers[3].Peer
	punching.State = control.PeerPunching
	u.Net.Apply(control.Event{Time: ago(16*time.Minute + 20*time.Second), Type: control.EventPeerState, Peer: &punching})
	for i := range 3 {
		moved(u, ago(time.Duration(12-2*i)*time.Minute+42*time.Second), i)
	}
	const steps = 600
	for i := steps; i >= 0; i-- {
		now := ago(time.Duration(i) * time.Second)
		list := control.Peers{Peers: all(now, 1)}
		stats := worldStats(list.Peers, now)
		u.Net.Apply(control.Event{Time: now, Type: control.EventPeers, Peers: &list})
		u.Net.Apply(control.Event{Time: now, Type: control.EventStats, Stats: &stats})
	}
	return u
}

// moved moves an address from one peer to another and back.
func moved(u *UI, at time.Time, i int) {
	ports := []control.FDBPort{{Kind: control.PortPeer, Name: "nas"}, {Kind: control.PortPeer, Name: "lab-rack"}}
	e := control.FDBEntry{
		VLAN: 20, MAC: ether.MAC{0x52, 0x54, 0, 0x9c, 0x11, 2}, Port: ports[(i+1)%2], Kind: control.EntryLearned,
		Moves: uint64(i + 1),
	}
	u.Net.Apply(control.Event{Time: at, Type: control.EventFDBMoved, VNI: 4242, Entry: &e, From: &ports[i%2]})
}

// hostile are texts that try to harm a terminal or a frame.
var hostile = []string{
	"\x1b[31mred\x1b[0m", "\x1b]52;c;aGFja2Vk\x07", "tab\tnew\nline\r\x00", "日本語の名前がとても長い",
	"👩‍👩‍👧‍👦🏳️‍🌈",
	"\u202eevil\u2066", "a\u0300\u0301\u0302\u0303\u0304b", "\xff\xfe", strings.Repeat("x", 300), "", "-rf", "$(reboot)`x`'\"",
}

// hostileWorld is a network whose every text is one of [hostile], and whose numbers are the worst.
func hostileWorld(t testing.TB) *UI {
	t.Helper()
	u := newWorld(t)
	text := func(i int) string { return hostile[i%len(hostile)] }
	status := worldStatus()
	status.Network, status.Node.Name, status.Node.ID, status.Version = text(0), text(3), text(8), text(4)
	status.Segments[0].Device.Name, status.Segments[0].Device.Bridge = text(1), text(4)
	fdb, stats := worldFDB(), control.Stats{Segments: []control.SegmentStats{{VNI: math.MaxUint32, RxBytes: math.MaxUint64}}}
	for i := range 2 * len(hostile) {
		p := control.Peer{
			Name: fmt.Sprint(text(i), i/len(hostile)), ID: text(i + 1), Reason: text(i + 2), Cipher: text(i + 3),
			State: []control.PeerState{control.PeerDirect, control.PeerRelayed, control.PeerDown, "?"}[i%4],
			Since: ago(-time.Hour), RxBytes: math.MaxUint64, HandshakeAgeSeconds: -1,
			Drops: control.Counts{text(i): math.MaxUint64},
			Path: &control.Path{
				Kind: text(i), Remote: text(i + 4), Via: text(i + 5), RTTSeconds: math.MaxFloat64, LossRatio: 1e9, MTU: -1,
			},
		}
		if i%3 == 0 {
			p.Path = nil
		}
		status.Peers = append(status.Peers, p)
		fdb.Entries[i].Port.Name, fdb.Entries[i].AgeSeconds = p.Name, float64(i)*1e12
		stats.Peers = append(stats.Peers, control.PeerStats{Name: p.Name, Drops: p.Drops, RxBytes: math.MaxUint64})
		status.Warnings = append(status.Warnings, control.Warning{Code: text(i), Message: text(i + 1), Fix: text(i + 2)})
	}
	log := []control.LogRecord{}
	for i := range hostile {
		log = append(log, control.LogRecord{
			Time: ago(0), Level: text(i), Msg: text(i + 1), Attrs: map[string]any{text(i + 2): text(i + 3)},
		})
	}
	u.Net.Apply(control.Event{
		Time: ago(time.Second), Type: control.EventSnapshot, Status: &status, FDB: &fdb, Stats: &stats, Log: log,
	})
	u.Net.Apply(control.Event{Time: ago(0), Type: control.EventPeers, Peers: &control.Peers{Peers: status.Peers}})
	return u
}

// bigWorld has 500 peers and 10,000 addresses.
func bigWorld(t testing.TB) *UI {
	t.Helper()
	u := newWorld(t)
	random := rand.New(rand.NewPCG(1, 2))
	status, history, fdb := worldStatus(), control.History{}, control.FDB{}
	for i := range 500 {
		p := worldPeers()[i%6]
		p.Name, p.ID = fmt.Sprintf("node-%03d", i), fmt.Sprintf("%016x", random.Uint64())
		status.Peers = append(status.Peers, p.at(ago(time.Second), 0))
		s := control.PeerSeries{Name: p.Name, StepSeconds: 5}
		for range 120 {
			s.RxBytesPerSecond = append(s.RxBytesPerSecond, random.Float64()*1e6)
			s.TxBytesPerSecond = append(s.TxBytesPerSecond, random.Float64()*1e5)
			s.RTTSeconds = append(s.RTTSeconds, 0.02+random.Float64()/100)
			s.LossRatio = append(s.LossRatio, 0)
		}
		history.Peers = append(history.Peers, s)
		for range 20 {
			mac := ether.MAC{2, 0, byte(random.Uint32()), byte(random.Uint32()), byte(i), byte(i >> 8)}
			fdb.Entries = append(fdb.Entries, control.FDBEntry{
				VNI: 4242, MAC: mac, Port: control.FDBPort{Kind: control.PortPeer, Name: p.Name}, Kind: control.EntryLearned,
				AgeSeconds: random.Float64() * 300,
			})
		}
	}
	stats := worldStats(status.Peers, ago(time.Second))
	u.Net.Apply(control.Event{
		Time: ago(time.Second), Type: control.EventSnapshot, Status: &status, FDB: &fdb, Stats: &stats, History: &history,
	})
	u.Net.Apply(control.Event{Time: ago(0), Type: control.EventPeers, Peers: &control.Peers{Peers: status.Peers}})
	return u
}

// worlds are all of them by name.
func worlds(t testing.TB) map[string]*UI {
	return map[string]*UI{"home": world(t), "hostile": hostileWorld(t), "big": bigWorld(t), "empty": newWorld(t)}
}

// goldenSizes are the windows that frames are kept of.
var goldenSizes = [][2]int{{120, 36}, {80, 24}, {46, 12}}

// golden compares what is shown in each of [goldenSizes] with testdata/NAME.txt, but for trailing blanks.
func golden(t *testing.T, u *UI, name string) {
	t.Helper()
	var b strings.Builder
	for _, s := range goldenSizes {
		u.Resize(s[0], s[1])
		fmt.Fprintf(&b, "%dx%d\n", s[0], s[1])
		for line := range strings.Lines(frame(t, u) + "\n") {
			b.WriteString(strings.TrimRight(line, " \n") + "\n")
		}
	}
	path := filepath.Join("testdata", name+".txt")
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got := b.String(); got != string(want) {
		t.Errorf("%s differs (go test -update writes it):\n%s", path, got)
	}
}

// frame is what is shown. It fails the test if that is not as large as the window.
func frame(t testing.TB, u *UI) string {
	t.Helper()
	plain := u.Draw().Plain(u.Look)
	lines := strings.Split(plain, "\n")
	if len(lines) != u.h {
		t.Fatalf("%d lines in a window of %dx%d", len(lines), u.w, u.h)
	}
	for _, l := range lines {
		if view.Width(l) != u.w || strings.ContainsFunc(l, func(r rune) bool { return r < ' ' || r == 0x7f }) {
			t.Fatalf("a line is not %d columns of text: %q", u.w, l)
		}
	}
	return plain
}

// everySize draws a page of every world in windows of many sizes, after some keys each.
func everySize(t *testing.T, p Page, keys ...string) {
	t.Helper()
	random := rand.New(rand.NewPCG(3, uint64(p)))
	for name, u := range worlds(t) {
		u.Show(p)
		for range 40 {
			u.Resize(1+random.IntN(250), 1+random.IntN(80))
			frame(t, u)
			if len(keys) > 0 {
				press(u, keys[random.IntN(len(keys))])
			}
			frame(t, u)
		}
		if t.Failed() {
			t.Log("in the world", name)
		}
	}
}

// press presses keys; the effect is that of the last one.
func press(u *UI, keys ...string) (e Effect) {
	for _, name := range keys {
		k := Key{Name: name}
		if len([]rune(name)) == 1 {
			k.Text = name
		}
		if name == "space" {
			k.Text = " "
		}
		e = u.Key(k)
	}
	return e
}

// typeIn types a text.
func typeIn(u *UI, text string) {
	for _, c := range text {
		u.Key(Key{string(c), string(c)})
	}
}
