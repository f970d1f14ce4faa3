//go:build linux && lab

// Nodes in networks of many shapes:
//
//	home of A ---+                          +--- home of B
//	             +--- carrier --- internet --- carrier
//	                                |
//	                               pub
//
// What a case expects is a direct way ("direct"), a relay's ("relayed"), or none ("down").

package lab

import (
	"bytes"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/vxmesh/vxmesh/lab/natlab"
	"github.com/vxmesh/vxmesh/lab/netns"
)

// natHosts are two nodes at hosts that may be anywhere, and the two relays by name.
type natHosts struct {
	*natPair
	hosts  [2]*natlab.Host
	relays map[string]*node
}

// newNATHosts is [newNATPair] with all at hand. Options are for A's site.
func newNATHosts(t testing.TB, x, y string, options ...natlab.Option) *natHosts {
	t.Helper()
	i := natlab.New(t)
	p := hostsOf(t, i, i.Site(x, options...).Host(), i.Site(y).Host())
	p.publish()
	return p
}

// hostsOf puts the nodes of [newNATPair] on hosts that are there, without the public ones.
func hostsOf(t testing.TB, i *natlab.Internet, x, y *natlab.Host) *natHosts {
	t.Helper()
	p := &natHosts{natPair: &natPair{internet: i}, hosts: [2]*natlab.Host{x, y}, relays: make(map[string]*node)}
	for k, h := range p.hosts {
		n := newSealed(at(t, h), overlay(k+1))
		n.name, n.sealed = [...]string{"a", "b"}[k], ""
		p.nodes[k], p.sites[k] = n, h.Site()
	}
	for k, n := range p.nodes {
		n.knows(p.nodes[1-k])
	}
	return p
}

// publish adds the public nodes, which relay.
func (p *natHosts) publish() {
	for _, name := range []string{"pub", "second"} {
		p.relays[name] = p.public(name)
	}
	p.pub = p.relays["pub"]
}

// swap makes A and B change their parts, for what is done to both.
func (p *natHosts) swap() {
	p.hosts[0], p.hosts[1] = p.hosts[1], p.hosts[0]
	p.sites[0], p.sites[1] = p.sites[1], p.sites[0]
}

// become waits until both are to each other what they should be.
func (p *natHosts) become(state string, limit time.Duration) {
	p.nodes[0].t.Helper()
	defer p.explain()
	for k, n := range p.nodes {
		need(n.t, netns.Eventually(limit, func() error {
			s, err := n.peer([...]string{"b", "a"}[k])
			if err != nil {
				return err
			}
			if is := s.State; is != state && !(is == "punching" && state == "relayed") {
				return fmt.Errorf("%s: peer %s is %s %q, want it %s", n.name, s.Name, is, s.Reason, state)
			}
			return nil
		}))
	}
}

// A natTopology is where A and B are.
type natTopology struct {
	name  string
	hosts func(*natlab.Internet) (a, b *natlab.Host)
	state string
	path  string // the address of A's way to B begins so, or so; "" for any
}

// carried are two homes behind one carrier.
func carried(carrier string) func(*natlab.Internet) (a, b *natlab.Host) {
	return func(i *natlab.Internet) (a, b *natlab.Host) {
		c := i.Carrier(carrier)
		return i.Site("port", natlab.Behind(c)).Host(), i.Site("port", natlab.Behind(c)).Host()
	}
}

// carriedApart has a home behind a carrier, and the other behind another or, with "", behind none.
func carriedApart(x, y, home string) func(*natlab.Internet) (a, b *natlab.Host) {
	return func(i *natlab.Internet) (a, b *natlab.Host) {
		a = i.Site("port", natlab.Behind(i.Carrier(x))).Host()
		if y == "" {
			return a, i.Site(home).Host()
		}
		return a, i.Site(home, natlab.Behind(i.Carrier(y))).Host()
	}
}

// sites are two homes.
func sites(x, y string) func(*natlab.Internet) (a, b *natlab.Host) {
	return func(i *natlab.Internet) (a, b *natlab.Host) { return i.Site(x).Host(), i.Site(y).Host() }
}

// oneLAN has both behind one NAT.
func oneLAN(kind string) func(*natlab.Internet) (a, b *natlab.Host) {
	return func(i *natlab.Internet) (a, b *natlab.Host) {
		s := i.Site(kind)
		return s.Host(), s.AddHost()
	}
}

