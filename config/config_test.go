package config

import (
	"encoding/json"
	"net/netip"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// equate lets cmp look at the address types, which keep their insides to themselves.
var equate = cmpopts.EquateComparable(netip.Addr{}, netip.AddrPort{}, netip.Prefix{})

// fullText writes every key of what is built with a value that is not the default.
const fullText = `
[network]
name = "lab-1"
node = "pve1"
state = "/srv/vxmesh"
[listen]
mesh = [":42420", "192.0.2.1:42421"]
vxlan = ["192.0.2.1:4789", "[2001:db8::1]:4789", ":8472"]
interfaces = { allow = ["eth*"], deny = [] }
[[segments]]
vni = 16777215
peers = ["vps", "nas"]
  [segments.device]
  kind = "tap"
  name = "lab0"
  mtu = 1450
  mac = "52-54-00-1A-22-01"
  bridge = "br0"
  addresses = ["10.42.0.11/24", "fd42::11/64"]
  [segments.fdb]
  ageing = "0s"
  max_entries = 1000000
  max_per_port = 1000000
  learn = false
  static = [
    { mac = "52:54:00:1a:22:02", vlan = 4094, vtep = "192.0.2.7:8472" },
    { mac = "52:54:00:1a:22:02", vtep = "192.0.2.7" },
    { mac = "52:54:00:1a:22:03", peer = "vps" },
  ]
  [segments.vxlan]
  remotes = ["192.0.2.7", "192.0.2.8:8472"]
  group = "239.1.1.42"
  interface = "eth0"
  local = "192.0.2.1"
  source_port = "fixed"
  ttl = "inherit"
  tos = 184
  df = "inherit"
  udp_checksum = false
  reserved_bits = "ignore"
  flood = false
  learn_new_vteps = true
[[segments]]
vni = 2
peers = "none"
vxlan.remotes = ["2001:db8::7", "[2001:db8::8]", "[2001:db8::9]:1", "::ffff:192.0.2.9"]
vxlan.tos = "inherit"
vxlan.ttl = 1
fdb.max_entries = 10
fdb.ageing = "1h30m"
[[segments]]
vni = 3
device = { kind = "userspace", addresses = ["10.43.0.1/24"] }
userspace.socks = "[::1]:1080"
userspace.forward = ["tcp:8080=nas:80", "udp:192.0.2.1:53=[fd42::5]:53"]
userspace.publish = ["tcp:22=22", "udp:22=backup.example.net:2222"]
[[peers]]
name = "nas"
key = "AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
endpoints = ["nas.example.net:42420", "192.0.2.20:1", "[2001:db8::20]:65535"]
keepalive = "0s"
[[peers]]
name = "vps"
key = "AgAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
keepalive = "1h"
[discovery]
stun = []
lan = false
gossip = false
portmap = false
[relay]
use = false
serve = false
[security]
identity = "/srv/lab.key"
admit = "listed"
cipher = "chacha20-poly1305"
[control]
socket = "/run/lab.sock"
group = "wheel"
[metrics]
listen = "[::1]:9742"
[log]
level = "debug"
format = "json"
`

func vtep(s string) VTEP { return VTEP{netip.MustParseAddrPort(s)} }

func TestParseEveryKey(t *testing.T) {
	got, err := Parse("full.toml", []byte(fullText))
	if err != nil {
		t.Fatal(err)
	}
	mac2 := MAC{0x52, 0x54, 0, 0x1a, 0x22, 2}
	want := &Config{
		Network: Network{Name: "lab-1", Node: "pve1", State: "/srv/vxmesh"},
		Listen: Listen{
			Mesh: []ListenAddr{{Port: 42420}, {netip.MustParseAddr("192.0.2.1"), 42421}},
			VXLAN: []ListenAddr{
				{netip.MustParseAddr("192.0.2.1"), 4789},
				{netip.MustParseAddr("2001:db8::1"), 4789},
				{Port: 8472},
			},
			Interfaces: Interfaces{Allow: []string{"eth*"}, Deny: []string{}},
		},
		Segments: []Segment{{
			VNI: 16777215, Peers: Members{Names: []string{"vps", "nas"}},
			Device: Device{
				Kind: KindTAP, Name: "lab0", MTU: 1450, MAC: MAC{0x52, 0x54, 0, 0x1a, 0x22, 1},
				Bridge: "br0",
				Addresses: []netip.Prefix{
					netip.MustParsePrefix("10.42.0.11/24"), netip.MustParsePrefix("fd42::11/64"),
				},
			},
			FDB: FDB{
				MaxEntries: 1000000, MaxPerPort: 1000000,
				Static: []Static{
					{MAC: mac2, VLAN: 4094, VTEP: vtep("192.0.2.7:8472")},
					{MAC: mac2, VTEP: vtep("192.0.2.7:4789")},
					{MAC: MAC{0x52, 0x54, 0, 0x1a, 0x22, 3}, Peer: "vps"},
				},
			},
			VXLAN: &VXLAN{
				Remotes: []VTEP{vtep("192.0.2.7:4789"), vtep("192.0.2.8:8472")},
				Group:   netip.MustParseAddr("239.1.1.42"), Interface: "eth0",
				Local:      netip.MustParseAddr("192.0.2.1"),
				SourcePort: SourcePortFixed, TTL: TTL{Inherit: true}, TOS: TOS{Value: 184},
				DF: DFInherit, ReservedBits: ReservedIgnore, LearnNewVTEPs: true,
			},
		}, {
			VNI:    2,
			Device: Device{Kind: KindTAP, Name: "vxm1", Addresses: []netip.Prefix{}},
			FDB: FDB{
				Ageing: 90 * time.Minute, MaxEntries: 10, MaxPerPort: 10, Learn: true, Static: []Static{},
			},
			VXLAN: &VXLAN{
				Remotes: []VTEP{
					vtep("[2001:db8::7]:4789"), vtep("[2001:db8::8]:4789"), vtep("[2001:db8::9]:1"),
					vtep("192.0.2.9:4789"),
				},
				SourcePort: SourcePortHash, TTL: TTL{Value: 1}, TOS: TOS{Inherit: true},
				DF: DFUnset, UDPChecksum: true, ReservedBits: ReservedReject, Flood: true,
			},
		}, {
			VNI: 3, Peers: Members{All: true},
			Device: Device{
				Kind: KindUserspace, Name: "vxm2",
				Addresses: []netip.Prefix{netip.MustParsePrefix("10.43.0.1/24")},
			},
			Userspace: &Userspace{
				SOCKS: "[::1]:1080",
				Forward: []Forward{
					{"tcp", "127.0.0.1:8080", "nas:80"}, {"udp", "192.0.2.1:53", "[fd42::5]:53"},
				},
				Publish: []Publish{
					{"tcp", 22, "127.0.0.1:22"}, {"udp", 22, "backup.example.net:2222"},
				},
			},
			FDB: FDB{
				Ageing: 5 * time.Minute, MaxEntries: 4096, MaxPerPort: 1024, Learn: true,
				Static: []Static{},
			},
		}},
		Peers: []Peer{
			{
				Name: "nas", Key: Key{1},
				Endpoints: []HostPort{
					"nas.example.net:42420", "192.0.2.20:1", "[2001:db8::20]:65535",
				},
			},
			{Name: "vps", Key: Key{2}, Endpoints: []HostPort{}, Keepalive: time.Hour},
		},
		Discovery: Discovery{STUN: []HostPort{}},
		Relay:     Relay{Serve: "false", Limit: 50_000_000},
		Security: Security{
			Identity: "/srv/lab.key", Admit: "listed", Cipher: "chacha20-poly1305",
		},
		Control: Control{Socket: "/run/lab.sock", Group: "wheel"},
		Metrics: Metrics{Listen: "[::1]:9742"},
		Log:     Log{Level: "debug", Format: "json"},
	}
	if diff := cmp.Diff(want, got, equate); diff != "" {
		t.Errorf("config differs (-want +got):\n%s", diff)
	}
	if !reflect.DeepEqual(want, got) {
		t.Error("reflect.DeepEqual says they differ")
	}
}

func TestShowParsesBack(t *testing.T) {
	for _, text := range []string{Example(), fullText} {
		cfg, err := Parse("x.toml", []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		again, err := Parse("show.toml", []byte(cfg.Show()))
		if err != nil {
			t.Fatalf("%v\n%s", err, cfg.Show())
		}
		if !reflect.DeepEqual(cfg, again) {
			t.Errorf("Show lost something:\n%s", cmp.Diff(cfg, again, equate))
		}
	}
}

func TestShowWritesEveryKey(t *testing.T) {
	cfg, err := Parse("full.toml", []byte(fullText))
	if err != nil {
		t.Fatal(err)
	}
	cfg.Peers = []Peer{{Name: "nas"}}
	cfg.Segments[0].Userspace = cfg.Segments[2].Userspace
	checkMentions(t, cfg.Show())
}

// checkMentions fails unless the file writes every key of the schema.
func checkMentions(t *testing.T, text string) {
	t.Helper()
	d, cfg := parse("x.toml", []byte(text))
	if cfg == nil {
		t.Fatal(d.problems)
	}
	eachKey(reflect.TypeFor[Config](), "", func(path string, _ bool) {
		if strings.HasPrefix(path, "segments.fdb.static.") {
			return // on one line, where not all stand
		}
		first := strings.NewReplacer("segments.", "segments[0].", "peers.", "peers[0].")
		if !d.has(first.Replace(path)) {
			t.Errorf("%s is not mentioned", path)
		}
	})
}

var commentedSetting = regexp.MustCompile(`(?m)^#(\S)`)

// TestExample checks the example against the schema: it is valid, it names every key, and what
// its commented lines show are the defaults.
func TestExample(t *testing.T) {
	cfg, err := Parse("example.toml", []byte(Example()))
	if err != nil {
		t.Fatal(err)
	}
	whole := commentedSetting.ReplaceAllString(Example(), "$1")
	checkMentions(t, whole)
	d, got := parse("whole.toml", []byte(whole))
	if len(d.problems) > 0 {
		t.Fatal(d.problems)
	}
	if len(got.Peers) != 1 {
		t.Fatalf("%d peers", len(got.Peers))
	}
	var peer Peer
	peer.setDefaults(0)
	peer.Name, peer.Key, peer.Endpoints = "nas", got.Peers[0].Key, got.Peers[0].Endpoints
	cfg.Peers = []Peer{peer}
	cfg.Segments[0].Userspace = new(Userspace)
	cfg.Segments[0].Userspace.setDefaults(0)
	if diff := cmp.Diff(cfg, got, equate); diff != "" {
		t.Errorf("commented lines are not the defaults (-default +shown):\n%s", diff)
	}
}

func TestMarshalJSON(t *testing.T) {
	cfg, err := Parse("x", []byte("network.name = \"home\"\n[[segments]]\nvni = 7\nvxlan.learn_new_vteps = true\n"))
	if err != nil {
		t.Fatal(err)
	}
	b, err := json.Marshal(cfg)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		`{"network":{"name":"home","node":"","state":"auto"},"listen":{"mesh":[],"vxlan":[":4789"]`,
		`"segments":[{"vni":7,"peers":"all","device":{"kind":"tap","name":"vxm0","mtu":"auto"`,
		`"fdb":{"ageing":"5m","max_entries":4096`, `"ttl":64,"tos":0`, `"limit":"50Mbit/s"`,
	} {
		if !strings.Contains(string(b), want) {
			t.Errorf("%s\nhas no %s", b, want)
		}
	}
}

func TestDiff(t *testing.T) {
	const head = "[network]\nname = \"home\"\n"
	const one = head + "[[segments]]\nvni = 1\nvxlan.remotes = [\"192.0.2.7\"]\n"
	const live = one + "vxlan.ttl = 9\nfdb.ageing = \"10m\"\ndevice.mtu = 1400\n" +
		"[log]\nlevel = \"debug\"\n"
	const device = "device.name = \"x\"\ndevice.mac = \"52:54:00:1a:22:01\"\n"
	const process = "[listen]\nvxlan = [\":8472\"]\n[control]\ngroup = \"wheel\"\n" +
		"[security]\ncipher = \"aes-256-gcm\"\n"
	for _, c := range []struct {
		name     string
		from, to string
		want     []Change
	}{
		{"nothing", one, one, nil},
		{"live keys", one, live, []Change{
			{"log.level", `"info"`, `"debug"`, Live},
			{"segments[1].device.mtu", `"auto"`, "1400", Live},
			{"segments[1].fdb.ageing", `"5m"`, `"10m"`, Live},
			{"segments[1].vxlan.ttl", "64", "9", Live},
		}},
		{"restart keys", one, strings.Replace(one, "home", "work", 1) + device + process, []Change{
			{"control.group", `""`, `"wheel"`, Restart},
			{"listen.vxlan", `[":4789"]`, `[":8472"]`, Restart},
			{"network.name", `"home"`, `"work"`, Restart},
			{"security.cipher", `"auto"`, `"aes-256-gcm"`, Restart},
			{"segments[1].device.mac", `"auto"`, `"52:54:00:1a:22:01"`, Restart},
			{"segments[1].device.name", `"vxm0"`, `"x"`, Restart},
		}},
		{"segment added", one, one + "[[segments]]\nvni = 10\nvxlan.learn_new_vteps = true\n", []Change{
			{"segments[10]", "", "present", Live},
		}},
		{"segment replaced", one, strings.Replace(one, "vni = 1", "vni = 2", 1), []Change{
			{"segments[1]", "present", "", Live}, {"segments[2]", "", "present", Live},
		}},
		{"kind", one, one + "device = { kind = \"userspace\", addresses = [\"auto\"] }\nuserspace.socks = \"[::1]:1\"\n", []Change{
			{"segments[1].device.addresses", "[]", `["auto"]`, Live},
			{"segments[1].device.kind", `"tap"`, `"userspace"`, Restart},
			{"segments[1].userspace", "", "present", Restart},
		}},
		{"remotes", one, strings.Replace(one, `7"]`, `7", "192.0.2.8:1"]`, 1), []Change{
			{"segments[1].vxlan.remotes", `["192.0.2.7"]`, `["192.0.2.7", "192.0.2.8:1"]`, Live},
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			from, err := Parse("from", []byte(c.from))
			if err != nil {
				t.Fatal(err)
			}
			to, err := Parse("to", []byte(c.to))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, Diff(from, to)); diff != "" {
				t.Errorf("changes differ (-want +got):\n%s", diff)
			}
		})
	}
}

