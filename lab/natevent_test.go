//go:build linux && lab

// What happens to NATs and their nodes while they talk, and how long the talk stops. The drawing is
// that of nat_test.go; A pings B through the overlay every tenth of a second.

package lab

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/vxmesh/vxmesh/lab/natlab"
	"github.com/vxmesh/vxmesh/lab/netns"
)

const (
	// pingEvery is from one ping to the next.
	pingEvery = 100 * time.Millisecond
	// loaded is by how much a busy machine may miss a limit.
	loaded = 2
	// calm is how many pings in a row have to be answered for an event to be over.
	calm = 10
)

// A stream of pings goes on until the case ends.
type pinging struct {
	t    testing.TB
	proc *netns.Process
}

// A pong is a ping that was answered.
type pong struct {
	seq  int
	came time.Time
	rtt  time.Duration
}

func (e pong) sent() time.Time { return e.came.Add(-e.rtt) }

// keepPinging begins to ping an address.
func (n *node) keepPinging(to string) *pinging {
	n.t.Helper()
	proc, err := n.Start(netns.StartOptions{
		Args: []string{"ping", "-n", "-D", "-i", fmt.Sprint(pingEvery.Seconds()), to},
	})
	need(n.t, err)
	p := &pinging{t: n.t, proc: proc}
	n.t.Cleanup(func() {
		proc.Kill()
		if n.t.Failed() {
			n.t.Logf("pings that were lost: %s", p.losses())
		}
	})
	return p
}

var pongLine = regexp.MustCompile(`(?m)^\[(\d+)\.(\d{6})\] .*icmp_seq=(\d+) ttl=\d+ time=([\d.]+) ms`)

// pongs are the answers so far, in the order they came.
func (p *pinging) pongs() (out []pong) {
	p.t.Helper()
	number := func(s string) int64 {
		n, err := strconv.ParseInt(s, 10, 64)
		need(p.t, err)
		return n
	}
	for _, m := range pongLine.FindAllStringSubmatch(p.proc.Output(), -1) {
		ms, err := strconv.ParseFloat(m[4], 64)
		need(p.t, err)
		out = append(out, pong{
			seq: int(number(m[3])), came: time.Unix(number(m[1]), 1000*number(m[2])),
			rtt: time.Duration(ms * float64(time.Millisecond)),
		})
	}
	return out
}

// losses lists the pings that were not answered, and when.
func (p *pinging) losses() string {
	var b strings.Builder
	last := pong{}
	for _, e := range p.pongs() {
		if e.seq > last.seq+1 {
			fmt.Fprintf(&b, "%d to %d, until %s; ", last.seq+1, e.seq-1, e.came.Format("05.000"))
		}
		last = e
	}
	return fmt.Sprintf("%safter %d none", b.String(), last.seq)
}

// back waits for the first answer to a ping that was sent after a time, and says how long after.
func (p *pinging) back(since time.Time, limit time.Duration) (took time.Duration) {
	p.t.Helper()
	need(p.t, netns.Eventually(limit, func() error {
		for _, e := range p.pongs() {
			if e.sent().After(since) {
				took = e.came.Sub(since)
				return nil
			}
		}
		return fmt.Errorf("no ping has been answered for %v", time.Since(since))
	}))
	return took
}

// settle waits until pings that were sent after a time are answered one after the other.
func (p *pinging) settle(since time.Time, limit time.Duration) {
	p.t.Helper()
	<-time.After(time.Until(since)) // to look at all that was said so far takes time
	need(p.t, netns.Eventually(limit, func() error {
		all := p.pongs()
		if n := len(all); n < calm || all[n-calm].sent().Before(since) || all[n-1].seq-all[n-calm].seq >= calm ||
			time.Since(all[n-1].came) > 5*pingEvery {
			return fmt.Errorf("no %d pings in a row have been answered for %v", calm, time.Since(since))
		}
		return nil
	}))
}

