package tunnel_test

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/vxmesh/vxmesh/tunnel/simnet"
)

// Nodes behind NATs at random, to which things happen at random. Two on the internet itself relay:
//
//	node, node - NAT ---------------+
//	node - NAT --- carrier's NAT ---+--- pub, second
//	node - NAT ---/                 |
//	node - NAT ---------------------+
//
// Everybody knows the two, and all keys.

// A town is such an internet.
type town struct {
	*world
	rnd      *rand.Rand
	relays   []*member
	nodes    []*resident
	carriers []*simnet.NAT
	story    []string // what happened
	number   byte     // of outside addresses that were given
	happened bool     // anything
}

// A resident is a node behind NATs.
type resident struct {
	*member
	nat, carrier *simnet.NAT // carrier is nil where there is none
	home         int         // the same for two in one LAN
}

// natKinds are those that something gets through.
var natKinds = []simnet.NATKind{
	simnet.FullCone, simnet.AddressRestricted, simnet.PortRestricted,
	simnet.PortRestrictedStrays, simnet.PortHash, simnet.SymmetricSequential,
	simnet.SymmetricRandom,
}

// chance is true once in n times.
func (tw *town) chance(n int) bool { return tw.rnd.IntN(n) == 0 }

func (tw *town) kind() simnet.NATKind { return natKinds[tw.rnd.IntN(len(natKinds))] }

// outside is an address on the internet that nobody had.
func (tw *town) outside() netip.Addr {
	tw.number++
	return netip.AddrFrom4([4]byte{198, 51, 100, tw.number})
}

// settle builds the town.
func (tw *town) settle() {
	tw.relays = []*member{tw.add().finds(), tw.add().finds()}
	for home := range 2 + tw.rnd.IntN(3) {
		tw.build(home)
	}
	for _, r := range tw.relays {
		for _, m := range tw.members {
			if m != r {
				r.knows(m)
				if !slices.Contains(tw.relays, m) {
					r.calledBy(m)
				}
			}
		}
		for i := range r.options.Mesh.Peers {
			r.options.Mesh.Peers[i].Relay = i == 0 // the other of the two
		}
	}
	for _, n := range tw.nodes {
		n.knows(tw.relays...)
		n.options.Mesh.Peers[0].Relay, n.options.Mesh.Peers[1].Relay = true, true
		for _, o := range tw.nodes {
			if o != n {
				n.knows(o.member)
				n.options.Mesh.Peers[len(n.options.Mesh.Peers)-1].Endpoints = nil
			}
		}
	}
}

// build makes a home with a node or two.
func (tw *town) build(home int) {
	n := &resident{home: home}
	kind := tw.kind()
	switch {
	case tw.chance(4):
		if len(tw.carriers) == 0 || tw.chance(2) {
			c := tw.net.NAT(tw.kind(), tw.outside())
			c.SetHairpin(tw.chance(2))
			tw.carriers = append(tw.carriers, c)
		}
		n.carrier = tw.carriers[tw.rnd.IntN(len(tw.carriers))]
		n.nat = n.carrier.NAT(kind, netip.AddrFrom4([4]byte{100, 64, 0, byte(home + 1)}))
		tw.tell("home %d: %s behind carrier %s", home, kind, n.carrier.Kind())
	default:
		n.nat = tw.net.NAT(kind, tw.outside())
		tw.tell("home %d: %s", home, kind)
	}
	n.nat.SetOut(simnet.Conditions{
		Delay: time.Duration(tw.rnd.IntN(30)) * time.Millisecond, Jitter: time.Duration(tw.rnd.IntN(3)) * time.Millisecond,
		Loss: 0.01 * float64(tw.rnd.IntN(3)),
	})
	net := byte(home)
	if tw.chance(3) {
		net = 100 // as others have
	}
	tw.move(n, net, 10)
	if tw.chance(3) {
		tw.tell("two in home %d", home)
		tw.move(&resident{nat: n.nat, carrier: n.carrier, home: home}, net, 11)
	}
}

