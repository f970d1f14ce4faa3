//go:build linux && lab

// What a machine finds out about its own NAT, and other people's tools about a node.
//
//	A vxm0 10.0.0.1 - NAT --- internet --- pub, second: nodes
//	                              +------- coturn, at two addresses
//
// Nobody asks a public STUN server.

package lab

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/vxmesh/vxmesh/lab/natlab"
	"github.com/vxmesh/vxmesh/lab/netns"
)

// A netcheck is what the program prints, as far as the lab looks.
type netcheck struct {
	Schema string    `json:"schema"`
	Node   bool      `json:"node"`
	UDP    string    `json:"udp"`
	IPv4   netFamily `json:"ipv4"`

	Reflectors []struct {
		Name string `json:"name"`
		Sees string `json:"sees"`
	} `json:"reflectors"`
	STUN string `json:"stun"`
}

type netFamily struct {
	UDP       string   `json:"udp"`
	Outside   []string `json:"outside"`
	Mapping   string   `json:"mapping"`
	PortKept  bool     `json:"port_kept"`
	Strangers string   `json:"strangers"`
	Class     string   `json:"class"`
}

// runNetcheck runs the command, which may take 3 seconds; ok is whether it ended with exit code 0.
func runNetcheck(t *testing.T, h *netns.NS, args ...string) (n netcheck, ok bool) {
	t.Helper()
	begin := time.Now()
	out, err := h.RunArgs(append([]string{program, "netcheck", "--json"}, args...)...)
	const start = time.Second // of the program, where the machine is busy
	if took := time.Since(begin); took > 3*time.Second+start {
		t.Errorf("netcheck took %v", took)
	}
	if err != nil && !strings.Contains(err.Error(), "exit status 1") {
		t.Fatalf("netcheck: %v", err)
	}
	need(t, json.Unmarshal([]byte(out), &n))
	return n, err == nil
}

// coturn starts a STUN server with the two addresses that questions about filters need.
func coturn(t *testing.T, i *natlab.Internet) [2]netip.Addr {
	t.Helper()
	h := i.Public("coturn")
	second, _ := h.AddAddress()
	dir := t.TempDir()
	proc, err := h.Start(netns.StartOptions{Dir: dir, Args: []string{
		"turnserver", "-n", "--no-cli", "--no-tls", "--no-dtls", "--no-auth",
		"-L", h.Inside.String(), "-L", second.String(), "-p", "3478", "--alt-listening-port", "3479",
		"--db", filepath.Join(dir, "db"), "--pidfile", filepath.Join(dir, "pid"), "-l", "stdout",
	}})
	need(t, err)
	t.Cleanup(func() {
		proc.Kill()
		if t.Failed() {
			t.Logf("coturn:\n%s", proc.Output())
		}
	})
	eventually(t, func() error {
		text, err := h.ReadFile("/proc/net/udp")
		if n := strings.Count(text, ":0D96 ") + strings.Count(text, ":0D97 "); err == nil && n < 4 {
			err = fmt.Errorf("coturn has %d sockets, want one for each address and port", n)
		}
		return err
	})
	return [2]netip.Addr{h.Inside, second}
}

// TestNetcheck: the right class with two members to ask, and with coturn and no node; and that nothing gets
// out is said in time.
func TestNetcheck(t *testing.T) {
	t.Parallel()
	for kind, want := range map[string]netFamily{
		"port":     {UDP: "yes", Mapping: "independent", PortKept: true, Strangers: "blocked", Class: "easy"},
		"fullcone": {UDP: "yes", Mapping: "independent", PortKept: true, Strangers: "open", Class: "open"},
		"symrand":  {UDP: "yes", Mapping: "varies", Strangers: "blocked", Class: "hard"},
		"block":    {UDP: "no", Mapping: "unknown", Strangers: "unknown", Class: "unknown"},
	} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			p := newNATPair(t, kind, "open")
			servers := coturn(t, p.internet)
			a := p.nodes[0]
			a.start()
			a.waitUp()
			if want.UDP == "yes" {
				a.waitPeer("pub", "direct", "")
				a.waitPeer("second", "direct", "")
			}
			n, ok := runNetcheck(t, a.NS, "--socket", a.socket)
			checkNode(t, n, ok, want, p.sites[0].Outside())

			n, ok = runNetcheck(t, a.NS, "-n", aloneConfig(t, servers))
			n.IPv4.Outside = nil
			if got := fmt.Sprint(n.IPv4); n.Node || n.UDP != want.UDP || ok != (want.UDP == "yes") || got != fmt.Sprint(want) {
				t.Errorf("with coturn: %s, want %v: %+v", got, want, n)
			}
		})
	}
}

