package natlab

import (
	"fmt"
	"net"
	"net/netip"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/vxmesh/vxmesh/lab/netns"
)

// newNS makes a namespace that goes with the test. Its addresses work at once, it asks nobody for
// others, and it takes packets from wherever they come.
func newNS(t testing.TB, name string, forwards bool) *netns.NS {
	t.Helper()
	ns, err := netns.New(name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ns.Close() })
	set := map[string]string{
		"net.ipv4.conf.%s.rp_filter":            "0",
		"net.ipv4.conf.%s.send_redirects":       "0",
		"net.ipv4.conf.%s.promote_secondaries":  "1",
		"net.ipv6.conf.%s.accept_dad":           "0",
		"net.ipv6.conf.%s.accept_ra":            "0",
		"net.ipv6.conf.%s.router_solicitations": "0",
		"net.ipv6.conf.%s.keep_addr_on_down":    "1",
	}
	for key, value := range set {
		sysctl(t, ns, fmt.Sprintf(key, "all"), value)
		sysctl(t, ns, fmt.Sprintf(key, "default"), value)
	}
	if forwards {
		sysctl(t, ns, "net.ipv4.ip_forward", "1")
		sysctl(t, ns, "net.ipv6.conf.all.forwarding", "1")
		// Where the kernel has them, they would send what is bridged through the router's rules,
		// and a hairpin back to the port it came from, where it is dropped.
		for _, tool := range []string{"iptables", "ip6tables"} {
			_ = ns.Sysctl("net.bridge.bridge-nf-call-"+tool, "0")
		}
	}
	return ns
}

func sysctl(t testing.TB, ns *netns.NS, key, value string) {
	t.Helper()
	if err := ns.Sysctl(key, value); err != nil {
		t.Fatalf("%s: set %s: %v", ns.Name(), key, err)
	}
}

// ip runs commands of ip(8), one a line, and stops at the first that fails. Of IPv6 addresses, which
// are given as "address add|replace ADDR/BITS dev DEVICE nodad", others can find the neighbour then.
func ip(t testing.TB, ns *netns.NS, lines ...string) {
	t.Helper()
	script(t, ns, strings.Join(lines, "\n")+"\n", "ip", "-batch", "-")
	for _, line := range lines {
		if f := strings.Fields(line); f[len(f)-1] == "nodad" {
			listens(t, ns, f[4], netip.MustParsePrefix(f[2]).Addr())
		}
	}
}

// listens waits until a device hears neighbour solicitations for an address, which the kernel sees
// to in its own time. One that is not heard is repeated only after a second.
func listens(t testing.TB, ns *netns.NS, device string, a netip.Addr) {
	t.Helper()
	b := a.As16()
	group := fmt.Sprintf("ff0200000000000000000001ff%x", b[13:])
	err := netns.Eventually(10*time.Second, func() error {
		text, err := ns.ReadFile("/proc/net/igmp6")
		if err != nil {
			return err
		}
		for line := range strings.Lines(text) {
			if f := strings.Fields(line); f[1] == device && f[2] == group {
				return nil
			}
		}
		return fmt.Errorf("%s: %s does not listen for %v", ns.Name(), device, a)
	})
	if err != nil {
		t.Fatal(err)
	}
}

// nft loads rules, all of them or none.
func nft(t testing.TB, ns *netns.NS, rules string) {
	t.Helper()
	script(t, ns, rules, "nft", "-f", "-")
}

func script(t testing.TB, ns *netns.NS, input string, args ...string) {
	t.Helper()
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Stdin = strings.NewReader(input)
	var out []byte
	err := ns.Do(func() (err error) {
		out, err = cmd.CombinedOutput()
		return err
	})
	if err != nil {
		t.Fatalf("%s: %s: %v: %s\n%.2000s", ns.Name(), strings.Join(args, " "), err, out, input)
	}
}

// veth joins two namespaces.
func veth(t testing.TB, a *netns.NS, devA string, b *netns.NS, devB string) {
	t.Helper()
	if err := netns.Veth(a, devA, b, devB); err != nil {
		t.Fatal(err)
	}
}

// running waits until a device sends: it throws away what it should send before.
func running(t testing.TB, ns *netns.NS, device string) {
	t.Helper()
	err := netns.Eventually(10*time.Second, func() error {
		return ns.Do(func() error {
			dev, err := net.InterfaceByName(device)
			if err == nil && dev.Flags&net.FlagRunning == 0 {
				err = fmt.Errorf("%s: %s has no carrier", ns.Name(), device)
			}
			return err
		})
	})
	if err != nil {
		t.Fatal(err)
	}
}