// move gives a home a new node.
func (tw *town) move(n *resident, net, host byte) {
	addr := netip.AddrFrom4([4]byte{192, 168, net, host})
	i := len(tw.members) + 1
	n.member = tw.addOn(n.nat.Host(addr), netip.AddrPortFrom(addr, uint16(20000+i))).finds()
	tw.nodes = append(tw.nodes, n)
}

// tell adds to the story.
func (tw *town) tell(format string, args ...any) {
	tw.story = append(tw.story, fmt.Sprintf("%v "+format, append([]any{time.Since(tw.origin)}, args...)...))
}

// happen has something happen to somebody.
func (tw *town) happen() {
	tw.happened = true
	n := tw.nodes[tw.rnd.IntN(len(tw.nodes))]
	router := n.nat
	if n.carrier != nil && tw.chance(2) {
		router = n.carrier
	}
	switch tw.rnd.IntN(7) {
	case 0:
		tw.tell("flush at home %d", n.home)
		router.Flush()
	case 1:
		if n.carrier == nil {
			tw.tell("another address for home %d", n.home)
			router.SetAddr(tw.outside())
		}
	case 2:
		tw.tell("reboot at home %d", n.home)
		router.Reboot(2 * time.Second)
	case 3:
		kind := tw.kind()
		tw.tell("home %d becomes %s", n.home, kind)
		n.nat.SetKind(kind)
	case 4:
		r := tw.relays[tw.rnd.IntN(2)]
		tw.tell("%s restarts", r.name)
		r.kill()
		tw.busy(time.Duration(tw.rnd.IntN(3000)) * time.Millisecond)
		r.restart()
	case 5:
		tw.tell("%s restarts", n.name)
		n.kill()
		n.restart()
	case 6:
		other := tw.nodes[tw.rnd.IntN(len(tw.nodes))]
		tw.tell("%s goes to home %d", n.name, other.home)
		n.home, n.nat, n.carrier = other.home, other.nat, other.carrier
		n.host.Move(n.nat, netip.AddrFrom4([4]byte{192, 168, other.addr.Addr().As4()[2], byte(100 + n.i)}))
	}
}

// pairs lists all pairs of nodes.
func (tw *town) pairs() (out [][2]*resident) {
	for i, a := range tw.nodes {
		for _, b := range tw.nodes[i+1:] {
			out = append(out, [2]*resident{a, b})
		}
	}
	return out
}

// busy has everybody talk to everybody for a time.
func (tw *town) busy(d time.Duration) {
	for end := time.Now().Add(d); time.Now().Before(end); tw.pass(400 * time.Millisecond) {
		for _, p := range tw.pairs() {
			p[0].say(p[1].member, "x")
			p[1].say(p[0].member, "x")
		}
		for _, m := range tw.members {
			if m.end != nil {
				m.device.Frames()
			}
		}
	}
}

// easy reports whether a node's NATs keep its port and address whomever it sends to, and whether they let
// others in at a port that is open. Those that a stray packet confuses are so no more once something has
// happened: then the relays' packets were strays as well. What opens a NAT dies before a carrier's.
func (n *resident) easy(happened bool) (steady, lets bool) {
	steady, lets = true, true
	for _, r := range []*simnet.NAT{n.nat, n.carrier} {
		if r == nil {
			continue
		}
		switch r.Kind() {
		case simnet.SymmetricRandom, simnet.SymmetricSequential:
			steady, lets = false, false
		case simnet.PortRestrictedStrays:
			steady, lets = steady && !happened && r != n.carrier, false
		case simnet.FullCone, simnet.AddressRestricted:
		default:
			lets = false
		}
	}
	return steady, lets
}

// direct reports whether two nodes must find a direct way. Where two homes are behind one carrier, that
// depends on more.
func (p pairOf) direct(happened bool) bool {
	a, b := p[0], p[1]
	if a.carrier != nil && a.carrier == b.carrier && a.nat != b.nat {
		return false
	}
	if a.nat == b.nat {
		return true
	}
	steadyA, letsA := a.easy(happened)
	steadyB, letsB := b.easy(happened)
	return steadyA && steadyB || letsA || letsB
}