// outage is the longest time without an answer since a time, and how many pings in a row were lost.
func (p *pinging) outage(since time.Time) (longest time.Duration, lost int) {
	p.t.Helper()
	last := pong{}
	for _, e := range p.pongs() {
		if e.came.After(since) && last.seq > 0 {
			longest, lost = max(longest, e.came.Sub(last.came)), max(lost, e.seq-last.seq-1)
		}
		if e.seq > last.seq {
			last = e
		}
	}
	return longest, lost
}

// A change is when a node took another way, and which.
type change struct {
	at time.Time
	to string
}

// changes are all of a node's towards a peer.
func (n *node) changes(peer string) (all []change) {
	n.t.Helper()
	for line := range strings.Lines(n.proc.Output()) {
		if head, to, ok := strings.Cut(line, " path peer="+peer+" remote="); ok {
			at, err := time.Parse(time.RFC3339, strings.Fields(head)[0])
			need(n.t, err)
			all = append(all, change{at, strings.Trim(strings.TrimSpace(to), `"`)})
		}
	}
	return all
}

// switches is how often the node has taken another way to a peer, and which.
func (n *node) switches(peer string) (ways []string) {
	n.t.Helper()
	for _, c := range n.changes(peer) {
		ways = append(ways, c.to)
	}
	return ways
}

// A natEvent happens to a pair that talks.
type natEvent struct {
	name string
	x, y string // kinds of the sites; what happens happens to the first
	does func(*natHosts)
	// carrier is the kind that the first site is behind, "" for none.
	carrier string

	// What the pings may show: the longest time without an answer since the event began, or if after
	// is set since it was over; or how many are lost in a row.
	limit time.Duration
	after bool
	lost  int

	ends  string        // the state of the peer in the end, "" when it is as before
	again time.Duration // until when both have to use their last way, 0 for a minute
	slow  bool          // for [TestNATLongEvents] only
	runs  int           // there, 0 for as many as of others
}

func flush(p *natHosts)  { p.sites[0].Flush() }
func reboot(p *natHosts) { p.sites[0].Reboot(2 * time.Second) }
func newIP(p *natHosts)  { p.sites[0].NewIP() }

func flushCarrier(p *natHosts) { p.sites[0].Outer().Flush() }

func flushBoth(p *natHosts) {
	flushCarrier(p)
	flush(p)
}

// newPrefix renews A's IPv6 network; its old address is removed two seconds later.
func newPrefix(kind bool) func(*natHosts) {
	return func(p *natHosts) {
		remove := p.sites[0].NewPrefix(kind)
		<-time.After(2 * time.Second)
		remove()
	}
}

// sleep has A's machine sleep for a time, and something happen meanwhile.
func sleep(length time.Duration, does func(*natHosts)) func(*natHosts) {
	return func(p *natHosts) {
		t, a := p.nodes[0].t, p.nodes[0].proc
		need(t, a.Signal(syscall.SIGSTOP))
		begin := time.Now()
		does(p)
		<-time.After(time.Until(begin.Add(length)))
		need(t, a.Signal(syscall.SIGCONT))
	}
}

func nothing(*natHosts) {}

// becomes is that the NAT is replaced.
func becomes(kind string) func(*natHosts) {
	return func(p *natHosts) { p.sites[0].SetNAT(kind) }
}

// roam takes A to a mobile network.
func roam(kind string) func(*natHosts) {
	return func(p *natHosts) { p.hosts[0].Move(p.internet.Carrier(kind)) }
}

// both has something happen at both ends at once.
func both(does func(*natHosts)) func(*natHosts) {
	return func(p *natHosts) {
		does(p)
		p.swap()
		does(p)
		p.swap()
	}
}

// relayDies kills the relay that A uses.
func relayDies(p *natHosts) {
	a := p.nodes[0]
	s, err := a.peer("b")
	need(a.t, err)
	if s.Path == nil || p.relays[s.Path.Via] == nil {
		a.t.Fatalf("no relay in use: %+v", s)
	}
	p.relays[s.Path.Via].proc.Kill()
}

// blackHole loses all that A and B send each other directly, but not what they send others.
func blackHole(p *natHosts) {
	p.internet.Loss(p.hosts[0], p.hosts[1], 100)
	p.internet.Loss(p.hosts[1], p.hosts[0], 100)
}