func TestDiffTables(t *testing.T) {
	from, err := Parse("x", []byte(fullText))
	if err != nil {
		t.Fatal(err)
	}
	to, err := Parse("x", []byte(fullText))
	if err != nil {
		t.Fatal(err)
	}
	to.Segments[1].VXLAN = nil
	from.Segments[2].Userspace.Forward = nil
	to.Segments[2].Userspace.Forward = to.Segments[2].Userspace.Forward[:1]
	from.Peers = []Peer{{Name: "nas"}, {Name: "vps"}}
	to.Peers = []Peer{{Name: "nas", Relay: true}, {Name: "office"}}
	want := []Change{
		{"peers[nas].relay", "false", "true", Live},
		{"peers[office]", "", "present", Live},
		{"peers[vps]", "present", "", Live},
		{"segments[2].vxlan", "present", "", Live},
		{"segments[3].userspace.forward", "[]", `["tcp:127.0.0.1:8080=nas:80"]`, Live},
	}
	if diff := cmp.Diff(want, Diff(from, to)); diff != "" {
		t.Errorf("changes differ (-want +got):\n%s", diff)
	}
}

// TestWarnings: a proxy that others reach is worth a word, one of this machine alone is not.
func TestWarnings(t *testing.T) {
	for socks, want := range map[HostPort]string{
		"": "", "127.0.0.1:1": "", "[::1]:1": "", "localhost:1": "",
		"0.0.0.0:1080": `socks = "127.0.0.1:1080"`, "[::]:1": `socks = "127.0.0.1:1"`,
		"nas.example.net:1": `socks = "127.0.0.1:1"`,
	} {
		c := Config{Segments: []Segment{{VNI: 7, Userspace: &Userspace{SOCKS: socks}}, {}}}
		got := c.Warnings()
		if want == "" && len(got) > 0 || want != "" && (len(got) != 1 || got[0].Fix != want) {
			t.Errorf("%q: %+v, want %q", socks, got, want)
		}
	}
}

func TestRate(t *testing.T) {
	for text, want := range map[string]Rate{
		"50Mbit/s": 50e6, "1Gbit/s": 1e9, "64 kbit/s": 64e3, "1500bit/s": 1500, "0bit/s": 0,
	} {
		var r Rate
		if err := r.UnmarshalTOML(text); err != nil || r != want {
			t.Errorf("%q: %d, %v, want %d", text, r, err, want)
		}
		var again Rate
		if err := again.UnmarshalTOML(r.String()); err != nil || again != r {
			t.Errorf("%q became %q", text, r)
		}
	}
	for _, text := range []string{"", "50", "-1bit/s", "1.5Gbit/s", "99999999999Gbit/s", "Mbit/s"} {
		if err := new(Rate).UnmarshalTOML(text); err == nil {
			t.Errorf("%q was taken", text)
		}
	}
}
