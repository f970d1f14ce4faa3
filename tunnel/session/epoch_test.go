package session

import "testing"

// TestRestartEndsOldSessions: a peer that started again has lost the keys from before. What still
// comes with them is from another machine with its key, which has to call to be heard.
func TestRestartEndsOldSessions(t *testing.T) {
	a, b := newPair(t)
	_, old := connect(t, 0, a, b)
	o := options(1)
	o.Epoch = 2
	again := &node{Endpoint: New(o), addr: a.addr}
	again.peer = addPeer(t, again.Endpoint, b.public)
	_, current := connect(t, 1, again, b)
	if got := b.peer.Transports(); len(got) != 1 || got[0] != current {
		t.Errorf("%d sessions are kept", len(got))
	}
	if dropped := b.peer.Expire(1); len(dropped) != 1 || dropped[0] != old {
		t.Errorf("%d sessions were dropped", len(dropped))
	}
	_, next := connect(t, 2, again, b)
	if got := b.peer.Transports(); len(got) != 2 || got[1] != next {
		t.Errorf("after a new session of the same start %d are kept, want 2", len(got))
	}
}

// A first datagram from before the restart, that comes late, does not end what came after it.
func TestLateDatagramOfAnOldStart(t *testing.T) {
	a, b := newPair(t)
	old := b.Receive(0, a.addr, a.call()).New
	restart(t, a, b, 2)
	pending := b.Receive(0, a.addr, a.call()).New
	if !b.peer.Confirm(old) || !b.peer.Confirm(pending) || b.peer.Current() != pending {
		t.Error("the peer that started again is not heard")
	}
}