// natEvents are those with a number.
var natEvents = []natEvent{
	{name: "flush, port kept", x: "port", y: "port", does: flush, limit: time.Second, lost: 1},
	{
		name: "flush, port changed, peer open", x: "symrand", y: "open", does: flush,
		limit: time.Second, lost: 2,
	},
	{
		name: "flush, port changed, peer cone", x: "symrand", y: "fullcone", does: flush,
		limit: time.Second, lost: 2,
	},
	{
		name: "flush, port changed, peer addr", x: "symrand", y: "addr", does: flush,
		limit: time.Second, lost: 2, slow: true,
	},
	{
		name: "flush of the carrier", x: "port", y: "port", carrier: "port", does: flushCarrier,
		limit: time.Second, lost: 1, slow: true,
	},
	{
		name: "flush of home and carrier", x: "port", y: "port", carrier: "port", does: flushBoth,
		limit: time.Second, lost: 1,
	},
	{
		name: "flush of the carrier, port changed", x: "port", y: "fullcone", carrier: "symrand",
		does: flushCarrier, limit: time.Second, lost: 2, slow: true,
	},
	{
		name: "flush of home and carrier, port changed", x: "symrand", y: "fullcone", carrier: "symrand",
		does: flushBoth, limit: time.Second, lost: 2, slow: true,
	},
	// Behind a relay two ways have to be found again, from the node to each end's relay; 3 of 4 times one
	// ping is lost, at the most 7.
	{name: "flush, relayed", x: "symrand", y: "symrand", does: flush, limit: time.Second, slow: true},
	{name: "reboot", x: "port", y: "port", does: reboot, limit: time.Second, after: true},
	{
		name: "reboot, port changed", x: "symrand", y: "open", does: reboot,
		limit: time.Second, after: true, slow: true,
	},
	{name: "new address, peer open", x: "port", y: "open", does: newIP, limit: time.Second},
	{name: "new address, peer cone", x: "port", y: "fullcone", does: newIP, limit: time.Second},
	{name: "new address", x: "port", y: "port", does: newIP, limit: 4 * time.Second},
	{name: "new address, peer strict", x: "port", y: "fw", does: newIP, limit: 4 * time.Second, slow: true},
	// What A sent to where it was no more welcome spoils B's port there for as long as it is remembered.
	{
		name: "new address, another port", x: "porthash", y: "portrej", does: newIP,
		limit: 4 * time.Second, ends: "direct", slow: true, runs: 8,
	},
	{
		name: "new address, ports counted", x: "symseq", y: "port", does: newIP,
		limit: 4 * time.Second, slow: true,
	},
	{name: "new address, relayed", x: "symrand", y: "symrand", does: newIP, limit: 4 * time.Second},
	{name: "new addresses at both ends", x: "port", y: "port", does: both(newIP), limit: 4 * time.Second},
	{
		name: "NAT becomes symmetric", x: "port", y: "port", does: becomes("symrand"),
		limit: 4 * time.Second, ends: "relayed",
	},
	{
		name: "NAT becomes a good one", x: "symrand", y: "port", does: becomes("port"),
		limit: 4 * time.Second, ends: "direct", slow: true,
	},
	{
		name: "new prefix, the old one gone", x: "symrand+v6", y: "symrand+v6", does: newPrefix(false),
		limit: 4 * time.Second,
	},
	{
		name: "new prefix, the old one deprecated", x: "symrand+v6", y: "symrand+v6", does: newPrefix(true),
		limit: 4 * time.Second, slow: true,
	},
	{
		name: "new prefix, IPv6 only", x: "v6only", y: "v6only", does: newPrefix(false),
		limit: 4 * time.Second, slow: true,
	},
	{name: "relay dies", x: "symrand", y: "symrand", does: relayDies, limit: 3 * time.Second},
	{name: "black hole", x: "port", y: "port", does: blackHole, limit: 3 * time.Second, ends: "relayed"},
	{name: "roaming", x: "port", y: "port", does: roam("port"), limit: 2 * time.Second, after: true},
	{
		name: "roaming, peer open", x: "port", y: "open", does: roam("symrand"),
		limit: 2 * time.Second, after: true, slow: true,
	},
	{
		name: "roaming to a symmetric carrier", x: "port", y: "port", does: roam("symrand"),
		limit: 2 * time.Second, after: true, ends: "relayed",
	},
	{
		name: "both roam", x: "port", y: "port", does: both(roam("port")),
		limit: 2 * time.Second, after: true, slow: true,
	},
	{
		name: "sleep, new address", x: "port", y: "port", does: sleep(7*time.Second, newIP),
		limit: 2 * time.Second, after: true,
	},
	{
		name: "long sleep", x: "port", y: "port", does: sleep(40*time.Second, nothing),
		limit: 2 * time.Second, after: true, slow: true, runs: 8,
	},
	{
		name: "long sleep, new address", x: "port", y: "port", does: sleep(40*time.Second, newIP),
		limit: 2 * time.Second, after: true, slow: true, runs: 8,
	},
	{
		name: "long sleep, roaming", x: "port", y: "port", does: sleep(40*time.Second, roam("port")),
		limit: 2 * time.Second, after: true, slow: true, runs: 8,
	},
}