// twins have the same network inside, and the same address.
func twins(i *natlab.Internet) (a, b *natlab.Host) {
	const network = "192.168.77.0/24"
	return i.Site("port", natlab.Inside(network)).Host(), i.Site("port", natlab.Inside(network)).Host()
}

// secondRouter has B behind a router that is in A's home.
func secondRouter(i *natlab.Internet) (a, b *natlab.Host) {
	home := i.Site("port")
	return home.Host(), i.Site("port", natlab.Behind(home)).Host()
}

var natTopologies = []natTopology{
	{name: "one LAN", hosts: oneLAN("port"), state: "direct", path: "192.168. [fe80:"},
	{name: "one LAN, symmetric NAT", hosts: oneLAN("symrand"), state: "direct", path: "192.168. [fe80:"},
	{name: "a router behind a router", hosts: secondRouter, state: "direct"},
	{name: "double NAT and a home", hosts: carriedApart("port", "", "port"), state: "direct"},
	{name: "two carriers", hosts: carriedApart("port", "fullcone", "port"), state: "direct"},
	{name: "symmetric carrier and a home", hosts: carriedApart("symrand", "", "port"), state: "relayed"},
	{name: "symmetric carrier and a cone", hosts: carriedApart("symrand", "", "fullcone"), state: "direct"},
	{name: "one carrier", hosts: carried("port"), state: "relayed"},
	{name: "one carrier, symmetric", hosts: carried("symrand"), state: "relayed"},
	{name: "one carrier, cone with hairpin", hosts: carried("fullcone+hp"), state: "direct"},
	{name: "one carrier, restricted with hairpin", hosts: carried("addr+hp"), state: "direct"},
	{name: "same network and address", hosts: twins, state: "direct", path: "203.0.113."},
	{name: "IPv6 at both ends", hosts: sites("symrand+v6", "symrand+v6"), state: "direct", path: "[2001:db8:"},
	{name: "IPv6 only, and IPv6 too", hosts: sites("v6only", "port+v6"), state: "direct", path: "[2001:db8:"},
	{name: "IPv6 only at both ends", hosts: sites("v6only", "v6only"), state: "direct", path: "[2001:db8:"},
	{name: "IPv6 only and IPv4 only", hosts: sites("v6only", "port"), state: "relayed"},
	{name: "IPv6 only and an open IPv4", hosts: sites("v6only", "open"), state: "relayed"},
}

// TestNATTopologies has nodes in all kinds of places find each other.
func TestNATTopologies(t *testing.T) {
	t.Parallel()
	for _, c := range natTopologies {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			first, took, at := c.run(t)
			t.Logf("answered after %v, %s after another %v at %q", first, c.state, took.Round(time.Millisecond), at)
		})
	}
}

// run builds it, and says how long the first ping took, how long after its answer both ends were what
// they should be, and where A reaches B.
func (c natTopology) run(t testing.TB) (first, took time.Duration, at string) {
	t.Helper()
	i := natlab.New(t)
	a, b := c.hosts(i)
	p := hostsOf(t, i, a, b)
	p.publish()
	p.start()
	ping := p.nodes[0].keepPinging("10.0.0.2")
	first = ping.first()
	begin := time.Now()
	p.become(c.state, patience)
	took = time.Since(begin)
	if c.state == "relayed" { // and stays so while the direct way is looked for
		ping.settle(time.Now().Add(time.Second), patience)
		p.become(c.state, patience)
	}
	s, err := p.nodes[0].peer("b")
	need(t, err)
	if s.Path == nil || c.path != "" && !slices.ContainsFunc(strings.Fields(c.path), func(begin string) bool {
		return strings.HasPrefix(s.Path.Remote, begin)
	}) {
		t.Fatalf("the way to B is %+v, want it to begin with %s", s.Path, c.path)
	}
	return first, took, s.Path.Remote
}

