package main

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/vxmesh/vxmesh/nat/stun"
	"github.com/vxmesh/vxmesh/tunnel/control"
	"github.com/vxmesh/vxmesh/tunnel/control/controltest"
)

func TestNetcheckText(t *testing.T) {
	t.Setenv("TZ", "UTC")
	n := controltest.New()
	socket := n.Serve(t)
	until := controltest.Netcheck().PortMapping.Until.Local().Format("15:04")
	vxmesh(t, "netcheck", "--socket", socket).want(t, exitOK, strings.ReplaceAll(`
UDP            yes   IPv4 198.51.100.21:31877   IPv6 [2001:db8:1::5]:31877
IPv4 NAT       mapping independent, port kept, strangers blocked       (easy: direct with all but random-port NATs)
port mapping   PCP yes (198.51.100.21:31877 until UNTIL, strangers get in)   UPnP no   NAT-PMP yes
IPv6           no NAT, strangers blocked                               (easy: direct with all but random-port NATs)
LAN            nas (192.168.1.9)
reflectors     vps1 11.0ms, pi4 19.0ms         STUN servers: not needed
relays         vps1 11.0ms (in use by 1 peer), vps2 38.0ms
peers          1 of 3 reached directly
peer           office   relayed via vps1 31.0ms, because the NATs of both give every destination another port; would be direct with a port mapping here or there, or IPv6 at both
peer           pi       down, because nothing answers at its addresses
`, "UNTIL", until))
}

// TestNetcheckTextBlocked: nothing gets out, which is exit code 1.
func TestNetcheckTextBlocked(t *testing.T) {
	n := controltest.New()
	n.SetNetcheck(control.Netcheck{
		Node: true, UDP: control.No, STUN: control.STUNAsked,
		IPv4:    control.NetFamily{Addresses: []string{"192.168.1.10"}, UDP: control.No},
		IPv6:    control.NetFamily{UDP: control.No, Reason: "send to [2001:db8::1]:1: network is unreachable"},
		LeftOut: []string{"the STUN server x does not resolve"},
	})
	r := vxmesh(t, "netcheck", "--socket", n.Serve(t))
	r.want(t, exitFailed, `
UDP            no    nobody who was asked answers: a firewall seems to block it
IPv4           nothing comes back
port mapping   not tested: off, or there is no router that could be asked
IPv6           no address
reflectors     none                            STUN servers: asked
relays         none
peers          0 of 0 reached directly

Not found out:
  the STUN server x does not resolve
`)
	if r.errOut != "checking the network ...\nthe network ok\n" {
		t.Errorf("%+v", r)
	}
}

func TestNetcheckWords(t *testing.T) {
	for want, f := range map[string]control.NetFamily{
		"mapping varies, ports counted by 2":                  {Mapping: control.MappingVaries, Step: 2},
		"mapping varies, ports at random":                     {Mapping: control.MappingVaries},
		"mapping independent, port changed, strangers get in": {Mapping: control.MappingIndependent, Strangers: control.FilteringOpen},
		"no NAT, strangers blocked by address":                {Mapping: control.MappingNone, Strangers: control.FilteringAddress},
		"mapping not known":                                   {Mapping: control.MappingUnknown},
	} {
		if got := natText(f) + strangersText(f); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	n := control.Netcheck{PortMapping: control.PortMapping{Tested: true, UPnP: true, External: "100.64.1.8"}}
	n.IPv4.Outside = []string{"198.51.100.21"}
	if got := mappingText(n); !strings.Contains(got, "PCP no   UPnP yes") || !strings.Contains(got, "another NAT behind it") {
		t.Errorf("%q", got)
	}
	n.PortMapping = control.PortMapping{Tested: true}
	if got := mappingText(n); got != "the router offers none" {
		t.Errorf("%q", got)
	}
}

// stunServer answers on loopback until the test ends.
func stunServer(t *testing.T) netip.AddrPort {
	t.Helper()
	c, err := net.ListenUDP("udp4", net.UDPAddrFromAddrPort(netip.MustParseAddrPort("127.0.0.1:0")))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	go func() {
		server, buf := new(stun.Server), make([]byte, 1500)
		for {
			n, from, err := c.ReadFromUDPAddrPort(buf)
			if err != nil {
				return
			}
			if a, outcome := server.Answer(nil, 0, buf[:n], from); outcome == stun.Answered {
				_, _ = c.WriteToUDPAddrPort(a, from)
			}
		}
	}()
	return c.LocalAddr().(*net.UDPAddr).AddrPort()
}

// TestNetcheckWithoutNode does what a file is enough for.
func TestNetcheckWithoutNode(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "alone.toml")
	text := fmt.Sprintf("[network]\nname = %q\nstate = %q\n[discovery]\nportmap = false\nstun = [%q]\n"+
		"[[segments]]\nvni = 7\n", "alone", filepath.Join(dir, "state"), stunServer(t))
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	r := vxmesh(t, "netcheck", "-n", file)
	for _, want := range []string{
		"UDP            yes", "IPv4 127.0.0.1", "STUN servers: asked", "no node runs here", "no identity yet",
	} {
		if r.code != exitOK || !strings.Contains(r.out, want) {
			t.Errorf("no %q in %+v", want, r)
		}
	}
	if strings.Contains(r.out, "relays") {
		t.Errorf("%s", r.out)
	}
	r = vxmesh(t, "netcheck", "-n", filepath.Join(dir, "other.toml"))
	if r.code != exitNoNode || r.out != "" {
		t.Errorf("%+v", r)
	}
	if err := os.WriteFile(file, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	if r = vxmesh(t, "netcheck", "-n", file); r.code != exitConfig || r.out != "" {
		t.Errorf("%+v", r)
	}
}

func TestPingPathsText(t *testing.T) {
	n := controltest.New()
	socket := n.Serve(t)
	vxmesh(t, "ping", "nas", "--paths", "--socket", socket).want(t, exitOK, `
WAY                KNOWN    RTT        USE
192.0.2.20:42420   learned  0.40ms     in use
203.0.113.9:42420  static   no answer  -
via vps1           relay    31.0ms     -
`)
	mtu := n.Backend().Peers().Peers[0].Path.MTU
	vxmesh(t, "ping", "nas", "--mtu", "--socket", socket).want(t, exitOK,
		fmt.Sprintf("nas (192.0.2.20:42420): the path carries %d bytes\n", mtu))
	r := vxmesh(t, "ping", "office", "--paths", "--socket", socket)
	if r.code != exitTimeout || !strings.Contains(r.errOut, "office is down") {
		t.Errorf("%+v", r)
	}
	r = vxmesh(t, "ping", "nsa", "--paths", "--socket", socket)
	if r.code != exitNotFound || !strings.Contains(r.errOut, `did you mean "nas"?`) {
		t.Errorf("%+v", r)
	}
	r = vxmesh(t, "ping", "nas", "--paths", "-c", "2", "--socket", socket)
	if r.code != exitUsage || !strings.Contains(r.errOut, "go with neither") {
		t.Errorf("%+v", r)
	}
}
