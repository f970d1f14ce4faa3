//go:build linux && lab

// Ports mapped by a real router, miniupnpd, which speaks PCP, NAT-PMP and UPnP.
//
//	H 192.168.1.9 [u0] ---- [lan] 192.168.1.1 R 11.0.0.1 [wan] ---- [u0] 11.0.0.66 S, a stranger
//
// The outer addresses are real ones, for miniupnpd maps nothing to documentation's; they do not leave
// the namespaces.

package lab

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/vxmesh/vxmesh/lab/netns"
	"github.com/vxmesh/vxmesh/nat/portmap"
)

const mappedPort = 31877

// natRules are those of a home router, with the chains that miniupnpd fills. Where PCP is not to be
// spoken its questions are dropped, by their first byte.
const natRules = `flush ruleset
table inet miniupnpd {
	chain input { type filter hook input priority 0; iifname "wan" drop; %s
	}
	chain forward { type filter hook forward priority 0; policy drop
		ct state established,related accept
		iifname "lan" accept
		jump mini_forward
	}
	chain prerouting { type nat hook prerouting priority -100; jump mini_pre
	}
	chain postrouting { type nat hook postrouting priority 100; jump mini_post
		oifname "wan" masquerade
	}
	chain mini_forward {
	}
	chain mini_pre {
	}
	chain mini_post {
	}
}
`

const miniConfig = `ext_ifname=wan
listening_ip=lan
upnp_table_name=miniupnpd
upnp_nat_table_name=miniupnpd
upnp_forward_chain=mini_forward
upnp_nat_chain=mini_pre
upnp_nat_postrouting_chain=mini_post
enable_natpmp=%s
enable_upnp=%s
secure_mode=yes
min_lifetime=4
`

// A homeRouter maps ports for the host behind it.
type homeRouter struct {
	*host
	dir, rules string
	daemon     *netns.Process
}

// newHome builds the drawing above, with a router that speaks the one protocol.
func newHome(t *testing.T, protocol string) (h *host, r *homeRouter, s *host) {
	t.Helper()
	h, s = newQuietHost(t, "H"), newQuietHost(t, "S")
	r = &homeRouter{host: newQuietHost(t, "R"), dir: t.TempDir()}
	need(t, netns.Veth(h.NS, "u0", r.NS, "lan"))
	need(t, netns.Veth(s.NS, "u0", r.NS, "wan"))
	h.run("ip addr add 192.168.1.9/24 dev u0")
	h.run("ip route add default via 192.168.1.1")
	r.run("ip addr add 192.168.1.1/24 dev lan")
	r.run("ip addr add 11.0.0.1/24 dev wan")
	r.sysctl("net.ipv4.ip_forward", "1")
	s.run("ip addr add 11.0.0.66/24 dev u0")
	natpmp, upnp, drop := "yes", "no", ""
	switch protocol {
	case "nat-pmp":
		drop = "udp dport 5351 @th,64,8 2 drop"
	case "upnp":
		natpmp, upnp = "no", "yes"
	}
	r.rules = fmt.Sprintf(natRules, drop)
	r.write("config", fmt.Sprintf(miniConfig, natpmp, upnp))
	r.boot()
	t.Cleanup(func() {
		r.daemon.Kill()
		if t.Failed() {
			t.Logf("miniupnpd:\n%s\n%s", r.daemon.Output(), r.run("nft list ruleset"))
		}
	})
	return h, r, s
}

func (r *homeRouter) write(name, text string) string {
	r.t.Helper()
	name = filepath.Join(r.dir, name)
	need(r.t, os.WriteFile(name, []byte(text), 0o600))
	return name
}

// crash ends the daemon as a power cut would, and with it all mappings.
func (r *homeRouter) crash() {
	r.t.Helper()
	if r.daemon != nil {
		r.daemon.Kill()
	}
	r.run("nft -f %s", r.write("rules", r.rules))
}

// boot begins with no mappings and a clock that says so.
func (r *homeRouter) boot() {
	r.t.Helper()
	r.crash()
	var err error
	r.daemon, err = r.Start(netns.StartOptions{Args: []string{
		"miniupnpd", "-d", "-f", filepath.Join(r.dir, "config"), "-P", filepath.Join(r.dir, "pid"),
	}})
	need(r.t, err)
}