// TestNATBlocked: where UDP does not pass, the nodes say that nobody is reached, and live.
func TestNATBlocked(t *testing.T) {
	t.Parallel()
	p := newNATHosts(t, "block", "port")
	for _, n := range p.nodes {
		n.start()
	}
	begin := time.Now()
	for _, n := range p.nodes {
		n.waitUp()
	}
	for _, name := range []string{"pub", "second"} {
		p.nodes[0].waitPeer(name, "down", "no_answer")
	}
	t.Logf("down after %v", time.Since(begin).Round(time.Millisecond))
	begin = time.Now()
	out, err := p.nodes[0].ctl("netcheck")
	took := time.Since(begin)
	t.Logf("netcheck took %v", took.Round(time.Millisecond))
	if err == nil || took > loaded*3*time.Second {
		t.Errorf("netcheck took %v and ended with %v:\n%s", took, err, out)
	}
	p.nodes[1].waitPeer("pub", "direct", "")
	for k, n := range p.nodes {
		s, err := n.peer([...]string{"b", "a"}[k])
		need(t, err)
		if s.State != "down" || s.Reason == "" {
			t.Errorf("%s: peer is %s %q", n.name, s.State, s.Reason)
		}
		t.Logf("%s: %s %q", n.name, s.State, s.Reason)
		if err := n.canPing(fmt.Sprintf("10.0.0.%d", 2-k)); err == nil {
			t.Errorf("%s reaches the other", n.name)
		}
	}
	p.sites[0].SetNAT("port")
	p.nodes[0].waitPeer("pub", "direct", "")
	p.become("direct", patience)
}

// TestNATFirstPing: the peer is known, and a relay is up.
func TestNATFirstPing(t *testing.T) {
	t.Parallel()
	if first := firstPing(t); first > loaded*500*time.Millisecond {
		t.Errorf("the first ping took %v", first)
	}
}

func firstPing(t testing.TB) time.Duration {
	p := newNATHosts(t, "symrand", "symrand")
	p.start()
	first := p.nodes[0].keepPinging("10.0.0.2").first()
	t.Logf("%v", first)
	return first
}

// TestNATSamePort: two behind one NAT with the same port, which only one of them can have outside.
func TestNATSamePort(t *testing.T) {
	t.Parallel()
	i := natlab.New(t)
	a, b := oneLAN("port")(i)
	p := hostsOf(t, i, a, b)
	for _, n := range p.nodes {
		n.sealed = fmt.Sprintf("mesh = [\":%d\"]\n", meshPort)
	}
	p.publish()
	p.start()
	p.nodes[0].firstPing("10.0.0.2")
	p.become("direct", patience)
	ports := make(map[string]bool)
	for _, n := range p.nodes {
		s, err := p.pub.peer(n.name)
		need(t, err)
		ports[s.Path.Remote] = true
	}
	if len(ports) != 2 {
		t.Errorf("both are seen at %v: the case shows nothing", ports)
	}
}

// configure starts a relay anew with lines of [relay].
func (p *natHosts) configure(relay, lines string) {
	n := p.relays[relay]
	n.t.Helper()
	n.stop()
	n.sealed += "[relay]\n" + lines
	n.rewrite()
	n.start()
	n.waitUp()
}

// TestNATRelayRefuses: one of the two public nodes relays for nobody, and so it is the other.
func TestNATRelayRefuses(t *testing.T) {
	t.Parallel()
	p := newNATHosts(t, "symrand", "symrand")
	p.configure("pub", "serve = false\n")
	p.start()
	ping := p.nodes[0].keepPinging("10.0.0.2")
	t.Logf("answered after %v", ping.first())
	ping.settle(time.Now().Add(time.Second), patience)
	p.become("relayed", patience)
	for k, n := range p.nodes {
		s, err := n.peer([...]string{"b", "a"}[k])
		need(t, err)
		if s.Path == nil || s.Path.Via != "second" {
			t.Errorf("%s: the way to the other is %+v", n.name, s.Path)
		}
	}
}

// TestNATRelayLimit: relays pass on what they may and no more, and those who want more live with that.
func TestNATRelayLimit(t *testing.T) {
	t.Parallel()
	const limit, length = 125_000, 3 * time.Second // bytes in a second
	p := newNATHosts(t, "symrand", "symrand")
	for name := range p.relays {
		p.configure(name, "serve = true\nlimit = \"1Mbit/s\"\n")
	}
	p.start()
	a, b := p.nodes[0], p.nodes[1]
	a.firstPing("10.0.0.2")
	p.become("relayed", patience)
	got := a.pour(b, "10.0.0.2", length)
	refused := p.relays["pub"].meshDrops("not_relayed") + p.relays["second"].meshDrops("not_relayed")
	t.Logf("%d bytes/s of %d came through, %d datagrams were refused; ways: %q",
		got/int(length.Seconds()), pourRate, refused, a.switches("b"))
	if most := 2 * limit * (int(length.Seconds()) + 2); got > most || got < limit {
		t.Errorf("%d bytes came through, want %d to %d", got, limit, most)
	}
	if refused == 0 {
		t.Error("the relays refused nothing")
	}
	a.firstPing("10.0.0.2")
	p.become("relayed", patience)
}