// A natCost is what an event cost.
type natCost struct {
	took  time.Duration // see [natEvent]
	lost  int
	again time.Duration // until both used their last way
	ways  []string      // that they used since
}

func (c natCost) String() string {
	return fmt.Sprintf("%v, %d lost, %q", c.took.Round(time.Millisecond), c.lost, c.ways)
}

// follow adds the ways that a node took to a peer since a time.
func (c *natCost) follow(n *node, peer string, since time.Time) {
	for _, w := range n.changes(peer) {
		if after := w.at.Sub(since); after > 0 {
			c.again = max(c.again, after)
			c.ways = append(c.ways, fmt.Sprintf("%s after %v: %s", n.name, after.Round(time.Millisecond), w.to))
		}
	}
}

// hosts builds the pair.
func (e natEvent) hosts(t testing.TB) *natHosts {
	t.Helper()
	i := natlab.New(t)
	var options []natlab.Option
	if e.carrier != "" {
		options = append(options, natlab.Behind(i.Carrier(e.carrier)))
	}
	p := hostsOf(t, i, i.Site(e.x, options...).Host(), i.Site(e.y).Host())
	p.publish()
	return p
}

// run builds the pair, has it talk, has the event happen and says what that cost.
func (e natEvent) run(t testing.TB) (cost natCost) {
	t.Helper()
	p := e.hosts(t)
	p.start()
	ping := p.nodes[0].keepPinging("10.0.0.2")
	state := "direct"
	if relayedPair(e.x, e.y) {
		state = "relayed"
	}
	p.become(state, patience)
	ping.settle(time.Now(), patience)
	begin := time.Now()
	e.does(p)
	if e.after {
		begin = time.Now()
		cost.took = ping.back(begin, e.limit+patience)
	}
	ping.settle(time.Now().Add(time.Second), e.limit+patience) // some break only after a while
	if !e.after {
		cost.took, cost.lost = ping.outage(begin)
	}
	if e.ends != "" {
		state = e.ends
	}
	p.become(state, 65*time.Second)
	cost.follow(p.nodes[0], "b", begin)
	cost.follow(p.nodes[1], "a", begin)
	return cost
}

// TestNATEvents: every event costs no more than it may.
func TestNATEvents(t *testing.T) {
	t.Parallel()
	for _, e := range natEvents {
		if e.slow {
			continue
		}
		t.Run(e.name, func(t *testing.T) {
			t.Parallel()
			c := e.run(t)
			t.Log(c)
			if c.took > loaded*e.limit || e.lost > 0 && c.lost > loaded*e.lost {
				t.Errorf("%v without an answer, %d pings lost; want at most %v, %d", c.took, c.lost, e.limit, e.lost)
			}
		})
	}
}

