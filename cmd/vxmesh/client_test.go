package main

import (
	"bytes"
	"context"
	"encoding/json"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/vxmesh/vxmesh/tunnel/control"
	"github.com/vxmesh/vxmesh/tunnel/control/controltest"
)

// A result is how a command ended.
type result struct {
	code        int
	out, errOut string
}

// vxmesh runs a command in this process.
func vxmesh(t *testing.T, args ...string) result {
	t.Helper()
	return vxmeshUntil(t.Context(), args...)
}

func vxmeshUntil(ctx context.Context, args ...string) (r result) {
	var out, errOut bytes.Buffer
	r.code = new(globals).run(ctx, args, strings.NewReader(""), &out, &errOut)
	r.out, r.errOut = out.String(), errOut.String()
	return r
}

func (r result) want(t *testing.T, code int, out string) {
	t.Helper()
	if r.code != code {
		t.Errorf("exit code %d, want %d: %s", r.code, code, r.errOut)
	}
	if diff := cmp.Diff(strings.TrimPrefix(out, "\n"), r.out); diff != "" {
		t.Errorf("output (-want +got):\n%s", diff)
	}
}

// clientCommands are the commands that need a node, with the least they take.
var clientCommands = [][]string{
	{"status"},
	{"status", "--watch"},
	{"fdb"},
	{"fdb", "show"},
	{"fdb", "add", "52:54:00:1a:22:01", "192.0.2.7"},
	{"fdb", "del", "52:54:00:1a:22:01"},
	{"fdb", "flush", "--all"},
	{"stats"},
	{"log"},
	{"events"},
	{"capture", "-w", "-"},
	{"debug", "packets"},
	{"debug", "stacks"},
	{"debug", "profile", "heap"},
	{"reload"},
	{"peers"},
	{"ping", "nas"},
	{"why", "nas"},
	{"netcheck"},
	{"ping", "nas", "--paths"},
	{"hosts"},
	{"peer", "show", "nas"},
}

func TestClientHelp(t *testing.T) {
	for _, args := range clientCommands {
		r := vxmesh(t, append(args, "--help")...)
		if r.code != exitOK || !strings.Contains(r.out, "Usage:") || r.errOut != "" {
			t.Errorf("%v --help: %+v", args, r)
		}
	}
}

func TestClientUnknownFlag(t *testing.T) {
	for _, args := range clientCommands {
		r := vxmesh(t, append(args, "--zzz")...)
		if r.code != exitUsage || !strings.Contains(r.errOut, "unknown flag: --zzz") {
			t.Errorf("%v --zzz: %+v", args, r)
		}
	}
}

func TestClientNoNode(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "home.sock")
	for _, args := range clientCommands {
		r := vxmesh(t, append(args, "--socket", socket)...)
		want := "vxmesh: no node answers on " + socket + "\n"
		if r.code != exitNoNode || !strings.Contains(r.errOut, want) || r.out != "" {
			t.Errorf("%v: %+v", args, r)
		}
		r = vxmesh(t, append(args, "--socket", socket, "--json")...)
		if e := errorOf(t, r); r.code != exitNoNode || e.Code != control.CodeNoNode {
			t.Errorf("%v --json: %+v", args, r)
		}
	}
	r := vxmesh(t, "status", "--network", "no-such-network")
	if r.code != exitNoNode ||
		!strings.HasPrefix(r.errOut, "vxmesh: no node answers for network no-such-network\n  run it") {
		t.Errorf("%+v", r)
	}
}

func errorOf(t *testing.T, r result) (e control.Error) {
	t.Helper()
	if err := json.Unmarshal([]byte(r.errOut), &e); err != nil {
		t.Errorf("%v: %s", err, r.errOut)
	}
	return e
}

