package session

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/vxmesh/vxmesh/tunnel/drop"
	"github.com/vxmesh/vxmesh/tunnel/wire"
)

// A link carries datagrams between two nodes as badly as it is told to.
type link struct {
	t     *testing.T
	r     *rand.Rand
	now   time.Duration
	nodes [2]*node
	loss  [2]float64 // by sender
	twice float64
	delay time.Duration // at most
	air   []flying
	every time.Duration // a node sends that often
	after time.Duration // and not before

	strict bool // nothing may be sent in vain

	lost, opened, refused int
}

type flying struct {
	at, sent time.Duration
	to       int
	datagram []byte
}

const tick = 10 * time.Millisecond

func newLink(t *testing.T, seed uint64, a, b *node) *link {
	return &link{
		t: t, r: rand.New(rand.NewPCG(seed, 0)), nodes: [2]*node{a, b}, every: 50 * time.Millisecond,
	}
}

func (l *link) send(from int, datagram []byte) {
	if datagram == nil {
		return
	}
	if l.r.Float64() < l.loss[from] {
		l.lost++
		return
	}
	for copies := 0; copies == 0 || copies == 1 && l.r.Float64() < l.twice; copies++ {
		at := l.now + time.Duration(l.r.Int64N(int64(l.delay)+1))
		l.air = append(l.air, flying{at, l.now, 1 - from, datagram})
	}
}

// run lets time go on until the clock shows end.
func (l *link) run(end time.Duration) {
	for ; l.now < end; l.now += tick {
		for i := 0; i < len(l.air); i++ {
			if f := l.air[i]; f.at <= l.now {
				l.air[i] = l.air[len(l.air)-1]
				l.air = l.air[:len(l.air)-1]
				i--
				l.deliver(f)
			}
		}
		for i, n := range l.nodes {
			n.peer.Expire(l.now)
			if n.peer.Due(l.now) {
				l.send(i, n.peer.Initiate(l.now))
			}
			if l.now >= l.after && l.now%l.every == 0 {
				l.sendData(i)
			}
		}
	}
}

func (l *link) sendData(from int) {
	if t := l.nodes[from].peer.Current(); t != nil {
		l.send(from, sealed(l.t, t, "data"))
	}
}

func (l *link) deliver(f flying) {
	n := l.nodes[f.to]
	if wire.KindOf(f.datagram) != wire.Data {
		if !n.Screen(f.datagram) {
			l.t.Fatalf("%v: a true handshake datagram is screened out", l.now)
		}
		r := n.Receive(l.now, l.nodes[1-f.to].addr, f.datagram)
		l.send(f.to, r.Reply)
		if r.New != nil && r.New.Initiator() {
			l.sendData(f.to)
		}
		return
	}
	for _, t := range n.peer.Transports() {
		if t.Index() != wire.Index(f.datagram) {
			continue
		}
		switch _, reason := t.Open(nil, f.datagram); reason {
		case drop.None:
			l.opened++
			if !t.Confirmed() {
				n.peer.Confirm(t)
			}
		case drop.Auth:
			l.t.Fatalf("%v: a true datagram is refused", l.now)
		}
		return
	}
	l.refused++
	if l.strict && l.now-f.sent < 5*time.Second {
		l.t.Errorf("%v: node %d cannot open a datagram of %v", l.now, f.to, f.sent)
	}
}

// Half an hour over a bad link: whatever is sent with the current session can be opened.
func TestThirtyMinutes(t *testing.T) {
	runs := uint64(4)
	if testing.Short() {
		runs = 1
	}
	for seed := range runs {
		a, b := newPair(t)
		a.peer.Keep(true)
		b.peer.Keep(true)
		l := newLink(t, seed, a, b)
		l.loss, l.twice, l.delay, l.strict = [2]float64{0.2, 0.2}, 0.2, 2*time.Second, true
		first := a.peer.Current()
		l.run(30 * time.Minute)
		if l.opened < 30000 || l.refused > 0 {
			t.Errorf("seed %d: %d opened, %d refused, %d lost", seed, l.opened, l.refused, l.lost)
		}
		if a.peer.Current() == first || l.now-a.peer.Current().Created() > 150*time.Second {
			t.Errorf("seed %d: the keys are old", seed)
		}
	}
}

