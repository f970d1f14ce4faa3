package session

import (
	"bytes"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/vxmesh/vxmesh/tunnel/drop"
)

func TestMessage1Twice(t *testing.T) {
	a, b := newPair(t)
	m1 := a.call()
	if r := b.Receive(0, a.addr, m1); r.New == nil {
		t.Fatalf("%+v", r)
	}
	before := b.peer.Transports()
	r := b.Receive(0, a.addr, m1)
	if r.Reason != drop.Replay || r.Reply != nil || r.New != nil || r.Peer != b.peer {
		t.Errorf("a copy: %+v", r)
	}
	if !slices.Equal(before, b.peer.Transports()) {
		t.Error("a copy changed the sessions")
	}
}

// challenged gives what a answers to the challenge that b gives to m1.
func challenged(t *testing.T, now time.Duration, a, b *node, m1 []byte) []byte {
	t.Helper()
	r := b.Receive(now, a.addr, m1)
	if r.Reason != drop.CookieNeeded || r.New != nil || len(r.Reply) != CookieLen || r.Peer != b.peer {
		t.Fatalf("an old message 1: %+v", r)
	}
	r = a.Receive(now, b.addr, r.Reply)
	if len(r.Reply) != Message1Len || r.Peer != a.peer || r.Reason != drop.None {
		t.Fatalf("the challenge: %+v", r)
	}
	return r.Reply
}

// restart makes a's endpoint anew, as after a start with this boot epoch.
func restart(t *testing.T, a, b *node, epoch uint32) {
	t.Helper()
	o := options(1)
	o.Epoch, o.Rand = epoch, seeded(uint64(epoch)+1000)
	a.Endpoint = New(o)
	a.peer = addPeer(t, a.Endpoint, b.public)
}

func TestEpochForward(t *testing.T) {
	a, b := newPair(t)
	connect(t, 0, a, b)
	restart(t, a, b, 2)
	connect(t, time.Second, a, b)
	if !same(a, b) || b.peer.Epoch() != 2 {
		t.Errorf("after a restart: epoch %d", b.peer.Epoch())
	}
}

func TestEpochBack(t *testing.T) {
	a, b := newPair(t, func(a, _ *Options) { a.Epoch = 5 })
	connect(t, 0, a, b)
	current := b.peer.Current()
	restart(t, a, b, 3)
	now := time.Second
	m := challenged(t, now, a, b, a.call())
	if b.peer.Current() != current || b.peer.latest>>32 != 5 {
		t.Error("an old message 1 had an effect")
	}
	r := b.Receive(now, a.addr, m)
	if r.New == nil || r.Event != EpochBack {
		t.Fatalf("the answer to the challenge: %+v", r)
	}
	if r := b.Receive(now, a.addr, m); r.Reason != drop.Replay || r.Reply != nil {
		t.Errorf("the answer a second time: %+v", r)
	}
	a.Receive(now, b.addr, r.Reply)
	b.peer.Confirm(r.New)
	if !same(a, b) || b.peer.Epoch() != 3 {
		t.Error("not connected")
	}
	// It stays behind what was seen before, and so it is challenged every time.
	r = b.Receive(now, a.addr, challenged(t, now, a, b, a.call()))
	if r.New == nil || r.Event != NoEvent {
		t.Errorf("the next handshake: %+v", r)
	}
}

// A message 1 that was overtaken is challenged, but no sign of a restored state.
func TestCounterBack(t *testing.T) {
	a, b := newPair(t)
	connect(t, 0, a, b)
	b.peer.highest += 100
	r := b.Receive(0, a.addr, challenged(t, 0, a, b, a.call()))
	if r.New == nil || r.Event != NoEvent {
		t.Errorf("%+v", r)
	}
}