// newMapper maps the port of a host until stop is called.
func newMapper(t *testing.T, h *host, lifetime time.Duration) (m *portmap.Mapper, stop func()) {
	t.Helper()
	m = portmap.New(portmap.Options{
		Port: mappedPort, Lifetime: lifetime,
		Gateway: func() (gateway, local netip.Addr, ok bool) {
			return netip.MustParseAddr("192.168.1.1"), netip.MustParseAddr("192.168.1.9"), true
		},
		DialContext: func(ctx context.Context, network, address string) (c net.Conn, err error) {
			err = h.Do(func() (err error) {
				c, err = new(net.Dialer).DialContext(ctx, network, address)
				return err
			})
			return c, err
		},
	})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- h.Do(func() error { return m.Run(ctx) }) }()
	stop = func() {
		cancel()
		need(t, <-ended)
	}
	return m, stop
}

// udpSocket opens a socket in a host.
func udpSocket(t *testing.T, h *host, address string) (c *net.UDPConn) {
	t.Helper()
	at := net.UDPAddrFromAddrPort(netip.MustParseAddrPort(address))
	need(t, h.Do(func() (err error) {
		c, err = net.ListenUDP("udp4", at)
		return err
	}))
	t.Cleanup(func() { c.Close() })
	return c
}

// passes tells whether what the stranger sends to the outer address arrives at the host.
func passes(from, to *net.UDPConn) error {
	outer := net.UDPAddrFromAddrPort(netip.AddrPortFrom(netip.MustParseAddr("11.0.0.1"), mappedPort))
	if _, err := from.WriteTo([]byte("let me in"), outer); err != nil {
		return err
	}
	if err := to.SetReadDeadline(time.Now().Add(100 * time.Millisecond)); err != nil {
		return err
	}
	_, _, err := to.ReadFrom(make([]byte, 100))
	return err
}

// TestPortMapping: a port by each of the three, through which a stranger gets; lost when the router
// loses everything, and got again; and gone when the node goes.
func TestPortMapping(t *testing.T) {
	t.Parallel()
	for _, protocol := range []string{"pcp", "nat-pmp", "upnp"} {
		t.Run(protocol, func(t *testing.T) {
			t.Parallel()
			h, r, s := newHome(t, protocol)
			inside := udpSocket(t, h, fmt.Sprintf("192.168.1.9:%d", mappedPort))
			outside := udpSocket(t, s, "11.0.0.66:0")
			if passes(outside, inside) == nil {
				t.Fatal("the stranger gets through without a mapping")
			}
			m, stop := newMapper(t, h, 10*time.Second)
			expectMapping(t, m, protocol)
			eventually(t, func() error { return passes(outside, inside) })

			r.crash()
			if passes(outside, inside) == nil {
				t.Fatal("the router remembers what it should not")
			}
			r.boot()
			eventually(t, func() error { return passes(outside, inside) }) // at half the lifetime
			expectMapping(t, m, protocol)

			r.boot()
			eventually(t, func() error {
				m.Refresh()
				return passes(outside, inside)
			})
			expectMapping(t, m, protocol)
			stop()
			eventually(t, func() error { // the router takes its time
				if passes(outside, inside) == nil {
					return errors.New("the mapping outlives the node")
				}
				return nil
			})
		})
	}
}

// expectMapping waits for what the router's outer address makes of the port.
func expectMapping(t *testing.T, m *portmap.Mapper, protocol string) {
	t.Helper()
	want := netip.AddrPortFrom(netip.MustParseAddr("11.0.0.1"), mappedPort)
	eventually(t, func() error {
		if got, ok := m.Current(); !ok || got.Protocol != protocol || got.External != want {
			return fmt.Errorf("mapping %+v, %v; want %s by %s", got, ok, want, protocol)
		}
		return nil
	})
}

// TestPortMappingProbe: what miniupnpd speaks, as netcheck tells it.
func TestPortMappingProbe(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		protocol string
		want     portmap.Support
	}{
		{"pcp", portmap.Support{PCP: true, NATPMP: true}},
		{"nat-pmp", portmap.Support{NATPMP: true}},
		{"upnp", portmap.Support{UPnP: true}},
	} {
		h, _, _ := newHome(t, c.protocol)
		m, stop := newMapper(t, h, 0)
		expectMapping(t, m, c.protocol) // by now the router is up
		c.want.External = netip.MustParseAddr("11.0.0.1")
		var got portmap.Support
		need(t, h.Do(func() error {
			got = m.Probe(t.Context())
			return nil
		}))
		if got != c.want {
			t.Errorf("%s: %+v, want %+v", c.protocol, got, c.want)
		}
		stop()
	}
}
