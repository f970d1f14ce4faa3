package session

import (
	"testing"
	"time"

	"github.com/vxmesh/vxmesh/tunnel/drop"
)

// TestAwaited has answers pass for as long as there is what they answer, and no longer.
func TestAwaited(t *testing.T) {
	now := time.Second
	a, b := loaded(t, now)
	m1 := a.call()
	cookie := b.Receive(now, a.addr, m1).Reply
	if !a.Awaited(m1) || !b.Awaited(m1) || !a.Awaited(cookie) || b.Awaited(cookie) {
		t.Errorf("message 1 %v, %v; cookie %v, %v: want all but the last",
			a.Awaited(m1), b.Awaited(m1), a.Awaited(cookie), b.Awaited(cookie))
	}
	again := a.Receive(now, b.addr, cookie).Reply
	m2 := b.Receive(now, a.addr, again).Reply
	if !a.Awaited(m2) || b.Awaited(m2) {
		t.Errorf("message 2: %v by who called, %v by who answered", a.Awaited(m2), b.Awaited(m2))
	}
	if r := a.Receive(now, b.addr, m2); r.New == nil {
		t.Fatalf("%+v", r)
	}
	if a.Awaited(m2) || a.Awaited(cookie) {
		t.Error("a second answer is awaited")
	}
	old := b.Receive(now+time.Minute, a.addr, a.call()).Reply
	a.call() // in place of the last one
	if a.Awaited(old) {
		t.Error("the answer to a message that was replaced is awaited")
	}
	last := b.Receive(now+2*time.Minute, a.addr, a.peer.attempt.message).Reply
	a.Remove(a.peer)
	if a.Awaited(last) || len(a.awaited.indices) != 0 {
		t.Error("an answer of who is no peer any more is awaited")
	}
}

// TestAwaitedDoesNotAllocate, and junk is not awaited.
func TestAwaitedDoesNotAllocate(t *testing.T) {
	a, b := newPair(t)
	cookie := b.demand(b.newest(), a.call(), [macLen]byte{}, 0)
	cookie[cookieReceiverAt]++
	if n := testing.AllocsPerRun(100, func() {
		if !a.Screen(cookie) || a.Awaited(cookie) {
			t.Error("somebody's cookie is awaited")
		}
	}); n > 0 {
		t.Errorf("%v allocations", n)
	}
	if r := a.Receive(time.Second, b.addr, cookie); r.Reason != drop.NoSession {
		t.Errorf("%+v", r)
	}
}
