package session

import (
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/vxmesh/vxmesh/tunnel/drop"
)

// newest is the realm that handshakes begin in.
func (e *Endpoint) newest() *realm { return (*e.realms.Load())[0] }

// secretsOf makes secrets out of the letters of a word.
func secretsOf(word string) (out [][32]byte) {
	for _, c := range []byte(word) {
		out = append(out, [32]byte{c})
	}
	return out
}

// TestSecretsThatTwoShare has two nodes whose secrets are of different age reach each other within a
// few tries whenever they share one, and get no answer otherwise.
func TestSecretsThatTwoShare(t *testing.T) {
	for _, c := range []struct {
		a, b  string // newest first
		tries int    // 0: never
	}{
		{"n", "n", 1},
		{"n", "no", 1},
		{"no", "no", 1},
		{"o", "no", 1},   // a was away
		{"no", "o", 3},   // b was
		{"nop", "p", 4},  // for longer
		{"nop", "op", 3}, // and they agree on the newest that both have
		{"n", "o", 0},
		{"nm", "op", 0},
		{"", "n", 0},
		{"", "", 1},
	} {
		a, b := newPair(t)
		a.SetSecrets(secretsOf(c.a))
		b.SetSecrets(secretsOf(c.b))
		got := 0
		for try := 1; try <= 8 && got == 0; try++ {
			now := time.Duration(try) * 7 * time.Second
			a.peer.Urge(now)
			m1 := a.peer.Initiate(now)
			r := b.Receive(now, a.addr, m1)
			if r.Reply == nil {
				continue
			}
			if r = a.Receive(now, b.addr, r.Reply); r.New == nil {
				t.Errorf("%q calls %q: the answer: %+v", c.a, c.b, r)
			}
			got = try
		}
		if got != c.tries {
			t.Errorf("%q calls %q: answered at try %d, want %d", c.a, c.b, got, c.tries)
		}
	}
}

// Cookies and challenges are sealed under the secret of what they answer.
func TestCookieUnderAnOlderSecret(t *testing.T) {
	a, b := newPair(t)
	a.SetSecrets(secretsOf("o"))
	b.SetSecrets(secretsOf("no"))
	b.load = bucket{}
	r := b.Receive(0, a.addr, a.call())
	if r.Reason != drop.CookieNeeded {
		t.Fatalf("%+v", r)
	}
	if r = a.Receive(0, b.addr, r.Reply); r.Reply == nil {
		t.Fatalf("the cookie: %+v", r)
	}
	if r = b.Receive(0, a.addr, r.Reply); r.New == nil {
		t.Errorf("with the cookie: %+v", r)
	}
}

func TestRotationLeavesSessions(t *testing.T) {
	a, b := newPair(t)
	ta, tb := connect(t, 0, a, b)
	a.SetSecrets(secretsOf("n"))
	b.SetSecrets(secretsOf("n"))
	if a.peer.Current() != ta || b.peer.Current() != tb {
		t.Error("the sessions are others")
	}
	if ta.Binding() != tb.Binding() || ta.Binding() == [32]byte{} {
		t.Errorf("bindings %x and %x", ta.Binding(), tb.Binding())
	}
	if _, next := connect(t, time.Minute, a, b); next.Binding() == tb.Binding() {
		t.Error("two sessions have one binding")
	}
}

func TestAtMostMaxSecrets(t *testing.T) {
	a, b := newPair(t)
	a.SetSecrets(secretsOf("e"))
	b.SetSecrets(secretsOf("abcde"))
	if r := b.Receive(0, a.addr, a.call()); r.Reply != nil || r.Reason != drop.Auth {
		t.Errorf("the fifth secret: %+v", r)
	}
}

// A stranger that the owner adds at once has cost the sender one of its tries, not two.
func TestReceiveAgain(t *testing.T) {
	a, b := newPair(t)
	b.Remove(b.peer)
	m1 := a.call()
	before := b.load
	if r := b.Receive(0, a.addr, m1); r.Event != UnknownPeer {
		t.Fatalf("%+v", r)
	}
	after := b.load
	b.peer = addPeer(t, b.Endpoint, a.public)
	if b.Endpoint.Peer(a.public) != b.peer || b.Endpoint.Peer(b.public) != nil {
		t.Error("the peers are not found by their keys")
	}
	if r := b.ReceiveAgain(0, a.addr, m1); r.New == nil {
		t.Errorf("%+v", r)
	}
	if after == before || b.load != after {
		t.Errorf("the bucket held %v, then %v, then %v", before, after, b.load)
	}
	m1 = slices.Clone(m1)
	m1[20]++
	if r := b.ReceiveAgain(0, a.addr, m1); r.Reason != drop.Auth || r.New != nil {
		t.Errorf("a forged one: %+v", r)
	}
}

// Indices are nobody else's who shares the socket.
func TestTakenIndices(t *testing.T) {
	var asked int
	o := options(1)
	o.Taken = func(uint32) bool { asked++; return asked < 3 }
	e := New(o)
	p := addPeer(t, e, New(options(2)).public)
	p.Initiate(0)
	if asked != 3 {
		t.Errorf("%d indices were tried, want 3", asked)
	}
}

func TestScreenWhileSecretsChange(t *testing.T) {
	a, b := newPair(t)
	m1 := a.call()
	var wg sync.WaitGroup
	wg.Go(func() {
		for range 100 {
			b.SetSecrets(secretsOf("n"))
			b.SetSecrets(a.o.Secrets)
		}
	})
	for range 100 {
		b.Screen(m1)
	}
	wg.Wait()
	if !b.Screen(m1) {
		t.Error("a message 1 under the newest secret is refused")
	}
	if n := testing.AllocsPerRun(100, func() { b.Screen(m1) }); n != 0 {
		t.Errorf("a look costs %v allocations", n)
	}
}