// Without loss there is never a moment without a session once there was one.
func TestRekeyIsSeamless(t *testing.T) {
	a, b := newPair(t)
	l := newLink(t, 1, a, b)
	l.delay, l.strict = 100*time.Millisecond, true
	a.peer.Urge(0)
	l.run(time.Second)
	before := l.opened
	l.run(time.Second + 20*time.Minute)
	if sent := 2 * 20 * 60 * 20; l.opened-before < sent-10 {
		t.Errorf("%d of %d datagrams opened", l.opened-before, sent)
	}
	if !same(a, b) {
		t.Error("no common session in the end")
	}
}

// However two nodes that begin at once get in each other's way, they end with one session.
func TestSimultaneousEndsWithOneSession(t *testing.T) {
	runs := uint64(100)
	if testing.Short() {
		runs = 10
	}
	for seed := range runs {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			a, b := newPair(t, func(a, b *Options) {
				a.Rand, b.Rand = seeded(1000+seed), seeded(2000+seed)
			})
			l := newLink(t, seed, a, b)
			l.loss = [2]float64{l.r.Float64() * 0.7, l.r.Float64() * 0.7}
			l.twice, l.delay = 0.3, time.Duration(l.r.Int64N(int64(3*time.Second)))
			l.every = time.Second
			for l.now < 30*time.Second { // each wants something at times of its own
				l.nodes[l.r.IntN(2)].peer.Urge(l.now)
				l.run(l.now + time.Duration(l.r.IntN(400))*tick)
			}
			a.peer.Keep(true)
			b.peer.Keep(true)
			l.loss = [2]float64{}
			l.run(l.now + 10*time.Second)
			if !same(a, b) {
				t.Errorf("not one session: %+v and %+v", a.peer.Current(), b.peer.Current())
			}
		})
	}
}

// When only one node's messages 1 arrive, be it the greater or the lesser, they connect.
func TestOneWay(t *testing.T) {
	for _, deaf := range []int{0, 1} {
		a, b := newPair(t)
		a.peer.Keep(true)
		b.peer.Keep(true)
		l := newLink(t, 1, a, b)
		for l.now < 3*time.Second {
			l.run(l.now + tick)
			for i := 0; i < len(l.air); i++ {
				if f := l.air[i]; f.to == deaf && wire.KindOf(f.datagram) == wire.Handshake1 {
					l.air[i].at = time.Hour
				}
			}
		}
		if !same(a, b) {
			t.Errorf("what goes to node %d first is lost, and there is no session", deaf)
		}
	}
}

// A node that was killed and comes back is reached at once, whoever calls.
func TestRestart(t *testing.T) {
	for _, c := range []struct {
		name  string
		epoch uint32
	}{{"with a higher epoch", 10}, {"from a backup", 3}} {
		a, b := newPair(t, func(a, _ *Options) { a.Epoch = 9 })
		b.peer.Keep(true)
		l := newLink(t, 1, a, b)
		l.delay = 50 * time.Millisecond
		l.run(90 * time.Second)
		if !same(a, b) {
			t.Fatal("no session before")
		}
		restart(t, a, b, c.epoch)
		a.peer.Keep(true)
		l.air = nil
		l.after = l.now + 500*time.Millisecond // the peer knows nothing of the sessions before
		l.run(l.now + time.Second)
		if !same(a, b) {
			t.Errorf("%s: not reached within a second", c.name)
		}
		restart(t, a, b, c.epoch+1)
		l.air = nil
		b.peer.Urge(l.now) // this time the peer calls, because it hears nothing
		l.after = l.now + 500*time.Millisecond
		l.run(l.now + time.Second)
		if !same(a, b) {
			t.Errorf("%s: not reached by the peer within a second", c.name)
		}
	}
}