func TestPickNode(t *testing.T) {
	home := control.Network{Name: "home", Socket: "/run/home"}
	lab := control.Network{Name: "lab", Socket: "/run/lab"}
	for _, tt := range []struct {
		network string
		running []control.Network
		socket  string
		code    int
		message string
	}{
		{"", []control.Network{home}, "/run/home", exitOK, ""},
		{"lab", []control.Network{home, lab}, "/run/lab", exitOK, ""},
		{"", []control.Network{home, lab}, "", exitUsage, "several networks run here: home, lab"},
		{"", nil, "", exitNoNode, "no node runs on this machine"},
		{"x", []control.Network{home}, "", exitNoNode, "no node answers for network x"},
	} {
		c, err := pickNode(tt.network, tt.running)
		var text strings.Builder
		code := printError(&text, err, false)
		if c.Socket != tt.socket || code != tt.code || !strings.Contains(text.String(), tt.message) {
			t.Errorf("%q of %v: %v, %d, %s", tt.network, tt.running, c, code, text.String())
		}
	}
}

func TestClientBadArguments(t *testing.T) {
	socket := controltest.New().Serve(t)
	for _, tt := range []struct{ args, message string }{
		{"status x y", "takes no more than 1 argument"},
		{"status x -n y", "there are two networks: x and --network y"},
		{"status --watch=1ms", "at least 100ms"},
		{"status --watch --check", "take one of them"},
		{"fdb shw", `did you mean "show"?`},
		{"fdb add 52:54:00:1a:22:01", "something is missing: `vxmesh fdb add MAC PORT [flags]`"},
		{"fdb add 52:54 device", "not a MAC address"},
		{"fdb add 01:00:5e:00:00:01 device", "not the address of one station"},
		{"fdb add 52:54:00:1a:22:01 device --vlan 4095", "at most 4094"},
		{"fdb add 52:54:00:1a:22:01 device --vni 16777216", "at most 16777215"},
		{"fdb del x", "not a MAC address"},
		{"fdb flush", "say what to flush"},
		{"fdb flush --all --vlan 0", "goes with no port"},
		{"fdb flush --mac x", "not a MAC address"},
		{"ping", "something is missing: `vxmesh ping PEER|--overlay HOST [flags]`"},
		{"ping nas -c 0", "--count is at least 1"},
		{"ping nas -i 9ms", "--interval is at least 10ms"},
		{"ping nas -W 0s", "--timeout is more than 0"},
		{"ping nas -W 11s", "at most 10s"},
		{"ping nas -s 65536", "size is a number from 0 to 65535"},
		{"why", "something is missing: `vxmesh why PEER [flags]`"},
		{"peers nas x", "takes no more than 1 argument"},
		{"log --level loud", "level is error, warn, info or debug"},
		{"capture", "say where to"},
		{"capture -w - --snaplen=-1", "--snaplen is a number"},
	} {
		r := vxmesh(t, append(strings.Fields(tt.args), "--socket", socket)...)
		if r.code != exitUsage || !strings.Contains(r.errOut, tt.message) || r.out != "" {
			t.Errorf("%s: %+v", tt.args, r)
		}
	}
}

func TestStatusText(t *testing.T) {
	t.Setenv("LC_ALL", "C.UTF-8")
	got := statusText(controltest.Status(), nil, controltest.Start.Add(5*time.Minute))
	const want = `
home   vni 4242   vxm0 (tap → br0)   10.42.0.11/24   mtu 1450   up 3d04h
node   pve1, degraded, udp [::]:4789

PEER    STATE   PATH  REMOTE            RTT     LOSS  SEEN   REASON
nas     direct  udp4  192.0.2.20:42420  0.40ms  0.0%  1m00s  -
office  down    -     -                 -       -     -      no_answer

VNI   VTEP                KIND    STATE        MTU   REASON
4242  192.0.2.7           remote  ok           1450  -
4242  [2001:db8::7]:8472  remote  unreachable  -     port unreachable

VNI   GUEST  ADDRESSES      MAC                FOR
4242  curl   10.42.0.77/24  52:54:00:1a:22:0b  5m00s

1 warning
  nobody listens at [2001:db8::7]:8472
    start the VTEP there or remove it from remotes
`
	if diff := cmp.Diff(want[1:], got); diff != "" {
		t.Errorf("status (-want +got):\n%s", diff)
	}
	r := vxmesh(t, "status", "--socket", controltest.New().Serve(t))
	if r.code != exitOK || !strings.HasPrefix(r.out, "home   vni 4242") {
		t.Errorf("%+v", r)
	}
	t.Setenv("LC_ALL", "C")
	if got := statusText(controltest.Status(), nil, controltest.Start); !strings.Contains(got, "(tap -> br0)") {
		t.Errorf("not ASCII: %s", got)
	}
}

