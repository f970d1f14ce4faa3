package session

import (
	"slices"
	"testing"
	"time"

	"github.com/vxmesh/vxmesh/tunnel/drop"
)

func TestOldSessionsStillReceive(t *testing.T) {
	a, b := newPair(t)
	a1, b1 := connect(t, 0, a, b)
	r := b.Receive(time.Minute, a.addr, a.call())
	if b.peer.Current() != b1 || exchange(t, b1, a1, "x") != drop.None {
		t.Error("the responder left the old session before the initiator had the new one")
	}
	a2 := a.Receive(time.Minute, b.addr, r.Reply).New
	if a.peer.Current() != a2 {
		t.Error("the initiator does not use the new session at once")
	}
	if !slices.Contains(b.peer.Transports(), b1) || !slices.Contains(a.peer.Transports(), a1) {
		t.Error("what is on its way with the old session is lost")
	}
	if b.peer.Confirm(b1) || b.peer.Current() != b1 {
		t.Error("an old session was confirmed twice")
	}
	if !b.peer.Confirm(r.New) || b.peer.Current() != r.New {
		t.Error("the new session is not current after its first datagram")
	}
}

func TestFewSessionsAreKept(t *testing.T) {
	a, b := newPair(t)
	_, b1 := connect(t, 0, a, b)
	var pending []*Transport
	for i := range 6 { // message 2 is lost six times
		r := b.Receive(time.Duration(i)*time.Second, a.addr, a.call())
		pending = append(pending, r.New)
	}
	got := b.peer.Transports()
	if want := []*Transport{b1, pending[4], pending[5]}; !slices.Equal(got, want) {
		t.Errorf("%d sessions, want the current one and the last two", len(got))
	}
	if got := b.peer.Expire(6 * time.Second); !slices.Equal(got, pending[:4]) {
		t.Errorf("%d dropped, want 4", len(got))
	}
	if _, ok := pending[0].Reserve(1); ok || b.peer.Confirm(pending[0]) || b.peer.Current() != b1 {
		t.Error("a session that was dropped comes back")
	}
	var all []*Transport
	for i := range 6 {
		_, tb := connect(t, time.Duration(10+i)*time.Second, a, b)
		all = append(all, tb)
	}
	if got := b.peer.Transports(); !slices.Equal(got, all[3:]) {
		t.Errorf("%d sessions, want the current one and the two before", len(got))
	}
	if n := len(b.indices); n != 3 {
		t.Errorf("%d indices for 3 sessions", n)
	}
}

// Before there is any session, the last unconfirmed ones are kept.
func TestFewPendingSessionsAreKept(t *testing.T) {
	a, b := newPair(t)
	var pending []*Transport
	for range 5 {
		pending = append(pending, b.Receive(0, a.addr, a.call()).New)
	}
	if got := b.peer.Transports(); !slices.Equal(got, pending[3:]) {
		t.Errorf("%d sessions, want the last two", len(got))
	}
}

func TestExpire(t *testing.T) {
	a, b := newPair(t)
	a1, _ := connect(t, 0, a, b)
	a2, _ := connect(t, 100*time.Second, a, b)
	if got := a.peer.Expire(179 * time.Second); got != nil || a.peer.Current() != a2 {
		t.Errorf("%d dropped at 179 s", len(got))
	}
	if got := a.peer.Expire(180 * time.Second); !slices.Equal(got, []*Transport{a1}) {
		t.Errorf("%d dropped at 180 s, want the older", len(got))
	}
	if got := a.peer.Expire(180 * time.Second); got != nil {
		t.Error("dropped twice")
	}
	if got := a.peer.Expire(280 * time.Second); !slices.Equal(got, []*Transport{a2}) ||
		a.peer.Current() != nil || len(a.indices) != 0 {
		t.Errorf("%d dropped at 280 s, current %v", len(got), a.peer.Current())
	}
	if _, ok := a2.Reserve(1); ok {
		t.Error("a dead session gives counters")
	}
	if a.peer.Confirm(a2) {
		t.Error("a dead session is current again")
	}
}

func TestClose(t *testing.T) {
	a, b := newPair(t)
	_, b1 := connect(t, 0, a, b)
	_, b2 := connect(t, 0, a, b)
	_, b3 := connect(t, 0, a, b)
	b.peer.Close(b2) // came late: the peer is back already
	if b.peer.Current() != b3 || !slices.Equal(b.peer.Transports(), []*Transport{b3}) {
		t.Error("a late goodbye ended the new session")
	}
	if got := b.peer.Expire(0); !slices.Equal(got, []*Transport{b1, b2}) {
		t.Errorf("%d dropped", len(got))
	}
	b.peer.Close(b3)
	if b.peer.Current() != nil || len(b.peer.Transports()) != 0 {
		t.Error("the peer said goodbye and has a session")
	}
}