type pairOf [2]*resident

// check wants everybody to talk to everybody, directly where that is possible, without changing ways.
func (tw *town) check() (wrong []string) {
	ways := map[[2]string]string{}
	changes := map[[2]string]int{}
	for range 30 {
		tw.busy(time.Second)
		for _, p := range tw.pairs() {
			for _, d := range [][2]*resident{p, {p[1], p[0]}} {
				key, now := [2]string{d[0].name, d[1].name}, d[0].remote(d[1].member)
				if was, known := ways[key]; known && was != now {
					changes[key]++
				}
				ways[key] = now
			}
		}
	}
	for key, n := range changes {
		if n > 2 {
			wrong = append(wrong, fmt.Sprintf("%s changes its way to %s %d times in 30 s", key[0], key[1], n))
		}
	}
	for _, p := range tw.pairs() {
		a, b := p[0].member, p[1].member
		if !tw.hear(a, b) || !tw.hear(b, a) {
			wrong = append(wrong, fmt.Sprintf("%s and %s do not talk: %s, %s", a.name, b.name, a.peer(b).State, b.peer(a).State))
		} else if pairOf(p).direct(tw.happened) && !directly(a, b) {
			wrong = append(wrong, fmt.Sprintf("%s and %s: %s, %s", a.name, b.name, a.peer(b).State, b.peer(a).State))
		}
	}
	return append(wrong, tw.flows()...)
}

// hear has one node say something to another, some times, until it is heard.
func (tw *town) hear(from, to *member) bool {
	to.device.Frames()
	for i := range 10 {
		word := fmt.Sprintf("%s %d", from.name, i)
		from.say(to, word)
		tw.pass(150 * time.Millisecond)
		if slices.Contains(to.bodies(), word) {
			return true
		}
	}
	return false
}

// flows limits what the routers have to remember: all addresses of all peers, once.
func (tw *town) flows() (wrong []string) {
	for _, n := range tw.nodes {
		if got, limit := n.nat.Flows(), len(tw.nodes)*(24*len(tw.nodes)+4); got > limit {
			wrong = append(wrong, fmt.Sprintf("%d flows at home %d", got, n.home))
		}
	}
	return wrong
}

// live is the whole life of a town.
func (tw *town) live() []string {
	tw.settle()
	for _, m := range tw.members {
		m.options.Log = nil // it is a lot
	}
	start(tw.members...)
	tw.busy(time.Duration(tw.rnd.IntN(20)) * time.Second)
	for range tw.rnd.IntN(5) {
		tw.happen()
		tw.busy(time.Duration(tw.rnd.IntN(15)) * time.Second)
	}
	tw.tell("the dust settles")
	tw.busy(100 * time.Second)
	for _, n := range tw.nodes {
		n.nat.SetOut(simnet.Conditions{Delay: 10 * time.Millisecond})
	}
	tw.busy(130 * time.Second)
	return tw.check()
}

// seedsFor gives the seeds of a random test: a few, or as VXMESH_SEEDS says: how many, or FROM-TO.
func seedsFor(few int) (from, to int) {
	first, last, isRange := strings.Cut(os.Getenv("VXMESH_SEEDS"), "-")
	from, _ = strconv.Atoi(first)
	if to, _ = strconv.Atoi(last); isRange {
		return from, to
	}
	if from > 0 {
		return 0, from
	}
	return 0, few
}

// TestTowns has nodes behind all kinds of NATs find each other, whatever happens.
func TestTowns(t *testing.T) {
	from, to := seedsFor(30)
	for seed := from; seed < to; seed++ {
		t.Run(strconv.Itoa(seed), func(t *testing.T) {
			t.Parallel()
			simulate(t, uint64(seed), func(w *world) {
				tw := &town{world: w, rnd: rand.New(rand.NewPCG(uint64(seed), 3)), number: 1}
				if wrong := tw.live(); len(wrong) > 0 {
					t.Errorf("%s\n%s", strings.Join(wrong, "\n"), strings.Join(tw.story, "\n"))
				}
			})
		})
	}
}