func TestChallengeBinds(t *testing.T) {
	type change func(b *node, from *netip.AddrPort, now *time.Duration)
	for name, change := range map[string]change{
		"nothing": func(*node, *netip.AddrPort, *time.Duration) {},
		"another port": func(_ *node, from *netip.AddrPort, _ *time.Duration) {
			*from = netip.AddrPortFrom(from.Addr(), 9)
		},
		"another address": func(b *node, from *netip.AddrPort, _ *time.Duration) { *from = b.addr },
		"a later time":    func(_ *node, _ *netip.AddrPort, now *time.Duration) { *now += time.Hour },
		"a newer state":   func(b *node, _ *netip.AddrPort, _ *time.Duration) { b.peer.accepted++ },
		"another peer":    func(b *node, _ *netip.AddrPort, _ *time.Duration) { b.peer.key[0]++ },
	} {
		a, b := newPair(t)
		connect(t, 0, a, b)
		b.peer.highest += 1 << 40
		from, now := a.addr, time.Duration(0)
		m := challenged(t, now, a, b, a.call())
		change(b, &from, &now)
		r := b.Receive(now, from, m)
		if name == "nothing" {
			if r.New == nil {
				t.Errorf("%s: %+v", name, r)
			}
		} else if r.New != nil || r.Reason != drop.CookieNeeded {
			t.Errorf("%s: %+v", name, r)
		}
	}
}

// A cookie that proves an address is no answer to a challenge.
func TestCookieIsNoChallenge(t *testing.T) {
	a, b := newPair(t)
	connect(t, 0, a, b)
	b.peer.highest += 1 << 40
	m := a.peer.begin(a.newest(), b.jar.bake(0, a.addr, nil))
	if r := b.Receive(0, a.addr, m); r.Reason != drop.CookieNeeded || r.New != nil {
		t.Errorf("%+v", r)
	}
}

// The challenge of one try is taken once, so that nobody can keep a node busy with it.
func TestChallengeOncePerTry(t *testing.T) {
	a, b := newPair(t)
	connect(t, 0, a, b)
	b.peer.highest += 1 << 40
	m1 := a.peer.Initiate(time.Second)
	m := challenged(t, time.Second, a, b, m1)
	cookie := b.demand(b.newest(), m, [16]byte{7}, flagChallenge)
	if r := a.Receive(time.Second, b.addr, cookie); r.Reply != nil || r.Reason != drop.Replay {
		t.Errorf("a second challenge: %+v", r)
	}
	m1 = a.peer.Initiate(time.Minute)
	if r := b.Receive(time.Minute, a.addr, m1); r.Reply == nil {
		t.Errorf("the next try: %+v", r)
	} else if r := a.Receive(time.Minute, b.addr, r.Reply); r.Reply == nil {
		t.Errorf("the next try is not challenged again: %+v", r)
	}
}

// Whatever was ever sent, sent again at any time and from anywhere, changes no session.
func TestReplayedMessagesChangeNothing(t *testing.T) {
	a, b := newPair(t, func(a, _ *Options) { a.Epoch = 9 })
	var recorded [][]byte
	keep := func(m []byte) []byte {
		if m != nil {
			recorded = append(recorded, bytes.Clone(m))
		}
		return m
	}
	now := time.Duration(0)
	handshake := func() {
		r := b.Receive(now, a.addr, keep(a.call()))
		if len(r.Reply) == CookieLen {
			r = b.Receive(now, a.addr, keep(a.Receive(now, b.addr, keep(r.Reply)).Reply))
		}
		a.Receive(now, b.addr, keep(r.Reply))
		b.peer.Confirm(r.New)
	}
	for round := range 4 {
		if round == 2 {
			restart(t, a, b, 4) // from a backup: the challenge is among what was recorded
		}
		handshake()
		r := b.Receive(now, a.addr, keep(a.call())) // and one that is not confirmed yet
		if len(r.Reply) == CookieLen {
			r = b.Receive(now, a.addr, keep(a.Receive(now, b.addr, keep(r.Reply)).Reply))
		}
		if r.New == nil {
			t.Fatalf("round %d: %+v", round, r)
		}
		before, current := b.peer.Transports(), b.peer.Current()
		highest, last := b.peer.highest, b.peer.latest
		for _, from := range []netip.AddrPort{a.addr, netip.MustParseAddrPort("203.0.113.9:9")} {
			for _, m := range recorded {
				now += 100 * time.Millisecond
				r := b.Receive(now, from, m)
				if r.New != nil || len(r.Reply) > CookieLen {
					t.Fatalf("round %d: a recorded message: %+v", round, r)
				}
			}
		}
		if !slices.Equal(before, b.peer.Transports()) || b.peer.Current() != current ||
			b.peer.highest != highest || b.peer.latest != last {
			t.Fatalf("round %d: recorded messages changed something", round)
		}
	}
}