func TestStatusCheck(t *testing.T) {
	n := controltest.New()
	socket := n.Serve(t)
	if r := vxmesh(t, "status", "--check", "--socket", socket); r.code != exitDegraded ||
		r.out == "" || r.errOut != "" {
		t.Errorf("degraded: %+v", r)
	}
	s := controltest.Status()
	s.State, s.Warnings, s.Peers = control.StateUp, nil, s.Peers[:1]
	n.SetStatus(s)
	if r := vxmesh(t, "status", "--check", "--socket", socket); r.code != exitOK {
		t.Errorf("up: %+v", r)
	}
	s.Peers = []control.Peer{{Name: "nas", State: control.PeerDown}}
	n.SetStatus(s)
	if r := vxmesh(t, "status", "--check", "--socket", socket); r.code != exitDegraded {
		t.Errorf("peer down: %+v", r)
	}
}

func TestStatusWatch(t *testing.T) {
	socket := controltest.New().Serve(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	lines := cancelAfter{n: 2, cancel: cancel}
	args := []string{"status", "--watch=100ms", "--json", "--socket", socket}
	if code := new(globals).run(ctx, args, nil, &lines, &lines); code != exitOK {
		t.Errorf("exit code %d: %s", code, lines.String())
	}
	if got := strings.Count(lines.String(), `{"schema":"vxmesh.status/1"`); got != 2 {
		t.Errorf("%d statuses: %s", got, lines.String())
	}
}

// cancelAfter interrupts a command once it has written so many lines.
type cancelAfter struct {
	bytes.Buffer
	n      int
	cancel func()
	onLine func() // called after every write before the last; may be nil
}

// Write implements [io.Writer].
func (c *cancelAfter) Write(b []byte) (int, error) {
	if c.n -= bytes.Count(b, []byte("\n")); c.n <= 0 {
		c.cancel()
	} else if c.onLine != nil {
		c.onLine()
	}
	return c.Buffer.Write(b)
}

func TestFDBText(t *testing.T) {
	socket := controltest.New().Serve(t)
	const want = `
VNI   VLAN  MAC                PORT           ENTRY    AGE  MOVES
4242  -     52:54:00:1a:22:0a  device (vxm0)  local    -    0
4242  20    52:54:00:1a:22:01  192.0.2.7      learned  12s  2
4242  -     52:54:00:1a:22:02  192.0.2.7      static   -    0
4242  -     52:54:00:1a:22:03  nas            learned  3s   0
`
	vxmesh(t, "fdb", "--socket", socket).want(t, exitOK, want)
	vxmesh(t, "fdb", "show", "--vni", "4242", "--socket", socket).want(t, exitOK, want)
	vxmesh(t, "fdb", "--vni", "7", "--socket", socket).want(t, exitOK, "")
}

func TestFDBChanges(t *testing.T) {
	n := controltest.New()
	socket := n.Serve(t)
	mac, vlan := controltest.MAC(1), uint16(0)
	do := func(args, out string) {
		t.Helper()
		vxmesh(t, append(strings.Fields(args), "--socket", socket)...).want(t, exitOK, out)
	}
	do("fdb add 52:54:00:1a:22:01 192.0.2.7 --vni 4242 --vlan 20", "added 1 entry in segment 4242\n")
	do("fdb del 52:54:00:1a:22:01 device", "removed 1 entry in segment 4242\n")
	do("fdb flush --vlan 0 --mac 52:54:00:1a:22:01", "removed 3 entries in segment 4242\n")
	do("fdb flush --port nas --vni 4242", "removed 3 entries in segment 4242\n")
	do("fdb flush --all", "removed 3 entries in segment 4242\n")
	want := []any{
		control.FDBAdd{VNI: 4242, VLAN: 20, MAC: mac, Port: "192.0.2.7"},
		control.FDBDel{MAC: mac, Port: "device"},
		control.FDBFlush{VLAN: &vlan, MAC: &mac},
		control.FDBFlush{VNI: 4242, Port: "nas"},
		control.FDBFlush{All: true},
	}
	if diff := cmp.Diff(want, n.Requests()); diff != "" {
		t.Errorf("what the node was asked (-want +got):\n%s", diff)
	}
	n.Refuse(control.Errorf(control.CodeNotFound, "nothing knows 52:54:00:1a:22:01"))
	r := vxmesh(t, "fdb", "del", "52:54:00:1a:22:01", "--socket", socket)
	if r.code != exitNotFound || r.errOut != "vxmesh: nothing knows 52:54:00:1a:22:01\n" {
		t.Errorf("%+v", r)
	}
}

func TestStatsText(t *testing.T) {
	r := vxmesh(t, "stats", "--socket", controltest.New().Serve(t))
	r.want(t, exitOK, strings.TrimPrefix(statsWant, "\n"))
}

const statsWant = `
VNI   RX FRAMES  RX BYTES  TX FRAMES  TX BYTES  FLOODED  DROPPED  FDB  LEARNED  MOVED  AGED  REFUSED
4242  1000       1.5 MB    2000       3.0 MB    12       5        4    5        2      4     6

VNI   VTEP       RX FRAMES  RX BYTES  TX FRAMES  TX BYTES  DROPPED
4242  192.0.2.7  1000       1.5 MB    2000       3.0 MB    0

VNI   GUEST  RX FRAMES  RX BYTES  TX FRAMES  TX BYTES  DROPPED
4242  curl   20         2.0 kB    30         30.0 kB   0

PEER    RX FRAMES  RX BYTES  RX DATAGRAMS  TX FRAMES  TX BYTES  TX DATAGRAMS  HANDSHAKES  DROPPED
nas     300000     412.0 MB  310000        40000      38.0 MB   41000         3           2
office  0          0 B       0             0          0 B       12            0           7

SOCKET         RX DATAGRAMS  RX BYTES  TX DATAGRAMS  TX BYTES  LOST IN KERNEL  DROPPED
udp [::]:4789  1010          1.6 MB    2000          3.1 MB    3               9

PROXY    LISTEN              TO      OPEN  TOTAL  REFUSED  FAILED  RX BYTES  TX BYTES
forward  tcp 127.0.0.1:8080  nas:80  2     40     1        3       900.0 kB  5.0 kB

DROPPED AT     REASON       COUNT
segment 4242   own_mac      1
segment 4242   too_big      4
peer nas       replay       2
peer office    no_session   7
udp [::]:4789  vni_unknown  9
`

// TestOneObjectOfJSON checks every command that answers once.
func TestOneObjectOfJSON(t *testing.T) {
	socket := controltest.New().Serve(t)
	for args, schema := range map[string]string{
		"status":                             control.SchemaStatus,
		"fdb":                                control.SchemaFDB,
		"fdb show --vni 7":                   control.SchemaFDB,
		"stats":                              control.SchemaStats,
		"fdb flush --all":                    control.SchemaFDBResult,
		"fdb add 52:54:00:1a:22:01 device":   control.SchemaFDBResult,
		"fdb del 52:54:00:1a:22:01 --vlan 2": control.SchemaFDBResult,
		"reload":                             control.SchemaReload,
		"peers":                              control.SchemaPeers,
		"why office":                         control.SchemaWhy,
		"netcheck":                           control.SchemaNetcheck,
		"ping nas --paths":                   control.SchemaPingPaths,
		"hosts":                              "vxmesh.hosts/1",
		"peer show nas":                      "vxmesh.peer/1",
		"ping nas -c 2 -i 10ms":              "vxmesh.ping_summary/1",
	} {
		r := vxmesh(t, append(strings.Fields(args), "--json", "--socket", socket)...)
		var got struct{ Schema string }
		err := json.Unmarshal([]byte(r.out), &got)
		if err != nil || got.Schema != schema || r.code != exitOK ||
			strings.Contains(strings.ReplaceAll(r.out, `"path": null`, ""), "null") {
			t.Errorf("%s: %v: %+v", args, err, r)
		}
	}
}

func TestReloadText(t *testing.T) {
	n := controltest.New()
	socket := n.Serve(t)
	vxmesh(t, "reload", "--socket", socket).want(t, exitOK, "home: nothing changed\n")
	n.SetChanges(
		control.Change{
			Key: "segments[4242].fdb.ageing", Old: "5m0s", New: "10m0s", Class: control.ChangeApplied,
		},
		control.Change{
			Key: "segments[4242].device.name", Old: "vxm0", Class: control.ChangeNeedsRestart,
		},
	)
	vxmesh(t, "reload", "--socket", socket).want(t, exitOK, `
home: 2 changes
  applied          segments[4242].fdb.ageing   5m0s -> 10m0s
  needs a restart  segments[4242].device.name  vxm0 -> (none)
`)
	n.Refuse(&control.Error{
		Code: control.CodeConfig, Message: "home.toml has 1 error",
		Details: []string{"home.toml:3:5: unknown key vnis; did you mean vni?"},
	})
	r := vxmesh(t, "reload", "--socket", socket)
	want := "home.toml:3:5: unknown key vnis; did you mean vni?\nvxmesh: home.toml has 1 error\n"
	if r.code != exitConfig || r.errOut != want {
		t.Errorf("%+v", r)
	}
}

// TestNodeThatNeverAnswers gives up when it is interrupted.
func TestNodeThatNeverAnswers(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "home.sock")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	r := vxmeshUntil(ctx, "status", "--socket", socket)
	if r.code != exitTimeout || !strings.Contains(r.errOut, "takes too long to answer") {
		t.Errorf("%+v", r)
	}
}