// pourRate is what [host.pour] sends, in bytes a second.
const pourRate = 1_000_000

// pour sends datagrams to an address of another host for a time, and says how many bytes of them came.
func (n *node) pour(to *node, addr string, length time.Duration) (got int) {
	n.t.Helper()
	var in *net.UDPConn
	var out net.Conn
	need(n.t, to.Do(func() (err error) {
		in, err = net.ListenUDP("udp4", nil)
		return err
	}))
	defer in.Close()
	need(n.t, n.Do(func() (err error) {
		out, err = net.Dial("udp4", net.JoinHostPort(addr, strconv.Itoa(in.LocalAddr().(*net.UDPAddr).Port)))
		return err
	}))
	defer out.Close()
	data := make([]byte, 1000)
	go func() {
		beat := time.NewTicker(time.Millisecond)
		defer beat.Stop()
		begin := time.Now()
		for sent := 0; time.Since(begin) < length; <-beat.C {
			for due := int(time.Since(begin).Seconds() * pourRate); sent < due; sent += len(data) {
				_, _ = out.Write(data)
			}
		}
	}()
	need(n.t, in.SetReadDeadline(time.Now().Add(length+time.Second)))
	for {
		size, err := in.Read(data)
		if err != nil {
			return got
		}
		got += size
	}
}

// TestNATNestedOpener has B be called behind two NATs, of which the outer one does not bear to be surprised:
//
//	A - port ---+                  +--- portrej [lan] 11.0.0.1 ------ [wan] home router, which maps ports - B
//	            +--- internet -----+
//
// What opens them has to pass both, and not to get to A's.
func TestNATNestedOpener(t *testing.T) {
	t.Parallel()
	i := natlab.New(t)
	carrier := i.Carrier("portrej", natlab.Inside("11.0.0.0/24")) // miniupnpd maps nothing to private addresses
	home := i.Site("port", natlab.Behind(carrier))
	r := &homeRouter{host: &host{NS: home.Router, t: t}, dir: t.TempDir()}
	r.rules = strings.TrimPrefix(fmt.Sprintf(natRules, ""), "flush ruleset\n")
	r.write("config", fmt.Sprintf(miniConfig, "yes", "no"))
	r.boot()
	t.Cleanup(func() { r.daemon.Kill() })
	p := hostsOf(t, i, i.Site("port").Host(), home.Host())
	p.publish()
	home.OneWay("out") // so that B knows its router before anybody calls
	p.nodes[1].start()
	p.nodes[1].waitOutput("the router opened a port")
	p.nodes[0].start()
	p.nodes[0].waitPeer("pub", "direct", "")
	p.nodes[0].waitPeer("second", "direct", "") // it calls as soon as B is there
	openers := func(ns *netns.NS, out bool) *netns.Sniffer {
		return (&host{NS: ns, t: t}).sniff("wan", func(q netns.Packet) bool {
			return q.Out == out && bytes.HasSuffix(q.Data, append([]byte{8, 0, 0, 0, 0, 0, 0, 5}, make([]byte, 8)...)) &&
				bytes.Contains(q.Data, append(carrier.WAN.AsSlice(), p.hosts[0].Outside().AsSlice()...))
		})
	}
	passed, arrived := openers(carrier.Router, true), openers(p.sites[0].Router, false)
	home.OneWay("off")
	p.nodes[1].waitPeer("pub", "direct", "")
	p.waitDirect()
	if passed.Count() == 0 || arrived.Count() != 0 {
		t.Errorf("%d openers passed both NATs, %d got to the other's", passed.Count(), arrived.Count())
	}
}

// waitOutput waits until the node has written something.
func (n *node) waitOutput(text string) {
	n.t.Helper()
	eventually(n.t, func() error {
		if !strings.Contains(n.proc.Output(), text) {
			return fmt.Errorf("%s has not written %q", n.name, text)
		}
		return nil
	})
}