// Should the current session be dropped, what the peer has of the older ones serves on.
func TestDropFallsBack(t *testing.T) {
	a, b := newPair(t)
	_, b1 := connect(t, 0, a, b)
	pending := b.Receive(0, a.addr, a.call()).New
	_, b2 := connect(t, 0, a, b)
	b.peer.drop(slices.Index(b.peer.sessions, b2))
	if b.peer.Current() != b1 || pending.Confirmed() {
		t.Error("the last confirmed session does not take over")
	}
	b.peer.drop(slices.Index(b.peer.sessions, pending))
	if b.peer.Current() != b1 {
		t.Error("the current session went with another one")
	}
}

// Of two nodes that begin at once, the lesser key gives way.
func TestSimultaneous(t *testing.T) {
	a, b := newPair(t)
	ma, mb := a.peer.Initiate(0), b.peer.Initiate(0)
	if a.public.String() == b.public.String() {
		t.Fatal("one node")
	}
	ra, rb := a.Receive(0, b.addr, mb), b.Receive(0, a.addr, ma)
	great, less := ra, rb
	g, l := a, b
	if string(a.public[:]) < string(b.public[:]) {
		great, less, g, l = rb, ra, b, a
	}
	if great.Reply != nil || great.New != nil || great.Reason != drop.None || great.Peer != g.peer {
		t.Errorf("the greater key answers: %+v", great)
	}
	if less.New == nil || l.peer.attempt != nil {
		t.Fatalf("the lesser key does not answer, or goes on itself: %+v", less)
	}
	r := g.Receive(0, l.addr, less.Reply)
	if r.New == nil || !l.peer.Confirm(less.New) || !same(a, b) {
		t.Error("no common session")
	}
}

// Later the greater key answers: perhaps only the other's messages get through.
func TestSimultaneousLater(t *testing.T) {
	for name, wait := range map[string]func(g *node){
		"second try":          func(g *node) { g.peer.Initiate(1500 * time.Millisecond) },
		"first try, too late": func(*node) {},
	} {
		a, b := newPair(t)
		g, l := a, b
		if string(a.public[:]) < string(b.public[:]) {
			g, l = b, a
		}
		g.peer.Initiate(0)
		wait(g)
		r := g.Receive(1500*time.Millisecond, l.addr, l.peer.Initiate(1500*time.Millisecond))
		if r.New == nil {
			t.Errorf("%s: %+v", name, r)
		}
		if g.peer.attempt == nil {
			t.Errorf("%s: the greater key gave its own attempt up", name)
		}
		if r := l.Receive(1500*time.Millisecond, g.addr, r.Reply); r.New == nil {
			t.Errorf("%s: %+v", name, r)
		}
		if !g.peer.Confirm(r.New) || g.peer.attempt != nil || !same(a, b) {
			t.Errorf("%s: no common session", name)
		}
	}
}

// The greater key is silent only for as long as it waits for an answer itself.
func TestAnswersAfterItsOwnWasAnswered(t *testing.T) {
	a, b := newPair(t)
	g, l := a, b
	if string(a.public[:]) < string(b.public[:]) {
		g, l = b, a
	}
	r := l.Receive(0, g.addr, g.peer.Initiate(0))
	g.Receive(0, l.addr, r.Reply)
	if r := g.Receive(time.Second/2, l.addr, l.call()); r.New == nil {
		t.Errorf("half a second after its own handshake: %+v", r)
	}
}

// Two sessions of two crossed handshakes: both ends prefer the same, whichever comes first.
func TestCrossedSessions(t *testing.T) {
	for _, first := range []bool{true, false} {
		a, b := newPair(t)
		ma, mb := a.call(), b.call()
		attemptA, attemptB := *a.peer.attempt, *b.peer.attempt
		a.peer.next, b.peer.next = 0, 0
		ra, rb := a.Receive(0, b.addr, mb), b.Receive(0, a.addr, ma)
		// Both attempts go on, as if each had begun after it answered.
		a.peer.attempt, b.peer.attempt = &attemptA, &attemptB
		a.indices[attemptA.index], b.indices[attemptB.index] = a.peer, b.peer
		ta := a.Receive(0, b.addr, rb.Reply).New
		tb := b.Receive(0, a.addr, ra.Reply).New
		if ta == nil || tb == nil {
			t.Fatal("no two sessions")
		}
		confirm := []func() bool{
			func() bool { return a.peer.Confirm(ra.New) }, func() bool { return b.peer.Confirm(rb.New) },
		}
		if !first {
			slices.Reverse(confirm)
		}
		if moved := []bool{confirm[0](), confirm[1]()}; moved[0] == moved[1] {
			t.Errorf("moved: %v, want one of both", moved)
		}
		if !same(a, b) {
			t.Error("each end sends with its own session")
		}
	}
}
