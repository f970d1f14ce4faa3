package session

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vxmesh/vxmesh/tunnel/drop"
)

// Whatever part of the same history two nodes know, whoever calls reaches the other within five tries
// if they share a secret, and never if they do not.
func TestEveryCombinationOfSecrets(t *testing.T) {
	const history = "abcd"
	var known []string
	for from := range len(history) {
		for to := from + 1; to <= len(history); to++ {
			known = append(known, history[from:to])
		}
	}
	for _, wa := range known {
		for _, wb := range known {
			a, b := newPair(t)
			a.SetSecrets(secretsOf(wa))
			b.SetSecrets(secretsOf(wb))
			var ra, rb Result
			for try := 0; try < 5 && ra.New == nil; try++ {
				if rb = b.Receive(0, a.addr, a.call()); rb.Reply != nil {
					ra = a.Receive(0, b.addr, rb.Reply)
				}
			}
			switch {
			case (ra.New != nil) != strings.ContainsAny(wa, wb):
				t.Errorf("%s calls %s: %+v, then %+v", wa, wb, rb, ra)
			case ra.New != nil && (ra.New.Binding() != rb.New.Binding() ||
				exchange(t, ra.New, rb.New, "hello") != drop.None):
				t.Errorf("%s calls %s: the two ends are of different sessions", wa, wb)
			}
		}
	}
}

// What was begun under a secret goes on under it when there is a newer one, and ends with it.
func TestAttemptKeepsItsSecret(t *testing.T) {
	for _, challenge := range []bool{false, true} {
		for _, c := range []struct {
			then string
			good bool
		}{{"no", true}, {"n", false}} {
			a, b := newPair(t)
			a.SetSecrets(secretsOf("o"))
			b.SetSecrets(secretsOf("o"))
			if challenge {
				b.peer.accepted, b.peer.highest = 1, 1<<63
			}
			r := b.Receive(0, a.addr, a.call())
			a.SetSecrets(secretsOf(c.then))
			if good := a.Awaited(r.Reply); good != c.good || good != (a.peer.attempt != nil) {
				t.Errorf("o, then %s, challenge %v: awaited %v", c.then, challenge, good)
			}
			if r = a.Receive(0, b.addr, r.Reply); challenge && r.Reply != nil {
				r = b.Receive(0, a.addr, r.Reply)
			}
			if (r.New != nil) != c.good {
				t.Errorf("o, then %s, challenge %v: %+v", c.then, challenge, r)
			}
		}
	}
}

// A peer may be removed at any time, by who still holds on to it also later.
func TestRemoveAnyTime(t *testing.T) {
	a, b := newPair(t)
	ta, _ := connect(t, 0, a, b)
	p := a.peer
	p.Keep(true)
	m2 := b.Receive(time.Second, a.addr, a.call()).Reply
	p.Urge(time.Second)
	a.Remove(p)
	if r := a.Receive(time.Second, b.addr, m2); r.Reason != drop.NoSession || r.Peer != nil {
		t.Errorf("an answer to a removed peer's attempt: %+v", r)
	}
	if p.Due(time.Hour) || p.Deadline() != Never || p.Initiate(time.Hour) != nil || len(a.indices) > 0 {
		t.Error("a removed peer is called")
	}
	if p.Confirm(ta) || p.Current() != nil || !slices.Contains(p.Expire(time.Second), ta) {
		t.Error("a removed peer's session goes on, or the owner is not told that it ended")
	}
	a.peer = addPeer(t, a.Endpoint, b.public)
	a.Remove(p)
	if a.Peer(b.public) != a.peer {
		t.Fatal("the new peer was removed with the old one")
	}
	// Its counter begins anew in the same epoch, so the other side wants a proof, once.
	r := b.Receive(time.Second, a.addr, challenged(t, time.Second, a, b, a.call()))
	if r = a.Receive(time.Second, b.addr, r.Reply); r.New == nil {
		t.Fatalf("the new peer: %+v", r)
	}
	connect(t, 2*time.Second, a, b)
}

// The second look at what a stranger sent is free, and the only one that is.
func TestReceiveAgainIsNotCounted(t *testing.T) {
	a, b := newPair(t)
	b.Remove(b.peer)
	var m1 []byte
	for range addressRate {
		m1 = a.call()
		if r := b.Receive(time.Second, a.addr, m1); r.Event != UnknownPeer {
			t.Fatalf("%+v", r)
		}
	}
	b.peer = addPeer(t, b.Endpoint, a.public)
	r := b.ReceiveAgain(time.Second, a.addr, m1)
	if r.New == nil || r.Reason != drop.None {
		t.Fatalf("the same again: %+v", r)
	}
	m2 := r.Reply
	if r := b.ReceiveAgain(time.Second, a.addr, m1); r.Reason != drop.Replay || r.New != nil {
		t.Errorf("a third time: %+v", r)
	}
	cookie := b.Receive(time.Second, a.addr, a.call())
	if cookie.Reason != drop.CookieNeeded {
		t.Errorf("the next of too many: %+v", cookie)
	}
	for _, m := range [][]byte{m2, cookie.Reply, m1[1:], nil} {
		if r := a.ReceiveAgain(time.Second, b.addr, m); r.Reason != drop.Auth || r.Reply != nil {
			t.Errorf("%d bytes that are no message 1 for a: %+v", len(m), r)
		}
	}
}

// A secret that stays is known at every moment while others come and go.
func TestSecretStaysKnown(t *testing.T) {
	a, b := newPair(t)
	a.SetSecrets(secretsOf("s"))
	b.SetSecrets(secretsOf("s"))
	m1 := a.call()
	done := make(chan int)
	for range 2 {
		go func() {
			missed := 0
			for range 2000 {
				if !b.Screen(m1) {
					missed++
				}
			}
			done <- missed
		}()
	}
	for i := range 200 {
		b.SetSecrets(secretsOf([]string{"xs", "sy", "s", "xyzs"}[i%4]))
	}
	for range 2 {
		if missed := <-done; missed > 0 {
			t.Errorf("a message 1 was screened out %d times", missed)
		}
	}
}

// Junk costs no memory under any number of secrets either.
func TestScreenManySecrets(t *testing.T) {
	a, b := newPair(t)
	a.SetSecrets(secretsOf("d"))
	b.SetSecrets(secretsOf("abcd"))
	good, junk := a.call(), make([]byte, Message1Len)
	copy(junk, good[:500])
	if n := testing.AllocsPerRun(100, func() {
		if !b.Screen(good) || b.Screen(junk) {
			t.Error("the oldest secret does not count, or anything does")
		}
	}); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

// BenchmarkScreen is what a datagram costs that nobody made with a secret of ours.
func BenchmarkScreen(b *testing.B) {
	for n := 1; n <= MaxSecrets; n++ {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			from, to := newPair(b)
			m := from.call()
			to.SetSecrets(secretsOf("abcd"[:n]))
			b.ReportAllocs()
			for b.Loop() {
				to.Screen(m)
			}
		})
	}
}