// checkNode compares what a node says with what is so. Its two peers cannot tell whether strangers get in.
func checkNode(t *testing.T, n netcheck, ok bool, want netFamily, outside netip.Addr) {
	t.Helper()
	f := n.IPv4
	if n.Schema != "vxmesh.netcheck/1" || !n.Node || n.UDP != want.UDP || ok != (want.UDP == "yes") ||
		f.Mapping != want.Mapping || f.PortKept != want.PortKept || n.STUN != "off" {
		t.Errorf("%+v, want %+v", n, want)
	}
	if want.UDP != "yes" {
		return
	}
	if len(f.Outside) == 0 || !strings.HasPrefix(f.Outside[0], outside.String()) || len(n.Reflectors) < 2 {
		t.Errorf("%+v, want it at %v", n, outside)
	}
}

// aloneConfig is the file of a node that does not run and knows nobody but the servers.
func aloneConfig(t *testing.T, servers [2]netip.Addr) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "alone.toml")
	text := fmt.Sprintf("[network]\nname = \"alone\"\nstate = %q\n[discovery]\nstun = [\"%v:3478\", \"%v:3478\"]\n"+
		"[[segments]]\nvni = 100\n", filepath.Join(t.TempDir(), "state"), servers[0], servers[1])
	need(t, os.WriteFile(file, []byte(text), 0o600))
	return file
}

// TestSTUNTools: coturn's clients ask a node's mesh port while sealed and plain traffic runs.
func TestSTUNTools(t *testing.T) {
	t.Parallel()
	a, b := newSealedPair(t, v4)
	for k, n := range []*node{a, b} {
		n.write(overlay(k+1), segment{
			vni: 200, device: "vxm1", remotes: []string{v4.addr(2 - k)},
			addresses: []string{fmt.Sprintf("10.0.1.%d/24", k+1)}, peers: "[]",
		})
	}
	joinAll(a, b)
	for _, to := range []string{"10.0.0.2", "10.0.1.2"} {
		a.ping(to, 56)
		flood, err := a.Start(netns.StartOptions{Args: []string{"ping", "-n", "-q", "-i", "0.002", "-s", "1200", to}})
		need(t, err)
		t.Cleanup(flood.Kill)
	}
	port := fmt.Sprint(meshPort)
	for range 5 {
		out, err := b.RunArgs("timeout", "10", "turnutils_stunclient", "-L", v4.addr(2), "-p", port, v4.addr(1))
		need(t, err)
		expectWords(t, out, "UDP reflexive addr: "+v4.addr(2)+":")
	}
	out, err := b.RunArgs("timeout", "10", "turnutils_natdiscovery", "-m", "-f", "-L", v4.addr(2), "-p", port, v4.addr(1))
	need(t, err)
	expectWords(t, out, "UDP reflexive addr: "+v4.addr(2)+":")
	a.ping("10.0.0.2", 1400)
	a.ping("10.0.1.2", 1200)
	if n := a.meshDrops("replay") + a.meshDrops("malformed"); n != 0 {
		t.Errorf("%d datagrams were dropped", n)
	}
}

// TestPingPaths: the ways to a peer, one line each.
func TestPingPaths(t *testing.T) {
	t.Parallel()
	p := newNATPair(t, "port", "port")
	p.start()
	p.nodes[0].firstPing("10.0.0.2")
	p.waitDirect()
	out := p.nodes[0].mustCtl("ping", "b", "--paths")
	expectWords(t, out, "WAY", p.sites[1].Outside().String(), "in use", "ms", "via pub", "relay")
	expectJSON(t, p.nodes[0], "vxmesh.ping_paths/1", map[string]any{"peer": "b"}, "ping", "b", "--paths")
}
