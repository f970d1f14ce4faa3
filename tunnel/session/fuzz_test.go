package session

import (
	"bytes"
	"testing"
	"time"

	"github.com/vxmesh/vxmesh/tunnel/drop"
	"github.com/vxmesh/vxmesh/tunnel/wire"
)

// sound checks what holds for every result.
func sound(t *testing.T, in []byte, r Result) {
	t.Helper()
	switch {
	case r.New != nil && (r.Peer == nil || r.Reason != drop.None):
		t.Errorf("a session with nobody or for a reason: %+v", r)
	case r.Reason == drop.Auth && (r.Reply != nil || r.Peer != nil && r.New != nil):
		t.Errorf("an answer to what is not authentic: %+v", r)
	case len(r.Reply) > len(in) && wire.KindOf(in) != wire.Cookie:
		t.Errorf("%d bytes answer %d", len(r.Reply), len(in))
	}
}

// FuzzMessage1 gives a responder forged datagrams, and makes the mac right in half of them, as a
// member of the network could.
func FuzzMessage1(f *testing.F) {
	a, _ := newPair(f)
	f.Add(a.call(), true)
	f.Add(a.call(), false)
	f.Add(forge1(a, func(b []byte) { b[0] = 9 }), true)
	f.Fuzz(func(t *testing.T, m []byte, member bool) {
		a, b := newPair(t)
		if member && len(m) >= 32 {
			m = remac(b, m)
		}
		r := b.Receive(0, a.addr, m)
		sound(t, m, r)
		if (r.New == nil) != (len(b.peer.Transports()) == 0) {
			t.Error("a session that nobody was told of")
		}
	})
}

func FuzzMessage2(f *testing.F) {
	a, b := newPair(f)
	true2 := b.Receive(0, a.addr, a.call()).Reply
	f.Add(true2, true)
	f.Add(true2[:len(true2)-1], true)
	f.Add(true2, false)
	f.Fuzz(func(t *testing.T, m []byte, member bool) {
		a, b := newPair(t)
		a.call() // the same as the one that was answered
		if member && len(m) >= 32 {
			m = remac(a, m)
		}
		r := a.Receive(0, b.addr, m)
		sound(t, m, r)
		if r.Reply != nil {
			t.Errorf("message 2 is answered: %+v", r)
		}
		if r.New != nil && !bytes.Equal(m[16:464], true2[16:464]) {
			t.Error("a session from a forged message 2")
		}
	})
}

func FuzzCookie(f *testing.F) {
	a, b := newPair(f)
	m1 := bytes.Clone(a.call())
	first := *a.peer.attempt
	plain, challenge := b.demand(m1, [16]byte{1}, 0), b.demand(m1, [16]byte{1}, flagChallenge)
	f.Add(plain)
	f.Add(challenge)
	f.Add(b.demand(m1, [16]byte{1}, 2))
	f.Fuzz(func(t *testing.T, m []byte) {
		a.peer.abandon()
		again := first
		a.peer.attempt, a.indices[first.index] = &again, a.peer
		a.peer.challenged = false
		r := a.Receive(time.Second, b.addr, m)
		sound(t, m, r)
		if r.Reply != nil && !bytes.Equal(m, plain) && !bytes.Equal(m, challenge) {
			t.Error("a forged cookie is answered")
		}
	})
}

func FuzzOpen(f *testing.F) {
	for _, c := range ciphers {
		a, b := newPair(f, only(c))
		ta, _ := connect(f, 0, a, b)
		f.Add(sealed(f, ta, "seed"))
	}
	a, b := newPair(f, only(AES256GCM))
	ta, tb := connect(f, 0, a, b)
	good := sealed(f, ta, "seed")
	f.Add(good)
	f.Fuzz(func(t *testing.T, datagram []byte) {
		in := bytes.Clone(datagram)
		out, reason := tb.Open([]byte("x"), datagram)
		switch {
		case !bytes.Equal(in, datagram):
			t.Error("the datagram was written to")
		case reason == drop.None && !bytes.Equal(in, good):
			t.Errorf("a forged datagram opens as %q", out)
		case reason != drop.None && string(out) != "x":
			t.Errorf("%v, and yet %q", reason, out)
		}
	})
}