// TestNATIdle: after a change that nobody was there to see, the first packet does not wait.
func TestNATIdle(t *testing.T) {
	t.Parallel()
	for _, y := range []string{"open", "fullcone", "port"} {
		t.Run(y, func(t *testing.T) {
			t.Parallel()
			first := idle(t, y)
			t.Logf("%v", first)
			if first > loaded*time.Second {
				t.Errorf("%v until the first answer", first)
			}
		})
	}
}

// idle gives A another outside address while nobody says anything, and says how long the first ping
// after that waits for an answer.
func idle(t testing.TB, y string) time.Duration {
	t.Helper()
	p := newNATHosts(t, "port", y)
	p.start()
	p.nodes[0].firstPing("10.0.0.2")
	p.become("direct", patience)
	p.sites[0].NewIP()
	return p.nodes[0].keepPinging("10.0.0.2").first()
}

// first waits for the first answer and says how long after the first ping was sent that was, by the
// time of the pings themselves.
func (p *pinging) first() time.Duration {
	p.t.Helper()
	p.back(time.Time{}, patience)
	e := p.pongs()[0]
	return time.Duration(e.seq-1)*pingEvery + e.rtt
}

// oneWay has what B sends to A directly be lost, and wants nobody to go over to that way.
func oneWay(t *testing.T, watched time.Duration) {
	p := newNATHosts(t, "port", "port")
	p.internet.Loss(p.hosts[1], p.hosts[0], 100)
	p.start()
	ping := p.nodes[0].keepPinging("10.0.0.2")
	p.become("relayed", patience)
	ping.settle(time.Now().Add(watched), watched+patience)
	for k, n := range p.nodes {
		for _, to := range n.switches([...]string{"b", "a"}[k]) {
			if !strings.HasPrefix(to, "via ") {
				t.Errorf("%s went over to %s, which leads one way only", n.name, to)
			}
		}
	}
	if longest, lost := ping.outage(time.Now().Add(-watched)); lost > 1 {
		t.Errorf("%v without an answer, %d lost", longest, lost)
	}
}

func TestNATOneWay(t *testing.T) {
	t.Parallel()
	oneWay(t, 10*time.Second)
}

// lossy has 30 % of what goes directly be lost each way, and wants both nodes to be on the relay
// soon, and to stay there.
func lossy(t *testing.T, watched time.Duration) {
	p := newNATHosts(t, "port", "port")
	p.start()
	ping := p.nodes[0].keepPinging("10.0.0.2")
	p.become("direct", patience)
	before := [2]int{len(p.nodes[0].switches("b")), len(p.nodes[1].switches("a"))}
	p.internet.Loss(p.hosts[0], p.hosts[1], 30)
	p.internet.Loss(p.hosts[1], p.hosts[0], 30)
	begin := time.Now()
	p.become("relayed", 60*time.Second)
	took := time.Since(begin)
	t.Logf("on the relay after %v", took.Round(time.Millisecond))
	if took > 30*time.Second {
		t.Errorf("on the relay after %v", took)
	}
	ping.settle(time.Now().Add(watched), watched+patience)
	minutes := int(time.Since(begin)/time.Minute) + 1
	for k, n := range p.nodes {
		ways := n.switches([...]string{"b", "a"}[k])[before[k]:]
		t.Logf("%s: %q", n.name, ways)
		if len(ways) > minutes {
			t.Errorf("%s went over %d times in %d min: %q", n.name, len(ways), minutes, ways)
		}
	}
}

func TestNATLoss(t *testing.T) {
	t.Parallel()
	lossy(t, 5*time.Second)
}

// TestNATStuck: the router is up a second before its NAT is, and what was sent in between stays
// broken for as long as anybody sends.
func TestNATStuck(t *testing.T) {
	t.Parallel()
	c := stuck.run(t)
	t.Log(c)
	if c.took > stuck.limit+patience/4 {
		t.Errorf("%v without an answer, want at most %v", c.took, stuck.limit)
	}
}

var stuck = natEvent{
	name: "stuck", x: "port", y: "port", does: func(p *natHosts) { p.sites[0].Stuck(time.Second) },
	limit: 20 * time.Second,
}