func TestCaptureFile(t *testing.T) {
	n := controltest.New()
	socket, file := n.Serve(t), filepath.Join(t.TempDir(), "home.pcapng")
	if err := os.WriteFile(file, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	n.Refuse(control.Errorf(control.CodeNotFound, "there is no segment 7"))
	r := vxmesh(t, "capture", "--vni", "7", "-w", file, "--socket", socket)
	if b, err := os.ReadFile(file); r.code != exitNotFound || string(b) != "precious" || err != nil {
		t.Errorf("refused: %+v, the file is now %q, %v", r, b, err)
	}
	n.Refuse(nil)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	done := make(chan result, 1)
	go func() { done <- vxmeshUntil(ctx, "capture", "--vni", "7", "-w", file, "--socket", socket) }()
	const want = "capture of 7, 0 bytes"
	waitFor(t, "the capture in the file", func() bool {
		b, _ := os.ReadFile(file)
		return string(b) == want
	})
	cancel()
	if r := <-done; r.code != exitOK || r.out != "" || r.errOut != file+": 21 B\n" {
		t.Errorf("%+v", r)
	}
	below := filepath.Join(file, "below")
	r = vxmesh(t, "capture", "-w", below, "--socket", socket)
	if r.code != exitFailed || !strings.HasPrefix(r.errOut, "vxmesh: open "+below+": ") {
		t.Errorf("unwritable: %+v", r)
	}
}

// waitFor waits for a condition that another goroutine brings about.
func waitFor(t *testing.T, what string, ok func() bool) {
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
